"""Rules for merchandisers, each with what it did."""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommender.admin.charts import share_text
from recommender.admin.frame import ListAdmin
from recommender.admin.items import items_by_key
from recommender.catalog import get_catalog
from recommender.models import Rule
from recommender.serving.placements import placements, title_of
from recommender.serving.rule_effects import Effect, rule_effects

HELP: Final = {
    "item": gettext_lazy("The key of the item."),
    "within": gettext_lazy("Instead of one item: all that a saved filter holds."),
    "slot": gettext_lazy("To pin: 1 is the first place of the list."),
    "share": gettext_lazy("To lift: at least this share of the places. To hold back: at most. 0.25 is every fourth."),
}


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no arguments at run time
    placements = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("In the lists"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy(
            "None: in all of them. But to pin or lift in lists of facts (recently viewed, buy it again, often bought "
            "together), tick them."
        ),
    )

    class Meta:
        model = Rule
        # The others come with the page: the item model cannot be looked up here where a setting misspells its name.
        fields = ("placements",)
        help_texts = HELP

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        known = [(name, title_of(placement)) for name, placement in placements().items()]
        self.fields["placements"].choices = known  # type: ignore[attr-defined]


class RuleChangeList(ChangeList):
    """Counts and looks items up once for the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rules = list(self.result_list)
        items = items_by_key({rule.item_id for rule in rules if rule.item_id is not None})
        effects = rule_effects([rule.pk for rule in rules])
        for rule in rules:
            rule.shown_item = items.get(rule.item_id)
            rule.effect = effects and effects[rule.pk]
        self.result_list = rules


@admin.register(Rule)
class RuleAdmin(ListAdmin):
    intro = gettext_lazy("A rule pins, lifts, holds back or hides items in the lists, for as long as you say.")
    form = RuleForm
    list_display = ("name", "action", "about", "where", "state", "seen", "clicks")
    list_filter = ("action", "is_active")
    list_select_related = ("within",)
    search_fields = ("name",)
    raw_id_fields = ("item",)
    fieldsets = (
        (None, {"fields": ("name", "action", "slot", "share", "is_active")}),
        (gettext_lazy("Which items"), {"fields": ("item", "within")}),
        (gettext_lazy("Where and when"), {"fields": ("placements", "starts_at", "ends_at")}),
    )

    class Media:
        css = {"all": ["recommender/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RuleChangeList

    @admin.display(description=gettext_lazy("items"))
    def about(self, rule: Any) -> str:
        if rule.within:
            return str(rule.within)
        return get_catalog().item_title(rule.shown_item) if rule.shown_item else f"{rule.item_id} ✕"

    @admin.display(description=gettext_lazy("in the lists"))
    def where(self, rule: Rule) -> str:
        known = placements()
        names = [title_of(known[name]) if name in known else name for name in rule.placements]
        return ", ".join(names) or _("all")

    @admin.display(description=gettext_lazy("status"))
    def state(self, rule: Rule) -> str:
        now = timezone.now()
        if not rule.is_active:
            kind, text = "cancelled", _("off")
        elif rule.starts_at and now < rule.starts_at:
            kind, text = "running", _("to come")
        elif rule.ends_at and rule.ends_at <= now:
            kind, text = "cancelled", _("over")
        else:
            kind, text = "live", _("in force")
        return format_html('<span class="recommender-badge recommender-badge--{}">{}</span>', kind, text)

    @admin.display(description=gettext_lazy("seen"))
    def seen(self, rule: Any) -> str:
        return _shown(rule, rule.effect and rule.effect.seen)

    @admin.display(description=gettext_lazy("clicks"))
    def clicks(self, rule: Any) -> str:
        return _shown(rule, _with_rate(rule.effect) if rule.effect else None)


def _shown(rule: Rule, value: Any) -> str:
    """What is shown has an effect that can be counted; what is held back has none."""
    puts_into_slots = rule.action in (Rule.Action.PIN, Rule.Action.BOOST)
    return str(value) if puts_into_slots and value is not None else "–"


def _with_rate(effect: Effect) -> str:
    """ "12 (3.4 %)" of what was seen."""
    return f"{effect.clicks} ({share_text(effect.clicks / effect.seen)})" if effect.seen else str(effect.clicks)
