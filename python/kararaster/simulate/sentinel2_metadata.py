"""The names and the XML of a simulated Sentinel-2 product."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.warp
from affine import Affine
from rasterio.crs import CRS

MSI_BANDS = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge1": "B05",
    "rededge2": "B06",
    "rededge3": "B07",
    "nir": "B08",
    "nir08": "B8A",
    "nir09": "B09",
    "swir16": "B11",
    "swir22": "B12",
}
"""Bands of the data model by their name in products."""
FINEST = {10: ("B02", "B03", "B04", "B08"), 20: ("B05", "B06", "B07", "B8A", "B11", "B12"), 60: ("B01", "B09")}
"""Bands by the resolution in metres at which they are measured."""
OFFSET = 1000
"""Added to the digital numbers since baseline 04.00, so that dark pixels are not cut off at 0."""
ORBITS_PER_CYCLE = 143
"""Relative orbits are counted from 1 to this, in ten days."""

_FIRST_WITH_OFFSET = (4, 0)
_ALL_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
_WAVELENGTHS = (442.7, 492.7, 559.8, 664.6, 704.1, 740.5, 782.8, 832.8, 864.7, 945.1, 1373.5, 1613.7, 2202.4)
_CLASSES = (
    "SC_NODATA", "SC_SATURATED_DEFECTIVE", "SC_CAST_SHADOW", "SC_CLOUD_SHADOW", "SC_VEGETATION", "SC_NOT_VEGETATED",
    "SC_WATER", "SC_UNCLASSIFIED", "SC_CLOUD_MEDIUM_PROBA", "SC_CLOUD_HIGH_PROBA", "SC_THIN_CIRRUS", "SC_SNOW_ICE",
)  # fmt: skip
_SHARES = (
    "NODATA_PIXEL_PERCENTAGE", "SATURATED_DEFECTIVE_PIXEL_PERCENTAGE", "CAST_SHADOW_PERCENTAGE",
    "CLOUD_SHADOW_PERCENTAGE", "VEGETATION_PERCENTAGE", "NOT_VEGETATED_PERCENTAGE", "WATER_PERCENTAGE",
    "UNCLASSIFIED_PERCENTAGE", "MEDIUM_PROBA_CLOUDS_PERCENTAGE", "HIGH_PROBA_CLOUDS_PERCENTAGE",
    "THIN_CIRRUS_PERCENTAGE", "SNOW_ICE_PERCENTAGE",
)  # fmt: skip
_KNOWN_ORBITS = {
    "S2A": (np.datetime64("2024-10-14T10:17", "m"), 48639, -3),
    "S2B": (np.datetime64("2021-01-22T13:32", "m"), 20270, 26),
}
"""A time, the absolute orbit then, and absolute minus relative orbit, modulo the orbits of a cycle."""
_PROCESSING_TIME = np.timedelta64(4 * 3600 + 1310, "s")


@dataclass(frozen=True)
class Product:
    """Everything the names and the metadata of a product are made from.

    `level`: "L2A" or "L1C". `transform`: of the grid of 10 m, which has `shape` rows and columns. `class_shares`: of the
    twelve classes of the scene classification.
    """

    platform: str
    level: str
    baseline: str
    moment: np.datetime64
    relative_orbit: int
    tile: str
    crs: CRS
    transform: Affine
    shape: tuple[int, int]
    class_shares: tuple[float, ...]

    @property
    def has_offset(self) -> bool:
        """Whether products of this baseline carry the radiometric offset."""
        return tuple(int(part) for part in self.baseline.split(".")) >= _FIRST_WITH_OFFSET

    @property
    def absolute_orbit(self) -> int:
        """The orbit nearest in time that fits the relative orbit."""
        known, orbit, ahead = _KNOWN_ORBITS[self.platform]
        days = (self.moment - known) / np.timedelta64(1, "D")
        cycle = round((orbit + days * ORBITS_PER_CYCLE / 10 - self.relative_orbit - ahead) / ORBITS_PER_CYCLE)
        return cycle * ORBITS_PER_CYCLE + self.relative_orbit + ahead

    @property
    def sensed(self) -> str:
        """Start of the datatake as names tell it."""
        return _compact(self.moment)

    @property
    def generated(self) -> str:
        """Time of processing as names tell it."""
        return _compact(self.moment + _PROCESSING_TIME)

    @property
    def name(self) -> str:
        """Name of the product with `.SAFE`."""
        orbit, number = f"R{self.relative_orbit:03d}", self.baseline.replace(".", "")
        parts = (self.platform, f"MSI{self.level}", self.sensed, f"N{number}", orbit, f"T{self.tile}", self.generated)
        return "_".join(parts) + ".SAFE"

    @property
    def granule(self) -> str:
        """Name of the folder of the only granule."""
        return f"{self.level}_T{self.tile}_A{self.absolute_orbit:06d}_{_compact(self.moment + np.timedelta64(4, 's'))}"

    @property
    def datastrip_id(self) -> str:
        """Name of the datastrip."""
        stamps = f"{self.generated}_S{_compact(self.moment + np.timedelta64(4, 's'))}"
        return f"{self.platform}_OPER_MSI_{self.level}_DS_2APS_{stamps}_N{self.baseline}"

    @property
    def tile_id(self) -> str:
        """Name of the granule in the archive."""
        place = f"A{self.absolute_orbit:06d}_T{self.tile}"
        return f"{self.platform}_OPER_MSI_{self.level}_TL_2APS_{self.generated}_{place}_N{self.baseline}"

    def image(self, band: str, resolution: int) -> str:
        """Path of an image inside the product, without ending. Only L2A says the resolution."""
        stem = f"GRANULE/{self.granule}/IMG_DATA"
        file = f"T{self.tile}_{self.sensed}_{band}"
        return f"{stem}/R{resolution}m/{file}_{resolution}m" if self.level == "L2A" else f"{stem}/{file}"

    @property
    def metadata_name(self) -> str:
        """Name of the product's own metadata."""
        return f"MTD_MSI{self.level}.xml"


def product_metadata(product: Product, images: Sequence[str]) -> ET.Element:
    """`MTD_MSIL2A.xml` or `MTD_MSIL1C.xml`; `images`: paths without ending."""
    footprint = {"Global_Footprint": {"EXT_POS_LIST": _footprint(product)}}
    quality: dict[str, Any] = {"Cloud_Coverage_Assessment": f"{_cloudy(product):.6f}"}
    if product.level == "L2A":
        quality["Image_Content_QI"] = _content(product)
    sections = {
        "General_Info": {
            "Product_Info": _product_info(product, images),
            "Product_Image_Characteristics": _image_characteristics(product),
        },
        "Geometric_Info": {"Product_Footprint": {"Product_Footprint": footprint}},
        "Quality_Indicators_Info": quality,
    }
    return _document(product, "User_Product", f"User_Product_{_level(product)}.xsd", sections)


def tile_metadata(product: Product) -> ET.Element:
    """`MTD_TL.xml`: the grid of the granule and what it shows."""
    content = {"CLOUDY_PIXEL_PERCENTAGE": f"{_cloudy(product):.6f}", **_content(product)}
    sections = {
        "General_Info": {
            "TILE_ID": product.tile_id,
            "DATASTRIP_ID": product.datastrip_id,
            "SENSING_TIME": _iso(product.moment + np.timedelta64(335, "s")),
        },
        "Geometric_Info": {"Tile_Geocoding": _geocoding(product)},
        "Quality_Indicators_Info": {"Image_Content_QI": content},
    }
    return _document(product, "Tile_ID", f"S2_PDI_{_level(product)}_Tile_Metadata.xsd", sections)


def manifest(product: Product, folder: Path) -> ET.Element:
    """`manifest.safe`: every file below `folder` with its size and checksum."""
    root = ET.Element("{urn:ccsds:schema:xfdu:1}XFDU", version="esa/safe/sentinel/1.1/sentinel-2/msi")
    content = ET.SubElement(ET.SubElement(root, "informationPackageMap"), "{urn:ccsds:schema:xfdu:1}contentUnit")
    content.set("textInfo", f"SENTINEL-2 MSI {_level(product)} User Product")
    section = ET.SubElement(root, "dataObjectSection")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        entry = ET.SubElement(section, "dataObject", ID=path.stem)
        kind = "text/xml" if path.suffix == ".xml" else "application/octet-stream"
        stream = ET.SubElement(entry, "byteStream", mimeType=kind, size=str(path.stat().st_size))
        ET.SubElement(stream, "fileLocation", locatorType="URL", href=f"./{path.relative_to(folder).as_posix()}")
        digest = hashlib.sha3_256(path.read_bytes()).hexdigest().upper()
        ET.SubElement(stream, "checksum", checksumName="SHA3-256").text = digest
    return root


def _product_info(product: Product, images: Sequence[str]) -> dict[str, Any]:
    satellite = f"Sentinel-2{product.platform[-1]}"
    stamp = f"{product.sensed}_{product.absolute_orbit:06d}_N{product.baseline}"
    granule = ET.Element("Granule", datastripIdentifier=product.datastrip_id, granuleIdentifier=product.tile_id)
    granule.set("imageFormat", "JPEG2000")
    for image in images:
        ET.SubElement(granule, "IMAGE_FILE").text = image
    datatake = ET.Element("Datatake", datatakeIdentifier=f"G{product.platform}_{stamp}")
    _fill(
        datatake,
        {
            "SPACECRAFT_NAME": satellite,
            "DATATAKE_TYPE": "INS-NOBS",
            "DATATAKE_SENSING_START": _iso(product.moment),
            "SENSING_ORBIT_NUMBER": product.relative_orbit,
            "SENSING_ORBIT_DIRECTION": "DESCENDING",
        },
    )
    return {
        "PRODUCT_START_TIME": _iso(product.moment),
        "PRODUCT_STOP_TIME": _iso(product.moment),
        "PRODUCT_URI": product.name,
        "PROCESSING_LEVEL": _level(product),
        "PRODUCT_TYPE": f"S2MSI{product.level[1:]}",
        "PROCESSING_BASELINE": product.baseline,
        "GENERATION_TIME": _iso(product.moment + _PROCESSING_TIME),
        "Datatake": datatake,
        "Product_Organisation": {"Granule_List": {"Granule": granule}},
    }


def _image_characteristics(product: Product) -> dict[str, Any]:
    specials = [
        {"SPECIAL_VALUE_TEXT": text, "SPECIAL_VALUE_INDEX": number}
        for text, number in (("NODATA", 0), ("SATURATED", 65535))
    ]
    bands = []
    for number, (name, wavelength) in enumerate(zip(_ALL_BANDS, _WAVELENGTHS, strict=True)):
        band = ET.Element("Spectral_Information", bandId=str(number), physicalBand=name)
        _fill(band, {"RESOLUTION": _finest(name), "Wavelength": {"CENTRAL": wavelength}})
        bands.append(band)
    content = {"Special_Values": specials, **_radiometry(product), "Spectral_Information_List": bands}
    if product.level == "L2A":
        content["Scene_Classification_List"] = {
            "Scene_Classification_ID": [
                {"SCENE_CLASSIFICATION_TEXT": name, "SCENE_CLASSIFICATION_INDEX": number}
                for number, name in enumerate(_CLASSES)
            ]
        }
    return content


def _radiometry(product: Product) -> dict[str, Any]:
    """Quantification values and, since baseline 04.00, the offset of each band, under the names that either level uses."""
    surface = product.level == "L2A"
    scales: dict[str, Any] = {"QUANTIFICATION_VALUE": 10000}
    if surface:
        scales = {
            "BOA_QUANTIFICATION_VALUE": 10000,
            "AOT_QUANTIFICATION_VALUE": 1000.0,
            "WVP_QUANTIFICATION_VALUE": 1000.0,
        }
        scales = {"QUANTIFICATION_VALUES_LIST": scales}
    if not product.has_offset:
        return scales
    holder, tag = (
        ("BOA_ADD_OFFSET_VALUES_LIST", "BOA_ADD_OFFSET") if surface else ("Radiometric_Offset_List", "RADIO_ADD_OFFSET")
    )
    offsets = []
    for number in range(len(_ALL_BANDS)):
        offset = ET.Element(tag, band_id=str(number))
        offset.text = str(-OFFSET)
        offsets.append(offset)
    return {**scales, holder: offsets}


def _geocoding(product: Product) -> list[ET.Element]:
    """The corner and the sizes of the three grids."""
    names = ET.Element("HORIZONTAL_CS_NAME"), ET.Element("HORIZONTAL_CS_CODE")
    names[0].text = str(product.crs.to_wkt()).split('"')[1]
    names[1].text = f"EPSG:{product.crs.to_epsg()}"
    rows, columns = product.shape
    sizes, places = [], []
    for resolution in FINEST:
        step = resolution // 10
        size, place = (ET.Element(tag, resolution=str(resolution)) for tag in ("Size", "Geoposition"))
        _fill(size, {"NROWS": rows // step, "NCOLS": columns // step})
        corner = {"ULX": round(product.transform.c), "ULY": round(product.transform.f)}
        _fill(place, {**corner, "XDIM": resolution, "YDIM": -resolution})
        sizes.append(size)
        places.append(place)
    return [*names, *sizes, *places]


def _footprint(product: Product) -> str:
    """Latitude and longitude of the corners, the first one twice."""
    rows, columns = product.shape
    left, top = product.transform.c, product.transform.f
    right, bottom = left + 10 * columns, top - 10 * rows
    x, y = (left, right, right, left, left), (top, top, bottom, bottom, top)
    longitude, latitude = rasterio.warp.transform(product.crs, "EPSG:4326", x, y)
    return " ".join(f"{lat:.12f} {lon:.12f}" for lat, lon in zip(latitude, longitude, strict=True))


def _content(product: Product) -> dict[str, str]:
    return {tag: f"{100 * share:.6f}" for tag, share in zip(_SHARES, product.class_shares, strict=True)}


def _cloudy(product: Product) -> float:
    """Percent of the pixels with data that clouds cover."""
    with_data = 1 - product.class_shares[0]
    return 100 * sum(product.class_shares[8:11]) / with_data if with_data > 0 else 0.0


def _finest(band: str) -> int:
    """Resolution of a band named as in the metadata; B10 exists in L1C only."""
    name = band if band in {"B8A", "B10", "B11", "B12"} else f"B0{band[1:]}"
    return next((resolution for resolution, bands in FINEST.items() if name in bands), 60)


def _fill(parent: ET.Element, content: Mapping[str, Any]) -> None:
    """Append children by tag: elements as they are, mappings as subtrees, lists as repeats or as the children of one."""
    for tag, value in content.items():
        if isinstance(value, ET.Element):
            parent.append(value)
        elif isinstance(value, list) and isinstance(value[0], ET.Element):
            ET.SubElement(parent, tag).extend(value)
        elif isinstance(value, list):
            for part in value:
                _fill(ET.SubElement(parent, tag), part)
        elif isinstance(value, Mapping):
            _fill(ET.SubElement(parent, tag), value)
        else:
            ET.SubElement(parent, tag).text = str(value)


def _document(product: Product, kind: str, schema: str, sections: Mapping[str, Any]) -> ET.Element:
    """The root and its sections in the namespace of the edition of the specification that goes with the baseline."""
    edition = 15 if product.has_offset else 14
    namespace = f"https://psd-{edition}.sentinel2.eo.esa.int/PSD/{schema}"
    root = ET.Element(f"n1:{_level(product)}_{kind}", {"xmlns:n1": namespace})
    _fill(root, {f"n1:{name}": content for name, content in sections.items()})
    return root


def _level(product: Product) -> str:
    return f"Level-{product.level[1:]}"


def _compact(moment: np.datetime64) -> str:
    return np.datetime_as_string(moment, "s").replace("-", "").replace(":", "")


def _iso(moment: np.datetime64) -> str:
    return f"{np.datetime_as_string(moment, 'ms')}Z"
