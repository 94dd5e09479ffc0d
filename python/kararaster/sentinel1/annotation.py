"""Sentinel-1 annotation: XML bytes to typed records, nothing else.

Times are datetime64[ns] in UTC, lines and pixels count from 0 at the first line and sample of the product. Every parser
takes the bytes of one file and the name to put into messages, and raises `ProductError` where the file is not what it
should be.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kararaster.errors import UnsupportedProductError
from kararaster.xmlfile import (
    child,
    children,
    integer_of,
    number_of,
    positive,
    reading,
    root_element,
    size_of,
    text_of,
    time_of,
)

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Orbit:
    """State vectors in the Earth-fixed frame: `time` (n), `position` in m and `velocity` in m/s (n, 3)."""

    time: Times
    position: Floats
    velocity: Floats


@dataclass(frozen=True, eq=False)
class GeolocationGrid:
    """A coarse grid: `line` (m) and `pixel` (n) place the nodes of every (m, n) field. Degrees, metres, seconds."""

    line: Floats
    pixel: Floats
    azimuth_time: Times
    fields: dict[str, Floats]


@dataclass(frozen=True, eq=False)
class GroundRange:
    """Polynomials between ground and slant range, one record a time; coefficients (record, degree), NaN-padded."""

    time: Times
    slant_range_time: Floats
    gr0: Floats
    grsr: Floats
    sr0: Floats
    srgr: Floats


@dataclass(frozen=True, eq=False)
class Annotation:
    """What the product annotation of one polarisation says."""

    polarization: str
    platform: str
    instrument_mode: str
    product_type: str
    absolute_orbit: int
    datatake_id: str
    orbit_state: str
    slice_number: int | None
    start_time: np.datetime64
    stop_time: np.datetime64
    first_line_time: np.datetime64
    lines: int
    samples: int
    azimuth_time_interval: float
    slant_range_time: float
    pixel_spacing_azimuth: float
    pixel_spacing_range: float
    radar_frequency: float
    thermal_noise_removed: bool
    orbit: Orbit
    geolocation: GeolocationGrid
    ground_range: GroundRange


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibration vectors: one line number a vector, and on its own pixel nodes four amplitude LUTs."""

    line: Floats
    pixel: list[Floats]
    luts: dict[str, list[Floats]]


@dataclass(frozen=True, eq=False)
class NoiseBlock:
    """Azimuth noise of a part of the image; first and last line and sample belong to it."""

    swath: str
    first_line: float
    last_line: float
    first_sample: float
    last_sample: float
    line: Floats
    lut: Floats


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise range vectors, each with its own time and pixel nodes, and azimuth blocks (none before IPF 2.90)."""

    range_time: Times
    range_pixel: list[Floats]
    range_lut: list[Floats]
    blocks: list[NoiseBlock]


@dataclass(frozen=True)
class Manifest:
    """What only the manifest tells: the version of the processor, and the number of the orbit in the repeat cycle."""

    ipf_version: str | None
    relative_orbit: int | None


CALIBRATION_LUTS = {"sigma0": "sigmaNought", "beta0": "betaNought", "gamma0": "gamma", "dn": "dn"}
_GRID_FIELDS = {
    "latitude": "latitude",
    "longitude": "longitude",
    "height": "height",
    "incidence_angle": "incidenceAngle",
    "elevation_angle": "elevationAngle",
    "slant_range_time": "slantRangeTime",
}


def parse_annotation(data: bytes, *, file: str) -> Annotation:
    """The product annotation. Raises `UnsupportedProductError` for anything that is not ground-range detected."""
    with reading(file, "Sentinel-1 annotation"):
        root = root_element(data, "product")
        header, image = child(root, "adsHeader"), child(root, "imageAnnotation/imageInformation")
        _require_ground_range(text_of(header, "productType"), file)
        information = child(root, "generalAnnotation/productInformation")
        processing = child(root, "imageAnnotation/processingInformation")
        slice_number = image.findtext("sliceNumber")
        return Annotation(
            polarization=text_of(header, "polarisation").lower(),
            platform=_platform(text_of(header, "missionId")),
            instrument_mode=text_of(header, "mode"),
            product_type=text_of(header, "productType"),
            absolute_orbit=integer_of(header, "absoluteOrbitNumber"),
            datatake_id=f"{integer_of(header, 'missionDataTakeId'):06X}",
            orbit_state=text_of(information, "pass").lower(),
            slice_number=int(slice_number) if slice_number and slice_number.strip() else None,
            start_time=time_of(header, "startTime"),
            stop_time=time_of(header, "stopTime"),
            first_line_time=time_of(image, "productFirstLineUtcTime"),
            lines=size_of(image, "numberOfLines"),
            samples=size_of(image, "numberOfSamples"),
            azimuth_time_interval=positive(image, "azimuthTimeInterval", number_of),
            slant_range_time=positive(image, "slantRangeTime", number_of),
            pixel_spacing_azimuth=positive(image, "azimuthPixelSpacing", number_of),
            pixel_spacing_range=positive(image, "rangePixelSpacing", number_of),
            radar_frequency=number_of(information, "radarFrequency"),
            thermal_noise_removed=text_of(processing, "thermalNoiseCorrectionPerformed").lower() == "true",
            orbit=_orbit(root),
            geolocation=_geolocation_grid(root),
            ground_range=_ground_range(root),
        )


def parse_calibration(data: bytes, *, file: str) -> Calibration:
    """The calibration annotation; lines and pixel nodes increase, LUT values are finite and positive."""
    with reading(file, "Sentinel-1 annotation"):
        vectors = children(root_element(data, "calibration"), "calibrationVectorList/calibrationVector")
        line = np.array([number_of(vector, "line") for vector in vectors])
        _require_increasing(line, "calibrationVector/line")
        pixel = [_nodes(vector, "pixel") for vector in vectors]
        luts = {}
        for name, tag in CALIBRATION_LUTS.items():
            luts[name] = [_values(vector, tag, nodes.size) for vector, nodes in zip(vectors, pixel, strict=True)]
            if any(not (np.isfinite(lut).all() and (lut > 0).all()) for lut in luts[name]):
                raise ValueError(f"{tag} holds a value that is not a positive number")
        return Calibration(line, pixel, luts)


def parse_noise(data: bytes, *, file: str) -> Noise:
    """The noise annotation: one list of vectors (before IPF 2.90), or range vectors and azimuth blocks."""
    with reading(file, "Sentinel-1 annotation"):
        root = root_element(data, "noise")
        vectors, tag = root.findall("noiseRangeVectorList/noiseRangeVector"), "noiseRangeLut"
        if not vectors:
            vectors, tag = children(root, "noiseVectorList/noiseVector"), "noiseLut"
        vectors = sorted(vectors, key=lambda vector: time_of(vector, "azimuthTime"))
        time = np.array([time_of(vector, "azimuthTime") for vector in vectors])
        _require_increasing(time.astype(np.int64), f"{vectors[0].tag}/azimuthTime")
        pixel = [_nodes(vector, "pixel") for vector in vectors]
        lut = [_values(vector, tag, nodes.size) for vector, nodes in zip(vectors, pixel, strict=True)]
        blocks = [_noise_block(one) for one in root.findall("noiseAzimuthVectorList/noiseAzimuthVector")]
        return Noise(time, pixel, lut, blocks)


def parse_manifest(data: bytes, *, file: str) -> Manifest:
    """The few facts that stand in `manifest.safe` only."""
    with reading(file, "Sentinel-1 annotation"):
        root = root_element(data, "XFDU")
        # The processing chain is nested, newest first, so the first software of this name made the product.
        versions = [one.get("version") for one in root.iterfind(".//{*}software") if "IPF" in (one.get("name") or "")]
        orbit = root.findtext(".//{*}relativeOrbitNumber")
        return Manifest(versions[0] if versions else None, int(orbit) if orbit else None)


def _noise_block(node: ET.Element) -> NoiseBlock:
    line = _nodes(node, "line")
    return NoiseBlock(
        swath=text_of(node, "swath"),
        first_line=number_of(node, "firstAzimuthLine"),
        last_line=number_of(node, "lastAzimuthLine"),
        first_sample=number_of(node, "firstRangeSample"),
        last_sample=number_of(node, "lastRangeSample"),
        line=line,
        lut=_values(node, "noiseAzimuthLut", line.size),
    )


def _orbit(root: ET.Element) -> Orbit:
    vectors = children(root, "generalAnnotation/orbitList/orbit")
    return Orbit(
        time=np.array([time_of(vector, "time") for vector in vectors]),
        position=np.array([[number_of(vector, f"position/{axis}") for axis in "xyz"] for vector in vectors]),
        velocity=np.array([[number_of(vector, f"velocity/{axis}") for axis in "xyz"] for vector in vectors]),
    )


def _geolocation_grid(root: ET.Element) -> GeolocationGrid:
    points = children(root, "geolocationGrid/geolocationGridPointList/geolocationGridPoint")
    places = np.array([(number_of(point, "line"), number_of(point, "pixel")) for point in points])
    line, row = np.unique(places[:, 0], return_inverse=True)
    pixel, column = np.unique(places[:, 1], return_inverse=True)
    if len(points) != line.size * pixel.size or np.unique(row * pixel.size + column).size != len(points):
        raise ValueError(
            f"geolocationGrid has {len(points)} points, not one for each of {line.size} x {pixel.size} places"
        )
    time = np.empty((line.size, pixel.size), "datetime64[ns]")
    time[row, column] = [time_of(point, "azimuthTime") for point in points]
    fields = {name: np.empty((line.size, pixel.size)) for name in _GRID_FIELDS}
    for name, tag in _GRID_FIELDS.items():
        fields[name][row, column] = [number_of(point, tag) for point in points]
    return GeolocationGrid(line, pixel, time, fields)


def _ground_range(root: ET.Element) -> GroundRange:
    records = children(root, "coordinateConversion/coordinateConversionList/coordinateConversion")
    return GroundRange(
        time=np.array([time_of(record, "azimuthTime") for record in records]),
        slant_range_time=np.array([number_of(record, "slantRangeTime") for record in records]),
        gr0=np.array([number_of(record, "gr0") for record in records]),
        grsr=padded([_values(record, "grsrCoefficients") for record in records]),
        sr0=np.array([number_of(record, "sr0") for record in records]),
        srgr=padded([_values(record, "srgrCoefficients") for record in records]),
    )


def padded(rows: Sequence[Floats]) -> Floats:
    """Rows of unequal length as one (row, node) array, NaN behind the end of the shorter ones."""
    out = np.full((len(rows), max((row.size for row in rows), default=0)), np.nan)
    for target, row in zip(out, rows, strict=True):
        target[: row.size] = row
    return out


def _require_ground_range(product_type: str, file: str) -> None:
    if product_type != "GRD":
        raise UnsupportedProductError(
            f"{file}: the product is {product_type}, want GRD (ground range detected); "
            "get the GRD product of the same acquisition"
        )


def _platform(mission: str) -> str:
    if len(mission) != 3 or not mission.upper().startswith("S1"):
        raise ValueError(f"missionId is {mission!r}, want S1 and a letter")
    return f"sentinel-1{mission[2].lower()}"


def _values(node: ET.Element, path: str, size: int | None = None) -> Floats:
    values = np.array([float(word) for word in text_of(node, path).split()])
    if size is not None and values.size != size:
        raise ValueError(f"{path} has {values.size} values for {size} nodes")
    return values


def _nodes(node: ET.Element, path: str) -> Floats:
    nodes = _values(node, path)
    _require_increasing(nodes, path)
    return nodes


def _require_increasing(values: npt.NDArray[Any], name: str) -> None:
    if not (np.diff(values) > 0).all():
        raise ValueError(f"{name} does not increase from one node to the next")
