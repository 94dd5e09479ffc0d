"""Which file of a product is what: metadata by its root element, images by the band in their name.

Names have changed with the baselines (`T33TVM_20241014T101021_B04_10m.jp2` in `R10m`, the same without that folder,
`L2A_T33TVM_..._B04_10m.jp2`, `T33TVM_..._B04.jp2` of level 1C), and processing chains write their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from kararaster.container import Container
from kararaster.errors import ProductError, UnsupportedProductError
from kararaster.sentinel2.metadata import PRODUCT_ROOTS, TILE_ROOTS


@dataclass(frozen=True)
class Band:
    """A band as the rest of the package calls it. `number`: its name in files. `resolution`: its own, in m."""

    name: str
    number: str
    resolution: int


BANDS = (
    Band("coastal", "B01", 60),
    Band("blue", "B02", 10),
    Band("green", "B03", 10),
    Band("red", "B04", 10),
    Band("rededge1", "B05", 20),
    Band("rededge2", "B06", 20),
    Band("rededge3", "B07", 20),
    Band("nir", "B08", 10),
    Band("nir08", "B8A", 20),
    Band("nir09", "B09", 60),
    Band("swir16", "B11", 20),
    Band("swir22", "B12", 20),
    Band("scl", "SCL", 20),
)
"""In the order in which they stand in a Dataset. B10 (cirrus) has no place in it: it sees no ground."""

RESOLUTIONS = (10, 20, 60)

_BY_NUMBER = {band.number: band for band in BANDS}
_HEAD = 4096
"""Bytes of an XML file that surely hold its root element."""
_ROOT = re.compile(rb"<(?![?!])(?:\w+:)?([\w-]+)")
_IMAGE = re.compile(
    r"(?:^|_)(?P<band>B0[1-9]|B1[12]|B8A|SCL)(?:_L2A_\w+?)?(?:_(?P<resolution>[126]0)m)?\.(?:jp2|tiff?)$", re.IGNORECASE
)
_FOLDER = re.compile(r"R([126]0)m")
_QUALITY = ("MSK_", "QI_DATA")


@dataclass(frozen=True)
class Layout:
    """Names in the container: metadata of product and tile, and the image of each band at each resolution in m."""

    product: str
    tile: str
    images: dict[Band, dict[int, str]]

    def finest(self, bands: Iterable[Band]) -> int:
        """The finest resolution at which all of `bands` can be opened: 10 m, or that of a copy coarser than the band."""
        copies = (min(self.images[band]) for band in bands if min(self.images[band]) > band.resolution)
        return max(copies, default=RESOLUTIONS[0])


def locate(container: Container) -> Layout:
    """The files of the one tile that `container` holds.

    Raises UnsupportedProductError for a Sentinel-1 product, ProductError where metadata are missing or several tiles lie
    together.
    """
    names = [name for name in container.names() if not _is_quality(name)]
    roots = {name: _root(container, name) for name in names if name.lower().endswith(".xml")}
    products = [name for name, root in roots.items() if root in PRODUCT_ROOTS]
    tiles = [name for name, root in roots.items() if root in TILE_ROOTS]
    if not products:
        _refuse_foreign(container, roots)
    for found, what in ((products, "MTD_MSIL2A.xml"), (tiles, "MTD_TL.xml")):
        if not found:
            raise ProductError(f"{container.path.name} has no {what}; download the whole product")
        if len(found) > 1:
            raise ProductError(
                f"{container.path.name} holds several products or tiles ({', '.join(found)}); want the path of one"
            )
    return Layout(products[0], tiles[0], _images(container, names))


def _refuse_foreign(container: Container, roots: dict[str, str]) -> None:
    if "product" in roots.values() or container.path.name.upper().startswith("S1"):
        raise UnsupportedProductError(
            f"{container.path.name} is a Sentinel-1 product, want Sentinel-2; open it with open_sentinel1"
        )
    raise ProductError(
        f"{container.path.name} holds no Sentinel-2 product metadata (MTD_MSIL2A.xml); want a SAFE folder or a .zip of one"
    )


def _is_quality(name: str) -> bool:
    path = PurePosixPath(name)
    return path.name.upper().startswith(_QUALITY[0]) or _QUALITY[1] in path.parts


def _root(container: Container, name: str) -> str:
    root = _ROOT.search(container.head(name, _HEAD))
    return root[1].decode() if root else ""


def _images(container: Container, names: list[str]) -> dict[Band, dict[int, str]]:
    images: dict[Band, dict[int, str]] = {}
    for name in names:
        path = PurePosixPath(name)
        named = _IMAGE.search(path.name)
        if named is None:
            continue
        band = _BY_NUMBER[named["band"].upper()]
        folder = _FOLDER.fullmatch(path.parent.name)
        resolution = int(named["resolution"] or (folder[1] if folder else band.resolution))
        other = images.setdefault(band, {}).setdefault(resolution, name)
        if other != name:
            raise ProductError(
                f"{container.path.name} holds {other} and {name} for {band.number} at {resolution} m; want one"
            )
    return {band: images[band] for band in BANDS if band in images}
