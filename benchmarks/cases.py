"""The cases: what each kernel gets, and what it must return in float64."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import scenes
import speckle_cases
from contest import Array, Case, Params, Rasters

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import reference as oracle  # the oracles of the tests serve here too

SCALE, OFFSET, NODATA = 1e-4, -0.1, 0
DATES, BEFORE = 30, 25
SEASON = 24
FORMULAS = {
    "NDVI": "(N - R)/(N + R)",
    "EVI": "2.5*(N - R)/(N + 6*R - 7.5*B + 1)",
    "SAVI": "1.5*(N - R)/(N + R + 0.5)",
    "MNDWI": "(G - S1)/(G + S1)",
    "NDMI": "(N - S1)/(N + S1)",
    "NBR": "(N - S2)/(N + S2)",
    "BSI": "((S1 + R) - (N + B))/((S1 + R) + (N + B))",
    "NDBI": "(S1 - N)/(S1 + N)",
    "UI": "(S2 - N)/(S2 + N)",
    "BUI": "(S1 - N)/(S1 + N) - (N - R)/(N + R)",
    "IBI": "((S1 - N)/(S1 + N) - (1.5*(N - R)/(N + R + 0.5) + (G - S1)/(G + S1))/2)"
    "/((S1 - N)/(S1 + N) + (1.5*(N - R)/(N + R + 0.5) + (G - S1)/(G + S1))/2)",
    "MBI": "(S1 - S2 - N)/(S1 + S2 + N) + 0.5",
}
BANDS = {"B": "blue", "G": "green", "R": "red", "N": "nir", "S1": "swir16", "S2": "swir22"}
"""Symbols of the formulas."""
_LEVELS = {"nir": 0.28, "red": 0.09, "blue": 0.06, "green": 0.08, "swir16": 0.2, "swir22": 0.13}
_STACK_SHRINK = 4
"""A stack of 2 x 30 images of the full size would not fit into the memory of a small machine."""


def cases(size: int) -> Iterator[Case]:
    """All cases on images of size x size pixels (the stack: a quarter of it each way)."""
    yield Case("calibrate", "calibrate", {"dn": scenes.digital_numbers(size)}, {"tables": scenes.tables(size)}, sigma0)
    yield from speckle_cases.cases(size)
    yield from _indices(size)
    small = max(32, size // _STACK_SHRINK)
    stacks = {"vv": scenes.stack(small, DATES), "vh": scenes.stack(small, DATES, seed=8)}
    yield from speckle_cases.multitemporal(stacks["vv"])
    yield Case("hotelling", f"hotelling, {DATES} dates x 2 bands", stacks, {"before": BEFORE}, neg_log10_p)
    yield from _composites(size)


def _indices(size: int) -> Iterator[Case]:
    """A difference of two bands, a formula of four, and twelve formulas of six; float32 results from digital numbers."""
    bands = {name: scenes.reflectance(size, level, seed=3 + i) for i, (name, level) in enumerate(_LEVELS.items())}
    for kernel, label, names in (
        ("ndvi", "ndvi", ["NDVI"]),
        ("ibi", "ibi", ["IBI"]),
        ("twelve", "twelve indices", [*FORMULAS]),
    ):
        formulas = {name: FORMULAS[name] for name in names}
        used = {BANDS[symbol] for formula in formulas.values() for symbol in symbols(formula)}
        yield Case(kernel, f"{label} from uint16", {n: b for n, b in bands.items() if n in used}, formulas, indices)


def symbols(formula: str) -> list[str]:
    return [symbol for symbol in BANDS if re.search(rf"\b{symbol}\b", formula)]


def _composites(size: int) -> Iterator[Case]:
    """Medians of one band on a quarter of the size each way, geometric medians of six on an eighth."""
    small, smaller = max(32, size // 4), max(32, size // 8)
    red = {"red": _season(small, "red")}
    yield Case("composite_median", f"median of {SEASON} dates from uint16", red, {}, median)
    bands = {name: _season(smaller, name) for name in _LEVELS}
    yield Case("composite_geomedian", f"geomedian of {SEASON} dates x 6 bands", bands, {}, geomedian)


def _season(size: int, band: str) -> Array:
    """Dates of one band, each with its own holes."""
    first = 100 * (1 + list(_LEVELS).index(band))
    return np.stack([scenes.reflectance(size, _LEVELS[band], first + date) for date in range(SEASON)])


def _reflectance(numbers: Array) -> Array:
    return np.where(numbers == NODATA, np.nan, numbers * SCALE + OFFSET)


def median(rasters: Rasters, params: Params) -> Array:
    return np.nanmedian(_reflectance(rasters["red"]), axis=0)


def geomedian(rasters: Rasters, params: Params) -> Array:
    """Weiszfeld's iteration from the mean, long enough to be converged."""
    x = np.stack([_reflectance(band) for band in rasters.values()])
    x[:, np.isnan(x).any(0)] = np.nan
    estimate = np.nanmean(x, axis=1)
    for _ in range(200):
        weights = 1 / np.maximum(np.sqrt(((x - estimate[:, None]) ** 2).sum(0)), 1e-12)
        estimate = np.nansum(x * weights, 1) / np.nansum(weights, 0)
    return estimate


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


def indices(rasters: Rasters, params: Params) -> Array:
    """The formulas as Python reads them, on float64 arrays."""
    symbol_of = {name: symbol for symbol, name in BANDS.items()}
    bands = {symbol_of[n]: np.where(b == NODATA, np.nan, b * SCALE + OFFSET) for n, b in rasters.items()}
    return squeezed(np.stack([eval(formula, {}, bands) for formula in params.values()]))


def squeezed(images: Array) -> Array:
    """A single image without the leading axis."""
    return images[0] if len(images) == 1 else images


def neg_log10_p(rasters: Rasters, params: Params) -> Array:
    roots = oracle.fourth_root(np.stack([rasters["vv"], rasters["vh"]]))
    bands, dates, height, width = roots.shape
    flat = roots.reshape(bands, dates, height * width)
    ln_p = oracle.hotelling_ln_p(flat[:, : params["before"]], flat[:, params["before"] :])
    return -ln_p.reshape(height, width) / np.log(10)
