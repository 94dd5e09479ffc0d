"""What the command line says of the maps it left, read from the files; and the picture of a change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from rich.console import Console
from rich.table import Table

from kararaster import compositing, optical, periods, quicklook
from kararaster.conventions import has_radar, radar_bands

_MAP_PIXELS = 2**27
"""Largest map that is drawn as a picture; larger ones are looked at with the overviews of their COGs."""
_PICTURE_DATES = 6
"""Dates on each side, where there are as many, that the images of a picture are made of."""


def summarize_change(ds: xr.Dataset, result: xr.Dataset, output: Path, *, event: str | None, alpha: float) -> None:
    """Print the share that changed, from the files, and draw the picture."""
    with rasterio.open(output / "changed.tif") as file:
        changed, pixels = np.count_nonzero(file.read(1) == 1), file.height * file.width
    screen = Console()
    if event is None:
        with rasterio.open(output / "statistic.tif") as file:
            modelled = np.count_nonzero(np.isfinite(file.read(1)))
        screen.print(f"{changed:,} of {modelled:,} pixels with a model left their seasonal course; maps in {output}")
        screen.print("no picture: without an event there is no before and after; change_time.tif has the dates")
        return
    with rasterio.open(output / "n_orbits.tif") as file:
        tested = np.count_nonzero(file.read(1))
    screen.print(f"{changed:,} of {tested:,} tested pixels changed (false discovery rate {alpha:g}); maps in {output}")
    if pixels > _MAP_PIXELS:
        return
    if has_radar(ds):
        screen.print(f"picture: {_radar_picture(ds, output, event, alpha)}")
    elif _has_true_color(ds):
        screen.print(f"picture: {_optical_picture(ds, result, output, event, alpha)}")
    else:
        screen.print("no picture: it wants reflectance in the bands red, green and blue")


def _radar_picture(ds: xr.Dataset, output: Path, event: str, alpha: float) -> Path:
    before = ds[radar_bands(ds)[0]].isel(time=slice(0, _PICTURE_DATES)).mean("time")
    return quicklook.map_of_result(
        output / "map.png",
        output,
        before=before,
        title=f"Change at {event}",
        subtitle=f"{ds.sizes['time']} dates, false discovery rate {alpha:g}. Right: the framed part",
    )


def _has_true_color(ds: xr.Dataset) -> bool:
    bands = [ds[name] for name in quicklook.TRUE_COLOR if name in ds]
    whole = len(bands) == len(quicklook.TRUE_COLOR)
    return whole and all(optical.scaled(band) or band.dtype.kind == "f" for band in bands)


def _optical_picture(ds: xr.Dataset, result: xr.Dataset, output: Path, event: str, alpha: float) -> Path:
    """Medians of the dates next to the event beside how far the first index changed."""
    ds = periods.in_date_order(ds)
    place = int(np.searchsorted(ds["time"].values, periods.timestamp("event", event).to_datetime64()))
    sides = (slice(max(0, place - _PICTURE_DATES), place), slice(place, place + _PICTURE_DATES))
    before, after = (compositing.composite(ds.isel(time=side), bands=quicklook.TRUE_COLOR) for side in sides)
    return quicklook.optical_map_of_result(
        output / "map.png",
        output,
        before=before,
        after=after,
        title=f"Change at {event}",
        subtitle=f"{ds.sizes['time']} dates, false discovery rate {alpha:g}. Medians of up to {_PICTURE_DATES} dates before and "
        f"after. Change of {str(result['band'].values[0]).upper()}, strong where found",
    )


def print_means(result: xr.Dataset, files: list[Path], output: Path) -> None:
    """Print what the maps hold, from the files: those of a variable lie behind each other, one a date."""
    table = Table("index", "mean", "valid", "files", title_justify="left")
    each = len(files) // len(result.data_vars)
    for place, name in enumerate(result.data_vars):
        own = files[place * each : (place + 1) * each]
        mean, share = _mean_and_share(own)
        table.add_row(str(name), f"{mean:.4f}", f"{share:.1%}", str(len(own)))
    Console().print(table)
    Console().print(f"{len(files)} maps in {output}")


def _mean_and_share(files: list[Path]) -> tuple[float, float]:
    """Mean of the valid pixels of some rasters, and their share."""
    total, valid, pixels = 0.0, 0, 0
    for path in files:
        with rasterio.open(path) as file:
            for _, window in file.block_windows(1):
                block = file.read(1, window=window)
                finite = block[np.isfinite(block)]
                total, valid, pixels = total + finite.sum(dtype=np.float64), valid + finite.size, pixels + block.size
    return (total / valid if valid else float("nan")), (valid / pixels if pixels else 0.0)
