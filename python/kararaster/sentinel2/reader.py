"""`open_sentinel2`: a Sentinel-2 L2A or L1C product as a map-grid Dataset of digital numbers that know their scale."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import xarray as xr

from kararaster import blocks, conventions
from kararaster.container import Container, open_container
from kararaster.errors import (
    InvalidInputError,
    InvalidTypeError,
    MissingVariableError,
    OffsetWarning,
    ProductError,
    UnsupportedProductError,
)
from kararaster.grids import grid_coords
from kararaster.lazy import LazyArray, Stack
from kararaster.rasterfile import RasterFile
from kararaster.sentinel2.images import Images, on_grid
from kararaster.sentinel2.layout import BANDS, RESOLUTIONS, Band, Layout, locate
from kararaster.sentinel2.metadata import Product, Tile, parse_product, parse_tile
from kararaster.sentinel2.offset_check import Verdict, sampled_verdict
from kararaster.sentinel2.variables import SCL_ATTRIBUTES, band_attributes
from kararaster.store import DIMS, carry


def open_sentinel2(
    path: str | os.PathLike[str],
    *,
    bands: Collection[str] | None = None,
    resolution: int = 10,
    chunks: Any = "auto",
) -> xr.Dataset:
    """Open a Sentinel-2 L2A (or L1C) product on one grid; pixels are read when they are computed.

    At opening only a small sample of the red band is read, to see whether pixels and metadata agree about the radiometric
    offset.

    Parameters
    ----------
    path
        A SAFE folder, a `.zip` of one (read in place), or the `manifest.safe` or `MTD_MSIL2A.xml` in it. JPEG 2000 or GeoTIFF
        bands, of any processing baseline.
    bands
        Which bands to open, by STAC name (`["red", "nir", "scl"]`) or number (`["B04", "B8A"]`); all that the product has by
        default.
    resolution
        Pixel size of the grid in m: 10, 20 or 60. A band comes from its file of that resolution, else from its finest file:
        coarser pixels are repeated; finer ones are averaged over each block, valid numbers only, and rounded half to even
        (of `scl` the pixel in the middle is taken). A copy coarser than the band's own resolution is never repeated.
    chunks
        "auto" (whole blocks of the files, the same for all bands), a number (side of a tile), a tuple or dict over (time, y,
        x), or None to read everything now.

    Returns
    -------
    Dataset (time, y, x) with one date, the start of the datatake (UTC). Bands `coastal` to `swir22` are uint16 digital numbers
    with `scale_factor`, `add_offset`, `_FillValue` (0) and `saturated_value` (65535) as attributes: the offset is that of the
    metadata, whatever date or baseline. `scl` is uint8 with its classes as flags; level 1C has none, and its `quantity` is
    "toa_reflectance". Coordinates on time: `platform`, `mgrs_tile`, `processing_baseline`, `boa_offset_applied` (False: the
    pixels still hold the offset, if there is one) and `boa_add_offset` (what is to be added, in digital numbers).
    `attrs["offset_check"]` is "consistent", "contradicted" or "undecided".

    Raises
    ------
    ProductNotFoundError
        Nothing at `path`.
    UnsupportedProductError
        A Sentinel-1 product, another product type, or bands with different offsets.
    ProductError
        Metadata or images are missing, damaged, hostile, or contradict each other; a baseline from 04.00 on without list of
        offsets. Pixels that are cut off are found when they are read.
    MissingVariableError
        A band that the product does not have, or that does not exist.
    InvalidInputError, InvalidTypeError
        Another resolution, one for which a band has only a coarser copy, wrong chunks, bands that are no names.

    Warns
    -----
    OffsetWarning
        The red numbers contradict what the metadata says about the offset.

    Examples
    --------
    >>> import tempfile
    >>> import kararaster as kr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = kr.simulate.sentinel2(folder, shape=(60, 60), bands=["red", "nir"], baseline="05.11")
    ...     ds = kr.open_sentinel2(path)
    ...     print(*ds, ds.red.dtype, ds.red.attrs["add_offset"], ds.processing_baseline.item(), ds.sizes["y"])
    red nir uint16 -0.1 05.11 60
    """
    if resolution not in RESOLUTIONS:
        raise InvalidInputError(f"resolution: got {resolution!r}, want one of {', '.join(map(str, RESOLUTIONS))} (m)")
    container = open_container(path)
    layout = locate(container)
    product = parse_product(container.read(layout.product), file=container.describe(layout.product))
    tile = parse_tile(container.read(layout.tile), file=container.describe(layout.tile))
    chosen = _chosen(container, layout, product, bands)
    _require_resolution(layout, chosen, resolution)
    images = Images(container, layout, tile)
    sources = {band: on_grid(images, band, resolution, product) for band in chosen}
    ds = xr.Dataset(
        _variables(sources, product, chunks),
        coords={**_time_coords(product, tile, _offset(product, chosen)), **_grid_coords(tile, resolution)},
        attrs=_attributes(product),
    )
    ds.attrs["offset_check"] = _checked_offset(images, product)
    return conventions.add_history(ds, f"open_sentinel2: {product.name} ({product.product_type}), {resolution} m")


def _chosen(container: Container, layout: Layout, product: Product, bands: Any) -> list[Band]:
    """The bands to open, in the order of the data model."""
    present = [band for band in layout.images if product.is_surface or band.name != "scl"]
    if not present:
        raise ProductError(
            f"{container.path.name} has no images of bands, only metadata; download the whole product to read pixels"
        )
    if bands is None:
        return present
    if isinstance(bands, str):
        bands = [bands]
    if not isinstance(bands, Collection) or not all(isinstance(band, str) for band in bands):
        raise InvalidTypeError(f"bands: got {bands!r}, want names such as ['red', 'nir'] or ['B04', 'B08']")
    wanted = [_named(band) for band in bands]
    missing = [band for band, known in zip(bands, wanted, strict=True) if known not in present]
    if missing:
        raise MissingVariableError(
            f"bands: got {', '.join(missing)}, but {container.path.name} has "
            f"{', '.join(f'{band.name} ({band.number})' for band in present)}"
        )
    if not wanted or len(set(wanted)) < len(wanted):
        raise InvalidInputError(f"bands: got {list(bands)!r}, want one or more, each once")
    return [band for band in present if band in wanted]


def _named(name: str) -> Band | None:
    """The band of a STAC name or a number; B4 is B04."""
    number = name.upper()
    number = f"B0{number[1]}" if len(number) == 2 and number[0] == "B" else number
    return next((band for band in BANDS if name.lower() == band.name or number == band.number), None)


def _require_resolution(layout: Layout, bands: list[Band], resolution: int) -> None:
    """Refuse bands of which only a copy coarser than they are is there: its pixels repeated would pass for real detail."""
    coarse = [band for band in bands if resolution < min(layout.images[band]) > band.resolution]
    if not coarse:
        return
    there = "; ".join(f"{band.name} {', '.join(f'{m} m' for m in sorted(layout.images[band]))}" for band in coarse)
    others = [band.name for band in bands if band not in coarse]
    hint = f", or leave these bands out: bands={others}" if others else ""
    raise InvalidInputError(
        f"resolution: got {resolution}, but the product has only coarser copies of some bands ({there}); "
        f"want resolution={layout.finest(bands)}, or in sentinel2_stack a grid of such pixels{hint}"
    )


def _variables(sources: Mapping[Band, LazyArray], product: Product, chunks: Any) -> dict[str, Any]:
    stacks = {band: Stack((source,)) for band, source in sources.items()}
    if isinstance(chunks, dict) or (isinstance(chunks, str) and chunks == "auto"):
        chunks = _same_chunks(stacks, chunks)
    return {
        band.name: (DIMS, carry(stack, DIMS, chunks), _band_attributes(band, product)) for band, stack in stacks.items()
    }


def _same_chunks(stacks: Mapping[Band, Stack], chunks: Any) -> Any:
    """The automatic chunks of a band that lies in its file as it is, for all bands, with a dict of the caller on top."""
    stack = next(
        (one for one in stacks.values() if isinstance(one.sources[0], RasterFile)), next(iter(stacks.values()))
    )
    automatic = dict(zip(DIMS, blocks.automatic_chunks(stack), strict=True))
    return automatic | chunks if isinstance(chunks, dict) else tuple(automatic.values())


def _band_attributes(band: Band, product: Product) -> dict[str, Any]:
    if band.name == "scl":
        return dict(SCL_ATTRIBUTES)
    return band_attributes(
        band,
        offset=product.offsets[band.number],
        quantification=product.quantification,
        nodata=product.nodata,
        saturated=product.saturated,
        quantity="surface_reflectance" if product.is_surface else "toa_reflectance",
    )


def _offset(product: Product, bands: list[Band]) -> int:
    """The one offset of the bands; a coordinate of the date cannot state several."""
    offsets = {band.number: product.offsets[band.number] for band in bands if band.name != "scl"}
    if len(set(offsets.values())) > 1:
        raise UnsupportedProductError(
            f"{product.name}: bands have different offsets ({offsets}); open those with one offset: bands=[...]"
        )
    return next(iter(offsets.values()), 0)


def _time_coords(product: Product, tile: Tile, offset: int) -> dict[str, Any]:
    stated: dict[str, Any] = {
        "time": product.sensing_start,
        "platform": product.platform,
        "mgrs_tile": tile.mgrs_tile,
        "processing_baseline": product.processing_baseline,
        "boa_offset_applied": False,
        "boa_add_offset": offset,
    }
    return {name: ("time", np.array([value])) for name, value in stated.items()}


def _grid_coords(tile: Tile, resolution: int) -> dict[str, xr.DataArray]:
    grid = tile.grids[resolution]
    return grid_coords(grid.shape, grid.transform, tile.crs)


def _attributes(product: Product) -> dict[str, Any]:
    return {
        "product": product.name,
        "constellation": "sentinel-2",
        "product_type": product.product_type,
        "quantity": "surface_reflectance" if product.is_surface else "toa_reflectance",
        "relative_orbit": product.relative_orbit,
        "orbit_state": product.orbit_state,
        "datatake_id": product.datatake_id,
        "start_time": str(product.start_time),
        "stop_time": str(product.stop_time),
        "generation_time": str(product.generation_time),
    }


def _checked_offset(images: Images, product: Product) -> Verdict:
    """The verdict on red and classes, from their coarsest files, with a warning where they contradict the metadata."""
    red, scl = (next((b for b in images.layout.images if b.name == name), None) for name in ("red", "scl"))
    if red is None or scl is None:
        return "undecided"
    pending = product.offsets[red.number] != 0
    try:
        headers = [images.header(band, max(images.layout.images[band])) for band in (red, scl)]
    except ProductError:  # told where one of these files is opened as a band
        return "undecided"
    verdict = sampled_verdict(*headers, pending=pending)
    if verdict == "contradicted":
        said = "an offset of -1000 is still to be applied" if pending else "there is no offset in the pixels"
        shown = "without the offset" if pending else "with an offset of 1000 in them"
        warnings.warn(
            f"{product.name}: the metadata says that {said}, but the red numbers of vegetation are those of pixels {shown}; "
            "reflectance would be wrong by 0.1: find out what the source has done to the pixels, and set add_offset of the "
            "bands and the coordinate boa_add_offset to what is true",
            OffsetWarning,
            stacklevel=3,
        )
    return verdict
