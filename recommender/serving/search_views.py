"""`GET search/?q=`: available items that answer words, in this visitor's order."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import Error
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.catalog import get_catalog
from recommender.conf import conf
from recommender.exceptions import RecommenderError
from recommender.index.nearest import available_items
from recommender.index.publish import live_version
from recommender.index.reading import reading
from recommender.models import ApiKey, Visitor
from recommender.serving.authentication import VISITOR_PARAMETERS
from recommender.serving.cards import cards_of
from recommender.serving.impressions import impression_token
from recommender.serving.problems import BAD_KEY, documented_problem
from recommender.serving.query import Entry
from recommender.serving.schema import documented
from recommender.serving.search import Match, search_items
from recommender.serving.serializers import SearchParameters, SearchSerializer
from recommender.serving.views import EXAMPLE, RESPONSES, ListView

PLACEMENT: Final = "search"
RUNG: Final = "search"
FOUND: Final = OpenApiExample(
    "The first of many",
    response_only=True,
    value={"q": "berries", "next": 12, **{name: EXAMPLE.value[name] for name in ("version", "token", "items")}},
)
AWAY: Final = documented_problem(
    "The database does not answer: the shop's own search should.", "away", "The search does not answer right now."
)


class Away(APIException):
    status_code = 503
    default_code = "away"


class SearchView(ListView):
    scopes = {"GET": ApiKey.Scope.SEARCH}

    @documented(
        operation_id="search",
        summary="Search by words",
        parameters=[SearchParameters, *VISITOR_PARAMETERS],
        responses={
            200: OpenApiResponse(SearchSerializer, examples=[FOUND]),
            400: documented_problem(
                "A parameter is wrong, or there is nothing to look for.",
                "invalid",
                "q: This field may not be blank.",
                q=["This field may not be blank."],
            ),
            401: BAD_KEY,
            403: documented_problem(
                "A visitor was named without an API key, or by a key without the scope `search`.",
                "missing_scope",
                "This API key lacks the scope “search”: make a new key that has it.",
            ),
            404: RESPONSES[404],
            503: AWAY,
        },
    )
    def get(self, request: Request) -> Response:
        """What is called so and what means the same, typos or not; what the visitor likes decides between equals."""
        parameters = SearchParameters.of(request.query_params)
        parameters.is_valid(raise_exception=True)
        visitor, asked = self.visitor(request), parameters.validated_data
        try:
            matches = search_items(asked["q"], visitor, parameters.excluded)
            end = asked["offset"] + asked.get("n", conf.LIST_LENGTH)
            entries = _entries(matches[asked["offset"] : end])
        except (RecommenderError, Error) as error:
            raise Away(_("The search does not answer right now.")) from error
        body = _body(asked["q"], visitor, entries, end if end < len(matches) else None)
        data = SearchSerializer(body, context={"request": request}).data
        return Response(data, headers={"Cache-Control": "private, no-store"})


def _entries(matches: Sequence[Match]) -> list[Entry]:
    keys = [match.item_id for match in matches]
    with reading(conf.BUDGET_MS):
        items = available_items().filter(pk__in=keys).select_related(*get_catalog().select_related).in_bulk()
    shown = [(items[match.item_id], match.score) for match in matches if match.item_id in items]
    return [Entry(item, score, "", slot) for slot, (item, score) in enumerate(shown, start=1)]


def _body(text: str, visitor: Visitor | None, entries: list[Entry], following: int | None) -> dict[str, Any]:
    version = live_version()
    version_id = version.pk if version else None
    return {
        "q": text,
        "version": version_id,
        "next": following,
        "token": impression_token(visitor, PLACEMENT, RUNG, version_id, entries) if entries else "",
        "items": cards_of(entries),
    }
