"""From products and catalogue items to dates: parts of one pass merged, in one encoding, behind each other along time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster.errors import InvalidInputError
from kararaster.grids import grid_coords
from kararaster.lazy import Elementwise, LazyArray, Stack, Window
from kararaster.placing import Merged
from kararaster.sentinel2.encoding import NODATA, SATURATED, version_key
from kararaster.store import DIMS, Chunks, carry

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox


@dataclass(frozen=True)
class Part:
    """One product or catalogue item, its bands on the target grid.

    `datatake`: equal for what the satellite took in one go. `labels`: the coordinates of its date.
    """

    name: str
    time: np.datetime64
    datatake: str
    bands: Mapping[str, LazyArray]
    labels: Mapping[str, Any]


def newest(parts: Iterable[Part]) -> tuple[list[Part], list[str]]:
    """Of a tile that was processed several times the highest baseline, and the names of the others."""
    tiles: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        tiles.setdefault((part.datatake, part.labels["mgrs_tile"]), []).append(part)
    kept: list[Part] = []
    older: list[str] = []
    for versions in tiles.values():
        best = max(map(_baseline, versions))
        kept += [part for part in versions if _baseline(part) == best]
        older += [part.name for part in versions if _baseline(part) < best]
    return kept, older


def _baseline(part: Part) -> tuple[int, ...]:
    """The processing baseline ("05.11") as numbers; a part that states none is the oldest."""
    try:
        return version_key(part.labels["processing_baseline"])
    except ValueError:
        return ()


def harmonised(parts: list[Part], reflective: Iterable[str]) -> list[Part]:
    """The same reflectances in one encoding: where pending offsets differ, all are brought to the lowest (-1000).

    Older digital numbers go up by what they lack; none is lost, since only those that would pass the saturation mark become it.
    """
    lowest = min(part.labels["boa_add_offset"] for part in parts)
    bands = frozenset(reflective)
    return [_shifted(part, part.labels["boa_add_offset"] - lowest, bands) for part in parts]


def _shifted(part: Part, missing: int, reflective: frozenset[str]) -> Part:
    if missing == 0:
        return part
    function = partial(shift_numbers, add=missing)
    bands = {
        name: Elementwise((source,), function, source.dtype) if name in reflective else source
        for name, source in part.bands.items()
    }
    labels = {
        **part.labels,
        "boa_add_offset": part.labels["boa_add_offset"] - missing,
        "boa_offset_applied": False,  # from here on an offset is pending, whatever the source had done
    }
    return replace(part, bands=bands, labels=labels)


def shift_numbers(pixels: npt.NDArray[Any], *, add: int, window: Window) -> npt.NDArray[Any]:
    """`pixels + add` in their own dtype: 0 stays nodata, and what would pass the saturation mark becomes it."""
    top = pixels.dtype.type(SATURATED)
    raised = np.where(pixels >= SATURATED - add, top, pixels + pixels.dtype.type(add))
    return np.where(pixels == NODATA, pixels, raised)


def passes(parts: Iterable[Part]) -> list[list[Part]]:
    """Parts by datatake, in the order of time; within a pass in the order of tiles, then of time."""
    groups: dict[str, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.datatake, []).append(part)
    ordered = [sorted(g, key=lambda p: (p.labels.get("mgrs_tile", ""), p.time, p.name)) for g in groups.values()]
    return sorted(ordered, key=lambda group: (_start(group), group[0].datatake))


def _start(group: Sequence[Part]) -> np.datetime64:
    return min(part.time for part in group)


def stacked(
    dates: list[list[Part]], grid: GeoBox, attrs: Mapping[str, Mapping[str, Any]], chunks: Chunks
) -> xr.Dataset:
    """Dataset (time, y, x) of the bands in `attrs`: each pass merged, the first valid pixel counts.

    Its coordinates are the labels that every part has.
    """
    variables = {}
    for band, band_attrs in attrs.items():
        layers = tuple(_merged(date, band) for date in dates)
        data = carry(Stack(layers), DIMS, "auto" if chunks is None else chunks)
        variables[band] = (DIMS, data, dict(band_attrs))
    names = [name for name in dates[0][0].labels if all(name in part.labels for date in dates for part in date)]
    coords: dict[str, Any] = {
        "time": np.array([_start(date) for date in dates], "datetime64[ns]"),
        **grid_coords(tuple(grid.shape), grid.affine, grid.crs),
        **{name: ("time", np.array([_joined(date, name) for date in dates])) for name in names},
    }
    return xr.Dataset(variables, coords)


def _merged(date: list[Part], band: str) -> LazyArray:
    for part in date:
        if band not in part.bands:
            raise InvalidInputError(
                f"{part.name}: has no {band}, but others have; leave it out, or choose other bands with bands=(...)"
            )
    sources = tuple(part.bands[band] for part in date)
    fill = math.nan if sources[0].dtype.kind == "f" else 0
    return sources[0] if len(sources) == 1 else Merged(sources, fill)


def _joined(date: list[Part], name: str) -> Any:
    """One value for the date: texts of several parts joined with "+", a flag that any part has."""
    values = list(dict.fromkeys(part.labels[name] for part in date))
    if len(values) == 1:
        return values[0]
    if all(isinstance(value, bool | np.bool_) for value in values):
        return any(values)
    if all(isinstance(value, str) for value in values):
        return "+".join(sorted(values))
    names = ", ".join(part.name for part in date)
    raise InvalidInputError(f"{names}: parts of one pass, but {name} is {values}; open them one by one")
