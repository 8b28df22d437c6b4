"""For the tests of a shop: lists without a trained model.

@override_recommendations([product_a, product_b])
def test_the_home_page_shows_a_shelf(client): ...

with override_recommendations([]):
    ...
"""

from collections.abc import Iterable
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any
from unittest import mock

from recommender.serving import recommend as recommend_module
from recommender.serving.entries import Answer, Shown
from recommender.serving.query import PERSONAL, PLACEMENTS, Query


class override_recommendations(ContextDecorator):  # noqa: N801  reads like override_settings
    """Every list of every placement holds these items, in this order, as far as `n` and `exclude` allow.

    As a decorator or a context manager; in all threads of the process, so live servers follow too. No database is read.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = list(items)

    def __enter__(self) -> None:
        ladder = ((PERSONAL, self._answer),)
        self._patch = mock.patch.dict(recommend_module.LADDERS, dict.fromkeys(PLACEMENTS, ladder))
        self._patch.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._patch.stop()

    def _answer(self, query: Query) -> Answer:
        wanted = [item for item in self.items if item.pk not in query.unwanted][: query.n]
        return Answer([Shown(item, 1.0 / place) for place, item in enumerate(wanted, start=1)])
