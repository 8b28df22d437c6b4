"""A shopper's browser and the shop behind it, as far as a replay needs them: cookies, tokens, real requests."""

import http.client
import json
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from django.core.signing import get_cookie_signer
from django.urls import reverse

from recommender.capture.visitor import SALT
from recommender.conf import conf
from recommender.exceptions import ReplayRefused
from recommender.models import Visitor
from recommender.uplift.truth import Line

TIMEOUT_SECONDS: Final = 60
SPILLED_SECONDS: Final = 3.0  # a busy server keeps events on its disk first, and stores them within a second or two
AGENT: Final = "Mozilla/5.0 (replay of recorded purchases)"


class SeenList(NamedTuple):
    """A list as it came: keys as text in the order of the slots, its token and rung."""

    items: list[str]
    token: str
    rung: str


class Browser:
    """One connection to the shop's server; `url` is its root.

    All methods raise ReplayRefused where the server answers anything but success.
    """

    def __init__(self, url: str, api_key: str) -> None:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._api_key = api_key

    def see_list(self, visitor: Visitor, n: int) -> SeenList:
        """ "Recommended for you", as the visitor's browser gets it."""
        path = f"{reverse('recommender:recommendations')}?placement=for_you&n={n}"
        found = self._ask("GET", path, headers=self._cookies(visitor))
        return SeenList([str(item["id"]) for item in found["items"]], found["token"], found["rung"])

    def report(self, visitor: Visitor, seen: SeenList, clicked: Iterable[str]) -> None:
        """All slots of the list were seen, and these items clicked, as beacon.js tells it."""
        clicks = [{"item": item, "kind": "click", "token": seen.token} for item in clicked]
        slots = list(range(1, len(seen.items) + 1))
        self._send({"events": clicks, "impressions": [{"token": seen.token, "slots": slots}]}, self._cookies(visitor))

    def order(self, visitor: Visitor, lines: Sequence[Line]) -> None:
        """The shop's own server tells what was bought."""
        rows = [
            {"item": item, "kind": "purchase", "quantity": int(quantity)}
            | ({"value_cents": int(cents)} if cents else {})
            for item, quantity, cents in lines
        ]
        for start in range(0, len(rows), conf.MAX_EVENTS_PER_POST):
            batch = {"events": rows[start : start + conf.MAX_EVENTS_PER_POST]}
            self._send(batch, {"Authorization": f"Api-Key {self._api_key}"}, f"?visitor={visitor.key}")

    def close(self) -> None:
        self._connection.close()

    def _send(self, body: dict[str, Any], headers: dict[str, str], query: str = "") -> None:
        answer = self._ask("POST", reverse("recommender:events") + query, body, headers)
        if answer["stored"] + answer["spilled"] != answer["received"]:
            raise ReplayRefused(f"The server did not store all that was sent: {answer}")
        if answer["spilled"]:
            time.sleep(SPILLED_SECONDS)

    def _ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        sent = {"User-Agent": AGENT, "Origin": self._origin, "Content-Type": "application/json", **(headers or {})}
        self._connection.request(method, path, None if body is None else json.dumps(body), sent)
        response = self._connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise ReplayRefused(f"{method} {path} was answered by {response.status}: {text[:300]!r}")
        return json.loads(text)

    def _cookies(self, visitor: Visitor) -> dict[str, str]:
        """The cookie that `VisitorMiddleware` sets; what the server signs, it reads."""
        signed = get_cookie_signer(salt=conf.VISITOR_COOKIE + SALT).sign(str(visitor.key))
        return {"Cookie": f"{conf.VISITOR_COOKIE}={signed}"}
