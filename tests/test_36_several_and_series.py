"""Several results of one pass, all dates of a pixel at once, shared windows: what is read, and the same bytes on all roads."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kararaster import blocks
from kararaster.blocks import series, time_axis
from test_35_lazy import Counting, everything


def both(a: np.ndarray, b: np.ndarray, *, window: Any) -> list[np.ndarray]:
    """The row number shows that the window is the right one."""
    rows = np.arange(window[-2].start, window[-2].stop)[:, None]
    return [a + b + rows, (a - b).astype(np.float32)]


@dataclass(frozen=True)
class Extremes:
    """Largest value of each band, and the date of the first one's."""

    @property
    def outputs(self) -> dict[str, blocks.Output]:
        return {"most": blocks.Output(np.dtype(np.float64), (2,)), "when": blocks.Output(np.dtype(np.int64))}

    def compute(self, bands: list[np.ndarray]) -> dict[str, np.ndarray]:
        return {"most": np.stack([band.max(0) for band in bands]), "when": bands[0].argmax(0)}


def on_the_road(road: str, values: np.ndarray, chunks: tuple[int, int, int]) -> Any:
    if road == "numpy":
        return values
    return da.from_array(values, chunks) if road == "by hand" else blocks.from_lazy(Values(values), chunks=chunks)


class Values(Counting):
    """A counting source of given values."""

    def __init__(self, values: np.ndarray) -> None:
        super().__init__(values.shape, values.dtype)
        object.__setattr__(self, "values", values)

    def read(self, window: Any) -> np.ndarray:
        self.reads.append(window)
        return self.values[window].copy()

    def __dask_tokenize__(self) -> object:
        return ("values", self.values)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 6), st.integers(0, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
    st.sampled_from(["lazy", "by hand"]),
)
def test_all_roads_give_the_same_bytes(shape: tuple[int, ...], chunks: tuple[int, int, int], road: str) -> None:
    rng = np.random.default_rng(shape[1])
    a, b = rng.random(shape), rng.random(shape)
    want = both(a, b, window=tuple(slice(0, n) for n in shape))
    arrays = [on_the_road(road, values, chunks) for values in (a, b)]
    got = blocks.elementwise_several(both, *arrays, dtypes=[np.float64, np.float32])
    for array, values in zip(dask.compute(*got), want, strict=True):
        assert array.dtype == values.dtype
        assert array.tobytes() == values.tobytes()
    extremes = dask.compute(series(Extremes(), got))[0]
    np.testing.assert_array_equal(extremes["most"], [values.max(0) for values in want])
    np.testing.assert_array_equal(extremes["when"], want[0].argmax(0))


def test_several_results_read_their_sources_once() -> None:
    a, b = Values(everything((2, 20, 30))), Values(everything((2, 20, 30)) * 2)
    got = blocks.elementwise_several(
        both, *(blocks.from_lazy(s, chunks=(1, 10, 15)) for s in (a, b)), dtypes=["f8", "f4"]
    )
    dask.compute(*got, scheduler="sync")
    assert (len(a.reads), len(b.reads)) == (8, 8)
    part = got[0][1, 3:7, 4:9]
    a.reads.clear()
    want = both(a.values, b.values, window=(slice(0, 2), slice(0, 20), slice(0, 30)))[0]
    np.testing.assert_array_equal(part.compute(), want[1, 3:7, 4:9])
    assert a.reads == [(slice(1, 2), slice(3, 7), slice(4, 9))]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(got[0])).compute(), want)


def test_a_later_stage_of_several_results_still_reads_once() -> None:
    source = Values(everything((3, 8, 8)))
    array = blocks.from_lazy(source, chunks=(1, 8, 8))
    pair = blocks.elementwise_several(both, array, array, dtypes=["f8", "f4"])
    source.reads.clear()
    dask.compute(series(Extremes(), [a[1:] for a in pair]), scheduler="sync")
    assert len(source.reads) == 2  # one a band argument, not one a result


def test_a_shared_array_is_read_once_a_task() -> None:
    source = Values(everything((2, 8, 8)))
    mask = blocks.shared(blocks.from_lazy(source, chunks=(1, 8, 8)))
    got = blocks.elementwise_several(both, mask, mask, dtypes=["f8", "f4"])
    dask.compute(*got, scheduler="sync")
    assert len(source.reads) == 2
    plain = np.ones((2, 3))
    assert blocks.shared(plain) is plain


def test_series_works_in_parts_when_the_dates_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random((20, 30, 40))
    whole = dask.compute(series(Extremes(), [on_the_road("lazy", values, (1, 30, 40))] * 2))[0]
    monkeypatch.setattr(time_axis, "SERIES_BYTES", 20 * 8 * 2 * 100)
    source = Values(values)
    parts = dask.compute(series(Extremes(), [blocks.from_lazy(source, chunks=(1, 30, 40))] * 2))[0]
    largest = max((w[1].stop - w[1].start) * (w[2].stop - w[2].start) for w in source.reads)
    assert largest <= 100
    for key in whole:
        assert parts[key].tobytes() == whole[key].tobytes()


def test_nothing_is_computed_early(no_compute: None) -> None:
    array = on_the_road("lazy", everything((3, 8, 8)), (1, 4, 4))
    pair = blocks.elementwise_several(both, array, array, dtypes=["f8", "f4"])
    assert {key: a.shape for key, a in series(Extremes(), pair).items()} == {"most": (2, 8, 8), "when": (8, 8)}
