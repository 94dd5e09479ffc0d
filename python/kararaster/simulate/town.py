"""A valley town that never was: what lies on every pixel, before and after the event.

Everything is a function of the place: pixels get a *material* (one byte: a land cover and a variant of it), computed in
blocks that are the same for every window. What a material looks like to a sensor is a table (`backscatter`,
`reflectance`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from kararaster.simulate.hashing import by_cell, uniform_grid, value_noise

Floats = npt.NDArray[np.float64]


class Cover(IntEnum):
    """Land cover before the event."""

    FIELD = 1
    MOUNTAIN = 2
    WATER = 3
    ROAD = 4
    TOWN = 5
    BUILDING = 6


class Kind(IntEnum):
    """What happened at the event."""

    NONE = 0
    BUILDING_DESTROYED = 1
    BUILDING_NEW = 2
    GROUND_CLEARED = 3


VARIANTS = 16
"""Materials come in sixteens: material // 16 is the group, material % 16 the variant."""
FIELD, MOUNTAIN, PLAIN, HOUSE, DESTROYED, NEW, CLEARED = range(7)
WATER, ROAD, STREET, GARDEN = (PLAIN * VARIANTS + i for i in range(4))
MATERIALS = 7 * VARIANTS

_BLOCK = 256
_STREET_ROWS, _STREET_COLUMNS = 11, 15
"""Pixels from street to street."""
_PARCEL_ROWS, _PARCEL_COLUMNS = 26, 44


def _covers() -> npt.NDArray[np.uint8]:
    groups = (Cover.FIELD, Cover.MOUNTAIN, Cover.TOWN, Cover.BUILDING, Cover.BUILDING, Cover.FIELD, Cover.FIELD)
    covers = np.repeat(np.array(groups, np.uint8), VARIANTS)
    covers[[WATER, ROAD]] = Cover.WATER, Cover.ROAD
    return covers


COVERS = _covers()
"""Land cover (before the event) of every material."""
KINDS = np.repeat(
    np.array([0, 0, 0, 0, Kind.BUILDING_DESTROYED, Kind.BUILDING_NEW, Kind.GROUND_CLEARED], np.uint8), VARIANTS
)
"""What happens to every material at the event."""


@dataclass(frozen=True)
class Town:
    """The map: `materials(rows, columns)` is a byte for each pixel of that window of `shape`."""

    shape: tuple[int, int]
    seed: int

    def materials(self, rows: slice, columns: slice) -> npt.NDArray[np.uint8]:
        out = np.empty((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        for i in range(rows.start // _BLOCK, -(-rows.stop // _BLOCK)):
            for j in range(columns.start // _BLOCK, -(-columns.stop // _BLOCK)):
                r0, r1 = max(i * _BLOCK, rows.start), min((i + 1) * _BLOCK, rows.stop)
                c0, c1 = max(j * _BLOCK, columns.start), min((j + 1) * _BLOCK, columns.stop)
                block = _block(self, i, j)[r0 - i * _BLOCK : r1 - i * _BLOCK, c0 - j * _BLOCK : c1 - j * _BLOCK]
                out[r0 - rows.start : r1 - rows.start, c0 - columns.start : c1 - columns.start] = block
        return out


@dataclass(frozen=True)
class _Place:
    """Where the pixels of a block are: in whole pixels, and `v`, `u` from the middle, the map's shorter side being 1.

    `pixel`: the size of a pixel in that unit.
    """

    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    v: Floats
    u: Floats
    pixel: float
    seed: int

    def noise(self, frequency: float, salt: int) -> Floats:
        return value_noise(self.v, self.u, frequency, seed=self.seed + salt)

    def chance(self, rows: int, columns: int, salt: int) -> Floats:
        """One number for each cell of so many rows and columns."""
        return by_cell(self.rows // rows, self.columns // columns, seed=self.seed + salt)


@lru_cache(maxsize=2048)
def _block(town: Town, i: int, j: int) -> npt.NDArray[np.uint8]:
    """One block of the map; at most 128 MB of them are kept."""
    rows, columns = np.arange(i * _BLOCK, (i + 1) * _BLOCK), np.arange(j * _BLOCK, (j + 1) * _BLOCK)
    size = min(town.shape)
    v = (rows - (town.shape[0] - 1) / 2) / size
    u = (columns - (town.shape[1] - 1) / 2) / size
    place = _Place(rows, columns, v, u, 1.0 / size, town.seed)
    out = _fields(place)
    distance = np.hypot((v[:, np.newaxis] - 0.02) / 0.20, (u - 0.03) / 0.15) + 0.5 * (place.noise(14.0, 1) - 0.5)
    _build(out, place, distance)
    _clear(out, place, distance)
    np.copyto(out, MOUNTAIN * VARIANTS + _slope(place), where=_is_mountain(place))
    np.copyto(out, np.uint8(WATER), where=_is_water(place))
    np.copyto(out, np.uint8(ROAD), where=_on_road(place))
    out.flags.writeable = False
    return out


def _fields(place: _Place) -> npt.NDArray[np.uint8]:
    """Parcels in strips, each strip with an offset of its own so that the map does not look like a chessboard."""
    strip = place.rows // _PARCEL_ROWS
    offset = uniform_grid(strip, np.zeros_like(strip), seed=place.seed + 2) * _PARCEL_COLUMNS
    parcel = (place.columns + offset.astype(np.int64)[:, np.newaxis]) // _PARCEL_COLUMNS
    crop = uniform_grid(strip[:, np.newaxis], parcel, seed=place.seed + 3)
    variant = (0.65 * crop + 0.35 * place.noise(5.0, 4)) * VARIANTS
    return variant.astype(np.uint8) + np.uint8(FIELD * VARIANTS)


def _is_mountain(place: _Place) -> npt.NDArray[np.bool_]:
    ridge = place.noise(4.0, 5) + 0.5 * place.noise(13.0, 6)
    across = np.abs(place.u + 0.22 * place.v[:, np.newaxis] - 0.02)
    return across + 0.16 * (ridge - 0.75) > 0.36


def _slope(place: _Place) -> npt.NDArray[np.uint8]:
    """How steeply a mountain pixel faces west (0) or east (15), from the difference of neighbouring heights."""
    east = np.zeros((place.v.size, place.u.size))
    for octave, frequency in enumerate((9.0, 21.0, 47.0)):
        reach = 0.25 / frequency
        ahead, behind = (
            value_noise(place.v, place.u + step, frequency, seed=place.seed + 7 + octave) for step in (reach, -reach)
        )
        east += (ahead - behind) * 0.7**octave
    return np.clip((0.5 + 0.55 * east) * VARIANTS, 0, VARIANTS - 1).astype(np.uint8)


def _on_road(place: _Place) -> npt.NDArray[np.bool_]:
    """Two highways, a little under four pixels wide, as fixed curves across the map."""
    v, u, half = place.v, place.u, 1.8 * place.pixel
    along = np.abs(u - (0.16 + 0.09 * np.sin(5.1 * v) - 0.22 * v)[:, np.newaxis])
    across = np.abs(v[:, np.newaxis] - (0.10 + 0.06 * np.sin(6.3 * u + 1.0)))
    return (along < half) | (across < half)


def _is_water(place: _Place) -> npt.NDArray[np.bool_]:
    """A river through the valley and a reservoir beside it."""
    v, u = place.v, place.u
    bed = -0.17 + 0.05 * np.sin(7.0 * v + 0.5) - 0.18 * v
    river = np.abs(u - bed[:, np.newaxis]) < max(0.0035, 1.5 * place.pixel)
    lake = np.hypot((v[:, np.newaxis] + 0.33) / 0.07, (u + 0.10) / 0.035) < 1.0
    return river | lake


def _build(out: npt.NDArray[np.uint8], place: _Place, distance: Floats) -> None:
    """Streets, gardens and houses where `distance` from the centre is below 1; new houses in the ring outside."""
    row, column = (place.rows % _STREET_ROWS)[:, np.newaxis], place.columns % _STREET_COLUMNS
    plot = (_STREET_ROWS, _STREET_COLUMNS // 2)
    chance, height, look, fate = (place.chance(*plot, salt) for salt in (11, 12, 13, 14))
    within = column % plot[1]
    footprint = (row >= 3) & (row < 6 + (5 * height).astype(np.int64)) & (within >= 2) & (column < 14)
    variant = (look * VARIANTS).astype(np.uint8)
    town = distance < 1.0
    house = town & footprint & (chance < 0.85 - 0.35 * distance)
    damage = place.noise(11.0, 15)
    destroyed = house & (fate < np.where(damage > 0.66, 0.55, 0.01))
    new = (distance >= 1.05) & (distance < 1.45) & footprint & (fate < np.where(damage < 0.30, 0.45, 0.004))
    np.copyto(out, np.uint8(GARDEN), where=town)
    np.copyto(out, np.uint8(STREET), where=town & ((row < 2) | (column < 2)))
    np.copyto(out, HOUSE * VARIANTS + variant, where=house)
    np.copyto(out, DESTROYED * VARIANTS + variant, where=destroyed)
    np.copyto(out, NEW * VARIANTS + variant, where=new)


def _clear(out: npt.NDArray[np.uint8], place: _Place, distance: Floats) -> None:
    """Some patches of field around the town, 12 x 18 pixels in cells of 48, lose their plants."""
    row, column = (place.rows % 48)[:, np.newaxis], place.columns % 48
    patch = (row >= 20) & (row < 32) & (column >= 16) & (column < 34)
    chosen = (place.chance(48, 48, 16) < 0.05) & (distance > 1.5) & (distance < 3.0)
    np.copyto(out, out + np.uint8(CLEARED * VARIANTS), where=patch & chosen & (out < VARIANTS))
