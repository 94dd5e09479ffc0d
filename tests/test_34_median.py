"""The median kernel against golden values, SciPy and NumPy, exact to the bit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from kararaster import _kernels

RAMP = np.array([[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [3, 4, 20, 6, 7], [4, 5, 6, 7, 8], [5, 6, 7, 8, 9]], float)
TEXTURE = np.array([[4, 5, 3, 6, 5], [6, 2, 5, 9, 4], [3, 7, 4, 8, 12], [5, 1, 6, 3, 10], [8, 4, 5, 7, 2]], float)
NAN = np.nan


def median(
    values: npt.NDArray, window: int | tuple[int, int], border: str = "shrink", min_valid: int = 1, threads: int = 1
) -> npt.NDArray:
    y, x = (window, window) if isinstance(window, int) else window
    values = np.ascontiguousarray(values)
    out = np.empty_like(values)
    frame: _kernels.Frame = {
        "origin_row": 0,
        "top": 0,
        "left": 0,
        "window": (y, x),
        "border": border,
        "min_valid": min_valid,
        "num_threads": threads,
    }
    _kernels.median(values, out, frame)
    return out


def slow(values: npt.NDArray, y: int, x: int) -> npt.NDArray:
    """`numpy.nanmedian` of every shrunken window."""
    finite = np.where(np.isfinite(values), values, NAN)
    padded = np.pad(finite, ((y // 2, y // 2), (x // 2, x // 2)), constant_values=NAN)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (y, x))
    out = np.full(values.shape, NAN, values.dtype)
    centre = np.isfinite(values)
    out[centre] = np.nanmedian(windows[centre].reshape(-1, y * x), axis=1)
    return out


def speckled(shape: tuple[int, int], seed: int, nan: float = 0.0) -> npt.NDArray:
    rng = np.random.default_rng(seed)
    power = (rng.gamma(4.4, 1 / 4.4, shape) - 0.2).astype(np.float32)
    power[rng.random(shape) < nan] = rng.choice([NAN, np.inf, -np.inf])
    return power


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_golden_values(dtype: type) -> None:
    ramp = [[2, 2.5, 3.5, 4.5, 5], [2.5, 3, 4, 5, 5.5], [3.5, 4, 5, 6, 6.5], [4.5, 5, 6, 7, 7.5], [5, 5.5, 6.5, 7.5, 8]]
    np.testing.assert_array_equal(median(RAMP.astype(dtype), 3), ramp)
    holed = RAMP.astype(dtype)
    holed[1, 3] = NAN
    want = [[2, 2.5, 3, 4, 5], [2.5, 3, 4, NAN, 6], [3.5, 4, 5.5, 6.5, 7], [4.5, 5, 6, 7, 7.5], [5, 5.5, 6.5, 7.5, 8]]
    np.testing.assert_array_equal(median(holed, 3), want)
    texture = [[4.5, 4.5, 5, 5, 5.5], [4.5, 4, 5, 5, 7], [4, 5, 5, 6, 8.5], [4.5, 5, 5, 6, 7.5], [4.5, 5, 4.5, 5.5, 5]]
    np.testing.assert_array_equal(median(TEXTURE.astype(dtype), 3), texture)


@pytest.mark.parametrize("window", [1, 3, 5, 7, 9, 11, 15, 31, (3, 9), (21, 1), (1, 21)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_replicated_border_is_that_of_scipy(window: int | tuple[int, int], dtype: type) -> None:
    values = speckled((70, 300), 1).astype(dtype)
    want = ndimage.median_filter(values, window, mode="nearest")
    np.testing.assert_array_equal(median(values, window, "replicate"), want)


@pytest.mark.parametrize(("y", "x"), [(3, 3), (7, 7), (5, 9), (13, 13), (31, 3)])
@pytest.mark.parametrize("nan", [0.0, 0.05, 0.6])
def test_incomplete_windows_use_their_valid_samples(y: int, x: int, nan: float) -> None:
    """With an even number of them the mean of the two in the middle."""
    values = speckled((41, 90), 2, nan)
    np.testing.assert_array_equal(median(values, (y, x)), slow(values, y, x))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from([1, 3, 5, 7, 9, 13]),
    st.sampled_from([1, 3, 5, 7, 9, 13]),
    st.sampled_from([1, 2, 7]),
    st.integers(0, 99),
)
def test_any_shape_window_and_thread_count(h: int, w: int, y: int, x: int, threads: int, seed: int) -> None:
    values = np.round(speckled((h, w), seed, 0.1 if seed % 2 else 0.0), 1)
    np.testing.assert_array_equal(median(values, (y, x), threads=threads), slow(values, y, x))


def test_min_valid() -> None:
    corner = median(RAMP, 3, min_valid=5)
    assert np.isnan(corner[[0, 0, -1, -1], [0, -1, 0, -1]]).all()
    assert np.isnan(corner).sum() == 4
    np.testing.assert_array_equal(corner[0, 1:4], [2.5, 3.5, 4.5])


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
@pytest.mark.parametrize("window", [3, 13])
def test_empty_images(shape: tuple[int, int], window: int) -> None:
    assert median(np.empty(shape, np.float32), window).shape == shape
