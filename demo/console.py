"""What the demo says: ticks and bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

PLAIN_LINE_SECONDS: Final = 15.0  # without a terminal: how often a running stage is mentioned

console: Final = Console(highlight=False)


def say(text: str) -> None:
    console.print(escape(text), soft_wrap=not console.is_terminal)


def complain(text: str) -> None:
    """An error, on standard error."""
    Console(stderr=True, highlight=False).print(f"[bold red]✗[/] {escape(text)}", soft_wrap=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say that a step runs, then how long it took."""
    began = time.monotonic()
    if console.is_terminal:
        with console.status(escape(name)):
            yield
    else:
        yield
    console.print(f"[green]✓[/] {escape(name)} [dim]{time.monotonic() - began:.1f} s[/]")


def summary(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """A box of names and values."""
    if not console.is_terminal:
        console.print(escape(title))
        for name, value in rows:
            console.print(f"  {name:<12} {escape(value)}", soft_wrap=True)
        return
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(f"[dim]{escape(name)}[/]", escape(value))
    console.print(Panel(table, title=f"[bold]{escape(title)}[/]", expand=False, border_style="green", padding=(1, 2)))


class TrainingBar:
    """The progress of a training: a bar on a terminal, else a line for every stage and every 15 s."""

    def __init__(self) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[detail]}[/]"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("Training", total=1.0, detail="")
        self._said = ("", 0.0)

    def __enter__(self) -> "TrainingBar":
        if console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if console.is_terminal:
            self._bar.stop()

    def show(self, stage: str, fraction: float, detail: str) -> None:
        """`fraction` is 0..1 of the whole training, `detail` what else there is to say: epoch, loss, time left."""
        self._bar.update(self._task, description=f"Training: {stage}", completed=fraction, detail=detail)
        said, at = self._said
        if not console.is_terminal and (said != stage or time.monotonic() - at > PLAIN_LINE_SECONDS):
            say(f"  training: {stage}, {fraction:.0%}{', ' if detail else ''}{detail}")
            self._said = (stage, time.monotonic())
