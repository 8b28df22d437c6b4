"""Publish, roll back, pin and prune: a page that asks, then a POST that does; each act has its audit entry."""

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from recommender.admin.judged import asked_too_few
from recommender.admin.labels import HEADLINE
from recommender.admin.read_only import DetailAdmin
from recommender.delivery import ESTIMATE_TASK, ask
from recommender.exceptions import RecommenderError
from recommender.index.publish import pin, prunable, prune, publish, roll_back, roll_back_target
from recommender.models import ModelVersion

PERMISSION = "recommender.publish"
Act = Callable[[], ModelVersion]


class PublishingPages(DetailAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:version_id>/publish/", view(self.publish), name="recommender_modelversion_publish"),
            path(
                "<int:version_id>/estimate/",
                view(require_POST(self.estimate)),
                name="recommender_modelversion_estimate",
            ),
            path("<int:version_id>/pin/", view(require_POST(self.pin)), name="recommender_modelversion_pin"),
            path("roll-back/", view(self.roll_back), name="recommender_modelversion_rollback"),
            path("prune/", view(self.prune), name="recommender_modelversion_prune"),
        ]
        return own + super().get_urls()

    def publish(self, request: HttpRequest, version_id: int) -> HttpResponse:
        _require(request)
        version = find_version(version_id)
        if request.method == "POST":
            return self._change(request, lambda: publish(version, request.user), _("Published."))
        return self._ask(request, version, _("Publish %(version)s?") % {"version": version})

    def roll_back(self, request: HttpRequest) -> HttpResponse:
        _require(request)
        if request.method == "POST":
            return self._change(request, lambda: roll_back(request.user), _("Published again by a roll back."))
        target = roll_back_target()
        if target is None:
            messages.warning(request, _("There is no earlier version to go back to."))
            return redirect("admin:recommender_modelversion_changelist")
        return self._ask(request, target, _("Roll back to %(version)s?") % {"version": target})

    def estimate(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """Has a worker estimate the version's clicks."""
        _require(request)
        version = find_version(version_id)
        if ask(ESTIMATE_TASK, version.pk):
            messages.success(request, _("A worker estimates the clicks: load this page again in a minute."))
        else:
            messages.error(request, _("The broker does not answer: start it, or use manage.py recommender_estimate."))
        return redirect("admin:recommender_modelversion_change", version_id)

    def pin(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """Pins, or with `pinned=0` in the form lets go."""
        _require(request)
        is_pinned = request.POST.get("pinned") != "0"
        try:
            version = pin(find_version(version_id), is_pinned, request.user)
        except RecommenderError as error:
            messages.error(request, str(error))
            return redirect("admin:recommender_modelversion_change", version_id)
        kept, loose = _("%(version)s is pinned: it keeps its vectors."), _("%(version)s is not pinned any more.")
        messages.success(request, (kept if is_pinned else loose) % {"version": version})
        return redirect("admin:recommender_modelversion_change", version_id)

    def prune(self, request: HttpRequest) -> HttpResponse:
        _require(request)
        if request.method == "POST":
            said = _("Vectors were removed of so many versions: %(n)s.") % {"n": len(prune(request.user))}
            messages.success(request, said)
            return redirect("admin:recommender_modelversion_changelist")
        versions = ModelVersion.objects.filter(pk__in=prunable()).order_by("-pk")
        context = {"versions": versions, "title": _("Remove the vectors of old versions?")}
        return self.render(request, "admin/recommender/modelversion/prune.html", None, context)

    def _ask(self, request: HttpRequest, version: ModelVersion, title: str) -> HttpResponse:
        live = ModelVersion.objects.filter(is_live=True).first()
        context = {
            "version": version,
            "live": live,
            "title": title,
            "asked_too_few": asked_too_few(version.verdict),
            "quality": score(version),
            "live_quality": score(live),
        }
        return self.render(request, "admin/recommender/modelversion/confirm.html", version, context)

    def _change(self, request: HttpRequest, act: Act, said: str) -> HttpResponse:
        try:
            version = act()
        except RecommenderError as error:
            messages.error(request, str(error))
            return redirect("admin:recommender_modelversion_changelist")
        self.log_change(request, version, said)
        messages.success(request, _("%(version)s is live: your visitors see it from now on.") % {"version": version})
        return redirect("admin:recommender_modelversion_change", version.pk)


def may_publish(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(PERMISSION))


def score(version: ModelVersion | None) -> str:
    """The headline of its verdict; "–" where it was not judged."""
    value = ((version.verdict.get("metrics") or {}).get("ours") or {}).get(HEADLINE) if version else None
    return "–" if value is None else f"{value:.4f}"


def _require(request: HttpRequest) -> None:
    if not may_publish(request):
        raise PermissionDenied(_("You need the permission “Can publish a version or roll back”."))


def find_version(version_id: int) -> ModelVersion:
    version = ModelVersion.objects.filter(pk=version_id).first()
    if version is None:
        raise Http404(_("There is no such version."))
    return version
