"""The shop's items by key, sold out or not: admin shows what happened, not what is for sale."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from recommender.catalog import all_items, get_catalog
from recommender.models import Rule
from recommender.serving.cards import Card, card
from recommender.serving.query import Entry


def items_by_key(keys: Iterable[Any]) -> dict[Any, Any]:
    """key → item in one query; deleted ones are missing."""
    items = all_items().select_related(*get_catalog().select_related)
    return dict(items.in_bulk(set(keys)))


def explained_cards(entries: Sequence[Entry]) -> list[tuple[Card, float | None]]:
    """(as the visitor gets it, its score); where a rule chose the item, it is the reason, since the score is not.
    What no source found has no score."""
    rules = {entry.rule for entry in entries if entry.rule is not None}
    names = dict(Rule.objects.filter(pk__in=rules).values_list("pk", "name")) if rules else {}
    return [_explained(entry, names.get(entry.rule or 0)) for entry in entries]


def _explained(entry: Entry, rule: str | None) -> tuple[Card, float | None]:
    shown = card(entry)
    if rule is not None:
        by_rule = _("By the rule “%(name)s”") if entry.is_found else _("By the rule “%(name)s”; no source found it")
        shown = replace(shown, reason=by_rule % {"name": rule})
    return shown, shown.score if entry.is_found else None
