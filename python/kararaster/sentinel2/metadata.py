"""Sentinel-2 metadata: XML bytes to typed records, nothing else.

Bands are called as in file names ("B04"). Where baselines name an element differently, all its names are looked for.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np
from affine import Affine

from kararaster.errors import UnsupportedProductError
from kararaster.sentinel2.encoding import FIRST_WITH_OFFSET, NODATA, SATURATED, version_key
from kararaster.xmlfile import child, integer_of, number_of, positive, reading, root_element, size_of, text_of, time_of

PRODUCT_ROOTS = ("Level-2A_User_Product", "Level-1C_User_Product")
TILE_ROOTS = ("Level-2A_Tile_ID", "Level-1C_Tile_ID")

_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""In the order of `band_id`, 0 to 12."""

_TILE = re.compile(r"_T(\d{2}[A-Z]{3})(?:_|$)")
_BASELINE = re.compile(r"\d{1,2}\.\d{1,2}")


@dataclass(frozen=True)
class Product:
    """What the metadata of the product says. `offsets`: digital numbers to be added to each band, in band order."""

    name: str
    product_type: str
    platform: str
    processing_baseline: str
    relative_orbit: int
    orbit_state: str
    datatake_id: str
    sensing_start: np.datetime64
    start_time: np.datetime64
    stop_time: np.datetime64
    generation_time: np.datetime64
    quantification: float
    offsets: dict[str, int]
    nodata: int
    saturated: int

    @property
    def is_surface(self) -> bool:
        """Surface reflectance (level 2A), not that at the top of the atmosphere (level 1C)."""
        return self.product_type == "S2MSI2A"


@dataclass(frozen=True)
class Grid:
    """Where the pixels of one resolution lie."""

    shape: tuple[int, int]
    transform: Affine


@dataclass(frozen=True)
class Tile:
    """What the metadata of the tile says; grids by resolution in m."""

    mgrs_tile: str
    crs: str
    grids: dict[int, Grid]


def parse_product(data: bytes, *, file: str) -> Product:
    """The product metadata (MTD_MSIL2A.xml and its older names)."""
    with reading(file, "Sentinel-2 product metadata"):
        root = root_element(data, *PRODUCT_ROOTS)
        product_type = _product_type(_text(root, "PRODUCT_TYPE"), file)
        baseline = _baseline(_text(root, "PROCESSING_BASELINE"))
        datatake = child(root, ".//Datatake")
        special = _special_values(root)
        return Product(
            name=_text(root, "PRODUCT_URI", "PRODUCT_URI_2A", "PRODUCT_URI_1C").removesuffix(".SAFE"),
            product_type=product_type,
            platform=_platform(text_of(datatake, "SPACECRAFT_NAME")),
            processing_baseline=baseline,
            relative_orbit=integer_of(datatake, "SENSING_ORBIT_NUMBER"),
            orbit_state=text_of(datatake, "SENSING_ORBIT_DIRECTION").lower(),
            datatake_id=datatake.get("datatakeIdentifier", ""),
            sensing_start=time_of(datatake, "DATATAKE_SENSING_START"),
            start_time=time_of(root, ".//PRODUCT_START_TIME"),
            stop_time=time_of(root, ".//PRODUCT_STOP_TIME"),
            generation_time=time_of(root, ".//GENERATION_TIME"),
            quantification=_quantification(root),
            offsets=_offsets(root, baseline),
            nodata=special.get("NODATA", NODATA),
            saturated=special.get("SATURATED", SATURATED),
        )


def parse_tile(data: bytes, *, file: str) -> Tile:
    """The tile metadata (MTD_TL.xml and its older names)."""
    with reading(file, "Sentinel-2 tile metadata"):
        root = root_element(data, *TILE_ROOTS)
        name = _TILE.search(_text(root, "TILE_ID", "TILE_ID_2A"))
        if name is None:
            raise ValueError(f"TILE_ID {_text(root, 'TILE_ID', 'TILE_ID_2A')!r} names no tile such as T33TVM")
        geocoding = child(root, ".//Tile_Geocoding")
        grids = {int(size.get("resolution", "0")): _grid(geocoding, size) for size in geocoding.iterfind("Size")}
        if not grids:
            raise ValueError("element Tile_Geocoding/Size is missing")
        return Tile(name[1], text_of(geocoding, "HORIZONTAL_CS_CODE"), grids)


def _grid(geocoding: ET.Element, size: ET.Element) -> Grid:
    resolution = size.get("resolution")
    place = child(geocoding, f"Geoposition[@resolution='{resolution}']")
    numbers = [number_of(place, name) for name in ("XDIM", "ULX", "YDIM", "ULY")]
    if not np.isfinite(numbers).all() or numbers[0] <= 0 or numbers[2] >= 0:
        raise ValueError(f"Geoposition of {resolution} m is (XDIM, ULX, YDIM, ULY) {numbers}, want XDIM > 0 > YDIM")
    transform = Affine(numbers[0], 0.0, numbers[1], 0.0, numbers[2], numbers[3])
    return Grid((size_of(size, "NROWS"), size_of(size, "NCOLS")), transform)


def _quantification(root: ET.Element) -> float:
    names = ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE")
    return positive(root, _path(root, *names), number_of)


def _offsets(root: ET.Element, baseline: str) -> dict[str, int]:
    """Offset of each band: what the list says, 0 where a baseline before 04.00 has none."""
    stated = root.findall(".//BOA_ADD_OFFSET") or root.findall(".//RADIO_ADD_OFFSET")
    if not stated:
        if version_key(baseline) >= FIRST_WITH_OFFSET:
            raise ValueError(
                f"baseline {baseline} has an offset, but there is no list of BOA_ADD_OFFSET or RADIO_ADD_OFFSET"
            )
        return dict.fromkeys(_BANDS, 0)
    names = _band_names(root)
    offsets = {names[one.get("band_id", "")]: _whole(one) for one in stated if one.get("band_id", "") in names}
    missing = [band for band in _BANDS if band not in offsets and band != "B10"]
    if missing:
        raise ValueError(f"the list of {stated[0].tag} lacks {', '.join(missing)}")
    return offsets


def _whole(node: ET.Element) -> int:
    offset = float(node.text or "nan")
    if not offset.is_integer():
        raise ValueError(f"{node.tag} is {node.text!r}, want a whole number")
    return int(offset)


def _band_names(root: ET.Element) -> dict[str, str]:
    """Band of each `band_id`, as the spectral information says, else in the order that all products have."""
    stated = root.findall(".//Spectral_Information")
    if not stated:
        return {str(number): band for number, band in enumerate(_BANDS)}
    return {one.get("bandId", ""): f"B{one.get('physicalBand', '')[1:]:0>2}" for one in stated}


def _special_values(root: ET.Element) -> dict[str, int]:
    return {
        text_of(one, "SPECIAL_VALUE_TEXT").upper(): integer_of(one, "SPECIAL_VALUE_INDEX")
        for one in root.iterfind(".//Special_Values")
    }


def _product_type(stated: str, file: str) -> str:
    product_type = stated.upper().removesuffix("P")  # S2MSI2Ap: the pilot phase of level 2A
    if product_type not in ("S2MSI2A", "S2MSI1C"):
        raise UnsupportedProductError(f"{file}: the product is {stated}, want S2MSI2A (or S2MSI1C)")
    return product_type


def _baseline(stated: str) -> str:
    if not _BASELINE.fullmatch(stated):
        raise ValueError(f"PROCESSING_BASELINE is {stated!r}, want a version such as '05.11'")
    return stated


def _platform(spacecraft: str) -> str:
    if not re.fullmatch(r"Sentinel-2[A-Z]", spacecraft, re.IGNORECASE):
        raise ValueError(f"SPACECRAFT_NAME is {spacecraft!r}, want Sentinel-2 and a letter")
    return spacecraft.lower()


def _text(root: ET.Element, *names: str) -> str:
    return text_of(root, _path(root, *names))


def _path(root: ET.Element, *names: str) -> str:
    """Where the first of `names` that is there lies."""
    return next((f".//{name}" for name in names if root.find(f".//{name}") is not None), f".//{names[0]}")
