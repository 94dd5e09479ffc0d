"""Annotation records to the small variables of a radar-grid Dataset.

Per-polarisation tables have `polarization` as first dimension and are padded with NaN to the size of the largest one,
so that vectors of unequal length and products with unequal tables keep every number and survive Zarr and NetCDF.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from kararaster.sentinel1.annotation import (
    Annotation,
    Calibration,
    Floats,
    GeolocationGrid,
    GroundRange,
    Noise,
    Orbit,
    padded,
)

Variables = dict[str, xr.Variable]

_GRID_ATTRIBUTES: dict[str, dict[str, str]] = {
    "latitude": {"units": "degrees_north"},
    "longitude": {"units": "degrees_east"},
    "height": {"units": "m", "long_name": "height above the ellipsoid"},
    "incidence_angle": {"units": "degree", "standard_name": "angle_of_incidence"},
    "elevation_angle": {"units": "degree"},
    "slant_range_time": {"units": "s", "long_name": "two-way slant range time"},
}


def calibration_variables(tables: Sequence[Calibration | None]) -> Variables:
    """Calibration vectors of each polarisation; amplitudes A such that power is (DN / A)^2."""
    if not any(tables):
        return {}
    nodes = ("polarization", "calibration_vector", "calibration_node")
    out = {
        "calibration_line": xr.Variable(nodes[:2], padded([t.line if t else np.empty(0) for t in tables])),
        "calibration_pixel": xr.Variable(nodes, _cube([t.pixel if t else [] for t in tables])),
    }
    for name in ("sigma0", "beta0", "gamma0", "dn"):
        cube = _cube([t.luts[name] if t else [] for t in tables])
        out[f"{name}_lut"] = xr.Variable(nodes, cube, {"units": "1", "long_name": f"calibration amplitude of {name}"})
    return out


def noise_variables(tables: Sequence[Noise | None], annotation: Annotation) -> Variables:
    """Noise range vectors at fractional line numbers, and azimuth blocks, of each polarisation."""
    if not any(tables):
        return {}
    nodes = ("polarization", "noise_range_vector", "noise_range_node")
    lines = [fractional_lines(t.range_time, annotation) if t else np.empty(0) for t in tables]
    return {
        "noise_range_line": xr.Variable(nodes[:2], padded(lines)),
        "noise_range_pixel": xr.Variable(nodes, _cube([t.range_pixel if t else [] for t in tables])),
        "noise_range_lut": xr.Variable(nodes, _cube([t.range_lut if t else [] for t in tables])),
        **_noise_blocks(tables),
    }


def _noise_blocks(tables: Sequence[Noise | None]) -> Variables:
    blocks = [t.blocks if t else [] for t in tables]
    count = max(map(len, blocks))
    if not count:
        return {}
    nodes = ("polarization", "noise_azimuth_block", "noise_azimuth_node")
    out = {
        f"noise_azimuth_{edge}": xr.Variable(
            nodes[:2], padded([np.array([getattr(b, edge) for b in bs]) for bs in blocks])
        )
        for edge in ("first_line", "last_line", "first_sample", "last_sample")
    }
    out["noise_azimuth_line"] = xr.Variable(nodes, _cube([[b.line for b in bs] for bs in blocks]))
    out["noise_azimuth_lut"] = xr.Variable(nodes, _cube([[b.lut for b in bs] for bs in blocks]))
    swaths = [[b.swath for b in bs] + [""] * (count - len(bs)) for bs in blocks]
    out["noise_azimuth_swath"] = xr.Variable(nodes[:2], np.array(swaths))
    return out


def fractional_lines(time: Any, annotation: Annotation) -> Floats:
    """Times as line numbers with a fraction; differences of integer ns, so no digit is lost."""
    elapsed = (time - annotation.first_line_time) / np.timedelta64(1, "ns")
    lines: Floats = elapsed / (annotation.azimuth_time_interval * 1e9)
    return lines


def geolocation_variables(grid: GeolocationGrid) -> Variables:
    """The geolocation grid on the line and pixel numbers of its nodes."""
    dims = ("geolocation_line", "geolocation_pixel")
    out = {
        "geolocation_line": xr.Variable(dims[0], grid.line),
        "geolocation_pixel": xr.Variable(dims[1], grid.pixel),
        "geolocation_azimuth_time": xr.Variable(dims, grid.azimuth_time),
    }
    out |= {f"geolocation_{name}": xr.Variable(dims, grid.fields[name], _GRID_ATTRIBUTES[name]) for name in grid.fields}
    return out


def orbit_variables(orbit: Orbit) -> Variables:
    """State vectors in the Earth-fixed frame."""
    frame = "Earth-fixed, WGS84"
    return {
        "axis": xr.Variable("axis", np.array(["x", "y", "z"])),
        "orbit_time": xr.Variable("orbit_vector", orbit.time),
        "orbit_position": xr.Variable(
            ("orbit_vector", "axis"), orbit.position, {"units": "m", "reference_frame": frame}
        ),
        "orbit_velocity": xr.Variable(
            ("orbit_vector", "axis"), orbit.velocity, {"units": "m s-1", "reference_frame": frame}
        ),
    }


def ground_range_variables(records: GroundRange) -> Variables:
    """Polynomials: `grsr` from ground to slant range about gr0, `srgr` from slant to ground range about sr0."""
    one, table = "srgr_record", ("srgr_record", "srgr_degree")
    return {
        "srgr_time": xr.Variable(one, records.time),
        "srgr_slant_range_time": xr.Variable(one, records.slant_range_time, {"units": "s"}),
        "srgr_gr0": xr.Variable(one, records.gr0, {"units": "m"}),
        "grsr_coefficients": xr.Variable(table, records.grsr),
        "srgr_sr0": xr.Variable(one, records.sr0, {"units": "m"}),
        "srgr_coefficients": xr.Variable(table, records.srgr),
    }


def grid_coordinates(annotation: Annotation) -> Variables:
    """Coordinates of the image: time and line number of each row, ground range and pixel number of each column."""
    line, pixel = np.arange(annotation.lines), np.arange(annotation.samples)
    elapsed = np.round(line * (annotation.azimuth_time_interval * 1e9)).astype("timedelta64[ns]")
    ground_range = pixel * annotation.pixel_spacing_range
    return {
        "azimuth_time": xr.Variable(
            "azimuth_time", annotation.first_line_time + elapsed, {"long_name": "zero-Doppler time"}
        ),
        "ground_range": xr.Variable("ground_range", ground_range, {"units": "m"}),
        "line": xr.Variable("azimuth_time", line, {"long_name": "line number in the product"}),
        "pixel": xr.Variable("ground_range", pixel, {"long_name": "sample number in the product"}),
    }


def noise_scaling(
    calibration: Mapping[str, Calibration | None], noise: Mapping[str, Noise | None], mode: str, version: str | None
) -> Floats:
    """Factor that brings the noise LUT of each polarisation to DN^2; NaN where it cannot be known."""
    return np.array([_scaling(calibration[p], noise[p], mode, version) for p in noise])


def _scaling(calibration: Calibration | None, noise: Noise | None, mode: str, version: str | None) -> float:
    reference = {"IW": 75088.7, "EW": 56065.87}.get(mode)
    if reference is None or (noise is not None and noise.blocks):
        return 1.0
    if version is None:
        return np.nan
    if version_key(version) > (2, 50):
        return 1.0
    if calibration is None:
        return np.nan
    dn = calibration.luts["dn"][0][0]
    return float(reference * dn if version_key(version) < (2, 34) else reference * dn**2)


def version_key(version: str) -> tuple[int, ...]:
    """A processor version such as "003.31" as numbers that compare; 0 for a part that is not a number."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.strip().split("."))


def _cube(tables: Sequence[Sequence[Floats]]) -> Floats:
    """Tables of ragged rows as (table, row, node), NaN-padded."""
    vectors = max(map(len, tables))
    nodes = max((row.size for table in tables for row in table), default=0)
    out = np.full((len(tables), vectors, nodes), np.nan)
    for target, table in zip(out, tables, strict=True):
        rows = padded(table)
        target[: rows.shape[0], : rows.shape[1]] = rows
    return out
