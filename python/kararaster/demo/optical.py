"""Sentinel-2 in the demo: products on disk, clouds masked, indices, composites and changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr

import kararaster as kr
from kararaster.demo.radar import read_back
from kararaster.demo.scoring import ALPHA, Score, margin_of, score
from kararaster.demo.screen import Clock, empty_table, score_table
from kararaster.export import to_cog
from kararaster.quicklook import optical_map
from kararaster.simulate.town import Cover, Kind
from kararaster.threads import resolve

if TYPE_CHECKING:
    from rich.console import Console

INDICES = ("NDVI", "NDBI", "BUI")
_SIZE = 600
_BANDS = ("blue", "green", "red", "nir", "swir16")
_PERIODS = ("before", "after")
_TRUE_COLOR = ("red", "green", "blue")
_SEASONS = ((2020, "02.14"), (2021, "03.01"), (2022, "04.00"), (2023, "05.09"))
"""Year and processing baseline: the first two without, the others with the offset of 1000."""
_PASSES = (("09-25", "S2A", 0.05), ("09-30", "S2B", 0.2), ("10-05", "S2A", 0.1))
"""Day, satellite and cloud cover, in every year."""
_REFERENCE = "1095D"
"""Three years before the event, of which the test takes the season."""
_MIXED = 1
"""Pixels of 10 m beside changed ground that share a pixel of 20 m with it."""


@dataclass(frozen=True)
class OpticalOutcome:
    """Files, the score of the change test, the mean change of each index by place, and what the table says of the scene.

    `tested`: share of the pixels with enough dates without clouds on both sides of the event.
    """

    files: tuple[Path, ...]
    found: Score
    rises: dict[str, dict[str, float]]
    tested: float
    scene: str


def find_changes(target: Path, *, event: str, size: int, seed: int, clock: Clock) -> OpticalOutcome:
    """Write products, open them as one stack, and leave indices, composites, changes and a map. This computes."""
    side = min(size, _SIZE) // 6 * 6
    with clock.step(f"write {len(_SEASONS) * len(_PASSES)} Sentinel-2 products"):
        products = _write_products(target / "products", event=event, side=side, seed=seed)
    truth = kr.simulate.truth(shape=(side, side), seed=seed)
    with clock.step("open them as one stack, mask clouds, change test, COGs"):
        stack = kr.sentinel2_stack(products, grid=truth.odc.geobox, bands=(*_BANDS, "scl"), mask=False)
        clear = kr.mask_clouds(stack)
        files = to_cog(kr.change(clear, event=event, pre=_REFERENCE, alpha=ALPHA), target / "change")
    with clock.step(f"median before and after, {', '.join(INDICES)}, COGs"):
        files += _write_composites(clear, target, event)
    with clock.step("optical scores and map"):
        result = read_back(target / "change")
        tested = float(np.isfinite(result["p_value"]).mean())
        found = score(
            result.assign(statistic=abs(result["statistic"])), truth, margin_of(truth["changed"].values, _MIXED)
        )
        rises = _rises(target, truth)
        files.append(_draw(target, event))
    scene = f"{stack.sizes['time']} dates of {side} x {side} pixels, baselines {_SEASONS[0][1]} to {_SEASONS[-1][1]}"
    return OpticalOutcome(tuple(files), found, rises, tested, scene)


def show(screen: Console, outcome: OpticalOutcome) -> None:
    """Print the scores and the mean change of the indices."""
    screen.print(score_table(f"Sentinel-2: {outcome.scene} against the truth", {"NDVI and NDBI": outcome.found}))
    table = empty_table("Mean change between the median composites", *INDICES)
    for place, rises in outcome.rises.items():
        table.add_row(place, *(f"{rises[name]:+.3f}" for name in INDICES))
    screen.print(table)
    screen.print(
        f"{outcome.tested:.0%} of the pixels have enough dates without clouds to be tested; the rates are theirs. The test "
        "compares the same weeks of four years. What grows within those weeks is scatter to it, and it corrects for two "
        f"indices, which are alike: so over all the rate lies below {ALPHA:.0%}. Rubble looks much like roofs from above: radar "
        "sees better which houses fell.",
        style="dim",
    )


def _write_products(folder: Path, *, event: str, side: int, seed: int) -> list[Path]:
    """Three passes in autumn of each year."""

    def write(season: tuple[int, str], one: tuple[str, str, float]) -> Path:
        (year, baseline), (day, platform, cloud_cover) = season, one
        return kr.simulate.sentinel2(
            folder,
            shape=(side, side),
            time=f"{year}-{day}T07:36:21",
            baseline=baseline,
            platform=platform,
            bands=(*_BANDS, "scl"),
            overwrite=True,
            cloud_cover=cloud_cover,
            event=event,
            seed=seed,
        )

    with ThreadPoolExecutor(resolve()) as pool:
        return list(pool.map(write, *zip(*product(_SEASONS, _PASSES), strict=True)))


def _write_composites(clear: xr.Dataset, target: Path, event: str) -> list[Path]:
    """The median before and after the event in true colour, and how far each index rose between them."""
    medians = kr.composite(clear, period=[(f"{_SEASONS[0][0]}-01-01", event), (event, f"{_SEASONS[-1][0]}-12-31")])
    indices = kr.index(medians, *INDICES)
    maps = {f"{name}_rise": rise.diff("time").isel(time=0, drop=True) for name, rise in indices.items()}
    for place, period in enumerate(_PERIODS):
        maps |= {f"{band}_{period}": medians[band].isel(time=place, drop=True) for band in _TRUE_COLOR}
    return to_cog(xr.Dataset(maps), target / "median")


def _rises(target: Path, truth: xr.Dataset) -> dict[str, dict[str, float]]:
    """Mean rise of each index on cleared ground, at new buildings and on unchanged fields."""
    kind, cover = truth["kind"].values, truth["land_cover"].values
    places = {
        "ground cleared": kind == Kind.GROUND_CLEARED,
        "building new": kind == Kind.BUILDING_NEW,
        "fields, unchanged": (kind == Kind.NONE) & (cover == Cover.FIELD),
    }
    rises = {name: _pixels(target / "median" / f"{name.lower()}_rise.tif") for name in INDICES}
    return {
        place: {name: float(np.nanmean(rise[where])) for name, rise in rises.items()} for place, where in places.items()
    }


def _draw(target: Path, event: str) -> Path:
    before, after = (
        np.stack([_pixels(target / "median" / f"{band}_{period}.tif") for band in _TRUE_COLOR], axis=-1)
        for period in _PERIODS
    )
    return optical_map(
        target / "map.png",
        before=before,
        after=after,
        difference=_pixels(target / "median" / "ndvi_rise.tif"),
        changed=_pixels(target / "change" / "changed.tif") == 1,
        resolution=10.0,
        title=f"Simulated town: Sentinel-2 at {event}",
        subtitle="Left: median of three autumns before. Middle: after. Right: rise of NDVI, strong where the test marks it",
    )


def _pixels(path: Path) -> npt.NDArray[np.float32]:
    with rasterio.open(path) as file:
        pixels: npt.NDArray[np.float32] = file.read(1)
    return pixels
