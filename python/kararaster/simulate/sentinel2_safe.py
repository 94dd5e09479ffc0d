"""`sentinel2`: a small Sentinel-2 product, true to format, of the simulated town."""

from __future__ import annotations

import os
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.crs import CRS

from kararaster.errors import InvalidInputError
from kararaster.simulate.safe import publish
from kararaster.simulate.scene import check_scene, grid
from kararaster.simulate.sentinel2_metadata import (
    FINEST,
    MSI_BANDS,
    OFFSET,
    ORBITS_PER_CYCLE,
    Product,
    manifest,
    product_metadata,
    tile_metadata,
)
from kararaster.simulate.sentinel2_scene import RESOLUTIONS, View

Part = tuple[slice, slice]

_STEP = 6
"""Pixels of 10 m in a pixel of 60 m."""
_BLOCK = 1024
_DRIVERS = {
    "JP2": (".jp2", {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}),
    "GTiff": (".tif", {"driver": "GTiff", "compress": "deflate"}),
}


def sentinel2(
    folder: str | os.PathLike[str],
    *,
    shape: tuple[int, int] = (600, 600),
    time: str = "2023-09-05T07:36:21",
    baseline: str = "05.11",
    level: str = "L2A",
    platform: str = "S2A",
    relative_orbit: int = 92,
    tile: str = "38TPK",
    window: Part | None = None,
    bands: Sequence[str] | None = None,
    driver: str = "JP2",
    archive: bool = False,
    overwrite: bool = False,
    cloud_cover: float = 0.0,
    saturated: float = 0.0,
    outside: float = 0.0,
    pixels_without_offset: bool = False,
    event: str = "2023-09-19",
    changes: bool = True,
    seed: int = 0,
    crs: int | str = 32638,
) -> Path:
    """Write a Sentinel-2 product of the town below `folder` and return its path, which appears when it is whole.

    The same ground has the same reflectance r in every product: numbers are 10000 r before baseline 04.00 and 10000 r +
    1000 since, which the metadata say (`BOA_ADD_OFFSET` -1000, in L1C `RADIO_ADD_OFFSET`). Pixels of 20 and 60 m are
    means of those of 10 m. Each date has noise of its own (3.3 % at 10 m); the truth is `simulate.truth` of the same
    shape, seed and crs. L1C holds the numbers of L2A: the air is not simulated, and B10, TCI, AOT and WVP are not written.

    Parameters
    ----------
    shape : rows and columns of the town at 10 m, multiples of 6.
    time : of sensing (UTC).
    baseline : of the processor, two numbers of two digits such as "05.11".
    level : "L2A", or "L1C", which has no scene classification.
    platform : "S2A" or "S2B".
    relative_orbit, tile : for names and metadata; 92 and 38TPK are those over Stepanakert.
    window : rows and columns that the product holds, on multiples of 6 (default all): for tiles that overlap.
    bands : some of `coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 swir16 swir22 scl` (default all).
    driver : "JP2" for lossless JPEG 2000 as in products, "GTiff" for files that are quicker to write.
    archive : a zip archive in place of a folder.
    overwrite : replace a product of that name.
    cloud_cover : share of the town, 0 to 1, under clouds (classes 8 and 9), whose shadows (class 3) come on top of it.
    saturated : share of pixels of 20 m, 0 to 1, at 65535 in all bands (class 1).
    outside : share, 0 to 1, of the town's columns, from the west, that the swath misses: 0 in all bands (class 0).
    pixels_without_offset : numbers are 10000 r although the metadata state the offset: an error of some catalogues.
    event, changes, seed, crs : as in `simulate.optical`.

    Returns
    -------
    Path of `<name>.SAFE`, or of `<name>.zip`.

    Raises
    ------
    InvalidInputError : an argument outside its range, or a product of that name is there and `overwrite` is False.

    Examples
    --------
    >>> import tempfile
    >>> from kararaster import simulate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = simulate.sentinel2(folder, shape=(60, 60), bands=["red", "nir"], baseline="02.14")
    ...     print(path.name, len(list(path.rglob("*.jp2"))))
    S2A_MSIL2A_20230905T073621_N0214_R092_T38TPK_20230905T115811.SAFE 4
    """
    check_scene(shape, seed, 10.0)
    _check_shape(shape, window)
    _check_names(level, platform, driver, baseline, tile, relative_orbit)
    shares = {"cloud_cover": cloud_cover, "saturated": saturated, "outside": outside}
    _check_shares(shares)
    moment = _moment("time", time)
    changed = changes and bool(moment >= _moment("event", event))
    view = View((int(shape[0]), int(shape[1])), seed, moment, changed, **shares)
    part = window or (slice(0, shape[0]), slice(0, shape[1]))
    product = Product(
        platform, level, baseline, moment, relative_orbit, tile, *_place(view, part, crs), _shares(view, part)
    )
    offset = OFFSET if product.has_offset and not pixels_without_offset else 0
    target = Path(folder) / (f"{product.name.removesuffix('.SAFE')}.zip" if archive else product.name)
    if target.exists() and not overwrite:
        raise InvalidInputError(
            f"folder: {target.name} is there already; pass overwrite=True, or simulate another time"
        )
    partial = Path(folder) / f".{product.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    _write_product(partial / product.name, product, _images(product, view, _names(bands, level), offset), part, driver)
    if target.is_dir():
        shutil.rmtree(target)
    publish(partial, target, zipped=archive)
    return target


def _images(
    product: Product, view: View, names: Sequence[str], offset: int
) -> Iterator[tuple[str, int, npt.NDArray[np.generic]]]:
    """Path without ending, resolution and pixels (of the whole town) of every image."""
    for name in names:
        if name == "scl":
            for resolution in RESOLUTIONS[1:]:
                yield product.image("SCL", resolution), resolution, view.classes_at(resolution)
            continue
        for resolution in _resolutions(product, MSI_BANDS[name]):
            numbers = view.numbers(name, resolution, offset=offset)
            yield product.image(MSI_BANDS[name], resolution), resolution, numbers


def _resolutions(product: Product, band: str) -> list[int]:
    """L1C has each band as it was measured; L2A at every coarser resolution too, with three exceptions."""
    (measured,) = (resolution for resolution, bands in FINEST.items() if band in bands)
    if product.level == "L1C" or band == "B08":
        return [measured]
    if band == "B01" and product.has_offset:
        return [20, 60]
    return [resolution for resolution in RESOLUTIONS if resolution >= measured]


def _write_product(
    folder: Path, product: Product, images: Iterator[tuple[str, int, npt.NDArray[np.generic]]], part: Part, driver: str
) -> None:
    """All files; the manifest last, because it lists the others with their checksums."""
    paths = []
    for path, resolution, pixels in images:
        step = resolution // 10
        rows, columns = (slice(axis.start // step, axis.stop // step) for axis in part)
        _write_image(folder / path, pixels[rows, columns], product, resolution, driver)
        paths.append(path)
    _write_xml(folder / f"GRANULE/{product.granule}/MTD_TL.xml", tile_metadata(product))
    _write_xml(folder / product.metadata_name, product_metadata(product, paths))
    _write_xml(folder / "manifest.safe", manifest(product, folder))


def _write_image(stem: Path, pixels: npt.NDArray[np.generic], product: Product, resolution: int, driver: str) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    ending, options = _DRIVERS[driver]
    rows, columns = pixels.shape
    profile: dict[str, Any] = {**options, "count": 1, "dtype": pixels.dtype, "height": rows, "width": columns}
    if min(rows, columns) >= _BLOCK:
        profile |= {"blockxsize": _BLOCK, "blockysize": _BLOCK, "tiled": True}
    left, top = product.transform.c, product.transform.f
    transform = Affine(resolution, 0.0, left, 0.0, -resolution, top)
    with rasterio.open(f"{stem}{ending}", "w", crs=product.crs, transform=transform, **profile) as file:
        file.write(pixels, 1)


def _write_xml(path: Path, root: ET.Element) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)


def _place(view: View, part: Part, crs: int | str) -> tuple[CRS, Affine, tuple[int, int]]:
    """Reference system, transform and shape of the part of the town that the product holds."""
    system, whole = grid(view.shape, 10.0, crs)
    rows, columns = part
    corner = Affine(10.0, 0.0, whole.c + 10 * columns.start, 0.0, -10.0, whole.f - 10 * rows.start)
    return system, corner, (rows.stop - rows.start, columns.stop - columns.start)


def _shares(view: View, part: Part) -> tuple[float, ...]:
    """Share of each of the twelve classes."""
    rows, columns = (slice(axis.start // 2, axis.stop // 2) for axis in part)
    classes = view.classes[rows, columns]
    return tuple(np.bincount(classes.ravel(), minlength=12) / classes.size)


def _names(bands: Sequence[str] | None, level: str) -> list[str]:
    known = [*MSI_BANDS, "scl"] if level == "L2A" else list(MSI_BANDS)
    wrong = [name for name in bands or () if name not in known]
    if wrong or (bands is not None and not bands):
        raise InvalidInputError(f"bands: got {wrong}, want some of {', '.join(known)}")
    return [name for name in known if bands is None or name in bands]


def _check_shape(shape: tuple[int, int], window: Part | None) -> None:
    if len(shape) != 2 or min(shape) < _STEP or any(n % _STEP for n in shape):
        raise InvalidInputError(f"shape: got {shape}, want rows and columns that are multiples of {_STEP}")
    for axis, n in zip(window or (), shape, strict=window is not None):
        edges = (axis.start, axis.stop)
        if (
            not all(isinstance(edge, int) and edge % _STEP == 0 for edge in edges)
            or not 0 <= axis.start < axis.stop <= n
        ):
            raise InvalidInputError(
                f"window: got {window}, want slices inside {shape} that start and stop at multiples of 6"
            )


def _check_names(level: str, platform: str, driver: str, baseline: str, tile: str, relative_orbit: int) -> None:
    for name, value, known in (
        ("level", level, ("L2A", "L1C")),
        ("platform", platform, ("S2A", "S2B")),
        ("driver", driver, tuple(_DRIVERS)),
    ):
        if value not in known:
            raise InvalidInputError(f"{name}: got {value!r}, want one of {', '.join(known)}")
    if not re.fullmatch(r"\d\d\.\d\d", baseline):
        raise InvalidInputError(f"baseline: got {baseline!r}, want two numbers such as '05.11'")
    if not re.fullmatch(r"\d\d[C-X][A-Z]{2}", tile):
        raise InvalidInputError(f"tile: got {tile!r}, want the name of an MGRS tile such as '38TPK'")
    if not 1 <= relative_orbit <= ORBITS_PER_CYCLE:
        raise InvalidInputError(f"relative_orbit: got {relative_orbit}, want 1 to {ORBITS_PER_CYCLE}")


def _check_shares(shares: dict[str, float]) -> None:
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise InvalidInputError(f"{name}: got {share}, want a share from 0 to 1")


def _moment(name: str, text: str) -> np.datetime64:
    try:
        moment: np.datetime64 = np.datetime64(text, "ms")
    except ValueError:
        moment = np.datetime64("NaT")
    if np.isnat(moment):
        raise InvalidInputError(f"{name}: got {text!r}, want a date such as '2023-09-05T07:36:21'")
    return moment
