"""`POST events/` in OpenAPI: a plain view, which the generator for rest_framework's views does not see."""

from typing import Any, Final

from recommender.capture.rows import MAX_QUANTITY, MAX_VALUE_CENTS
from recommender.capture.tables import KINDS
from recommender.conf import conf
from recommender.problems import problem

ROW: Final = (
    f"Each event: `item` (the shop's key), `kind` ({', '.join(KINDS.values())}), and where they are known `id` (a UUID "
    "of version 7 that names the act for ever: sent twice, it is stored once), `at` (ISO 8601 with an offset), "
    f"`quantity` (1 to {MAX_QUANTITY}), `value_cents` (0 to {MAX_VALUE_CENTS}) and `token` of the list that it came "
    "from. Rows are judged one by one: a wrong one costs no other, and its outcome is in the answer."
)
OUTCOME: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "index": {"type": "integer", "minimum": 0},
            "code": {"type": "string"},
            "reason": {"type": "string"},
        },
        "required": ["index", "code", "reason"],
    },
}
COUNT: Final = {"type": "integer", "minimum": 0}
ANSWER: Final = {
    "type": "object",
    "description": "received = stored + duplicates + spilled + rows in quarantine + refused rows.",
    "properties": {
        "received": COUNT,
        "stored": COUNT,
        "duplicates": COUNT,
        "spilled": {**COUNT, "description": "On this server's disk; stored when the database is back."},
        "quarantined": {**OUTCOME, "description": "Kept for the shop to look at; do not send them again."},
        "refused": OUTCOME,
    },
    "required": ["received", "stored", "duplicates", "spilled", "quarantined", "refused"],
}
PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}  # as the other operations' errors
RETRY: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
# status → what it means, and the code and the words of an example
PROBLEMS: Final = {
    400: (
        "The body is no batch, or one of too many events.",
        "bad_shape",
        'Send an object with a list: {"events": […]}.',
    ),
    401: ("The API key is unknown or was revoked.", "bad_key", "This API key is unknown or was revoked."),
    403: (
        "Not from a page of this shop, a visitor without a key, a key without the scope `events`, a page of another "
        "account than is logged in, or a visitor who has not agreed to be remembered.",
        "no_consent",
        "This visitor has not agreed to be remembered: send no events.",
    ),
    404: (
        "There is no such account, or the visitor's key is no UUID.",
        "unknown_visitor",
        "There is no user with this primary key.",
    ),
    410: ("The visitor was erased.", "erased", "This visitor was erased; whoever comes back needs a new key."),
    413: ("Too many bytes.", "too_large", "A POST takes 262144 bytes and 500 events at most."),
    415: (
        "Another media type than JSON (or `text/plain`, as `sendBeacon` sends it).",
        "media_type",
        "Send JSON as application/json / text/plain.",
    ),
    429: (
        "Too many events of this visitor or address in a minute; send the same again after Retry-After.",
        "too_fast",
        "Too many events; try again in 12 s.",
    ),
    503: (
        "The events cannot be kept right now; send the same again after Retry-After.",
        "not_kept",
        "Events cannot be kept right now: send them again.",
    ),
}
SENT: Final = {
    "events": [
        {
            "id": "019ab5c0-7d10-7c3e-9a51-3f5d0c2b8e44",
            "item": 981760,
            "kind": "click",
            "at": "2026-11-24T12:00:00Z",
            "token": "eyJ2Ijoi…",
        }
    ],
    "impressions": [{"token": "eyJ2Ijoi…", "slots": [1, 2, 3]}],
    "sent_at": "2026-11-24T12:00:05Z",
}
ANSWERED: Final = {"received": 1, "stored": 1, "duplicates": 0, "spilled": 0, "quarantined": [], "refused": []}


def events_path() -> dict[str, Any]:
    """The OpenAPI path item of `events/`."""
    named = [
        {
            "name": "visitor",
            "in": "query",
            "schema": {"type": "string", "format": "uuid"},
            "description": "With a key.",
        },
        {"name": "user", "in": "query", "schema": {"type": "string"}, "description": "With a key: primary key."},
    ]
    return {
        "post": {
            "operationId": "events_create",
            "summary": "Record what a visitor did",
            "description": "202: every row is on disk, by the database or beside it. " + ROW,
            "tags": ["recommender"],
            "security": [{"ApiKey": []}, {}],
            "parameters": named,
            "requestBody": {"required": True, "content": _json(_body(), "A click on a list", SENT)},
            "responses": {
                "202": {"description": "What became of every row.", "content": _json(ANSWER, "Stored", ANSWERED)},
                **{str(status): _problem(status, *told) for status, told in PROBLEMS.items()},
            },
        }
    }


def _body() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "events": {"type": "array", "maxItems": conf.MAX_EVENTS_PER_POST, "items": {}, "description": ROW},
            "impressions": {
                "type": "array",
                "items": {},
                "description": "Slots of lists that were seen: `{token, slots: [1, 2]}`.",
            },
            "sent_at": {
                "type": "string",
                "format": "date-time",
                "nullable": True,
                "description": "By the sender's clock; it sets the times of the events right.",
            },
            "webdriver": {"description": "true: the browser says that a program steers it."},
            "who": {"description": "The page's `data-who`; of another account than is logged in: refused."},
        },
        "required": ["events"],
    }


def _json(schema: dict[str, Any], name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema, "examples": {name: {"value": value}}}}


def _problem(status: int, description: str, code: str, reason: str) -> dict[str, Any]:
    response = {"description": description, "content": _json(PROBLEM, code, problem(code, reason))}
    return response | ({"headers": RETRY} if status in (429, 503) else {})
