"""Masking of clouds, their shadows and what cannot be measured, from the scene classification of Sentinel-2."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster import _kernels, blocks, conventions, grids, threads
from kararaster.errors import GeometryError, InvalidInputError, InvalidTypeError, MissingVariableError
from kararaster.lazy import Placement, Window
from kararaster.placing import ground_size


class SceneClass(IntEnum):
    """Classes of the scene classification `scl` of a Sentinel-2 L2A product."""

    NO_DATA = 0
    SATURATED_OR_DEFECTIVE = 1
    DARK_AREA = 2
    CLOUD_SHADOW = 3
    VEGETATION = 4
    BARE_SOIL = 5
    WATER = 6
    UNCLASSIFIED = 7
    CLOUD_MEDIUM_PROBABILITY = 8
    CLOUD_HIGH_PROBABILITY = 9
    THIN_CIRRUS = 10
    SNOW_ICE = 11


CLASS_PIXEL = 20.0
"""Metres of a pixel in which `scl` is made, and in which the opening and the buffer are counted."""
_OPENING = 1
_MOST_PIXELS = 127
"""Largest disc of the kernel."""
_OUTSIDE = 255
"""Stands for a number that is no class."""


def mask_clouds(ds: xr.Dataset, keep: Iterable[int | str] = (4, 5, 6, 7), *, buffer: int = 2) -> xr.Dataset:
    """Set to nodata what the scene classification calls cloud, shadow, cirrus, snow or unusable, lazily.

    Bad pixels are those whose class is not in `keep`. Specks that a disc of one pixel of 20 m (a plus of five) does not fit
    into are dropped from them (bright roofs that pass for clouds), then the rest grows by a disc of `buffer` such pixels.
    Pixels without data and saturated ones are masked always, single ones too.

    Parameters
    ----------
    ds : Dataset
        Bands (..., y, x) and `scl`, the classes of Sentinel-2 L2A, on the same grid and dates. Integer bands need `_FillValue`
        (or `nodata`) in their attributes.
    keep : iterable of int or str
        Classes that are ground, by number or by name in `SceneClass` (case does not matter): 4 vegetation, 5 bare_soil,
        6 water, 7 unclassified. Add "snow_ice" to keep snow, and "dark_area" in steep valleys, whose own shade is in that class.
    buffer : int
        Pixels of 20 m by which clouds and shadows grow. On a grid of another pixel size, known from the coordinates (in metres
        if no reference system says otherwise), this is as many pixels as make up that distance on the ground, rounded: less
        than half a pixel is none, so that `buffer=2` grows nothing where pixels are larger than 80 m (and specks stay where
        they are larger than 40 m). Without coordinates a grid pixel counts as one of 20 m.

    Returns
    -------
    Dataset with every variable over the dimensions of `scl` masked, in its dtype: `_FillValue` in integers, NaN in floats. `scl`
    itself and variables without its dimensions stay as they are. At the edge of the image nothing is masked for what may lie
    beyond. The bytes do not depend on chunks or threads.

    Raises
    ------
    MissingVariableError
        No variable `scl`.
    InvalidInputError
        An unknown class; a buffer below 0 or of more than 127 grid pixels; an integer band without nodata number.
    InvalidTypeError
        `ds` is no Dataset; `keep` is neither a class nor an iterable of some.
    GeometryError
        A band with a dimension that `scl` lacks.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> classes = xr.DataArray(np.full((9, 9), 4, np.uint8), dims=("y", "x"))
    >>> classes[3:6, 3:6] = 9
    >>> ds = xr.Dataset({"red": (("y", "x"), np.full((9, 9), 800, np.uint16), {"_FillValue": 0}), "scl": classes})
    >>> int((kr.mask_clouds(ds, buffer=0).red == 0).sum()), int((kr.mask_clouds(ds, buffer=1).red == 0).sum())
    (5, 13)
    """
    conventions.require_dataset(ds)
    if "scl" not in ds:
        raise MissingVariableError(
            f"scl: the Dataset has {sorted(map(str, ds.data_vars))}, want the scene classification of Sentinel-2 L2A as `scl`"
        )
    classes = conventions.rows_columns_last(ds["scl"])
    kernel = _mask(classes, keep, conventions.whole_number("buffer", buffer, 0))
    mask = blocks.shared(blocks.halo(kernel, classes.data, (kernel.halo, kernel.halo), np.uint8))
    bands = {name: _masked(band, classes, mask) for name, band in ds.data_vars.items() if _is_masked(band, classes)}
    kept = ", ".join(SceneClass(number).name.lower() for number in kernel.keep)
    return conventions.add_history(ds.assign(bands), f"mask_clouds(keep=({kept}), buffer={buffer})")


def _is_masked(band: xr.DataArray, classes: xr.DataArray) -> bool:
    """Whether `band` is an image at the dates of `classes`; maps without dates beside dated classes are not."""
    if band.name == classes.name or not set(classes.dims[-2:]) <= set(band.dims):
        return False
    extra = set(band.dims) - set(classes.dims)
    if extra:
        raise GeometryError(
            f"{band.name}: has the dimensions {sorted(map(str, extra))}, scl has not; want scl with them"
        )
    return set(band.dims) == set(classes.dims)


def _masked(band: xr.DataArray, classes: xr.DataArray, mask: blocks.Array) -> xr.DataArray:
    ordered = band.transpose(*classes.dims)
    data = blocks.elementwise(_Fill(_nodata(band)), ordered.data, mask, dtype=band.dtype)
    return ordered.copy(data=data).transpose(*band.dims)


def _nodata(band: xr.DataArray) -> float:
    if band.dtype.kind == "f":
        return math.nan
    mark = band.attrs.get("_FillValue", band.attrs.get("nodata"))
    if band.dtype.kind not in "iu" or mark is None or np.array(mark).astype(band.dtype) != mark:
        raise InvalidInputError(
            f"{band.name}: got {band.dtype} with _FillValue {mark}, want a number of that dtype to write where clouds are; set "
            f"ds[{band.name!r}].attrs['_FillValue'] (0 for Sentinel-2 bands), or drop the variable"
        )
    return float(mark)


def _mask(classes: xr.DataArray, keep: Iterable[int | str], buffer: int) -> _CloudMask:
    wanted = [keep] if isinstance(keep, int | str) else keep
    if not isinstance(wanted, Iterable):
        raise InvalidTypeError(f"keep: got {keep!r}, want classes by number or name, such as (4, 5, 6, 7)")
    size = _pixel_size(classes)
    # A little more than half: 40 m of a map projection may be 40.02 m on the ground.
    opening, growing = (math.floor(count * CLASS_PIXEL / size + 0.51) for count in (_OPENING, buffer))
    if max(opening, growing) > _MOST_PIXELS:
        raise InvalidInputError(
            f"buffer: got {buffer} pixels of {CLASS_PIXEL:g} m, which is {growing} of this grid ({size:g} m), want at most "
            f"{_MOST_PIXELS}; coordinates in degrees need their reference system: ds.odc.assign_crs(4326)"
        )
    return _CloudMask(tuple(sorted({_scene_class(item) for item in wanted})), opening, growing)


def _scene_class(item: Any) -> SceneClass:
    try:
        return SceneClass[item.upper()] if isinstance(item, str) else SceneClass(item)
    except (KeyError, ValueError):
        known = ", ".join(f"{c.value} {c.name.lower()}" for c in SceneClass)
        raise InvalidInputError(f"keep: got {item!r}, want classes among: {known}") from None


def _pixel_size(classes: xr.DataArray) -> float:
    """Metres of a grid pixel along its shorter side; that of `scl` itself where coordinates do not say."""
    box = grids.geobox(classes.to_dataset(name="scl"))
    if box is None:
        return CLASS_PIXEL
    return ground_size(box) if box.crs is not None else min(abs(box.resolution.y), abs(box.resolution.x))


@dataclass(frozen=True)
class _CloudMask:
    """1 where a pixel is to be masked: what a halo stage calls on every grown block of classes."""

    keep: tuple[SceneClass, ...]
    opening: int
    growing: int

    @property
    def halo(self) -> int:
        return 2 * self.opening + self.growing

    def __call__(self, grown: npt.NDArray[Any], placement: Placement) -> npt.NDArray[np.uint8]:
        codes = _codes(grown)
        out = np.empty((*codes.shape[:-2], placement.height, placement.width), np.uint8)
        _kernels.opened_and_grown(
            _not_in(self.keep)[codes],
            out,
            open_radius=self.opening,
            grow_radius=self.growing,
            top=placement.top,
            left=placement.left,
            num_threads=threads.resolve(),
        )
        rows = slice(placement.top, placement.top + placement.height)
        columns = slice(placement.left, placement.left + placement.width)
        out |= _not_in(range(SceneClass.DARK_AREA, SceneClass.SNOW_ICE + 1))[codes[..., rows, columns]]
        return out


def _codes(classes: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Classes as bytes; NaN and numbers beyond a byte become a number that is no class."""
    if classes.dtype == np.uint8:
        return classes
    return np.where((classes >= 0) & (classes < _OUTSIDE), classes, _OUTSIDE).astype(np.uint8)


def _not_in(classes: Iterable[int]) -> npt.NDArray[np.uint8]:
    """Table over all bytes: 0 for `classes`, 1 for everything else."""
    table = np.ones(256, np.uint8)
    table[list(classes)] = 0
    return table


@dataclass(frozen=True)
class _Fill:
    """Nodata where the mask is set."""

    nodata: float

    def __call__(self, band: npt.NDArray[Any], mask: npt.NDArray[np.uint8], *, window: Window) -> npt.NDArray[Any]:
        return np.where(mask.view(np.bool_), band.dtype.type(self.nodata), band)
