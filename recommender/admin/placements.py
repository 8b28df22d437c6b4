"""Placements: the defaults beside the shop's own rows, each with a preview for any visitor before it is saved."""

from typing import Any, Final, cast

from django import forms
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from recommender.admin.frame import framed
from recommender.admin.items import explained_cards
from recommender.admin.labels import RUNGS, label
from recommender.admin.ordered_choices import OrderedChoicesField
from recommender.admin.visitors import find_visitors
from recommender.catalog import item_key
from recommender.models import Placement, Source
from recommender.serving.placements import (
    DEFAULTS,
    TITLES,
    known_placements,
    length_of,
    needs_items,
    placements,
    title_of,
)
from recommender.serving.query import Query
from recommender.serving.recommend import recommend

SEES_VISITORS: Final = "recommender.view_visitor"
LISTED: Final = ("importance", "exclude_bought_days", "diversity")
TUNED: Final = (*LISTED, "excludes_basket", "exploration_share", "repeat_share", "length")
PREVIEW: Final = ("preview_visitor", "preview_items")
HELP: Final = {
    "title": gettext_lazy("Left empty, the list has its own title in the language of the page."),
    "length": gettext_lazy("Items, where the page names no number."),
    "importance": gettext_lazy("Where several lists stand on a page, the most important one chooses its items first."),
    "within": gettext_lazy("What is not available is left out of every list, whatever is chosen here."),
    "exclude_bought_days": gettext_lazy("0 leaves nothing out; half a day is 0.5."),
    "diversity": gettext_lazy("0 orders by score alone, 1 only by how different the items are."),
    "exploration_share": gettext_lazy("Share of the places that try items few people have seen; 0.05 is a twentieth."),
    "repeat_share": gettext_lazy("At most this share of the list is what the visitor has bought before."),
}


class PlacementForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no arguments at run time
    sources = OrderedChoicesField(
        Source.choices,
        3,
        label=gettext_lazy("Sources"),
        help_text=gettext_lazy("The second fills the places that the first leaves empty."),
    )
    fallbacks = OrderedChoicesField(
        Source.choices,
        2,
        required=False,
        label=gettext_lazy("Fall-backs"),
        help_text=gettext_lazy("Asked one after the other where the sources have nothing at all."),
    )
    preview_visitor = forms.CharField(
        required=False,
        label=gettext_lazy("Visitor"),
        help_text=gettext_lazy("The key of a visitor, or the name or e-mail of an account. Empty: somebody new."),
    )
    preview_items = forms.CharField(
        required=False,
        label=gettext_lazy("Items"),
        help_text=gettext_lazy("Keys of the items that the list starts from, separated by commas."),
    )

    class Meta:
        model = Placement
        fields = ("name", "title", "sources", "fallbacks", "within", *TUNED)
        help_texts = HELP

    def clean_preview_items(self) -> tuple[Any, ...]:
        written = self.cleaned_data["preview_items"].split(",")
        return tuple(item_key(key.strip()) for key in written if key.strip())


@admin.register(Placement)
class PlacementAdmin(ModelAdmin):  # type: ignore[type-arg]  # takes no arguments at run time
    form = PlacementForm
    change_form_template = "admin/recommender/placement/form.html"
    fieldsets = (
        (None, {"fields": ("name", "title", "sources", "fallbacks", "length", "importance")}),
        (gettext_lazy("What may be in it"), {"fields": ("within", "exclude_bought_days", "excludes_basket")}),
        (gettext_lazy("Mixture"), {"fields": ("diversity", "repeat_share", "exploration_share")}),
        (gettext_lazy("Preview"), {"fields": PREVIEW}),
    )

    class Media:
        css = {"all": ["recommender/admin.css"]}

    def get_urls(self) -> list[URLPattern]:
        preview = self.admin_site.admin_view(require_POST(self.preview))
        name = "recommender_placement_preview"
        own = [path("preview/", preview, name=name), path("<int:placement_id>/preview/", preview, name=name)]
        return own + super().get_urls()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name",) if obj else ()  # templates ask for the list by it

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """`?name=trending` starts from that default."""
        initial = super().get_changeform_initial_data(request)
        default = DEFAULTS.get(str(initial.get("name", "")))
        fields = PlacementForm.Meta.fields
        return {name: getattr(default, name) for name in fields} if default else cast(dict[str, Any], initial)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """All lists that there are, not only those with a row."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        known_placements.expire()  # what was just saved is listed
        rows = sorted(placements().values(), key=lambda placement: -placement.importance)
        context = {
            "rows": [(placement, title_of(placement), _sources(placement)) for placement in rows],
            "may_add": self.has_add_permission(request),
        }
        return framed(self, request, "admin/recommender/placement/list.html", None, context | (extra_context or {}))

    def preview(self, request: HttpRequest, placement_id: int | None = None) -> HttpResponse:
        """The list that the form as it is now would give; nothing is saved."""
        saved = Placement.objects.filter(pk=placement_id).first() if placement_id else None
        if placement_id and saved is None:
            raise Http404
        if not self.has_view_permission(request, saved) or not (saved or self.has_add_permission(request)):
            raise PermissionDenied
        form = self.get_form(request, saved, change=saved is not None)(request.POST, instance=saved)
        if form.is_valid() and needs_items(form.instance) and not form.cleaned_data["preview_items"]:
            form.add_error("preview_items", _("This list starts from an item: name one."))
        if form.is_valid() and form.cleaned_data["preview_visitor"] and not request.user.has_perm(SEES_VISITORS):
            form.add_error("preview_visitor", _("You may not look at visitors; leave this empty."))
        context: dict[str, Any] = {"form": form, "title": _("Preview"), "errors": _errors(form)}
        if form.is_valid():
            context |= _preview(form.instance, form.cleaned_data)
        return framed(self, request, "admin/recommender/placement/preview.html", saved, context)


def _sources(placement: Placement) -> str:
    """ "ranked for this visitor; else what is popular" """
    names = [str(Source(name).label) for name in placement.sources]
    others = [_("else %(source)s") % {"source": Source(name).label} for name in placement.fallbacks]
    return "; ".join([", ".join(names), *others])


def _preview(placement: Placement, chosen: dict[str, Any]) -> dict[str, Any]:
    visitor = find_visitors(chosen["preview_visitor"]).first() if chosen["preview_visitor"] else None
    query = Query(placement.name, visitor, length_of(placement), items=chosen["preview_items"])
    found = recommend(query, placement=placement)
    return {
        "placement": placement,
        "heading": placement.title or TITLES.get(placement.name, placement.name),
        "visitor": visitor,
        "is_unknown": bool(chosen["preview_visitor"]) and visitor is None,
        "rung": label(RUNGS, found.rung),
        "cards": explained_cards(found.entries),
    }


def _errors(form: forms.BaseForm) -> list[tuple[str, str]]:
    """(field, what is wrong)."""
    if form.is_valid():
        return []
    return [
        (str(form.fields[name].label or name) if name in form.fields else "", " ".join(map(str, messages)))
        for name, messages in form.errors.items()
    ]
