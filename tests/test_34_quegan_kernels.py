"""The multitemporal kernels against golden values, NumPy and the closed form of the looks they reach."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

import reference_speckle as oracle
from kararaster import _kernels, errors

TEXTURE = np.array([[4, 5, 3, 6, 5], [6, 2, 5, 9, 4], [3, 7, 4, 8, 12], [5, 1, 6, 3, 10], [8, 4, 5, 7, 2]], float)
RAMP = np.array([[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [3, 4, 20, 6, 7], [4, 5, 6, 7, 8], [5, 6, 7, 8, 9]], float)
THIRD = [[4.5, 5.5, 5, 7, 7], [5, 3.5, 5.5, 8, 6], [3, 5.5, 12, 7, 9.5], [3.5, 2, 5, 4, 8], [4.5, 3, 4, 5.5, 3.5]]


def frame(window: int, threads: int = 1) -> _kernels.Frame:
    return {
        "origin_row": 0,
        "top": 0,
        "left": 0,
        "window": (window, window),
        "border": "shrink",
        "min_valid": 1,
        "num_threads": threads,
    }


def quegan(
    stack: npt.NDArray, window: int, groups: list[list[int]], spatial: str = "boxcar", threads: int = 1
) -> npt.NDArray:
    out = np.empty_like(stack)
    _kernels.quegan(stack, out, frame(window, threads), groups=groups, spatial=spatial, enl=4.4)
    return out


def simulated(dates: int, shape: tuple[int, int], seed: int, nan: float = 0.0) -> npt.NDArray:
    rng = np.random.default_rng(seed)
    stack = rng.gamma(4.4, 1 / 4.4, (dates, *shape)).astype(np.float32)
    stack[rng.random(stack.shape) < nan] = np.nan
    return stack


def test_golden_values() -> None:
    out = quegan(np.array([TEXTURE, RAMP, THIRD]), 3, [[0, 1, 2]])
    np.testing.assert_allclose(out[:, 2, 2], [9.761904761904763, 13.015873015873018, 11.38888888888889], rtol=1e-14)
    np.testing.assert_allclose(out[:, 0, 0], [3.420045045045045, 1.6094329623741388, 3.721813725490196], rtol=1e-14)
    np.testing.assert_allclose(out[:, 4, 1], [4.409090909090909, 5.017241379310345, 3.3448275862068964], rtol=1e-14)
    np.testing.assert_allclose(
        out[1, 3], [4.405592469545958, 3.0729594163246694, 7.4625, 5.4795321637426895, 9.438095238095238], rtol=1e-14
    )


@pytest.mark.parametrize("spatial", ["boxcar", "lee"])
@pytest.mark.parametrize("nan", [0.0, 0.1])
@pytest.mark.parametrize("threads", [1, 3])
def test_groups_of_dates_with_holes(spatial: str, nan: float, threads: int) -> None:
    stack = simulated(6, (140, 57), 3, nan)
    want = oracle.quegan(stack, (7, 7), [0, 1, 0, 1, 2, 0], spatial=spatial)
    got = quegan(stack, 7, [[0, 2, 5], [1, 3], [4]], spatial, threads)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(stack))
    np.testing.assert_allclose(got, want, rtol=2e-6)
    double = quegan(stack.astype(np.float64), 7, [[0, 2, 5], [1, 3], [4]], spatial, threads)
    np.testing.assert_allclose(double, want, rtol=1e-12)


def test_sums_date_after_date_give_the_bytes_of_the_whole() -> None:
    stack = simulated(5, (150, 61), 4, 0.05)
    mean = np.empty_like(stack)
    _kernels.boxcar(stack, mean, frame(5))
    sums = np.zeros((2, 150, 61))
    _kernels.quegan_add(stack[:2], mean[:2], sums[0], sums[1], num_threads=1)
    _kernels.quegan_add(stack[2:], mean[2:], sums[0], sums[1], num_threads=2)
    np.testing.assert_array_equal(sums[1], np.isfinite(stack).sum(0))
    out = np.empty_like(stack)
    _kernels.quegan_apply(mean, sums[0], sums[1], out, num_threads=2)
    assert out.tobytes() == quegan(stack, 5, [[0, 1, 2, 3, 4]]).tobytes()


@pytest.mark.parametrize(("dates", "window"), [(5, 7), (20, 7), (12, 3)])
def test_looks_of_the_result(dates: int, window: int) -> None:
    """L N M / (M + N - 1) looks from M dates and windows of N pixels, and the mean stays."""
    stack = simulated(dates, (400, 400), 7)
    out = quegan(stack, window, [list(range(dates))]).astype(np.float64)
    half, n = window // 2, window**2
    inside = out[:, half:-half, half:-half]
    looks = (inside.mean((1, 2)) ** 2 / inside.var((1, 2))).mean()
    np.testing.assert_allclose(looks, 4.4 * n * dates / (dates + n - 1), rtol=0.02)
    np.testing.assert_allclose(out.mean((1, 2)), 1.0, rtol=0.003)


def test_refusals_name_the_argument() -> None:
    stack = simulated(3, (9, 8), 1)
    for groups in ([[0, 1]], [[0, 1, 2], [2]], [[0, 1, 3]]):
        with pytest.raises(errors.InvalidInputError, match=r"groups: .*each of the 3 dates in one group"):
            quegan(stack, 3, groups)
    with pytest.raises(errors.InvalidInputError, match='spatial: got "median"'):
        quegan(stack, 3, [[0, 1, 2]], "median")
    sums = np.zeros((2, 9, 8))
    with pytest.raises(errors.InvalidInputError, match="mean"):
        _kernels.quegan_add(stack, stack[:, :5].copy(), sums[0], sums[1], num_threads=1)
    with pytest.raises(errors.InvalidInputError, match="dst: got 72 pixels"):
        _kernels.quegan_apply(stack, sums[0], sums[1], stack[0].copy(), num_threads=1)
