"""What somebody asks the shop by letter: all my data, and forget me. Pages of a visitor in admin."""

from typing import cast

from django.contrib import messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from recommender.admin.read_only import DetailAdmin
from recommender.models import Visitor
from recommender.privacy.erasure import erase
from recommender.privacy.export import export_visitors, to_json

PERMISSION = "recommender.delete_visitor"


class PrivacyPages(DetailAdmin):
    """Adds `export/` and `erase/` to the pages of a visitor."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path(
                "<int:visitor_id>/export/",
                wrap(require_safe(self.export)),
                name="recommender_visitor_export",
            ),
            path(
                "<int:visitor_id>/erase/",
                wrap(require_http_methods(["GET", "POST"])(self.erase)),
                name="recommender_visitor_erase",
            ),
        ]
        return own + super().get_urls()

    def export(self, request: HttpRequest, visitor_id: int) -> HttpResponse:
        visitor = self._visitor(visitor_id)
        if not self.has_view_permission(request, visitor):
            raise PermissionDenied
        response = HttpResponse(to_json(export_visitors([visitor])), content_type="application/json")
        response["Content-Disposition"] = f'attachment; filename="visitor-{visitor.key}.json"'
        response["Cache-Control"] = "private, no-store"
        return response

    def erase(self, request: HttpRequest, visitor_id: int) -> HttpResponse:
        """Asks, then does; the log says that it was done and by whom, not who it was."""
        visitor = self._visitor(visitor_id)
        if not may_erase(request):
            raise PermissionDenied(_("You need the permission “Can delete visitor”."))
        if request.method != "POST":
            context = {"visitor": visitor, "title": _("Erase %(visitor)s?") % {"visitor": visitor}}
            context["event_count"] = visitor.events.count()
            return self.render(request, "admin/recommender/visitor/erase.html", visitor, context)
        events = erase(visitor)
        LogEntry.objects.create(
            user_id=cast(int, request.user.pk),
            content_type=ContentType.objects.get_for_model(Visitor),
            object_repr=_("a visitor"),
            action_flag=DELETION,
            change_message=_("Erased."),
        )
        said = ngettext("Erased, with %(n)s event.", "Erased, with %(n)s events.", events)
        messages.success(request, said % {"n": events})
        return redirect("admin:recommender_visitor_changelist")

    def _visitor(self, visitor_id: int) -> Visitor:
        visitor = Visitor.objects.filter(pk=visitor_id).first()
        if visitor is None:
            raise Http404(_("There is no such visitor."))
        return visitor


def may_erase(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(PERMISSION))
