"""Composites: NumPy and SciPy oracles, a golden value, periods, real cubes, and the same bytes on all roads."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

import kararaster as kr
from kararaster import blocks, errors
from test_36_several_and_series import on_the_road

SCALED = {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0, "saturated_value": 65535}
BANDS = ("red", "nir", "swir16")
METHODS: list[dict[str, Any]] = [
    {"method": "median"},
    {"method": "percentile", "q": 0},
    {"method": "percentile", "q": 33.3},
    {"method": "percentile", "q": np.int64(100)},
    {"method": "mean"},
    {"method": "max_ndvi"},
    {"method": "geomedian"},
]


def dates(count: int, step: int = 5) -> np.ndarray:
    return np.datetime64("2024-01-03T10:00", "ns") + np.arange(count) * np.timedelta64(step, "D")


def stack(attrs: dict[str, Any] | None = None, **bands: Any) -> xr.Dataset:
    variables = {name: (("time", "y", "x"), values, attrs or {}) for name, values in bands.items()}
    return xr.Dataset(variables, coords={"time": dates(len(next(iter(bands.values()))))})


def numbers(seed: int, shape: tuple[int, ...], missing: float = 0.3, dtype: Any = np.uint16) -> dict[str, np.ndarray]:
    """Digital numbers of BANDS: some nodata, some saturated, in each band elsewhere."""
    rng = np.random.default_rng(seed)
    out = {}
    for name in BANDS:
        values = rng.integers(1, 120 if np.dtype(dtype) == np.uint8 else 9000, shape)
        values[rng.random(shape) < missing] = 0
        if dtype == np.uint16:
            values[rng.random(shape) < missing / 10] = 65535
        out[name] = values.astype(dtype)
    return out


def decoded(values: np.ndarray) -> np.ndarray:
    return np.where((values == 0) | (values == 65535), np.nan, values * 1e-4 - 0.1)


def oracle(bands: list[np.ndarray], method: str, q: float = 50.0) -> list[np.ndarray]:
    """Composites of float64 reflectance, all but the geomedian."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        if method == "mean":
            return [np.nanmean(band, axis=0) for band in bands]
        if method != "max_ndvi":
            return [np.nanpercentile(band, q, axis=0) for band in bands]
        red, nir = bands[0], bands[1]
        index = (nir - red) / (nir + red) + 0 * sum(bands)
    best = np.argmax(np.where(np.isnan(index), -np.inf, index), axis=0)[None]
    nothing = np.isnan(index).all(0)
    return [np.where(nothing, np.nan, np.take_along_axis(band, best, 0)[0]) for band in bands]


@pytest.mark.parametrize("count", [1, 2, 7, 24])
@pytest.mark.parametrize("how", METHODS[:-1], ids=str)
def test_undecoded_numbers_give_what_numpy_gives_of_reflectance(count: int, how: dict[str, Any]) -> None:
    values = numbers(count, (count, 13, 17))
    result = stack(SCALED, **values).kara.composite(**how)
    want = oracle([decoded(values[name]) for name in BANDS], **how)
    for name, band in zip(BANDS, want, strict=True):
        np.testing.assert_allclose(result[name].values, band, rtol=2e-7, atol=1e-9)
        assert result[name].dtype == np.float32
    valid = np.stack([np.isfinite(decoded(values[name])) for name in BANDS])
    counted = np.broadcast_to(valid.all(0).sum(0), (3, 13, 17)) if how["method"] == "max_ndvi" else valid.sum(1)
    np.testing.assert_array_equal(result.n_valid.values, counted)
    assert result.n_valid.dtype == np.uint16


def test_the_median_of_radar_power_keeps_its_units() -> None:
    power = np.random.default_rng(1).gamma(4.4, 0.02, (9, 20, 30)).astype(np.float32)
    power[np.random.default_rng(2).random(power.shape) < 0.2] = np.nan
    ds = xr.Dataset({"vv": (("time", "y", "x"), power, {"units": "1"})}, coords={"time": dates(9)})
    result = ds.kara.composite()
    np.testing.assert_allclose(result.vv.values, np.nanmedian(power.astype(np.float64), axis=0), rtol=1e-7)
    assert result.vv.attrs["units"] == "1"
    assert list(result.band.values) == ["vv"]


def golden() -> dict[str, Any]:
    """Five dates of three bands and their geometric median to 1e-14."""
    obs = [[0.1, 0.2, 0.3], [0.12, 0.22, 0.28], [0.11, 0.19, 0.31], [0.6, 0.7, 0.8], [0.09, 0.21, 0.29]]
    return {"obs": np.array(obs), "y": [0.10364768181914781, 0.20371483542112603, 0.29973291236522914]}


def test_golden_geomedian() -> None:
    want = golden()
    ds = stack(**{name: want["obs"][:, i, None, None] for i, name in enumerate(BANDS)})
    result = ds.kara.composite("geomedian")
    got = [result[name].item() for name in BANDS]
    np.testing.assert_allclose(got, want["y"], atol=2e-6)
    assert result.n_valid.values.ravel().tolist() == [5, 5, 5]


def test_the_golden_value_is_the_shared_one(samples: Path) -> None:
    shared = json.loads((samples.parent / "methods-golden" / "golden_values.json").read_text())["geomedian"]
    np.testing.assert_array_equal(shared["obs"], golden()["obs"])
    np.testing.assert_array_equal(shared["y"], golden()["y"])


def test_geomedian_is_where_scipy_finds_the_least_sum_of_distances() -> None:
    values = {name: decoded(band) for name, band in numbers(5, (9, 4, 5), missing=0.05).items()}
    result = stack(**values).kara.composite("geomedian")
    x = np.stack([values[name] for name in BANDS], -1).reshape(9, 20, 3)
    got = np.stack([result[name].values for name in BANDS], -1).reshape(20, 3)
    for i in range(20):
        complete = x[:, i][np.isfinite(x[:, i]).all(1)]
        total = lambda g, at=complete: np.linalg.norm(at - g, axis=1).sum()  # noqa: E731
        best = optimize.minimize(total, complete.mean(0), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
        np.testing.assert_allclose(got[i], best.x, atol=3e-5)
        assert total(got[i]) <= best.fun + 1e-6
        assert result.n_valid.values.reshape(3, 20)[0, i] == len(complete)


def test_geomedian_leaves_a_date_that_is_the_marginal_median_but_not_the_least_sum() -> None:
    """The marginal median of these five dates is the first; plain Weiszfeld would stay there."""
    x = np.array([[0.5, 0.5], [0.6, 0.45], [0.65, 0.4], [0.4, 0.55], [0.2, 0.9], [0.45, 0.95], [0.9, 0.3]])
    assert np.median(x, 0).tolist() == x[0].tolist()
    total = lambda g: np.linalg.norm(x - g, axis=1).sum()  # noqa: E731
    best = optimize.minimize(total, [0.52, 0.5], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14})
    assert np.linalg.norm(best.x - x[0]) > 1e-3
    result = stack(red=x[:, :1, None], nir=x[:, 1:, None]).kara.composite("geomedian")
    np.testing.assert_allclose([result.red.item(), result.nir.item()], best.x, atol=1e-5)


@pytest.mark.parametrize("valid", [0, 1, 2])
def test_geomedian_of_two_dates_is_their_mean(valid: int) -> None:
    red = np.full((4, 1, 1), np.nan)
    red[1 : 1 + valid, 0, 0] = [0.2, 0.5][:valid]
    result = stack(red=red, nir=np.full((4, 1, 1), 0.3)).kara.composite("geomedian")
    want = [np.nan, 0.2, 0.35][valid]
    np.testing.assert_allclose(result.red.item(), want, rtol=1e-7)
    np.testing.assert_allclose(result.nir.item(), 0.3 if valid else np.nan, rtol=1e-7)
    assert result.n_valid.values.ravel().tolist() == [valid, valid]


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(METHODS),
    st.tuples(st.integers(1, 12), st.integers(0, 12), st.integers(0, 40)),
    st.tuples(st.integers(1, 5), st.integers(3, 12), st.integers(7, 40)),
    st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    st.sampled_from([1, 2, 7]),
    st.sampled_from([np.uint8, np.uint16, np.int16, np.float32, np.float64]),
    st.sampled_from([None, "15D", "MS"]),
)
def test_all_roads_chunks_and_threads_give_the_same_bytes(
    how: dict[str, Any],
    shape: tuple[int, int, int],
    chunks: tuple[int, int, int],
    missing: float,
    threads: int,
    dtype: Any,
    period: str | None,
) -> None:
    values = numbers(shape[1], shape, missing, dtype)
    eager = stack(SCALED, **values).kara.composite(**how, period=period)
    chunks = (min(chunks[0], shape[0]), max(1, min(chunks[1], shape[1])), max(1, min(chunks[2], shape[2])))
    try:
        kr.set_threads(threads)
        for road in ("numpy", "by hand", "source"):
            ds = stack(SCALED, **{name: on_the_road(road, band, chunks) for name, band in values.items()})
            xr.testing.assert_identical(ds.kara.composite(**how, period=period).compute(), eager)
    finally:
        kr.set_threads(None)


def test_nothing_is_computed_before_it_is_asked_for(no_compute: None) -> None:
    values = numbers(1, (6, 8, 8))
    for road in ("by hand", "source"):
        ds = stack(SCALED, **{name: on_the_road(road, band, (1, 4, 4)) for name, band in values.items()})
        assert all(blocks.is_lazy(band.data) for band in ds.kara.composite(period="MS").data_vars.values())


def test_periods_are_half_open_and_empty_ones_left_out() -> None:
    red = np.arange(1.0, 9.0).reshape(8, 1, 1)
    winter = ["2023-12-31T23:59:59", "2024-01-01", "2024-01-31T23:59", "2024-02-01", "2024-02-10"]
    times = pd.to_datetime([*winter, "2024-04-30", "2024-05-01", "2024-05-02"], format="ISO8601")
    ds = xr.Dataset({"red": (("time", "y", "x"), red)}, coords={"time": times})
    monthly = ds.kara.composite("mean", period="MS")
    assert monthly.red.values.ravel().tolist() == [1.0, 2.5, 4.5, 6.0, 7.5]
    assert monthly.n_valid.values.ravel().tolist() == [1, 2, 2, 1, 2]
    starts = ["2023-12-01", "2024-01-01", "2024-02-01", "2024-04-01", "2024-05-01"]
    np.testing.assert_array_equal(monthly.time.values, pd.to_datetime(starts))
    np.testing.assert_array_equal(
        monthly.period_end.values,
        pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01", "2024-05-01", "2024-06-01"]),
    )
    grouped = ds.red.resample(time="MS").mean().dropna("time")
    np.testing.assert_allclose(monthly.red.values, grouped.values, rtol=1e-7)
    quarterly = ds.kara.composite("mean", period="QS")
    assert quarterly.red.values.ravel().tolist() == [1.0, 3.5, 7.0]
    thirty = ds.kara.composite("mean", period="30D")
    np.testing.assert_allclose(thirty.red.values, ds.red.resample(time="30D").mean().dropna("time").values, rtol=1e-7)
    own = ds.kara.composite(
        "mean", period=[("2024-01-01", "2024-02-01"), ("2023-01-01", "2025-01-01"), ("2000", "2001")]
    )
    assert own.red.values.ravel().tolist() == [2.5, 4.5]
    shuffled = ds.isel(time=[3, 1, 7, 0, 2, 6, 5, 4]).kara.composite("mean", period="MS")
    np.testing.assert_array_equal(shuffled.red.values, monthly.red.values)


def test_what_the_result_says_of_itself() -> None:
    ds = stack({**SCALED, "quantity": "surface_reflectance"}, **numbers(3, (4, 5, 6)))
    ds = ds.assign_coords(
        spatial_ref=0,
        y=np.arange(5),
        platform=("time", ["a"] * 4),
        boa_add_offset=("time", [-1000] * 4),
        boa_offset_applied=False,
    )
    ds["scl"] = (("time", "y", "x"), np.ones((4, 5, 6), np.uint8))
    result = ds.assign_attrs(history="before").kara.composite("percentile", q=25)
    assert set(result.data_vars) == {*BANDS, "n_valid"}
    assert result.red.attrs == {"quantity": "surface_reflectance", "units": "1"}
    assert set(result.coords) == {"spatial_ref", "y", "band"}
    assert result.attrs["history"] == "before\ncomposite('percentile', q=25)"
    assert result.n_valid.dims == ("band", "y", "x")
    assert result.kara.composite.__doc__
    only = ds.kara.composite(bands="nir", period="MS")
    assert set(only.data_vars) == {"nir", "n_valid"}
    assert only.n_valid.dims == ("time", "band", "y", "x")


def test_digital_numbers_without_a_scale_are_not_passed_off_as_reflectance() -> None:
    values = numbers(4, (5, 6, 7))
    with pytest.raises(errors.UnitsError, match=r"^red: got uint16 without scale_factor.*attrs\['add_offset'\]"):
        stack(**values).kara.composite()
    with pytest.raises(errors.UnitsError, match=r"^b5: got uint16"):
        stack({"quantity": "surface_reflectance"}, b5=values["red"]).kara.composite()
    plain = stack(count=values["red"]).kara.composite("mean", bands="count")
    np.testing.assert_allclose(plain["count"].values, values["red"].mean(axis=0), rtol=1e-7)
    assert "units" not in plain["count"].attrs


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 0, 4), (3, 1, 1), (5, 1, 9)])
@pytest.mark.parametrize("how", METHODS, ids=str)
def test_small_and_empty_and_invalid_images(shape: tuple[int, int, int], how: dict[str, Any]) -> None:
    result = stack(**{name: np.full(shape, np.nan, np.float32) for name in BANDS}).kara.composite(**how)
    assert result.red.shape == shape[1:]
    assert np.isnan(result.red.values).all()
    assert not result.n_valid.values.any()
    ones = stack(**{name: np.full(shape, 0.25, np.float32) for name in BANDS}).kara.composite(**how)
    np.testing.assert_array_equal(ones.swir16.values, np.full(shape[1:], 0.25))
    np.testing.assert_array_equal(ones.n_valid.values, np.full((3, *shape[1:]), shape[0]))


def test_strided_and_read_only_input() -> None:
    values = numbers(8, (6, 20, 30))
    want = stack(SCALED, **{n: band[::2, ::3, ::-2].copy() for n, band in values.items()}).kara.composite("geomedian")
    for band in values.values():
        band.flags.writeable = False
    got = stack(SCALED, **{n: band[::2, ::3, ::-2] for n, band in values.items()}).kara.composite("geomedian")
    xr.testing.assert_identical(got, want)


FLOATS = stack(**{name: np.full((3, 2, 2), 0.2) for name in BANDS})
DECIBEL = stack({"units": "dB"}, vv=np.full((3, 2, 2), -12.0))


@pytest.mark.parametrize(
    ("ds", "how", "error", "says"),
    [
        (FLOATS.isel(time=0), {}, errors.MissingVariableError, "time"),
        (FLOATS.isel(time=[]), {}, errors.NoDatesError, "no date"),
        (FLOATS, {"method": "mode"}, errors.InvalidInputError, "'mode'"),
        (FLOATS, {"method": "percentile"}, errors.InvalidInputError, "q: got None"),
        (FLOATS, {"method": "percentile", "q": 100.5}, errors.InvalidInputError, "100.5"),
        (FLOATS, {"method": "percentile", "q": np.nan}, errors.InvalidInputError, "nan"),
        (FLOATS, {"q": 30}, errors.InvalidInputError, "percentile"),
        (FLOATS, {"method": "max_ndvi", "bands": ("red", "swir16")}, errors.MissingVariableError, "nir"),
        (FLOATS, {"bands": ("red", "green")}, errors.MissingVariableError, "green"),
        (FLOATS, {"period": "ME"}, errors.InvalidInputError, "MS"),
        (FLOATS, {"period": "sometimes"}, errors.InvalidInputError, "sometimes"),
        (FLOATS, {"period": []}, errors.InvalidInputError, "period"),
        (FLOATS, {"period": [("2024-01-02", "2024-01-01")]}, errors.InvalidInputError, "start before its end"),
        (FLOATS, {"period": [("1999-01-01", "2000-01-01")]}, errors.NoDatesError, "2024-01-03 to 2024-01-13"),
        (DECIBEL, {}, errors.UnitsError, "from_db"),
        (FLOATS.assign(red=FLOATS.red.isel(y=0)), {}, errors.InvalidInputError, "red: got dimensions"),
        (FLOATS.assign(red=FLOATS.red.assign_attrs(SCALED)), {"method": "geomedian"}, errors.UnitsError, "decode"),
        (xr.Dataset(coords={"time": dates(2)}), {}, errors.MissingVariableError, "no band.*red.*vv"),
    ],
)
def test_bad_input_is_named(ds: xr.Dataset, how: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        ds.kara.composite(**how)


def test_the_order_of_variables_does_not_matter() -> None:
    ds = stack(SCALED, **numbers(6, (9, 8, 8)))
    result, turned = (one.kara.composite("geomedian") for one in (ds, ds[list(ds)[::-1]]))
    assert list(turned.band.values) == list(BANDS)
    xr.testing.assert_identical(result, turned)


def test_dates_of_different_offsets_are_refused() -> None:
    ds = stack(SCALED, **numbers(3, (2, 4, 4))).assign_coords(boa_add_offset=("time", [0, -1000]))
    with pytest.raises(errors.UnitsError, match="boa_add_offset"):
        ds.kara.composite()


def test_a_real_season_of_clouds(samples: Path) -> None:
    """Nineteen dates, most of them cloudy: what the cloud mask left is what NumPy takes the median of."""
    path = samples / "s2-optical-cubes" / "test_optical_cube.nc"
    with xr.open_dataset(path, engine="scipy", mask_and_scale=False) as file:
        cube = file.load().rename(t="time")
    names = {"S2-L2A-B04": "red", "S2-L2A-B03": "green", "S2-L2A-B02": "blue", "S2-L2A-B08": "nir", "S2-L2A-SCL": "scl"}
    ds = cube[list(names)].rename(names)
    for name in ("red", "green", "blue", "nir"):
        ds[name] = ds[name].astype(np.uint16).assign_attrs(scale_factor=1e-4, add_offset=0.0, _FillValue=0)
    clear = ds.red.where(ds.scl.isin([4, 5, 6, 7])).astype(np.float64) * 1e-4
    masked = ds.assign(
        {n: ds[n].where(ds.scl.isin([4, 5, 6, 7]), 0).astype(np.uint16) for n in ("red", "green", "blue", "nir")}
    )
    result = masked.chunk(time=1, y=20, x=20).kara.composite().compute()
    np.testing.assert_allclose(result.red.values, clear.median("time").values, rtol=2e-7)
    np.testing.assert_array_equal(result.n_valid.sel(band="red").values, np.isfinite(clear).sum("time").values)
    assert 0 < result.n_valid.values.min() < result.n_valid.values.max() < 19
    monthly = masked.kara.composite("mean", period="MS")
    np.testing.assert_array_equal(
        monthly.time.values, np.array(["2023-10-01", "2023-11-01", "2023-12-01"], "datetime64[ns]")
    )
    np.testing.assert_allclose(monthly.red.values, clear.resample(time="MS").mean().values, rtol=2e-7)
    bright = ds.kara.composite("mean").red.mean() / result.red.mean()
    assert bright > 2  # clouds in, clouds out


def test_thirteen_real_bands(samples: Path) -> None:
    scenes = np.load(samples / "s2-13band-5dates-slovenia" / "REFERENCE_SCENES.npy")
    order = (
        "coastal",
        "blue",
        "green",
        "red",
        "rededge1",
        "rededge2",
        "rededge3",
        "nir",
        "nir08",
        "nir09",
        "b10",
        "swir16",
        "swir22",
    )
    ds = stack(**{name: np.ascontiguousarray(scenes[..., i]) for i, name in enumerate(order)}).drop_vars("b10")
    median, geomedian, greenest = (ds.kara.composite(method) for method in ("median", "geomedian", "max_ndvi"))
    names = [name for name in order if name != "b10"]
    x = np.stack([ds[name].values for name in names], -1).astype(np.float64)

    def total(result: xr.Dataset) -> np.ndarray:
        point = np.stack([result[name].values for name in names], -1).astype(np.float64)
        return np.linalg.norm(x - point, axis=-1).sum(0)

    np.testing.assert_array_equal(median.nir.values, np.median(ds.nir.values, axis=0))
    assert (total(geomedian) <= total(median) + 1e-6).all()
    assert (total(geomedian) <= total(ds.kara.composite("mean")) + 1e-6).all()
    np.testing.assert_array_equal(greenest.kara.ndvi().values, ds.kara.ndvi().max("time").values)


RUN = textwrap.dedent(
    """
    import resource, sys
    import dask
    import kararaster as kr
    from kararaster.blocks import time_axis

    time_axis.SERIES_BYTES = 2**24
    dates = int(sys.argv[1])
    stack = kr.simulate.stack(shape=(512, 512), dates_pre=dates // 2 - 3, dates_post=3, chunks=512)
    assert stack.sizes["time"] == dates
    with dask.config.set(scheduler="threads", num_workers=2):
        stack.kara.composite(bands="vv").compute()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
)


def test_peak_memory_is_flat_in_time() -> None:
    """From a source, with room for 16 MB of samples; all dates of the tile are 31 MB and 126 MB."""
    few, many = (
        int(subprocess.run([sys.executable, "-c", RUN, str(n)], capture_output=True, text=True, check=True).stdout)
        for n in (30, 120)
    )
    assert many < 1.15 * few, (few, many)
