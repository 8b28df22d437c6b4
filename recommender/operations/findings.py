"""One look at each thing that the plugin needs: is it there, and what to do where it is not."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from django.db import Error, OperationalError

from recommender.index.reading import reading

OK: Final = "ok"
WARNING: Final = "warning"  # lists go on, something is lost or gets old
ERROR: Final = "error"
LOOK_MS: Final = 5_000  # a database that takes longer does not answer


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found.

    Attributes:
        name: of what was looked at, one word. state: OK, WARNING or ERROR.
        message: what is there, for people who run the shop; may name hosts and paths, no secrets.
        fix: what to do; "" where all is well.
    """

    name: str
    state: str
    message: str
    fix: str = ""


Look = Callable[[], Finding]


def look_at(looks: dict[str, Look], needs_database: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """One finding a look, in order; the others that need the database are left out once one found it away."""
    is_away = False
    for name, look in looks.items():
        if is_away and name in needs_database:
            continue
        try:
            with reading(LOOK_MS) if name in needs_database else nullcontext():
                found = look()
        except Error as error:
            found = Finding(
                name, ERROR, f"The database says: {error}".strip(), "Look at Postgres, then run this again."
            )
            is_away = is_away or isinstance(error, OperationalError)
        yield found
