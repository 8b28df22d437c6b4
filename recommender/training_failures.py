"""Why a training broke off or published nothing, in plain words and with what to do about it."""

import signal
from typing import Final

from django.db import Error
from django.utils.translation import gettext as _

from recommender.exceptions import RecommenderError

SHELL_SIGNAL: Final = 128  # a shell reports death by signal n as exit status 128 + n


def explain(error: BaseException) -> str:
    """What an exception in the training means for the person who pressed the button."""
    if isinstance(error, RecommenderError):
        return str(error) or str(error.__doc__)
    if _is_out_of_memory(error):
        return out_of_memory()
    if isinstance(error, ModuleNotFoundError):
        return _(
            "The training worker lacks the Python package “%(name)s”. Install the training packages on it with "
            "pip install 'django-embedded-recommender[train]', restart the worker, then press Retry."
        ) % {"name": error.name}
    if isinstance(error, Error):
        return _(
            "The database refused or went away: %(error)s. Check that Postgres is up and has free disk space, then "
            "press Retry."
        ) % {"error": str(error).strip().rstrip(".")}
    return _(
        "Something unexpected happened: %(kind)s: %(error)s. The version that was live stays live. Press Retry; "
        "if it happens again, send the log below to your developer."
    ) % {"kind": type(error).__name__, "error": str(error).strip().rstrip(".") or _("no details")}


def after_refusal(version_id: int) -> str:
    """What there is to do about a version that the gate refused."""
    return _(
        "What your visitors see does not change. Train again when there are more events, or publish version %(id)s all "
        "the same: “Publish…” on its page in admin, or manage.py recommender_publish %(id)s."
    ) % {"id": version_id}


def explain_exit(status: int) -> str:
    """What it means that the training process ended without a word.

    Args:
        status: as `subprocess.Popen.returncode`: minus the signal's number where a signal ended it.
    """
    number = -status if status < 0 else status - SHELL_SIGNAL
    if number == signal.SIGKILL:
        return out_of_memory()
    if number in set(signal.Signals):
        return _(
            "The training process was ended by signal %(number)s (%(name)s). The version that was live stays live. "
            "Look at the log below, then press Retry."
        ) % {"number": number, "name": signal.Signals(number).name}
    return _(
        "The training process ended with status %(status)s without saying why. The version that was live stays live. "
        "Look at the log below, then press Retry."
    ) % {"status": status}


def out_of_memory() -> str:
    return _(
        "The training process was killed, most likely because the machine ran out of memory. The version that was "
        "live stays live. Give the training worker more memory, or run it on a machine of its own, then press Retry."
    )


def _is_out_of_memory(error: BaseException) -> bool:
    # By name: torch must not be imported here.
    text = f"{type(error).__name__} {error}"
    return isinstance(error, MemoryError) or "OutOfMemoryError" in text or "can't allocate memory" in text
