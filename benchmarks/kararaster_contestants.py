"""The package itself: its kernels with newly allocated output, and some public functions, to show what those add."""

from __future__ import annotations

import numpy as np
import xarray as xr

import kararaster as kr
from cases import BANDS, NODATA, OFFSET, SCALE, squeezed
from contest import Array, Contestant, Params, Rasters, Run
from kararaster import _kernels
from scenes import Tables

KERNEL, PUBLIC = "kararaster", "kararaster, public function"
_EVENT = np.datetime64("2023-09-19", "ns")


def calibrate(rasters: Rasters, params: Params, threads: int) -> Array:
    dn, table = rasters["dn"], params["tables"]
    power = np.empty(dn.shape, np.float32)
    _kernels.calibrate(
        dn,
        power,
        origin=(0, 0),
        lut_line=table.gain_line,
        lut_pixel=_for_each_vector(table.gain_pixel, table.gain),
        lut=table.gain,
        noise=_noise(table, dn.shape[0]),
        negative="keep",
        num_threads=threads,
    )
    return power


def _noise(table: Tables, height: int) -> tuple[Array, ...]:
    """The tables in the order of the kernel: an azimuth block for each swath."""
    starts, vectors = np.append(0, table.swath_end[:-1]), len(table.noise_line)
    limits = [[0, height - 1, start, end - 1, 0, vectors] for start, end in zip(starts, table.swath_end, strict=True)]
    azimuth_line = _for_each_vector(table.azimuth_line, table.azimuth)
    noise_pixel = _for_each_vector(table.noise_pixel, table.noise)
    return table.noise_line, noise_pixel, table.noise, np.array(limits), azimuth_line, table.azimuth


def _for_each_vector(nodes: Array, values: Array) -> Array:
    return np.ascontiguousarray(np.broadcast_to(nodes, values.shape))


def speckle(kernel: str) -> Run:
    """A filter of one image or of a stack."""

    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        (source,) = rasters.values()
        out = np.empty_like(source)
        getattr(_kernels, kernel)(source, out, _frame(params, threads), **params["own"])
        return out

    return run


def _frame(params: Params, threads: int) -> _kernels.Frame:
    window = (params["window"], params["window"])
    place = {"origin_row": 0, "top": 0, "left": 0}
    return {**place, "window": window, "border": "shrink", "min_valid": 1, "num_threads": threads}


def indices(rasters: Rasters, params: Params, threads: int) -> Array:
    used = [symbol for symbol, name in BANDS.items() if name in rasters]
    bands = [rasters[BANDS[symbol]] for symbol in used]
    out = np.empty((len(params), *bands[0].shape), np.float32)
    _kernels.indices(
        bands,
        [*out],
        symbols=used,
        formulas=[*params.values()],
        scaling=[(SCALE, OFFSET, (float(NODATA),))] * len(used),
        valid=None,
        num_threads=threads,
    )
    return squeezed(out)


def hotelling(rasters: Rasters, params: Params, threads: int) -> Array:
    dates, *shape = rasters["vv"].shape
    before = params["before"]
    out = {name: np.empty(shape, dtype) for name, dtype in _OUTPUTS.items()}
    out["magnitude"] = np.empty((2, *shape), np.float32)
    options = {
        "method": "hotelling",
        "scale": "power",
        "combine": "fisher",
        "enl": 1.0,
        "min_pre": 3,
        "min_post": 2,
        "bands": 2,
    }
    groups = [(range(before), range(before, dates))]
    _kernels.before_after([rasters["vv"], rasters["vh"]], groups, out, options=options, num_threads=threads)
    return out["neg_log10_p"]


def composite(rasters: Rasters, params: Params, threads: int) -> Array | list[Array]:
    bands = list(rasters.values())
    out = [np.empty(band.shape[1:], np.float32) for band in bands]
    count = [np.empty(band.shape[1:], np.uint16) for band in bands]
    _kernels.composite(
        bands,
        out,
        count,
        method="median" if len(bands) == 1 else "geomedian",
        percentile=50.0,
        scaling=[(SCALE, OFFSET, (float(NODATA),))] * len(bands),
        index=None,
        num_threads=threads,
    )
    return out[0] if len(out) == 1 else out


_OUTPUTS = {
    "statistic": np.float32,
    "p_value": np.float32,
    "neg_log10_p": np.float32,
    "direction": np.int8,
    "n_pre": np.uint16,
    "n_post": np.uint16,
    "n_orbits": np.uint8,
}


def public_speckle(method: str) -> Run:
    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        kr.set_threads(threads)
        image = xr.DataArray(rasters["image"], dims=("y", "x"), attrs={"units": "1"})
        return image.kara.despeckle(method, window=params["window"], **params["own"]).values

    return run


def public_indices(rasters: Rasters, params: Params, threads: int) -> list[Array]:
    kr.set_threads(threads)
    scaled = {"scale_factor": SCALE, "add_offset": OFFSET, "_FillValue": NODATA}
    ds = xr.Dataset({name: (("y", "x"), band, scaled) for name, band in rasters.items()})
    images = [image.values for image in kr.index(ds, *params).values()]
    return images[0] if len(images) == 1 else images


def public_change(rasters: Rasters, params: Params, threads: int) -> Array:
    kr.set_threads(threads)
    days = np.arange(len(rasters["vv"])) - params["before"]
    bands = {name: (("time", "y", "x"), band, {"units": "1"}) for name, band in rasters.items()}
    stack = xr.Dataset(bands, coords={"time": _EVENT + days * np.timedelta64(12, "D")})
    return kr.change(stack, event=_EVENT, by=None, pre="400D", post="400D", control=None).neg_log10_p.values


def public_composite(rasters: Rasters, params: Params, threads: int) -> Array | list[Array]:
    kr.set_threads(threads)
    scaled = {"scale_factor": SCALE, "add_offset": OFFSET, "_FillValue": NODATA}
    ds = xr.Dataset({name: (("time", "y", "x"), band, scaled) for name, band in rasters.items()})
    ds = ds.assign_coords(time=_EVENT + np.arange(ds.sizes["time"]) * np.timedelta64(5, "D"))
    result = kr.composite(ds, "median" if len(rasters) == 1 else "geomedian")
    images = [result[name].values for name in rasters]
    return images[0] if len(images) == 1 else images


_SPECKLE = (
    *("boxcar", "lee", "kuan", "gamma_map", "lee_enhanced"),
    *("frost", "frost_enhanced", "refined_lee", "lee_sigma", "median"),
    *("quegan", "srad", "idan", "ppb"),
)
_COMPOSITES = ("composite_median", "composite_geomedian")
_BY_KERNEL = {"calibrate": calibrate, "hotelling": hotelling}
_BY_KERNEL |= {kernel: speckle(kernel) for kernel in _SPECKLE}
_BY_KERNEL |= dict.fromkeys(("ndvi", "ibi", "twelve"), indices)
_BY_KERNEL |= dict.fromkeys(_COMPOSITES, composite)
_BY_FUNCTION = {"lee": public_speckle("lee"), "frost": public_speckle("frost"), "hotelling": public_change}
_BY_FUNCTION |= dict.fromkeys(("ndvi", "ibi", "twelve"), public_indices)
_BY_FUNCTION |= dict.fromkeys(_COMPOSITES, public_composite)

OURS = [Contestant(kernel, KERNEL, run, ours=True) for kernel, run in _BY_KERNEL.items()]
OURS += [Contestant(kernel, PUBLIC, run, ours=True) for kernel, run in _BY_FUNCTION.items()]
