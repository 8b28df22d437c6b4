"""Ids of events in bulk: made from what names an event in its source, and read for the months that they lie in."""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.capture import binary_copy


def event_ids(at_seconds: NDArray[Any] | Sequence[int], keys: Sequence[str]) -> NDArray[np.void]:
    """UUIDv7 from time and key: the same event gets the same id in every load.

    Args:
        at_seconds: [events] seconds since 1970 UTC; the ids sort by it.
        keys: [events] what names the event in its source for ever, such as "order-17-line-3".
    Returns:
        [events] 16-byte UUIDs, dtype `V16`.
    """
    digests = b"".join(hashlib.blake2b(key.encode(), digest_size=16).digest() for key in keys)
    ids = np.frombuffer(digests, dtype=np.uint8).reshape(len(keys), 16).copy()
    milliseconds = np.asarray(at_seconds, dtype=np.int64) * 1_000
    ids[:, :6] = milliseconds.astype(">i8").view(np.uint8).reshape(-1, 8)[:, 2:]  # 48 bits of time
    ids[:, 6] = ids[:, 6] & 0x0F | 0x70  # version 7
    ids[:, 8] = ids[:, 8] & 0x3F | 0x80  # variant
    return ids.view(binary_copy.UUID).reshape(-1)


def months_of(ids: NDArray[np.void]) -> set[date]:
    """The months in the ids; ids without a time have none."""
    times = np.asarray(ids).view(np.uint8).reshape(-1, 16)[:, :6].astype(np.int64)
    milliseconds = times @ (256 ** np.arange(5, -1, -1))
    months = np.unique(milliseconds[milliseconds > 0].astype("datetime64[ms]").astype("datetime64[M]"))
    return set(months.astype("datetime64[D]").astype(object))
