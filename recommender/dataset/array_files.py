"""Arrays by name as the bytes of a file of a version; numpy only, never a pickle."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """What `pack_arrays` took.

    Raises:
        ValueError, KeyError, OSError, zipfile.BadZipFile: it is no such file.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
