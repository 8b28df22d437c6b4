"""Keys in order → the shop's own objects, as long as they may be shown, with what the reasons name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection
from django.db.models import Model
from django.db.models.expressions import RawSQL

from recommender.catalog import get_catalog, item_model, key_field
from recommender.conf import min_buyers
from recommender.index.nearest import available_items
from recommender.models import ItemPair, ModelVersion, SavedFilter
from recommender.serving.entries import Found, Named

BOUGHT_WITH: Final = "recommender_bought_with"  # attribute of an item that a reason may name
# By hand, since building it by querysets takes longer than running it.
_BOUGHT_WITH: Final = """
CASE WHEN {key} = ANY (%s::{type}[]) THEN ARRAY(
    SELECT pair.other_id FROM {pairs} AS pair
    WHERE pair.version_id = %s AND pair.item_id = {key} AND pair.other_id = ANY (%s::{type}[]) AND pair.support >= %s
) END
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is available: `items` in order, and of the pinned and tried ones key → item; `named`: what reasons name."""

    items: list[Model]
    pinned: dict[Any, Model]
    tried: dict[Any, Model]
    named: dict[Any, Named]


def take_available(
    found: Found,
    keys: Sequence[Any],
    n: int,
    *,
    pinned: Sequence[Any] = (),
    tried: Sequence[Any] = (),
    within: SavedFilter | None = None,
    groups: frozenset[Any] = frozenset(),
) -> Taken:
    """The first `n` of these keys, in this order, that are still available; one statement where none is left out.

    Args:
        found: whose reasons say what else to fetch.
        pinned, tried: asked for besides; a tried item is none of `items`, nor a variant of them.
        within: only items of this filter.
        groups: variant groups that stand on the page already; of every other group the first item is taken, pinned
            ones before all others.
    """
    shelf = _Shelf(found, within)
    start, step = n, n
    shelf.fetch([*pinned, *tried, *keys[:n]])
    seen = set(groups)
    on_pins = {item.pk: item for item in shelf.take(pinned, seen)}
    taken = shelf.take(keys[:n], seen)
    while len(taken) < n and start < len(keys):
        chunk = list(keys[start : start + step])
        start, step = start + step, step * 2
        shelf.fetch(chunk)
        taken += shelf.take(chunk, seen)
    used = {item.pk for item in taken}
    # Each on its own: whether one is tried must not depend on whether another one is.
    on_trial = {key: item for key in tried if key not in used for item in shelf.take([key], set(seen))}
    return Taken(taken[:n], on_pins, on_trial, shelf.named)


@dataclass(slots=True)
class _Shelf:
    """What was fetched so far: `items` that may be in the list, and what the reasons name."""

    found: Found
    within: SavedFilter | None
    items: dict[Any, Model] = field(default_factory=dict)
    named: dict[Any, Named] = field(default_factory=dict)

    def fetch(self, keys: Sequence[Any]) -> None:
        """One statement, or two where only items of a filter may be in the list: reasons name others, too."""
        if not keys:
            return
        known = set(self.found.keys)
        causes = self.found.reasons.named([key for key in keys if key in known])
        if self.within is None:
            self._sort_in(keys, _read([*keys, *causes], None, self.found.version, causes, keys))
            return
        self._sort_in(keys, _read(keys, self.within))
        if causes:
            self._sort_in((), _read(causes, None, self.found.version, causes, keys))

    def _sort_in(self, keys: Sequence[Any], items: Iterable[Any]) -> None:
        wanted = set(keys)
        for item in items:
            if item.pk in wanted:
                self.items[item.pk] = item
            if (bought_with := getattr(item, BOUGHT_WITH, None)) is not None:
                self.named[item.pk] = Named(get_catalog().item_title(item), frozenset(bought_with))

    def take(self, keys: Sequence[Any], groups: set[Any]) -> list[Model]:
        """Those of the keys that are available and of no group among `groups`, which gets theirs."""
        items = (self.items[key] for key in keys if key in self.items)
        return [item for item in items if _is_new_group(item, groups)]


def _is_new_group(item: Model, taken: set[Any]) -> bool:
    """Whether none of the item's variants was taken before; the item takes its group."""
    group = get_catalog().item_group(item)
    if group is None:
        return True
    is_new = group not in taken
    taken.add(group)
    return is_new


def _read(
    keys: Sequence[Any],
    within: SavedFilter | None,
    version: ModelVersion | None = None,
    causes: Sequence[Any] = (),
    shown: Sequence[Any] = (),
) -> Iterable[Any]:
    """The available ones; as BOUGHT_WITH, those of `causes` have the keys of `shown` that were bought with them."""
    items = available_items(within).filter(pk__in=keys).select_related(*get_catalog().select_related)
    if version is None or not causes:
        return items
    model, quoted = item_model(), connection.ops.quote_name
    statement = _BOUGHT_WITH.format(
        key=f"{quoted(model._meta.db_table)}.{quoted(str(model._meta.pk.column))}",
        type=key_field().rel_db_type(connection),
        pairs=quoted(ItemPair._meta.db_table),
    )
    parameters = [list(causes), version.pk, list(shown), min_buyers()]
    with_pairs: Iterable[Any] = items.annotate(**{BOUGHT_WITH: RawSQL(statement, parameters)})  # noqa: S611  ours
    return with_pairs
