"""What the demo shows on the screen: steps with their seconds, and tables of scores."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kararaster.demo.scoring import ALPHA, Score

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


class Clock:
    """Seconds by step, shown as they pass."""

    def __init__(self, screen: Console) -> None:
        self.screen = screen
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside and print it."""
        start = time.perf_counter()
        with self.screen.status(name):
            yield
        self.seconds[name] = time.perf_counter() - start
        self.screen.print(f"[green]done[/] {self.seconds[name]:6.1f} s  {name}")


def score_table(title: str, scores: Mapping[str, Score]) -> Table:
    """One column a score: accuracy, what was found, false alarms by land cover."""
    table = empty_table(title, *scores)
    columns = tuple(scores.values())
    table.add_row("AUC of the statistic", *(f"{s.auc:.4f}" for s in columns))
    table.add_row(f"marked as changed (FDR at {ALPHA:g})", *(f"{s.changed:,}" for s in columns))
    table.add_row("  of these in truth unchanged", *(f"{s.false_discoveries:.2%}" for s in columns), end_section=True)
    for kind in columns[0].found:
        table.add_row(f"found of: {kind.replace('_', ' ')}", *(f"{s.found[kind]:.1%}" for s in columns))
    table.add_section()
    table.add_row(f"[bold]p < {ALPHA:g} on unchanged ground, nominal {ALPHA:.2%}[/]", *("" for _ in columns))
    for cover in columns[0].false_alarms:
        table.add_row(f"  {cover}", *(f"{s.false_alarms[cover]:.2%}" for s in columns))
    return table


def empty_table(title: str, *columns: str) -> Table:
    """An empty table with a column of labels and columns of numbers."""
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table
