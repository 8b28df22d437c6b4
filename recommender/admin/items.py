"""The shop's items by key, sold out or not: admin shows what happened, not what is for sale."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from recommender.catalog import get_catalog, item_model
from recommender.models import Rule
from recommender.serving.cards import Card, card
from recommender.serving.query import Entry


def items_by_key(keys: Iterable[Any]) -> dict[Any, Any]:
    """key → item in one query; deleted ones are missing."""
    items = item_model()._base_manager.select_related(*get_catalog().select_related)
    return dict(items.in_bulk(set(keys)))


def explained_cards(entries: Sequence[Entry]) -> list[Card]:
    """As the visitor gets them; where a rule chose the item, it is the reason, since the score is not."""
    rules = {entry.rule for entry in entries if entry.rule is not None}
    names = dict(Rule.objects.filter(pk__in=rules).values_list("pk", "name")) if rules else {}
    said = {pk: _("By the rule “%(name)s”") % {"name": name} for pk, name in names.items()}
    return [replace(card(entry), reason=said.get(entry.rule or 0, entry.reason)) for entry in entries]
