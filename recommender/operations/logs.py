"""One id a request in every log line of it: from the proxy's X-Request-ID, or made here.

MIDDLEWARE = ["recommender.operations.logs.RequestIdMiddleware", ...]
LOGGING = {
    "filters": {"request_id": {"()": "recommender.operations.logs.RequestIdFilter"}},
    "formatters": {"json": {"()": "recommender.operations.logs.JsonFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["request_id"], "formatter": "json"}},
    ...
}
"""

import json
import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER: Final = "X-Request-ID"
SHAPE: Final = re.compile(r"[A-Za-z0-9._:/=+-]{1,128}")  # what a log may hold of a stranger's header
PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request_id"}

_request_id: ContextVar[str] = ContextVar("recommender_request_id", default="")


class RequestIdMiddleware:
    """Put it first: what runs before it has no id. The response carries the id back."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        name = given if SHAPE.fullmatch(given) else uuid4().hex
        token = _request_id.set(name)
        try:
            response = self.get_response(request)
        finally:
            _request_id.reset(token)
        response[HEADER] = name
        return response


class RequestIdFilter(logging.Filter):
    """`%(request_id)s` in a format; "" outside requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _request_id.get()
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with whatever `extra=` gave."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", _request_id.get()),
            **{name: value for name, value in vars(record).items() if name not in PLAIN},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)
