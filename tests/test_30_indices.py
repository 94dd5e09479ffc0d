"""NDVI and NDBI: golden values, undecoded integers, real references."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import kararaster as kr
from kararaster import errors

BANDS = {"red": 0.06, "nir": 0.35, "swir16": 0.20}


def scene(**bands: np.ndarray) -> xr.Dataset:
    return xr.Dataset({name: (("y", "x")[-values.ndim :], values) for name, values in bands.items()})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_golden_values(dtype: type) -> None:
    ds = scene(**{name: np.full((3, 4), value, dtype) for name, value in BANDS.items()})
    np.testing.assert_allclose(ds.kara.ndvi(), 0.7073170731707317, rtol=3e-7)
    np.testing.assert_allclose(ds.kara.ndbi(), -0.2727272727272727, rtol=3e-7)
    assert ds.kara.ndvi().dtype == np.float32


def test_undecoded_integers_equal_decoded_ones() -> None:
    rng = np.random.default_rng(1)
    numbers = {name: rng.integers(0, 12000, (40, 50), dtype=np.uint16) for name in BANDS}
    ds = scene(**numbers)
    for band in ds.data_vars.values():
        band.attrs = {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0}
    red, nir = (np.where(numbers[b] == 0, np.nan, numbers[b] * 1e-4 - 0.1) for b in ("red", "nir"))
    # In whole digital numbers the difference and the sum are exact.
    exact = (numbers["nir"].astype(int) - numbers["red"]) / (numbers["nir"].astype(float) + numbers["red"] - 2000)
    want = np.where(np.isnan(red + nir), np.nan, exact)
    want[~np.isfinite(want)] = np.nan
    np.testing.assert_allclose(ds.kara.ndvi().values, want.astype(np.float32), rtol=1.2e-7)


def test_nodata_and_poles_are_nan_and_bounds_hold() -> None:
    ds = scene(nir=np.array([0, 5, 0, 9], np.uint16), red=np.array([0, 0, 5, 9], np.uint16))
    np.testing.assert_array_equal(ds.kara.ndvi().values, np.float32([np.nan, 1, -1, 0]))
    floats = scene(nir=np.array([np.nan, np.inf, 1.0]), red=np.array([1.0, 1.0, -1.0]))
    assert np.isnan(floats.kara.ndvi()).all()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([1, 2, 7]),
    st.sampled_from([np.uint8, np.uint16, np.int16, np.float32, np.float64]),
)
def test_any_chunking_and_thread_count_give_the_same_bytes(
    h: int, w: int, cy: int, cx: int, threads: int, dtype: type
) -> None:
    rng = np.random.default_rng(h * 31 + w)
    ds = scene(**{name: (rng.random((h, w)) * 200).astype(dtype) for name in ("nir", "red")})
    eager = ds.kara.ndvi().values.tobytes()
    try:
        kr.set_threads(threads)
        assert ds.kara.ndvi().values.tobytes() == eager
        assert ds.chunk(y=max(1, min(cy, h)), x=max(1, min(cx, w))).kara.ndvi().compute().values.tobytes() == eager
    finally:
        kr.set_threads(None)


def test_eager_equals_chunked_and_strided() -> None:
    rng = np.random.default_rng(2)
    ds = scene(nir=rng.random((30, 41), np.float32), red=rng.random((30, 41), np.float32))
    eager = ds.kara.ndvi()
    assert ds.chunk(y=7, x=13).kara.ndvi().compute().values.tobytes() == eager.values.tobytes()
    assert isinstance(ds.chunk(y=7).kara.ndvi().data, da.Array)
    np.testing.assert_array_equal(ds.isel(y=slice(None, None, 2)).kara.ndvi().values, eager.values[::2])
    for shape in ((0, 0), (1, 1), (1, 6), (6, 1)):
        assert scene(nir=np.ones(shape), red=np.zeros(shape)).kara.ndvi().shape == shape


@pytest.mark.parametrize(
    ("ds", "error", "says"),
    [
        (scene(nir=np.ones((2, 2))), errors.MissingVariableError, "red"),
        (scene(nir=np.ones((2, 2)), red=np.ones(2)), errors.GeometryError, "grid"),
        (scene(nir=np.ones((2, 2)), red=np.ones((2, 2), np.uint16)), errors.UnitsError, "decode"),
    ],
)
def test_bad_input_is_named(ds: xr.Dataset, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        ds.kara.ndvi()


def test_equals_the_reference_of_sen2r(samples: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    folder = samples / "s2-sen2r-index-reference"
    with rasterio.open(folder / "S2A2A_20170703_022_Barbellino_BOA_10.tif") as src:
        red, nir = src.read(4), src.read(8)
    with rasterio.open(folder / "S2A2A_20170703_022_Barbellino_NDVI_10.tif") as src:
        want = src.read(1)
    got = scene(red=red, nir=nir).kara.ndvi().values.astype(np.float64)
    np.testing.assert_array_equal(np.abs(got * 10000 - want) <= 0.5 + 1e-2, True)


def test_real_l2a_scene_with_offset(samples: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    bands = {}
    for name, band in (("red", "B04"), ("nir", "B8A")):
        (path,) = (samples / "s2-l2a-safe-33TVM-20241014").rglob(f"*_{band}_60m.jp2")
        with rasterio.open(path) as src:
            bands[name] = src.read(1)
    ds = scene(**bands)
    for band in ds.data_vars.values():
        band.attrs = {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0}
    got = ds.kara.ndvi().values
    red, nir = (bands[name].astype(np.float64) - 1000 for name in ("red", "nir"))
    with np.errstate(all="ignore"):
        want = np.where((bands["red"] == 0) | (bands["nir"] == 0) | (red + nir == 0), np.nan, (nir - red) / (nir + red))
    np.testing.assert_allclose(got, want.astype(np.float32), rtol=1.2e-7)
    assert np.isnan(got).mean() == pytest.approx(0.715, abs=0.002)
