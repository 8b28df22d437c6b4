"""A process dies between the commit of a spill file's events and the deletion of the file: the books hold them once."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from recommender.capture import ledger, outage, spill
from recommender.capture.batch import Batch, Sender
from recommender.capture.drained import KEPT_DAYS, forget_drained, write_late
from recommender.capture.rows import check_rows
from recommender.models import DrainedFile, Event, LedgerEntry, QuarantinedEvent, Visitor
from recommender.tasks import keep_books
from shop.models import Product

BEACON = Event.Source.BEACON.value


class PowerCut(BaseException):
    """What no `except` of the code under test may catch."""


@pytest.fixture
def folder(tmp_path: Path, settings: Any, db: None) -> Path:
    settings.RECOMMENDER_SPILL_FOLDER = str(tmp_path)
    return tmp_path


def append(visitor: Visitor, product: Product, batches: int = 1) -> None:
    """Each with an event and a row that goes to quarantine."""
    files = outage.spill_files()
    assert files is not None
    for _number in range(batches):
        checked = check_rows([{"item": product.pk, "kind": "view"}, {"item": product.pk, "kind": "look"}])
        sender = Sender(visitor.key)
        files.append(Batch(sender, BEACON, 2, checked.clock.now, None, checked.drafts, checked.rejected))


def stored() -> tuple[int, int, int, int]:
    """(events, rows in quarantine, received, difference) by tables and books."""
    (line,) = ledger.lines()
    return Event.objects.count(), QuarantinedEvent.objects.count(), line.received, line.difference


def test_a_crash_right_before_the_file_is_deleted(
    folder: Path, visitor: Visitor, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(visitor, product, batches=3)

    def cut(self: Path, missing_ok: bool = False) -> None:
        raise PowerCut

    with monkeypatch.context() as power:
        power.setattr(Path, "unlink", cut)
        with pytest.raises(PowerCut):
            outage.drain()
    assert stored() == (3, 3, 6, 0)
    assert len(list(folder.iterdir())) == 1
    assert outage.drain() == 3
    assert stored() == (3, 3, 6, 0)
    assert not list(folder.iterdir())


def test_a_crash_in_the_middle_of_a_file_goes_on_where_it_was(
    folder: Path, visitor: Visitor, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "BATCHES_AT_ONCE", 2)
    append(visitor, product, batches=5)
    write, chunks = write_late, []

    def cut_at_the_third(chunk: spill.Chunk) -> None:
        chunks.append(chunk)
        if len(chunks) == 3:
            raise PowerCut
        write(chunk)

    files = outage.spill_files()
    assert files is not None
    with pytest.raises(PowerCut):
        files.drain(cut_at_the_third)
    assert stored() == (4, 4, 8, 0)
    monkeypatch.setattr(spill, "BATCHES_AT_ONCE", 3)  # a newer release may read more at once
    assert outage.drain() == 5
    assert stored() == (5, 5, 10, 0)


def test_the_next_file_is_another_one(folder: Path, visitor: Visitor, product: Product) -> None:
    for _outage in range(2):
        append(visitor, product)
        assert outage.drain() == 1
    assert stored() == (2, 2, 4, 0)
    assert DrainedFile.objects.count() == 2


def test_a_file_that_cannot_be_stored_holds_up_no_book_keeping(
    folder: Path, visitor: Visitor, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(visitor, product)
    LedgerEntry.objects.bulk_create(
        LedgerEntry(day=timezone.now(), source=BEACON, received=1, stored=1, duplicate=0, quarantined=0, refused=0)
        for _entry in range(2)
    )

    def fail(chunk: spill.Chunk) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(outage, "write_late", fail)
    with pytest.raises(ValueError, match="a bug"):
        keep_books()
    assert LedgerEntry.objects.get().received == 2


def test_notes_are_forgotten(folder: Path, visitor: Visitor, product: Product) -> None:
    append(visitor, product)
    outage.drain()
    assert forget_drained() == 0
    DrainedFile.objects.update(drained_at=timezone.now() - timedelta(days=KEPT_DAYS, minutes=1))
    assert forget_drained() == 1
