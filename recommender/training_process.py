"""The process in which a run trains: `python -m recommender.training_process RUN_ID LEASE_TOKEN PARENT_PID`.

It renews its lease from a thread, ends itself when the lease is lost, and queues the run again when it is told to stop.
"""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import django
from django.db import Error, connection

from recommender.conf import conf
from recommender.encoders.progress import Progress, Report
from recommender.exceptions import LeaseLost, NotEnoughData
from recommender.training_failures import explain

if TYPE_CHECKING:
    from recommender.leases import Lease

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS: Final = 2.0  # how long a cancelled run goes on at most
LEASE_LOST_STATUS: Final = 75  # exit status
PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


class Keeper(threading.Thread):
    """Renews the lease from a thread with a database connection of its own, while the main thread trains.

    Args:
        give_up: called from the thread once the lease is lost, or may be because the database is silent.
        parent: process id of the worker; the run is handed back when it is gone. None: nobody to watch.
    """

    def __init__(self, lease: "Lease", give_up: Callable[[], None], parent: int | None = None) -> None:
        super().__init__(name="lease", daemon=True)
        self._lease, self._give_up, self._parent = lease, give_up, parent
        self._wake = threading.Event()
        self._must_stop = False
        self._renewed = time.monotonic()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wake.set()
        self.join()

    def stop_soon(self, *signal_and_frame: Any) -> None:
        """Signal handler: hand the run back and give up."""
        self._must_stop = True
        self._wake.set()

    def run(self) -> None:
        try:
            while not self._wake.wait(min(HEARTBEAT_SECONDS, conf.LEASE_SECONDS / 4)):
                if self._parent is not None and os.getppid() != self._parent:
                    self._must_stop = True
                    break
                self._renew()
            if self._must_stop:
                self._release()
                self._give_up()
        except LeaseLost as error:
            logger.warning("%s", error)
            self._give_up()
        finally:
            connection.close()

    def _release(self) -> None:
        try:
            self._lease.release()
            logger.warning("Told to stop: the run is queued again")
        except Error as error:
            logger.warning("Told to stop; the run is queued again when its lease ends: %s", error)

    def _renew(self) -> None:
        try:
            self._lease.heartbeat()
            self._renewed = time.monotonic()
        except Error as error:
            connection.close()
            logger.warning("No heartbeat, the database does not answer: %s", error)
            if time.monotonic() - self._renewed > conf.LEASE_SECONDS:
                raise LeaseLost(LeaseLost.__doc__) from error


def carry_out(lease: "Lease", keeper: Keeper, show: Report) -> None:
    """Train under the lease and record how it ended.

    Args:
        show: called with every report, after it is stored.
    Raises:
        LeaseLost: the run was cancelled or taken over meanwhile.
    """
    with keeper:
        try:
            end = _train(lease, show)
        except LeaseLost:
            raise
        except NotEnoughData as little:
            end = partial(lease.publish_or_refuse, False, explain(little))
        except Exception as broken:  # whatever it is, the person who pressed the button must learn of it
            logger.exception("Training run %s broke off", lease.run_id)
            end = partial(lease.fail, explain(broken), traceback.format_exc())
    end()  # only now: the keeper would take the ended lease for a lost one


def _train(lease: "Lease", show: Report) -> Callable[[], None]:
    """Train, judge, publish; returns what records the verdict."""
    from recommender.models import TrainingRun
    from recommender.retrain import retrain  # torch: in this process only

    verdict = retrain(TrainingRun.objects.get(pk=lease.run_id), _reporter(lease, show))
    return partial(lease.publish_or_refuse, verdict.passed, "" if verdict.passed else "\n".join(verdict.reasons))


def _reporter(lease: "Lease", show: Report) -> Report:
    def report(progress: Progress) -> None:
        try:
            lease.report(progress)
        except Error as error:
            if connection.in_atomic_block:
                raise
            connection.close()  # a restart of the database must not cost a training; the keeper decides when to end
            logger.warning("Progress not stored: %s", error)
        show(progress)

    return report


def end_with(parent: int) -> None:
    """Ask the kernel for SIGTERM when the worker dies, even by SIGKILL (Linux; elsewhere the keeper looks)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def main(argv: list[str]) -> int:
    run_id, token, parent = int(argv[0]), uuid.UUID(argv[1]), int(argv[2])
    end_with(parent)
    django.setup()
    from recommender.leases import Lease

    lease = Lease(run_id, token)
    keeper = Keeper(lease, give_up=lambda: os._exit(LEASE_LOST_STATUS), parent=parent)
    signal.signal(signal.SIGTERM, keeper.stop_soon)
    try:
        carry_out(lease, keeper, show=_silent)
    except LeaseLost as error:
        logger.warning("%s", error)
        return LEASE_LOST_STATUS
    return 0


def _silent(progress: Progress) -> None:
    """Admin reads the row; the worker's log needs no line an epoch."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
