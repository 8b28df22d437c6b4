"""An entry for each act on trainings, versions, experiments and the schedule: who, when, what, before and after."""

from collections.abc import Callable
from typing import Any, Final

from django.utils.translation import gettext_noop

from recommender.models import AuditEntry, Experiment, ModelVersion, TrainingRun

WORDS: Final = 200
COMMAND_LINE: Final = gettext_noop("command line")
SCHEDULE: Final = gettext_noop("schedule")

Phrases = list[tuple[str, dict[str, Any]]]  # texts marked by gettext_noop, each with what goes into it, as JSON has it


def record(
    act: str,
    by: Any,
    *,
    run: TrainingRun | None = None,
    version: ModelVersion | None = None,
    experiment: Experiment | None = None,
    old: str | Phrases = "",
    new: str | Phrases = "",
) -> None:
    """Write one entry; call it in the transaction of the act, so that both are stored or none.

    Args:
        act: one of `AuditEntry.Act`. by: a user, a word or phrases for who else it was, None for the plugin itself.
        old, new: the state before and after: names and numbers as a text, what has words as phrases, which everybody
            reads in their own language. The text is cut at WORDS characters.
    """
    said = {"by": by, "old": old, "new": new}
    AuditEntry.objects.create(
        act=act,
        user=user_of(by),
        by=_in_english(by or "")[:150],
        run=run,
        version=version,
        experiment=experiment,
        old=_in_english(old)[:WORDS],
        new=_in_english(new)[:WORDS],
        phrases={name: phrases for name, phrases in said.items() if isinstance(phrases, list)},
    )


def user_of(by: Any) -> Any:
    """The user among those who may act, see `record`; None for everybody else."""
    return None if isinstance(by, str | list) else by


def in_words(phrases: Phrases, translate: Callable[[str], str]) -> str:
    """As "seed 3, effort 0.5"."""
    return ", ".join(translate(text) % values for text, values in phrases)


def _in_english(said: Any) -> str:
    return in_words(said, str) if isinstance(said, list) else str(said)
