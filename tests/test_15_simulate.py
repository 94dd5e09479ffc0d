"""The simulator: its numbers against closed forms, scipy and its own tables."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kararaster import simulate
from kararaster.errors import InvalidInputError
from kararaster.simulate import looks, town
from kararaster.simulate.acquisitions import acquisitions
from kararaster.simulate.scene import SimulatedStack
from kararaster.simulate.speckle import SpeckleSheet

SIDE = 512


def sheet(enl, *, date=0, stream=1, seed=3, rows=1000, columns=1000):
    return SpeckleSheet(seed, enl).read(date, stream, slice(0, rows), slice(0, columns))


@pytest.mark.parametrize("enl", [0.5, 1.0, 4.4, 20.0, 900.0])
def test_speckle_sheet_has_the_enl_it_was_asked_for(enl):
    u = sheet(enl).astype(np.float64)
    # standard errors: 1 / sqrt(enl n) for the mean; below 1 % for the moment estimate at a million pixels
    assert u.mean() == pytest.approx(1.0, abs=5 / np.sqrt(enl * u.size))
    assert u.mean() ** 2 / u.var() == pytest.approx(enl, rel=0.02)


@pytest.mark.parametrize("enl", [1.0, 4.4])
def test_speckle_sheet_is_gamma_also_in_its_tails(enl):
    u = sheet(enl, rows=2000, columns=2000).ravel()
    gamma = stats.gamma(enl, scale=1 / enl)
    assert stats.kstest(u[:: u.size // 200_000].astype(np.float64), gamma.cdf).pvalue > 1e-3
    for p in (1e-2, 1e-3, 1e-4, 1e-5):
        # five standard deviations of a binomial count
        room = 5 * np.sqrt(p * u.size)
        assert np.count_nonzero(u < gamma.ppf(p)) == pytest.approx(p * u.size, abs=room)
        assert np.count_nonzero(u > gamma.isf(p)) == pytest.approx(p * u.size, abs=room)


def test_mean_logarithm_of_speckle_is_the_closed_form():
    # METHODS 8.1: E ln u = digamma(L) - ln L, var ln u = trigamma(L)
    logarithm = np.log(sheet(4.4).astype(np.float64))
    assert logarithm.mean() == pytest.approx(-0.11792, abs=0.003)
    assert logarithm.var() == pytest.approx(0.25504, rel=0.01)


def test_speckle_is_independent_between_dates_streams_seeds_and_neighbours():
    u = sheet(4.4)
    for other in (sheet(4.4, date=1), sheet(4.4, stream=2), sheet(4.4, seed=4)):
        assert abs(np.corrcoef(u.ravel(), other.ravel())[0, 1]) < 0.005
    assert abs(np.corrcoef(u[:, 1:].ravel(), u[:, :-1].ravel())[0, 1]) < 0.005
    assert abs(np.corrcoef(u[1:].ravel(), u[:-1].ravel())[0, 1]) < 0.005


def test_plain_speckle_has_unit_mean_and_enl():
    u = simulate.speckle((1000, 1000), enl=4.4, rng=1)
    assert u.dtype == np.float32
    assert u.mean() ** 2 / u.var() == pytest.approx(4.4, rel=0.02)
    np.testing.assert_array_equal(u, simulate.speckle((1000, 1000), enl=4.4, rng=np.random.default_rng(1)))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_correlation_between_polarisations(correlation):
    ds = simulate.stack(shape=(SIDE, SIDE), dates_pre=1, dates_post=0, relative_orbits=(174,), correlation=correlation)
    water = simulate.truth(shape=(SIDE, SIDE))["land_cover"].values == town.Cover.WATER
    vv, vh = (ds[name].values[0][water] for name in ("vv", "vh"))
    room = 4 / np.sqrt(vv.size)
    assert np.corrcoef(vv, vh)[0, 1] == pytest.approx(correlation, abs=room)
    assert vh.mean() ** 2 / vh.var() == pytest.approx(4.4, rel=0.15)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_window_has_the_bytes_of_the_whole(data):
    shape = (300, 290)
    levels = looks.backscatter(orbit=0, day_of_year=10, after=False)[:1].repeat(3, axis=0)
    source = SimulatedStack(town.Town(shape, 5), levels, 5, ((0, 2.2), (1, 2.2)))
    whole = source.read(source.whole())
    window = []
    for n in source.shape:
        start = data.draw(st.integers(0, n - 1))
        window.append(slice(start, data.draw(st.integers(start + 1, n))))
    part = source.read(tuple(window))
    assert part.tobytes() == np.ascontiguousarray(whole[tuple(window)]).tobytes()


def test_chunked_stack_is_lazy_pickles_and_has_the_bytes_of_the_plain_one(no_compute):
    options = {"shape": (200, 333), "dates_pre": 2, "dates_post": 1, "seed": 7}
    lazy = simulate.stack(**options, chunks={"time": 1, "y": 70, "x": 128})
    assert lazy["vv"].chunks == ((1,) * 6, (70, 70, 60), (128, 128, 77))
    restored = pickle.loads(pickle.dumps(lazy))
    plain = simulate.stack(**options)
    for name in ("vv", "vh"):
        computed = restored[name].data.compute(scheduler="threads")
        assert computed.tobytes() == plain[name].values.tobytes()


def test_backscatter_of_a_cover_is_what_its_table_says():
    ds = simulate.stack(shape=(SIDE, SIDE), dates_pre=3, dates_post=1)
    water = simulate.truth(shape=(SIDE, SIDE))["land_cover"].values == town.Cover.WATER
    for orbit, index in ((174, 0), (123, 1)):
        table = looks.backscatter(orbit=index, day_of_year=0, after=False)[:, town.WATER]
        measured = [ds[b].values[ds["relative_orbit"].values == orbit][:, water].mean() for b in ("vv", "vh")]
        np.testing.assert_allclose(measured, table, rtol=0.02)


def test_truth_is_consistent_and_covers_everything():
    truth = simulate.truth(shape=(SIDE, SIDE))
    cover, kind = truth["land_cover"].values, truth["kind"].values
    assert set(np.unique(cover)) == {int(c) for c in town.Cover}
    assert set(np.unique(kind)) == {int(k) for k in town.Kind}
    np.testing.assert_array_equal(truth["changed"].values, kind > 0)
    assert set(cover[kind == town.Kind.BUILDING_DESTROYED]) == {town.Cover.BUILDING}
    assert set(cover[kind == town.Kind.BUILDING_NEW]) == {town.Cover.FIELD}
    assert 0.002 < (kind > 0).mean() < 0.05
    assert 0.04 < np.isin(cover, (town.Cover.TOWN, town.Cover.BUILDING)).mean() < 0.2
    assert not simulate.truth(shape=(SIDE, SIDE), changes=False)["changed"].values.any()


@pytest.mark.parametrize("changes", [True, False])
def test_changes_happen_at_the_event_where_the_truth_says(changes):
    ds = simulate.stack(shape=(SIDE, SIDE), dates_pre=5, dates_post=5, relative_orbits=(174,), changes=changes)
    kind = simulate.truth(shape=(SIDE, SIDE))["kind"].values
    after = ds["time"].values >= np.datetime64("2023-09-19")
    vv = ds["vv"].values
    rise = {k: 10 * np.log10(vv[after][:, kind == k].mean() / vv[~after][:, kind == k].mean()) for k in town.Kind}
    assert rise[town.Kind.NONE] == pytest.approx(0.0, abs=0.1)
    if changes:
        assert rise[town.Kind.BUILDING_NEW] > 8
        assert rise[town.Kind.BUILDING_DESTROYED] < -3
        assert rise[town.Kind.GROUND_CLEARED] < -2
    else:
        assert max(abs(r) for r in rise.values()) < 0.4


def test_acquisitions_repeat_every_twelve_days_and_orbits_agree():
    dates = acquisitions(event="2023-09-19", dates_pre=30, dates_post=5, relative_orbits=(174, 123, 72))
    assert np.all(np.diff(dates.time) > np.timedelta64(0, "ns"))
    np.testing.assert_array_equal((dates.absolute_orbit - 73) % 175 + 1, dates.relative_orbit)
    # 175 orbits in 12 days; descending passes come a part of an orbit later
    since, orbits = dates.time - dates.time[0], dates.absolute_orbit - dates.absolute_orbit[0]
    assert np.all(np.diff(orbits) > 0)
    np.testing.assert_allclose(since / np.timedelta64(12, "D") * 175, orbits, rtol=0, atol=0.5)
    times_of_day = set()
    for orbit in (174, 123, 72):
        mine = dates.time[dates.relative_orbit == orbit]
        assert mine.size == 35
        assert np.count_nonzero(mine < np.datetime64("2023-09-19")) == 30
        assert set(np.diff(mine)) == {np.timedelta64(12, "D")}
        times_of_day.add((mine[0] - mine[0].astype("datetime64[D]")).astype("timedelta64[m]").astype(int))
    assert len(times_of_day) == 3
    state = dates.coords()["orbit_state"].values
    assert set(state[dates.relative_orbit == 123]) == {"descending"}


def test_grid_lies_around_the_town():
    box = simulate.truth(shape=(300, 200)).odc.geobox
    assert box.crs.to_epsg() == 32638
    assert box.shape == (300, 200)
    assert abs(box.affine.a) == 10
    west, south, east, north = box.geographic_extent.boundingbox
    assert (west + east) / 2 == pytest.approx(46.75, abs=2e-3)
    assert (south + north) / 2 == pytest.approx(39.82, abs=2e-3)


def test_optical_numbers_are_the_reflectance_of_the_table():
    ds = simulate.optical(shape=(SIDE, SIDE))
    kind = simulate.truth(shape=(SIDE, SIDE))["kind"].values
    cleared = kind == town.Kind.GROUND_CLEARED
    assert ds["nir"].dtype == np.uint16
    assert ds["nir"].attrs == {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0}
    assert all(int(ds[name].min()) > 0 for name in ds.data_vars)
    red, nir = (ds[name].values[1][cleared].mean() * 1e-4 - 0.1 for name in ("red", "nir"))
    table = looks.reflectance(day_of_year=277, after=True)[:, town.CLEARED * town.VARIANTS]
    assert red == pytest.approx(table[looks.OPTICAL_BANDS.index("red")], rel=0.01)
    assert nir == pytest.approx(table[looks.OPTICAL_BANDS.index("nir")], rel=0.01)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"enl": 0}, "enl"),
        ({"enl": float("nan")}, "enl"),
        ({"correlation": 1.0}, "correlation"),
        ({"correlation": -0.1}, "correlation"),
        ({"shape": (0, 5)}, "shape"),
        ({"seed": -1}, "seed"),
        ({"resolution": 0}, "resolution"),
        ({"crs": 4326}, "crs"),
        ({"relative_orbits": ()}, "relative_orbits"),
        ({"relative_orbits": (174, 174)}, "relative_orbits"),
        ({"relative_orbits": (176,)}, "relative_orbits"),
        ({"dates_pre": -1}, "dates_pre"),
        ({"dates_pre": 0, "dates_post": 0}, "dates_pre"),
        ({"event": "yesterday"}, "event"),
        ({"chunks": {"row": 5}}, "chunks"),
    ],
)
def test_bad_arguments_are_named(options, name):
    with pytest.raises(InvalidInputError, match=rf"^{name}"):
        simulate.stack(**{"shape": (8, 8), "dates_pre": 1, "dates_post": 0, **options})


def test_optical_dates_must_rise():
    with pytest.raises(InvalidInputError, match=r"^dates"):
        simulate.optical(shape=(8, 8), dates=("2023-10-05", "2023-09-05"))
