"""Why an item is in the list, in words that are true: said only where the arithmetic of its score says it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from recommender.capture.tables import CART, PURCHASE
from recommender.catalog import get_catalog
from recommender.dataset.ranking_features import FEATURES, GROUPS, LINKS, Floats, contributions
from recommender.index.nearest import likeness
from recommender.serving.entries import Named, Reasons, Shown
from recommender.serving.history import History
from recommender.serving.removal import Drops, quick_drops
from recommender.serving.scoring import Scored
from recommender.serving.today import popular_today
from recommender.serving.visitor_vector import Pool

OFTEN: Final = 3  # purchases that make a habit
MIN_SIMILARITY: Final = 0.3  # cosine below which "because" would be a guess
MOST_NAMED: Final = 3  # times that a list names the same item: after one view it would be all that the list says
MIN_SHARE: Final = 0.05  # of all that lifts the score: less is not the reason, one of forty items carries 0.025
MOSTLY: Final = 0.5
TOGETHER: Final = [LINKS.index(name) for name in LINKS if name in GROUPS["together"]]
OF_GROUP: Final = {group: [FEATURES.index(name) for name in names] for group, names in GROUPS.items()}


@dataclass(frozen=True, slots=True)
class Cause:
    """The item that carries a score most, and how much of it. `by_links`: mostly because others took the two together.
    `was_liked`: because the visitor asked for more like it."""

    item: Any
    carries: float
    by_links: bool = False
    was_liked: bool = False


@dataclass(frozen=True, slots=True)
class Why:
    """Of one candidate.

    Attributes:
        is_habit: the visitor's own purchases of it lift it. goes_with_all: nothing lifts it more than what others took
            together with the visitor's items, all of them. is_popular: how many take it lifts it.
    """

    cause: Cause | None
    is_habit: bool
    goes_with_all: bool
    is_popular: bool


class ByScore(Reasons):
    """A habit, what the visitor asked for, the item of the history that a score needs most, all of them together, or
    nothing where none is enough. An item is named where it carries most; beyond MOST_NAMED the next true reason is."""

    def __init__(self, scored: Scored, pool: Pool | None) -> None:
        self._scored, self._pool = scored, pool
        self._place = {key: row for row, key in enumerate(scored.candidates.item)}
        self._purchases = count_purchases(scored.history)
        self._why: dict[Any, Why] = {}

    def named(self, keys: Sequence[Any]) -> list[Any]:
        new = [key for key in keys if key not in self._why]
        if new:
            self._why |= dict(zip(new, self._weigh(new), strict=True))
        causes = (self._why[key].cause for key in keys)
        return list(dict.fromkeys(cause.item for cause in causes if cause))

    def given(self, shown: Sequence[Shown], named: Mapping[Any, Named]) -> list[str]:
        because = self._because(shown, named)
        return [self._reason(entry, because.get(entry.item.pk, "")) for entry in shown]

    def _weigh(self, keys: Sequence[Any]) -> list[Why]:
        scored, bought = self._scored, self._purchases
        rows = np.array([self._place[key] for key in keys], dtype=np.int64)
        lift = group_shares(scored, rows)
        enough = MIN_SHARE * np.maximum(sum(np.maximum(each, 0.0) for each in lift.values()), 1e-9)
        causes = self._causes(rows, enough)
        is_habit = [key in bought and bool(own > 0) for key, own in zip(keys, lift["own"], strict=True)]
        most = np.max([each for group, each in lift.items() if group != "together"], axis=0)
        is_linked = scored.candidates.links[rows][:, TOGETHER].any(axis=1)
        goes_with_all = is_linked & (lift["together"] >= np.maximum(enough, most))
        is_lifted = lift["popularity"] >= enough
        return [Why(*each) for each in zip(causes, is_habit, goes_with_all.tolist(), is_lifted.tolist(), strict=True)]

    def _causes(self, rows: NDArray[np.int64], enough: NDArray[Any]) -> list[Cause | None]:
        """Of each candidate; None of what was bought, whose reason is that."""
        scored = self._scored
        is_new = np.array([scored.candidates.item[row] not in self._purchases for row in rows.tolist()], dtype=bool)
        if not is_new.any():
            return [None] * len(rows)
        drops = quick_drops(scored, rows[is_new], self._pool)
        alike = _alike(scored, drops.causes, rows[is_new])
        found = iter(
            _cause(scored, drops, alike, row, number, share)
            for number, (row, share) in enumerate(zip(rows[is_new].tolist(), enough[is_new].tolist(), strict=True))
        )
        return [next(found) if each else None for each in is_new.tolist()]

    def _because(self, shown: Sequence[Shown], named: Mapping[Any, Named]) -> dict[Any, str]:
        """item key → the reason that names its cause."""
        causes = [(entry.item.pk, cause) for entry in shown if (cause := self._why[entry.item.pk].cause) is not None]
        said: dict[Any, str] = {}
        times: Counter[Any] = Counter()
        for key, cause in sorted(causes, key=lambda pair: -pair[1].carries):
            text = _because(cause, key, self._scored.history, named)
            # Who asked for more like an item may hear of it each time.
            is_counted = bool(text) and cause.item != key and not cause.was_liked
            times[cause.item] += is_counted
            if not is_counted or times[cause.item] <= MOST_NAMED:
                said[key] = text
        return said

    def _reason(self, entry: Shown, because: str) -> str:
        key = entry.item.pk
        why = self._why[key]
        if why.is_habit:
            return repeat_reason(self._purchases[key])
        return because or (why.goes_with_all and self._goes_with_all()) or _popular(entry, why.is_popular)

    def _goes_with_all(self) -> str:
        return _("Goes with what you buy") if self._purchases else _("Goes with what you look at")


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


def _cause(scored: Scored, drops: Drops, alike: Floats, row: int, number: int, enough: float) -> Cause | None:
    """Of a candidate and its column in `drops` and `alike`; None where no item of the history carries enough."""
    total, by_links = drops.total[:, number], drops.by_links[:, number]
    if scored.said[row] > max(enough, float(total.max(initial=0.0))):
        liked = scored.history.opinions.nearest_liked(scored.version, scored.candidates.vectors[row])
        return Cause(liked, float(scored.said[row]), was_liked=True)
    is_by_links = by_links > MOSTLY * total
    eligible = (alike[:, number] >= MIN_SIMILARITY) | is_by_links
    best = int(np.where(eligible, total, -np.inf).argmax()) if len(total) else 0
    if not len(total) or not eligible[best] or total[best] < enough:
        return None
    return Cause(drops.causes[best], float(total[best]), bool(is_by_links[best]))


def _alike(scored: Scored, causes: list[Any], rows: NDArray[np.int64]) -> Floats:
    """[causes, rows] cosine of each with each candidate; 0 where the version does not know the cause."""
    history = scored.history
    newest = dict(zip(history.item[history.has_vector].tolist(), range(len(history.vectors)), strict=True))
    known = [place for place, cause in enumerate(causes) if cause in newest]
    out = np.zeros((len(causes), len(rows)), dtype=np.float32)
    if known:
        of_causes = likeness(scored.version, history.vectors[[newest[causes[place]] for place in known]])
        out[known] = of_causes @ likeness(scored.version, scored.candidates.vectors[rows]).T
    return out


def _popular(entry: Shown, is_lifted: bool) -> str:
    """Where how many take an item lifts its score enough, and it is among the best of its category today."""
    if not is_lifted or entry.item.pk not in popular_today():
        return ""
    return _("Popular in %(category)s today") % {"category": get_catalog().item_category(entry.item)}


def _because(cause: Cause, item: Any, history: History, named: Mapping[Any, Named]) -> str:
    """What carries a score by links is named only where enough visitors bought both: a shopper sees nothing else that
    the two have in common."""
    if cause.item not in named:
        return ""
    title, bought_with = named[cause.item].title, named[cause.item].bought_with
    if cause.was_liked:
        text = _("You asked for more like this") if cause.item == item else _("Because you wanted more like %(title)s")
        return text % {"title": title}
    kinds = history.kind[history.item == cause.item]
    if cause.item == item:
        return _("You looked at this before")
    if cause.by_links:
        return _("Often bought with %(title)s") % {"title": title} if item in bought_with else ""
    if (kinds == PURCHASE).any():
        return _("Because you bought %(title)s") % {"title": title}
    if (kinds == CART).any():
        return _("Because you chose %(title)s") % {"title": title}
    return _("Because you looked at %(title)s") % {"title": title}
