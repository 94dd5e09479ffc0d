"""Indices by name and by formula: undecoded integers, NaN, roads, refusals, real references. Golden values: test_33."""

from __future__ import annotations

import pickle
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import kararaster as kr
from kararaster import blocks, errors

BANDS = {"red": 0.06, "nir": 0.35, "swir16": 0.20}


def scene(**bands: np.ndarray) -> xr.Dataset:
    return xr.Dataset({name: (("time", "y", "x")[-values.ndim :], values) for name, values in bands.items()})


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


def undecoded(shape: tuple[int, ...] = (30, 40), seed: int = 3) -> xr.Dataset:
    """Six bands as Sentinel-2 stores them, with nodata, saturation and reflectance below 0."""
    rng = np.random.default_rng(seed)
    names = ("blue", "green", "red", "nir", "swir16", "swir22")
    ds = scene(**{name: rng.integers(500, 9000, shape, dtype=np.uint16) for name in names})
    for band in ds.data_vars.values():
        band.values[rng.random(shape) < 0.05] = 0
        band.values[rng.random(shape) < 0.02] = 65535
        band.attrs = {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0, "saturated_value": 65535}
    return ds


def decoded(ds: xr.Dataset) -> xr.Dataset:
    valid = {name: band.astype(np.float64).where((band != 0) & (band != 65535)) for name, band in ds.items()}
    return xr.Dataset({name: (band * 1e-4 - 0.1).drop_attrs() for name, band in valid.items()})


SEVERAL = ("NDVI", "NDBI", "IBI", "BUI", "UI", "EVI", "MSAVI", "NBAI", "PISI")


def test_undecoded_bands_give_what_decoded_ones_give() -> None:
    ds = undecoded()
    got, want = ds.kara.index(*SEVERAL), decoded(ds).kara.index(*SEVERAL)
    for name in got.data_vars:
        np.testing.assert_array_equal(np.isnan(got[name]), np.isnan(want[name]))
        np.testing.assert_allclose(got[name].values, want[name].values, rtol=1e-6, atol=1e-7)
    nodata = np.isnan(decoded(ds)["nir"] + decoded(ds)["red"]).values
    np.testing.assert_array_equal(np.isnan(got["ndvi"].values), nodata)
    assert 0.05 < nodata.mean() < 0.25


def test_several_at_once_are_the_bytes_of_each_alone() -> None:
    ds = undecoded()
    together = ds.kara.index(*SEVERAL)
    assert list(together.data_vars) == [name.lower() for name in SEVERAL]
    for name in SEVERAL:
        assert ds.kara.index(name)[name.lower()].values.tobytes() == together[name.lower()].values.tobytes()
    for name in ("ndvi", "ndbi", "bui", "ibi", "ui"):
        xr.testing.assert_identical(getattr(ds.kara, name)(), together[name])


def test_uint16_does_not_overflow() -> None:
    ds = scene(nir=np.uint16([[65534, 60000, 10]]), red=np.uint16([[65533, 10000, 60000]]))
    got = ds.kara.index(
        formula={"sum": "N + R", "difference": "R - N", "product": "N * R", "ratio": "(N - R) / (N + R)"}
    )
    nir, red = np.int64([65534, 60000, 10]), np.int64([65533, 10000, 60000])
    np.testing.assert_array_equal(got["sum"].values[0], (nir + red).astype(np.float32))
    np.testing.assert_array_equal(got["difference"].values[0], (red - nir).astype(np.float32))
    np.testing.assert_array_equal(got["product"].values[0], (nir * red).astype(np.float32))
    np.testing.assert_allclose(got["ratio"].values[0], (nir - red) / (nir + red), rtol=1e-7)


@pytest.mark.parametrize("formula", ["N / R", "1 / R", "R / R", "N + 1 / (R * N)", "N / (R - R)", "(N - R) / (R * 0)"])
def test_division_by_zero_is_nan_and_stays_there(formula: str) -> None:
    ds = scene(nir=np.array([[0.3, 0.3]]), red=np.array([[0.0, 0.2]]))
    with np.errstate(all="ignore"):
        want = eval(formula, {"N": np.array([0.3, 0.3]), "R": np.array([0.0, 0.2])})
    want = np.where(np.isfinite(want), want, np.nan)
    assert np.isnan(want[0])
    np.testing.assert_allclose(ds.kara.index(formula=formula)["index"].values[0], want, rtol=1e-6)


def test_formulas_take_symbols_and_names_and_say_so() -> None:
    ds = undecoded()
    got = ds.kara.index("NDVI", formula={"by_symbol": "(N - R) / (N + R)", "byName": "(nir - red) / (nir + red)"})
    assert list(got.data_vars) == ["ndvi", "by_symbol", "byName"]
    for name in ("by_symbol", "byName"):
        assert got[name].values.tobytes() == got["ndvi"].values.tobytes()
        assert got[name].attrs["formula"] == got["ndvi"].attrs["formula"] == "(nir - red) / (nir + red)"
    assert got["by_symbol"].attrs["history"] == "index(formula='(N - R) / (N + R)')"
    assert got["ndvi"].attrs["history"] == "index('NDVI')"
    assert got["ndvi"].attrs["standard_name"] == "normalized_difference_vegetation_index"
    assert got["ndvi"].attrs["units"] == "1"
    assert got["ndvi"].attrs["nominal_range"] == [-1.0, 1.0]
    assert "scale_factor" not in got["ndvi"].attrs
    assert "_FillValue" not in got["ndvi"].attrs


def test_normalized_differences_are_antisymmetric_bounded_and_blind_to_scale() -> None:
    # METHODS 8.11; a power of two scales without rounding
    rng = np.random.default_rng(6)
    nir, red = rng.random((2, 60, 70))
    pair = {"one": "(N - R) / (N + R)", "other": "(R - N) / (R + N)"}
    got = scene(nir=nir, red=red).kara.index(formula=pair)
    assert (got["one"].values == -got["other"].values).all()
    assert np.abs(got["one"]).max() <= 1
    scaled = scene(nir=nir / 1024, red=red / 1024).kara.index(formula=pair)
    assert scaled["one"].values.tobytes() == got["one"].values.tobytes()
    np.testing.assert_allclose(scene(nir=nir * 3, red=red * 3).kara.ndvi(), got["one"], rtol=2e-7, atol=1e-9)


def test_valid_reflectance_masks_the_bands_that_are_used() -> None:
    ds = scene(nir=np.array([[0.3, 1.2, -0.05, 1.0, 0.0]]), red=np.full((1, 5), 0.1), green=np.full((1, 5), 7.0))
    got = ds.kara.index("NDVI", valid_reflectance=(0, 1))["ndvi"].values[0]
    np.testing.assert_array_equal(np.isnan(got), [False, True, True, False, False])
    np.testing.assert_allclose(got[[0, 3, 4]], [0.5, 0.9 / 1.1, -1.0], rtol=1e-7)
    assert not np.isnan(ds.kara.index("NDVI")["ndvi"]).any()


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(2, 9),
    st.integers(2, 9),
    st.sampled_from([1, 2, 7]),
    st.booleans(),
)
def test_indices_do_not_depend_on_chunks_or_threads(
    h: int, w: int, cy: int, cx: int, threads: int, floats: bool
) -> None:
    ds = undecoded((2, h, w), seed=h * 31 + w)
    if floats:
        ds = decoded(ds)
        ds["nir"] = ds["nir"].astype(np.float32)
    eager = ds.kara.index(*SEVERAL)
    chunked = ds.chunk(time=1, y=max(1, min(cy, h)), x=max(1, min(cx, w)))
    try:
        kr.set_threads(threads)
        for got in (ds.kara.index(*SEVERAL), chunked.kara.index(*SEVERAL).compute(scheduler="synchronous")):
            assert all(got[name].values.tobytes() == eager[name].values.tobytes() for name in eager.data_vars)
    finally:
        kr.set_threads(None)


@pytest.mark.parametrize("shape", [(0,), (7,), (0, 3), (1, 1), (2, 0, 5), (2, 3, 4)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    bands = {name: (tuple("tyx")[-len(shape) :], np.full(shape, value)) for name, value in BANDS.items()}
    got = xr.Dataset(bands).kara.index("BUI")["bui"]
    assert got.shape == shape
    np.testing.assert_allclose(got, -0.9800443458980044, rtol=1e-7)


def test_bands_of_other_dtypes_and_byte_orders() -> None:
    want = scene(nir=np.array([[9.0, 4.0]]), red=np.array([[3.0, 2.0]])).kara.ndvi().values
    for nir, red in (("i4", "u2"), ("u1", "i2"), (">u2", "u2"), (">f4", "f8"), ("f2", "f4"), ("i8", "u4")):
        ds = scene(nir=np.array([[9, 4]], nir), red=np.array([[3, 2]], red))
        assert ds.kara.ndvi().values.tobytes() == want.tobytes()


def test_lazy_stays_lazy_and_pickles(no_compute: None) -> None:
    ds = kr.simulate.optical(shape=(64, 64), chunks={"time": 1, "y": 32, "x": 64})
    got, again = ds.kara.index("NDVI", "IBI"), ds.kara.index("NDVI", "IBI")
    for name in ("ndvi", "ibi"):
        assert isinstance(got[name].data, blocks.WindowArray)
        assert blocks.lazy_of(got[name].data) is not None
        assert got[name].chunks == ((1, 1), (32, 32), (64,))
        assert got[name].data.name == again[name].data.name
    assert got["ndvi"].data.name != got["ibi"].data.name
    assert "boa_add_offset" not in got.coords
    assert {"platform", "spatial_ref", "time"} <= set(got.coords)
    with dask.config.set(scheduler="synchronous"):
        here, there = got.compute(), pickle.loads(pickle.dumps(got)).compute()
        loaded = ds.compute().kara.index("NDVI", "IBI")
    xr.testing.assert_identical(here, there)
    xr.testing.assert_identical(here, loaded)


def test_one_pass_over_the_bands() -> None:
    ds = kr.simulate.optical(shape=(64, 64), chunks={"time": 1, "y": 32, "x": 64})
    got = ds.kara.index(*SEVERAL)
    # a task a chunk computes all, one a result takes its own out of it
    assert len(got.__dask_graph__()) <= 4 * (len(SEVERAL) + 1) + 1


FLAT = scene(**{name: np.full((2, 2), value) for name, value in BANDS.items()})


@pytest.mark.parametrize(
    ("ds", "error", "says"),
    [
        (scene(nir=np.ones((2, 2))), errors.MissingVariableError, r"'red' \(R\) for NDVI"),
        (scene(nir=np.ones((2, 2)), red=np.ones(2)), errors.GeometryError, "one grid"),
        (
            xr.Dataset({"nir": (("y", "x"), np.ones((2, 2))), "red": (("x", "y"), np.ones((2, 2)))}),
            errors.GeometryError,
            "grid",
        ),
        (scene(nir=np.ones((2, 2)), red=np.ones((2, 2), np.uint16)), errors.UnitsError, "decode"),
        (undecoded().assign(red=decoded(undecoded())["red"]), errors.UnitsError, "only one of"),
        (scene(nir=np.ones((2, 2)), red=np.ones((2, 2), complex)), errors.UnitsError, "complex|decode"),
        (scene(nir=np.ones((2, 2), complex), red=np.ones((2, 2), complex)), errors.InvalidTypeError, "complex128"),
        (np.ones(3), errors.InvalidTypeError, "Dataset"),
    ],
)
def test_bad_input_is_named(ds: xr.Dataset, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        kr.index(ds, "NDVI")


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"names": ["NDVX"]}, errors.InvalidInputError, "did you mean NDVI"),
        ({"names": ["zzzzzz"]}, errors.InvalidInputError, "index_catalog"),
        ({"names": [3]}, errors.InvalidTypeError, "got 3"),
        ({}, errors.InvalidInputError, "got none"),
        ({"names": ["NDVI", "ndvi"]}, errors.InvalidInputError, "'ndvi' would be there twice"),
        ({"names": ["NDVI"], "formula": {"ndvi": "N"}}, errors.InvalidInputError, "twice"),
        ({"names": ["EVI", "NDRE"]}, errors.MissingVariableError, r"'blue' \(B\) for EVI; 'rededge1' \(RE1\) for NDRE"),
        ({"formula": 3}, errors.InvalidTypeError, "formula: got 3"),
        ({"formula": {"a": 3}}, errors.InvalidTypeError, "formula"),
        (
            {"formula": {"x": "N"}},
            errors.InvalidInputError,
            r"formula: got the name 'x', want .* coordinate .* \(x, y\)",
        ),
        ({"formula": {"": "N"}}, errors.InvalidInputError, "formula: got the name ''"),
        (
            {"formula": "NIR"},
            errors.FormulaError,
            r"got 'NIR' at character 1, want a band \(R, N, S1, red, nir, swir16\); did you mean nir\?",
        ),
        ({"names": ["NDVI"], "valid_reflectance": (1, 0)}, errors.InvalidInputError, "valid_reflectance"),
        ({"names": ["NDVI"], "valid_reflectance": (0, float("nan"))}, errors.InvalidInputError, "valid_reflectance"),
        ({"names": ["NDVI"], "valid_reflectance": 3}, errors.InvalidInputError, "valid_reflectance"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, error: type[Exception], says: str) -> None:
    names = arguments.pop("names", [])
    with pytest.raises(error, match=says):
        FLAT.kara.index(*names, **arguments)


@pytest.mark.parametrize(
    ("formula", "at"),
    [("(N - R / (N + R)", 16), ("N +* R", 3), ("N - Q", 4), ("N + nir2", 4), ("N $ R", 2), ("", 0), ("N R", 2)],
)
def test_errors_in_formulas_point_at_the_character(formula: str, at: int) -> None:
    with pytest.raises(errors.FormulaError) as caught:
        FLAT.kara.index(formula=formula)
    *_, shown, caret = str(caught.value).splitlines()
    assert caret.strip() == "^"
    assert shown[caret.index("^") - at :] == formula


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("N / nirr", "did you mean nir?"),
        ("n / R", "did you mean N?"),
        ("N / swir1", "did you mean swir16?"),
        ("N / swir2", "did you mean swir22?"),  # not in the Dataset, which is said next
        ("log(N)", "did you mean ln or log10?"),
        ("N * sqr(N)", "did you mean sqrt?"),
        ("NDVI - R", "NDVI is an index: give it by name"),
    ],
)
def test_unknown_names_in_formulas_are_answered_with_the_nearest(formula: str, says: str) -> None:
    with pytest.raises(errors.FormulaError) as caught:
        FLAT.kara.index(formula=formula)
    message, shown, caret = str(caught.value).splitlines()
    assert says in message
    assert shown == formula
    unknown = message.split("'")[1]
    assert formula[caret.index("^") :].startswith(unknown)
    assert "VV" not in message


def test_a_name_that_resembles_nothing_gets_no_suggestion() -> None:
    with pytest.raises(errors.FormulaError, match=r"want a band \(R, N, S1, red, nir, swir16\)\n"):
        FLAT.assign({"S2-L2A-B04": FLAT.red}).kara.index(formula="N - elevation")  # which no formula can name


def test_formulas_take_band_numbers() -> None:
    want = FLAT.kara.index(formula="(nir - red) / (nir + red)")["index"]
    for formula in ("(B8 - B4) / (B8 + B4)", "(B08 - B04) / (B08 + R)"):
        got = FLAT.kara.index(formula=formula)["index"]
        assert got.values.tobytes() == want.values.tobytes()
        assert "nir" in got.attrs["formula"]
        assert "B8" not in got.attrs["formula"]
    with pytest.raises(errors.MissingVariableError, match=r"'nir08' \(B8A\)"):
        FLAT.kara.index(formula="B8A / N")
    own = FLAT.assign(B8=FLAT.nir * 2)
    np.testing.assert_allclose(own.kara.index(formula="B8 / N")["index"], 2)
    assert own.kara.index(formula="B8 / N")["index"].attrs["formula"] == "B8 / nir"


def test_nir08_is_named_as_the_way_out_where_nir_is_missing() -> None:
    narrow = FLAT.rename(nir="nir08")
    with pytest.raises(errors.MissingVariableError, match=r"ds\.rename\(nir08='nir'\), or a formula with N2"):
        narrow.kara.ndvi()
    xr.testing.assert_identical(narrow.rename(nir08="nir").kara.ndvi(), FLAT.kara.ndvi())
    with pytest.raises(errors.MissingVariableError) as caught:
        FLAT.drop_vars("nir").kara.ndvi()
    assert "rename" not in str(caught.value)


@pytest.mark.parametrize("formula", ["1 + 2", "0.5", "sqrt(2) / 3"])
def test_a_formula_without_a_band_is_refused(formula: str) -> None:
    with pytest.raises(errors.FormulaError, match="uses no band"):
        FLAT.kara.index(formula=formula)


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


def test_equals_msavi2_of_sen2r(samples: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    folder = samples / "s2-sen2r-index-reference"
    with rasterio.open(folder / "S2A2A_20170703_022_Barbellino_BOA_10.tif") as src:
        ds = scene(red=src.read(4), nir=src.read(8))
    for band in ds.data_vars.values():
        band.attrs = {"scale_factor": 1e-4, "add_offset": 0.0}
    with rasterio.open(folder / "S2A2A_20170703_022_Barbellino_MSAVI2_10.tif") as src:
        want = src.read(1)
    got = ds.kara.index("MSAVI2")["msavi2"].values.astype(np.float64)
    np.testing.assert_array_equal(np.abs(got * 10000 - want) <= 0.5 + 1e-2, True)


def test_real_cube_with_negative_reflectance(samples: Path) -> None:
    with xr.open_dataset(samples / "s2-optical-cubes" / "openEO_20210121_20210126_utm33.nc") as cube:
        ds = cube[["B02", "B03", "B04"]].load().rename(B02="blue", B03="green", B04="red", t="time")
    for band in ds.data_vars.values():
        band.attrs = {"scale_factor": 1e-4, "add_offset": 0.0}
    assert float(ds["blue"].min()) == -132
    got = ds.chunk(time=1, y=200).kara.index("NDTI", formula={"total": "B + G + R"})
    green, red, blue = (ds[name].values.astype(np.float64) for name in ("green", "red", "blue"))
    with np.errstate(all="ignore"):
        want = (red - green) / (red + green)
    want[~np.isfinite(want)] = np.nan
    np.testing.assert_allclose(got["ndti"].values, want, rtol=1.2e-7)
    np.testing.assert_allclose(got["total"].values, (blue + green + red) * 1e-4, rtol=1e-6, atol=1e-9)
    assert np.nanmax(np.abs(got["ndti"])) > 1  # where reflectance is negative, and it is not clipped
    masked = ds.kara.index("NDTI", valid_reflectance=(0, 1))["ndti"].values
    np.testing.assert_array_equal(
        np.isnan(masked), ~((red >= 0) & (green >= 0) & (red <= 1e4) & (green <= 1e4)) | np.isnan(want)
    )


def test_real_cube_of_twelve_bands_with_the_offset_left_in(samples: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    names = ["coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22"]
    with rasterio.open(samples / "s2-optical-cubes" / "turb_20240101.tif") as src:
        ds = scene(**dict(zip(names, src.read(), strict=False)))  # the last is QA60
    for band in ds.data_vars.values():
        band.attrs = {"scale_factor": 1e-4, "add_offset": -0.1}
    table = kr.index_catalog()
    got = ds.kara.index(*table["name"])
    b = {name: band.values.astype(np.float64) * 1e-4 - 0.1 for name, band in ds.items()}
    np.testing.assert_allclose(got["ndvi"], (b["nir"] - b["red"]) / (b["nir"] + b["red"]), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(got["baei"], (b["red"] + 0.3) / (b["green"] + b["swir16"]), rtol=1e-6)
    edge = np.isnan(b["swir16"])
    assert edge.mean() == pytest.approx(0.0091, abs=1e-4)
    assert np.isnan(got["baei"].values[edge]).all()
    assert not np.isnan(got["ndvi"]).any()
    # water of the river is found by both: a sanity check of signs
    river = got["mndwi"] > 0
    assert 0.02 < float(river.mean()) < 0.9
    assert float(got["ndvi"].where(river).median()) < 0 < float(got["ndvi"].where(~river).median())
