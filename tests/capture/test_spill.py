import fcntl
import os
import subprocess
import sys
import zlib
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from django.utils import timezone

from recommender.capture.batch import Batch, Sender
from recommender.capture.drafts import Draft
from recommender.capture.rows import check_rows
from recommender.capture.spill import HEADER, Chunk, Spill
from tests.plugin import ROOT


def batch(count: int = 1) -> Batch:
    drafts: list[Draft] = check_rows([{"item": 1, "kind": "view", "token": "t"}] * count).drafts
    return Batch(Sender(uuid4(), is_new=True), 1, count, timezone.now(), -3, drafts, [])


def refuse(chunk: Chunk) -> None:
    raise RuntimeError


@pytest.fixture
def taken() -> list[Batch]:
    return []


def test_what_is_appended_comes_back_in_order_and_is_gone(tmp_path: Path, taken: list[Batch]) -> None:
    sent = [batch(count) for count in (1, 2, 3)]
    spill = Spill(tmp_path / "new" / "folder")
    for each in sent:
        spill.append(each)
    assert spill.holds_own()
    assert spill.drain(lambda chunk: taken.extend(chunk.batches)) == 3
    assert taken == sent
    assert not spill.holds_own()
    assert spill.drain(lambda chunk: taken.extend(chunk.batches)) == 0


def test_what_is_not_taken_stays(tmp_path: Path, taken: list[Batch]) -> None:
    spill = Spill(tmp_path)
    spill.append(batch())
    with pytest.raises(RuntimeError):
        spill.drain(refuse)
    spill.append(batch())
    assert spill.drain(lambda chunk: taken.extend(chunk.batches)) == 2


def test_appending_does_not_wait_for_whoever_drains(tmp_path: Path, taken: list[Batch]) -> None:
    spill = Spill(tmp_path)
    spill.append(batch())

    def take_and_append(chunk: Chunk) -> None:
        taken.extend(chunk.batches)
        if len(taken) == 1:
            spill.append(batch())

    assert spill.drain(take_and_append) == 1
    assert spill.holds_own()
    assert spill.drain(take_and_append) == 1


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_a_record_that_a_crash_cut_off_was_never_acknowledged(tmp_path: Path, taken: list[Batch], cut: int) -> None:
    spill = Spill(tmp_path)
    spill.append(batch())
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:cut])
    assert spill.drain(lambda chunk: taken.extend(chunk.batches)) == 1


def test_a_damaged_record_is_set_aside_and_never_stored(tmp_path: Path, taken: list[Batch]) -> None:
    spill = Spill(tmp_path)
    for _ in range(3):
        spill.append(batch())
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[HEADER.unpack(data[: HEADER.size])[0] + HEADER.size + 20] ^= 1  # in the second record
    path.write_bytes(data)
    assert spill.drain(lambda chunk: taken.extend(chunk.batches)) == 1
    assert [left.suffix for left in tmp_path.iterdir()] == [".damaged"]


def test_damage_stops_nothing_where_the_database_refuses_the_batches_before_it(
    tmp_path: Path, taken: list[Batch]
) -> None:
    spill = Spill(tmp_path)
    spill.append(batch())
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + HEADER.pack(1, 0) + b"??")
    with pytest.raises(RuntimeError):
        spill.drain(refuse)
    assert spill.drain(lambda chunk: taken.extend(chunk.batches)) == 1


def test_a_record_of_another_version_is_set_aside_and_holds_up_nobody(tmp_path: Path, taken: list[Batch]) -> None:
    body = msgspec.msgpack.encode({"sender": "in another form"})
    (tmp_path / "0-first-1.spill").write_bytes(HEADER.pack(len(body), zlib.crc32(body)) + body)
    spill = Spill(tmp_path)
    spill.append(batch())
    assert spill.drain(lambda chunk: taken.extend(chunk.batches)) == 1
    assert [left.name for left in tmp_path.iterdir()] == ["0-first-1.damaged"]


def test_a_file_that_cannot_be_opened_holds_up_nobody(tmp_path: Path, taken: list[Batch]) -> None:
    (tmp_path / "0-first-1.spill").mkdir()
    spill = Spill(tmp_path)
    spill.append(batch())
    assert spill.drain(lambda chunk: taken.extend(chunk.batches)) == 1


def test_a_file_that_another_process_drains_in_this_moment_is_no_error(tmp_path: Path) -> None:
    (tmp_path / f"0-first-{os.getpid()}.spill").symlink_to(tmp_path / "gone")  # listed, and not there any more
    assert not Spill(tmp_path).holds_own()


def test_the_file_of_a_dead_process_is_drained_and_that_of_a_living_one_is_not(
    tmp_path: Path, taken: list[Batch]
) -> None:
    program = (
        "import sys, django; django.setup()\n"
        "from tests.capture.test_spill import Spill, batch, Path\n"
        "spill = Spill(Path(sys.argv[1])); spill.append(batch())\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        assert Spill(tmp_path).drain(lambda chunk: taken.extend(chunk.batches)) == 0
        other.kill()
    assert Spill(tmp_path).drain(lambda chunk: taken.extend(chunk.batches)) == 1


def test_a_new_file_is_not_deleted_as_an_empty_one_by_whoever_drains_in_this_moment(
    tmp_path: Path, taken: list[Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def others_were_faster(file: int, how: int) -> None:
        if how == fcntl.LOCK_EX:
            assert Spill(tmp_path).drain(refuse) == 0
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", others_were_faster)
    spill = Spill(tmp_path)
    spill.append(batch())
    assert spill.drain(lambda chunk: taken.extend(chunk.batches)) == 1
    assert not list(tmp_path.iterdir())


def test_a_forked_child_that_lives_on_holds_no_file_back(tmp_path: Path, taken: list[Batch]) -> None:
    spill = Spill(tmp_path)
    spill.append(batch())
    assert spill._own is not None
    inherited = os.dup(spill._own)  # of the same open file, as a child's is
    try:
        assert spill.drain(lambda chunk: taken.extend(chunk.batches)) == 1
    finally:
        os.close(inherited)


def test_a_full_disk_keeps_nothing_of_a_batch(
    tmp_path: Path, taken: list[Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    spill = Spill(tmp_path)
    spill.append(batch())
    write = os.write

    def half(file: int, data: bytes) -> int:
        write(file, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            spill.append(batch())
    spill.append(batch())
    assert spill.drain(lambda chunk: taken.extend(chunk.batches)) == 2
