"""Radiometric calibration of Sentinel-1 GRD: digital numbers to linear power, free of thermal noise, in one pass.

sigma0 = (DN^2 - noise) / A^2, with A and the noise interpolated between the knots of the annotation for each pixel
inside the kernel; a LUT of the size of the image never exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster import _kernels, blocks, conventions, threads
from kararaster.errors import InvalidInputError, InvalidTypeError, MissingVariableError
from kararaster.lazy import Window, spatial

Quantity = Literal["sigma0", "beta0", "gamma0"]
Negative = Literal["keep", "zero", "nan", "snap"]
NoiseRule = bool | Literal["annotation"]
Floats = npt.NDArray[np.float64]

_TIME_TOLERANCE = 0.5
"""Lines. Annotated times are rounded to 1 us: a vector on the edge of a block may seem to lie just outside of it."""


@dataclass(frozen=True, eq=False)
class NoiseTables:
    """Thermal noise in DN^2: range vectors at fractional lines, and the blocks that azimuth noise scales them in.

    `blocks` (block, 6) holds first and last line, first and last sample (both ends inside), first and end range vector.
    Without blocks the range noise alone counts. `empty_vectors` counts range vectors without any noise information.
    """

    range_line: Floats
    range_pixel: Floats
    range_lut: Floats
    blocks: npt.NDArray[np.int64]
    azimuth_line: Floats
    azimuth_lut: Floats
    empty_vectors: int

    def as_arguments(self) -> tuple[Floats, Floats, Floats, npt.NDArray[np.int64], Floats, Floats]:
        """The tables in the order of the kernel."""
        return self.range_line, self.range_pixel, self.range_lut, self.blocks, self.azimuth_line, self.azimuth_lut


@dataclass(frozen=True, eq=False)
class Calibrator:
    """Calibrates blocks of an image whose first pixel is `origin` (line, pixel) of the product."""

    origin: tuple[int, int]
    lut_line: Floats
    lut_pixel: Floats
    lut: Floats
    noise: NoiseTables | None
    negative: Negative

    def __call__(self, dn: npt.NDArray[np.uint16], *, window: Window) -> npt.NDArray[np.float32]:
        """Linear power of the block `dn`, which lies at `window` of the image."""
        rows, columns = spatial(window)
        power = np.empty(dn.shape, np.float32)
        _kernels.calibrate(
            dn,
            power,
            origin=(self.origin[0] + rows.start, self.origin[1] + columns.start),
            lut_line=self.lut_line,
            lut_pixel=self.lut_pixel,
            lut=self.lut,
            noise=self.noise.as_arguments() if self.noise else None,
            negative=self.negative,
            num_threads=threads.resolve(),
        )
        return power


def calibrate(
    ds: xr.Dataset,
    quantity: Quantity = "sigma0",
    *,
    noise: NoiseRule = True,
    negative: Negative = "keep",
) -> xr.Dataset:
    """Calibrate the digital numbers of a Sentinel-1 GRD Dataset to linear backscatter; lazy.

    Parameters
    ----------
    ds
        What `open_sentinel1` returns, or a part of it in lines and pixels.
    quantity
        "sigma0", "beta0" or "gamma0" (ellipsoid; from the product's own LUT).
    noise
        True subtracts thermal noise, unless the product says that this was done, scaled as old processors need it;
        "annotation" takes the annotated noise as it stands; False subtracts nothing.
    negative
        What to do where the noise is larger than the signal: "keep" (means stay unbiased), "zero", "nan", or "snap"
        (1e-5 DN^2).

    Returns
    -------
    Dataset with each polarisation as float32 linear power (azimuth_time, ground_range), units 1, NaN where DN is 0;
    coordinates, geolocation grid, orbit and ground-range polynomials are kept, calibration and noise tables are gone.

    Raises
    ------
    InvalidTypeError
        A polarisation that is not uint16.
    InvalidInputError
        An unknown option, data that are calibrated already, or lines or pixels that are not consecutive.
    MissingVariableError
        Calibration or noise annotation that the product came without.

    Examples
    --------
    DN 200 where the sigma0 LUT is 604.098, without noise: (200 / 604.098)^2 = 0.1096.
    """
    _require_options(ds, quantity, noise, negative)
    bands = conventions.radar_bands(ds)
    for name in bands:
        _require_digital_numbers(ds[name])
    origin = (_first(ds, "line"), _first(ds, "pixel"))
    subtract = noise if noise and not ds.attrs.get("thermal_noise_removed") else False
    images = {}
    for name in bands:
        calibrator = Calibrator(
            origin,
            *_calibration_tables(ds, name, quantity),
            _noise_tables(ds, name, subtract) if subtract else None,
            negative,
        )
        images[name] = _calibrated(ds[name], calibrator, quantity)
    out = ds.drop_dims("polarization").assign(images)
    if subtract:
        out.attrs["thermal_noise_removed"] = 1
    return conventions.add_history(out, f"calibrate(quantity={quantity!r}, noise={noise}, negative={negative!r})")


def _calibrated(band: xr.DataArray, calibrator: Calibrator, quantity: str) -> xr.DataArray:
    band = conventions.rows_columns_last(band)
    out = band.copy(data=blocks.elementwise(calibrator, band.data, dtype="float32"))
    out.attrs = conventions.attributes(
        quantity, units="1", quantity=quantity, polarization=band.attrs.get("polarization", str(band.name).upper())
    )
    if calibrator.noise is not None and calibrator.noise.empty_vectors:
        out.attrs["noise_vectors_without_information"] = calibrator.noise.empty_vectors
    return out


def _require_options(ds: xr.Dataset, quantity: str, noise: NoiseRule, negative: str) -> None:
    if not isinstance(ds, xr.Dataset):
        raise InvalidTypeError(
            f"ds: got {type(ds).__name__}, want the Dataset of open_sentinel1 (it carries the calibration)"
        )
    if quantity not in get_args(Quantity):
        raise InvalidInputError(f"quantity: got {quantity!r}, want one of {', '.join(get_args(Quantity))}")
    if noise not in (True, False, "annotation"):
        raise InvalidInputError(f'noise: got {noise!r}, want True, False or "annotation"')
    if negative not in get_args(Negative):
        raise InvalidInputError(f"negative: got {negative!r}, want one of {', '.join(get_args(Negative))}")


def _require_digital_numbers(band: xr.DataArray) -> None:
    if "quantity" in band.attrs:
        raise InvalidInputError(f"{band.name}: is {band.attrs['quantity']} already; calibrate the digital numbers once")
    if band.dtype != np.uint16:
        raise InvalidTypeError(
            f"{band.name}: got dtype {band.dtype}, want the uint16 digital numbers of open_sentinel1"
        )


def _first(ds: xr.Dataset, name: str) -> int:
    """Number of the first line or pixel in the product; the others must follow one by one."""
    if name not in ds.coords:
        raise MissingVariableError(
            f"ds: has no coordinate {name!r}, which says where in the product it lies; see open_sentinel1"
        )
    numbers = ds.coords[name].values
    if numbers.ndim != 1 or (np.diff(numbers) != 1).any():
        raise InvalidInputError(
            f"{name}: numbers are not consecutive; calibrate first, then take every n-th line or pixel (or coarsen)"
        )
    return int(numbers[0]) if numbers.size else 0


def _calibration_tables(ds: xr.Dataset, band: str, quantity: str) -> tuple[Floats, Floats, Floats]:
    if "polarization" not in ds.dims:
        raise MissingVariableError(
            f"{band}: the Dataset has lost its calibration tables; to choose a band say "
            f"open_sentinel1(..., polarizations=[{band!r}]) or ds.drop_vars(...) of the other"
        )
    if f"{quantity}_lut" not in ds or not np.isfinite(line := _table(ds, "calibration_line", band)).any():
        raise MissingVariableError(
            f"{band}: the product came without its calibration annotation "
            f"(annotation/calibration/calibration-*-{band}-*.xml); download that file too"
        )
    kept = np.isfinite(line)
    return line[kept], _table(ds, "calibration_pixel", band)[kept], _table(ds, f"{quantity}_lut", band)[kept]


def _noise_tables(ds: xr.Dataset, band: str, rule: NoiseRule) -> NoiseTables:
    if "noise_range_lut" not in ds or not np.isfinite(line := _table(ds, "noise_range_line", band)).any():
        raise MissingVariableError(
            f"{band}: the product came without its noise annotation (annotation/calibration/noise-*-{band}-*.xml); "
            "download that file too, or pass noise=False"
        )
    kept = np.isfinite(line)
    line, pixel = line[kept], _table(ds, "noise_range_pixel", band)[kept]
    lut = hold_positive(_table(ds, "noise_range_lut", band)[kept], nodes=pixel)
    limits, azimuth_line, azimuth_lut = _azimuth_blocks(ds, band, line)
    return NoiseTables(
        line,
        pixel,
        lut * (1.0 if rule == "annotation" else _scaling(ds, band)),
        limits,
        azimuth_line,
        hold_positive(azimuth_lut, nodes=azimuth_line),
        int((np.nan_to_num(lut) == 0).all(axis=1).sum()),
    )


def _scaling(ds: xr.Dataset, band: str) -> float:
    scaling = float(_table(ds, "noise_scaling", band))
    if np.isnan(scaling):
        raise MissingVariableError(
            f"{band}: the scale of the annotated noise depends on the processor version, and the product came without "
            'manifest.safe; download that file too, or pass noise="annotation" or noise=False'
        )
    return scaling


def _azimuth_blocks(ds: xr.Dataset, band: str, range_line: Floats) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    if "noise_azimuth_lut" not in ds:
        return np.empty((0, 6), np.int64), np.empty((0, 0)), np.empty((0, 0))
    edges = ("first_line", "last_line", "first_sample", "last_sample")
    limits = np.stack([_table(ds, f"noise_azimuth_{edge}", band) for edge in edges], axis=-1)
    kept = np.isfinite(limits).all(axis=-1)
    vectors = [_range_vectors(range_line, first, last) for first, last, *_ in limits[kept]]
    numbers = np.concatenate([limits[kept], np.array(vectors).reshape(-1, 2)], axis=-1).astype(np.int64)
    return numbers, _table(ds, "noise_azimuth_line", band)[kept], _table(ds, "noise_azimuth_lut", band)[kept]


def _range_vectors(lines: Floats, first: float, last: float) -> tuple[int, int]:
    """The range vectors of a block, as first and end: those within its lines, else the one nearest to its centre."""
    inside = np.flatnonzero((lines >= first - _TIME_TOLERANCE) & (lines <= last + _TIME_TOLERANCE))
    if inside.size:
        return int(inside[0]), int(inside[-1]) + 1
    nearest = int(np.abs(lines - (first + last) / 2).argmin())
    return nearest, nearest + 1


def hold_positive(lut: Floats, *, nodes: Floats) -> Floats:
    """`lut` (vector, node) with each node that is not positive (no noise information) replaced by the nearest one that
    is.

    A vector without any positive node becomes 0. NaN nodes are padding and stay NaN.
    """
    held = lut.copy()
    for values, places in zip(held, nodes, strict=True):
        real = np.isfinite(places)
        known = values > 0
        holes = real & ~known
        if holes.any():
            distance = np.abs(places[holes, np.newaxis] - places[known])
            values[holes] = values[known][distance.argmin(axis=1)] if known.any() else 0.0
    return held


def _table(ds: xr.Dataset, name: str, band: str) -> Floats:
    """The table of one polarisation as float64."""
    table = ds[name]
    if band not in table.coords.get("polarization", ()):
        raise MissingVariableError(
            f"{name}: has nothing for {band}; pass the Dataset of open_sentinel1 with all its tables"
        )
    values: Floats = np.asarray(table.sel(polarization=band).values, dtype=np.float64)
    return values
