"""For the tests of a shop: lists without a trained model.

@override_recommendations([product_a, product_b])
def test_the_home_page_shows_a_shelf(client): ...

with override_recommendations([]):
    ...
"""

import math
from collections.abc import Iterable, Sequence
from contextlib import ContextDecorator, ExitStack
from types import TracebackType
from typing import Any
from unittest import mock

from recommender.serving import arms as arms_module
from recommender.serving import recommend as recommend_module
from recommender.serving.entries import Answer, Shown
from recommender.serving.page import Asked
from recommender.serving.placements import DEFAULTS, known_placements
from recommender.serving.query import PERSONAL


class override_recommendations(ContextDecorator):  # noqa: N801  reads like override_settings
    """Every list of every placement holds these items, in this order, as far as `n` and `exclude` allow.

    As a decorator or a context manager; in all threads of the process, so live servers follow too. No database is read,
    and a page may show an item in several lists.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = list(items)

    def __enter__(self) -> None:
        self._patches = ExitStack()
        self._patches.enter_context(mock.patch.object(recommend_module, "_first_answer", self._answer))
        known_placements.hold(DEFAULTS)
        self._patches.callback(known_placements.expire)
        self._patches.enter_context(mock.patch.object(arms_module, "_cached", (None, math.inf)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._patches.close()

    def _answer(self, asked: Asked, names: Sequence[str]) -> tuple[str, Answer]:
        wanted = [item for item in self.items if item.pk not in asked.query.unwanted][: asked.query.n]
        shown = [Shown(item, 1.0 / place) for place, item in enumerate(wanted, start=1)]
        return PERSONAL, Answer(shown, [""] * len(shown))
