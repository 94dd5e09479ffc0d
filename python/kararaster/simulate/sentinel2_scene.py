"""What a Sentinel-2 product of the town shows: reflectance at 10, 20 and 60 m, clouds, their shadows, and the classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from kararaster.simulate import looks, town
from kararaster.simulate.hashing import uniform_grid, value_noise
from kararaster.simulate.scene import OPTICAL_LOOKS, SimulatedStack, day_of_year

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

RESOLUTIONS = (10, 20, 60)
NODATA, SATURATED, SHADOW, THIN, THICK = 0, 1, 3, 8, 9
"""Classes of the scene classification that are not the ground."""
SATURATED_NUMBER = 65535

_OPACITY = np.zeros(12, np.float32)
_OPACITY[[THIN, THICK]] = 0.5, 1.0
_THICK_PART = 0.6
"""Share of the cloud cover that hides the ground altogether."""
_LIGHT_IN_SHADOW = 0.4
_SHADOW_OFFSET = (-10, -6)
"""Rows and columns of 20 m from a cloud to its shadow: the morning sun stands in the south-east."""
_DATES_APART = 1_000_003
"""Distance in seed of two minutes: every acquisition has noise and clouds of its own."""


@dataclass(frozen=True)
class View:
    """One acquisition of the whole town.

    `shape`: rows and columns of 10 m, multiples of 6. `after`: the changes have happened. `cloud_cover`, `saturated`,
    `outside`: shares of the image under clouds, at the end of the scale, and (its western columns) off the swath.
    """

    shape: tuple[int, int]
    seed: int
    moment: np.datetime64
    after: bool = False
    cloud_cover: float = 0.0
    saturated: float = 0.0
    outside: float = 0.0

    @cached_property
    def classes(self) -> Bytes:
        """The scene classification at 20 m."""
        classes = self._ground_classes()
        clouds = self._clouds()
        shadow = _moved(clouds > 0, _SHADOW_OFFSET)
        np.copyto(classes, np.uint8(SHADOW), where=shadow)
        np.copyto(classes, clouds, where=clouds > 0)
        rows, columns = (np.arange(n) for n in classes.shape)
        full = uniform_grid(rows[:, np.newaxis], columns, seed=self._seed + 2) < self.saturated
        classes[full] = SATURATED
        classes[:, : round(self.outside * classes.shape[1])] = NODATA
        return classes

    def classes_at(self, resolution: int) -> Bytes:
        """The scene classification at 20 or 60 m: coarser pixels take the class in their middle."""
        return self.classes if resolution == 20 else self.classes[1::3, 1::3]

    def numbers(self, band: str, resolution: int, *, offset: int) -> npt.NDArray[np.uint16]:
        """Digital numbers of a band: 10000 times reflectance plus `offset`, 0 off the swath, 65535 where saturated."""
        reflectance = _mean_of_blocks(self._reflectance(band), resolution // 10)
        exact = np.rint(reflectance * np.float32(10_000)) + offset
        numbers: npt.NDArray[np.uint16] = np.clip(exact, 1, SATURATED_NUMBER - 1).astype(np.uint16)
        np.copyto(numbers, np.uint16(SATURATED_NUMBER), where=self._touched(SATURATED, resolution))
        np.copyto(numbers, np.uint16(0), where=self._touched(NODATA, resolution))
        return numbers

    @property
    def _seed(self) -> int:
        minutes = (self.moment - np.datetime64("2015-01-01")) // np.timedelta64(1, "m")
        return self.seed + _DATES_APART * int(minutes)

    @property
    def _day_of_year(self) -> float:
        return float(day_of_year(np.array([self.moment]))[0])

    @cached_property
    def _town(self) -> town.Town:
        return town.Town(self.shape, self.seed)

    @cached_property
    def _table(self) -> Floats:
        return looks.reflectance(day_of_year=self._day_of_year, after=self.after)

    @cached_property
    def _class_of_10m(self) -> Bytes:
        return self.classes.repeat(2, axis=0).repeat(2, axis=1)

    def _reflectance(self, band: str) -> Floats:
        """What arrives from every pixel of 10 m: the ground, in the shade or behind a cloud."""
        index = looks.OPTICAL_BANDS.index(band)
        streams = ((index + 16, OPTICAL_LOOKS),)
        source = SimulatedStack(self._town, self._table[np.newaxis, index], self._seed, streams)
        ground: Floats = source.read(source.whole())[0]
        np.multiply(ground, np.float32(_LIGHT_IN_SHADOW), out=ground, where=self._class_of_10m == SHADOW)
        opacity = _OPACITY[self._class_of_10m]
        seen: Floats = ground * (1 - opacity) + looks.CLOUD[index] * opacity
        return seen

    def _ground_classes(self) -> Bytes:
        """Water where half of a pixel of 20 m is water, else vegetation where half of it is, else bare."""
        table = looks.scene_classes(day_of_year=self._day_of_year, after=self.after)
        fine = table[self._town.materials(slice(0, self.shape[0]), slice(0, self.shape[1]))]
        share = {name: _mean_of_blocks(fine == name, 2) for name in (looks.UNDER_WATER, looks.VEGETATION)}
        dry = np.where(share[looks.VEGETATION] >= 0.5, looks.VEGETATION, looks.BARE)
        return np.where(share[looks.UNDER_WATER] >= 0.5, looks.UNDER_WATER, dry).astype(np.uint8)

    def _clouds(self) -> Bytes:
        """Thick clouds with thin margins where smooth noise is highest, 0 elsewhere."""
        size = min(self.shape) / 2
        v, u = (np.arange(n // 2) / size for n in self.shape)
        density = 0.7 * value_noise(v, u, 5.0, seed=self._seed) + 0.3 * value_noise(v, u, 19.0, seed=self._seed + 1)
        clouds = np.zeros(density.shape, np.uint8)
        for kind, cover in ((THIN, self.cloud_cover), (THICK, _THICK_PART * self.cloud_cover)):
            if cover > 0:
                clouds[density >= np.quantile(density, 1 - cover)] = kind
        return clouds

    def _touched(self, kind: int, resolution: int) -> npt.NDArray[np.bool_]:
        """Pixels of `resolution` that share ground with the class `kind`."""
        marked = self._class_of_10m == kind
        touched: npt.NDArray[np.bool_] = np.max(_blocks(marked, resolution // 10), axis=(1, 3))
        return touched


def _mean_of_blocks(fine: npt.NDArray[Any], size: int) -> Floats:
    mean: Floats = _blocks(fine, size).mean(axis=(1, 3), dtype=np.float32)
    return mean


def _blocks(fine: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """`fine` as (rows, size, columns, size)."""
    rows, columns = fine.shape
    return fine.reshape(rows // size, size, columns // size, size)


def _moved(mask: npt.NDArray[np.bool_], offset: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """`mask` shifted by rows and columns; False comes in from outside."""
    out = np.zeros_like(mask)
    (to_rows, from_rows), (to_columns, from_columns) = (
        _overlap(n, by) for n, by in zip(mask.shape, offset, strict=True)
    )
    out[to_rows, to_columns] = mask[from_rows, from_columns]
    return out


def _overlap(n: int, by: int) -> tuple[slice, slice]:
    """Where the pixels of an axis go to, and where they come from."""
    return slice(max(by, 0), n + min(by, 0)), slice(max(-by, 0), n - max(by, 0))
