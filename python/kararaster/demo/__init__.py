"""The demo: a simulated town through the whole chain, with the truth beside every number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kararaster.demo import optical, radar
from kararaster.demo.optical import OpticalOutcome
from kararaster.demo.radar import RadarOutcome
from kararaster.demo.scoring import ALPHA, Score, auc, score
from kararaster.demo.screen import Clock
from kararaster.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["ALPHA", "EVENT", "OpticalOutcome", "Outcome", "RadarOutcome", "Score", "auc", "run", "score"]

EVENT = "2023-09-19"


@dataclass(frozen=True)
class Outcome:
    """What the demo leaves: files and scores of both sensors, seconds by step."""

    radar: RadarOutcome
    optical: OpticalOutcome
    seconds: dict[str, float]

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, without those of the simulated products."""
        return self.radar.files + self.optical.files


def run(
    folder: str | Path = "demo", *, size: int = 2048, seed: int = 0, window: int = 5, console: Console | None = None
) -> Outcome:
    """Simulate both sensors, find changes, write COGs and maps into `folder`, print tables. This computes.

    size : rows and columns of the radar scene, at least 256; the optical one has as many, but at most 600. seed : of the
    scenes. window : of the Lee filter, in pixels.
    Raises InvalidInputError for a size or window outside its range.
    """
    from rich.console import Console  # noqa: PLC0415

    if size < 256 or window < 1:
        raise InvalidInputError(f"size, window: got {size} and {window}, want at least 256 and 1 pixels")
    screen, target = console or Console(), Path(folder)
    clock = Clock(screen)
    by_radar = radar.find_changes(target, event=EVENT, size=size, seed=seed, window=window, clock=clock)
    by_light = optical.find_changes(target / "sentinel2", event=EVENT, size=size, seed=seed, clock=clock)
    outcome = Outcome(by_radar, by_light, clock.seconds)
    radar.show(screen, by_radar)
    optical.show(screen, by_light)
    maps = f"{len(outcome.files)} maps and pictures in [bold]{target}[/], beside the products they come from"
    look = " and ".join(f"[bold]{target / picture}[/]" for picture in ("map.png", "sentinel2/map.png"))
    screen.print(f"{maps}. Look at {look}. Total {sum(clock.seconds.values()):.0f} s.")
    return outcome
