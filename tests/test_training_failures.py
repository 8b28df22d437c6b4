"""Whatever breaks a training, the person who pressed the button reads what happened and what to do."""

import signal

import pytest
from django.db import InterfaceError, OperationalError

from recommender.exceptions import DimensionMismatch, NotEnoughData
from recommender.training_failures import explain, explain_exit


class OutOfMemoryError(RuntimeError):
    """As torch's, which has no other mark than its name."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "ran out of memory"),
        (OutOfMemoryError("CUDA out of memory"), "ran out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "ran out of memory"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "lacks the Python package “torch”"),
        (OperationalError("could not extend file: No space left on device\n"), "free disk space"),
        (InterfaceError("connection already closed"), "Check that Postgres is up"),
        (DimensionMismatch(), "differ in width"),
        (NotEnoughData("3 events: record more"), "3 events: record more"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (KeyError(), "KeyError: no details"),
    ],
)
def test_an_exception_is_explained(error: Exception, words: str) -> None:
    assert words in explain(error)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-signal.SIGKILL, "ran out of memory"),
        (137, "ran out of memory"),
        (-signal.SIGSEGV, "signal 11 (SIGSEGV)"),
        (1, "ended with status 1"),
        (0, "ended with status 0"),
    ],
)
def test_a_silent_end_is_explained(status: int, words: str) -> None:
    assert words in explain_exit(status)
    assert "Retry" in explain_exit(status)
