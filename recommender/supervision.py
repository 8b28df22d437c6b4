"""The worker's side of a training: start it in a process of its own, pass on its output, record how it died.

A fresh process, because a fork after importing torch is unsafe, and because a training that is killed (out of memory)
must not take the worker with it.
"""

import contextlib
import logging
import os
import subprocess
import sys
from collections import deque
from typing import IO, Final, cast

from django.db import connection

from recommender.exceptions import LeaseLost
from recommender.leases import Lease, claim
from recommender.training_failures import explain_exit

logger = logging.getLogger(__name__)

LOG_LINES: Final = 300  # of a dead process's output, kept for admin
STOP_SECONDS: Final = 10.0


def train_in_own_process(run_id: int) -> None:
    """Claim a queued run and see its training process to the end; the outcome is in the run's row."""
    try:
        lease = claim(run_id)
    except LeaseLost as error:  # a second message for the same run, or one that was cancelled meanwhile
        logger.info("%s", error)
        return
    if not connection.in_atomic_block:
        connection.close()  # unused for as long as the training takes
    process = _start(lease)
    try:
        output = _pass_on(process, run_id)
        status = process.wait()
    finally:
        _stop(process)  # does nothing to one that has ended
    with contextlib.suppress(LeaseLost):  # the rule: it has recorded its end itself
        lease.fail(explain_exit(status), "\n".join(output))


def _start(lease: Lease) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "recommender.training_process", str(lease.run_id), str(lease.token), str(os.getpid())]
    return subprocess.Popen(  # noqa: S603  our own interpreter, no shell
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_environment(),
        start_new_session=True,  # a Ctrl-C in the worker's terminal is for the worker
    )


def _environment() -> dict[str, str]:
    """Ours; threads that wait for work sleep: spinning, they take 5 times as long on cores that others use too."""
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PYTHONUNBUFFERED": "1"}


def _pass_on(process: "subprocess.Popen[str]", run_id: int) -> deque[str]:
    """Every line to the worker's log, until there are no more; returns the last LOG_LINES."""
    lines: deque[str] = deque(maxlen=LOG_LINES)
    with cast(IO[str], process.stdout) as output:  # we asked for a pipe
        for line in output:
            lines.append(line.rstrip())
            logger.info("Run %s: %s", run_id, line.rstrip())
    return lines


def _stop(process: "subprocess.Popen[str]") -> None:
    """End a process that still runs, because the worker itself is being stopped."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
