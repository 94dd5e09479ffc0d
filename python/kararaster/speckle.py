"""Speckle filters: the verb, and the kernel that every grown block goes through. Their table is `speckle_filters`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster import _kernels, blocks, conventions, multitemporal, spelling, threads
from kararaster.errors import InvalidInputError
from kararaster.lazy import Placement
from kararaster.speckle_filters import FILTERS, FilterName
from kararaster.windows import Window

if TYPE_CHECKING:
    import pandas as pd

Obj = TypeVar("Obj", xr.Dataset, xr.DataArray)
Border = Literal["shrink", "replicate"]


def despeckle(
    obj: Obj,
    method: FilterName = "lee",
    *,
    window: int | tuple[int, int] = 7,
    enl: float = 4.4,
    border: Border = "shrink",
    min_valid: int = 1,
    **parameters: Any,
) -> Obj:
    """Filter speckle in linear power, lazily.

    Cu2 = 1 / enl is the squared coefficient of variation of the speckle, Ci2 that of the samples in the window, m their mean,
    x the pixel. `despeckle_methods()` gives parameters, reach and reference of each method as a table.

    Parameters
    ----------
    obj : Dataset or DataArray
        float32 or float64 linear power (units "1"), dimensions (..., y, x) or (..., azimuth_time, ground_range). Of a Dataset
        the radar bands (vv, vh, hh, hv) are filtered and everything else is kept.
    method : str
        Of the moments of the window, at the same cost for any size: "lee" ``m + W (x - m)`` with ``W = max(0, 1 - Cu2 / Ci2)``
        (Lee 1980), "boxcar" the mean, "kuan", "gamma_map" (biased low by 1 to 2 %), "lee_enhanced" (`damping=1`).
        Of its samples: "median" (7 % low at 4.4 looks), "frost" and "frost_enhanced" (`damping=2` and 1: larger smooths less;
        `distance="euclidean"` or "chebyshev" as in SNAP), "refined_lee" (7 x 7; `noise="local"`, estimated in each window, or
        "looks", from `enl`), "lee_sigma" (`sigma=0.9`: share of the speckle in its range; `z98`: power above which a pixel is
        bright, None takes the 98 % quantile of each whole image, infinity means none is; `target_count=6`: bright pixels in
        3 x 3 that make a point target; `table="exact"` for any `enl` or "published" for 1 to 4; `edge="shrink"` or "snap").
        Of a wider neighbourhood: "idan" (`size=50` pixels), "srad" (`iterations=20`, `step=0.5`), "ppb" (`search=10` and
        `patch=3` pixels to each side, `quantile=0.92`, `temperature=0.2`, `iterations=4`). Of all dates: "quegan"
        (`spatial="boxcar"` or "lee"; `by="relative_orbit"`: only dates of one geometry lend each other looks, None where all
        dates share one; `event`: a date or several, none of which is filtered across; to look at, not to test: `change`
        refuses it).
    window : int or (int, int)
        Full odd window size, (rows, columns).
    enl : float
        Equivalent number of looks of the input; 4.4 is that of Sentinel-1 IW GRDH. See `enl`.
    border : {"shrink", "replicate"}
        At the image edge the window shrinks (as in SNAP), or edge pixels repeat (as in OTB). Not for "idan", "srad", "ppb",
        which have no window.
    min_valid : int
        Fewer valid samples in the window than this: NaN. Not for these three either.
    **parameters
        Of the method, as above.

    Returns
    -------
    Same type, shape and dtype. NaN and infinite samples are never used; a pixel that is NaN stays NaN. The bytes do not
    depend on chunks or threads. A constant image comes out unchanged.

    Raises
    ------
    UnitsError
        Decibel given: call ``from_db()`` first.
    InvalidTypeError
        Not floating point.
    InvalidInputError
        Unknown method or parameter, even window, enl not above 0; "quegan" without dates in time.
    MissingVariableError
        A Dataset without radar bands; "quegan" without the coordinate time.
    GeometryError
        "quegan" on a stack whose dates cannot be told apart by orbit.

    References
    ----------
    Lee 1980, doi 10.1109/TPAMI.1980.4766994; for the others see `despeckle_methods()`.

    Examples
    --------
    >>> import kararaster as kr
    >>> stack = kr.simulate.stack(shape=(64, 64))
    >>> smooth = stack.kara.despeckle("lee", window=5)
    >>> bool(smooth.vv.isel(time=0).std() < stack.vv.isel(time=0).std())
    True
    >>> sides = stack.kara.despeckle("quegan", event="2023-09-19")
    """
    if not isinstance(method, str) or method not in FILTERS:
        near = spelling.nearest(method, FILTERS) if isinstance(method, str) else []
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidInputError(f"method: got {method!r}, want one of {', '.join(map(repr, FILTERS))}{hint}")
    if border not in ("shrink", "replicate"):
        raise InvalidInputError(f"border: got {border!r}, want 'shrink' or 'replicate'")
    chosen = FILTERS[method]
    least = conventions.whole_number("min_valid", min_valid, 0)
    if chosen.window is None and (border != "shrink" or least > 1):
        raise InvalidInputError(f"border, min_valid: {method!r} has no window; leave both out")
    size = chosen.checked_window(method, window)
    looks = conventions.positive_number("enl", enl)
    values = chosen.checked_parameters(method, parameters)
    if chosen.looks:
        values = {"enl": looks, **values}
    kernel = SpeckleKernel(method, size, border, least, tuple(values.items()))
    if not chosen.over_time:
        kernel.refuse()
    if isinstance(obj, xr.Dataset):
        bands = {name: _filtered(obj[name], kernel) for name in conventions.radar_bands(obj)}
        return conventions.add_history(obj.assign(bands), kernel.describe())
    return _filtered(obj, kernel)


def despeckle_methods() -> pd.DataFrame:
    """Table of the speckle filters of `despeckle`.

    Returns
    -------
    DataFrame, one row a filter, with the columns `name`, `title`, `parameters` (its own, with defaults; all take enl where
    `looks` is true), `looks`, `window` ("odd", "7 x 7" or none), `halo` (rows and columns it reaches with a window of 7 and its
    default parameters) and `reference` (a DOI with † was not confirmed).

    Raises
    ------
    Nothing.

    Examples
    --------
    >>> import kararaster as kr
    >>> kr.despeckle_methods().set_index("name").loc["frost", "parameters"]
    "damping=2.0, distance='euclidean'"
    """
    import pandas as pd  # noqa: PLC0415 (xarray has it; takes long to import)

    rows = []
    for name, row in FILTERS.items():
        values = row.checked_parameters(name, {})
        own = ", ".join(f"{parameter.name}={parameter.default!r}" for parameter in row.parameters)
        halo = row.radius(Window(7, 7), values)
        rows.append((name, row.title, own, row.looks, row.window or "none", halo, row.reference))
    return pd.DataFrame(rows, columns=["name", "title", "parameters", "looks", "window", "halo", "reference"])


def _filtered(array: xr.DataArray, kernel: SpeckleKernel) -> xr.DataArray:
    conventions.require_linear_power(array)
    array = conventions.rows_columns_last(array)
    if FILTERS[kernel.kernel].over_time:
        array = array.transpose("time", ..., missing_dims="ignore")
        data = _over_time(array, kernel)
    else:
        data = _image_by_image(array.data, kernel)
    return conventions.add_history(array.copy(data=data), kernel.describe())


def _image_by_image(data: blocks.Array, kernel: SpeckleKernel) -> blocks.Array:
    numbers = None
    from_scene = FILTERS[kernel.kernel].from_scene
    if from_scene is not None:
        name, reduction = from_scene
        if dict(kernel.parameters)[name] is None:
            numbers = blocks.image_numbers(reduction, data, np.float64)
    return blocks.halo(kernel, data, kernel.radius, data.dtype, numbers)


def _over_time(stack: xr.DataArray, kernel: SpeckleKernel) -> blocks.Array:
    values = dict(kernel.parameters)
    spatial = values["spatial"]
    looks = (("enl", values["enl"]),) if FILTERS[spatial].looks else ()
    smooth = SpeckleKernel(spatial, kernel.window, kernel.border, kernel.min_valid, looks)
    return multitemporal.filtered(stack, multitemporal.groups_of(stack, values["by"], values["event"]), smooth)


@dataclass(frozen=True)
class SpeckleKernel:
    """A windowed kernel of the core with its parameters: what a halo stage calls on every grown block."""

    kernel: str
    window: Window
    border: Border
    min_valid: int
    parameters: tuple[tuple[str, Any], ...]

    @property
    def radius(self) -> tuple[int, int]:
        """Rows and columns needed around each pixel."""
        known = FILTERS.get(self.kernel)
        return self.window.half if known is None else known.radius(self.window, dict(self.parameters))

    def frame(self, placement: Placement) -> _kernels.Frame:
        """How the kernel looks at its input."""
        return {
            "origin_row": placement.origin_row,
            "top": placement.top,
            "left": placement.left,
            "window": (self.window.y, self.window.x),
            "border": self.border,
            "min_valid": self.min_valid,
            "num_threads": threads.resolve(),
        }

    def __call__(
        self, grown: npt.NDArray[Any], placement: Placement, numbers: npt.NDArray[np.float64] | None = None
    ) -> npt.NDArray[Any]:
        """Filter a block; `numbers` are what its images take from their whole scenes."""
        out = np.empty((*grown.shape[:-2], placement.height, placement.width), grown.dtype)
        values = dict(self.parameters)
        known = FILTERS.get(self.kernel)
        if numbers is not None and known is not None and known.from_scene is not None:
            values[known.from_scene[0]] = numbers.ravel().tolist()
        getattr(_kernels, self.kernel)(grown, out, self.frame(placement), **values)
        return out

    def refuse(self) -> None:
        """Raise now, rather than in a task, what the kernel says to its parameters."""
        self(np.empty((0, 0), np.float32), Placement(0, 0, 0, 0, 0), np.array(np.inf))

    def describe(self) -> str:
        """The call, as it is written into the history."""
        known = FILTERS[self.kernel]
        said: dict[str, Any] = {"window": tuple(self.window)} if known.window else {}
        rules = {"border": (self.border, "shrink"), "min_valid": (self.min_valid, 1)}
        said |= {name: value for name, (value, default) in rules.items() if value != default}
        defaults = {parameter.name: parameter.default for parameter in known.parameters}
        said |= {name: value for name, value in self.parameters if value is not None or defaults[name] is not None}
        given = "".join(f", {name}={_said(value)}" for name, value in said.items())
        return f"despeckle({self.kernel!r}{given})"


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
