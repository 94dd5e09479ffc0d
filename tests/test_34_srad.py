"""Speckle reducing anisotropic diffusion: a NumPy oracle, and what it does to ground and edges."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import kararaster as kr
from kararaster import errors

LOOKS = 4.4


def image(values: Any) -> xr.DataArray:
    return xr.DataArray(values, dims=("time", "y", "x")[-values.ndim :], name="vv", attrs={"units": "1"})


def speckled(level: np.ndarray, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).gamma(LOOKS, 1 / LOOKS, level.shape)).astype(np.float32)


def srad(values: Any, **parameters: Any) -> np.ndarray:
    return np.asarray(kr.despeckle(image(values), "srad", enl=LOOKS, **parameters).values)


def looks(values: np.ndarray) -> float:
    return float(values.mean(dtype=float) ** 2 / values.var(dtype=float))


def oracle(values: np.ndarray, iterations: int, step: float) -> np.ndarray:
    """Yu and Acton (2002) on whole arrays without holes, edges mirrored."""
    now = values.astype(np.float64)
    for i in range(iterations):
        q0 = np.exp(-step * i / 6) / np.sqrt(LOOKS)
        up, down, left, right = (
            np.pad(now, 1, mode="edge")[y : y + now.shape[0], x : x + now.shape[1]] - now
            for y, x in ((0, 1), (2, 1), (1, 0), (1, 2))
        )
        gradient = (up**2 + down**2 + left**2 + right**2) / now**2
        laplacian = (up + down + left + right) / now
        q2 = (gradient / 2 - laplacian**2 / 16) / (1 + laplacian / 4) ** 2
        c = np.clip(1 / (1 + (q2 - q0**2) / (q0**2 * (1 + q0**2))), None, 1)
        c[q2 <= q0**2] = 1
        below = np.pad(c, ((0, 1), (0, 0)), mode="edge")[1:]
        beside = np.pad(c, ((0, 0), (0, 1)), mode="edge")[:, 1:]
        now = now + step / 4 * (c * up + below * down + c * left + beside * right)
    return now


@pytest.mark.parametrize(("iterations", "step"), [(1, 0.05), (12, 0.5), (40, 0.9)])
def test_equals_the_published_scheme(iterations: int, step: float) -> None:
    level = np.full((50, 61), 0.02)
    level[20:, 30:] = 0.3
    scene = speckled(level)
    scene[10, 10] = 1e3
    want = oracle(scene, iterations, step)
    # Single precision loses a little more in every step.
    rtol = 2e-6 * max(1, iterations / 20)
    np.testing.assert_allclose(srad(scene, iterations=iterations, step=step), want, rtol=rtol)
    exact = srad(scene.astype(np.float64), iterations=iterations, step=step)
    np.testing.assert_allclose(exact, want, rtol=1e-12)


def test_homogeneous_ground_gains_looks_and_keeps_its_mean() -> None:
    ground = speckled(np.full((200, 200), 0.05))
    out = srad(ground, iterations=40, step=0.5)
    assert out.mean(dtype=float) == pytest.approx(ground.mean(dtype=float), rel=1e-6)
    box = kr.despeckle(image(ground), "boxcar", window=5).values
    assert looks(out) > looks(box) > 20 * LOOKS


def test_an_edge_stays_sharper_than_under_the_mean() -> None:
    level = np.full((120, 120), 0.02)
    level[:, 60:] = 0.2
    scene = speckled(level, 3)
    box = kr.despeckle(image(scene), "boxcar", window=5).values
    beside = np.s_[20:-20, [58, 60, 61]]
    out = srad(scene, iterations=40, step=0.5)
    errors_of = [float(np.abs(np.log(f[beside].mean(0) / level[beside].mean(0))).max()) for f in (out, box)]
    assert errors_of[0] < 0.5 * errors_of[1]


def test_holes_stay_and_are_no_neighbours() -> None:
    scene = speckled(np.full((40, 50), 0.05), 6)
    scene[:, 25] = np.nan
    out = srad(scene, iterations=10, step=0.5)
    assert np.isnan(out).sum() == 40
    # A column of holes cuts the image in two, each with an edge of its own.
    np.testing.assert_array_equal(out[:, :25], srad(scene[:, :25].copy(), iterations=10, step=0.5))
    np.testing.assert_array_equal(out[:, 26:], srad(scene[:, 26:].copy(), iterations=10, step=0.5))


@pytest.mark.parametrize("chunks", [(1, 17, 29), (1, 40, 64), (2, 64, 11)])
def test_chunked_is_eager(chunks: tuple[int, ...]) -> None:
    values = speckled(np.full((2, 50, 64), 0.05), 7)
    values[:, 5:8, 9] = np.nan
    want = srad(values, iterations=6, step=0.5)
    lazy = kr.despeckle(image(da.from_array(values, chunks=chunks)), "srad", enl=LOOKS, iterations=6, step=0.5)
    assert lazy.compute().values.tobytes() == want.tobytes()


def test_constants_and_tiny_images() -> None:
    for shape in ((0, 0), (0, 4), (1, 1), (1, 30), (33, 1), (2, 2), (20, 20)):
        for value in (0.1, 7.3e-5, 0.0):
            flat = np.full(shape, value, np.float32)
            np.testing.assert_array_equal(srad(flat, iterations=5, step=0.5), flat)


def test_wrong_values_are_named() -> None:
    scene = speckled(np.full((8, 8), 0.05))
    for name, value in (("step", 1.5), ("step", 0), ("iterations", 0)):
        with pytest.raises(errors.InvalidInputError, match=name):
            srad(scene, **{name: value})
