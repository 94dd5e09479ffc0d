"""Before/after tests: against SciPy, under no change, on every road, and refusing what they cannot test."""

from __future__ import annotations

import itertools
from typing import Any

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import kararaster as kr
import reference
from kararaster import blocks, errors
from kararaster.lazy import InMemory

EVENT = pd.Timestamp("2023-09-19")


def stack(
    n_pre: int,
    n_post: int,
    shape: tuple[int, int],
    *,
    orbits: tuple[int, ...] = (174,),
    bands: tuple[str, ...] = ("vv", "vh"),
    enl: float = 4.4,
    seed: int = 0,
    factor: float = 1.0,
    dtype: type = np.float32,
) -> xr.Dataset:
    """Gamma speckle, every orbit with its own dates; power after the event times `factor`."""
    rng = np.random.default_rng(seed)
    times, orbit_of = [], []
    for k, orbit in enumerate(orbits):
        days = np.r_[-12 * np.arange(n_pre, 0, -1), 12 * np.arange(n_post)]
        times += [EVENT + pd.Timedelta(days=int(d), hours=3 * k + 1) for d in days]
        orbit_of += [orbit] * len(days)
    order = np.argsort(times, kind="stable")
    time, orbit_of = np.array(times, "datetime64[ns]")[order], np.array(orbit_of)[order]
    after = (time >= EVENT.to_datetime64())[:, None, None]
    data = {
        band: (
            ("time", "y", "x"),
            (0.05 * rng.gamma(enl, 1 / enl, (len(time), *shape)) * np.where(after, factor, 1.0)).astype(dtype),
            {"units": "1"},
        )
        for band in bands
    }
    return xr.Dataset(data, coords={"time": time, "relative_orbit": ("time", orbit_of)})


def split(ds: xr.Dataset, orbit: int) -> tuple[xr.Dataset, xr.Dataset]:
    one = ds.isel(time=np.flatnonzero(ds.relative_orbit.values == orbit))
    after = one.time.values >= EVENT.to_datetime64()
    return one.isel(time=~after), one.isel(time=after)


LONG: dict[str, Any] = {"event": EVENT, "pre": "2000D", "post": "400D"}


@pytest.mark.parametrize("bands", [("vv",), ("vv", "vh")])
@pytest.mark.parametrize("orbits", [(174,), (72, 174, 101)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hotelling_equals_scipy(bands: tuple[str, ...], orbits: tuple[int, ...], dtype: type) -> None:
    ds = stack(12, 4, (5, 7), bands=bands, orbits=orbits, factor=2.0, dtype=dtype)
    got = kr.change(ds, **LONG)
    ln_p, decibel, weight = [], 0.0, 0.0
    for orbit in orbits:
        pre, post = split(ds, orbit)
        a, b = (np.stack([part[band].values.reshape(part.sizes["time"], -1) for band in bands]) for part in (pre, post))
        ln_p.append(reference.hotelling_ln_p(reference.fourth_root(a), reference.fourth_root(b)))
        w = a.shape[1] * b.shape[1] / (a.shape[1] + b.shape[1])
        decibel, weight = decibel + w * 10 * np.log10(b.mean(1, np.float64) / a.mean(1, np.float64)), weight + w
    want = reference.fisher_ln_p(np.array(ln_p))
    rtol = 5e-6 if dtype == np.float32 else 2e-7
    np.testing.assert_allclose(got.neg_log10_p.values.ravel(), -want / np.log(10), rtol=rtol, atol=1e-7)
    np.testing.assert_allclose(got.p_value.values.ravel(), np.exp(want), rtol=4 * rtol)
    np.testing.assert_allclose(got.statistic.values.ravel(), stats.norm.isf(np.exp(want)), rtol=rtol, atol=5e-6)
    np.testing.assert_allclose(got.magnitude.values.reshape(len(bands), -1), decibel / weight, rtol=1e-5, atol=1e-5)
    assert (got.n_pre == 12 * len(orbits)).all()
    assert (got.n_post == 4 * len(orbits)).all()
    assert (got.n_orbits == len(orbits)).all()


@pytest.mark.parametrize("combine", ["fisher", "stouffer"])
def test_ttest_equals_scipy(combine: str) -> None:
    ds = stack(12, 4, (5, 7), orbits=(72, 174), factor=1.7, dtype=np.float64)
    got = kr.change(ds, **LONG, method="ttest", combine=combine)
    ln_p, z = [], []
    for band in ("vv", "vh"):
        tests = [
            stats.ttest_ind(np.log(post[band].values), np.log(pre[band].values))
            for pre, post in (split(ds, orbit) for orbit in (72, 174))
        ]
        p = np.array([t.pvalue for t in tests])
        if combine == "fisher":
            ln_p.append(stats.chi2.logsf(-2 * np.log(p).sum(0), 4))
        else:
            signed = np.array([np.sign(t.statistic) for t in tests]) * stats.norm.isf(p / 2)
            z.append(signed.sum(0) / np.sqrt(2))  # equal degrees of freedom, equal weights
            ln_p.append(np.log(2 * stats.norm.sf(np.abs(z[-1]))))
    smallest = np.exp(np.min(ln_p, axis=0))
    np.testing.assert_allclose(got.p_value.values, 1 - (1 - smallest) ** 2, rtol=1e-6)
    if combine == "stouffer":
        chosen = np.where(np.abs(z[0]) >= np.abs(z[1]), z[0], z[1])
        np.testing.assert_allclose(got.statistic.values, chosen, rtol=1e-6)
        np.testing.assert_array_equal(got.direction.values, np.sign(chosen))


def test_golden_ttest() -> None:
    pre, post = [-1.9, -2.1, -2.0, -1.8, -2.2, -2.05], [-1.2, -1.5, -1.1, -1.35]
    ds = stack(6, 4, (1, 1), bands=("vv",), dtype=np.float64)
    ds["vv"].values[:, 0, 0] = np.exp(pre + post)
    got = kr.change(ds, **LONG, method="ttest")
    np.testing.assert_allclose(got.p_value.item(), 9.503255523109955e-05, rtol=1e-6)
    np.testing.assert_allclose(got.magnitude.item(), 10 / np.log(10) * (np.mean(post) - np.mean(pre)), rtol=1e-6)


@pytest.mark.parametrize(
    ("enl", "limits"),
    [
        (1.0, [3.6635616461296454, 5.293304824724491, 7.60040233450051]),
        (4.4, [1.4105623998125738, 1.9031831455253667, 2.526512100455451]),
    ],
)
def test_golden_logratio(enl: float, limits: list[float]) -> None:
    ds = stack(1, 1, (1, 6), bands=("vv",), dtype=np.float64)
    ds["vv"].values[0], ds["vv"].values[1] = 1.0, np.exp(np.r_[limits, np.negative(limits)])
    got = kr.change(ds, **LONG, method="logratio", enl=enl)
    np.testing.assert_allclose(got.p_value.values[0], [0.05, 0.01, 0.001] * 2, rtol=1e-6)
    np.testing.assert_allclose(got.statistic.values[0], np.r_[limits, np.negative(limits)], rtol=1e-6)
    np.testing.assert_array_equal(got.direction.values[0], [1, 1, 1, -1, -1, -1])


def test_logratio_of_several_dates_equals_scipy() -> None:
    ds = stack(7, 3, (4, 4), bands=("vv",), factor=1.6, dtype=np.float64)
    got = kr.change(ds, **LONG, method="logratio", enl=4.4)
    pre, post = split(ds, 174)
    ratio = (post.vv.mean("time") / pre.vv.mean("time")).values
    f = stats.f(2 * 3 * 4.4, 2 * 7 * 4.4)
    np.testing.assert_allclose(got.p_value.values, 2 * np.minimum(f.sf(ratio), f.cdf(ratio)), rtol=1e-6)
    np.testing.assert_allclose(got.statistic.values, np.log(ratio), rtol=1e-6)


def test_p_values_hold_under_no_change() -> None:
    """Share of p < 0.05 in every cell of 1..4 orbits x (30,2) (30,5) (60,10), and of p < 0.001 over all cells."""
    pixels, small = 250, []
    for k, (n1, n2) in itertools.product((1, 2, 3, 4), ((30, 2), (30, 5), (60, 10))):
        ds = stack(n1, n2, (pixels, 200), orbits=tuple(range(1, k + 1)), seed=100 * k + n1 + n2)
        p = kr.change(ds, **LONG).p_value.values
        assert 0.045 < (p < 0.05).mean() < 0.055, (k, n1, n2)
        small.append((p < 0.001).mean())
    assert 0.0007 < np.mean(small) < 0.0014


def test_a_change_of_random_sign_is_found_in_every_orbit() -> None:
    ds = stack(30, 5, (60, 60), orbits=(1, 2), seed=3)
    after = ds.time.values >= EVENT.to_datetime64()
    first = ds.relative_orbit.values == 1
    for band in ("vv", "vh"):
        ds[band].values[after & first] *= np.float32(np.exp(0.9))
        ds[band].values[after & ~first] *= np.float32(np.exp(-0.9))
    found = kr.change(ds, **LONG)
    assert (found.p_value.values < 0.001).mean() > 0.95
    assert (found.direction.values == 0).mean() > 0.95
    opposed = kr.change(ds, **LONG, combine="stouffer")
    assert (opposed.p_value.values < 0.001).mean() < 0.2


def holes(ds: xr.Dataset, share: float, seed: int) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    for band in ds.data_vars.values():
        values = band.values
        values[rng.random(values.shape) < share] = np.nan
        values[rng.random(values.shape) < share / 10] = np.inf
        values[rng.random(values.shape) < share / 10] = -0.01
    return ds


@pytest.mark.parametrize("method", ["hotelling", "ttest", "logratio"])
def test_counts_and_results_with_missing_samples(method: str) -> None:
    ds = holes(stack(8, 3, (12, 11), orbits=(1, 2), dtype=np.float64), 0.35, 1)
    got = kr.change(ds, **LONG, method=method)
    valid = {band: np.isfinite(ds[band].values) & (ds[band].values > 0) for band in ("vv", "vh")}
    after = ds.time.values >= EVENT.to_datetime64()
    if method == "hotelling":
        both = valid["vv"] & valid["vh"]
        np.testing.assert_array_equal(got.n_pre.values, both[~after].sum(0))
        np.testing.assert_array_equal(got.n_post.values, both[after].sum(0))
        tested = sum(
            (both[~after & (ds.relative_orbit.values == o)].sum(0) >= 3).astype(int)
            * (both[after & (ds.relative_orbit.values == o)].sum(0) >= 2)
            for o in (1, 2)
        )
        np.testing.assert_array_equal(got.n_orbits.values, tested)
        np.testing.assert_array_equal(np.isnan(got.p_value.values), tested == 0)
        i, j = np.argwhere(tested == 1)[0]
        ln_p = []
        for o in (1, 2):
            sel = [both[:, i, j] & (ds.relative_orbit.values == o) & side for side in (~after, after)]
            if sel[0].sum() >= 3 and sel[1].sum() >= 2:
                a, b = (np.stack([ds[band].values[s, i, j] for band in ("vv", "vh")])[..., None] ** 0.25 for s in sel)
                ln_p.append(reference.hotelling_ln_p(a, b))
        np.testing.assert_allclose(got.p_value.values[i, j], np.exp(ln_p[0][0]), rtol=1e-6)
    assert (got.n_pre.values <= 16).all()
    assert not np.isinf(got.statistic.values).any()


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["hotelling", "ttest", "logratio"]),
    st.integers(0, 9),
    st.integers(0, 11),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([1, 2, 7]),
    st.integers(0, 999),
)
def test_any_chunking_road_and_thread_count_give_the_same_bytes(
    method: str, h: int, w: int, ct: int, cy: int, cx: int, threads: int, seed: int
) -> None:
    ds = holes(stack(6, 3, (h, w), orbits=(1, 2), seed=seed, factor=1.5), 0.2, seed)
    eager = kr.change(ds, **LONG, method=method)
    chunks = {"time": ct, "y": max(1, min(cy, h)), "x": max(1, min(cx, w))}
    lazy = ds.copy()
    for name in ("vv", "vh"):
        data = blocks.from_lazy(InMemory(ds[name].values), chunks=(1, chunks["y"], chunks["x"]))
        lazy[name] = (ds[name].dims, data, ds[name].attrs)
    try:
        kr.set_threads(threads)
        for road in (ds, ds.chunk(chunks), lazy):
            got = kr.change(road, **LONG, method=method)
            with dask.config.set(scheduler="synchronous"):
                got = got.compute()
            for name, values in eager.data_vars.items():
                assert got[name].values.tobytes() == values.values.tobytes(), name
            assert got.p_threshold.item() == eager.p_threshold.item()
    finally:
        kr.set_threads(None)


def test_distributed_workers_give_the_same_bytes() -> None:
    distributed = pytest.importorskip("distributed")
    ds = holes(stack(6, 3, (20, 30), orbits=(1, 2), factor=1.5), 0.1, 3)
    eager = kr.change(ds.kara.despeckle("lee", window=3), **LONG)
    lazy = ds.copy()
    for name in ("vv", "vh"):
        lazy[name] = (ds[name].dims, blocks.from_lazy(InMemory(ds[name].values), chunks=7), ds[name].attrs)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        for road in (lazy, ds.chunk(time=2, y=9, x=8)):
            got = kr.change(road.kara.despeckle("lee", window=3), **LONG).compute()
            for name, values in eager.data_vars.items():
                assert got[name].values.tobytes() == values.values.tobytes(), name


def test_dates_out_of_order_give_the_same_bytes() -> None:
    ds = stack(6, 3, (6, 6), orbits=(1, 2))
    mixed = ds.isel(time=np.random.default_rng(0).permutation(ds.sizes["time"]))
    np.testing.assert_array_equal(kr.change(mixed, **LONG).p_value, kr.change(ds, **LONG).p_value)
    np.testing.assert_array_equal(kr.change(mixed.chunk(time=2), **LONG).p_value, kr.change(ds, **LONG).p_value)


@pytest.mark.parametrize("method", ["hotelling", "ttest", "logratio"])
def test_a_stored_baseline_gives_the_bytes_of_the_batch_run(method: str, tmp_path: Any) -> None:
    ds = holes(stack(9, 3, (15, 17), orbits=(1, 2), factor=1.5), 0.1, 5)
    whole = kr.change(ds, **LONG, method=method)
    transform = "fourth_root" if method == "hotelling" else "log"
    moments = ds.chunk(y=8, x=9).kara.moments((EVENT - pd.Timedelta("2000D"), EVENT), transform=transform)
    moments.to_zarr(tmp_path / "base.zarr")
    stored = xr.open_zarr(tmp_path / "base.zarr")
    new = ds.isel(time=ds.time.values >= EVENT.to_datetime64())
    for today, base in (
        (new, stored.load()),
        (new.chunk(y=5, time=1), stored),
        (new, xr.open_zarr(tmp_path / "base.zarr")),
    ):
        got = kr.change(today, event=EVENT, post="400D", method=method, baseline=base).compute()
        for name, values in whole.data_vars.items():
            assert got[name].values.tobytes() == values.values.tobytes(), name


def test_a_baseline_may_have_its_dimensions_in_any_order_but_not_overlap() -> None:
    ds = stack(9, 3, (6, 6), orbits=(1, 2), factor=1.5)
    base = ds.kara.moments((EVENT - pd.Timedelta("2000D"), EVENT))
    turned = kr.change(ds, event=EVENT, post="400D", baseline=base.transpose("x", "y", "band", "relative_orbit"))
    np.testing.assert_array_equal(turned.p_value, kr.change(ds, **LONG).p_value)
    late = ds.kara.moments((EVENT - pd.Timedelta("2000D"), EVENT + pd.Timedelta("1D")))
    with pytest.raises(errors.InvalidInputError, match="earlier"):
        kr.change(ds, event=EVENT, post="400D", baseline=late)


def test_moments_equal_numpy() -> None:
    ds = stack(9, 3, (4, 5), orbits=(1, 2), dtype=np.float64)
    got = ds.kara.moments((EVENT - pd.Timedelta("2000D"), EVENT))
    for i, orbit in enumerate((1, 2)):
        pre, _ = split(ds, orbit)
        y = {band: reference.fourth_root(pre[band].values) for band in ("vv", "vh")}
        for b, band in enumerate(("vv", "vh")):
            np.testing.assert_allclose(got["mean"][i, b], y[band].mean(0), rtol=1e-12)
            np.testing.assert_allclose(got["m2"][i, b], y[band].var(0) * 9, rtol=1e-10)
            np.testing.assert_allclose(got["power_sum"][i, b], pre[band].sum("time"), rtol=1e-12)
        product = ((y["vv"] - y["vv"].mean(0)) * (y["vh"] - y["vh"].mean(0))).sum(0)
        np.testing.assert_allclose(got["cross"][i], product, rtol=1e-9)
    assert (got["n"] == 9).all()


def test_changed_controls_the_false_discovery_rate() -> None:
    ds = stack(20, 5, (60, 50), orbits=(1, 2))
    ds.vv.values[ds.time.values >= EVENT.to_datetime64(), :12] *= 6
    got = kr.change(ds, **LONG, alpha=0.1)
    p = got.p_value.values.astype(float).ravel()
    np.testing.assert_array_equal(got.changed.values.ravel(), reference.benjamini_hochberg(p, 0.1))
    assert got.p_threshold.item() == pytest.approx(p[got.changed.values.ravel()].max(), rel=1e-5)
    found = got.changed.values
    assert found[:12].mean() > 0.9
    assert found[12:].sum() / found.sum() < 0.15
    uncontrolled = kr.change(ds, **LONG, alpha=0.1, control=None)
    np.testing.assert_array_equal(uncontrolled.changed.values.ravel(), p <= 0.1)


def test_binned_false_discovery_rate_is_within_a_bin_of_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = stack(20, 5, (60, 50))
    ds.vv.values[ds.time.values >= EVENT.to_datetime64(), :12] *= 6
    exact = kr.change(ds, **LONG)
    monkeypatch.setattr("kararaster.thresholding.EXACT_UP_TO", 10)
    for data in (ds, ds.chunk(y=7, time=4)):
        binned = kr.change(data, **LONG).compute()
        assert abs(np.log10(binned.p_threshold.item() / exact.p_threshold.item())) < 0.05
        assert not (binned.changed & ~exact.changed).any()
        assert binned.changed.sum() >= 0.98 * exact.changed.sum()


def test_the_graph_of_a_big_stack_is_small_and_nothing_is_computed(no_compute: None) -> None:
    big = kr.simulate.stack(shape=(8192, 8192), dates_pre=25, dates_post=5, chunks=1024)
    assert big.sizes["time"] == 60
    assert big.vv.data.chunks[1] == (1024,) * 8
    result = big.kara.despeckle("lee", window=5).kara.change(event="2023-09-19", pre="2000D", post="400D")
    assert len(dict(result.__dask_graph__())) <= 500
    for name in ("statistic", "p_value", "neg_log10_p", "magnitude"):
        assert result[name].dtype == result[name].data._meta.dtype == np.float32
    assert result.direction.data._meta.dtype == np.int8
    assert result.changed.data._meta.dtype == bool


def test_result_describes_itself() -> None:
    ds = stack(4, 2, (3, 3), orbits=(7, 9)).assign_coords(y=[2.0, 1.0, 0.0], spatial_ref=0)
    got = kr.change(ds, **LONG)
    assert list(got.data_vars) == [
        "statistic", "p_value", "neg_log10_p", "magnitude", "direction", "n_pre", "n_post", "n_orbits", "changed",
    ]  # fmt: skip
    assert got.magnitude.dims == ("band", "y", "x")
    assert list(got.band.values) == ["vv", "vh"]
    assert got.attrs["relative_orbits"] == "7, 9"
    assert got.attrs["event"].startswith("2023-09-19")
    assert "change(" in got.attrs["history"]
    assert "spatial_ref" in got.coords
    np.testing.assert_array_equal(got.y, ds.y)


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (1, 1), (1, 7), (7, 1)])
def test_tiny_and_empty_maps(shape: tuple[int, int]) -> None:
    ds = stack(5, 3, shape)
    for data in (ds, ds.chunk(time=2)):
        got = kr.change(data, **LONG).compute()
        assert got.p_value.shape == shape
        assert np.isfinite(got.p_value).all()


def test_constant_and_all_nan_pixels_have_no_test() -> None:
    ds = stack(5, 3, (1, 3))
    ds.vv.values[:, 0, 0] = 0.1
    ds.vh.values[:, 0, 1] = np.nan
    got = kr.change(ds, **LONG)
    assert np.isnan(got.p_value.values[0, :2]).all()
    assert np.isfinite(got.p_value.values[0, 2])
    np.testing.assert_array_equal(got.n_pre.values[0], [5, 0, 5])
    np.testing.assert_array_equal(got.n_orbits.values[0], [0, 0, 1])
    assert not got.changed.values[0, :2].any()


def test_a_band_that_is_a_multiple_of_the_other_has_no_joint_test() -> None:
    ds = stack(20, 5, (30, 30))
    ds["vh"] = ds.vv * np.float32(0.2)
    assert np.isnan(kr.change(ds, **LONG).p_value).all()


def test_all_nan_dates_are_not_counted() -> None:
    ds = stack(6, 3, (4, 4), dtype=np.float64)
    want = kr.change(ds.isel(time=[0, 1, 3, 4, 5, 6, 7, 8]), **LONG)
    ds.vv.values[2] = np.nan
    got = kr.change(ds, **LONG)
    np.testing.assert_array_equal(got.n_pre, 5)
    np.testing.assert_array_equal(got.p_value, want.p_value)


def mixed() -> xr.Dataset:
    return stack(6, 3, (3, 3), orbits=(72, 174))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: kr.change(mixed(), **LONG, by=None), errors.GeometryError, "72, 174"),
        (lambda: kr.change(mixed().drop_vars("relative_orbit"), **LONG), errors.GeometryError, "relative_orbit"),
        (lambda: kr.change(mixed(), event="2031-01-01"), errors.NoDatesError, "relative orbit 72: 0 before"),
        (lambda: kr.change(mixed(), event="2019-01-01"), errors.NoDatesError, "2023-07-09 to 2023-10-13"),
        (lambda: kr.change(mixed(), **LONG, min_pre=7), errors.NoDatesError, "7 dates before"),
        (lambda: kr.change(mixed()), errors.InvalidInputError, "event"),
        (lambda: kr.change(mixed(), event="soon"), errors.InvalidInputError, "soon"),
        (lambda: kr.change(mixed(), event=EVENT, pre="-3D"), errors.InvalidInputError, "pre"),
        (lambda: kr.change(mixed(), event=EVENT, post="much"), errors.InvalidInputError, "post"),
        (lambda: kr.change(mixed(), event=EVENT, pre=("2023-01-01", "2023-10-01")), errors.InvalidInputError, "earlier"),
        (lambda: kr.change(mixed(), **LONG, method="magic"), errors.InvalidInputError, "hotelling"),
        (lambda: kr.change(mixed(), **LONG, window=3), errors.InvalidInputError, "window"),
        (lambda: kr.change(mixed(), **LONG, alpha=5), errors.InvalidInputError, "alpha"),
        (lambda: kr.change(mixed(), **LONG, control="magic"), errors.InvalidInputError, "control"),
        (lambda: kr.change(mixed(), **LONG, combine="magic"), errors.InvalidInputError, "fisher"),
        (lambda: kr.change(mixed(), **LONG, method="logratio", enl=0), errors.InvalidInputError, "enl"),
        (lambda: kr.change(mixed(), **LONG, bands=("hh",)), errors.MissingVariableError, "hh"),
        (lambda: kr.change(mixed()[["vv"]].rename(vv="coherence"), **LONG), errors.MissingVariableError, "vv"),
        (lambda: kr.change(mixed().isel(time=0), **LONG), errors.MissingVariableError, "time"),
        (lambda: kr.change(mixed().isel(time=[0, 0, 1, 2, 9, 10]), **LONG), errors.InvalidInputError, "twice"),
        (lambda: kr.change(mixed().kara.to_db(), **LONG), errors.UnitsError, "from_db"),
        (lambda: kr.change(mixed(), **LONG, baseline=mixed()), errors.MissingVariableError, "moments"),
        (lambda: kr.change(mixed() * 0 - 12.0, **LONG), errors.UnitsError, "negative"),
        (lambda: kr.despeckle((mixed() * 0 - 12.0).isel(x=slice(None, None, 2))), errors.UnitsError, "negative"),
        (lambda: kr.change(mixed().assign(hh=mixed().vv), **LONG), errors.InvalidInputError, "at most 2"),
        (lambda: mixed().assign(hh=mixed().vv).kara.moments(("2001-01-01", "2024-01-01")), errors.InvalidInputError, "at most 2"),
        (lambda: mixed().kara.moments(("2001-01-01", "2002-01-01")), errors.NoDatesError, "period"),
        (lambda: mixed().kara.moments(("2002-01-01", "2001-01-01")), errors.InvalidInputError, "before"),
    ],
)  # fmt: skip
def test_what_cannot_be_tested_is_refused_by_name(call: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        call()
    assert isinstance(caught.value, kr.KararasterError)


def test_aware_times_are_converted() -> None:
    ds = stack(6, 3, (3, 3))
    np.testing.assert_array_equal(
        kr.change(ds, event="2023-09-19T04:00+04:00", pre="2000D", post="400D").p_value, kr.change(ds, **LONG).p_value
    )


def test_lazy_input_is_not_computed(no_compute: None) -> None:
    ds = stack(6, 3, (30, 30))
    lazy = ds.assign({name: band.chunk(y=10) for name, band in ds.data_vars.items()})
    result = lazy.kara.change(**LONG)
    assert all(isinstance(v.data, da.Array) for v in result.data_vars.values())
