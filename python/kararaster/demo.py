"""The demo: a simulated town through the whole chain, with the truth beside every number."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr

from kararaster import change, despeckle, ndbi, ndvi, simulate
from kararaster.errors import InvalidInputError
from kararaster.export import to_cog
from kararaster.quicklook import map_of_result
from kararaster.simulate.town import Cover, Kind

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

EVENT = "2023-09-19"
ALPHA = 0.05
ENL = 4.4
_TILE = 1024

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """How a change map compares with the truth; the margin around changed ground is left out of everything but `found`.

    `auc`: area under the curve of `statistic`. `false_alarms`: share of unchanged pixels with p below ALPHA, by land
    cover and over all. `changed`: pixels marked. `false_discoveries`: share of the marked ones that are unchanged.
    `found`: share of the changed pixels that are marked, by kind.
    """

    auc: float
    false_alarms: dict[str, float]
    changed: int
    false_discoveries: float
    found: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """What the demo leaves: files, scores with and without the speckle filter, seconds by step."""

    files: tuple[Path, ...]
    unfiltered: Score
    filtered: Score
    seconds: dict[str, float]


def run(
    folder: str | Path = "demo", *, size: int = 2048, seed: int = 0, window: int = 5, console: Console | None = None
) -> Outcome:
    """Simulate, despeckle, find changes, compute indices, write COGs and a map into `folder`, print tables. This
    computes.

    size : rows and columns of the scene, at least 256. seed : of the scene. window : of the Lee filter, in pixels.
    Raises InvalidInputError for a size or window outside its range.
    """
    from rich.console import Console

    if size < 256 or window < 1:
        raise InvalidInputError(f"size, window: got {size} and {window}, want at least 256 and 1 pixels")
    screen = console or Console()
    clock = _Clock(screen)
    target, tiles = Path(folder), {"time": 1, "y": _TILE, "x": _TILE}
    with clock.step("lay out the scene (pixels come when they are asked for)"):
        stack = simulate.stack(shape=(size, size), enl=ENL, seed=seed, chunks=tiles)
        optical = simulate.optical(shape=(size, size), seed=seed, chunks=tiles)
        truth = simulate.truth(shape=(size, size), seed=seed)
        margin = _margin(truth["changed"].values, window // 2)
    with clock.step("change test on unfiltered backscatter"):
        raw = change(stack, event=EVENT, alpha=ALPHA)[["statistic", "p_value", "changed"]].compute()
        unfiltered = score(raw, truth, margin)
        del raw
    filtered = despeckle(stack, "lee", window=window, enl=ENL)
    with clock.step(f"Lee filter {window} x {window}, change test, COGs"):
        files = to_cog(change(filtered, event=EVENT, alpha=ALPHA), target / "change")
    with clock.step("NDVI and NDBI before and after, COGs"):
        indices = xr.Dataset({"ndvi": ndvi(optical), "ndbi": ndbi(optical)})
        optical_files = to_cog(indices, target / "optical")
        files += optical_files
        files += to_cog(truth, target / "truth")
    with clock.step("scores and map"):
        result = _read_back(target / "change")
        scored = score(result, truth, margin)
        files.append(_draw(target, filtered, window))
    outcome = Outcome(tuple(files), unfiltered, scored, clock.seconds)
    _print(screen, stack, outcome, margin)
    _print_indices(screen, _greenness(optical_files, truth))
    screen.print(
        f"{len(files)} files in [bold]{target}[/]. The column Lee as a map: [bold]{target / 'map.png'}[/]. ", end=""
    )
    screen.print(f"Total {sum(clock.seconds.values()):.0f} s.")
    return outcome


def score(result: xr.Dataset, truth: xr.Dataset, margin: Mask) -> Score:
    """Compare `statistic`, `p_value` and `changed` (y, x) with the truth; pixels in `margin` do not count as
    unchanged."""
    happened = truth["changed"].values
    quiet = ~happened & ~margin
    statistic, alarm = result["statistic"].values, result["p_value"].values < ALPHA
    marked = result["changed"].values.astype(bool)
    cover, kind = truth["land_cover"].values, truth["kind"].values
    false_alarms = {c.name.lower(): _share(alarm[quiet & (cover == c)]) for c in Cover}
    false_alarms["all but fields"] = _share(alarm[quiet & (cover != Cover.FIELD)])
    false_alarms["all"] = _share(alarm[quiet])
    return Score(
        auc=auc(statistic[happened], statistic[quiet]),
        false_alarms=false_alarms,
        changed=int(marked.sum()),
        false_discoveries=_share(~happened[marked & (happened | quiet)]),
        found={k.name.lower(): _share(marked[kind == k]) for k in Kind if k is not Kind.NONE},
    )


def auc(positives: npt.NDArray[np.floating], negatives: npt.NDArray[np.floating]) -> float:
    """Probability that a positive exceeds a negative, ties counted half; NaN left out, NaN where either is empty."""
    above, below = positives[~np.isnan(positives)], np.sort(negatives[~np.isnan(negatives)])
    if above.size == 0 or below.size == 0:
        return float("nan")
    wins = np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")
    return float(wins.mean() / (2 * below.size))


def _share(flags: Mask) -> float:
    return float(flags.mean()) if flags.size else float("nan")


def _margin(happened: Mask, radius: int) -> Mask:
    """Unchanged pixels whose filter window reaches changed ground."""
    grown = happened.copy()
    for axis in (0, 1):
        reached = grown.copy()
        for step in range(1, radius + 1):
            ahead, behind = (_slices(axis, slice(step, None)), _slices(axis, slice(None, -step)))
            reached[ahead] |= grown[behind]
            reached[behind] |= grown[ahead]
        grown = reached
    return grown & ~happened


def _slices(axis: int, part: slice) -> tuple[slice, slice]:
    return (part, slice(None)) if axis == 0 else (slice(None), part)


def _read_back(folder: Path) -> xr.Dataset:
    """What the score needs, from the files that were written."""
    layers = {}
    for name in ("statistic", "p_value", "changed"):
        with rasterio.open(folder / f"{name}.tif") as file:
            layers[name] = (("y", "x"), file.read(1))
    return xr.Dataset(layers)


def _draw(folder: Path, filtered: xr.Dataset, window: int) -> Path:
    return map_of_result(
        folder / "map.png",
        folder / "change",
        before=filtered["vv"].isel(time=slice(0, 12, 2)).mean("time"),
        title=f"Simulated town: change at {EVENT}",
        subtitle=f"Lee {window} x {window}. False discovery rate {ALPHA:g} against speckle: season is a change too. "
        "Right: the framed part",
    )


def _greenness(files: list[Path], truth: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Mean change of NDVI and NDBI (each before, then after) on cleared ground, at new buildings, on unchanged fields."""
    images = []
    for path in files:
        with rasterio.open(path) as file:
            images.append(file.read(1))
    rises = [after - before for before, after in zip(images[::2], images[1::2], strict=True)]
    kind, cover = truth["kind"].values, truth["land_cover"].values
    places = {
        "ground cleared": kind == Kind.GROUND_CLEARED,
        "building new": kind == Kind.BUILDING_NEW,
        "fields, unchanged": (kind == Kind.NONE) & (cover == Cover.FIELD),
    }
    return {label: (float(rises[0][where].mean()), float(rises[1][where].mean())) for label, where in places.items()}


class _Clock:
    """Seconds by step, shown as they pass."""

    def __init__(self, screen: Console) -> None:
        self.screen = screen
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        with self.screen.status(name):
            yield
        self.seconds[name] = time.perf_counter() - start
        self.screen.print(f"[green]done[/] {self.seconds[name]:6.1f} s  {name}")


def _print(screen: Console, stack: xr.Dataset, outcome: Outcome, margin: Mask) -> None:
    sizes = stack.sizes
    scene = f"{sizes['time']} dates of {sizes['y']} x {sizes['x']} pixels"
    table = _table(f"{scene} against the truth", "unfiltered", "Lee")
    both = (outcome.unfiltered, outcome.filtered)
    table.add_row("AUC of the statistic", *(f"{s.auc:.4f}" for s in both))
    table.add_row(f"marked as changed (FDR at {ALPHA:g})", *(f"{s.changed:,}" for s in both))
    table.add_row("  of these in truth unchanged", *(f"{s.false_discoveries:.2%}" for s in both), end_section=True)
    for kind in outcome.filtered.found:
        table.add_row(f"found of: {kind.replace('_', ' ')}", *(f"{s.found[kind]:.1%}" for s in both))
    table.add_section()
    table.add_row(f"[bold]p < {ALPHA:g} on unchanged ground, nominal {ALPHA:.2%}[/]", "", "")
    for cover in outcome.filtered.false_alarms:
        table.add_row(f"  {cover}", *(f"{s.false_alarms[cover]:.2%}" for s in both))
    screen.print(table)
    screen.print(
        f"{int(margin.sum()):,} unchanged pixels that share a filter window with changed ground are left out of these "
        "rates. The two months after the event are one season, the year before is all of them. So fields differ from "
        "the year before although nothing happened to them: this is the main reason why their rate, and the share "
        f"of marks on unchanged ground, can exceed {ALPHA:.0%}.",
        style="dim",
    )


def _print_indices(screen: Console, rises: dict[str, tuple[float, float]]) -> None:
    table = _table("Mean change of the optical indices", "NDVI", "NDBI")
    for label, (vegetation, built) in rises.items():
        table.add_row(label, f"{vegetation:+.3f}", f"{built:+.3f}")
    screen.print(table)


def _table(title: str, *columns: str) -> Table:
    """An empty table with a column of labels and columns of numbers."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table
