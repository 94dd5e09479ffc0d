"""Lazy arrays and the dask arrays that carry them: windows, views, nesting, pickles, roads with the same bytes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from kararaster import blocks
from kararaster.lazy import Concatenated, InMemory, LazyArray, Stack, Window, view


@dataclass(frozen=True, eq=False)
class Counting(LazyArray):
    """Pixel values that tell where they are, and a record of what was read."""

    shape: tuple[int, ...] = (5, 40, 50)
    dtype: np.dtype[Any] = np.dtype(np.float64)
    reads: list[Window] = field(default_factory=list)

    def read(self, window: Window) -> np.ndarray:
        self.reads.append(window)
        return everything(self.shape)[window].copy()

    def __dask_tokenize__(self) -> object:
        return ("counting", self.shape)


def everything(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape) % 997 / 7


def plus_row(block: np.ndarray, *, window: Window) -> np.ndarray:
    return block + np.arange(window[-2].start, window[-2].stop)[:, None]


def local_sum(grown: np.ndarray, placement: Any) -> np.ndarray:
    """3 x 5 sum over what is inside; the order of additions does not depend on the window."""
    padded = np.pad(grown, [(0, 0)] * (grown.ndim - 2) + [(1, 1), (2, 2)])
    h, w = grown.shape[-2:]
    total = sum(padded[..., i : i + h, j : j + w] for i in range(3) for j in range(5))
    return total[..., placement.top :, placement.left :][..., : placement.height, : placement.width]


def chain(array: Any) -> Any:
    once = blocks.elementwise(plus_row, array, dtype=np.float64)
    twice = blocks.halo(local_sum, once, (1, 2), np.float64)
    return blocks.halo(local_sum, twice, (1, 2), np.float64)


def test_an_opened_stack_is_dask_with_one_task_a_chunk() -> None:
    source = Counting()
    array = blocks.from_lazy(source, chunks=(1, 20, 25))
    assert isinstance(array, da.Array)
    assert array.chunks == ((1,) * 5, (20, 20), (25, 25))
    assert len(dict(array.__dask_graph__())) == 20 + 1
    assert source.reads == []
    np.testing.assert_array_equal(array.compute(), everything(source.shape))


def test_a_corner_reads_its_window_and_halo_only() -> None:
    source = Counting()
    stack = xr.DataArray(chain(blocks.from_lazy(source, chunks=(1, 20, 25))), dims=("time", "y", "x"))
    corner = stack.isel(time=3, y=slice(10, 14), x=slice(30, 38)).values
    assert [tuple((s.start, s.stop) for s in w) for w in source.reads] == [((3, 4), (8, 16), (26, 42))]
    np.testing.assert_array_equal(corner, chain(everything(source.shape))[3, 10:14, 30:38])


@pytest.mark.parametrize(
    "pick",
    [
        lambda a: a.isel(y=slice(3, 17)),
        lambda a: a.isel(time=[4, 0, 2]),
        lambda a: a.isel(time=slice(None, None, 2)),
        lambda a: a.isel(time=slice(None, None, -1)),
        lambda a: a.isel(time=-1),
        lambda a: a.sel(time=slice("2020-01-02", "2020-01-04")),
        lambda a: a.sel(time=a.time > np.datetime64("2020-01-02")),
        lambda a: a.isel(time=1).isel(x=slice(2, 9)).isel(y=slice(30, 40)),
        lambda a: a.chunk({"time": 2, "y": 7}),
        lambda a: a.copy(deep=True),
        lambda a: xr.concat([a.isel(time=slice(2, 5)), a.isel(time=slice(0, 2))], "time"),
        lambda a: xr.concat([a.isel(time=2), a.isel(time=0)], "time"),
        lambda a: a[..., 5:9],
    ],
)
def test_xarray_selections_keep_the_lazy_array(pick: Any) -> None:
    source = Counting()
    dims, time = ("time", "y", "x"), np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(1, "D")
    lazy = xr.DataArray(blocks.from_lazy(source, chunks=(1, 20, 25)), dims=dims, coords={"time": time})
    eager = xr.DataArray(everything(source.shape), dims=dims, coords={"time": time})
    part = pick(lazy)
    assert blocks.lazy_of(part.data) is not None
    assert source.reads == []
    xr.testing.assert_equal(part.compute(), pick(eager))


@pytest.mark.parametrize(
    "pick", [lambda a: a[:, ::2], lambda a: a[:, ::-1, 3], lambda a: a[:, [1, 5, 7]], lambda a: a + 1, lambda a: a.T]
)
def test_anything_else_is_an_ordinary_dask_array(pick: Any) -> None:
    source = Counting()
    part = pick(blocks.from_lazy(source, chunks=(1, 20, 25)))
    assert blocks.lazy_of(part) is None
    np.testing.assert_array_equal(part.compute(), pick(everything(source.shape)))


@pytest.mark.parametrize(
    "use",
    [
        lambda a: a,
        lambda a: a.isel(time=slice(0, 3)),
        lambda a: a.chunk(y=13),
        lambda a: a.copy(deep=True),
        lambda a: pickle.loads(pickle.dumps(a)),
        lambda a: xr.concat([a, a], "time"),
        lambda a: a.copy(data=chain(a.data)),
    ],
)
def test_assigned_pixels_are_never_lost(use: Any) -> None:
    values = everything((5, 40, 50))
    lazy = xr.DataArray(blocks.from_lazy(InMemory(values.copy()), chunks=(1, 20, 25)), dims=("time", "y", "x"))
    eager = xr.DataArray(values.copy(), dims=("time", "y", "x"))
    for array in (lazy, eager):
        array[{"x": slice(10, 20)}] = np.nan
    assert blocks.lazy_of(lazy.data) is None
    np.testing.assert_array_equal(use(lazy).values, use(eager).values)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_view_of_a_view_reads_what_numpy_reads(data: st.DataObject) -> None:
    array, lazy = everything((5, 12, 9)), InMemory(everything((5, 12, 9)))
    for _ in range(2):
        key: list[Any] = []
        for axis, n in enumerate(lazy.shape):
            start = data.draw(st.integers(0, n))
            choices: list[Any] = [slice(start, data.draw(st.integers(start, n)))]
            if lazy.ndim == 3 and axis == 0 and n:
                choices += [data.draw(st.integers(-n, n - 1)), data.draw(st.lists(st.integers(0, n - 1), max_size=4))]
            key.append(data.draw(st.sampled_from(choices)))
        array = array[tuple(np.array(k, int) if isinstance(k, list) else k for k in key)]
        part = view(lazy, key)
        assert part is not None
        assert part.shape == array.shape
        np.testing.assert_array_equal(part.read(part.whole()), array)
        lazy = part


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 13),
    st.integers(0, 17),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.booleans(),
)
def test_all_three_roads_give_the_same_bytes(h: int, w: int, ys: list[int], xs: list[int], by_hand: bool) -> None:
    values = everything((2, h, w))

    def cut(n: int, sizes: list[int]) -> tuple[int, ...]:
        out: list[int] = []
        while sum(out) < n:
            out.append(min(sizes[len(out) % len(sizes)], n - sum(out)))
        return tuple(out) or (0,)

    chunks = ((1, 1), cut(h, ys), cut(w, xs))
    array = da.from_array(values, chunks) if by_hand else blocks.from_lazy(InMemory(values), chunks=chunks)
    with dask.config.set(scheduler="synchronous"):
        chunked = chain(array).compute()
    assert chunked.tobytes() == chain(values).tobytes()


def test_pickles_small_and_computes_elsewhere() -> None:
    array = chain(blocks.from_lazy(Counting(), chunks=(1, 20, 25)))
    again = pickle.loads(pickle.dumps(array))
    assert blocks.lazy_of(again) is not None
    assert again.name == array.name
    assert len(pickle.dumps(array)) < 2000
    np.testing.assert_array_equal(again.compute(), array.compute())


def test_names_are_deterministic_and_tell_contents_apart() -> None:
    def name(shape: tuple[int, ...]) -> str:
        return chain(blocks.from_lazy(Counting(shape), chunks=(1, 20, 25))).name

    assert name((5, 40, 50)) == name((5, 40, 50))
    assert name((5, 40, 50)) != name((5, 41, 50))


def test_two_arrays_that_differ_in_the_middle_only_have_two_names() -> None:
    """The middle of a long array is what NumPy leaves out when it prints it."""
    ones, other = np.ones((300, 300)), np.ones((300, 300))
    other[150, 150] = 5
    both = [chain(blocks.from_lazy(InMemory(values), chunks=100)) for values in (ones, other)]
    assert both[0].name != both[1].name
    for got, values in zip(dask.compute(*both), (ones, other), strict=True):
        np.testing.assert_array_equal(got, chain(values))


NAMES = """
import numpy as np, xarray as xr, kararaster as kr
from kararaster import blocks
from kararaster.lazy import InMemory

dates = np.datetime64("2024-01-01", "ns") + np.arange(3) * np.timedelta64(1, "D")
lazy = blocks.from_lazy(InMemory(np.ones((3, 50, 50), np.float32)), chunks=20)
stack = xr.DataArray(lazy, dims=("time", "y", "x"), coords={"time": dates}, name="vv")
for method in kr.despeckle_methods().name:
    out = stack.kara.despeckle(method, **({"by": None} if method == "quegan" else {}))
    print(out.data.name, sorted(map(str, out.__dask_graph__())))
print([kr.enl(stack, method).data.name for method in ("mode", "moment", "log_cumulant")])
"""


def test_names_are_the_same_in_another_process() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", NAMES],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0].count("window-") > 13
    assert runs[0] == runs[1]


def test_blocks_from_other_processes_may_lie_askew_in_memory() -> None:
    askew = np.zeros(8 * 12 + 1, np.uint8)[1:].view(np.float64).reshape(3, 4)
    assert not askew.flags.aligned
    assert blocks.contiguous(askew).flags.aligned
    assert InMemory(askew).read((slice(0, 3), slice(0, 4))).flags.aligned
    straight = np.zeros((3, 4))
    assert blocks.contiguous(straight) is straight


def test_runs_on_distributed_workers() -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        got = chain(blocks.from_lazy(InMemory(everything((2, 30, 30))), chunks=(1, 13, 30))).compute()
    np.testing.assert_array_equal(got, chain(everything((2, 30, 30))))


def test_stack_and_concatenated_cross_seams() -> None:
    a, b = everything((3, 4, 5)), everything((2, 4, 5)) + 1
    joined = Concatenated((InMemory(a), Stack((InMemory(b[0]), InMemory(b[1])))))
    assert joined.shape == (5, 4, 5)
    window = (slice(2, 5), slice(1, 4), slice(0, 2))
    np.testing.assert_array_equal(joined.read(window), np.concatenate([a, b])[window])


def test_meta_dtype_is_right_and_nothing_is_computed(no_compute: None) -> None:
    array = chain(blocks.from_lazy(Counting(), chunks=(1, 20, 25)))
    assert array.dtype == np.float64
    assert array._meta.dtype == np.float64
    assert array._meta.ndim == 3
