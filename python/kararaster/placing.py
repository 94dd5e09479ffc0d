"""Images put onto another grid by nearest neighbour, and several of them merged, a window at a time.

A window of the target asks each source for the smallest window it needs, or for nothing where they do not meet. Which source
pixel a target pixel takes depends on its absolute row and column only, never on the window it is read in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kararaster.errors import InvalidTypeError
from kararaster.lazy import LazyArray, Window

if TYPE_CHECKING:
    from affine import Affine
    from odc.geo.geobox import GeoBox
    from pyproj import Transformer

LATTICE = 32
"""Target pixels between two points at which the change of reference system is computed exactly."""
STRIP = 256
"""Target rows whose source positions are held in float64 at once."""
TILE = 1024
"""Blocks of a target grid, which has no storage of its own to follow."""
SNAP = 1e-6
"""Source pixels. A pixel centre on an edge between two source pixels takes the later one, whatever the last bit says."""

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Placed(LazyArray):
    """The image `source`, which lies on `source_grid`, on `grid`: nearest neighbour, `fill` outside.

    In one reference system without rotation rows and columns are mapped exactly, each by itself; with equal pixels that is a
    plain paste. Else the map is exact every `LATTICE` pixels and bilinear between: well below a tenth of a target pixel.
    """

    source: LazyArray
    source_grid: GeoBox
    grid: GeoBox
    fill: float = 0

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        return self.grid.shape.y, self.grid.shape.x

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.source.dtype

    @property
    def native_chunks(self) -> tuple[int, int]:
        return TILE, TILE

    @cached_property
    def _affine(self) -> Affine | None:
        """Target pixels to source pixels, where that needs no change of reference system and no rotation."""
        if self.grid.crs != self.source_grid.crs:
            return None
        affine = ~self.source_grid.affine * self.grid.affine
        return affine if affine.b == affine.d == 0 else None

    def read(self, window: Window) -> npt.NDArray[Any]:
        rows, columns = window
        out = np.full((rows.stop - rows.start, columns.stop - columns.start), self.fill, self.dtype)
        if out.size == 0:
            return out
        if self._affine is None:
            self._gather(out, rows, columns)
        else:
            self._pick(
                out, _along(self._affine.e, self._affine.f, rows), _along(self._affine.a, self._affine.c, columns)
            )
        return out

    def _pick(self, out: npt.NDArray[Any], rows: Indices, columns: Indices) -> None:
        """Whole source rows and columns: one index a target row, one a target column."""
        wanted, asked = zip(
            *(_inside(i, n) for i, n in zip((rows, columns), self.source.shape, strict=True)), strict=True
        )
        if any(part.start == part.stop for part in wanted):
            return
        pixels = self.source.read(asked)
        rows, columns = (i[part] - window.start for i, part, window in zip((rows, columns), wanted, asked, strict=True))
        run = all(np.array_equal(i, np.arange(n)) for i, n in zip((rows, columns), pixels.shape, strict=True))
        out[wanted] = pixels if run else pixels[rows[:, np.newaxis], columns]

    def _gather(self, out: npt.NDArray[Any], rows: slice, columns: slice) -> None:
        """One source row and column a target pixel."""
        source_rows, source_columns = np.empty(out.shape, np.int32), np.empty(out.shape, np.int32)
        for start in range(rows.start, rows.stop, STRIP):
            strip = slice(start, min(start + STRIP, rows.stop))
            at = slice(strip.start - rows.start, strip.stop - rows.start)
            for kept, positions in zip((source_rows, source_columns), self.positions(strip, columns), strict=True):
                kept[at] = _nearest(positions)
        height, width = self.source.shape
        valid = (source_rows >= 0) & (source_rows < height) & (source_columns >= 0) & (source_columns < width)
        if not valid.any():
            return
        source_rows, source_columns = source_rows[valid], source_columns[valid]
        top, left = int(source_rows.min()), int(source_columns.min())
        asked = slice(top, int(source_rows.max()) + 1), slice(left, int(source_columns.max()) + 1)
        out[valid] = self.source.read(asked)[source_rows - top, source_columns - left]

    def positions(self, rows: slice, columns: slice) -> tuple[Floats, Floats]:
        """Where the centres of target pixels lie in the source: fractional rows and columns, NaN where the map has no value."""
        exact = self._exact(*np.meshgrid(_nodes(rows), _nodes(columns), indexing="ij"))
        row, column = _between(rows), _between(columns)
        with np.errstate(invalid="ignore"):  # infinity is how pyproj says that a point has no place in the other system
            y, x = (_bilinear(values, row, column) for values in exact)
        return y, x

    def _exact(self, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
        x, y = self.grid.affine * (columns, rows)
        if self.grid.crs != self.source_grid.crs:
            x, y = _transformer(str(self.grid.crs), str(self.source_grid.crs)).transform(x, y)
        with np.errstate(invalid="ignore"):
            source_columns, source_rows = ~self.source_grid.affine * (x, y)
        return source_rows, source_columns

    def __dask_tokenize__(self) -> object:
        return ("placed", self.source, _identity(self.source_grid), _identity(self.grid), self.fill)


@dataclass(frozen=True, eq=False)
class Merged(LazyArray):
    """Images of one grid on top of each other: the first that is not `fill` counts, later ones are read only where needed."""

    sources: tuple[LazyArray, ...]
    fill: float = 0

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.sources[0].shape

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.sources[0].dtype

    @property
    def native_chunks(self) -> tuple[int, ...] | None:
        return self.sources[0].native_chunks

    def read(self, window: Window) -> npt.NDArray[Any]:
        out = self.sources[0].read(window)
        for source in self.sources[1:]:
            missing = np.isnan(out) if math.isnan(self.fill) else out == self.fill
            if not missing.any():
                break
            out = np.where(missing, source.read(window), out)
        return out

    def __dask_tokenize__(self) -> object:
        return ("merged", self.sources, self.fill)


def require_grid(grid: Any) -> GeoBox:
    """`grid` as a GeoBox with a reference system: one already, or anything with `.odc.geobox`."""
    import odc.geo.xr  # noqa: F401, PLC0415 (registers `.odc`)
    from odc.geo.geobox import GeoBox  # noqa: PLC0415

    box = grid if isinstance(grid, GeoBox) else getattr(getattr(grid, "odc", None), "geobox", None)
    if not isinstance(box, GeoBox) or box.crs is None:
        raise InvalidTypeError(
            f"grid: got {type(grid).__name__}, want an odc.geo.geobox.GeoBox with a crs, or a Dataset or DataArray that lies "
            "on one: GeoBox.from_bbox((left, bottom, right, top), 'EPSG:32638', resolution=10)"
        )
    return box


def overlap(one: GeoBox, other: GeoBox) -> bool:
    """Whether two grids share some area."""
    mine, theirs = one.extent, other.footprint(one.crs)
    return bool(mine.intersects(theirs) and (mine & theirs).area > 0)


def describe(grid: GeoBox) -> str:
    """`grid` for a message: where it lies, and in which reference system."""
    crs = f"EPSG:{grid.crs.epsg}" if grid.crs and grid.crs.epsg else str(grid.crs)
    return f"{', '.join(f'{edge:.10g}' for edge in grid.boundingbox.bbox)} (left, bottom, right, top) in {crs}"


def ground_size(grid: GeoBox) -> float:
    """Metres along the shorter side of the pixel in the middle of `grid`, in whatever units its reference system is."""
    from pyproj import Geod  # noqa: PLC0415

    to_degrees = _transformer(str(grid.crs), "EPSG:4326")
    row, column = grid.shape.y // 2, grid.shape.x // 2
    corners = [grid.affine * corner for corner in ((column, row), (column + 1, row), (column, row + 1))]
    (lon, lat), *ends = (to_degrees.transform(*corner) for corner in corners)
    return min(float(Geod(ellps="WGS84").inv(lon, lat, *end)[2]) for end in ends)


@lru_cache(maxsize=32)
def _transformer(crs: str, other: str) -> Transformer:
    """From one reference system to the other, x before y. pyproj lets threads share it."""
    from pyproj import CRS, Transformer  # noqa: PLC0415

    return Transformer.from_crs(CRS.from_user_input(crs), CRS.from_user_input(other), always_xy=True)


def _identity(grid: GeoBox) -> object:
    return tuple(grid.shape), tuple(grid.affine), str(grid.crs)


def _nearest(positions: Floats) -> Indices:
    """The source pixel that a position lies in; -1 where there is none."""
    floors = np.floor(positions + SNAP)
    known = (floors >= 0) & (floors < np.iinfo(np.int32).max)
    return np.where(known, floors, -1).astype(np.int32)


def _along(scale: float, shift: float, part: slice) -> Indices:
    """Source rows (or columns) of the target rows (or columns) `part`."""
    return _nearest(scale * (np.arange(part.start, part.stop) + 0.5) + shift)


def _inside(indices: Indices, size: int) -> tuple[slice, slice]:
    """Which target positions hit the source, and the run of source positions that they need."""
    hits = np.flatnonzero((indices >= 0) & (indices < size))
    if hits.size == 0:
        return slice(0, 0), slice(0, 0)
    wanted = slice(int(hits[0]), int(hits[-1]) + 1)
    found = indices[wanted]
    return wanted, slice(int(found.min()), int(found.max()) + 1)


def _nodes(part: slice) -> Floats:
    """Lattice rows (or columns) around `part`: every `LATTICE`th pixel centre of the whole target."""
    first, last = part.start // LATTICE, math.ceil(part.stop / LATTICE)
    return np.arange(first, last + 1, dtype=np.float64) * LATTICE + 0.5


def _between(part: slice) -> tuple[npt.NDArray[np.int64], Floats]:
    """For every row (or column) of `part`: the lattice line before it, and how far it is on the way to the next."""
    numbers = np.arange(part.start, part.stop)
    return numbers // LATTICE - part.start // LATTICE, (numbers % LATTICE) / LATTICE


def _bilinear(values: Floats, rows: tuple[Any, Floats], columns: tuple[Any, Floats]) -> Floats:
    (row, v), (column, u) = rows, columns
    across = values[:, column] * (1 - u) + values[:, column + 1] * u
    down = v[:, np.newaxis]
    between: Floats = across[row] * (1 - down) + across[row + 1] * down
    return between
