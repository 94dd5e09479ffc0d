"""What the materials of the town look like: backscatter by date and orbit, reflectance by date."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kararaster.simulate import town

BANDS = ("vv", "vh")
OPTICAL_BANDS = (
    "blue", "green", "red", "nir", "swir16", "swir22", "rededge1", "rededge2", "rededge3", "nir08", "nir09", "coastal",
)  # fmt: skip
_SPECTRA = {
    "soil": (0.07, 0.10, 0.14, 0.22, 0.28, 0.23, 0.16, 0.18, 0.20, 0.23, 0.24, 0.05),
    "plants": (0.03, 0.06, 0.04, 0.38, 0.17, 0.08, 0.09, 0.26, 0.35, 0.40, 0.38, 0.02),
    "roof": (0.13, 0.16, 0.19, 0.23, 0.29, 0.26, 0.20, 0.21, 0.22, 0.24, 0.25, 0.11),
    "rubble": (0.17, 0.20, 0.23, 0.27, 0.33, 0.30, 0.24, 0.25, 0.26, 0.28, 0.29, 0.15),
    "water": (0.04, 0.05, 0.03, 0.015, 0.008, 0.005, 0.025, 0.018, 0.017, 0.013, 0.010, 0.045),
    "road": (0.09, 0.10, 0.11, 0.14, 0.17, 0.16, 0.12, 0.125, 0.13, 0.145, 0.15, 0.08),
    "street": (0.11, 0.13, 0.15, 0.19, 0.24, 0.21, 0.16, 0.17, 0.18, 0.20, 0.21, 0.095),
}
CLOUD = np.array([0.66, 0.64, 0.64, 0.66, 0.45, 0.36, 0.65, 0.65, 0.66, 0.65, 0.45, 0.68], np.float32)
"""Reflectance of a thick cloud in `OPTICAL_BANDS`."""
VEGETATION, BARE, UNDER_WATER = 4, 5, 6
"""Classes of the ground in the scene classification of Sentinel-2."""
_VEGETATED_NDVI = 0.4

_DECIBEL = {
    town.WATER: (-19.0, -27.0),
    town.ROAD: (-15.0, -22.0),
    town.STREET: (-11.0, -18.0),
    town.GARDEN: (-9.5, -15.5),
}
_VARIANT = np.arange(town.VARIANTS) / (town.VARIANTS - 1)
"""0 to 1 over the variants of a material."""


def backscatter(*, orbit: int, day_of_year: float, after: bool) -> npt.NDArray[np.float32]:
    """Gamma nought (linear power, float32) of every material in VV and VH: shape (2, materials).

    `orbit`: 0, 1, 2 ... in the order of the relative orbits; even ones look from the west, odd ones from the east.
    """
    decibel = np.full((town.MATERIALS, 2), -12.0)
    for material, values in _DECIBEL.items():
        decibel[material] = values
    facing = 1.0 if orbit % 2 == 0 else -1.0
    _put(decibel, town.FIELD, _field(day_of_year))
    _put(decibel, town.MOUNTAIN, _column(-10.5, -16.5) + (facing * 7.0 * (_VARIANT - 0.5))[:, np.newaxis])
    house = _house(orbit)
    _put(decibel, town.HOUSE, house)
    _put(decibel, town.DESTROYED, house + _loss(orbit) if after else house)
    _put(decibel, town.NEW, house if after else _field(day_of_year))
    _put(decibel, town.CLEARED, _column(-14.0, -21.5) if after else _field(day_of_year))
    geometry = 0.4 * np.cos(1.9 * orbit)
    return np.ascontiguousarray((10 ** ((decibel + geometry) / 10)).T, np.float32)


def _put(table: npt.NDArray[np.float64], group: int, values: npt.NDArray[np.float64]) -> None:
    table[group * town.VARIANTS : (group + 1) * town.VARIANTS] = values


def _column(*bands: float) -> npt.NDArray[np.float64]:
    return np.tile(np.array(bands), (town.VARIANTS, 1))


def _field(day_of_year: float) -> npt.NDArray[np.float64]:
    """Crops, the upper half of the variants, breathe with the year: up to 0.6 dB either way. Pasture does not."""
    season = np.cos(2 * np.pi * (day_of_year - 150) / 365.25)
    swing = 0.6 * np.maximum(0.0, 2 * _VARIANT - 1) * season
    return np.stack([-12.5 + 3.0 * _VARIANT + 0.6 * swing, -19.0 + 3.5 * _VARIANT + swing], axis=1)


def _house(orbit: int) -> npt.NDArray[np.float64]:
    """Walls along the orbit reflect twice and are bright; how bright depends on the variant and on the side they are
    seen from."""
    angle = np.cos(2.4 * np.arange(town.VARIANTS) + 1.7 * orbit)
    return np.stack([-1.0 + 2.5 * angle, -8.5 + 1.5 * angle], axis=1)


def _loss(orbit: int) -> npt.NDArray[np.float64]:
    """A wall that fell: 3 to 6 dB darker in VV where it was bright, while rubble may brighten VH in the other orbit."""
    angle = np.cos(2.4 * np.arange(town.VARIANTS) + 1.7 * orbit)
    return np.stack([-4.0 - 2.0 * angle, np.where(angle > 0, -2.5, 1.5)], axis=1)


def reflectance(*, day_of_year: float, after: bool) -> npt.NDArray[np.float32]:
    """Surface reflectance (float32, 0 to 1) of every material in `OPTICAL_BANDS`: shape (bands, materials)."""
    spectra = {name: np.array(values) for name, values in _SPECTRA.items()}
    soil, plants, rubble = (spectra[name] for name in ("soil", "plants", "rubble"))
    green = np.clip(0.25 + 0.55 * _VARIANT + 0.15 * np.cos(2 * np.pi * (day_of_year - 150) / 365.25), 0, 1)
    field = _mix(plants, soil, green)
    table = np.empty((town.MATERIALS, len(OPTICAL_BANDS)))
    _put(table, town.FIELD, field)
    _put(table, town.MOUNTAIN, _mix(plants, soil, 0.35 + 0.3 * _VARIANT) * (0.75 + 0.5 * _VARIANT)[:, np.newaxis])
    _put(table, town.PLAIN, np.broadcast_to(soil, (town.VARIANTS, soil.size)))
    for material, name in ((town.WATER, "water"), (town.ROAD, "road"), (town.STREET, "street")):
        table[material] = spectra[name]
    table[town.GARDEN] = 0.5 * plants + 0.5 * soil
    house = _mix(spectra["roof"], rubble, 0.5 + 0.5 * _VARIANT)
    _put(table, town.HOUSE, house)
    _put(table, town.DESTROYED, _mix(rubble, soil, 0.8 - 0.3 * _VARIANT) if after else house)
    _put(table, town.NEW, house if after else field)
    _put(table, town.CLEARED, np.broadcast_to(soil, field.shape) if after else field)
    return np.ascontiguousarray(table.T, np.float32)


def scene_classes(*, day_of_year: float, after: bool) -> npt.NDArray[np.uint8]:
    """Class (uint8) of every material in the scene classification: water, vegetation where NDVI is high, else bare."""
    table = reflectance(day_of_year=day_of_year, after=after)
    red, nir = (table[OPTICAL_BANDS.index(name)] for name in ("red", "nir"))
    classes = np.where(nir - red > _VEGETATED_NDVI * (nir + red), VEGETATION, BARE).astype(np.uint8)
    classes[town.COVERS == town.Cover.WATER] = UNDER_WATER
    return classes


def _mix(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], share: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return share[:, np.newaxis] * one + (1 - share)[:, np.newaxis] * other
