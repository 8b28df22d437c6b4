"""The body of a POST → rows that are still to be judged one by one, and the sender's clock."""

from typing import Any, Final, NamedTuple

import msgspec
from django.http import HttpRequest, UnreadablePostError
from django.utils.translation import gettext as _

from recommender.capture.drafts import Clock, clock_of
from recommender.capture.rows import read_json, read_time
from recommender.conf import conf
from recommender.exceptions import EventRefused

MAX_SLOT: Final = 2**15 - 1  # what the column holds; no list is as long
MEDIA_TYPES: Final = ("application/json", "text/plain")  # text/plain: what `sendBeacon` sends without a preflight


class Refused(Exception):
    """The whole request is refused."""

    def __init__(self, status: int, code: str, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.reason = reason
        self.headers = headers or {}


class Post(NamedTuple):
    """What was posted: nothing in it is checked yet.

    Attributes:
        events: each as JSON, or of any shape.
        impressions: {"token": ASCII, "slots": what can be one}, so that any file or database holds them.
        is_automated: the browser says that a program steers it.
        who: whose page the events are from, see `visitor.words_of`; unchecked, nothing where the page does not say.
    """

    events: list[Any]
    impressions: list[dict[str, Any]]
    clock: Clock
    is_automated: bool
    who: Any


class _Body(msgspec.Struct):
    events: list[msgspec.Raw]
    impressions: list[Any] = []
    sent_at: Any = None
    webdriver: Any = None
    who: Any = None


_decode: Final = msgspec.json.Decoder(_Body).decode


def read_post(request: HttpRequest) -> Post:
    """The batch that a request carries.

    Raises:
        Refused: it is none, or too large.
    """
    if request.content_type not in MEDIA_TYPES:
        raise Refused(415, "media_type", _("Send JSON as %(types)s.") % {"types": " / ".join(MEDIA_TYPES)})
    text = _text(request)
    try:
        body = _decode(text)
        events: list[Any] = [bytes(raw) for raw in body.events]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = _tolerant(text)  # what one row holds that is no JSON for msgspec must not cost the others
        events = body.events
    sent = len(events) + len(body.impressions)
    if sent > conf.MAX_EVENTS_PER_POST:
        message = _("%(sent)s events; a POST takes %(most)s at most.")
        raise Refused(400, "too_many_events", message % {"sent": sent, "most": conf.MAX_EVENTS_PER_POST})
    try:
        clock = clock_of(read_time(body.sent_at) if body.sent_at is not None else None)
    except EventRefused as error:
        raise Refused(400, "bad_sent_at", f"sent_at: {error.reason}") from error
    return Post(events, [_seen(row) for row in body.impressions], clock, body.webdriver is True, body.who)


def _seen(row: Any) -> dict[str, Any]:
    """What may be meant of a row of seen slots; nothing where it is none, which is charged all the same."""
    token, slots = (row.get("token"), row.get("slots")) if isinstance(row, dict) else (None, None)
    if not isinstance(token, str) or not token.isascii() or not isinstance(slots, list):
        return {}
    return {"token": token, "slots": [slot for slot in slots if type(slot) is int and 1 <= slot <= MAX_SLOT]}


def _text(request: HttpRequest) -> bytes:
    """At most MAX_POST_BYTES, whatever the headers say."""
    try:
        text = request.read(conf.MAX_POST_BYTES + 1)
    except UnreadablePostError as error:
        raise Refused(400, "cut_off", _("The request broke off.")) from error
    if len(text) > conf.MAX_POST_BYTES:
        message = _("A POST takes %(bytes)s bytes and %(events)s events at most.")
        limits = {"bytes": conf.MAX_POST_BYTES, "events": conf.MAX_EVENTS_PER_POST}
        raise Refused(413, "too_large", message % limits)
    return text


def _tolerant(text: bytes) -> Any:
    try:
        body = read_json(text)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "bad_json", _("This is not JSON: %(error)s") % {"error": error}) from error
    events = body.get("events") if isinstance(body, dict) else None
    impressions = body.get("impressions", []) if isinstance(body, dict) else None
    if not isinstance(events, list) or not isinstance(impressions, list):
        raise Refused(400, "bad_shape", _('Send an object with a list: {"events": […]}.'))
    return _Body(events, impressions, body.get("sent_at"), body.get("webdriver"), body.get("who"))
