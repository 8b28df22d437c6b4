"""`POST events/` in OpenAPI: a plain view, which the generator for rest_framework's views does not see."""

from typing import Any, Final

from recommender.capture.rows import MAX_QUANTITY, MAX_VALUE_CENTS
from recommender.capture.tables import KINDS
from recommender.conf import conf

ROW: Final = (
    f"Each event: `item` (the shop's key), `kind` ({', '.join(KINDS.values())}), and where they are known `id` (a UUID "
    "of version 7 that names the act for ever: sent twice, it is stored once), `at` (ISO 8601 with an offset), "
    f"`quantity` (1 to {MAX_QUANTITY}), `value_cents` (0 to {MAX_VALUE_CENTS}) and `token` of the list that it came "
    "from. Rows are judged one by one: a wrong one costs no other, and its outcome is in the answer."
)
KEYED: Final = "Of an app with a key, which names one of the two."
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
PROBLEM: Final = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "reason": {"type": "string"}},
    "required": ["code", "reason"],
}
RETRY: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
PROBLEMS: Final = {
    400: "The body is no batch, or one of too many events.",
    401: "The API key is unknown or was revoked.",
    403: "Not from a page of this shop, a visitor without a key, or a visitor who has not agreed to be remembered.",
    404: "There is no such account, or the visitor's key is no UUID.",
    410: "The visitor was erased.",
    413: "Too many bytes.",
    415: "Another media type than JSON (or `text/plain`, as `sendBeacon` sends it).",
    429: "Too many events of this visitor or address in a minute; send the same again after Retry-After.",
    503: "The events cannot be kept right now; send the same again after Retry-After.",
}


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
            "requestBody": {"required": True, "content": {"application/json": {"schema": _body()}}},
            "responses": {
                "202": _response("What became of every row.", ANSWER),
                **{str(status): _problem(status, text) for status, text in PROBLEMS.items()},
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
        },
        "required": ["events"],
    }


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problem(status: int, description: str) -> dict[str, Any]:
    return _response(description, PROBLEM) | ({"headers": RETRY} if status in (429, 503) else {})
