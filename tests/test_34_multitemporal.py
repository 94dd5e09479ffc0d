"""The filter over time as a verb: groups of dates, roads, facts."""

from __future__ import annotations

from dataclasses import dataclass, field

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import kararaster as kr
import reference
from kararaster import blocks, errors
from kararaster.lazy import InMemory, Window
from kararaster.simulate.speckle import speckle

ORBITS = np.array([72, 123, 72, 72, 123, 72, 123])


def stack_of(values: np.ndarray | da.Array, orbits: np.ndarray | None = ORBITS) -> xr.DataArray:
    coords: dict[str, object] = {"time": pd.date_range("2023-08-01", periods=len(values), freq="6D")}
    if orbits is not None:
        coords["relative_orbit"] = ("time", orbits[: len(values)])
    return xr.DataArray(values, dims=("time", "y", "x"), coords=coords, attrs={"units": "1"}, name="vv")


def holed(shape: tuple[int, ...] = (7, 40, 50), seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = (speckle(shape, rng=seed) * rng.uniform(0.01, 1, shape[1:]).astype(np.float32)).astype(np.float32)
    values[rng.random(shape) < 0.08] = np.nan
    return values


def wanted(values: np.ndarray, groups: list[list[int]], window: int = 7) -> np.ndarray:
    """The definition, date by date, in float64."""
    mean = np.stack([reference.boxcar(date, window, window) for date in values])
    out = np.full(values.shape, np.nan)
    for dates in groups:
        usable = np.isfinite(values[dates]) & (mean[dates] > 0)
        ratio = np.where(usable, values[dates] / mean[dates], 0).sum(0) / np.maximum(usable.sum(0), 1)
        out[dates] = mean[dates] * ratio
    return out


def test_golden_values() -> None:
    b = np.array([[4, 5, 3, 6, 5], [6, 2, 5, 9, 4], [3, 7, 4, 8, 12], [5, 1, 6, 3, 10], [8, 4, 5, 7, 2]], float)
    a = np.add.outer(np.arange(5), np.arange(1, 6)).astype(float)
    a[2, 2] = 20
    c = np.array(
        [[4.5, 5.5, 5, 7, 7], [5, 3.5, 5.5, 8, 6], [3, 5.5, 12, 7, 9.5], [3.5, 2, 5, 4, 8], [4.5, 3, 4, 5.5, 3.5]]
    )
    out = stack_of(np.stack([b, a, c]), None).kara.despeckle("quegan", window=3, by=None).values
    np.testing.assert_allclose(out[:, 2, 2], [9.761904761904762, 13.015873015873016, 11.38888888888889], rtol=1e-12)
    assert out[0, 0, 0] == pytest.approx(3.420045045045045, rel=1e-12)


def test_dates_of_one_orbit_on_one_side_of_the_event_lend_each_other_looks() -> None:
    values = holed()
    ds = xr.Dataset({"vv": stack_of(values), "vh": stack_of(values[::-1] * 2)})
    got = ds.kara.despeckle("quegan", event="2023-08-19")
    groups = [[0, 2], [3, 5], [1], [4, 6]]  # the third date, of 13 August, is the last before
    np.testing.assert_allclose(got.vv.values, wanted(values, groups), rtol=3e-6)
    np.testing.assert_allclose(got.vh.values, wanted(values[::-1] * 2, groups), rtol=3e-6)
    assert "event='2023-08-19'" in got.attrs["history"]
    all_dates = stack_of(values).kara.despeckle("quegan").values
    np.testing.assert_allclose(all_dates, wanted(values, [[0, 2, 3, 5], [1, 4, 6]]), rtol=3e-6)
    np.testing.assert_array_equal(np.isnan(all_dates), np.isnan(values))


def test_several_events_cut_several_times() -> None:
    values = holed()
    got = stack_of(values, None).kara.despeckle("quegan", by=None, event=["2023-08-25", "2023-08-07"], window=5)
    np.testing.assert_allclose(got.values, wanted(values, [[0], [1, 2, 3], [4, 5, 6]], 5), rtol=3e-6)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_the_bytes_depend_on_no_chunk_and_no_thread(data: st.DataObject) -> None:
    values = holed((7, data.draw(st.integers(1, 30)), data.draw(st.integers(1, 40))), data.draw(st.integers(0, 99)))
    spatial = data.draw(st.sampled_from(["boxcar", "lee"]))
    window = data.draw(st.sampled_from([1, 3, 7, (5, 9)]))
    stack = stack_of(values)
    options = {"window": window, "spatial": spatial, "event": "2023-08-19"}
    eager = kr.despeckle(stack, "quegan", **options).values
    chunks = {dim: data.draw(st.integers(1, n)) for dim, n in stack.sizes.items()}
    pieces = kr.despeckle(stack.chunk(chunks), "quegan", **options)
    kr.set_threads(data.draw(st.integers(1, 3)))
    try:
        assert pieces.compute().values.tobytes() == eager.tobytes()
        assert kr.despeckle(stack, "quegan", **options).values.tobytes() == eager.tobytes()
    finally:
        kr.set_threads(None)


@dataclass(frozen=True, eq=False)
class Counted(InMemory):
    """Remembers which windows were read."""

    reads: list[Window] = field(default_factory=list)

    def read(self, window: Window) -> np.ndarray:
        self.reads.append(window)
        return super().read(window)


def test_every_date_of_a_tile_is_read_twice_with_its_halo_and_no_more() -> None:
    source = Counted(holed())
    got = stack_of(blocks.from_lazy(source, chunks=(1, 20, 50))).kara.despeckle("quegan", event="2023-08-19")
    assert source.reads == []
    with dask.config.set(scheduler="synchronous"):
        got.load()
    np.testing.assert_array_equal(got, stack_of(holed()).kara.despeckle("quegan", event="2023-08-19"))
    read = np.zeros((7, 40), int)
    for dates, rows, columns in source.reads:
        assert columns == slice(0, 50)
        read[dates, rows] += 1
    want = np.full((7, 40), 2)
    want[:, 17:23] = 4  # three rows of halo at the seam
    np.testing.assert_array_equal(read, want)


def test_a_stack_without_dates_comes_back() -> None:
    for values in (holed()[:0], da.from_array(holed()[:0], chunks=(1, 20, 20))):
        assert stack_of(values).kara.despeckle("quegan").compute().shape == (0, 40, 50)


def test_a_lazy_stack_gives_the_same_bytes_in_the_same_chunks() -> None:
    lazy = kr.simulate.stack(shape=(96, 120), chunks=48)
    eager = lazy.compute().kara.despeckle("quegan", event="2023-09-19")
    got = lazy.kara.despeckle("quegan", event="2023-09-19")
    for band in ("vv", "vh"):
        assert isinstance(got[band].data, da.Array)
        assert got[band].data.chunks == lazy[band].data.chunks
        np.testing.assert_array_equal(got[band].values, eager[band].values)
    mean = got.mean("time").compute()
    np.testing.assert_allclose(mean.vv.values, eager.vv.values.mean(0), rtol=1e-5)


def test_dates_that_share_their_speckle_are_not_tested() -> None:
    """Ninety-nine of a hundred unchanged pixels would be found changed."""
    stack = kr.simulate.stack(shape=(16, 16)).kara.despeckle("quegan", event="2023-09-19")
    for refused in (
        lambda: stack.kara.change(event="2023-09-19"),
        lambda: stack.isel(x=slice(4)).kara.despeckle("lee").kara.change(event="2023-09-19", method="ttest"),
        lambda: stack.kara.moments(("2022-09-19", "2023-09-19")),
    ):
        with pytest.raises(errors.InvalidInputError, match="'quegan'"):
            refused()


def test_looks_add_up_as_published() -> None:
    """L N M / (M + N - 1), and the mean stays (Quegan and Yu 2001)."""
    dates, window = 20, 7
    stack = stack_of(speckle((dates, 300, 300), enl=4.4, rng=8), None)
    out = stack.kara.despeckle("quegan", window=window, by=None).values[:, 3:-3, 3:-3]
    samples = window * window
    found = np.mean([date.mean() ** 2 / date.var() for date in out.astype(float)])
    assert found == pytest.approx(4.4 * samples * dates / (dates + samples - 1), rel=0.02)
    assert out.mean() == pytest.approx(stack.values.mean(), rel=0.003)


def test_nothing_is_computed_early(no_compute: None) -> None:
    lazy = stack_of(da.ones((3, 20, 20), chunks=(1, 10, 10), dtype=np.float32))
    assert isinstance(lazy.kara.despeckle("quegan").data, da.Array)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda s: s.isel(time=0).kara.despeckle("quegan"), errors.InvalidInputError, "time"),
        (lambda s: s.drop_vars("relative_orbit").kara.despeckle("quegan"), errors.GeometryError, "relative_orbit"),
        (lambda s: s.kara.despeckle("quegan", by=None), errors.GeometryError, "mixes"),
        (lambda s: s.kara.despeckle("quegan", event="yesterday?"), errors.InvalidInputError, "event"),
        (lambda s: s.kara.despeckle("quegan", event="2030-01-01"), errors.NoDatesError, "one side"),
        (lambda s: s.expand_dims(band=2).kara.despeckle("quegan"), errors.InvalidInputError, "select one"),
        (lambda s: s.assign_coords(time=range(7)).kara.despeckle("quegan"), errors.InvalidInputError, "int64"),
        (lambda s: s.assign_coords(time=[*s.time.values[:6], None]).kara.despeckle("quegan"), ValueError, "NaT"),
        (lambda s: s.kara.despeckle("quegan", spatial="frost"), errors.InvalidInputError, "spatial"),
        (lambda s: s.kara.despeckle("quegan", evnt="2023-09-19"), errors.InvalidInputError, "did you mean 'event'"),
    ],
)
def test_bad_input_is_named(call: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call(stack_of(holed()))
