"""Adaptive neighbourhoods: regions grown by hand, edges, looks gained."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import kararaster as kr

over_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def despeckled(values: np.ndarray, **parameters: object) -> np.ndarray:
    return kr.despeckle(xr.DataArray(values, dims=("y", "x"), attrs={"units": "1"}), "idan", **parameters).values


def estimate(region: list[float], x: float, looks: float) -> float:
    """The linear estimate of x from its region."""
    samples = np.array(region)
    scene = (samples.var(ddof=1) - samples.mean() ** 2 / looks) / (1 + 1 / looks)
    return samples.mean() + max(scene, 0) / samples.var(ddof=1) * (x - samples.mean())


@over_types
def test_a_region_by_hand(dtype: type) -> None:
    """4 looks, pixel 10: seed 10, kept within 10/3: 10, 9, 12; their mean 31/3; of 14, 19 and 25 the first two return."""
    row = np.array([[30, 14, 10, 9, 12, 19, 25, 10]], dtype)
    wanted = estimate([10, 9, 12, 14, 19], 10, 4.0)
    assert despeckled(row, enl=4.0)[0, 2] == pytest.approx(wanted, rel=1e-6 if dtype == np.float32 else 1e-14)


def test_growth_is_in_rows_then_columns() -> None:
    """Of nine like neighbours a region of 4 takes the pixel and the three above; the others are never looked at."""
    values = np.array([[100, 101, 102], [103, 104, 105], [106, 107, 108]], float)
    looks = 1e5  # only 104 +- 0.22 is near; 104 +- 0.66 after
    assert despeckled(values, enl=looks, size=4)[1, 1] == 104.0
    assert despeckled(values, enl=100.0, size=4)[1, 1] == pytest.approx((104 + 100 + 101 + 102) / 4, rel=1e-14)
    assert despeckled(values, enl=100.0, size=6)[1, 1] == pytest.approx((104 + 100 + 101 + 102 + 103 + 105) / 6)
    assert despeckled(values, enl=100.0, size=50)[1, 1] == pytest.approx(104.0, rel=1e-14)


def test_growth_is_ring_by_ring() -> None:
    """Along a row the second ring comes after both sides of the first."""
    row = np.array([[96, 97, 98, 99, 100, 101, 102, 103, 104]], float)
    for size, members in [(2, [100, 99]), (3, [100, 99, 101]), (4, [100, 99, 101, 98]), (5, [100, 99, 101, 98, 102])]:
        assert despeckled(row, enl=100.0, size=size)[0, 4] == pytest.approx(np.mean(members), rel=1e-14)


def test_a_target_has_no_region_of_its_own() -> None:
    """Its neighbours do not see it, and it is estimated from theirs: without texture that is their mean."""
    values = np.full((9, 9), 2.0)
    values[4, 4] = 1e6
    np.testing.assert_array_equal(despeckled(values), np.full((9, 9), 2.0))
    pair = np.array([[1.0, 1000.0]])
    np.testing.assert_array_equal(despeckled(pair, enl=100.0), pair)


@over_types
def test_an_edge_is_kept_to_the_last_bit(dtype: type) -> None:
    """20 looks: 0.1 is further than 2 sqrt(1/20) from 0.2 and 0.2 from 0.1."""
    values = np.where(np.arange(40) < 17, dtype(0.1), dtype(0.2)) * np.ones((30, 1), dtype)
    np.testing.assert_array_equal(despeckled(values, enl=20.0), values)


def test_speckle_of_one_side_of_an_edge_does_not_see_the_other() -> None:
    rng = np.random.default_rng(3)
    left, right = (0.05 * rng.gamma(100, 0.01, (40, 30)) for _ in range(2))
    out = despeckled(np.hstack([left, 20 * right]), enl=100.0)
    other = despeckled(np.hstack([left, 40 * right]), enl=100.0)
    np.testing.assert_array_equal(out[:, :30], other[:, :30])
    np.testing.assert_allclose(2 * out[:, 30:], other[:, 30:], rtol=1e-12)
    assert out[:, 30:].mean() / out[:, :30].mean() == pytest.approx(20 * right.mean() / left.mean(), rel=0.01)


def test_looks_of_homogeneous_ground() -> None:
    speckle = np.random.default_rng(0).gamma(4.4, 1 / 4.4, (150, 150)).astype(np.float32)
    looks = []
    for size in (5, 20, 50):
        out = despeckled(speckle, size=size).astype(float)
        looks.append(out.mean() ** 2 / out.var())
    assert 2 * 4.4 < looks[0] < looks[1] < looks[2] < 100 * 4.4
    assert looks[2] > 5 * 4.4


@over_types
def test_without_rejects_a_turned_image_gives_the_turned_result(dtype: type) -> None:
    """The order of growth decides only which samples come in when the region is full."""
    values = np.random.default_rng(1).gamma(4.4, 1 / 4.4, (14, 17)).astype(dtype)
    values[3, 5] = np.nan
    out = despeckled(values, size=900)
    np.testing.assert_allclose(despeckled(np.rot90(values), size=900), np.rot90(out), rtol=1e-6)
    np.testing.assert_allclose(despeckled(values[:, ::-1], size=900), out[:, ::-1], rtol=1e-6)


@pytest.mark.parametrize("constant", [0.1, 0.3, 7.3e-5])
@over_types
def test_a_constant_image_is_kept(constant: float, dtype: type) -> None:
    values = np.full((20, 40), constant, dtype)
    values[7, 3:30:4] = np.nan
    np.testing.assert_array_equal(despeckled(values), values)
