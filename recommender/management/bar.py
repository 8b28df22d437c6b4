"""How far a command has come."""

from typing import Any, Final

WIDTH: Final = 30


class Bar:
    """Progress on one line of a terminal; elsewhere a line a step."""

    def __init__(self, out: Any) -> None:
        """`out`: the command's stdout or stderr."""
        self._out = out
        self._is_terminal = out.isatty()
        self._step = ""

    def show(self, fraction: float, text: str, step: str) -> None:
        """`fraction`: 0 to 1. `step`: what changes from one line to the next where there is no terminal."""
        if self._is_terminal:
            done = round(fraction * WIDTH)
            bar = "█" * done + "·" * (WIDTH - done)
            self._out.write(f"\r\x1b[2K{bar} {fraction:4.0%} {text}", ending="")
            self._out.flush()
        elif step != self._step:
            self._out.write(f"{fraction:4.0%} {text}")
        self._step = step

    def close(self) -> None:
        """Go on below the bar."""
        if self._is_terminal and self._step:
            self._out.write("")
