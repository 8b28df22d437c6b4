"""Recorded events: read-only, and quick on millions of rows."""

import uuid
from functools import cached_property
from typing import Any, Final, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from recommender.admin.items import items_by_key
from recommender.admin.read_only import ReadOnlyAdmin
from recommender.admin.visitors import find_visitors
from recommender.catalog import get_catalog
from recommender.models import Event
from recommender.serving.placements import TITLES

LISTED: Final = 10_000  # rows that can be paged through; filters find the others
VISITORS_FOUND: Final = 50  # whose events a search shows


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # takes no arguments at run time
    """Counts to LISTED and no further: `COUNT(*)` over a year of events takes seconds."""

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[Event]", self.object_list).order_by()[:LISTED].count()


class EventChangeList(ChangeList):
    """Fetches the page's items in one query; a deleted item does not hide its events."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        events = list(self.result_list)
        items = items_by_key({event.item_id for event in events})
        for event in events:
            event.shown_item = items.get(event.item_id)
        self.result_list = events


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    change_list_template = "admin/recommender/event/list.html"
    list_display = ("at", "kind", "item_title", "visitor_link", "quantity", "source", "placement", "doubt")
    list_filter = ("kind", "source", "doubt", "at")
    list_select_related = ("visitor__user",)
    search_fields = ("visitor",)  # see get_search_results
    search_help_text = gettext_lazy("The key of a visitor, the name or e-mail of an account, or the id of an event")
    ordering = ("-at",)
    sortable_by = ()  # only the newest first has an index
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # a count over all rows for each filter
    list_per_page = 100
    list_max_show_all = 100
    fields = (
        "id",
        "at",
        "kind",
        "item_title",
        "visitor_link",
        "quantity",
        "value_cents",
        "source",
        "impression",
        "doubt",
        "received_at",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return EventChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"estimate": estimated_events(), "listed": LISTED, "title": gettext_lazy("Events")}
        return super().changelist_view(request, context | (extra_context or {}))

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> "tuple[QuerySet[Any], bool]":
        """Resolve the words to visitors first, so that the index on (visitor, at) does the rest."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            by_id = queryset.filter(pk=uuid.UUID(term))
        except ValueError:
            by_id = queryset.none()
        if by_id.exists():
            return by_id, False
        visitors = list(find_visitors(term).values_list("pk", flat=True)[:VISITORS_FOUND])
        return queryset.filter(visitor_id__in=visitors), False

    # --- columns

    @admin.display(description=gettext_lazy("item"))
    def item_title(self, event: Any) -> str:
        item = event.shown_item if hasattr(event, "shown_item") else items_by_key({event.item_id}).get(event.item_id)
        if item is None:
            return format_html('<span class="recommender-quiet">{} ✕</span>', event.item_id)
        return format_html('<a href="{}">{}</a>', get_catalog().item_url(item), get_catalog().item_title(item))

    @admin.display(description=gettext_lazy("visitor"))
    def visitor_link(self, event: Event) -> str:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:recommender_visitor_change", args=[event.visitor_id]), event.visitor
        )

    @admin.display(description=gettext_lazy("from the list"))
    def placement(self, event: Event) -> str:
        name = str((event.impression or {}).get("placement", ""))
        return str(TITLES.get(name, name))


def estimated_events() -> int:
    """Rows by the planner's statistics: no scan, right to a few percent once the table was analysed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(greatest(reltuples, 0))::bigint FROM pg_partition_tree(%s::regclass)"
            " JOIN pg_class ON oid = relid WHERE isleaf",
            [Event._meta.db_table],
        )
        return max(0, int(cursor.fetchone()[0]))
