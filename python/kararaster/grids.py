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

    return {str(name): coord for name, coord in xr_coords(GeoBox(shape, transform, crs)).items()}


def geobox(dataset: xr.Dataset) -> Any:
    """The `odc.geo.geobox.GeoBox` of the map grid of `dataset`, or None where it has no regular one."""
    import odc.geo.xr  # noqa: F401, PLC0415 (registers the accessor)

    box = dataset.odc.geobox
    return box if box is not None and all(_evenly_spaced(dataset, dim) for dim in ("y", "x")) else None


def _evenly_spaced(dataset: xr.Dataset, dim: str) -> bool:
    """Whether the pixel centres along `dim` keep one distance, to a thousandth of it."""
    values = dataset[dim].values.astype(np.float64)
    steps = np.diff(values)
    return bool(np.all(np.abs(steps - steps[:1]) <= 1e-3 * np.abs(steps[:1])))


def with_crs(dataset: xr.Dataset, crs: str) -> xr.Dataset:
    """`dataset` with the coordinate `spatial_ref` for `crs`."""
    from odc.geo.xr import assign_crs  # noqa: PLC0415

    placed: xr.Dataset = assign_crs(dataset, crs)
    return placed
