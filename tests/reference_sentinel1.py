"""Calibration amplitude and thermal noise of Sentinel-1 GRD at single pixels, straight from the text of the XML files.

Slow and obvious: one pixel at a time, plain Python lists, no code shared with the package.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import datetime
from pathlib import Path

ZERO_NODES_ARE_HOLES = 0.0
ROUNDED_TIME = 0.5  # lines; annotated times are rounded to 1 us


def _numbers(node: ET.Element, path: str) -> list[float]:
    return [float(word) for word in node.findtext(path, "").split()]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _linear(x: float, nodes: list[float], values: list[float]) -> float:
    if x <= nodes[0]:
        return values[0]
    for left, right, a, b in zip(nodes, nodes[1:], values, values[1:], strict=False):
        if x <= right:
            return a + (b - a) * (x - left) / (right - left)
    return values[-1]


def _filled(nodes: list[float], values: list[float]) -> list[float]:
    known = [(n, v) for n, v in zip(nodes, values, strict=True) if v > ZERO_NODES_ARE_HOLES]
    if not known:
        return [0.0] * len(values)
    return [v if v > 0 else min(known, key=lambda k: abs(k[0] - n))[1] for n, v in zip(nodes, values, strict=True)]


class Oracle:
    """`amplitude` and `noise` of one polarisation of an unpacked product, from its three XML files and processor
    version."""

    def __init__(self, annotation: Path, calibration: Path, noise: Path | None, ipf: tuple[int, int]) -> None:
        root = ET.parse(annotation).getroot()
        self.mode = root.findtext("adsHeader/mode")
        self.first = _moment(root.findtext("imageAnnotation/imageInformation/productFirstLineUtcTime", ""))
        self.interval = float(root.findtext("imageAnnotation/imageInformation/azimuthTimeInterval", ""))
        self.calibration = ET.parse(calibration).getroot().findall(".//calibrationVector")
        self.ipf = ipf
        if noise is not None:
            root = ET.parse(noise).getroot()
            self.range_vectors = [
                self._range_vector(v) for v in [*root.iter("noiseRangeVector"), *root.iter("noiseVector")]
            ]
            self.blocks = list(root.iter("noiseAzimuthVector"))

    def _range_vector(self, node: ET.Element) -> tuple[float, list[float], list[float]]:
        line = (_moment(node.findtext("azimuthTime", "")) - self.first).total_seconds() / self.interval
        pixel = _numbers(node, "pixel")
        return line, pixel, _filled(pixel, _numbers(node, "noiseRangeLut") or _numbers(node, "noiseLut"))

    def amplitude(self, tag: str, line: int, pixel: int) -> float:
        lines = [float(v.findtext("line", "")) for v in self.calibration]
        after = next((i for i, at in enumerate(lines) if at >= line), len(lines) - 1)
        near = range(max(0, after - 1), after + 1)
        values = [
            _linear(pixel, _numbers(self.calibration[i], "pixel"), _numbers(self.calibration[i], tag)) for i in near
        ]
        return _linear(line, [lines[i] for i in near], values)

    def noise(self, line: int, pixel: int) -> float:
        if not self.blocks:
            return self.scaling() * self._range_noise(self.range_vectors, line, pixel)
        for block in self.blocks:
            first, last, left, right = (
                int(block.findtext(tag, ""))
                for tag in ("firstAzimuthLine", "lastAzimuthLine", "firstRangeSample", "lastRangeSample")
            )
            if first <= line <= last and left <= pixel <= right:
                inside = [v for v in self.range_vectors if first - ROUNDED_TIME <= v[0] <= last + ROUNDED_TIME]
                vectors = inside or [min(self.range_vectors, key=lambda v: abs(v[0] - (first + last) / 2))]
                factor = _linear(line, _numbers(block, "line"), _numbers(block, "noiseAzimuthLut"))
                return factor * self._range_noise(vectors, line, pixel)
        return 0.0

    @staticmethod
    def _range_noise(vectors: list[tuple[float, list[float], list[float]]], line: int, pixel: int) -> float:
        return _linear(line, [at for at, _, _ in vectors], [_linear(pixel, nodes, lut) for _, nodes, lut in vectors])

    def scaling(self) -> float:
        k0 = {"IW": 75088.7, "EW": 56065.87}.get(self.mode or "")
        if k0 is None or self.ipf > (2, 50):
            return 1.0
        dn = _numbers(self.calibration[0], "dn")[0]
        return k0 * dn if self.ipf < (2, 34) else k0 * dn * dn
