import json
import logging

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from recommender.operations.logs import JsonFormatter, RequestIdFilter, RequestIdMiddleware


def line_of(request: HttpRequest) -> tuple[dict[str, object], HttpResponse]:
    """What is logged inside a request, and the response."""
    lines = []

    def page(request: HttpRequest) -> HttpResponse:
        record = logging.makeLogRecord(
            {"name": "shop", "levelname": "WARNING", "msg": "“%s”", "args": ("é",), "rung": "x"}
        )
        RequestIdFilter().filter(record)
        lines.append(json.loads(JsonFormatter().format(record)))
        return HttpResponse()

    response = RequestIdMiddleware(page)(request)
    return lines[0], response  # type: ignore[return-value]


def test_a_line_carries_the_proxys_id_and_so_does_the_response() -> None:
    line, response = line_of(RequestFactory().get("/", headers={"X-Request-ID": "abc-123"}))
    assert (line["request_id"], line["message"], line["rung"], line["level"]) == ("abc-123", "“é”", "x", "WARNING")
    assert response["X-Request-ID"] == "abc-123"


@pytest.mark.parametrize("forged", ["", "a b", "x" * 129, "a\tb"])
def test_what_no_log_should_hold_is_replaced(forged: str) -> None:
    line, response = line_of(RequestFactory().get("/", headers={"X-Request-ID": forged}))
    assert line["request_id"] == response["X-Request-ID"] != forged
    assert len(str(line["request_id"])) == 32


def test_outside_requests_there_is_none() -> None:
    record = logging.makeLogRecord({"msg": "x"})
    RequestIdFilter().filter(record)
    assert json.loads(JsonFormatter().format(record))["request_id"] == ""


def test_an_exception_is_one_field() -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "x", "exc_info": (type(error), error, error.__traceback__)})
    assert "ValueError: why" in json.loads(JsonFormatter().format(record))["exception"]
