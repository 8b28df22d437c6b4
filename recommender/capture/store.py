"""Checked rows → Event rows, quarantine and ledger: one statement for any number of batches, so one transaction.

The statement decides about every row: stored, duplicate, quarantined or refused; and it writes the ledger's entries of
exactly these decisions. Either all of it is committed or nothing.
"""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import date
from typing import Any

import msgspec
import psycopg
from django.db import DatabaseError, OperationalError, connection, transaction
from django.utils.translation import gettext as _

from recommender.capture import partitions
from recommender.capture.away import AWAY, read_only_is_away
from recommender.capture.batch import Batch, Outcome
from recommender.capture.drafts import Rejected
from recommender.capture.statement import batch_rows, charge_rows, encode, event_rows, item_type, statement
from recommender.catalog import item_model, key_field
from recommender.exceptions import NoConsent, TooFast, VisitorNotFound
from recommender.models import Event
from recommender.savepoints import in_transaction

logger = logging.getLogger(__name__)

Found = Outcome | VisitorNotFound | NoConsent | TooFast


def write_each(batches: Sequence[Batch]) -> list[Found]:
    """As `write`, together; where the database refuses that, one by one, so that nobody's rows spoil those of others.

    Raises:
        OperationalError, InterfaceError: the database takes nothing right now.
    """
    try:
        with read_only_is_away():
            return write(batches)
    except AWAY:
        raise
    except DatabaseError:
        if len(batches) > 1:
            return [found for batch in batches for found in write_each([batch])]
        logger.exception("The database refuses a batch; its rows go to quarantine.")
        return write([without_drafts(batches[0], "not_storable")])


def without_drafts(batch: Batch, code: str, **changes: object) -> Batch:
    """The batch with its drafts rejected."""
    rejected = [Rejected(draft.index, code, "", draft.raw) for draft in batch.drafts]
    return msgspec.structs.replace(batch, drafts=[], rejected=rejected + batch.rejected, impressions={}, **changes)


def write(batches: Sequence[Batch]) -> list[Found]:
    """Write all batches in one transaction, or in a savepoint of the one that is open.

    Args:
        batches: no two of them are charged to the same bucket, see `rate_limit.turns`.
    Returns:
        By batch its outcome, or why nothing of it was counted nor stored: its visitor is gone or wants no memory, or
        too much came.
    """
    is_inside = in_transaction()
    if not is_inside:
        ensure_partitions(batches)
    with transaction.atomic() if is_inside else nullcontext(), connection.cursor() as cursor:
        batches = [_without_twins(cursor, batch) for batch in batches]
        documents = [encode(rows(batches)) for rows in (batch_rows, event_rows, charge_rows)]
        decided = _execute(cursor, statement(item_model(), item_type(key_field())), documents)
    found: list[Any] = [None] * len(batches)
    for number, *columns in decided:
        found[number] = _outcome(batches[number], *columns)
    return found


def _execute(cursor: Any, planned: bytes, parameters: list[str]) -> list[Any]:
    """The rows of a statement that is planned once a connection: planning took as long as storing.

    Behind a pooler that hands the connection on after each transaction, where Django wants
    DISABLE_SERVER_SIDE_CURSORS, it is planned every time.
    """
    is_pooled = bool(connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"))
    raw = cursor.connection
    threshold, raw.prepare_threshold = raw.prepare_threshold, 0  # Django's None would forbid it, for the shop's own
    try:
        with connection.wrap_database_errors, psycopg.RawCursor(raw) as prepared:  # spares a search for placeholders
            return prepared.execute(planned, parameters, prepare=not is_pooled).fetchall()
    finally:
        raw.prepare_threshold = threshold


def _outcome(
    batch: Batch,
    gone: str | None,
    wait_seconds: int,
    is_inhuman: bool,
    stored: int,
    duplicates: int,
    rejected: list[tuple[int, str, str]] | None,
) -> Found:
    """What the statement says of a batch; `rejected`: place, status and code of rows."""
    if gone == "too_fast":
        return TooFast(wait_seconds)
    if gone is not None:
        error = NoConsent if gone == "no_consent" else VisitorNotFound
        return error(error.__doc__)
    outcome = Outcome(batch.received, stored, duplicates, quarantined=[], refused=[], is_inhuman=is_inhuman)
    for place, status, code in rejected or ():
        (outcome.quarantined if status == "quarantined" else outcome.refused).append(_rejected(batch, place, code))
    outcome.quarantined.sort(key=lambda row: row.index)
    outcome.refused.sort(key=lambda row: row.index)
    return outcome


def _rejected(batch: Batch, place: int, code: str) -> Rejected:
    if place >= len(batch.drafts):
        return batch.rejected[place - len(batch.drafts)]
    draft = batch.drafts[place]
    return Rejected(draft.index, code, _reason(code), draft.raw)


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
