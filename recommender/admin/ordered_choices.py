"""A form field for a short ordered list of choices: one select for each place."""

from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

Choices = list[tuple[str, Any]]


class OrderedChoicesWidget(forms.MultiWidget):
    """A list of values ↔ a select for each."""

    use_fieldset = True

    def decompress(self, value: list[str] | None) -> list[str]:
        return list(value or ())


class OrderedChoicesField(forms.MultiValueField):
    """Up to `places` of the choices in order; what is left empty is left out."""

    default_error_messages = {"twice": _("Choose each only once.")}

    def __init__(self, choices: Choices, places: int, *, required: bool = True, **options: Any) -> None:
        with_none = [("", "–"), *choices]
        fields = [forms.ChoiceField(choices=with_none, required=False) for _place in range(places)]
        name = options.get("label", "")
        selects = [
            forms.Select({"aria-label": format_lazy("{} {}", name, place)}, with_none) for place in range(1, places + 1)
        ]
        widget = OrderedChoicesWidget(selects)
        super().__init__(fields, widget=widget, required=required, require_all_fields=False, **options)

    def compress(self, data_list: list[str]) -> list[str]:
        chosen = [value for value in data_list if value]
        if len(set(chosen)) < len(chosen):
            raise forms.ValidationError(self.error_messages["twice"], code="twice")
        if self.required and not chosen:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return chosen
