"""Lists for browsers and apps. The caller gets its own visitor's list; only an app with a key names another visitor."""

import logging
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import Error
from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.catalog import item_key, item_model
from recommender.conf import conf
from recommender.index.reading import reading
from recommender.models import ApiKey, Visitor
from recommender.serving.authentication import VISITOR_PARAMETERS, CallerView
from recommender.serving.caller import visitor_or_none
from recommender.serving.cards import card
from recommender.serving.etags import list_etag
from recommender.serving.problems import BAD_KEY, documented_problem
from recommender.serving.query import SIMILAR_ITEMS, TITLES, Query
from recommender.serving.recommend import recommend
from recommender.serving.schema import documented
from recommender.serving.serializers import ListParameters, RecommendationParameters, RecommendationsSerializer

logger = logging.getLogger(__name__)

EXAMPLE: Final = OpenApiExample(
    "A list",
    response_only=True,
    value={
        "placement": "for_you",
        "title": "Recommended for you",
        "rung": "personal",
        "version": 7,
        "token": "eyJ2Ijoi…",
        "items": [
            {
                "id": 981760,
                "title": "Strawberries, 16 oz",
                "url": "https://shop.example/p/981760/",
                "image_url": "https://shop.example/picture/strawberry.svg",
                "price": "2.99",
                "price_cents": 299,
                "score": 1.283,
                "reason": "Because you bought Blueberries",
                "slot": 1,
            }
        ],
    },
)
UNKNOWN_ITEM: Final = documented_problem(
    "There is no such item, or no such visitor.", "unknown_item", "There is no such item."
)
RESPONSES: Final = {
    200: OpenApiResponse(RecommendationsSerializer, examples=[EXAMPLE]),
    304: OpenApiResponse(
        description="The list is the one of If-None-Match; its token is good for at least half of its life."
    ),
    400: documented_problem(
        "A parameter is wrong: its name, and why.",
        "invalid",
        "n: At most 100 items.",
        n=["At most 100 items."],
    ),
    401: BAD_KEY,
    403: documented_problem(
        "A visitor was named without an API key, or by a key without the scope `lists`.",
        "missing_scope",
        "This API key lacks the scope “lists”: make a new key that has it.",
    ),
    404: UNKNOWN_ITEM,
}


class ListView(CallerView):
    """What both lists share: for whom, and how it is answered."""

    schema = AutoSchema()
    scopes = {"GET": ApiKey.Scope.LISTS}

    def visitor(self, request: Request) -> Visitor | None:
        """The session's visitor, or whom an app with a key names; None for somebody without events or consent."""
        named = self.named_visitor(request)
        return named if named or isinstance(request.auth, ApiKey) else visitor_or_none(request._request)

    def answer(self, request: Request, query: Query) -> HttpResponseBase:
        """The list, or 304 where the client has it. A browser that somebody else may use next keeps no list."""
        refuse_unknown(query.item_id)
        data = RecommendationsSerializer(list_body(query), context={"request": request}).data
        kept = "no-cache" if isinstance(request.auth, ApiKey) else "no-store"
        etag = list_etag(data)
        response = Response(data, headers={"Cache-Control": f"private, {kept}", "ETag": etag})
        known = get_conditional_response(request._request, etag=etag, response=response)
        return response if known is None else known


class RecommendationsView(ListView):
    @documented(
        operation_id="recommendations",
        summary="A list for the caller",
        parameters=[RecommendationParameters, *VISITOR_PARAMETERS],
        responses=RESPONSES,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """For the session's visitor, or for the visitor that an app with a key names; without one, what is popular."""
        parameters = RecommendationParameters.of(request.query_params)
        parameters.is_valid(raise_exception=True)
        return self.answer(request, parameters.query(self.visitor(request)))


class SimilarItemsView(ListView):
    @documented(
        operation_id="similar_items",
        summary="Items like this one",
        parameters=[
            ListParameters,
            *VISITOR_PARAMETERS,
            OpenApiParameter("key", OpenApiTypes.STR, "path", description="The item's key."),
        ],
        responses=RESPONSES,
    )
    def get(self, request: Request, key: str) -> HttpResponseBase:
        """The nearest neighbours of an item by cosine similarity, as far as they are available."""
        parameters = ListParameters.of(request.query_params)
        parameters.is_valid(raise_exception=True)
        try:
            item_id = item_key(key)
        except ValidationError as error:
            raise NotFound(_("There is no such item."), code="unknown_item") from error
        visitor = self.visitor(request)
        return self.answer(request, Query(SIMILAR_ITEMS, visitor, parameters.length, item_id, parameters.excluded))


def refuse_unknown(item_id: Any) -> None:
    """Go on without an item, and with one that the shop has.

    Raises:
        NotFound: it has not.
    """
    if item_id is not None and not item_exists(item_id):
        raise NotFound(_("There is no such item."), code="unknown_item")


def list_body(query: Query) -> dict[str, Any]:
    """What `RecommendationsSerializer` takes."""
    found = recommend(query)
    return {
        "placement": found.placement,
        "title": TITLES[found.placement],
        "rung": found.rung,
        "version": found.version_id,
        "token": found.token,
        "items": [card(entry) for entry in found.entries],
    }


def item_exists(item_id: Any) -> bool:
    """Whether the shop has the item; True where the database does not say, so that the ladder answers."""
    try:
        with reading(conf.BUDGET_MS):
            return item_model()._default_manager.filter(pk=item_id).exists()
    except Error:
        logger.warning("The database did not say whether an item exists.", exc_info=True)
        return True
