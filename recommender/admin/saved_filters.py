"""Saved filters: a field for each attribute of the catalogue, one accepted value a line."""

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import label_for_field
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy

from recommender.admin.charts import whole
from recommender.admin.frame import ListAdmin
from recommender.catalog import get_catalog, item_model, shop_items
from recommender.exceptions import FilterBroken
from recommender.index.nearest import available_items
from recommender.models import SavedFilter

PREFIX: Final = "attribute_"


class SavedFilterForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no arguments at run time
    class Meta:
        model = SavedFilter
        fields = ("name", "min_price_cents", "max_price_cents")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for lookup in get_catalog().attributes:
            self.fields[PREFIX + lookup] = forms.CharField(
                label=_label(lookup),
                required=False,
                widget=forms.Textarea({"rows": 3}),
                initial="\n".join(map(str, self.instance.values.get(lookup, ()))),
                help_text=gettext_lazy("One value a line, as it is written in the catalogue. Empty: any."),
            )
        if not get_catalog().price_cents:
            del self.fields["min_price_cents"], self.fields["max_price_cents"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        written = {name.removeprefix(PREFIX): text for name, text in cleaned.items() if name.startswith(PREFIX)}
        lines = {lookup: [line.strip() for line in text.splitlines()] for lookup, text in written.items()}
        self.instance.values = {lookup: [line for line in found if line] for lookup, found in lines.items()}
        self.instance.min_price_cents = cleaned.get("min_price_cents")
        self.instance.max_price_cents = cleaned.get("max_price_cents")
        low, high = self.instance.min_price_cents, self.instance.max_price_cents
        if low is not None and high is not None and low > high:
            self.add_error("max_price_cents", gettext("This is below the lowest price: no item can match."))
        try:
            self.instance.narrow(shop_items())
        except FilterBroken as error:
            raise forms.ValidationError(str(error)) from error
        return cleaned


@admin.register(SavedFilter)
class SavedFilterAdmin(ListAdmin):
    intro = gettext_lazy("Items chosen by price and attributes under a name: for rules, and for what a list may hold.")
    form = SavedFilterForm
    list_display = ("name", "matching")
    search_fields = ("name",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(SavedFilterForm(instance=obj).fields)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        return super().get_form(request, obj, change, **options | {"fields": SavedFilterForm.Meta.fields})

    def save_model(self, request: HttpRequest, obj: Any, form: "forms.ModelForm[Any]", change: bool) -> None:
        """Saved all the same: what it is for may be sold out today. But a slip of the pen empties whole lists."""
        super().save_model(request, obj, form, change)
        if not available_items(obj).exists():
            text = gettext("No available item matches “%(name)s”: a list that uses it stays empty.")
            messages.warning(request, text % {"name": obj})

    @admin.display(description=gettext_lazy("available items"))
    def matching(self, saved: SavedFilter) -> str:
        try:
            return whole(available_items(saved).distinct().count())
        except FilterBroken as error:
            return str(error)


def _label(lookup: str) -> str:
    """ "category__department__name" → "category → department": the names of the fields on the way."""
    model: type[Model] | None = item_model()
    names: list[str] = []
    for name in lookup.split("__"):
        if model is None:
            break
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            return lookup
        names.append(str(label_for_field(name, model)))
        model = field.related_model
    return capfirst(" → ".join(names[:-1] if len(names) > 1 and lookup.endswith("__name") else names))
