"""Why an item is in the list, in words that are true: said only where the arithmetic of its score says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.utils.translation import gettext as _

from recommender.capture.tables import CART, PURCHASE
from recommender.catalog import get_catalog
from recommender.conf import min_buyers
from recommender.dataset.ranking_features import FEATURES, GROUPS, Floats, contributions
from recommender.index.nearest import available_items, likeness
from recommender.models import ItemPair, ModelVersion
from recommender.serving.entries import Shown
from recommender.serving.history import History
from recommender.serving.removal import Drops, quick_drops
from recommender.serving.scoring import Scored
from recommender.serving.today import popular_today
from recommender.serving.visitor_vector import Pool

OFTEN: Final = 3  # purchases that make a habit
MIN_SIMILARITY: Final = 0.3  # cosine below which "because" would be a guess, unless others took the two together
MIN_SHARE: Final = 0.05  # of all that lifts the score: less is not the reason, one of forty items carries 0.025
MOSTLY: Final = 0.5
OF_GROUP: Final = {group: [FEATURES.index(name) for name in names] for group, names in GROUPS.items()}


@dataclass(frozen=True, slots=True)
class Cause:
    """The item that carries a score most. `by_links`: mostly because others took the two together. `was_liked`: because
    the visitor asked for more like it."""

    item: Any
    by_links: bool = False
    was_liked: bool = False


def explain(shown: Sequence[Shown], scored: Scored, pool: Pool | None) -> list[str]:
    """One reason an item: a habit, what the visitor asked for, the item of the history that its score needs most, or ""
    where none is enough."""
    if not shown:
        return []
    place = {key: row for row, key in enumerate(scored.candidates.item)}
    rows = np.array([place[entry.item.pk] for entry in shown], dtype=np.int64)
    lift = group_shares(scored, rows)
    purchases = count_purchases(scored.history)
    drops = quick_drops(scored, rows, pool)
    enough = MIN_SHARE * np.maximum(sum(np.maximum(each, 0.0) for each in lift.values()), 1e-9)
    causes = [
        None if entry.item.pk in purchases else _cause(scored, drops, int(row), number, float(enough[number]))
        for number, (entry, row) in enumerate(zip(shown, rows, strict=True))
    ]
    named = [cause.item for cause in causes if cause]
    known = _look_up(scored.version, named, [entry.item.pk for entry in shown])
    reasons = [
        repeat_reason(purchases[entry.item.pk])
        if entry.item.pk in purchases and lift["own"][number] > 0
        else _because(cause, entry.item.pk, scored.history, known)
        for number, (entry, cause) in enumerate(zip(shown, causes, strict=True))
    ]
    is_lifted = lift["popularity"] >= enough
    return [
        reason or _popular(entry, bool(lifted)) for entry, reason, lifted in zip(shown, reasons, is_lifted, strict=True)
    ]


def group_shares(scored: Scored, rows: Any) -> dict[str, Floats]:
    """Group of features → [rows] what it adds to each score; with what is left, they sum to the score."""
    shares, _rest = contributions(scored.features[rows], scored.version.ranker)
    return {group: shares[:, columns].sum(axis=1) for group, columns in OF_GROUP.items()}


def count_purchases(history: History) -> dict[Any, int]:
    """item key → how many times it was bought."""
    keys, counts = np.unique(history.item[history.kind == PURCHASE], return_counts=True)
    return dict(zip(keys.tolist(), counts.tolist(), strict=True))


def repeat_reason(purchases: int) -> str:
    """For an item that the visitor has bought."""
    return _("You buy this often") if purchases >= OFTEN else _("You bought this before")


def _cause(scored: Scored, drops: Drops, row: int, number: int, enough: float) -> Cause | None:
    """Of a candidate and its column in `drops`; None where no item of the history carries enough."""
    total, by_links = drops.total[:, number], drops.by_links[:, number]
    if scored.said[row] > max(enough, float(total.max(initial=0.0))):
        liked = scored.history.opinions.nearest_liked(scored.version, scored.candidates.vectors[row])
        return Cause(liked, was_liked=True)
    eligible = (_alike(scored, drops.causes, row) >= MIN_SIMILARITY) | (by_links > 0)
    best = int(np.where(eligible, total, -np.inf).argmax()) if len(total) else 0
    if not len(total) or not eligible[best] or total[best] < enough:
        return None
    return Cause(drops.causes[best], bool(by_links[best] > MOSTLY * total[best]))


def _alike(scored: Scored, causes: list[Any], row: int) -> Floats:
    """[causes] cosine of each with a candidate; 0 where the version does not know the cause."""
    history = scored.history
    vector = likeness(scored.version, scored.candidates.vectors[row])
    newest = dict(zip(history.item[history.has_vector].tolist(), range(len(history.vectors)), strict=True))
    known = [place for place, cause in enumerate(causes) if cause in newest]
    out = np.zeros(len(causes), dtype=np.float32)
    if known:
        out[known] = likeness(scored.version, history.vectors[[newest[causes[place]] for place in known]]) @ vector
    return out


def _popular(entry: Shown, is_lifted: bool) -> str:
    """Where how many take an item lifts its score enough, and it is among the best of its category today."""
    if not is_lifted or entry.item.pk not in popular_today():
        return ""
    return _("Popular in %(category)s today") % {"category": get_catalog().item_category(entry.item)}


def _look_up(version: ModelVersion, causes: Sequence[Any], shown: Sequence[Any]) -> dict[Any, tuple[str, set[Any]]]:
    """Available cause → (its title, the shown items that enough different visitors bought with it); one statement."""
    if not causes:
        return {}
    pairs = ItemPair.objects.filter(
        version_id=version.pk, item_id=OuterRef("pk"), other_id__in=shown, support__gte=min_buyers()
    )
    items = available_items().filter(pk__in=causes).select_related(*get_catalog().select_related)
    found = items.annotate(recommender_pairs=ArraySubquery(pairs.values("other_id")))
    return {item.pk: (get_catalog().item_title(item), set(item.recommender_pairs)) for item in found}


def _because(cause: Cause | None, item: Any, history: History, known: Mapping[Any, tuple[str, set[Any]]]) -> str:
    if cause is None or cause.item not in known:
        return ""
    title, bought_with = known[cause.item]
    if cause.was_liked:
        text = _("You asked for more like this") if cause.item == item else _("Because you wanted more like %(title)s")
        return text % {"title": title}
    kinds = history.kind[history.item == cause.item]
    if cause.item == item:
        return _("You looked at this before")
    if cause.by_links and item in bought_with:
        return _("Often bought with %(title)s") % {"title": title}
    if (kinds == PURCHASE).any():
        return _("Because you bought %(title)s") % {"title": title}
    if (kinds == CART).any():
        return _("Because you chose %(title)s") % {"title": title}
    return _("Because you looked at %(title)s") % {"title": title}
