"""`sentinel2_stack`: many products, tiles and baselines as one stack on one grid."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, cast

import xarray as xr

from kararaster import blocks, grids
from kararaster.acquisitions import Part, harmonised, newest, passes, stacked
from kararaster.clouds import mask_clouds
from kararaster.container import SENTINEL2_METADATA
from kararaster.conventions import add_history
from kararaster.errors import GeometryError, InvalidInputError, InvalidTypeError, ProductNotFoundError
from kararaster.lazy import LazyArray
from kararaster.placing import Placed, describe, ground_size, overlap, require_grid
from kararaster.sentinel2.layout import RESOLUTIONS
from kararaster.sentinel2.reader import open_sentinel2
from kararaster.store import Chunks

_ARCHIVE = re.compile(r"S2[A-Z]_\w+(\.SAFE)?\.zip", re.IGNORECASE)
_ROUNDING = 0.999
"""A pixel of 19.99 m is one of 20 m: grids in degrees are never exact."""

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def sentinel2_stack(
    paths: Paths,
    *,
    grid: Any,
    bands: Collection[str] | None = None,
    mask: bool = True,
    chunks: Chunks = None,
) -> xr.Dataset:
    """Put many Sentinel-2 products on one grid, dates behind each other, masked; reads a small sample of each, the rest is lazy.

    The sample is that of `open_sentinel2`, which sees whether pixels and metadata agree about the offset.

    Parameters
    ----------
    paths
        Products as in `open_sentinel2` (SAFE folders, `.zip` files), folders that hold some, or an iterable of these. All of
        one level, L2A or L1C; of any tile, reference system and baseline.
    grid
        The grid of the result: a GeoBox, or a Dataset or DataArray that lies on one. Pixels are taken by nearest neighbour from
        the 10, 20 or 60 m grid of the products, whichever is the nearest that is not coarser than its pixels.
    bands
        Which bands, by STAC name or number; all by default.
    mask
        Whether to mask the bands with `mask_clouds` (its defaults). Where `scl` is not among `bands` it is left out again.
    chunks
        "auto", a number (side of a tile), a tuple or dict over (time, y, x). None chooses tiles of the grid, too: the result is
        always lazy; call `.load()` to read it now.

    Returns
    -------
    Dataset (time, y, x), one date for each datatake in the order of time: its tiles are merged, the first pixel with data in the
    order of the tile names counts. Of a tile that was processed several times the highest baseline is taken, and history says
    so. Products that do not touch the grid are left out.

    Bands are uint16 digital numbers with `scale_factor`, `add_offset`, `_FillValue` and `saturated_value` as in
    `open_sentinel2`, in one encoding: where the offsets of products differ, all numbers are brought to the lowest (-1000),
    without loss of any (only those above 64535 become the saturation mark). Coordinates on time: `platform`, `mgrs_tile` and
    `processing_baseline` (those of merged tiles joined with "+"), `boa_offset_applied`, `boa_add_offset` (in the numbers as
    they are here). The bytes do not depend on chunks or threads.

    Raises
    ------
    ProductNotFoundError
        No product at `paths`.
    InvalidTypeError
        `grid` is no grid; `paths` is none.
    GeometryError
        Empty overlap: no product touches the grid.
    InvalidInputError
        Levels mixed, `mask` of level 1C, a band that some products lack.
    ProductError, MissingVariableError
        As in `open_sentinel2`.

    Examples
    --------
    >>> import kararaster as kr
    >>> from odc.geo.geobox import GeoBox
    >>> grid = GeoBox.from_bbox((652_000, 4_418_000, 662_000, 4_428_000), "EPSG:32638", resolution=10)
    >>> stack = kr.sentinel2_stack("products/", grid=grid, bands=["red", "nir"])  # doctest: +SKIP
    """
    box = require_grid(grid)
    found = _products(paths)
    resolution = _resolution(ground_size(box))
    asked = _asked(bands, mask)
    opened = [open_sentinel2(path, bands=asked, resolution=resolution) for path in found]
    opened = list({ds.attrs["product"]: ds for ds in opened}.values())
    _require_one_level(opened, mask)
    touching = [ds for ds in opened if overlap(box, grids.geobox(ds))]
    if not touching:
        raise GeometryError(
            f"paths: empty overlap, none of {len(opened)} products touches the grid {describe(box)}; "
            "check the reference system and the corners of the grid, and the tiles of the products"
        )
    parts, older = newest(_part(ds, box) for ds in touching)
    stack = _stack(parts, touching[0], box, chunks)
    stack = add_history(stack, _line(len(parts), stack.sizes["time"], older))
    if not mask:
        return stack
    masked = mask_clouds(stack)
    return masked if bands is None or _has_classes(bands) else masked.drop_vars("scl")


def _products(paths: Paths) -> list[Path]:
    """Products at `paths`, folders searched."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    if not isinstance(paths, Iterable):
        raise InvalidTypeError(f"paths: got {type(paths).__name__}, want a path or several")
    found = [product for path in paths for product in _inside(Path(path))]
    if not found:
        raise ProductNotFoundError("paths: got none; want SAFE folders, .zip files, or folders that hold some")
    return list(dict.fromkeys(found))


def _inside(path: Path) -> list[Path]:
    if not path.is_dir() or any(SENTINEL2_METADATA.fullmatch(one.name) for one in path.iterdir()):
        return [path]
    files = sorted(one for one in path.rglob("*") if one.is_file())
    folders = [one.parent for one in files if SENTINEL2_METADATA.fullmatch(one.name)]
    archives = [one for one in files if _ARCHIVE.fullmatch(one.name)]
    if not folders and not archives:
        raise ProductNotFoundError(
            f"paths: {path} holds no Sentinel-2 product; want SAFE folders (with MTD_MSIL2A.xml) or S2*.zip files in it"
        )
    return sorted({*folders, *archives})


def _resolution(pixel: float) -> int:
    """The coarsest grid of the products that is not coarser than `pixel` metres."""
    return max((metres for metres in RESOLUTIONS if metres * _ROUNDING <= pixel), default=RESOLUTIONS[0])


def _asked(bands: Collection[str] | None, mask: bool) -> list[str] | None:
    """The bands to open: the classes are needed for the mask."""
    if bands is None:
        return None
    named = [bands] if isinstance(bands, str) else list(bands)
    return [*named, "scl"] if mask and named and not _has_classes(named) else named


def _has_classes(bands: Collection[str]) -> bool:
    return "scl" in [str(band).lower() for band in ([bands] if isinstance(bands, str) else bands)]


def _require_one_level(opened: list[xr.Dataset], mask: bool) -> None:
    first = opened[0].attrs
    for ds in opened:
        if ds.attrs["quantity"] != first["quantity"]:
            raise InvalidInputError(
                f"paths: got {first['product']} ({first['quantity']}) and {ds.attrs['product']} ({ds.attrs['quantity']}); "
                "want products of one level"
            )
    if mask and first["quantity"] != "surface_reflectance":
        raise InvalidInputError(
            f"mask: {first['product']} is level 1C, which has no scene classification; use mask=False"
        )


def _part(ds: xr.Dataset, grid: Any) -> Part:
    """A product on the grid."""
    own, time = grids.geobox(ds), ds["time"].values[0]
    images = {str(name): cast(LazyArray, blocks.lazy_of(band.isel(time=0).data)) for name, band in ds.data_vars.items()}
    bands = {name: Placed(image, own, grid) for name, image in images.items()}
    labels = {
        str(name): coord.item() for name, coord in ds.coords.items() if name != "time" and coord.dims == ("time",)
    }
    return Part(ds.attrs["product"], time, f"{labels['platform']} {time}", bands, labels)


def _stack(parts: list[Part], like: xr.Dataset, grid: Any, chunks: Chunks) -> xr.Dataset:
    names = [str(name) for name in like.data_vars]
    parts = harmonised(parts, [name for name in names if name != "scl"])
    offset = parts[0].labels["boa_add_offset"]
    attrs = {name: dict(like[name].attrs) for name in names}
    for band in attrs.values():
        if "scale_factor" in band:
            band["add_offset"] = offset * band["scale_factor"]
    stack = stacked(passes(parts), grid, attrs, chunks)
    return stack.assign_attrs({key: like.attrs[key] for key in ("constellation", "product_type", "quantity")})


def _line(products: int, dates: int, older: list[str]) -> str:
    left_out = f"; left out for a later baseline: {', '.join(older)}" if older else ""
    return f"sentinel2_stack: {products} products, {dates} dates{left_out}"
