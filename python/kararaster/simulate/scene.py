"""Simulated map-grid stacks with known speckle and known change, around Stepanakert (46.75 E, 39.82 N)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform

from kararaster import lazy
from kararaster.errors import InvalidInputError
from kararaster.grids import grid_coords
from kararaster.simulate import looks, town
from kararaster.simulate.acquisitions import Acquisitions, acquisitions
from kararaster.simulate.speckle import SpeckleSheet, check_enl
from kararaster.store import DIMS, Chunks, carry

SCALE, OFFSET = 1e-4, -0.1
"""How Sentinel-2 stores reflectance since processing baseline 04.00."""
_OPTICAL_ATTRS = {
    "scale_factor": SCALE,
    "add_offset": OFFSET,
    "_FillValue": 0,
    "saturated_value": 65535,
    "quantity": "surface_reflectance",
}
_CLASS_ATTRS = {
    "_FillValue": 0,
    "flag_values": [looks.VEGETATION, looks.BARE, looks.UNDER_WATER],
    "flag_meanings": "vegetation not_vegetated water",
}
_CENTRE = (46.75, 39.82)
OPTICAL_LOOKS = 900.0
"""Optical noise of 3.3 %: the speckle sheet with very many looks."""


@dataclass(frozen=True, eq=False)
class SimulatedStack(lazy.LazyArray):
    """One band of a simulated stack (date, y, x), float32: the level of each pixel's material times speckle.

    `levels`: (dates, materials). `streams`: number and looks of each stream of speckle, whose mean, weighted by their
    looks, is the speckle of this band; bands that share a stream are correlated. No stream: no speckle.
    """

    town: town.Town
    levels: npt.NDArray[np.float32]
    seed: int
    streams: tuple[tuple[int, float], ...]

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (len(self.levels), *self.town.shape)

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return np.dtype(np.float32)

    @property
    def native_chunks(self) -> tuple[int, ...]:
        return (1, 1024, 1024)

    def read(self, window: lazy.Window) -> npt.NDArray[np.float32]:
        dates, rows, columns = window
        material = self.town.materials(rows, columns)
        out = np.empty((dates.stop - dates.start, *material.shape), np.float32)
        for index, date in enumerate(range(dates.start, dates.stop)):
            self.levels[date].take(material, out=out[index], mode="clip")
            if self.streams:
                out[index] *= self._speckle(date, rows, columns)
        return out

    def _speckle(self, date: int, rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        looks_of_all = sum(enl for _, enl in self.streams)
        parts = [
            SpeckleSheet(self.seed, enl).read(date, stream, rows, columns) * np.float32(enl / looks_of_all)
            for stream, enl in self.streams
        ]
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def __dask_tokenize__(self) -> object:
        return ("simulated", self.town.shape, self.town.seed, self.levels.tobytes(), self.seed, self.streams)


def stack(
    *,
    shape: tuple[int, int] = (2048, 2048),
    dates_pre: int = 30,
    dates_post: int = 5,
    relative_orbits: tuple[int, ...] = (174, 123),
    event: str = "2023-09-19",
    enl: float = 4.4,
    correlation: float = 0.0,
    changes: bool = True,
    seed: int = 0,
    resolution: float = 10.0,
    crs: int | str = 32638,
    chunks: Chunks = None,
) -> xr.Dataset:
    """A Sentinel-1 stack of a town in a valley, with everything known about it.

    Parameters
    ----------
    shape : rows and columns.
    dates_pre, dates_post : acquisitions before and after `event` for each relative orbit, twelve days apart.
    relative_orbits : 1 to 175; even places in the tuple are ascending passes, odd ones descending. The number gives the
    time: 174 passes in the evening, 123 in the morning.
    enl : equivalent number of looks of the speckle, which is independent between pixels and dates.
    correlation : of the speckle of VV and VH on one date, 0 to below 1.
    changes : False gives a stack in which nothing happens at the event.
    seed : equal seeds give equal pixels, whatever the chunks.
    resolution, crs : pixel size in metres, and a projected reference system.
    chunks : None for NumPy arrays; else as in `open_stack` ("auto", a number, a tuple or a dict), and nothing is
    computed.

    Returns
    -------
    Dataset (time, y, x) with `vv` and `vh`, float32, linear power, `quantity` gamma0, no NaN; the coordinates of the
    acquisitions on `time`; `spatial_ref`. Its truth: `truth` with the same shape and seed.

    Raises
    ------
    InvalidInputError : an argument outside its range.
    """
    check_enl(enl)
    check_scene(shape, seed, resolution)
    if not 0 <= correlation < 1:
        raise InvalidInputError(f"correlation: got {correlation!r}, want at least 0 and below 1")
    dates = acquisitions(event=event, dates_pre=dates_pre, dates_post=dates_post, relative_orbits=relative_orbits)
    place = town.Town(_pair(shape), seed)
    levels = _radar_levels(dates, changes=changes)
    bands = {}
    for index, name in enumerate(looks.BANDS):
        own = (index + 1, (1 - correlation) * enl)
        streams = (own,) if correlation == 0 else ((0, correlation * enl), own)
        source = SimulatedStack(place, np.ascontiguousarray(levels[:, index]), seed, streams)
        attrs = {"quantity": "gamma0", "units": "1", "polarization": name.upper()}
        bands[name] = (DIMS, carry(source, DIMS, chunks), attrs)
    coords = {**dates.coords(), **_grid(shape, resolution, crs)}
    return xr.Dataset(bands, coords, {"history": f"simulated stack: enl {enl}, correlation {correlation}, seed {seed}"})


def truth(
    *,
    shape: tuple[int, int] = (2048, 2048),
    changes: bool = True,
    seed: int = 0,
    resolution: float = 10.0,
    crs: int | str = 32638,
) -> xr.Dataset:
    """What lies and what happened on every pixel of `stack` and `optical` of the same shape and seed.

    Returns a Dataset (y, x) of NumPy arrays: `land_cover` (uint8, before the event; names in attrs `flag_meanings`),
    `kind` (uint8: 0 none, 1 building destroyed, 2 building new, 3 ground cleared) and `changed` (bool: kind above 0).
    Raises InvalidInputError for an argument outside its range.
    """
    check_scene(shape, seed, resolution)
    material = town.Town(_pair(shape), seed).materials(slice(0, shape[0]), slice(0, shape[1]))
    kind = town.KINDS[material] if changes else np.zeros(material.shape, np.uint8)
    variables = {
        "land_cover": (("y", "x"), town.COVERS[material], _flags(town.Cover)),
        "kind": (("y", "x"), kind, _flags(town.Kind)),
        "changed": (("y", "x"), kind > 0, {"long_name": "changed at the event"}),
    }
    return xr.Dataset(variables, _grid(shape, resolution, crs))


def optical(
    *,
    shape: tuple[int, int] = (2048, 2048),
    dates: tuple[str, ...] = ("2023-09-05T07:36:21", "2023-10-05T07:36:21"),
    bands: tuple[str, ...] = ("blue", "green", "red", "nir", "swir16", "swir22"),
    event: str = "2023-09-19",
    changes: bool = True,
    seed: int = 0,
    resolution: float = 10.0,
    crs: int | str = 32638,
    chunks: Chunks = None,
) -> xr.Dataset:
    """The town as Sentinel-2 stores it: `bands` (time, y, x), undecoded, without clouds.

    Bands are uint16; attributes `scale_factor` 1e-4, `add_offset` -0.1, `_FillValue` 0 and `saturated_value` 65535 turn
    the numbers into reflectance; noise is 3.3 % of it. `bands` may name any of `coastal blue green red rededge1 rededge2
    rededge3 nir nir08 nir09 swir16 swir22`, and `scl`, the scene classification (uint8), which has the classes 4, 5 and
    6 here. One image a date in `dates` (UTC); those on or after `event` show the changes. Coordinates on time:
    `platform`, `mgrs_tile`, `processing_baseline` "05.11", `boa_offset_applied` False, `boa_add_offset` -1000. `chunks`
    as in `stack`. Clouds, and products on disk: `simulate.sentinel2`.
    Raises InvalidInputError for an argument outside its range.
    """
    check_scene(shape, seed, resolution)
    unknown = sorted(set(bands) - {*looks.OPTICAL_BANDS, "scl"})
    if unknown or not bands:
        raise InvalidInputError(f"bands: got {unknown}, want some of {', '.join(looks.OPTICAL_BANDS)}, scl")
    times = np.array(dates, "datetime64[ns]")
    if times.size == 0 or np.any(np.diff(times) <= np.timedelta64(0, "ns")):
        raise InvalidInputError(f"dates: got {dates}, want one or more dates in rising order")
    days = [
        {"day_of_year": day, "after": bool(late and changes)}
        for day, late in zip(day_of_year(times), times >= np.datetime64(event), strict=True)
    ]
    place = town.Town(_pair(shape), seed)
    variables = {name: _optical_band(name, place, days, seed, chunks) for name in bands}
    coords = {**_optical_coords(times), **_grid(shape, resolution, crs)}
    return xr.Dataset(variables, coords, {"history": f"simulated optical images: seed {seed}"})


def _optical_band(
    name: str, place: town.Town, days: list[dict[str, Any]], seed: int, chunks: Chunks
) -> tuple[tuple[str, ...], Any, dict[str, Any]]:
    """Dimensions, numbers and attributes of one band or of `scl`."""
    if name == "scl":
        classes = np.stack([looks.scene_classes(**day) for day in days]).astype(np.float32)
        source = SimulatedStack(place, classes, seed, ())
        stored = lazy.Elementwise((source,), _to_class, np.dtype(np.uint8))
        return DIMS, carry(stored, DIMS, chunks), dict(_CLASS_ATTRS)
    index = looks.OPTICAL_BANDS.index(name)
    levels = np.stack([looks.reflectance(**day)[index] for day in days])
    source = SimulatedStack(place, levels, seed, ((index + 16, OPTICAL_LOOKS),))
    stored = lazy.Elementwise((source,), _to_stored, np.dtype(np.uint16))
    return DIMS, carry(stored, DIMS, chunks), dict(_OPTICAL_ATTRS)


def _optical_coords(times: npt.NDArray[np.datetime64]) -> dict[str, Any]:
    """The per-date coordinates of the data model."""
    same_for_all = {
        "platform": "sentinel-2a",
        "mgrs_tile": "38TPK",
        "processing_baseline": "05.11",
        "boa_offset_applied": False,
        "boa_add_offset": round(OFFSET / SCALE),
    }
    return {"time": times, **{name: ("time", np.full(times.size, value)) for name, value in same_for_all.items()}}


def grid(shape: tuple[int, int], resolution: float, crs: int | str) -> tuple[CRS, Affine]:
    """Reference system and transform of a north-up grid around the town, its corner on a multiple of `resolution`."""
    try:
        system = CRS.from_user_input(crs)
    except CRSError as error:
        raise InvalidInputError(f"crs: got {crs!r} ({error}), want one such as 32638 (UTM zone 38 north)") from None
    if not system.is_projected:
        raise InvalidInputError(f"crs: got {crs!r}, want a projected one in metres, such as 32638")
    (easting,), (northing,) = transform("EPSG:4326", system, [_CENTRE[0]], [_CENTRE[1]])
    left = round((easting - shape[1] * resolution / 2) / resolution) * resolution
    top = round((northing + shape[0] * resolution / 2) / resolution) * resolution
    return system, Affine(resolution, 0.0, left, 0.0, -resolution, top)


def _grid(shape: tuple[int, int], resolution: float, crs: int | str) -> dict[str, xr.DataArray]:
    system, corner = grid(shape, resolution, crs)
    return grid_coords(shape, corner, system.to_wkt())


def _radar_levels(dates: Acquisitions, *, changes: bool) -> npt.NDArray[np.float32]:
    """Backscatter by date, band and material."""
    days = day_of_year(dates.time)
    tables = [
        looks.backscatter(orbit=int(orbit), day_of_year=day, after=bool(late and changes))
        for orbit, day, late in zip(dates.orbit_index, days, dates.after, strict=True)
    ]
    return np.stack(tables)


def day_of_year(times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
    """Days since the start of the year, with their fraction."""
    since_new_year = times.astype("datetime64[s]") - times.astype("datetime64[Y]").astype("datetime64[s]")
    days: npt.NDArray[np.float64] = since_new_year.astype(np.float64) / 86_400
    return days


def _to_stored(reflectance: npt.NDArray[np.float32], *, window: lazy.Window) -> npt.NDArray[np.uint16]:
    stored = np.rint((reflectance - np.float32(OFFSET)) * np.float32(1 / SCALE))
    clipped: npt.NDArray[np.uint16] = np.clip(stored, 1, 65535).astype(np.uint16)
    return clipped


def _to_class(levels: npt.NDArray[np.float32], *, window: lazy.Window) -> npt.NDArray[np.uint8]:
    return levels.astype(np.uint8)


def _flags(names: type[town.Cover] | type[town.Kind]) -> dict[str, Any]:
    return {"flag_values": [int(n) for n in names], "flag_meanings": " ".join(n.name.lower() for n in names)}


def _pair(shape: tuple[int, int]) -> tuple[int, int]:
    return int(shape[0]), int(shape[1])


def check_scene(shape: tuple[int, int], seed: int, resolution: float) -> None:
    """Raise InvalidInputError unless the arguments can make a scene."""
    if len(shape) != 2 or min(shape) < 1:
        raise InvalidInputError(f"shape: got {shape}, want rows and columns of at least 1")
    if seed < 0:
        raise InvalidInputError(f"seed: got {seed}, want a whole number of at least 0")
    if not resolution > 0:
        raise InvalidInputError(f"resolution: got {resolution}, want metres above 0")
