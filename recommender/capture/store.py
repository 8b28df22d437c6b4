"""Checked rows → Event rows, quarantine and ledger: one statement for any number of batches, so one transaction.

The statement decides about every row: stored, duplicate, quarantined or refused; and it writes the ledger's entries of
exactly these decisions. Either all of it is committed or nothing.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import date
from typing import Any

import msgspec
import psycopg
from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _

from recommender.capture import partitions
from recommender.capture.batch import Batch, Outcome
from recommender.capture.drafts import Rejected
from recommender.capture.statement import batch_rows, encode, event_rows, item_type, statement
from recommender.catalog import item_model
from recommender.exceptions import NoConsent, VisitorNotFound
from recommender.models import Event


def write(batches: Sequence[Batch]) -> list[Outcome | VisitorNotFound | NoConsent]:
    """Write all batches in one transaction, or in a savepoint of the one that is open.

    Returns:
        By batch its outcome, or why nothing of it was counted nor stored: its visitor is gone or wants no memory.
    """
    is_inside = connection.in_atomic_block
    if not is_inside:
        ensure_partitions(batches)
    with transaction.atomic() if is_inside else nullcontext(), connection.cursor() as cursor:
        batches = [_without_twins(cursor, batch) for batch in batches]
        planned = statement(item_model(), item_type())
        decided = _execute(cursor, planned, [encode(batch_rows(batches)), encode(event_rows(batches))])
    return _outcomes(batches, decided)


def _execute(cursor: Any, planned: str, parameters: list[str]) -> list[Any]:
    """The rows of a statement that is planned once a connection: planning took as long as storing.

    Behind a pooler that hands the connection on after each transaction, where Django wants
    DISABLE_SERVER_SIDE_CURSORS, it is planned every time.
    """
    if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        cursor.execute(planned, parameters)
        return list(cursor.fetchall())
    raw = cursor.connection
    threshold, raw.prepare_threshold = raw.prepare_threshold, 0  # Django's None would forbid it, for the shop's own
    try:
        with connection.wrap_database_errors, psycopg.Cursor(raw) as prepared:
            return prepared.execute(planned, parameters).fetchall()
    finally:
        raw.prepare_threshold = threshold


def _outcomes(
    batches: Sequence[Batch], decided: Iterable[tuple[int, int, str, str]]
) -> list[Outcome | VisitorNotFound | NoConsent]:
    found: list[Any] = [Outcome(batch.received, quarantined=[], refused=[]) for batch in batches]
    for number, place, status, code in decided:
        outcome, batch = found[number], batches[number]
        if status == "gone":
            error = NoConsent if code == "no_consent" else VisitorNotFound
            found[number] = error(error.__doc__)
        elif status == "stored":
            outcome.stored += 1
        elif status == "duplicate":
            outcome.duplicates += 1
        else:
            rejected = batch.rejected[place - len(batch.drafts)] if place >= len(batch.drafts) else None
            draft = batch.drafts[place] if rejected is None else None
            why = rejected or Rejected(draft.index, code, _reason(code), draft.raw)  # type: ignore[union-attr]
            (outcome.quarantined if status == "quarantined" else outcome.refused).append(why)
    for outcome in found:
        if isinstance(outcome, Outcome):
            outcome.quarantined.sort(key=lambda row: row.index)
            outcome.refused.sort(key=lambda row: row.index)
    return found


def _reason(code: str) -> str:
    return _("This visitor was erased after the event.") if code == "erased" else _("There is no such item.")


def _without_twins(cursor: Any, batch: Batch) -> Batch:
    """A try under a clock that judged the ids otherwise: what lies there already is sent under that id, a duplicate."""
    twins = [draft.twin for draft in batch.drafts if draft.id < draft.twin]
    if not twins:
        return batch
    cursor.execute(f"SELECT id FROM {Event._meta.db_table} WHERE id = ANY(%s)", [twins])  # noqa: S608  own names
    known = {key for (key,) in cursor.fetchall()}
    drafts = [
        msgspec.structs.replace(draft, id=draft.twin, twin=draft.id) if draft.twin in known else draft
        for draft in batch.drafts
    ]
    return msgspec.structs.replace(batch, drafts=drafts)


# --- partitions


_known_months: set[date] = set()


def ensure_partitions(batches: Sequence[Batch]) -> None:
    """Create the months of these rows where nobody did ahead; a lock that is taken costs a detour, not the events."""
    keys = [draft.id for batch in batches for draft in batch.drafts if draft.twin < draft.id]
    if not keys:
        return
    months = {month for key in (min(keys), max(keys)) if (month := partitions.month_of(key))}
    if months <= _known_months:
        return
    try:
        partitions.ensure_months(months)
    except OperationalError:  # the rows go to the default partition, and from there when the month is created
        return
    _known_months.update(months)
