"""The demo's accounts: one a household, all with the same password, which is no secret."""

from typing import Final

PASSWORD: Final = "demo"  # noqa: S105
PREFIX: Final = "household-"


def username(number: int) -> str:
    """Account name of a household of the source data."""
    return f"{PREFIX}{number}"
