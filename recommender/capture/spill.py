"""A file a process for events that the database does not take right now: appended, fsynced, drained in order.

A record is 4 bytes of length, 4 of CRC-32 and a batch as msgpack. A record that was cut off by a crash was never
acknowledged. The process that appends to a file holds a lock on it; a file without one is anybody's to drain. Its name
is its own in all the world: by it the database remembers how much of the file is stored, see `drained`.
"""

import contextlib
import fcntl
import logging
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

import msgspec

from recommender.capture.batch import Batch

logger = logging.getLogger(__name__)

SUFFIX: Final = ".spill"
NEW: Final = ".new"  # not locked yet; nothing is in it
DAMAGED: Final = ".damaged"  # set aside for somebody to look at
HEADER: Final = struct.Struct(">II")
BATCHES_AT_ONCE: Final = 200  # of one transaction while draining


class Chunk(NamedTuple):
    """Batches of one file; `first`: how many batches of the file stand before them."""

    file: str
    first: int
    batches: Sequence[Batch]


Drain = Callable[[Chunk], None]

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Batch).decode


class Spill:
    """The spill files of one folder, as this process sees them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._own: int | None = None  # file descriptor, locked
        self._process = os.getpid()

    def append(self, batch: Batch) -> None:
        """On disk when it returns.

        Raises:
            OSError: the disk is full or the folder cannot be written; nothing of the batch is kept.
        """
        body = _encode(batch)
        record = HEADER.pack(len(body), zlib.crc32(body)) + body
        with self._lock:
            file = self._open()
            size = os.fstat(file).st_size
            try:
                _write_all(file, record)
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                raise

    def holds_own(self) -> bool:
        """Whether a record of this process waits."""
        own = f"-{os.getpid()}{SUFFIX}"
        with self._lock:
            return any(path.name.endswith(own) and _size(path) for path in self._files())

    def drain(self, write: Drain) -> int:
        """Give every batch to `write`, file by file, oldest first, and delete what was taken; how many batches.

        What was committed just before a crash comes again, as the same places of the same file.

        Raises:
            Exception: what `write` raised; the file that it was busy with stays whole.
        """
        with self._lock:
            self._let_go()  # `write` may wait for long: whoever appends meanwhile does so to a new file
        return sum(self._drain(path, write) for path in self._files())

    def _drain(self, path: Path, write: Drain) -> int:
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return 0
        except OSError as error:  # somebody else's rights, say: the other files must not wait for it
            logger.error("The spill file %s cannot be opened: %s", path, error)
            return 0
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_still_at(path, file):
                return 0
            drained = _drain_file(file, write, path)
            path.unlink()
            return drained
        except BlockingIOError:  # its process lives and appends to it, or somebody else drains it
            return 0
        finally:
            os.close(file)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{SUFFIX}")) if self._folder.is_dir() else []

    def _open(self) -> int:
        """This process's file, made with its first record."""
        if self._own is None or self._process != os.getpid():  # a fork shares the parent's file and lock
            self._process = os.getpid()
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._own = _new_file(self._folder / f"{time.time_ns()}-{uuid4().hex}-{self._process}{SUFFIX}")
        return self._own

    def _let_go(self) -> None:
        """Append no more to this process's file, and unlock it."""
        if self._own is not None and self._process == os.getpid():
            fcntl.flock(self._own, fcntl.LOCK_UN)  # closing alone would leave it to a child that was forked meanwhile
            os.close(self._own)
        self._own = None


def _new_file(path: Path) -> int:
    """Opened and locked before it is found under its name: whoever drains deletes a file that is empty and unlocked."""
    nameless = path.with_suffix(NEW)
    file = os.open(nameless, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        nameless.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the file's name, too, survives a power cut
        finally:
            os.close(folder)
    except OSError:
        os.close(file)
        nameless.unlink(missing_ok=True)
        raise
    return file


def _drain_file(file: int, write: Drain, path: Path) -> int:
    records, drained = _records(file, path), 0
    while batches := list(islice(records, BATCHES_AT_ONCE)):
        write(Chunk(path.name, drained, batches))
        drained += len(batches)
    return drained


def _records(file: int, path: Path) -> Iterator[Batch]:
    """The batches of a file, up to the first that is not whole."""
    with os.fdopen(os.dup(file), "rb") as stream:
        stream.seek(0)
        while header := stream.read(HEADER.size):
            length, checksum = HEADER.unpack(header) if len(header) == HEADER.size else (0, 1)
            body = stream.read(length)
            if len(body) < length or zlib.crc32(body) != checksum:
                _set_aside(stream.read(), path)
                return
            try:
                batch = _decode(body)
            except msgspec.MsgspecError:  # whole, but not ours: written by another version
                _set_aside(body, path)
                return
            yield batch


def _set_aside(rest: bytes, path: Path) -> None:
    """A record that a crash cut off is the last one; with others behind it the disk is damaged."""
    if rest:
        with contextlib.suppress(FileExistsError):  # the batches before it could not be stored then, and come again
            os.link(path, path.with_suffix(DAMAGED))
        logger.error("The spill file %s is damaged: what could not be read is kept in %s", path, DAMAGED)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another process drained it in this moment
        return 0


def _is_still_at(path: Path, file: int) -> bool:
    """Whether nobody drained and deleted the file between our opening and our locking it."""
    try:
        return path.stat().st_ino == os.fstat(file).st_ino
    except FileNotFoundError:
        return False
