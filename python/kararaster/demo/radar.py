"""Sentinel-1 in the demo: changes in a simulated stack, with and without the speckle filter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import rasterio
import xarray as xr

from kararaster import change, despeckle, simulate
from kararaster.demo.scoring import ALPHA, Score, margin_of, score
from kararaster.demo.screen import Clock, score_table
from kararaster.export import to_cog
from kararaster.quicklook import map_of_result

if TYPE_CHECKING:
    from rich.console import Console

ENL = 4.4
_TILE = 1024


@dataclass(frozen=True)
class RadarOutcome:
    """Files, scores with and without the speckle filter, and what the table says of the scene.

    `scene`: its dates and size. `left_out`: unchanged pixels that share a filter window with changed ground.
    """

    files: tuple[Path, ...]
    unfiltered: Score
    filtered: Score
    scene: str
    left_out: int


def find_changes(target: Path, *, event: str, size: int, seed: int, window: int, clock: Clock) -> RadarOutcome:
    """Simulate, despeckle, find changes, write COGs and a map below `target`. This computes."""
    with clock.step("lay out the radar scene (pixels come when they are asked for)"):
        stack = simulate.stack(
            shape=(size, size), event=event, enl=ENL, seed=seed, chunks={"time": 1, "y": _TILE, "x": _TILE}
        )
        truth = simulate.truth(shape=(size, size), seed=seed)
        margin = margin_of(truth["changed"].values, window // 2)
    with clock.step("radar change test on unfiltered backscatter"):
        raw = change(stack, event=event, alpha=ALPHA)[["statistic", "p_value", "changed"]].compute()
        unfiltered = score(raw, truth, margin)
        del raw
    filtered = despeckle(stack, "lee", window=window, enl=ENL)
    with clock.step(f"Lee filter {window} x {window}, change test, COGs"):
        files = to_cog(change(filtered, event=event, alpha=ALPHA), target / "change") + to_cog(truth, target / "truth")
    with clock.step("radar scores and map"):
        scored = score(read_back(target / "change"), truth, margin)
        files.append(_draw(target, filtered, event, window))
    scene = f"{stack.sizes['time']} dates of {size} x {size} pixels"
    return RadarOutcome(tuple(files), unfiltered, scored, scene, int(margin.sum()))


def show(screen: Console, outcome: RadarOutcome) -> None:
    """Print the scores and what they leave out."""
    scores = {"unfiltered": outcome.unfiltered, "Lee": outcome.filtered}
    screen.print(score_table(f"Sentinel-1: {outcome.scene} against the truth", scores))
    screen.print(
        f"{outcome.left_out:,} unchanged pixels that share a filter window with changed ground are left out of these "
        "rates. The two months after the event are one season, the year before is all of them. So fields differ from "
        "the year before although nothing happened to them: this is the main reason why their rate, and the share "
        f"of marks on unchanged ground, can exceed {ALPHA:.0%}.",
        style="dim",
    )


def read_back(folder: Path) -> xr.Dataset:
    """What the score needs, from the files that were written."""
    layers = {}
    for name in ("statistic", "p_value", "changed"):
        with rasterio.open(folder / f"{name}.tif") as file:
            layers[name] = (("y", "x"), file.read(1))
    return xr.Dataset(layers)


def _draw(folder: Path, filtered: xr.Dataset, event: str, window: int) -> Path:
    return map_of_result(
        folder / "map.png",
        folder / "change",
        before=filtered["vv"].isel(time=slice(0, 12, 2)).mean("time"),
        title=f"Simulated town: change at {event}",
        subtitle=f"Lee {window} x {window}. False discovery rate {ALPHA:g} against speckle: season is a change too. "
        "Right: the framed part",
    )
