"""The non-local filter: golden values through Python, closed facts, and what it does to ground, edges and targets."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import kararaster as kr
from kararaster import _kernels, errors

LOOKS = 4.4
QUICK: dict[str, Any] = {"search": 5, "patch": 2, "iterations": 2}
TEXTURE = np.array([[4, 5, 3, 6, 5], [6, 2, 5, 9, 4], [3, 7, 4, 8, 12], [5, 1, 6, 3, 10], [8, 4, 5, 7, 2]], float)


def image(values: Any) -> xr.DataArray:
    return xr.DataArray(values, dims=("time", "y", "x")[-values.ndim :], name="vv", attrs={"units": "1"})


def speckled(level: np.ndarray, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).gamma(LOOKS, 1 / LOOKS, level.shape)).astype(np.float32)


def ppb(values: Any, **parameters: Any) -> np.ndarray:
    return np.asarray(kr.despeckle(image(values), "ppb", enl=LOOKS, **parameters).values)


def looks(values: np.ndarray) -> float:
    return float(values.mean(dtype=float) ** 2 / values.var(dtype=float))


def quantile_for(h: float, looks: float, patch: int) -> float:
    """The quantile whose threshold is `h`: the share of simulated patches below it (exact enough for one digit of h)."""
    rng = np.random.default_rng(1)
    a, b = np.sqrt(rng.gamma(looks, 1 / looks, (2, 400_000, (2 * patch + 1) ** 2)))
    v = np.log(a / b + b / a).mean(1)
    return float(np.mean(v - v.mean() < h / (2 * patch + 1) ** 2))


def test_golden_centre_of_an_image_with_reflected_edges() -> None:
    """The golden values are for h = 0.4257; here h follows from the quantile, which is 0.92 to the error of a simulation."""
    quantile = quantile_for(0.4257, 4.0, 1)
    assert quantile == pytest.approx(0.92, abs=0.002)
    mirrored = image(np.pad(TEXTURE, 2, mode="reflect"))
    for iterations, want in ((1, 4.285309248624752), (2, 4.647432072560126)):
        got = kr.despeckle(
            mirrored, "ppb", enl=4.0, search=1, patch=1, quantile=quantile, temperature=0.2, iterations=iterations
        )
        assert float(got[4, 4]) == pytest.approx(want, rel=2e-3)


def test_homogeneous_ground_gains_looks_and_keeps_its_mean() -> None:
    ground = speckled(np.full((220, 240), 0.05))
    inner = np.s_[30:-30, 30:-30]
    want = ground[inner].mean(dtype=float)
    once = ppb(ground, iterations=1)[inner]
    twice = ppb(ground, iterations=2)[inner]
    box = kr.despeckle(image(ground), "boxcar", window=7).values[inner]
    for out in (once, twice):
        assert out.mean(dtype=float) == pytest.approx(want, rel=0.005)
    # 441 candidates of 4.4 looks with unequal weights: more than the 49 equal ones of the boxcar, fewer than all.
    assert looks(box) == pytest.approx(49 * LOOKS, rel=0.25)
    assert 1.8 * looks(box) < looks(once) < 441 * LOOKS


def test_an_edge_stays_sharper_than_under_the_mean() -> None:
    level = np.full((120, 120), 0.02)
    level[:, 60:] = 0.2
    scene = speckled(level, 3)
    out = ppb(scene, iterations=2)
    box = kr.despeckle(image(scene), "boxcar", window=7).values
    beside = np.s_[20:-20, [58, 59, 60, 61]]
    errors_of = [float(np.abs(np.log(f[beside].mean(0) / level[beside].mean(0))).max()) for f in (out, box)]
    assert errors_of[0] < 0.35
    assert errors_of[1] > 1.0


def test_scale_and_mirror_do_not_matter() -> None:
    scene = speckled(np.full((60, 70), 0.05), 5).astype(np.float64)
    out = ppb(scene, **QUICK)
    np.testing.assert_allclose(ppb(8.0 * scene, **QUICK), 8.0 * out, rtol=1e-12)
    np.testing.assert_allclose(ppb(scene[::-1].copy(), **QUICK), out[::-1], rtol=1e-12)
    np.testing.assert_allclose(ppb(scene[:, ::-1].copy(), **QUICK), out[:, ::-1], rtol=1e-12)
    np.testing.assert_allclose(ppb(scene.T.copy(), **QUICK), out.T, rtol=1e-12)


def test_values_that_cannot_be_compared() -> None:
    scene = speckled(np.full((40, 50), 0.05), 6)
    clean = ppb(scene, **QUICK)
    scene[10, 10], scene[20, 20], scene[30, 30] = np.nan, 0.0, -0.001
    out = ppb(scene, **QUICK)
    assert np.isnan(out).sum() == 1
    assert np.isnan(out[10, 10])
    assert (out[20, 20], out[30, 30]) == (0.0, np.float32(-0.001))
    others = np.isfinite(scene) & (scene > 0)
    assert out[others].min() > 0
    # Of 121 candidates at most a few are missing.
    np.testing.assert_allclose(out[others], clean[others], rtol=0.2)


@pytest.mark.parametrize("chunks", [(1, 17, 29), (1, 40, 64), (2, 64, 11)])
def test_chunked_is_eager(chunks: tuple[int, ...]) -> None:
    values = speckled(np.full((2, 50, 64), 0.05), 7)
    values[:, 5:8, 9] = np.nan
    want = ppb(values, **QUICK)
    lazy = kr.despeckle(image(da.from_array(values, chunks=chunks)), "ppb", enl=LOOKS, **QUICK)
    assert lazy.compute().values.tobytes() == want.tobytes()
    assert not np.isnan(want[0, 20:]).any()


def test_constants_and_tiny_images() -> None:
    for shape in ((0, 0), (0, 4), (1, 1), (1, 30), (33, 1), (20, 20)):
        for value in (0.1, 7.3e-5, 0.0):
            flat = np.full(shape, value, np.float32)
            np.testing.assert_array_equal(ppb(flat, **QUICK), flat)


def test_wrong_values_are_named() -> None:
    scene = speckled(np.full((8, 8), 0.05))
    frame: _kernels.Frame = {
        "origin_row": 0,
        "top": 0,
        "left": 0,
        "window": (1, 1),
        "border": "shrink",
        "min_valid": 1,
        "num_threads": 1,
    }
    fine = {"enl": 4.4, "search": 2, "patch": 1, "quantile": 0.92, "temperature": 0.2, "iterations": 1}
    for name, value in (
        ("enl", 0.0),
        ("search", 51),
        ("patch", 16),
        ("quantile", 0.4),
        ("temperature", -1.0),
        ("iterations", 0),
    ):
        with pytest.raises(errors.InvalidInputError, match=name):
            _kernels.ppb(scene, np.empty_like(scene), frame, **{**fine, name: value})  # type: ignore[arg-type]
