"""Map grids: coordinates from a geotransform, and the geotransform back from coordinates.

odc-geo does the arithmetic. It is imported when a grid is needed: a tenth of a second that `import kararaster` saves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from affine import Affine


def grid_coords(shape: tuple[int, int], transform: Affine, crs: Any) -> dict[str, xr.DataArray]:
    """Coordinates `y`, `x` (pixel centres) and `spatial_ref` of a grid; `crs`: anything that names one, or None."""
    from odc.geo.geobox import GeoBox  # noqa: PLC0415
    from odc.geo.xr import xr_coords  # noqa: PLC0415

    coords = xr_coords(GeoBox(shape, transform, crs), always_yx=True)  # y, x on a grid in degrees too
    return {str(name): coord for name, coord in coords.items()}


def geobox(dataset: xr.Dataset) -> Any:
    """The `odc.geo.geobox.GeoBox` of the map grid of `dataset`, or None where it has no regular one."""
    import odc.geo.xr  # noqa: F401, PLC0415 (registers the accessor)

    box = dataset.odc.geobox
    if box is None or not all(_evenly_spaced(dataset, dim) for dim in ("y", "x")):
        return None
    return _from_first_to_last(dataset, box)


def _from_first_to_last(dataset: xr.Dataset, box: Any) -> Any:
    """`box` with the pixel size of the whole grid: that of the first two centres carries their rounding to the far side."""
    from odc.geo.geobox import GeoBox  # noqa: PLC0415

    y, x = (dataset[dim].values.astype(np.float64) for dim in ("y", "x"))
    if min(y.size, x.size) < 2:
        return box
    dy, dx = (y[-1] - y[0]) / (y.size - 1), (x[-1] - x[0]) / (x.size - 1)
    return GeoBox(box.shape, Affine(dx, 0.0, x[0] - dx / 2, 0.0, dy, y[0] - dy / 2), box.crs)


def _evenly_spaced(dataset: xr.Dataset, dim: str) -> bool:
    """Whether every pixel centre along `dim` is within a twentieth of a pixel of an even grid from the first to the last."""
    values = dataset[dim].values.astype(np.float64)
    if values.size < 3:
        return True
    even = np.linspace(values[0], values[-1], values.size)
    return bool(np.all(np.abs(values - even) <= 0.05 * abs(even[1] - even[0])))


def with_crs(dataset: xr.Dataset, crs: str) -> xr.Dataset:
    """`dataset` with the coordinate `spatial_ref` for `crs`."""
    from odc.geo.xr import assign_crs  # noqa: PLC0415

    placed: xr.Dataset = assign_crs(dataset, crs)
    return placed
