"""The ledger with its red light, and the quarantine with "try again"."""

from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from recommender.admin.frame import framed
from recommender.admin.quality import QUALITY_DAYS, quality_context
from recommender.admin.read_only import ReadOnlyAdmin
from recommender.capture.ledger import lines
from recommender.capture.partitions import has_default_rows
from recommender.capture.quarantine import replay
from recommender.models import LedgerEntry, QuarantinedEvent
from recommender.quality.report import DAYS as REPORT_DAYS

DAYS: Final = 31
PAYLOAD_SHOWN: Final = 120  # characters in the list


@admin.register(LedgerEntry)
class LedgerAdmin(ReadOnlyAdmin):
    """One page instead of a list: the entries of a day added up. And the report on the quality of the data."""

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.quality)
        return [path("quality/", page, name="recommender_ledgerentry_quality"), *super().get_urls()]

    def quality(self, request: HttpRequest) -> HttpResponse:
        """What arrives, what is wrong with it, and what to do; `?days=` one of QUALITY_DAYS."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = request.GET.get("days", "")
        days = int(asked) if asked in map(str, QUALITY_DAYS) else REPORT_DAYS
        context = {"title": _("Data quality"), "days": days, "choices": QUALITY_DAYS, **quality_context(days)}
        return framed(self, request, "admin/recommender/ledgerentry/quality.html", None, context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = lines(DAYS)
        context = {
            "lines": found,
            "days": DAYS,
            "is_broken": any(line.difference for line in found),
            "has_default_rows": has_default_rows(),
            "title": _("Ledger"),
        }
        return framed(self, request, "admin/recommender/ledgerentry/list.html", None, context | (extra_context or {}))


@admin.register(QuarantinedEvent)
class QuarantineAdmin(ReadOnlyAdmin):
    intro = gettext_lazy("Rows that came and could not be stored, each with its reason. Mend the cause and try again.")
    actions = ("try_again",)
    list_display = ("received_at", "code", "source", "visitor", "shown_payload", "is_cut")
    list_filter = ("code", "source")
    list_select_related = ("visitor__user",)
    fields = ("received_at", "code", "source", "visitor", "payload", "is_cut", "clock_skew_seconds")
    ordering = ("-pk",)
    show_full_result_count = False
    list_per_page = 100

    @admin.display(description=gettext_lazy("payload"))
    def shown_payload(self, row: QuarantinedEvent) -> str:
        return row.payload if len(row.payload) <= PAYLOAD_SHOWN else f"{row.payload[:PAYLOAD_SHOWN]}…"

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("recommender.change_quarantinedevent"))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return ModelAdmin.get_actions(self, request)

    @admin.action(description=gettext_lazy("Try again to store the selected rows"), permissions=["replay"])
    def try_again(self, request: HttpRequest, queryset: "QuerySet[QuarantinedEvent]") -> None:
        done = replay(list(queryset.values_list("pk", flat=True)))
        stored = ngettext("%(count)d event is stored now.", "%(count)d events are stored now.", done.stored)
        rest = ngettext("%(count)d row is still in quarantine.", "%(count)d rows are still in quarantine.", done.still)
        level = messages.WARNING if done.still else messages.SUCCESS
        messages.add_message(request, level, f"{stored % {'count': done.stored}} {rest % {'count': done.still}}")
