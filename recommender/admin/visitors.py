"""Visitors, and the page that answers: what does this visitor see, and from which events?"""

import time
import uuid
from typing import Any, Final

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from recommender.admin.items import explained_cards, items_by_key
from recommender.admin.labels import RUNGS, Label, label
from recommender.admin.privacy import may_erase
from recommender.admin.why import WhyPages
from recommender.catalog import get_catalog
from recommender.conf import conf
from recommender.feedback.own import opinions_of
from recommender.models import Event, ModelVersion, Visitor
from recommender.serving.placements import BUY_AGAIN, FOR_YOU, RECENTLY_VIEWED
from recommender.serving.query import Query
from recommender.serving.recommend import recommend

EVENTS_SHOWN: Final = 30
LISTS: Final[tuple[tuple[str, Label], ...]] = (
    (FOR_YOU, gettext_lazy("Recommended for you")),
    (BUY_AGAIN, gettext_lazy("Buy it again")),
    (RECENTLY_VIEWED, gettext_lazy("Recently viewed")),
)


@admin.register(Visitor)
class VisitorAdmin(WhyPages):
    intro = gettext_lazy("Browsers and accounts that were seen. Open one for its lists and its reasons, or to erase.")
    detail_template = "admin/recommender/visitor/detail.html"
    list_display = ("name", "user", "consent", "newest_event_at", "created_at")
    list_select_related = ("user",)
    search_fields = ("key",)  # see get_search_results
    search_help_text = gettext_lazy("The key of a visitor, or the name or e-mail of an account")
    ordering = ("-pk",)
    show_full_result_count = False
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        newest = Event.objects.filter(visitor=OuterRef("pk")).order_by("-at").values("at")[:1]
        visitors: QuerySet[Any] = super().get_queryset(request).annotate(newest_event_at=Subquery(newest))
        return visitors

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> "tuple[QuerySet[Any], bool]":
        term = search_term.strip()
        return (queryset.filter(pk__in=find_visitors(term).values("pk")) if term else queryset), False

    def detail(self, request: HttpRequest, obj: Visitor) -> dict[str, Any]:
        lists = [_list(obj, placement, title) for placement, title in LISTS]
        events = _newest_events(obj)
        return {
            "visitor": obj,
            "lists": [shown for shown in lists if shown["cards"] or shown["placement"] == FOR_YOU],
            "opinions": opinions_of(obj),
            "events": events,
            "event_count": obj.events.count(),
            "events_read": conf.HISTORY_EVENTS,
            "may_erase": may_erase(request),
        }

    @admin.display(description=gettext_lazy("visitor"), ordering="pk")
    def name(self, visitor: Visitor) -> str:
        return str(visitor)

    @admin.display(description=gettext_lazy("newest event"))
    def newest_event_at(self, visitor: Any) -> Any:
        return visitor.newest_event_at


def find_visitors(term: str) -> "QuerySet[Visitor]":
    """By key, or by a part of the account's name or e-mail."""
    try:
        return Visitor.objects.filter(key=uuid.UUID(term))
    except ValueError:
        pass
    user = get_user_model()
    words = Q(**{f"user__{user.USERNAME_FIELD}__icontains": term})
    if email := user.get_email_field_name():
        words |= Q(**{f"user__{email}__icontains": term})
    return Visitor.objects.filter(words)


def _list(visitor: Visitor, placement: str, title: Label) -> dict[str, Any]:
    """A list as the visitor would get it right now, with what it took."""
    began = time.perf_counter()
    found = recommend(Query(placement, visitor, conf.LIST_LENGTH))
    took_ms = 1000 * (time.perf_counter() - began)
    return {
        "placement": placement,
        "title": title,
        "cards": explained_cards(found.entries),
        "rung": label(RUNGS, found.rung),
        "version": ModelVersion.objects.filter(pk=found.version_id).first() if found.version_id else None,
        "took_ms": round(took_ms, 1),
    }


def _newest_events(visitor: Visitor) -> list[Any]:
    """The newest events with `title` and `url` of their items, which may be gone."""
    events: list[Any] = list(visitor.events.order_by("-at", "-pk")[:EVENTS_SHOWN])
    items = items_by_key({event.item_id for event in events})
    for event in events:
        item = items.get(event.item_id)
        event.title = get_catalog().item_title(item) if item else str(event.item_id)
        event.url = get_catalog().item_url(item) if item else ""
    return events
