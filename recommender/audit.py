"""An entry for each act on trainings, versions, experiments and the schedule: who, when, what, before and after."""

from typing import Any, Final

from django.utils.translation import gettext_noop

from recommender.models import AuditEntry, Experiment, ModelVersion, TrainingRun

WORDS: Final = 200
COMMAND_LINE: Final = gettext_noop("command line")
SCHEDULE: Final = gettext_noop("schedule")


def record(
    act: str,
    by: Any,
    *,
    run: TrainingRun | None = None,
    version: ModelVersion | None = None,
    experiment: Experiment | None = None,
    old: str = "",
    new: str = "",
) -> None:
    """Write one entry; call it in the transaction of the act, so that both are stored or none.

    Args:
        act: one of `AuditEntry.Act`. by: a user, a word for who else it was, or None for the plugin by itself.
        old, new: the state before and after, in a few words; cut at WORDS characters.
    """
    user = by if by is not None and not isinstance(by, str) else None
    AuditEntry.objects.create(
        act=act,
        user=user,
        by=str(by or "")[:150],
        run=run,
        version=version,
        experiment=experiment,
        old=old[:WORDS],
        new=new[:WORDS],
    )
