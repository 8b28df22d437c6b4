"""What a web process loads beside its requests, so that no page waits for it: a version's files, links and statistics,
connections, and Postgres' own memory of them.

A thread a process makes a list as a page would, only with patience: when the process begins, when another version goes
live, and after a fault until lists are quick again. Until then lists go on with the version before, or one rung down.
It also computes the cached lists that pages gave up because they take longer than a page may.
"""

import logging
import os
import threading
import time
from typing import Final

from recommender.conf import conf
from recommender.index import budget, publish
from recommender.index.connections import pool
from recommender.index.reading import reading
from recommender.models import Event, ModelVersion, Visitor
from recommender.serving.breaker import breaker
from recommender.serving.compose import compose
from recommender.serving.page import Asked, Page
from recommender.serving.personal import recommended_for_you
from recommender.serving.placements import FOR_YOU, length_of, placement_named
from recommender.serving.popular import compute_late
from recommender.serving.query import PERSONAL, Query

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0  # between two looks at what is live, while pages are asked for
IDLE_LOOK_SECONDS: Final = 10.0  # and while none was for AWAKE_SECONDS
AWAKE_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 10.0  # for one list, and the longest that a new version waits for it
TRIED_EVENTS: Final = 10  # the newest: somebody new has no list of their own
FORK_SECONDS: Final = 2.0  # that a fork waits for the thread to let go of connections and libraries


class Warmer:
    """The thread of this process, and what it has loaded."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._working = threading.Lock()  # held while the thread touches the database or a library
        self._is_held = False  # `_working`, over a fork
        self._is_over = False
        self._something_to_do = threading.Event()
        self._wanted: dict[int, tuple[ModelVersion, float]] = {}  # not loaded yet, and since when they are wanted
        self._done: set[int] = set()
        self._loading: int | None = None  # by the thread, right now
        self._served_at = 0.0

    @property
    def is_on(self) -> bool:
        """Whether the thread loads what is wanted; it ends by itself once a test runner has begun."""
        return self._thread is not None and pool.keeps()

    def begin(self) -> None:
        """Start the thread of a web process, once. The test runner has none: its database goes away under it."""
        if self._thread is not None or not pool.keeps():
            return
        with self._starting:
            if self._thread is None:
                self._is_over = False
                self._thread = threading.Thread(target=self._run, name="recommender-warm", daemon=True)
                self._thread.start()

    def note_request(self) -> None:
        """A page is asked for; the thread begins here at the latest."""
        self._served_at = time.monotonic()
        self.begin()

    def is_ready(self, version: ModelVersion) -> bool:
        """Whether lists of this version may be made already; it is loaded next where not."""
        if not self.is_on or version.pk in self._done:
            return True
        if version.pk == self._loading and threading.current_thread() is self._thread:
            return True
        _version, since = self._wanted.setdefault(version.pk, (version, time.monotonic()))
        self._something_to_do.set()
        return time.monotonic() > since + PATIENCE_SECONDS

    def _run(self) -> None:
        while not self._is_over:
            with self._working:
                if not pool.keeps():  # a test runner that began after us
                    self._thread = None
                    return
                self._look()
            is_awake = time.monotonic() < self._served_at + AWAKE_SECONDS
            self._something_to_do.wait(LOOK_SECONDS if is_awake else IDLE_LOOK_SECONDS)
            self._something_to_do.clear()

    def _look(self) -> None:
        """Load what is live, or about to be, and not loaded yet; and again after a fault."""
        try:
            with reading(int(budget.RUNG_SHARE * conf.BUDGET_MS)):
                live = publish.live_version()
        except Exception as error:  # whatever it is, lists find it out by themselves, and the thread goes on
            logger.debug("The live version could not be read: %s", error)
            return
        if live is not None:
            self.is_ready(live)
        for version, _since in list(self._wanted.values()):
            self._load(version)
        if live is not None and breaker(PERSONAL).is_open and self._load(live):
            breaker(PERSONAL).succeeded()
        _catch_up()

    def _load(self, version: ModelVersion) -> bool:
        """Whether a list came as quickly as pages need it, at the second try at the latest. A version that cannot be
        loaded at all counts as loaded: lists say why, and step down."""
        self._loading = version.pk
        try:
            is_quick = any(_make_a_list(version) < budget.RUNG_SHARE * conf.BUDGET_MS / 1_000 for _try in range(2))
        except Exception as error:  # of the shop's catalogue, too: the thread goes on
            logger.warning("Version %s could not be loaded ahead of its lists: %s", version.pk, error)
            is_quick = False
        self._loading = None
        self._done.add(version.pk)
        self._wanted.pop(version.pk, None)
        return is_quick

    def before_fork(self) -> None:
        self._starting.acquire()
        self._is_held = self._working.acquire(timeout=FORK_SECONDS)

    def after_fork_in_parent(self) -> None:
        """A process that forks before it has served a page is a server's master: its children do the work."""
        if self._is_held:
            self._working.release()
        if not self._served_at:
            self._is_over, self._thread = True, None
        self._starting.release()

    def after_fork_in_child(self) -> None:
        """The thread is gone; in the child of a master it begins anew."""
        was_master = self.is_on and not self._served_at
        self.__init__()  # type: ignore[misc]
        if was_master:
            self.begin()


def _make_a_list(version: ModelVersion) -> float:
    """Seconds that a personal list took, of whoever did something last; nobody sees it.

    Raises:
        RecommenderError, DatabaseError: there is none.
    """
    began = time.perf_counter()
    with publish.serving_version(version), reading(round(1_000 * PATIENCE_SECONDS), conf.CANDIDATES):
        placement = placement_named(FOR_YOU)
        for visitor in _newest_visitors():
            asked = Asked(Query(FOR_YOU, visitor, length_of(placement)), placement, Page())
            if compose(asked, recommended_for_you(asked)).shown:
                break
    return time.perf_counter() - began


def _catch_up() -> None:
    try:
        with reading(round(1_000 * PATIENCE_SECONDS)):
            compute_late()
    except Exception as error:  # of the shop's catalogue, too: the thread goes on
        logger.warning("A cached list could not be computed beside the pages: %s", error)


def _newest_visitors() -> list[Visitor]:
    newest = Event.objects.select_related("visitor").order_by("-at")[:TRIED_EVENTS]
    return list({event.visitor_id: event.visitor for event in newest}.values())


warmer: Final = Warmer()
publish.ask_before_serving(warmer.is_ready)
os.register_at_fork(
    before=warmer.before_fork,
    after_in_parent=warmer.after_fork_in_parent,
    after_in_child=warmer.after_fork_in_child,
)
