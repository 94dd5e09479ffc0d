"""`write_safe`: a small Sentinel-1 GRD product, true to format, from a backscatter image that is known.

The product has what readers and range-Doppler code look at: manifest, annotation with orbit, geolocation grid and
ground-range polynomials, calibration and noise annotation in any of the layouts that processors have written, and
striped uint16 TIFFs whose digital numbers are the inverse calibration of the image. Every number follows from a
formula, nothing is copied from a product.
"""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.control import GroundControlPoint

from kararaster.errors import InvalidInputError
from kararaster.simulate import safe_annotation
from kararaster.simulate.orbit_geometry import SatellitePass

Floats = npt.NDArray[np.float64]

_MEAN_SIGMA0 = {"co": 0.08, "cross": 0.015}
_LOOKS = 4.4
_FIRST_ORBIT = {"S1A": 73, "S1B": 27}


@dataclass(frozen=True)
class Layout:
    """How the annotation is laid out.

    `ipf`: version of the processor; before 2.90 noise is one list of vectors, up to 2.50 in units of its own.
    `azimuth_blocks`: noise blocks from 2.90 on. `ragged`: every second vector has its own, shorter list of nodes.
    `zero_nodes`: noise nodes without information at the far end of each vector. `covers`: first and last noise vector
    as fractions of the image's lines. `vector_lines`, `node_pixels`: distance of vectors and nodes. `noise_removed`:
    what the annotation says about it.
    """

    ipf: str = "003.40"
    azimuth_blocks: int = 3
    ragged: bool = False
    zero_nodes: int = 2
    covers: tuple[float, float] = (0.0, 1.0)
    vector_lines: int = 100
    node_pixels: int = 40
    noise_removed: bool = False


@dataclass(frozen=True)
class Product:
    """Everything the files of a simulated product are written from."""

    platform: str
    polarizations: tuple[str, ...]
    start: np.datetime64
    relative_orbit: int
    orbit_state: str
    slice_number: int
    sight: SatellitePass
    layout: Layout = field(default_factory=Layout)

    @property
    def absolute_orbit(self) -> int:
        """An orbit of cycle 200 that fits the relative orbit."""
        return 175 * 200 + self.relative_orbit - 1 + _FIRST_ORBIT.get(self.platform, 172)

    @property
    def datatake_id(self) -> int:
        """A number that grows with the orbit, as datatakes do."""
        return self.absolute_orbit * 7 + 1

    @property
    def stop(self) -> np.datetime64:
        """Time of the last line."""
        return self.time((self.sight.lines - 1) * self.sight.interval)

    def time(self, seconds: float) -> np.datetime64:
        """A moment after the first line, to the microsecond as products tell it."""
        return self.start + np.timedelta64(round(seconds * 1e6), "us")

    @property
    def name(self) -> str:
        """Name of the product, without `.SAFE`."""
        first = self.polarizations[0][0].upper()
        kind = f"{'D' if len(self.polarizations) > 1 else 'S'}{first}"
        start, stop = (np.datetime_as_string(t, "s").replace("-", "").replace(":", "") for t in (self.start, self.stop))
        return f"{self.platform}_IW_GRDH_1S{kind}_{start}_{stop}_{self.absolute_orbit:06d}_{self.datatake_id:06X}_51A0"

    def stem(self, polarization: str) -> str:
        """Name of the files of one polarisation, without ending."""
        number = self.polarizations.index(polarization) + 1
        parts = self.name.lower().split("_")
        return f"{parts[0]}-iw-grd-{polarization}-{'-'.join(parts[4:8])}-{number:03d}"


def write_safe(
    folder: str | os.PathLike[str],
    *,
    scene: Mapping[str, npt.ArrayLike] | None = None,
    lines: int = 512,
    samples: int = 512,
    polarizations: Sequence[str] = ("vv", "vh"),
    platform: str = "S1A",
    start: str = "2021-06-01T05:00:00",
    relative_orbit: int = 79,
    orbit_state: str = "descending",
    slice_number: int = 5,
    center: tuple[float, float] = (33.5, 36.3),
    layout: Layout | None = None,
    zipped: bool = False,
    flattened: bool = False,
    seed: int = 0,
) -> Path:
    """Write a product below `folder` and return its path.

    Parameters
    ----------
    scene
        sigma0 as linear power (line, sample) of each polarisation, NaN where the product has nodata; its shape sets
        `lines` and `samples`. By default constant backscatter under gamma speckle of 4.4 looks drawn from `seed`.
    center
        Latitude and longitude in degrees of the middle of the image.
    zipped, flattened
        A zip archive in place of a folder; shortened file names as in cloud copies, without `.SAFE`.

    Raises `InvalidInputError` if the images of `scene` differ in shape, or if the product is there already.
    """
    images = _images(scene) if scene is not None else _speckled(tuple(polarizations), (lines, samples), seed)
    shape = next(iter(images.values())).shape
    sight = SatellitePass.over(*shape, center=center, orbit_state=orbit_state)
    first = np.datetime64(start, "us")
    product = Product(
        platform, tuple(images), first, relative_orbit, orbit_state, slice_number, sight, layout or Layout()
    )
    target = Path(folder) / (product.name + (".zip" if zipped else "" if flattened else ".SAFE"))
    if target.exists():
        raise InvalidInputError(
            f"folder: {target.name} is there already; remove it, or simulate another start time or orbit"
        )
    partial = Path(folder) / f".{product.name}.partial"
    for name, content in _files(product, images, flattened=flattened):
        _write(partial / product.name if flattened else partial / f"{product.name}.SAFE", name, content)
    publish(partial, target, zipped=zipped)
    return target


def _images(scene: Mapping[str, npt.ArrayLike]) -> dict[str, Floats]:
    images = {name: np.asarray(image, dtype=np.float64) for name, image in scene.items()}
    shapes = {image.shape for image in images.values()}
    if len(shapes) != 1 or any(len(shape) != 2 for shape in shapes):
        raise InvalidInputError(
            f"scene: got shapes {sorted(shapes)}, want one shape (line, sample) for all polarisations"
        )
    return images


def _files(product: Product, images: Mapping[str, Floats], *, flattened: bool) -> Iterator[tuple[str, Any]]:
    """Relative name and content of each file: an XML element, or an image with its control points."""
    radiometry = safe_annotation.Radiometry.of(product)
    yield "manifest.safe", safe_annotation.manifest(product)
    for polarization, sigma0 in images.items():
        stem = f"iw-{polarization}" if flattened else product.stem(polarization)
        yield f"annotation/{stem}.xml", safe_annotation.annotation(product, polarization)
        yield (
            f"annotation/calibration/calibration-{stem}.xml",
            safe_annotation.calibration(product, polarization, radiometry),
        )
        yield f"annotation/calibration/noise-{stem}.xml", safe_annotation.noise(product, polarization, radiometry)
        yield f"measurement/{stem}.tiff", (_digital_numbers(sigma0, radiometry), _control_points(product.sight))


def _digital_numbers(sigma0: Floats, radiometry: safe_annotation.Radiometry) -> npt.NDArray[np.uint16]:
    """Inverse calibration; 0, the nodata value, where sigma0 is NaN and only there."""
    lines, samples = (np.arange(n, dtype=np.float64) for n in sigma0.shape)
    noise = radiometry.range_noise(lines[:, np.newaxis], samples) * radiometry.azimuth_noise(
        lines[:, np.newaxis], samples
    )
    power = sigma0 * radiometry.amplitude("sigma0", samples) ** 2 + noise
    dn = np.clip(np.round(np.sqrt(np.maximum(np.nan_to_num(power), 0.0))), 1, 65535)
    return np.where(np.isnan(sigma0), 0, dn).astype(np.uint16)


def _speckled(polarizations: tuple[str, ...], shape: tuple[int, int], seed: int) -> dict[str, Floats]:
    random = np.random.default_rng(seed)
    means = {name: _MEAN_SIGMA0["co" if name[0] == name[1] else "cross"] for name in polarizations}
    return {name: random.gamma(_LOOKS, mean / _LOOKS, shape) for name, mean in means.items()}


def _control_points(sight: SatellitePass) -> list[GroundControlPoint]:
    line, pixel = (places.ravel().astype(float) for places in safe_annotation.grid_nodes(sight))
    latitude, longitude, *_ = sight.geodetic(line, pixel)
    places = zip(line, pixel, longitude, latitude, strict=True)
    return [GroundControlPoint(row=row, col=column, x=x, y=y, z=0.0) for row, column, x, y in places]


def _write(root: Path, name: str, content: Any) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, ET.Element):
        ET.indent(content)
        ET.ElementTree(content).write(path, encoding="UTF-8", xml_declaration=True)
        return
    image, points = content
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "blockysize": 1, "gcps": points, "crs": "EPSG:4326"}
    with rasterio.open(path, "w", height=image.shape[0], width=image.shape[1], **profile) as file:
        file.write(image, 1)


def publish(partial: Path, target: Path, *, zipped: bool) -> None:
    """Give the product that is whole in the folder `partial` its name `target` in one step, as a zip archive if so asked."""
    if not zipped:
        (product,) = partial.iterdir()
        os.replace(product, target)
    else:
        archive = partial.with_suffix(".zip")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(partial.rglob("*")):
                file.write(path, path.relative_to(partial))
        os.replace(archive, target)
    shutil.rmtree(partial)
