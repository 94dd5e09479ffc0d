"""Speckle filters and the equivalent number of looks.

A filter is a kernel of the core with a window; this module gives each its parameters, its halo and its place in the table
`FILTERS`. A new filter is one entry there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster import _kernels, blocks, conventions, threads
from kararaster.errors import InvalidInputError
from kararaster.lazy import Placement
from kararaster.windows import Window
from kararaster.windows import window as window_of

Obj = TypeVar("Obj", xr.Dataset, xr.DataArray)
FilterName = Literal["boxcar", "lee"]
Border = Literal["shrink", "replicate"]

FILTERS: dict[str, tuple[str, ...]] = {"boxcar": (), "lee": ("enl",)}
"""Filter name (also the name of its kernel) -> the parameters it takes besides the window."""


def despeckle(
    obj: Obj,
    method: FilterName = "lee",
    *,
    window: int | tuple[int, int] = 7,
    enl: float = 4.4,
    border: Border = "shrink",
    min_valid: int = 1,
) -> Obj:
    """Filter speckle in linear power, lazily.

    Parameters
    ----------
    obj : Dataset or DataArray
        float32 or float64 linear power (units "1"), dimensions (..., y, x) or (..., azimuth_time, ground_range). Of a Dataset
        the radar bands (vv, vh, hh, hv) are filtered and everything else is kept.
    method : {"lee", "boxcar"}
        "lee": local linear estimate ``m + W (x - m)`` with ``W = max(0, 1 - Cu2 / Ci2)``, Cu2 = 1 / enl, Ci2 the squared
        coefficient of variation in the window (Lee 1980, doi 10.1109/TPAMI.1980.4766994, product model). "boxcar": the mean.
    window : int or (int, int)
        Full odd window size, (rows, columns).
    enl : float
        Equivalent number of looks of the input; 4.4 is that of Sentinel-1 IW GRDH. See `enl`.
    border : {"shrink", "replicate"}
        At the image edge the window shrinks (as in SNAP), or edge pixels repeat (as in OTB).
    min_valid : int
        Fewer valid samples in the window than this: NaN.

    Returns
    -------
    Same type, shape and dtype. NaN and infinite samples are never used; a pixel that is NaN stays NaN. The bytes do not
    depend on chunks or threads.

    Raises
    ------
    UnitsError
        Decibel given: call ``from_db()`` first.
    InvalidTypeError
        Not floating point.
    InvalidInputError
        Unknown method, even window, enl not above 0.

    Examples
    --------
    >>> import kararaster as kr
    >>> stack = kr.simulate.stack(shape=(64, 64))
    >>> smooth = stack.kara.despeckle("lee", window=5)
    >>> bool(smooth.vv.isel(time=0).std() < stack.vv.isel(time=0).std())
    True
    """
    if not isinstance(method, str) or method not in FILTERS:
        raise InvalidInputError(f"method: got {method!r}, want one of {', '.join(map(repr, FILTERS))}")
    if border not in ("shrink", "replicate"):
        raise InvalidInputError(f"border: got {border!r}, want 'shrink' or 'replicate'")
    size = window_of(window)
    given = {"enl": conventions.positive_number("enl", enl)}
    parameters = tuple((name, given[name]) for name in FILTERS[method])
    kernel = SpeckleKernel(method, size, border, conventions.whole_number("min_valid", min_valid, 0), parameters)
    if isinstance(obj, xr.Dataset):
        bands = {name: _filtered(obj[name], kernel) for name in conventions.radar_bands(obj)}
        return conventions.add_history(obj.assign(bands), kernel.describe())
    return _filtered(obj, kernel)


def enl(obj: Obj, window: int | tuple[int, int] = 7) -> Obj:
    """Equivalent number of looks of a scene, lazily: the mode of the local moment estimate.

    In every window that is inside the image and free of NaN the estimate is mean squared over variance; texture and edges only
    lower it, so homogeneous ground makes the mode of its histogram. Take it on linear power, before any filter.

    Parameters
    ----------
    obj : Dataset or DataArray
        float32 or float64 linear power (units "1"), dimensions (..., rows, columns).
    window : int or (int, int)
        Full odd window size.

    Returns
    -------
    One float64 number for each band (all dates together), units "1"; NaN where no window is usable.

    Raises
    ------
    UnitsError
        Decibel given.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> speckle = np.random.default_rng(0).gamma(4.4, 1 / 4.4, (512, 512))
    >>> bool(abs(kr.enl(xr.DataArray(speckle, dims=("y", "x"))) - 4.4) < 0.6)
    True
    """
    if isinstance(obj, xr.Dataset):
        return xr.Dataset(
            {name: enl(obj[name], window) for name in conventions.radar_bands(obj)}, attrs=dict(obj.attrs)
        )
    conventions.require_linear_power(obj)
    kernel = SpeckleKernel("enl", window_of(window), "shrink", 1, ())
    local = blocks.halo(kernel, conventions.rows_columns_last(obj).data, kernel.window.half, obj.dtype)
    mode = blocks.global_number(_LogMode(), local, np.float64)
    return xr.DataArray(mode, name=obj.name, attrs=conventions.attributes("enl"))


def _filtered(array: xr.DataArray, kernel: SpeckleKernel) -> xr.DataArray:
    conventions.require_linear_power(array)
    array = conventions.rows_columns_last(array)
    out = array.copy(data=blocks.halo(kernel, array.data, kernel.window.half, array.dtype))
    return conventions.add_history(out, kernel.describe())


@dataclass(frozen=True)
class SpeckleKernel:
    """A windowed kernel of the core with its parameters: what a halo stage calls on every grown block."""

    kernel: str
    window: Window
    border: Border
    min_valid: int
    parameters: tuple[tuple[str, float], ...]

    def __call__(self, grown: npt.NDArray[Any], placement: Placement) -> npt.NDArray[Any]:
        out = np.empty((*grown.shape[:-2], placement.height, placement.width), grown.dtype)
        frame: _kernels.Frame = {
            "origin_row": placement.origin_row,
            "top": placement.top,
            "left": placement.left,
            "window": (self.window.y, self.window.x),
            "border": self.border,
            "min_valid": self.min_valid,
            "num_threads": threads.resolve(),
        }
        getattr(_kernels, self.kernel)(grown, out, frame, **dict(self.parameters))
        return out

    def describe(self) -> str:
        more = "".join(f", {name}={value:g}" for name, value in self.parameters)
        return f"despeckle({self.kernel!r}, window=({self.window.y}, {self.window.x}){more})"


class _LogMode:
    """Mode of positive numbers: the fullest bin of a logarithmic histogram, smoothed over about 10 %."""

    edges = np.geomspace(0.05, 5000.0, 1025)
    smoothing = np.ones(9) / 9

    def __dask_tokenize__(self) -> object:
        return ("log-mode", 1)

    def partial(self, block: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        return np.histogram(block[np.isfinite(block)], self.edges)[0]

    def merge(self, parts: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
        total: npt.NDArray[np.int64] = np.sum(parts, axis=0)
        return total

    def total(self, part: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        if not part.any():
            return np.array(np.nan)
        # Counts a unit of the estimate, not of its logarithm: wide bins would win otherwise.
        density = np.convolve(part / np.diff(self.edges), self.smoothing, mode="same")
        best = int(np.argmax(density))
        return np.array(np.sqrt(self.edges[best] * self.edges[best + 1]))
