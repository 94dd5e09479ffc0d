"""STAC items of Sentinel-1 RTC and Sentinel-2 L2A onto a grid, read through odc-stac."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster.acquisitions import Part, harmonised, newest, passes, stacked
from kararaster.conventions import POLARIZATIONS, add_history, attributes
from kararaster.errors import (
    GeometryError,
    InvalidInputError,
    InvalidTypeError,
    KararasterError,
    OffsetWarning,
    ProductError,
    UnitsError,
)
from kararaster.lazy import Elementwise, LazyArray, Window
from kararaster.placing import describe, require_grid
from kararaster.rasterfile import blank_nodata, one_thread
from kararaster.sentinel2.layout import BANDS
from kararaster.sentinel2.offset_check import SAMPLE_SIDE, Verdict, offset_verdict
from kararaster.sentinel2.variables import SCL_ATTRIBUTES, band_attributes
from kararaster.stac_items import Scene, raster_info, scenes_of
from kararaster.store import Chunks

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

TILE = 1024
"""Reads are made of these tiles of the grid, whatever the chunks: GDAL's warp of a window depends on the window."""
MARGIN = 0.1
"""Degrees around a footprint: its edges are straight in degrees, those of the raster on the map."""


def open_stac(items: Any, *, grid: Any, bands: Iterable[str] | None = None, chunks: Chunks = None) -> xr.Dataset:
    """Put STAC items of Sentinel-2 L2A or Sentinel-1 RTC on a grid, lazily but for a small sample of one Sentinel-2 item.

    Needs the extra `stac`: pip install 'kararaster[stac]'. Access to a cloud is set up with odc.stac.configure_rio, and
    links are signed before (planetary_computer.sign), as for odc.stac.load, which does the reading.

    Parameters
    ----------
    items : pystac items, their dicts, an ItemCollection, a catalog or collection, or paths or links of the JSON of any of these;
        or an iterable of them. All of one mission. Known are the asset names of Earth Search (`red`), the Planetary Computer
        (`B04`, `SCL`) and the Copernicus Data Space (`B04_10m`).
    grid : GeoBox, or a Dataset or DataArray that lies on one
        The grid of the result. Pixels are taken by nearest neighbour.
    bands : iterable of str, optional
        Names of the data model (`red`, `nir`, `scl`; `vv`, `vh`). Default: all that the first item has.
    chunks : "auto", int, tuple, dict, or None
        As in `open_stack`, along time, y and x. None chooses tiles of the grid, too: the result is always lazy.

    Returns
    -------
    Dataset (time, y, x), one date for each pass of the satellite in the order of time: items of one datatake are merged, the
    first valid pixel in the order of tiles (Sentinel-2) or time (Sentinel-1) counts. Of a tile that is there in several
    processing baselines the highest is taken, and history says so. Items that do not touch the grid are left out.

    Sentinel-2: uint16 digital numbers with `scale_factor`, `add_offset`, `_FillValue` 0; coordinates along time `platform`,
    `mgrs_tile`, `processing_baseline`, `boa_offset_applied`, `boa_add_offset`. The offset is taken, in this order, from
    `earthsearch:boa_offset_applied` (true: applied already, whatever raster:bands says), raster:bands, the processing baseline;
    never from the date. Where it differs between items, the numbers of all are brought to the lowest (-1000) without loss,
    and `boa_offset_applied` of what was changed is False.
    Sentinel-1: float32 linear power, NaN for nodata, `quantity` "gamma0_rtc"; coordinates `platform` and, where stated,
    `relative_orbit`, `absolute_orbit`, `orbit_state`, `datatake_id`.

    Raises
    ------
    KararasterError : odc-stac is not installed. ProductNotFoundError : no items. InvalidTypeError : `grid` is none, or `items`
    are something else. UnsupportedProductError : another mission, level 1C, radar that is not RTC. InvalidInputError : both
    missions, an unknown band, a band that some items lack. GeometryError : empty overlap. ProductError : metadata missing, or a
    file that cannot be read (when pixels are needed). UnitsError : backscatter in decibel.

    Warns
    -----
    OffsetWarning : a sample of the pixels contradicts the offset that the catalogue states (one item for each baseline).

    Examples
    --------
    >>> import kararaster as kr
    >>> from odc.geo.geobox import GeoBox
    >>> grid = GeoBox.from_bbox((652_000, 4_418_000, 662_000, 4_428_000), "EPSG:32638", resolution=10)
    >>> stack = kr.open_stac("search.json", grid=grid, bands=("red", "nir"))  # doctest: +SKIP
    """
    _require_odc_stac()
    box = require_grid(grid)
    scenes = scenes_of(items)
    wanted = _chosen(bands, scenes[0])
    touching = [scene for scene in scenes if _touches(scene, box)]
    if not touching:
        raise GeometryError(
            f"items: empty overlap, none of the {len(scenes)} items touches the grid {describe(box)}; "
            "check the reference system and the corners of the grid"
        )
    build = _radar if scenes[0].mission == 1 else _optical
    dataset, note = build(touching, box, wanted, chunks)
    return add_history(dataset, f"open_stac: {len(touching)} of {len(scenes)} items{note}")


def _require_odc_stac() -> None:
    try:
        import odc.stac  # noqa: F401, PLC0415
    except ImportError as error:
        raise KararasterError(
            f"open_stac: {error}; STAC needs the extra stac: pip install 'kararaster[stac]'"
        ) from error


def _chosen(bands: Iterable[str] | None, first: Scene) -> list[str]:
    if isinstance(bands, str):
        raise InvalidTypeError(f"bands: got the string {bands!r}, want a sequence of names: bands=({bands!r},)")
    wanted = first.bands() if bands is None else list(bands)
    if not wanted:
        raise InvalidInputError(f"bands: got none; {first.name} has {first.bands() or 'none of the data model'}")
    for band in wanted:
        first.asset(band)
    return wanted


def _touches(scene: Scene, grid: GeoBox) -> bool:
    from odc.geo.geom import Geometry  # noqa: PLC0415

    if scene.item.geometry is None:
        raise ProductError(f"{scene.name}: has no geometry, want the footprint of the pixels")
    return bool(Geometry(scene.item.geometry, "EPSG:4326").intersects(grid.footprint("EPSG:4326")))


def _optical(scenes: list[Scene], grid: GeoBox, bands: list[str], chunks: Chunks) -> tuple[xr.Dataset, str]:
    parts = [_part(scene, grid, bands) for scene in scenes]
    _warn_of_contradictions(scenes, parts, grid)
    parts, older = newest(parts)
    parts = harmonised(parts, [band for band in bands if band != "scl"])
    offset = parts[0].labels["boa_add_offset"]
    known = {band.name: band for band in BANDS}
    attrs = {b: SCL_ATTRIBUTES if b == "scl" else band_attributes(known[b], offset=offset) for b in bands}
    dataset = stacked(passes(parts), grid, attrs, chunks)
    return dataset, f"; left out for a later baseline: {', '.join(older)}" if older else ""


def _radar(scenes: list[Scene], grid: GeoBox, bands: list[str], chunks: Chunks) -> tuple[xr.Dataset, str]:
    for scene in scenes:
        for band in bands:
            if str(raster_info(scene.asset(band), "unit")).lower() == "db":
                raise UnitsError(
                    f"{scene.name}: {band} is in decibel, want linear power; open it with open_stack and from_db"
                )
    parts = [_part(scene, grid, bands) for scene in scenes]
    attrs = {
        band: attributes("gamma0_rtc", quantity="gamma0_rtc", units="1", polarization=band.upper()) for band in bands
    }
    return stacked(passes(parts), grid, attrs, chunks), ""


def _part(scene: Scene, grid: GeoBox, bands: Iterable[str]) -> Part:
    return Part(
        name=scene.name,
        time=scene.time,
        datatake=scene.datatake,
        bands={band: _placed(scene, band, grid) for band in bands},
        labels=scene.labels(next(iter(b for b in bands if b != "scl"), "scl")),
    )


def _placed(scene: Scene, band: str, grid: GeoBox) -> LazyArray:
    dtype = np.dtype(np.float32 if band in POLARIZATIONS else np.uint8 if band == "scl" else np.uint16)
    nodata = raster_info(scene.asset(band), "nodata")
    source: LazyArray = CatalogBand(_one_asset(scene, band, dtype), band, grid, dtype)
    if dtype.kind == "f" and nodata is not None and not math.isnan(float(nodata)):
        source = Elementwise((source,), partial(blank_nodata, nodata=float(nodata)), dtype)
    return source


def _one_asset(scene: Scene, band: str, dtype: np.dtype[Any]) -> dict[str, Any]:
    """A bare item with one asset: all that odc-stac has to know, in one form for every catalogue."""
    asset = scene.asset(band)
    assert scene.item.geometry is not None
    raster = {"data_type": dtype.name, "nodata": "nan" if dtype.kind == "f" else 0}
    left, bottom, right, top = _bounds(scene.item.geometry)
    ring = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": scene.name,
        "collection": f"sentinel-{scene.mission}",
        "geometry": {"type": "Polygon", "coordinates": [[list(corner) for corner in ring]]},
        "bbox": [left, bottom, right, top],
        "properties": {"datetime": f"{np.datetime_as_string(scene.time, 'ms')}Z"},
        "links": [],
        "assets": {
            band: {
                "href": asset.get_absolute_href() or asset.href,
                "type": asset.media_type or "image/tiff; application=geotiff",
                "roles": ["data"],
                "raster:bands": [raster],
            }
        },
    }


def _bounds(geometry: dict[str, Any]) -> tuple[float, float, float, float]:
    from odc.geo.geom import Geometry  # noqa: PLC0415

    box = Geometry(geometry, "EPSG:4326").boundingbox
    return (
        max(box.left - MARGIN, -180.0),
        max(box.bottom - MARGIN, -90.0),
        min(box.right + MARGIN, 180.0),
        min(box.top + MARGIN, 90.0),
    )


@dataclass(frozen=True, eq=False)
class CatalogBand(LazyArray):
    """The asset `band` of a bare STAC item on `grid`, as odc.stac.load reads it: nearest neighbour, nodata outside."""

    item: dict[str, Any]
    band: str
    grid: GeoBox
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        return self.grid.shape.y, self.grid.shape.x

    @property
    def native_chunks(self) -> tuple[int, int]:
        return TILE, TILE

    def read(self, window: Window) -> npt.NDArray[Any]:
        out = np.empty(tuple(part.stop - part.start for part in window), self.dtype)
        for rows in _tiles(window[0], self.shape[0]):
            for columns in _tiles(window[1], self.shape[1]):
                tile = self._load(self.grid[rows, columns])
                wanted, there = zip(*map(_common, window, (rows, columns)), strict=True)
                out[wanted] = tile[there]
        return out

    def _load(self, grid: GeoBox) -> npt.NDArray[Any]:
        import odc.stac  # noqa: PLC0415
        import pystac  # noqa: PLC0415
        from rasterio.errors import RasterioError  # noqa: PLC0415

        item = pystac.Item.from_dict(self.item)
        try:
            with one_thread():
                loaded = odc.stac.load(
                    [item], bands=[self.band], geobox=grid, dtype=self.dtype.name, resampling="nearest"
                )
        except (RasterioError, OSError, AssertionError) as error:
            # what odc asserts is that the file says where it lies
            href, why = self.item["assets"][self.band]["href"], str(error) or "it has no georeference"
            raise ProductError(
                f"{self.item['id']}: {self.band} cannot be read from {href} ({why}); check the link, and what lies there"
            ) from error
        pixels: npt.NDArray[Any] = loaded[self.band].values[0]
        return pixels

    def __dask_tokenize__(self) -> object:
        return ("catalog", self.item, self.band, tuple(self.grid.shape), tuple(self.grid.affine), str(self.grid.crs))


def _tiles(part: slice, size: int) -> Iterator[slice]:
    """Whole tiles of the grid that `part` touches."""
    for start in range(part.start // TILE * TILE, part.stop, TILE):
        yield slice(start, min(start + TILE, size))


def _common(part: slice, tile: slice) -> tuple[slice, slice]:
    """What `part` and `tile` share, counted from the start of each."""
    start, stop = max(part.start, tile.start), min(part.stop, tile.stop)
    return slice(start - part.start, stop - part.start), slice(start - tile.start, stop - tile.start)


def _warn_of_contradictions(scenes: list[Scene], parts: list[Part], grid: GeoBox) -> None:
    """Compare the stated offset with a sample of the pixels, once for each processing baseline and statement."""
    seen = set()
    for scene, part in zip(scenes, parts, strict=True):
        labels = part.labels
        stated = (labels["processing_baseline"], labels["boa_offset_applied"], labels["boa_add_offset"])
        if stated in seen or not {"red", "scl"} <= set(scene.bands()):
            continue
        seen.add(stated)
        pending = labels["boa_add_offset"] != 0
        if _sampled_verdict(scene, grid, pending) == "contradicted":
            has = (
                "no offset in them, though -1000 is stated as pending"
                if pending
                else "an offset of 1000 in them, though none is stated as pending"
            )
            warnings.warn(
                f"{scene.name}: the digital numbers seem to have {has}; compare with the product and correct the item "
                "(earthsearch:boa_offset_applied, raster:bands) before opening it",
                OffsetWarning,
                stacklevel=4,
            )


def _sampled_verdict(scene: Scene, grid: GeoBox, pending: bool) -> Verdict:
    """The verdict on a sample of the pixels; "undecided" where they cannot be read: that is told when they are asked for."""
    coarse = grid.zoom_out(max(1.0, max(grid.shape) / SAMPLE_SIDE))
    bands = [_placed(scene, band, coarse) for band in ("red", "scl")]
    try:
        red, classes = (band.read(band.whole()) for band in bands)
    except ProductError:
        return "undecided"
    return offset_verdict(red, classes, pending)
