"""Reflectance: how the digital numbers of an optical band become it, and the refusal to do so twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from kararaster.errors import UnitsError

Scaling = tuple[float, float, tuple[float, ...]]
"""(scale, offset, invalid): reflectance = digital number * scale + offset; `invalid` numbers are no measurement."""


def scaling_of(band: xr.DataArray) -> Scaling:
    """The scaling that the attributes of `band` state: `scale_factor`, `add_offset`, `_FillValue` and `saturated_value`.

    Raises UnitsError where the coordinates say that this scaling is not that of every date, or that the source has applied
    the offset already.
    """
    scale, offset = float(band.attrs.get("scale_factor", 1.0)), float(band.attrs.get("add_offset", 0.0))
    marks = (band.attrs.get("_FillValue", band.attrs.get("nodata")), band.attrs.get("saturated_value"))
    if scaled(band):
        _require_one_offset(band, offset / scale)
    return scale, offset, tuple(float(mark) for mark in marks if mark is not None)


def scaled(band: xr.DataArray) -> bool:
    """Whether `band` holds digital numbers that its attributes turn into reflectance."""
    return "scale_factor" in band.attrs or "add_offset" in band.attrs


def _require_one_offset(band: xr.DataArray, offset: float) -> None:
    """Attributes do not survive `xr.concat` of products with different offsets; the coordinate `boa_add_offset` does."""
    stated = _values(band, "boa_add_offset")
    if stated.size and (np.abs(stated - offset) > 0.5).any():
        raise UnitsError(
            f"{band.name}: add_offset is {offset:g} digital numbers, but the dates need {sorted(set(stated.tolist()))} "
            "(coordinate boa_add_offset); products of several baselines were joined: open them with sentinel2_stack, "
            "or call .kara.reflectance() on each before joining"
        )
    applied = _values(band, "boa_offset_applied").astype(bool)
    if offset and applied.any():
        raise UnitsError(
            f"{band.name}: add_offset is {offset:g} digital numbers, but boa_offset_applied says that the source has applied "
            "it already; set attrs['add_offset'] = 0 if that is true"
        )


def _values(band: xr.DataArray, name: str) -> Any:
    return np.atleast_1d(band.coords[name].values) if name in band.coords else np.empty(0)
