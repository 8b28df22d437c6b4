"""Types of arguments of the command line: argparse says what is wrong with a value."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Final

MOST_DAYS: Final = 36_500  # a century: what lies further back than Python's calendar is a slip of the hand


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """An integer of a range, both ends included."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise ArgumentTypeError(f"a whole number from {least} to {most}")
        return value

    return parse
