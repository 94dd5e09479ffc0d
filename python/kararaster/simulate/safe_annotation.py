"""The XML of a simulated Sentinel-1 GRD product, and the radiometry that its LUTs and its pixels share."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kararaster.simulate.orbit_geometry import NEAR_LOOK, SPEED_OF_LIGHT, SatellitePass

if TYPE_CHECKING:
    from kararaster.simulate.safe import Layout, Product

Floats = npt.NDArray[np.float64]

_BETA_AMPLITUDE = 474.0
_NOISE_POWER = 1_000.0
"""DN^2: about -26 dB of sigma0."""
_OLD_NOISE_UNIT = 75088.7
"""Noise of IW products up to IPF 2.50 is annotated in units of this times the dn amplitude (squared from 2.34 on)."""
_ORBIT_STEP = 10.0
_SCHEMA = "http://www.esa.int/safe/sentinel-1.0"


@dataclass(frozen=True)
class Block:
    """A noise azimuth block, both ends inside."""

    swath: str
    lines: tuple[int, int]
    samples: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Radiometry:
    """Calibration amplitudes and noise power of a product as functions of line and sample."""

    sight: SatellitePass
    layout: Layout

    @classmethod
    def of(cls, product: Product) -> Radiometry:
        """The radiometry of `product`; all polarisations share it."""
        return cls(product.sight, product.layout)

    @cached_property
    def _incidence(self) -> tuple[Floats, Floats]:
        nodes = np.linspace(0.0, self.sight.samples, 65)
        return nodes, np.radians(self.sight.geodetic(np.full(65, self.sight.lines / 2), nodes)[2])

    def amplitude(self, quantity: str, sample: Floats) -> Floats:
        """A, so that power is (DN / A)^2; sigma0 and gamma0 from beta0 by the incidence angle."""
        angle = np.interp(sample, *self._incidence)
        factor = {
            "sigma0": 1 / np.sin(angle),
            "gamma0": np.cos(angle) / np.sin(angle),
            "beta0": np.ones(angle.shape),
            "dn": np.ones(angle.shape),
        }[quantity]
        amplitude: Floats = _BETA_AMPLITUDE * np.sqrt(factor)
        return amplitude

    def range_noise(self, line: Floats, sample: Floats) -> Floats:
        """Noise power in DN^2: the antenna pattern over the swath, rising a little along the pass."""
        pattern = 1 + 0.2 * np.cos(2 * np.pi * sample / self.sight.samples)
        noise: Floats = _NOISE_POWER * pattern * (1 + 0.1 * line / self.sight.lines)
        return noise

    def azimuth_noise(self, line: Floats, sample: Floats) -> Floats:
        """The factor on the range noise, another one in each block; 1 without blocks."""
        factor = np.ones(np.broadcast_shapes(line.shape, sample.shape))
        for number, block in enumerate(self.blocks):
            (first, last), (left, right) = block.lines, block.samples
            inside = (line >= first) & (line <= last) & (sample >= left) & (sample <= right)
            factor = np.where(inside, self.block_noise(number, line), factor)
        return factor

    def block_noise(self, number: int, line: Floats) -> Floats:
        """The factor of one block."""
        factor: Floats = 1 + 0.01 * number + 0.05 * np.sin(2 * np.pi * line / self.sight.lines)
        return factor

    @cached_property
    def blocks(self) -> list[Block]:
        """Up to three swaths side by side, each cut along the pass into as many blocks as it takes."""
        wanted = self.layout.azimuth_blocks if not old_noise(self.layout) else 0
        swaths = min(3, wanted)
        edges = np.linspace(0, self.sight.samples, swaths + 1).astype(int) if swaths else np.empty(0, int)
        found = []
        for swath in range(swaths):
            parts = wanted // swaths + (swath < wanted % swaths)
            cuts = np.linspace(0, self.sight.lines, parts + 1).astype(int)
            columns = (int(edges[swath]), int(edges[swath + 1]) - 1)
            found += [Block(f"IW{swath + 1}", (int(a), int(b) - 1), columns) for a, b in pairwise(cuts)]
        return found


def old_noise(layout: Layout) -> bool:
    """Whether noise is one list of vectors."""
    return _version(layout) < (2, 90)


def grid_nodes(sight: SatellitePass) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Line and pixel numbers of the geolocation grid, as two arrays of its shape."""
    lines = np.unique(np.linspace(0, sight.lines - 1, 10).astype(int))
    pixels = np.unique(np.linspace(0, sight.samples - 1, 21).astype(int))
    line, pixel = np.meshgrid(lines, pixels, indexing="ij")
    return line, pixel


def manifest(product: Product) -> ET.Element:
    """`manifest.safe`: processor version and relative orbit, where a reader looks for them."""
    root = ET.Element("{urn:ccsds:schema:xfdu:1}XFDU")
    section = ET.SubElement(root, "metadataSection")
    processing = ET.SubElement(_wrapped(section, "processing"), f"{{{_SCHEMA}}}processing", name="GRD Post Processing")
    facility = ET.SubElement(processing, f"{{{_SCHEMA}}}facility", name="kararaster.simulate")
    ET.SubElement(facility, f"{{{_SCHEMA}}}software", name="Sentinel-1 IPF", version=product.layout.ipf)
    reference = ET.SubElement(_wrapped(section, "measurementOrbitReference"), f"{{{_SCHEMA}}}orbitReference")
    for edge in ("start", "stop"):
        ET.SubElement(reference, f"{{{_SCHEMA}}}relativeOrbitNumber", type=edge).text = str(product.relative_orbit)
    return root


def _wrapped(section: ET.Element, identifier: str) -> ET.Element:
    wrap = ET.SubElement(ET.SubElement(section, "metadataObject", ID=identifier), "metadataWrap", mimeType="text/xml")
    return ET.SubElement(wrap, "xmlData")


def annotation(product: Product, polarization: str) -> ET.Element:
    """The product annotation of one polarisation."""
    sight = product.sight
    near = float(sight.slant_range(np.zeros(1), np.full(1, NEAR_LOOK))[0])
    information = {
        "productFirstLineUtcTime": product.start,
        "productLastLineUtcTime": product.stop,
        "productComposition": "Slice",
        "sliceNumber": product.slice_number,
        "slantRangeTime": 2 * near / SPEED_OF_LIGHT,
        "pixelValue": "Detected",
        "outputPixels": "16 bit Unsigned Integer",
        "rangePixelSpacing": sight.spacing,
        "azimuthPixelSpacing": 10.0,
        "azimuthTimeInterval": sight.interval,
        "numberOfSamples": sight.samples,
        "numberOfLines": sight.lines,
    }
    general = {"pass": product.orbit_state.title(), "projection": "Ground Range", "radarFrequency": 5.405000454334350e9}
    removed = str(product.layout.noise_removed).lower()
    content = {
        "adsHeader": _header(product, polarization),
        "generalAnnotation": {"productInformation": general, "orbitList": _orbit(product)},
        "imageAnnotation": {
            "imageInformation": information,
            "processingInformation": {"thermalNoiseCorrectionPerformed": removed, "ellipsoidName": "WGS84"},
        },
        "coordinateConversion": {"coordinateConversionList": _coordinate_conversion(product)},
        "geolocationGrid": {"geolocationGridPointList": _geolocation_grid(product)},
    }
    return _element("product", content)


def calibration(product: Product, polarization: str, radiometry: Radiometry) -> ET.Element:
    """Calibration vectors from before the first line until after the last."""
    vectors = []
    step, sight = product.layout.vector_lines, product.sight
    for number, line in enumerate(range(-(step // 2), sight.lines + step, step)):
        nodes = _range_nodes(product, number)
        luts = {
            tag: _words(radiometry.amplitude(quantity, nodes))
            for quantity, tag in (("sigma0", "sigmaNought"), ("beta0", "betaNought"), ("gamma0", "gamma"), ("dn", "dn"))
        }
        time = product.time(line * sight.interval)
        vectors.append({"azimuthTime": time, "line": line, "pixel": _words(nodes.astype(int)), **luts})
    content = {
        "adsHeader": _header(product, polarization),
        "calibrationInformation": {"absoluteCalibrationConstant": 1.0},
        "calibrationVectorList": ("calibrationVector", vectors),
    }
    return _element("calibration", content)


def noise(product: Product, polarization: str, radiometry: Radiometry) -> ET.Element:
    """Noise vectors in one list (before IPF 2.90), or range vectors and azimuth blocks."""
    old = old_noise(product.layout)
    vectors = []
    for number, line in enumerate(_noise_lines(product)):
        nodes = _range_nodes(product, number)
        lut = radiometry.range_noise(np.array(float(line)), nodes) / _old_scale(product.layout)
        lut[nodes.size - product.layout.zero_nodes :] = 0.0
        time = product.time(line * product.sight.interval)
        tag = "noiseLut" if old else "noiseRangeLut"
        vectors.append({"azimuthTime": time, "line": line, "pixel": _words(nodes.astype(int)), tag: _words(lut)})
    content: dict[str, Any] = {"adsHeader": _header(product, polarization)}
    if old:
        content["noiseVectorList"] = ("noiseVector", vectors)
    else:
        content["noiseRangeVectorList"] = ("noiseRangeVector", vectors)
        blocks = [_azimuth_vector(radiometry, number) for number in range(len(radiometry.blocks))]
        content["noiseAzimuthVectorList"] = ("noiseAzimuthVector", blocks)
    return _element("noise", content)


def _azimuth_vector(radiometry: Radiometry, number: int) -> dict[str, Any]:
    block = radiometry.blocks[number]
    (first, last), (left, right) = block.lines, block.samples
    nodes = np.arange(first, last + 1, 10)
    if len(radiometry.blocks) > 3 and number == len(radiometry.blocks) - 1:
        nodes = nodes[:1]  # the short last block of a product has a single node
    return {
        "swath": block.swath,
        "firstAzimuthLine": first,
        "firstRangeSample": left,
        "lastAzimuthLine": last,
        "lastRangeSample": right,
        "line": _words(nodes),
        "noiseAzimuthLut": _words(radiometry.block_noise(number, nodes.astype(float))),
    }


def _noise_lines(product: Product) -> npt.NDArray[np.int64]:
    first, last = (round(share * (product.sight.lines - 1)) for share in product.layout.covers)
    return np.unique(np.append(np.arange(first, last, product.layout.vector_lines), last))


def _range_nodes(product: Product, number: int) -> Floats:
    """Pixel nodes of a vector; of every second one another, sparser list where the layout is ragged."""
    step = product.layout.node_pixels + (13 if product.layout.ragged and number % 2 else 0)
    last = product.sight.samples - 1
    return np.unique(np.append(np.arange(0, last, step), last)).astype(np.float64)


def _old_scale(layout: Layout) -> float:
    if _version(layout) > (2, 50):
        return 1.0
    return _OLD_NOISE_UNIT * _BETA_AMPLITUDE ** (2 if _version(layout) >= (2, 34) else 1)


def _version(layout: Layout) -> tuple[int, ...]:
    return tuple(map(int, layout.ipf.split(".")))


def _header(product: Product, polarization: str) -> dict[str, Any]:
    return {
        "missionId": product.platform,
        "productType": "GRD",
        "polarisation": polarization.upper(),
        "mode": "IW",
        "swath": "IW",
        "startTime": product.start,
        "stopTime": product.stop,
        "absoluteOrbitNumber": product.absolute_orbit,
        "missionDataTakeId": product.datatake_id,
        "imageNumber": f"{product.polarizations.index(polarization) + 1:03d}",
    }


def _orbit(product: Product) -> tuple[str, list[dict[str, Any]]]:
    end = product.sight.lines * product.sight.interval
    times = np.arange(-6 * _ORBIT_STEP, end + 7 * _ORBIT_STEP, _ORBIT_STEP)
    position, velocity = product.sight.state(times)
    vectors = [
        {
            "time": product.time(time),
            "frame": "Earth Fixed",
            "position": dict(zip("xyz", p.tolist(), strict=True)),
            "velocity": dict(zip("xyz", v.tolist(), strict=True)),
        }
        for time, p, v in zip(times, position, velocity, strict=True)
    ]
    return "orbit", vectors


def _coordinate_conversion(product: Product) -> tuple[str, list[dict[str, Any]]]:
    records = [
        {
            "azimuthTime": product.time(time),
            "slantRangeTime": 2 * sr0 / SPEED_OF_LIGHT,
            "sr0": sr0,
            "srgrCoefficients": _words(srgr),
            "gr0": 0.0,
            "grsrCoefficients": _words(grsr),
        }
        for time, (sr0, grsr, srgr) in zip(product.sight.record_times, product.sight.record_polynomials, strict=True)
    ]
    return "coordinateConversion", records


def _geolocation_grid(product: Product) -> tuple[str, list[dict[str, Any]]]:
    line, pixel = (places.ravel() for places in grid_nodes(product.sight))
    place = line.astype(float), pixel.astype(float)
    latitude, longitude, incidence, look = product.sight.geodetic(*place)
    slant = product.sight.slant_range_at(*place)
    points = [
        {
            "azimuthTime": product.time(line[i] * product.sight.interval),
            "slantRangeTime": 2 * slant[i] / SPEED_OF_LIGHT,
            "line": line[i],
            "pixel": pixel[i],
            "latitude": latitude[i],
            "longitude": longitude[i],
            "height": 0.0,
            "incidenceAngle": incidence[i],
            "elevationAngle": look[i],
        }
        for i in range(line.size)
    ]
    return "geolocationGridPoint", points


def _element(tag: str, content: Any) -> ET.Element:
    """A mapping as child elements, a pair (tag, contents) as a counted list of elements, anything else as text."""
    node = ET.Element(tag)
    if isinstance(content, Mapping):
        node.extend(_element(name, value) for name, value in content.items())
    elif isinstance(content, tuple):
        name, items = content
        node.set("count", str(len(items)))
        node.extend(_element(name, item) for item in items)
    else:
        node.text = repr(float(content)) if isinstance(content, float) else str(content)
    return node


def _words(values: Iterable[Any]) -> str:
    return " ".join(repr(float(v)) if isinstance(v, float) else str(v) for v in values)
