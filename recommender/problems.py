"""The one shape of every error that the API answers: {"version", "code", "reason", and "fields" of a wrong input}.

`code` is for programs, `reason` for people. Within a version no code and no name changes its meaning; new ones may
come.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

VERSION: Final = 1


def problem(code: str, reason: str, fields: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """The body of an error, fit for every encoding.

    Args:
        fields: what is wrong with each input, by its name; "" for the whole.
    """
    body: dict[str, Any] = {"version": VERSION, "code": code, "reason": _writable(reason)}
    if fields is not None:
        body["fields"] = {_writable(name): [_writable(text) for text in texts] for name, texts in fields.items()}
    return body


def _writable(text: str) -> str:
    """Without lone surrogates, which a message may repeat from its input and no encoding can write."""
    return text.encode(errors="replace").decode()
