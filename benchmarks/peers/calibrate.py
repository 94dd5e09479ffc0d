"""Peers of `calibrate`: digital numbers to sigma0, thermal noise removed, tables interpolated on the way."""

from __future__ import annotations

import numpy as np

from contest import Array, Contestant, Params, Rasters, in_strips
from scenes import Tables

NO_DATA = np.float32(np.nan)


def numpy_separable(rasters: Rasters, params: Params, threads: int) -> Array:
    """NumPy with care: tables go along range once, then two of their rows are blended for each line."""
    table, dn = params["tables"], rasters["dn"]
    pixel = np.arange(dn.shape[1])
    gain = _along_range(table.gain_pixel, table.gain, pixel)
    noise = _along_range(table.noise_pixel, table.noise, pixel)

    def strip(dn: Array, line: Array) -> Array:
        line = line[:, 0]
        power = dn.astype(np.float32)
        power *= power
        level = _blend(table.noise_line, noise, line)
        level *= _azimuth(table, line, pixel)
        power -= level
        local = _blend(table.gain_line, gain, line)
        local *= local
        power /= local
        power[dn == 0] = NO_DATA
        return power

    return in_strips(strip, threads, 0, dn, np.arange(dn.shape[0])[:, np.newaxis])


def _along_range(nodes: Array, vectors: Array, pixel: Array) -> Array:
    return np.stack([np.interp(pixel, nodes, vector) for vector in vectors]).astype(np.float32)


def _blend(lines: Array, rows: Array, line: Array) -> Array:
    low = np.clip(np.searchsorted(lines, line, "right") - 1, 0, len(lines) - 2)
    weight = ((line - lines[low]) / (lines[low + 1] - lines[low])).astype(np.float32)[:, np.newaxis]
    return rows[low] * (1 - weight) + rows[low + 1] * weight


def _azimuth(table: Tables, line: Array, pixel: Array) -> Array:
    factor = np.stack([np.interp(line, table.azimuth_line, swath) for swath in table.azimuth]).astype(np.float32)
    return factor.T[:, np.searchsorted(table.swath_end, pixel, "right")]


def scipy_grid(rasters: Rasters, params: Params, threads: int) -> Array:
    """SciPy's general interpolator, as most recipes on the web have it."""
    from scipy.interpolate import RegularGridInterpolator

    table, dn = params["tables"], rasters["dn"]
    gain = RegularGridInterpolator((table.gain_line, table.gain_pixel), table.gain)
    noise = RegularGridInterpolator((table.noise_line, table.noise_pixel), table.noise)
    pixel = np.arange(dn.shape[1])

    def strip(dn: Array, line: Array) -> Array:
        points = np.stack(np.meshgrid(line[:, 0], pixel, indexing="ij"), axis=-1)
        level = noise(points).astype(np.float32) * _azimuth(table, line[:, 0], pixel)
        power = (dn.astype(np.float32) ** 2 - level) / gain(points).astype(np.float32) ** 2
        return np.where(dn == 0, NO_DATA, power)

    return in_strips(strip, threads, 0, dn, np.arange(dn.shape[0])[:, np.newaxis])


def xarray_sentinel(rasters: Rasters, params: Params, threads: int) -> Array:
    import xarray as xr
    import xarray_sentinel as sentinel

    table, dims = params["tables"], ("line", "pixel")
    coords = {name: np.arange(size) for name, size in zip(dims, rasters["dn"].shape, strict=True)}
    dn = xr.DataArray(rasters["dn"], coords, dims)
    gain = xr.DataArray(table.gain, {"line": table.gain_line, "pixel": table.gain_pixel}, dims)
    gain.attrs = {"units": "1", "long_name": "sigma calibration LUT"}
    return sentinel.calibrate_intensity(dn, gain).values


def numba(rasters: Rasters, params: Params, threads: int) -> Array:
    from numba import set_num_threads

    from peers import compiled

    set_num_threads(threads)
    table, dn = params["tables"], rasters["dn"]
    gain = (table.gain_line, table.gain_pixel, table.gain.astype(np.float32))
    noise = (table.noise_line, table.noise_pixel, table.noise.astype(np.float32))
    azimuth = (table.azimuth_line, table.azimuth.astype(np.float32), table.swath_end)
    power = np.empty(dn.shape, np.float32)
    compiled.calibrate(dn, *gain, *noise, *azimuth, power)
    return power


PEERS = [
    Contestant("calibrate", "numpy, separable interpolation", numpy_separable),
    Contestant("calibrate", "scipy RegularGridInterpolator", scipy_grid, ("scipy",), side=1024),
    Contestant(
        "calibrate",
        "xarray-sentinel",
        xarray_sentinel,
        ("xarray_sentinel",),
        threads=(1,),
        side=1024,
        differs="removes no thermal noise",
    ),
    Contestant("calibrate", "numba, hand-written", numba, ("numba",)),
]
