"""`POST recommendations/batch/`: the lists of many visitors, for an app with a key.

A loop over the door of every list, on purpose: ladder, rules and reasons are the same for all, and a batch takes what
its lists would take one by one, without as many requests. Who they are is read in three statements.
"""

from typing import Any, Final

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.capture.accounts import visitors_named
from recommender.models import ApiKey, Visitor
from recommender.serving.authentication import ApiKeyAuthentication, CallerView, IsApp, KeyHasScope
from recommender.serving.breaker import new_page
from recommender.serving.problems import BAD_KEY, documented_problem
from recommender.serving.recommend import recommend
from recommender.serving.schema import documented
from recommender.serving.serializers import BatchParameters, BatchSerializer
from recommender.serving.views import EXAMPLE, UNKNOWN_ITEM, list_body, refuse_unknown

ASKED: Final = OpenApiExample(
    "Two visitors",
    request_only=True,
    value={
        "placement": "for_you",
        "n": 6,
        "visitors": ["6f9619ff-8b86-4011-b42d-00cf4fc964ff"],
        "users": ["42"],
        "exclude": ["981760"],
    },
)
ANSWERED: Final = OpenApiExample(
    "A list, and an account that is gone",
    response_only=True,
    value={
        "lists": [{**EXAMPLE.value, "visitor": "6f9619ff-8b86-4011-b42d-00cf4fc964ff", "user": None}],
        "unknown": {"visitors": [], "users": ["42"]},
    },
)
BAD_TYPE: Final = documented_problem(
    "Another media type than JSON.", "unsupported_media_type", "Unsupported media type “text/csv” in request."
)
TOO_MANY: Final = "Name 1 to 100 visitors and users in one request, not 101."


class BatchView(CallerView):
    schema = AutoSchema()
    scopes = {"POST": ApiKey.Scope.LISTS}
    authentication_classes = (ApiKeyAuthentication,)
    permission_classes = (IsApp, KeyHasScope)

    @documented(
        operation_id="recommendations_batch",
        summary="Lists of many visitors",
        request=BatchParameters,
        responses={
            200: OpenApiResponse(BatchSerializer, examples=[ANSWERED]),
            400: documented_problem("The body is no such question.", "invalid", TOO_MANY, **{"": [TOO_MANY]}),
            401: BAD_KEY,
            403: documented_problem(
                "The key lacks the scope `lists`.",
                "missing_scope",
                "This API key lacks the scope “lists”: make a new key that has it.",
            ),
            404: UNKNOWN_ITEM,
            415: BAD_TYPE,
        },
        examples=[ASKED],
    )
    def post(self, request: Request) -> Response:
        """One placement for all of them; the name of a visitor or an account that is repeated counts once."""
        parameters = BatchParameters(data=request.data)
        parameters.is_valid(raise_exception=True)
        refuse_unknown(parameters.items)
        keys, users = (list(dict.fromkeys(parameters.validated_data[name])) for name in ("visitors", "users"))
        by_key, by_user = visitors_named(keys, users)
        found: list[tuple[Visitor | None, str | None]] = [(by_key[key], None) for key in keys if key in by_key]
        found += [(by_user[user], user) for user in users if user in by_user]
        body = {
            "lists": [
                {**_body(parameters, visitor), "visitor": visitor and visitor.key, "user": user}
                for visitor, user in found
            ],
            "unknown": {
                "visitors": [key for key in keys if key not in by_key],
                "users": [user for user in users if user not in by_user],
            },
        }
        data = BatchSerializer(body, context={"request": request}).data
        return Response(data, headers={"Cache-Control": "private, no-store"})


def _body(parameters: BatchParameters, visitor: Visitor | None) -> dict[str, Any]:
    """A list as a page of its own has it: that another one was slow is no reason for a simpler one."""
    new_page()
    return list_body(recommend(parameters.query(visitor)))
