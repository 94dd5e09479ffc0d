"""The cases: what each kernel gets, and what it must return in float64."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import scenes
from contest import Array, Case, Params, Rasters

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import reference as oracle  # the oracles of the tests serve here too

SCALE, OFFSET, NODATA = 1e-4, -0.1, 0
DATES, BEFORE = 30, 25
_STACK_SHRINK = 4
"""A stack of 2 x 30 images of the full size would not fit into the memory of a small machine."""


def cases(size: int) -> Iterator[Case]:
    """All cases on images of size x size pixels (the stack: a quarter of it each way)."""
    yield Case("calibrate", "calibrate", {"dn": scenes.digital_numbers(size)}, {"tables": scenes.tables(size)}, sigma0)
    clean, holed = scenes.backscatter(size), scenes.backscatter(size, nan_share=0.05)
    for window in (5, 7):
        yield _filter("boxcar", window, clean)
    for window in (5, 7, 11):
        yield _filter("lee", window, clean)
    yield _filter("lee", 7, holed, holes=True)
    bands = {"nir": scenes.reflectance(size, 0.28, seed=3), "red": scenes.reflectance(size, 0.09, seed=6)}
    yield Case("ndvi", "ndvi from uint16", bands, {}, ndvi)
    small = max(32, size // _STACK_SHRINK)
    stacks = {"vv": scenes.stack(small, DATES), "vh": scenes.stack(small, DATES, seed=8)}
    yield Case("hotelling", f"hotelling, {DATES} dates x 2 bands", stacks, {"before": BEFORE}, neg_log10_p)


def _filter(kernel: str, window: int, image: Array, holes: bool = False) -> Case:
    params = {"window": window, "looks": scenes.LOOKS, "holes": holes}
    label = f"{kernel} {window} x {window}" + (", 5 % NaN" if holes else "")
    return Case(kernel, label, {"image": image}, params, boxcar if kernel == "boxcar" else lee, margin=window // 2)


def sigma0(rasters: Rasters, params: Params) -> Array:
    """(DN^2 - noise) / gain^2, negative power kept, NaN where DN is 0."""
    dn, table = rasters["dn"].astype(np.float64), params["tables"]
    line, pixel = np.arange(dn.shape[0]), np.arange(dn.shape[1])
    gain = _bilinear(table.gain_line, table.gain_pixel, table.gain, line, pixel)
    noise = _bilinear(table.noise_line, table.noise_pixel, table.noise, line, pixel)
    azimuth = np.stack([np.interp(line, table.azimuth_line, swath) for swath in table.azimuth])
    noise *= azimuth[np.searchsorted(table.swath_end, pixel, "right")].T
    return np.where(dn == 0, np.nan, (dn**2 - noise) / gain**2)


def _bilinear(lines: Array, pixels: Array, values: Array, line: Array, pixel: Array) -> Array:
    along_range = np.stack([np.interp(pixel, pixels, vector) for vector in values])
    return np.stack([np.interp(line, lines, column) for column in along_range.T], axis=1)


def boxcar(rasters: Rasters, params: Params) -> Array:
    return oracle.boxcar(rasters["image"], params["window"], params["window"])


def lee(rasters: Rasters, params: Params) -> Array:
    return oracle.lee(rasters["image"], params["window"], params["window"], params["looks"])


def ndvi(rasters: Rasters, params: Params) -> Array:
    nir, red = (rasters[name] * SCALE + OFFSET for name in ("nir", "red"))
    hole = (rasters["nir"] == NODATA) | (rasters["red"] == NODATA)
    return (nir - red) / np.where(hole, np.nan, nir + red)


def neg_log10_p(rasters: Rasters, params: Params) -> Array:
    roots = oracle.fourth_root(np.stack([rasters["vv"], rasters["vh"]]))
    bands, dates, height, width = roots.shape
    flat = roots.reshape(bands, dates, height * width)
    ln_p = oracle.hotelling_ln_p(flat[:, : params["before"]], flat[:, params["before"] :])
    return -ln_p.reshape(height, width) / np.log(10)
