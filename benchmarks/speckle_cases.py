"""The cases of the speckle filters: a kernel goes by the name of its filter and takes `own` as its keywords."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import scenes
from contest import Array, Case, Params, Rasters

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import reference_speckle as oracle  # the oracles of the tests serve here too

ENL = {"enl": scenes.LOOKS}
FROST = {"damping": 2.0, "distance": "euclidean"}
SIGMA = {"sigma": 0.9, "target_count": 6, "table": "exact", "edge": "shrink"}
PPB = {"search": 10, "patch": 3, "quantile": 0.92, "temperature": 0.2, "iterations": 4}
IDAN, SRAD = {"size": 50}, {"iterations": 20, "step": 0.5}
_LEAST_SIDE = 32

sigma_range, likeness_above_mean = cache(oracle.sigma_range), oracle.likeness_above_mean


def cases(size: int) -> Iterator[Case]:
    """Filters of one image of size x size pixels; those of wider neighbourhoods on the corner that their label names."""
    clean, holed = scenes.backscatter(size), scenes.backscatter(size, nan_share=0.05)
    for window in (5, 7, 31):
        yield _windowed("boxcar", window, clean)
    for window in (5, 7, 11, 31):
        yield _windowed("lee", window, clean, **ENL)
    yield _windowed("lee", 7, holed, holes=True, **ENL)
    for window in (7, 31):
        yield _windowed("kuan", window, clean, **ENL)
    yield _windowed("gamma_map", 7, clean, **ENL)
    yield _windowed("lee_enhanced", 7, clean, **ENL, damping=1.0)
    for window in (5, 7):
        yield _windowed("frost", window, clean, **FROST)
    yield _windowed("frost_enhanced", 7, clean, **ENL, damping=1.0, distance="euclidean")
    yield _windowed("refined_lee", 7, clean, **ENL, noise="local")
    bright = float(np.quantile(clean[::4, ::4], 0.98))
    yield _windowed("lee_sigma", 7, clean, **ENL, **SIGMA, z98=bright)
    for window in (3, 5, 7):
        yield _windowed("median", window, clean)
    yield _windowed("median", 15, _corner(clean, 4))
    yield _free("srad", _corner(clean, 4), oracle.srad, **ENL, **SRAD)
    yield _free("idan", _corner(clean, 8), oracle.idan, **ENL, **IDAN)
    yield _free("ppb", _corner(clean, 16), oracle.ppb, **ENL, **PPB)


def multitemporal(stack: Array) -> Iterator[Case]:
    """The filter over time, of 12 dates of a stack and of all."""
    for dates in (12, len(stack)):
        params = _params(7, spatial="boxcar", groups=[list(range(dates))], **ENL)
        label = f"quegan 7 x 7, {dates} dates"
        yield Case("quegan", label, {"stack": stack[:dates]}, params, _quegan, margin=3)


def _windowed(kernel: str, window: int, image: Array, holes: bool = False, **own: Any) -> Case:
    label = f"{kernel} {window} x {window}" + (", 5 % NaN" if holes else "")
    params = _params(window, holes, **own)
    return Case(kernel, label, {"image": image}, params, partial(_windowed_oracle, kernel), margin=window // 2)


def _free(kernel: str, image: Array, reference: Callable[..., Array], **own: Any) -> Case:
    """A filter without a window."""
    return Case(kernel, kernel, {"image": image}, _params(1, **own), lambda r, p: reference(r["image"], **p["own"]))


def _params(window: int, holes: bool = False, **own: Any) -> dict[str, Any]:
    return {"window": window, "looks": scenes.LOOKS, "holes": holes, "own": own}


def _corner(image: Array, shrink: int) -> Array:
    side = max(_LEAST_SIDE, len(image) // shrink)
    return np.ascontiguousarray(image[:side, :side])


def _windowed_oracle(kernel: str, rasters: Rasters, params: Params) -> Array:
    return getattr(oracle, kernel)(rasters["image"], (params["window"], params["window"]), **params["own"])


def _quegan(rasters: Rasters, params: Params) -> Array:
    return oracle.quegan(rasters["stack"], (params["window"], params["window"]))
