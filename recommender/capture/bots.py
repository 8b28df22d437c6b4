"""Who is hardly a person: what programs send is kept, flagged, and moves nobody else's lists."""

import re
from typing import Final
from uuid import UUID

from django.http import HttpRequest

from recommender.models import Event, Visitor

# Programs that say that they are programs.
CRAWLER: Final = re.compile(r"(?<!cu)bot\b|crawl|spider|slurp|externalhit|curl/|wget/|python-", re.IGNORECASE)
# They keep no cookie: a visitor a page would fill the table with visitors who come once.
CRAWLERS: Final = UUID("00000000-0000-4000-8000-0000000c4a31")


def doubt_about(request: HttpRequest) -> int:
    """`Event.Doubt` by the headers: a crawler, or a page that a browser loads ahead of a click that may never come."""
    headers = request.META
    if CRAWLER.search(headers.get("HTTP_USER_AGENT", "")):
        return Event.Doubt.CRAWLER
    if "prefetch" in headers.get("HTTP_SEC_PURPOSE", headers.get("HTTP_PURPOSE", "")):
        return Event.Doubt.PREFETCH
    return Event.Doubt.NONE


def crawlers() -> Visitor:
    """The one visitor of all crawlers that keep no cookie."""
    return Visitor.objects.get_or_create(key=CRAWLERS)[0]
