"""The page "why is this list like this": a visitor, a placement, and the arithmetic of one item."""

from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from recommender.admin.charts import share_text
from recommender.admin.items import explained_cards, items_by_key
from recommender.admin.labels import PARTS, RUNGS, Label, label
from recommender.admin.privacy import PrivacyPages
from recommender.catalog import get_catalog, item_key
from recommender.conf import conf
from recommender.models import Visitor
from recommender.serving.placements import FOR_YOU, needs_items, placements, title_of
from recommender.serving.query import Query
from recommender.serving.why import Arithmetic, why

STAGES: Final[Mapping[str, Label]] = {
    "events": gettext_lazy("Events of the visitor that are read"),
    "items": gettext_lazy("Different items in them"),
    "vectors": gettext_lazy("Newest events that make the visitor's vector"),
    "nearest": gettext_lazy("Nearest to the visitor's vector"),
    "popular": gettext_lazy("Popular"),
    "own": gettext_lazy("What the visitor had before, and is available"),
    "linked": gettext_lazy("What the newest items lead to or nobody has taken yet, and is available"),
    "newcomers": gettext_lazy("Came after the training"),
    "candidates": gettext_lazy("Different candidates"),
    "refused": gettext_lazy("Not asked for: “not for me”"),
    "left_out": gettext_lazy("Left out: bought lately, in the basket, on the page already"),
    "ruled_out": gettext_lazy("Left out by a rule"),
    "shown": gettext_lazy("Shown"),
}
GROUPS: Final[Mapping[str, Label]] = {
    "taste": gettext_lazy("Alike: visitor and item"),
    "together": gettext_lazy("Taken together by others"),
    "words": gettext_lazy("Words in common"),
    "popularity": gettext_lazy("How many take it"),
    "item": gettext_lazy("The item itself: age, price, habit"),
    "own": gettext_lazy("What the visitor did with it before"),
    "visitor": gettext_lazy("What kind of visitor this is"),
}


class WhyPages(PrivacyPages):
    """Adds `why/` to the pages of a visitor."""

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(require_safe(self.why))
        return [path("<int:visitor_id>/why/", page, name="recommender_visitor_why"), *super().get_urls()]

    def why(self, request: HttpRequest, visitor_id: int) -> HttpResponse:
        """`?placement=` one of those that start from no item; `&item=` whose score is taken apart."""
        visitor = self._visitor(visitor_id)
        if not self.has_view_permission(request, visitor):
            raise PermissionDenied
        names = {name: title_of(each) for name, each in placements().items() if not needs_items(each)}
        chosen = request.GET.get("placement", FOR_YOU)
        chosen = chosen if chosen in names else FOR_YOU
        context = {"visitor": visitor, "placement": chosen, "placements": names.items()}
        context["title"] = _("Why the lists of %(visitor)s are so") % {"visitor": visitor}
        found = _explained(visitor, chosen, request.GET.get("item", ""))
        return self.render(request, "admin/recommender/visitor/why.html", visitor, context | found)


def _explained(visitor: Visitor, placement: str, item: str) -> dict[str, Any]:
    try:
        wanted = item_key(item) if item else None
    except ValidationError:
        wanted = None
    found = why(Query(placement, visitor, conf.LIST_LENGTH), wanted)
    return {
        "rung": label(RUNGS, found.found.rung),
        "version_id": found.found.version_id,
        "took_ms": round(found.took_ms, 1),
        "cards": explained_cards(found.found.entries),
        "kept_share": "" if found.kept_share is None else share_text(found.kept_share, 0),
        "stages": [(label(STAGES, stage.name), stage.count, stage.wanted) for stage in found.stages],
        "sum": _worded(found.arithmetic) if found.arithmetic else None,
    }


def _worded(arithmetic: Arithmetic) -> dict[str, Any]:
    keys = [arithmetic.item_id, *(key for key, _ in [*arithmetic.causes, *arithmetic.neighbours])]
    items = items_by_key(keys)
    titles = {key: get_catalog().item_title(items[key]) if key in items else str(key) for key in keys}
    groups: dict[str, float] = {}
    for share in arithmetic.shares:
        groups[share.group] = groups.get(share.group, 0.0) + share.adds
    return {
        "title": titles[arithmetic.item_id],
        "item_id": arithmetic.item_id,
        "score": arithmetic.score,
        "rest": arithmetic.rest,
        "said": arithmetic.said,
        "groups": sorted(((label(GROUPS, name), adds) for name, adds in groups.items()), key=lambda pair: -pair[1]),
        "shares": arithmetic.shares,
        "parts": [(label(PARTS, name), share_text(weight, 0), cosine) for name, weight, cosine in arithmetic.parts],
        "causes": [(titles[key], drop) for key, drop in arithmetic.causes],
        "neighbours": [(titles[key], cosine) for key, cosine in arithmetic.neighbours],
    }
