"""`open_sentinel1`: a Sentinel-1 GRD product as a radar-grid Dataset of digital numbers and annotation."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from kararaster import blocks, conventions
from kararaster.container import Container, open_container
from kararaster.errors import InvalidInputError, InvalidTypeError, ProductError
from kararaster.sentinel1 import variables
from kararaster.sentinel1.annotation import (
    Annotation,
    Manifest,
    parse_annotation,
    parse_calibration,
    parse_manifest,
    parse_noise,
)
from kararaster.sentinel1.layout import Files, locate, manifest_name

_Record = TypeVar("_Record")

_RELIABLE_SINCE = (2, 34)
"""Processor version from which on the calibration LUT can be trusted."""

_FIRST_ORBIT = {"sentinel-1a": 73, "sentinel-1b": 27}
"""Absolute orbit that was relative orbit 1 of the 175 in a cycle: for copies without manifest."""


def open_sentinel1(
    path: str | os.PathLike[str],
    *,
    polarizations: Collection[str] | None = None,
    chunks: Any = "auto",
) -> xr.Dataset:
    """Open a Sentinel-1 ground-range detected (GRD) product; pixels are read when they are computed.

    Parameters
    ----------
    path
        A SAFE folder, a `.zip` of one (read in place), the `manifest.safe` in it, or a cloud copy with shortened file
        names.
    polarizations
        Which of the product's polarisations to open, for example `["vv"]`; all of them by default.
    chunks
        As for dask; "auto" follows the storage (full-width bands of a striped file, whole blocks of a tiled one), None
        loads now.

    Returns
    -------
    Dataset with dimensions (azimuth_time, ground_range) and one uint16 variable of digital numbers a polarisation
    (`vv`, `vh`, `hh`, `hv`; 0 is nodata), coordinates `line` and `pixel`, and the annotation as small variables:
    calibration and noise LUTs, geolocation grid, orbit, ground-range polynomials. Where calibration or noise annotation
    is missing their variables are NaN or absent and `attrs["missing_annotation"]` says which; a missing or damaged TIFF
    is an error only when pixels are read.

    Raises
    ------
    ProductNotFoundError
        Nothing at `path`.
    UnsupportedProductError
        A product other than GRD.
    ProductError
        Annotation is missing, damaged, hostile, or contradicts itself; pixels that do not fit the annotation, when
        read.
    MissingVariableError
        A polarisation that the product does not have.
    InvalidInputError, InvalidTypeError
        Chunk sizes for other dimensions; polarisations that are no collection of names.
    """
    _check_arguments(polarizations, chunks)
    container = open_container(path)
    files = locate(container, polarizations)
    annotations = _parsed(container, {p: f.annotation for p, f in files.items()}, parse_annotation)
    known = {p: one for p, one in annotations.items() if one is not None}
    annotation = _agreed(container, known)
    manifest = _manifest(container)
    tables = _tables(container, files, annotation, manifest)
    ds = xr.Dataset(
        {**_images(container, files, annotation, chunks), **tables},
        coords={**variables.grid_coordinates(annotation), **_scalars(annotation, manifest)},
        attrs=_attributes(container, files, annotation, manifest),
    )
    ds = ds.set_coords(
        [name for name in ("axis", "geolocation_line", "geolocation_pixel", "polarization") if name in ds]
    )
    return conventions.add_history(ds, f"open_sentinel1: {ds.attrs['product']}, {', '.join(files)}")


def _check_arguments(polarizations: Any, chunks: Any) -> None:
    if polarizations is not None and not isinstance(polarizations, Collection):
        raise InvalidTypeError(f"polarizations: got {polarizations!r}, want names such as ['vv', 'vh']")
    unknown = sorted(set(chunks) - set(conventions.RADAR_DIMS), key=str) if isinstance(chunks, dict) else []
    if unknown:
        raise InvalidInputError(f"chunks: got sizes for {unknown}, want some of {conventions.RADAR_DIMS}")


def _tables(
    container: Container, files: Mapping[str, Files], annotation: Annotation, manifest: Manifest
) -> variables.Variables:
    calibration = _parsed(container, {p: f.calibration for p, f in files.items()}, parse_calibration)
    noise = _parsed(container, {p: f.noise for p, f in files.items()}, parse_noise)
    out = {
        "polarization": xr.Variable("polarization", np.array(list(files))),
        **variables.calibration_variables(list(calibration.values())),
        **variables.noise_variables(list(noise.values()), annotation),
        **variables.geolocation_variables(annotation.geolocation),
        **variables.orbit_variables(annotation.orbit),
        **variables.ground_range_variables(annotation.ground_range),
    }
    if any(noise.values()):
        scaling = variables.noise_scaling(calibration, noise, annotation.instrument_mode, manifest.ipf_version)
        out["noise_scaling"] = xr.Variable("polarization", scaling, {"long_name": "factor from noise LUT to DN^2"})
    return out


def _parsed(
    container: Container, names: Mapping[str, str | None], parse: Callable[..., _Record]
) -> dict[str, _Record | None]:
    return {
        polarization: parse(container.read(name), file=container.describe(name)) if name else None
        for polarization, name in names.items()
    }


def _agreed(container: Container, annotations: Mapping[str, Annotation]) -> Annotation:
    """The annotation that stands for all: what the image grid hangs on must be the same in every polarisation."""
    first, *others = annotations.values()
    for name in (
        "lines",
        "samples",
        "first_line_time",
        "azimuth_time_interval",
        "thermal_noise_removed",
        "absolute_orbit",
    ):
        values = {p: getattr(one, name) for p, one in annotations.items()}
        if any(getattr(other, name) != getattr(first, name) for other in others):
            raise ProductError(
                f"{container.path.name}: polarisations disagree about {name} ({values}); two products are mixed"
            )
    return first


def _manifest(container: Container) -> Manifest:
    name = manifest_name(container)
    return parse_manifest(container.read(name), file=container.describe(name)) if name else Manifest(None, None)


def _images(
    container: Container, files: Mapping[str, Files], annotation: Annotation, chunks: Any
) -> variables.Variables:
    from kararaster.sentinel1.measurement import measurement  # noqa: PLC0415  # GDAL takes long to import

    shape, out = (annotation.lines, annotation.samples), {}
    if isinstance(chunks, dict):
        chunks = {axis: chunks[dim] for axis, dim in enumerate(conventions.RADAR_DIMS) if dim in chunks}
    for polarization, file in files.items():
        lazy = measurement(container, file.measurement, polarization=polarization, shape=shape)
        attrs = {"long_name": "digital_number", "units": "1", "polarization": polarization.upper(), "nodata": 0}
        out[polarization] = xr.Variable(conventions.RADAR_DIMS, blocks.from_lazy(lazy, chunks=chunks), attrs)
    return out


def _scalars(annotation: Annotation, manifest: Manifest) -> dict[str, Any]:
    """What tells one date from another once dates are stacked."""
    out: dict[str, Any] = {
        "platform": annotation.platform,
        "orbit_state": annotation.orbit_state,
        "absolute_orbit": annotation.absolute_orbit,
        "datatake_id": annotation.datatake_id,
    }
    relative_orbit = manifest.relative_orbit
    if relative_orbit is None and annotation.platform in _FIRST_ORBIT:
        relative_orbit = (annotation.absolute_orbit - _FIRST_ORBIT[annotation.platform]) % 175 + 1
    if relative_orbit is not None:
        out["relative_orbit"] = relative_orbit
    return out


def _attributes(
    container: Container, files: Mapping[str, Files], annotation: Annotation, manifest: Manifest
) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "product": _product_name(container, next(iter(files.values()))),
        "constellation": "sentinel-1",
        "instrument_mode": annotation.instrument_mode,
        "product_type": annotation.product_type,
        "start_time": str(annotation.start_time),
        "stop_time": str(annotation.stop_time),
        "azimuth_time_interval": annotation.azimuth_time_interval,
        "slant_range_time": annotation.slant_range_time,
        "pixel_spacing_azimuth": annotation.pixel_spacing_azimuth,
        "pixel_spacing_range": annotation.pixel_spacing_range,
        "radar_frequency": annotation.radar_frequency,
        "thermal_noise_removed": int(annotation.thermal_noise_removed),
    }
    if annotation.slice_number is not None:
        attrs["slice_number"] = annotation.slice_number
    if manifest.ipf_version is not None:
        attrs["ipf_version"] = manifest.ipf_version
        attrs["calibration_reliable"] = int(variables.version_key(manifest.ipf_version) >= _RELIABLE_SINCE)
    missing = [
        f"{role} {p}" for p, file in files.items() for role in ("calibration", "noise") if not getattr(file, role)
    ]
    if missing:
        attrs["missing_annotation"] = ", ".join(missing)
    return attrs


def _product_name(container: Container, files: Files) -> str:
    """The SAFE folder if the annotation lies in one, else the name that was opened."""
    for part in PurePosixPath(files.annotation).parts[:-1]:
        if part.upper().endswith(".SAFE"):
            return part[:-5]
    name = container.path.name
    return name.rpartition(".")[0] if name.lower().endswith((".safe", ".zip")) else name
