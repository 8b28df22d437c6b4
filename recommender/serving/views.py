"""Lists for browsers and apps. The caller gets its own visitor's list; only an app with a key names another visitor."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api_keys import remembered_key
from recommender.catalog import item_key, shop_items
from recommender.models import ApiKey, Visitor
from recommender.serving.authentication import VISITOR_PARAMETERS, CallerView
from recommender.serving.caller import ask_in_time, basket_of, visitor_or_none, within_budget
from recommender.serving.cards import cards_of
from recommender.serving.etags import list_etag
from recommender.serving.placements import SIMILAR_ITEMS
from recommender.serving.problems import BAD_KEY, documented_problem
from recommender.serving.query import Query, Recommendations
from recommender.serving.recommend import recommend, recommend_page
from recommender.serving.rungs import Unanswered, ask
from recommender.serving.schema import documented
from recommender.serving.serializers import (
    ListParameters,
    PageParameters,
    PageSerializer,
    RecommendationParameters,
    RecommendationsSerializer,
)

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
PAGE_EXAMPLE: Final = OpenApiExample("A page of one list", response_only=True, value={"lists": [EXAMPLE.value]})
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
    verify_key = staticmethod(remembered_key)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with within_budget():
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
            return response

    def perform_authentication(self, request: Request) -> None:
        """Who asks; nobody while the database does not say: then the list is the one for everybody."""
        self.is_known = True
        if connection.in_atomic_block:  # of the shop: there the use of a key is noted, or not, with the rest
            super().perform_authentication(request)
            return
        try:
            ask("visitor", partial(super().perform_authentication, request))
        except Unanswered:
            self.is_known = False
            request.user, request.auth = AnonymousUser(), None

    def visitor(self, request: Request) -> Visitor | None:
        """The session's visitor, or whom an app with a key names; None for somebody without events or consent, and
        where the database does not say in time."""
        if not self.is_known:
            return None
        name = partial(self.named_visitor, request)
        named = name() if connection.in_atomic_block else ask_in_time(name)  # inside, an account's new row must stay
        return named if named or isinstance(request.auth, ApiKey) else visitor_or_none(request._request)

    def basket(self, request: Request) -> frozenset[Any]:
        """What lies in the browser's basket; another app says by `exclude` what lies in somebody's."""
        return frozenset() if isinstance(request.auth, ApiKey) else basket_of(request._request)

    def answer(self, request: Request, query: Query) -> HttpResponseBase:
        """The list, or 304 where the client has it. A browser that somebody else may use next keeps no list."""
        refuse_unknown(query.start)
        data = RecommendationsSerializer(list_body(recommend(query)), context={"request": request}).data
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
        return self.answer(request, parameters.query(self.visitor(request), lambda: self.basket(request)))


class PageView(ListView):
    @documented(
        operation_id="recommendations_page",
        summary="Several lists for one page",
        parameters=[PageParameters, *VISITOR_PARAMETERS],
        responses={code: RESPONSES[code] for code in (400, 401, 403, 404)}
        | {200: OpenApiResponse(PageSerializer, examples=[PAGE_EXAMPLE])},
    )
    def get(self, request: Request) -> Response:
        """No item is in two of them: the most important placement chooses first, then in the order asked."""
        parameters = PageParameters.of(request.query_params)
        parameters.is_valid(raise_exception=True)
        refuse_unknown(parameters.items)
        basket = self.basket(request)
        found = recommend_page(parameters.queries(self.visitor(request), lambda: basket))
        lists = {"lists": [list_body(each) for each in found]}
        data = PageSerializer(lists, context={"request": request}).data
        return Response(data, headers={"Cache-Control": "private, no-store"})


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
        basket = self.basket(request)
        return self.answer(request, parameters.query_for(SIMILAR_ITEMS, visitor, lambda: basket, (item_id,)))


def refuse_unknown(item_ids: Sequence[Any]) -> None:
    """Go on without items, and where the shop has one of them.

    Raises:
        NotFound: it has none.
    """
    if item_ids and not any_item_exists(item_ids):
        raise NotFound(_("There is no such item."), code="unknown_item")


def list_body(found: Recommendations) -> dict[str, Any]:
    """What `RecommendationsSerializer` takes."""
    return {
        "placement": found.placement,
        "title": found.title,
        "rung": found.rung,
        "version": found.version_id,
        "token": found.token,
        "items": cards_of(found.entries),
    }


def any_item_exists(item_ids: Sequence[Any]) -> bool:
    """Whether the shop has one of them; True where the database does not say in time, so that the ladder answers."""
    return ask_in_time(shop_items().filter(pk__in=item_ids).exists) is not False
