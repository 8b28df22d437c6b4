"""What the lists of one page share: no item twice, and nothing read twice."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model

from recommender.catalog import get_catalog
from recommender.models import ModelVersion, Placement, Visitor
from recommender.serving.history import History, read_history
from recommender.serving.opinions import Opinions, read_opinions
from recommender.serving.query import Query, Recommendations

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Failed:
    """A reading that could not be done."""

    error: Exception


@dataclass(slots=True)
class Page:
    """Lists of one page, in the order in which they choose.

    Attributes:
        shown: keys in the lists so far. groups: their variant groups, see `Catalog.item_group`.
        prepared: placement → its list, chosen but not rendered yet.
        until: what visitors did and said later does not exist for this page; None: all of it does.
    """

    shown: set[Any] = field(default_factory=set)
    groups: set[Any] = field(default_factory=set)
    prepared: dict[str, Recommendations] = field(default_factory=dict)
    until: datetime | None = None
    _read: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, read: Callable[[], Read]) -> Read:
        """What `read` returned for this key, asked once a page; what it raised is raised again, not tried again."""
        if key not in self._read:
            try:
                self._read[key] = read()
            except Exception as error:
                self._read[key] = Failed(error)
        found = self._read[key]
        if isinstance(found, Failed):
            raise found.error
        value: Read = found
        return value

    def show(self, items: Iterable[Model]) -> None:
        """These items stand on the page now: no later list holds them or a variant of them."""
        for item in items:
            self.shown.add(item.pk)
            if (group := get_catalog().item_group(item)) is not None:
                self.groups.add(group)

    def history(self, visitor: Visitor, version: ModelVersion | None = None, with_vector: int = 0) -> History:
        """As `read_history`; without a version, whatever the page has read of this visitor will do."""
        plain = ("history", visitor.pk)
        if version is None:
            return self.once(plain, lambda: read_history(visitor, until=self.until))
        rich = (*plain, version.pk, with_vector)
        try:
            return self.once(rich, lambda: read_history(visitor, version, with_vector, self.until))
        finally:
            self._read.setdefault(plain, self._read[rich])

    def has_history(self, visitor: Visitor) -> bool:
        """Whether `history` is there without a statement."""
        return ("history", visitor.pk) in self._read

    def opinions(self, visitor: Visitor) -> Opinions:
        """As `read_opinions`."""
        return self.once(("opinions", visitor.pk), lambda: read_opinions(visitor))

    def known_opinions(self, visitor: Visitor) -> Opinions:
        """What the lists so far have read of what the visitor said; asks nothing, nothing where they read nothing."""
        history, opinions = (self._read.get((name, visitor.pk)) for name in ("history", "opinions"))
        if isinstance(history, History):
            return history.opinions
        return opinions if isinstance(opinions, Opinions) else Opinions()


@dataclass(frozen=True, slots=True)
class Asked:
    """One list of a page: the question, what the list is made of, and what stands on the page already."""

    query: Query
    placement: Placement
    page: Page

    @property
    def unwanted(self) -> frozenset[Any]:
        """Keys that this list must not hold: as asked, and what the page shows already."""
        return self.query.unwanted.union(self.page.shown)
