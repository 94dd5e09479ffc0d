"""Attributes of the variables of a Sentinel-2 Dataset: how digital numbers become reflectance, what classes mean."""

from __future__ import annotations

from typing import Any

from kararaster.clouds import SceneClass
from kararaster.sentinel2.encoding import NODATA, QUANTIFICATION, SATURATED
from kararaster.sentinel2.layout import Band

SCL_ATTRIBUTES: dict[str, Any] = {
    "long_name": "scene classification",
    "units": "1",
    "_FillValue": 0,
    "flag_values": [int(one) for one in SceneClass],
    "flag_meanings": " ".join(one.name.lower() for one in SceneClass),
}


def band_attributes(
    band: Band,
    *,
    offset: int,
    quantification: float = QUANTIFICATION,
    nodata: int = NODATA,
    saturated: int = SATURATED,
    quantity: str = "surface_reflectance",
) -> dict[str, Any]:
    """Attributes of `band`; `offset` in digital numbers, so that reflectance = (number + offset) / quantification."""
    return {
        "long_name": f"{quantity.replace('_', ' ').replace('toa', 'top-of-atmosphere')}, {band.number}",
        "quantity": quantity,
        "scale_factor": 1.0 / quantification,
        "add_offset": offset / quantification,
        "_FillValue": nodata,
        "saturated_value": saturated,
    }
