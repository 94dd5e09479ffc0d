"""What a change is looked for in: radar power, or indices of an optical stack; and the Dataset that answers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster import blocks, catalog, conventions, indices, optical, periods
from kararaster.errors import InvalidInputError, MissingVariableError
from kararaster.lazy import Window

Scale = Literal["power", "index"]

DEFAULT_INDICES = ("ndvi", "ndbi")
RISE_WITH_VEGETATION = frozenset(
    {"ndvi", "gndvi", "evi", "evi2", "savi", "osavi", "msavi", "msavi2", "ndre", "ndmi", "ndii"}
)
FALL_WITH_VEGETATION = frozenset({"ndbi", "ui", "bui", "ibi", "bsi"})


@dataclass(frozen=True)
class Subject:
    """Stacks in date order, and what their numbers mean."""

    ds: xr.Dataset
    names: list[str]
    scale: Scale
    stacks: list[xr.DataArray]
    signs: tuple[int, ...]
    """-1 for an index that was turned round, so that all bands rise with vegetation."""
    direction: str
    """Name of the attributes of `direction`."""

    @property
    def data(self) -> list[blocks.Array]:
        """What is folded."""
        return [stack.data for stack in self.stacks]

    @property
    def times(self) -> periods.Dates:
        times: periods.Dates = self.ds["time"].values.astype("datetime64[ns]")
        return times

    def geometries(self, by: Hashable | None) -> list[periods.OrbitDates]:
        """Dates grouped by viewing geometry. Those of an index count as one where the stack does not tell them apart."""
        if self.scale == "power":
            return periods.by_orbit(self.ds, by)
        if by == "relative_orbit" and (by not in self.ds.coords or self.ds[by].ndim == 0):
            by = None
        return periods.by_orbit(self.ds if by else self.ds.drop_vars("relative_orbit", errors="ignore"), by)

    def dataset(
        self,
        arrays: Mapping[str, blocks.Array],
        descriptions: Mapping[str, str],
        settings: Mapping[str, Any],
        coords: Mapping[str, xr.Variable] | None = None,
    ) -> xr.Dataset:
        """The results on the grid of the stack, described and with their history.

        `descriptions` are the names of the attributes of a variable where they are not its own.
        """
        like = self.stacks[0]
        dims = like.dims[1:]
        variables = {}
        for name, data in arrays.items():
            attrs = conventions.attributes({"direction": self.direction, **descriptions}.get(name, name))
            if name == "magnitude":
                variables[name] = (("band", *dims), self._turned_back(data), attrs)
            else:
                variables[name] = (dims, data, attrs)
        on_grid = {name: c for name, c in like.coords.items() if "time" not in c.dims}
        result = xr.Dataset(variables, coords={**on_grid, "band": self.names, **(coords or {})})
        result.attrs = {**{k: v for k, v in self.ds.attrs.items() if k == "history"}, **settings}
        line = ", ".join(f"{key}={value}" for key, value in settings.items())
        return conventions.add_history(conventions.carry_spatial_ref(result, self.ds), f"change({line})")

    def _turned_back(self, magnitude: blocks.Array) -> blocks.Array:
        if -1 not in self.signs:
            return magnitude
        return magnitude * np.array(self.signs, np.float32)[:, None, None]


def subject(ds: xr.Dataset, bands: str | Iterable[str] | None) -> Subject:
    """The radar bands of `ds`, or else its indices: those it has, or those its optical bands give."""
    chosen = [bands] if isinstance(bands, str) else None if bands is None else list(bands)
    if chosen is not None and len(set(chosen)) < len(chosen):
        raise InvalidInputError(f"bands: got {chosen}, want each band once")
    if _is_radar(ds, chosen):
        names = conventions.radar_bands(ds, chosen)
        _require_no_index(ds, names)
        ds = periods.in_date_order(ds)
        signs = (1,) * len(names)
        return Subject(ds, names, "power", conventions.time_stacks(ds, names), signs, "direction")
    ds, names = _with_indices(ds, chosen)
    ds = periods.in_date_order(ds)
    stacks = conventions.time_stacks(ds, names, conventions.require_index)
    if {name.lower() for name in names} <= RISE_WITH_VEGETATION | FALL_WITH_VEGETATION:
        signs = tuple(-1 if name.lower() in FALL_WITH_VEGETATION else 1 for name in names)
        turned = [stack if sign > 0 else _turned(stack) for stack, sign in zip(stacks, signs, strict=True)]
        return Subject(ds, names, "index", turned, signs, "vegetation_direction")
    return Subject(ds, names, "index", stacks, (1,) * len(names), "index_direction")


def _is_radar(ds: xr.Dataset, chosen: list[str] | None) -> bool:
    if chosen is None:
        return conventions.has_radar(ds)
    attrs = [ds[name].attrs for name in chosen if name in ds]
    stated = any("polarization" in a or a.get("quantity") in conventions.QUANTITIES for a in attrs)
    return stated or any(name in conventions.POLARIZATIONS for name in chosen)


def _require_no_index(ds: xr.Dataset, names: list[str]) -> None:
    """Refuse what would be tested as if it were radar power."""
    if other := [name for name in names if catalog.find(name) or optical.is_optical(ds[name])]:
        raise InvalidInputError(
            f"bands: got {names}, but {', '.join(other)} is no radar power; test radar and optical bands one after the other"
        )


def _with_indices(ds: xr.Dataset, chosen: list[str] | None) -> tuple[xr.Dataset, list[str]]:
    """`ds` with the indices that are wanted, and the names of their variables."""
    wanted = _default_indices(ds) if chosen is None else chosen
    if not wanted:
        raise InvalidInputError("bands: got none, want names of indices such as ('ndvi', 'ndbi')")
    missing = [name for name in wanted if name not in ds]
    if not missing:
        return ds, wanted
    computed = indices.index(ds, *missing)
    variables = dict(zip(missing, map(str, computed), strict=True))
    return ds.assign(computed), [variables.get(name, name) for name in wanted]


def _default_indices(ds: xr.Dataset) -> list[str]:
    """Those that are there, else those that can be computed."""
    there = [name for name in DEFAULT_INDICES if name in ds]
    if not there and not {"nir", "red"} <= set(ds):
        raise MissingVariableError(
            f"nothing to test: the Dataset has {sorted(map(str, ds.data_vars))}, want a radar band "
            f"({', '.join(conventions.POLARIZATIONS)}), or an index (ndvi, ndbi), or the optical bands it is computed from "
            "(nir and red, and swir16 for ndbi); other indices by name: bands=('nbr',)"
        )
    return there or (["ndvi", "ndbi"] if "swir16" in ds else ["ndvi"])


def _turned(stack: xr.DataArray) -> xr.DataArray:
    """`stack` with the opposite sign, lazily."""
    return stack.copy(data=blocks.elementwise(_negative, stack.data, dtype=stack.dtype))


def _negative(values: npt.NDArray[Any], *, window: Window) -> npt.NDArray[Any]:
    negative: npt.NDArray[Any] = np.negative(values)
    return negative
