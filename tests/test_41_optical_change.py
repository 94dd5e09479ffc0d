"""Change on indices: against SciPy, under no change, over seasons; breaks against a slow reference, with known dates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import rioxarray
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import kararaster as kr
import reference_ccdc
from kararaster import blocks, errors
from kararaster.changes import METHODS
from kararaster.changes.seasons import same_season
from kararaster.lazy import InMemory
from kararaster.periods import Period

EVENT = pd.Timestamp("2023-09-19")
THREE_YEARS: dict[str, Any] = {"event": EVENT, "pre": "1095D", "post": "60D"}


def season_dates(per_year: int = 4, after: int = 4) -> np.ndarray:
    """Dates in the 60 days after 19 September: of 2020 to 2022, and of the year of the event."""
    days = [
        pd.Timestamp(f"{year}-09-20T07:36") + pd.Timedelta(days=int(d))
        for year, n in ((2020, per_year), (2021, per_year), (2022, per_year), (2023, after))
        for d in np.linspace(0, 55, n).astype(int)
    ]
    return np.array(days, "datetime64[ns]")


def indices(shape: tuple[int, int], *, seed: int = 0, dtype: type = np.float32, drop: float = 0.0) -> xr.Dataset:
    """Gaussian NDVI and NDBI; after the event NDVI falls and NDBI rises by `drop`."""
    rng, times = np.random.default_rng(seed), season_dates()
    after = np.where(times >= EVENT.to_datetime64(), drop, 0.0)[:, None, None]
    noise = rng.normal(0, 0.05, (2, len(times), *shape))
    data = {"ndvi": 0.6 + noise[0] - after, "ndbi": -0.2 + noise[1] + after}
    return xr.Dataset({k: (("time", "y", "x"), v.astype(dtype)) for k, v in data.items()}, {"time": times})


def split(band: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    after = band.time.values >= EVENT.to_datetime64()
    return band.values[~after].astype(np.float64), band.values[after].astype(np.float64)


def identical(a: xr.Dataset, b: xr.Dataset) -> None:
    assert list(a.data_vars) == list(b.data_vars)
    for name in a.data_vars:
        assert a[name].dtype == b[name].dtype
        assert np.asarray(a[name]).tobytes() == np.asarray(b[name]).tobytes(), name


@pytest.mark.parametrize("bands", [("ndvi",), ("ndbi",), ("ndvi", "ndbi")])
def test_ttest_equals_scipy(bands: tuple[str, ...]) -> None:
    ds = indices((9, 11), dtype=np.float64, drop=0.03)
    got = kr.change(ds, **THREE_YEARS, bands=bands)
    tests = [stats.ttest_ind(*reversed(split(ds[band]))) for band in bands]
    p = np.array([test.pvalue for test in tests])
    chosen = p.argmin(0)[None]
    t = np.take_along_axis(np.array([test.statistic for test in tests]), chosen, 0)[0]
    sense = np.array([1 if band == "ndvi" else -1 for band in bands])[chosen[0]]
    p_min = p.min(0)
    np.testing.assert_allclose(got.p_value, 1 - (1 - p_min) ** len(bands), rtol=1e-6)
    np.testing.assert_array_equal(got.direction, np.sign(t) * sense)
    np.testing.assert_allclose(got.statistic, np.sign(t) * sense * stats.norm.isf(p_min / 2), rtol=2e-6)
    for band in bands:
        pre, post = split(ds[band])
        np.testing.assert_allclose(got.magnitude.sel(band=band), post.mean(0) - pre.mean(0), rtol=2e-6, atol=1e-8)
    assert (got.n_pre == 12).all()
    assert (got.n_post == 4).all()
    assert (got.n_orbits == 1).all()
    assert got.magnitude.attrs["units"] == "1"
    assert got.direction.attrs["flag_meanings"] == "less_vegetation undecided more_vegetation"
    assert got.attrs["method"] == "ttest"


def test_hotelling_of_two_indices_equals_its_f() -> None:
    ds = indices((6, 5), dtype=np.float64, drop=0.03)
    got = kr.change(ds, **THREE_YEARS, method="hotelling")
    for y, x in np.ndindex(6, 5):
        pre, post = (np.stack(side) for side in zip(*(split(ds[b].isel(y=[y], x=[x])) for b in ds), strict=True))
        pre, post = pre[:, :, 0, 0], post[:, :, 0, 0]
        n1, n2 = pre.shape[1], post.shape[1]
        pooled = ((n1 - 1) * np.cov(pre) + (n2 - 1) * np.cov(post)) / (n1 + n2 - 2)
        d = post.mean(1) - pre.mean(1)
        f = (n1 + n2 - 3) / (2 * (n1 + n2 - 2)) * n1 * n2 / (n1 + n2) * d @ np.linalg.solve(pooled, d)
        np.testing.assert_allclose(got.p_value[y, x], stats.f.sf(f, 2, n1 + n2 - 3), rtol=1e-6)
        np.testing.assert_allclose(got.magnitude[:, y, x], d, rtol=1e-6)
        both = np.sign(d[0]) if np.sign(d[0]) == -np.sign(d[1]) else 0
        assert got.direction[y, x] == both


@pytest.mark.parametrize("method", ["ttest", "hotelling"])
@pytest.mark.parametrize("bands", [("ndvi",), ("ndvi", "ndbi")])
def test_false_alarms_are_those_that_were_asked_for(method: str, bands: tuple[str, ...]) -> None:
    p = kr.change(indices((250, 240), seed=7), **THREE_YEARS, method=method, bands=bands).p_value.values
    assert 0.045 < (p < 0.05).mean() < 0.055
    assert 0.008 < (p < 0.01).mean() < 0.012


def test_the_season_is_that_of_earlier_years() -> None:
    post = Period(pd.Timestamp("2024-02-29"), pd.Timestamp("2024-04-29"))
    one = same_season(pd.Timestamp("2024-02-29"), "365D", post)
    assert [(str(p.start.date()), str(p.stop.date())) for p in one.parts] == [("2023-02-28", "2023-04-29")]
    three = same_season(EVENT, "1095D", Period(EVENT, EVENT + pd.Timedelta("60D")))
    assert [str(p.start.date()) for p in three.parts] == ["2022-09-19", "2021-09-19", "2020-09-19"]
    assert [str(p.stop.date()) for p in three.parts] == ["2022-11-18", "2021-11-18", "2020-11-18"]
    cut = same_season(EVENT, ("2022-10-01", "2023-09-01"), Period(EVENT, EVENT + pd.Timedelta("60D")))
    assert [(str(p.start.date()), str(p.stop.date())) for p in cut.parts] == [("2022-10-01", "2022-11-18")]
    year_long = same_season(EVENT, "730D", Period(EVENT, EVENT + pd.Timedelta("400D")))
    assert max(p.stop for p in year_long.parts) == EVENT
    times = np.array(
        ["2022-09-18T23:59", "2022-09-19", "2022-11-17T23:59", "2022-11-18", "2023-09-18"], "datetime64[ns]"
    )
    np.testing.assert_array_equal(three.contains(times), [False, True, True, False, False])


def test_dates_of_other_seasons_are_left_out() -> None:
    ds = indices((4, 4))
    summer = ds.isel(time=slice(0, 5)).assign_coords(time=pd.date_range("2023-06-01", periods=5, freq="7D")) + 0.3
    both = xr.concat([ds, summer.astype(np.float32)], "time")
    identical(kr.change(both, **THREE_YEARS), kr.change(ds, **THREE_YEARS))
    assert (kr.change(both, **THREE_YEARS, season=False).n_pre == 17).all()
    assert (kr.change(both, event=EVENT).n_pre == 4).all()


def town(chunks: int | None = None) -> xr.Dataset:
    dates = tuple(str(t)[:19] for t in season_dates(3, 3))
    return kr.simulate.optical(shape=(160, 200), dates=dates, bands=("red", "nir", "swir16"), chunks=chunks)


def decoded(ds: xr.Dataset) -> xr.Dataset:
    bands = {name: (band.astype(np.float64) * 1e-4 - 0.1).where(band != 0) for name, band in ds.data_vars.items()}
    for band in bands.values():
        band.attrs = {"units": "1"}
    return xr.Dataset(bands, {name: ds[name] for name in ("time", "y", "x", "spatial_ref")})


def test_undecoded_bands_give_the_result_of_reflectance() -> None:
    stored, ready = kr.change(town(), **THREE_YEARS), kr.change(decoded(town()), **THREE_YEARS)
    assert list(stored.band.values) == ["ndvi", "ndbi"]
    np.testing.assert_allclose(stored.magnitude, ready.magnitude, atol=2e-7)
    np.testing.assert_allclose(stored.p_value, ready.p_value, rtol=1e-3, atol=1e-7)
    np.testing.assert_array_equal(stored.n_pre, ready.n_pre)


def test_new_buildings_and_cleared_ground_are_found() -> None:
    result, truth = kr.change(town(), **THREE_YEARS), kr.simulate.truth(shape=(160, 200))
    was_green = truth.kind.values > 1  # rubble has the colour of roofs
    assert was_green.sum() > 100
    assert result.changed.values[was_green].mean() > 0.95
    assert (result.direction.values[was_green] == -1).all()
    assert result.changed.values[truth.kind.values == 0].mean() < 0.01
    assert result.history.splitlines()[-1].startswith("change(")


def test_indices_of_the_dataset_are_taken_as_they_are() -> None:
    ds = town()
    ready = xr.Dataset({"ndvi": kr.ndvi(ds), "ndbi": kr.ndbi(ds)})
    identical(kr.change(ready, **THREE_YEARS), kr.change(ds, **THREE_YEARS))
    assert list(kr.change(ds.drop_vars("swir16"), **THREE_YEARS).band.values) == ["ndvi"]
    other = kr.change(ready.rename(ndvi="mine"), **THREE_YEARS, bands="mine")
    assert other.direction.attrs["flag_meanings"] == "lower undecided higher"


def holes(ds: xr.Dataset, seed: int, share: float = 0.2) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    for band in ds.data_vars.values():
        band.values[rng.random(band.shape) < share] = np.nan
        band.values[rng.random(band.shape) < 0.01] = np.inf
    return ds


def test_missing_samples_are_not_counted() -> None:
    ds = holes(indices((8, 9), dtype=np.float64), 1)[["ndvi"]]
    got, (pre, post) = kr.change(ds, **THREE_YEARS), split(ds.ndvi)
    np.testing.assert_array_equal(got.n_pre, np.isfinite(pre).sum(0))
    np.testing.assert_array_equal(got.n_post, np.isfinite(post).sum(0))
    for y, x in np.ndindex(8, 9):
        a, b = (side[:, y, x][np.isfinite(side[:, y, x])] for side in (pre, post))
        want = stats.ttest_ind(b, a).pvalue if len(a) >= 3 and len(b) >= 2 else np.nan
        np.testing.assert_allclose(got.p_value[y, x], want, rtol=1e-6)


def test_orbits_of_an_optical_stack_are_told_apart_where_it_names_them() -> None:
    ds = indices((5, 5)).assign_coords(relative_orbit=("time", [21, 121] * 8))
    assert (kr.change(ds, **THREE_YEARS).n_orbits == 2).all()
    assert (kr.change(ds, **THREE_YEARS, by=None).n_orbits == 1).all()
    assert (kr.change(ds.assign_coords(relative_orbit=21), **THREE_YEARS).n_orbits == 1).all()


CUTS = st.tuples(st.integers(3, 40), st.integers(5, 12), st.integers(5, 14))


@settings(max_examples=5, deadline=None)
@given(cut=CUTS, threads=st.integers(1, 3))
@pytest.mark.parametrize("event", [EVENT, None])
def test_neither_chunks_nor_threads_nor_the_road_change_a_byte(cut: Any, threads: int, event: Any) -> None:
    ds = holes(indices((12, 14), drop=0.05) if event else seasonal(40, (12, 14), step=-0.3), 3)
    question = THREE_YEARS if event else {}
    kr.set_threads(1)
    want = kr.change(ds, **question).compute()
    kr.set_threads(threads)
    try:
        identical(kr.change(ds, **question), want)
        chunked = ds.chunk(dict(zip(("time", "y", "x"), cut, strict=True)))
        identical(kr.change(chunked, **question).compute(), want)
        lazy = {
            k: (v.dims, blocks.from_lazy(InMemory(v.values), chunks=dict(enumerate(cut))), v.attrs)
            for k, v in ds.items()
        }
        identical(kr.change(xr.Dataset(lazy, ds.coords), **question).compute(), want)
    finally:
        kr.set_threads(None)


def test_nothing_is_computed_early(no_compute: None) -> None:
    ds = town(40)
    for question in (THREE_YEARS, {}):
        assert all(isinstance(v.data, da.Array) for v in kr.change(ds, **question).data_vars.values())


# breaks


def seasonal(
    dates: int,
    shape: tuple[int, int],
    *,
    noise: float = 0.03,
    step: float = 0.0,
    at: float = 0.75,
    every: int = 16,
    seed: int = 0,
    bands: tuple[str, ...] = ("ndvi", "ndbi"),
) -> xr.Dataset:
    """Two indices with the course of a year; from the share `at` of the dates on NDVI is higher by `step`, NDBI lower."""
    rng = np.random.default_rng(seed)
    days = every * np.arange(dates) + rng.integers(0, 5, dates)
    years = days[:, None, None] / 365.25
    course = 0.2 * np.cos(2 * np.pi * years) + 0.05 * np.sin(4 * np.pi * years)
    jump = step * (np.arange(dates) >= round(at * dates))[:, None, None]
    values = {
        "ndvi": 0.5 + course + jump + rng.normal(0, noise, (dates, *shape)),
        "ndbi": -0.1 - course - jump + rng.normal(0, noise, (dates, *shape)),
    }
    times = np.datetime64("2018-01-01T07:30", "ns") + days * np.timedelta64(1, "D")
    data = {band: (("time", "y", "x"), values[band].astype(np.float32)) for band in bands}
    return xr.Dataset(data, {"time": times})


@pytest.mark.parametrize("bands", [("ndvi",), ("ndvi", "ndbi")])
@pytest.mark.parametrize(
    "rules", [{}, {"harmonics": 1, "consecutive": 4, "min_obs": 15}, {"harmonics": 3, "rmse_factor": 2.5}]
)
def test_breaks_are_those_of_the_slow_reference(bands: tuple[str, ...], rules: dict[str, Any]) -> None:
    ds = holes(seasonal(90, (7, 9), step=-0.15, bands=bands, seed=4), 5, 0.25)
    ds["ndvi"].values[:, 0] -= np.float32(0.2) * (np.arange(90) > 40)[:, None]  # a row with two breaks
    ds["ndvi"].values[20:, 1, 1] = np.nan  # too few for a model
    got = kr.change(ds, **rules)
    days = (ds.time.values - np.datetime64("2000-01-01", "ns")) / np.timedelta64(1, "D")
    signs = np.array([1 if band == "ndvi" else -1 for band in bands])
    breaks = 0
    for y, x in np.ndindex(7, 9):
        values = np.stack([ds[band].values[:, y, x] for band in bands], axis=1).astype(np.float64)
        want = reference_ccdc.search(days, values * signs, reference_ccdc.Rules(**rules))
        one = got.isel(y=y, x=x)
        breaks += want.breaks
        assert int(one.change_count) == want.breaks
        assert int(one.n_obs) == np.isfinite(values).all(1).sum()
        assert int(one.direction) == want.direction
        when = ds.time.values[want.date] if want.date >= 0 else np.datetime64("NaT")
        np.testing.assert_array_equal(one.change_time.values, when)
        np.testing.assert_allclose(one.statistic, want.statistic if want.modelled else np.nan, rtol=1e-5)
        magnitude = np.full(len(bands), np.nan) if want.magnitude is None else want.magnitude * signs
        np.testing.assert_allclose(one.magnitude, magnitude, rtol=1e-4, atol=1e-6)
    assert breaks >= 30


def test_a_known_break_is_dated_to_its_first_acquisition() -> None:
    ds = seasonal(100, (30, 30), step=-0.3, seed=2)
    got = kr.change(ds)
    true = ds.time.values[75]
    late = np.abs(np.searchsorted(ds.time.values, got.change_time.values) - 75)
    assert (late[~np.isnat(got.change_time.values)] <= 1).mean() > 0.98
    assert (got.change_time.values == true).mean() > 0.95
    assert got.changed.mean() > 0.99
    assert (got.direction.where(got.changed, -1) == -1).mean() > 0.98
    np.testing.assert_allclose(got.magnitude.median(("y", "x")), [-0.3, 0.3], atol=0.02)


def test_false_alarms_on_stable_series_are_few() -> None:
    """Not controlled, so measured: 4 % of the pixels over four years of 16 days with the defaults, 0.5 % with 6 in a row."""
    ds = seasonal(92, (80, 80), seed=11)
    alone, both = kr.change(ds, bands="ndvi"), kr.change(ds)
    assert alone.changed.mean() < 0.05
    assert both.changed.mean() < 0.05
    assert kr.change(ds, consecutive=6, bands="ndvi").changed.mean() < 0.008
    often = seasonal(120, (80, 80), seed=12, every=6, bands=("ndvi",))
    assert kr.change(often).changed.mean() < 0.015
    assert (alone.statistic >= 0).all()


def test_series_without_noise_do_not_alarm() -> None:
    ds = seasonal(90, (3, 3), noise=0.0)
    assert not kr.change(ds).changed.any()
    constant = ds * 0 + np.float32(0.3)
    assert not kr.change(constant).changed.any()
    assert (kr.change(constant).statistic == 0).all()


def test_single_outliers_are_no_break() -> None:
    ds = seasonal(90, (5, 5), noise=0.02, bands=("ndvi",))
    for date in (35, 36, 50, 52, 70):  # clouds: at most two in a row
        ds["ndvi"].values[date] -= np.float32(0.5)
    assert kr.change(ds).changed.mean() < 0.1
    assert kr.change(ds, consecutive=2).changed.all()


def test_too_few_dates_in_a_pixel_give_no_model_and_no_date() -> None:
    ds = seasonal(30, (3, 4))
    ds["ndvi"].values[11:, :, 1:] = np.nan
    got, short = kr.change(ds), kr.change(ds).isel(x=slice(1, None))
    assert np.isnan(short.statistic).all()
    assert np.isnat(short.change_time.values).all()
    assert np.isnan(short.magnitude).all()
    assert (short.n_obs == 11).all()
    assert not short.changed.any()
    assert np.isfinite(got.statistic.isel(x=0)).any()


def test_dates_that_allow_no_model_are_refused(no_compute: None) -> None:
    ds = seasonal(30, (3, 4), every=14).chunk(y=1)
    with pytest.raises(errors.NoDatesError, match=r"got 11 dates, want at least 12 \(min_obs=12.*covers 2018-01-"):
        kr.change(ds.isel(time=slice(0, 11)))
    with pytest.raises(errors.NoDatesError, match=r"got 5 dates, want at least 9 \(min_obs=2, harmonics=2\)"):
        kr.change(ds.isel(time=slice(0, 5)), min_obs=2)
    kr.change(ds.isel(time=slice(0, 9)), min_obs=2, min_span="90D")
    with pytest.raises(errors.NoDatesError, match=r"got dates over \d+ days, want at least 365 \(min_span\)"):
        kr.change(ds.isel(time=slice(0, 20)))


def test_the_real_cube_is_too_short_for_a_year_but_not_for_a_month(samples: Path) -> None:
    with xr.open_dataset(samples / "s2-optical-cubes" / "test_optical_cube.nc") as cube:
        ds = xr.Dataset({
            name: cube[f"S2-L2A-{old}"].rename(t="time").assign_attrs(scale_factor=1e-4)
            for name, old in (("red", "B04"), ("nir", "B08"))
        })  # fmt: skip
        with pytest.raises(errors.NoDatesError, match="min_span"):
            kr.change(ds)
        got, ndvi = kr.change(ds, min_span="30D", harmonics=1), kr.ndvi(ds).values
    np.testing.assert_array_equal(got.n_obs, np.isfinite(ndvi).sum(0))
    np.testing.assert_array_equal(np.isnat(got.change_time.values), ~got.changed.values)


def test_dates_of_breaks_are_written(tmp_path: Path) -> None:
    ds = seasonal(60, (4, 5), step=-0.3)
    ds = ds.assign_coords(y=5e6 - 10.0 * np.arange(4), x=4e5 + 10.0 * np.arange(5)).rio.write_crs(32637)
    result = kr.change(ds.chunk(x=2))
    kr.to_cog(result, tmp_path)
    with rioxarray.open_rasterio(tmp_path / "change_time.tif") as written:
        days = written.values[0]
    np.testing.assert_array_equal(np.isnan(days), np.isnat(result.change_time.values))
    late = result.change_time.values > np.datetime64("2018-01-01")
    assert late.any()
    back = np.datetime64("1970-01-01", "ns") + (days[late] * 86400).round().astype("timedelta64[s]")
    np.testing.assert_array_equal(back, result.change_time.values[late])


def test_an_index_is_computed_by_name() -> None:
    ds = town(64)
    got = kr.change(ds, **THREE_YEARS, bands=("BUI", "savi"))
    assert list(got.band.values) == ["bui", "savi"]
    ready = kr.index(ds, "BUI", "SAVI")
    identical(got.compute(), kr.change(ready, **THREE_YEARS, bands=("bui", "savi")).compute())
    identical(got.compute(), kr.change(town(), **THREE_YEARS, bands=("bui", "savi")))
    with pytest.raises(errors.MissingVariableError, match="swir22"):
        kr.change(ds, **THREE_YEARS, bands="NBR")


def test_radar_and_indices_of_one_dataset_are_told_apart() -> None:
    optical = indices((4, 5), drop=0.3)
    power = np.random.default_rng(1).gamma(4.4, 0.1, optical.ndvi.shape)
    orbit = ("time", np.full(optical.sizes["time"], 123))
    both = optical.assign(vv=optical.ndvi.copy(data=power), nir=optical.ndvi).assign_coords(relative_orbit=orbit)
    assert list(kr.change(both, **THREE_YEARS).band.values) == ["vv"]
    got = kr.change(both, **THREE_YEARS, bands=("ndvi", "ndbi"))
    np.testing.assert_array_equal(got.p_value, kr.change(optical, **THREE_YEARS).p_value)
    for other in ("ndvi", "nir"):
        with pytest.raises(errors.InvalidInputError, match=f"{other} is no radar power"):
            kr.change(both, **THREE_YEARS, bands=("vv", other))
    with pytest.raises(errors.InvalidInputError, match="indices, which go by name"):
        kr.change(both)


def test_the_methods_are_listed() -> None:
    assert set(METHODS) == {"hotelling", "ttest", "logratio", "ccdc"}


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: kr.change(xr.Dataset({"blue": ("x", [1.0])})), errors.MissingVariableError, "vv.*ndvi.*nir and red"),
        (lambda: kr.change(indices((2, 2)), **THREE_YEARS, method="logratio"), errors.InvalidInputError, "indices"),
        (lambda: kr.change(indices((2, 2)), **THREE_YEARS, method="ccdc"), errors.InvalidInputError, "at an event"),
        (lambda: kr.change(indices((2, 2)), method="ttest"), errors.InvalidInputError, "ccdc"),
        (lambda: kr.change(indices((2, 2)), alpha=0.01), errors.InvalidInputError, "alpha: goes with an event"),
        (lambda: kr.change(indices((2, 2)), baseline=indices((2, 2))), errors.InvalidInputError, "baseline: goes with"),
        (lambda: kr.change(indices((2, 2)), harmonics=4), errors.InvalidInputError, "harmonics"),
        (lambda: kr.change(indices((2, 2)), consecutive=0), errors.InvalidInputError, "consecutive"),
        (lambda: kr.change(indices((2, 2)), rmse_factor=-1), errors.InvalidInputError, "rmse_factor"),
        (lambda: kr.change(indices((2, 2)), min_span="long"), errors.InvalidInputError, "min_span"),
        (lambda: kr.change(indices((2, 2)), window=3), errors.InvalidInputError, "window"),
        (lambda: kr.change(indices((2, 2)), bands=()), errors.InvalidInputError, "bands"),
        (lambda: kr.change(indices((2, 2)), bands=("ndvi", "ndvi")), errors.InvalidInputError, "once"),
        (lambda: kr.change(indices((2, 2)), **THREE_YEARS, baseline=indices((2, 2))), errors.InvalidInputError, "baseline"),
        (lambda: kr.change(indices((2, 2)), event=EVENT, pre="100D"), errors.InvalidInputError, "season=False"),
        (lambda: kr.change(indices((2, 2)), event="2020-09-19"), errors.NoDatesError, "0 before.*season=False"),
        (lambda: kr.change(indices((2, 2)).assign(ndvi=lambda d: d.ndvi.assign_attrs(units="dB")), **THREE_YEARS),
         errors.UnitsError, "index"),
        (lambda: kr.change(indices((2, 2)), event=EVENT, seasonal=False), errors.InvalidInputError,
         r"seasonal.*want some of \['bands', 'min_post', 'min_pre', 'season'\]"),
        (lambda: kr.change(indices((2, 2)), event=EVENT, season="no"), errors.InvalidInputError, "^season: got 'no'"),
        (lambda: kr.change(indices((2, 2)).isel(time=[0, 1, 1, 2])), errors.InvalidInputError, "twice"),
        (lambda: kr.change(kr.simulate.stack(shape=(8, 8))), errors.InvalidInputError, "radar"),
        (lambda: kr.change(kr.simulate.stack(shape=(8, 8)), event=EVENT, method="ccdc"), errors.InvalidInputError, "radar"),
    ],
)  # fmt: skip
def test_refusals(call: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()
