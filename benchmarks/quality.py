"""What every speckle filter does to a scene whose truth is known, and to real crops: the tables and figures of docs/speckle.md.

    python benchmarks/quality.py                                     # the simulated scene
    python benchmarks/quality.py --crop VV_DB.tif --stack STACK.nc   # real crops as well

The crop is one band in decibel; the stack is the monthly Sentinel-1 of WorldCereal (dB = 20 log10(DN) - 83). Needs the extra
[plot]; times are taken on one thread and belong to the machine.
"""

from __future__ import annotations

import argparse
import io
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
import rasterio
import xarray as xr
from PIL import Image as Picture

import kararaster as kr
from kararaster.simulate.speckle import speckle

PAGE = Path(__file__).resolve().parents[1] / "docs" / "speckle.md"
LOOKS, DATES, SIDE = 4.4, 12, 256
Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """Fields that meet at straight and slanting edges, roads, point targets, and a homogeneous square."""

    truth: Image
    across: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
    """Flat positions of pixel pairs on the brighter and the darker side of an edge between two fields."""
    targets: npt.NDArray[np.intp]
    homogeneous: tuple[slice, slice]


def scene() -> Scene:
    """Sigma nought of -18 to -5 dB; targets 25 dB above their field."""
    row, column = np.mgrid[:SIDE, :SIDE]
    fields = (column // 64) + 4 * ((row + column // 3) // 64)
    level = np.array(
        [-12, -8, -15, -10, -18, -6, -13, -9, -7, -16, -11, -5, -14, -8, -12, -17, -9, -13, -6, -15], float
    )
    decibel = level[fields % level.size]
    decibel[150:230, 20:100] = -11.0
    edges = _edges(decibel)
    decibel[(column + 2 * row) % 170 < 2] = -19.0  # roads
    positions = np.random.default_rng(5).choice(SIDE // 16 * (SIDE // 16), 40, replace=False)
    targets = np.ravel_multi_index((positions // 16 * 16 + 8, positions % 16 * 16 + 8), (SIDE, SIDE))
    outside = ~((targets // SIDE >= 140) & (targets // SIDE < 240) & (targets % SIDE < 110))
    targets = targets[outside]
    decibel.ravel()[targets] += 25.0
    kept = np.isin(edges, _near(targets), invert=True).all(0) & (decibel.ravel()[edges] > -18.9).all(0)
    truth = (10 ** (decibel / 10)).astype(np.float32)
    return Scene(truth, (edges[0][kept], edges[1][kept]), targets, (slice(156, 224), slice(26, 94)))


def _edges(decibel: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Pairs (brighter, darker) of neighbours in a row or column that lie in different fields."""
    flat = np.arange(decibel.size).reshape(decibel.shape)
    pairs = [(flat[:, :-1], flat[:, 1:]), (flat[:-1], flat[1:])]
    one, other = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    step = decibel.ravel()[one] - decibel.ravel()[other]
    one, other, step = (values[step != 0] for values in (one, other, step))
    return np.where(step > 0, [one, other], [other, one])


def _near(targets: npt.NDArray[np.intp], reach: int = 6) -> npt.NDArray[np.intp]:
    steps = np.arange(-reach, reach + 1)
    return (targets[:, None, None] + steps[:, None] * SIDE + steps).ravel()


def radar(power: npt.NDArray[Any]) -> xr.DataArray:
    """An image, or a stack of one orbit with a date in twelve days, as the filters want it."""
    dims = ("time", "y", "x")[-power.ndim :]
    array = xr.DataArray(np.ascontiguousarray(power, np.float32), dims=dims, name="vv", attrs={"units": "1"})
    return (
        array
        if power.ndim == 2
        else array.assign_coords(time=pd.date_range("2023-01-05", periods=len(power), freq="12D"))
    )


def filtered(stack: npt.NDArray[Any], method: str, enl: float) -> Image:
    """The first date of `stack` after the filter."""
    if method == "quegan":
        return radar(stack).kara.despeckle(method, enl=enl, by=None).values[0]
    return radar(stack[0]).kara.despeckle(method, enl=enl).values


def measured(out: Image, scene: Scene, noisy: Image) -> dict[str, str]:
    """The row of one filter."""
    ground = out[scene.homogeneous]
    bright, dark = (out.ravel()[side] for side in scene.across)
    true_bright, true_dark = (scene.truth.ravel()[side] for side in scene.across)
    edge = np.log(bright / dark).mean() / np.log(true_bright / true_dark).mean()
    loss = 10 * np.log10(noisy.ravel()[scene.targets].mean() / out.ravel()[scene.targets].mean())
    error = 10 * np.log10(out / scene.truth)
    return {
        "looks": f"{looks(ground):.0f}",
        "gain": f"{looks(ground) / looks(noisy[scene.homogeneous]):.1f}",
        "bias, %": f"{100 * (ground.mean() / noisy[scene.homogeneous].mean() - 1):+.1f}",
        "edges": f"{edge:.2f}",
        "targets lost, dB": f"{loss:.1f}",
        "error, dB": f"{np.sqrt((error**2).mean()):.2f}",
    }


def looks(ground: Image) -> float:
    return float(kr.enl(radar(ground), "moment"))


def rate(method: str) -> float:
    """Million pixels a second, one thread; the second of two runs."""
    side = {"ppb": 256, "idan": 512, "srad": 1024}.get(method, 2048)
    shape = (DATES, side // 4, side // 4) if method == "quegan" else (1, side, side)
    stack = speckle(shape, enl=LOOKS)
    kr.set_threads(1)
    for _ in range(2):
        start = time.perf_counter()
        filtered(stack, method, LOOKS)
        seconds = time.perf_counter() - start
    kr.set_threads(None)
    return (stack.size if method == "quegan" else side * side) / seconds / 1e6


def simulated() -> tuple[str, dict[str, Image]]:
    """The table and the images of the simulated scene."""
    ground = scene()
    stack = ground.truth * speckle((DATES, SIDE, SIDE), enl=LOOKS, rng=11)
    images = {"truth": ground.truth, "speckle": stack[0]}
    images |= {method: filtered(stack, method, LOOKS) for method in kr.despeckle_methods().name}
    rows = {name: measured(images[name], ground, stack[0]) for name in list(images)[1:]}
    for method in list(images)[2:]:
        rows[method]["Mpx/s"] = f"{rate(method):.3g}"
    return table(rows), images


def real_crop(path: Path) -> tuple[str, dict[str, Image]]:
    """Every filter of one image on a crop of 256 x 256 pixels, with the looks of the whole image."""
    with rasterio.open(path) as source:
        power = 10 ** (source.read(1).astype(np.float32) / 10)
    enl = float(kr.enl(radar(power)))
    crop = power[100 : 100 + SIDE, 170 : 170 + SIDE][None]
    images = {"as delivered": crop[0]}
    images |= {method: filtered(crop, method, enl) for method in kr.despeckle_methods().name if method != "quegan"}
    return real_table(images), images


def real_stack(path: Path) -> tuple[str, dict[str, Image]]:
    """Filters of one date beside the filter over time, on twelve months of 100 x 100 pixels."""
    number = xr.open_dataset(path, engine="h5netcdf")["S1-SIGMA0-VV"].values.astype(np.float32)
    stack = (10 ** ((20 * np.log10(number) - 83) / 10)).astype(np.float32)
    enl = float(kr.enl(radar(stack)))
    images = {"as delivered": stack[0]}
    images |= {method: filtered(stack, method, enl) for method in ("boxcar", "lee", "ppb", "quegan")}
    return real_table(images), images


def real_table(images: dict[str, Image]) -> str:
    """A row for each image; the first one is the original."""
    original = next(iter(images.values()))
    calm = calmest(original)
    return table({name: real_row(image, original, calm) for name, image in images.items()})


def calmest(image: Image, side: int = 25) -> tuple[slice, slice]:
    """The square whose logarithms vary least: ground without texture."""
    log = np.lib.stride_tricks.sliding_window_view(np.log(image), (side, side))
    row, column = np.unravel_index(log.var(axis=(2, 3)).argmin(), log.shape[:2])
    return slice(row, row + side), slice(column, column + side)


def real_row(image: Image, original: Image, calm: tuple[slice, slice]) -> dict[str, str]:
    """Looks of the calm square, mean against the original, and the step from pixel to pixel that is left: EPD-ROA."""
    steps = [np.exp(np.abs(np.diff(np.log(part), axis=1))).sum() for part in (image, original)]
    return {
        "looks": f"{float(kr.enl(radar(image[calm]), 'log_cumulant')):.1f}",
        "mean, %": f"{100 * (image.mean() / original.mean() - 1):+.1f}",
        "EPD-ROA": f"{steps[0] / steps[1]:.2f}",
    }


def table(rows: dict[str, dict[str, str]]) -> str:
    """Markdown; a cell that a row lacks stays empty."""
    columns = list(max(rows.values(), key=len))
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(row.get(column, "") for column in columns) + " |")
    return "\n".join(lines)


def figure(images: dict[str, Image], path: Path, across: int) -> None:
    """All images in one gray scale of decibel, taken from the second of them."""
    down = -(-len(images) // across)
    shown, axes = plt.subplots(down, across, figsize=(2.6 * across, 2.8 * down), layout="constrained")
    scale = 10 * np.log10(list(images.values())[min(1, len(images) - 1)])
    low, high = np.percentile(scale, [2, 98])
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, image) in zip(axes.flat, images.items(), strict=False):
        axis.imshow(10 * np.log10(image), cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axis.set_title(name, fontsize=10)
    with io.BytesIO() as drawn:
        shown.savefig(drawn, dpi=110)
        Picture.open(drawn).convert("L").quantize(64).save(path, optimize=True)
    plt.close(shown)


def write(name: str, text: str, images: dict[str, Image], across: int) -> None:
    """Put a table between its marks on the page, and the figure beside it."""
    page = PAGE.read_text()
    marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
    pattern = re.compile(f"(?<={marks[0]}\n).*?(?={marks[1]})", re.S)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE}: no place for {name!r}, want the lines {marks[0]} and {marks[1]}")
    PAGE.write_text(pattern.sub(lambda _: text + "\n", page))
    figure(images, PAGE.with_name(f"speckle_{name}.png"), across)
    print(f"{name}\n{text}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crop", type=Path, help="GeoTIFF, one band in decibel, 356 x 426 pixels or more")
    parser.add_argument("--stack", type=Path, help="NetCDF with S1-SIGMA0-VV (time, y, x)")
    given = parser.parse_args()
    write("simulated", *simulated(), across=4)
    if given.crop:
        write("crop", *real_crop(given.crop), across=4)
    if given.stack:
        write("stack", *real_stack(given.stack), across=5)


if __name__ == "__main__":
    main()
