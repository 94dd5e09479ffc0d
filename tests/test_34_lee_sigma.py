"""The improved Lee sigma filter: published values, its range against SciPy, targets, mean and looks of speckle."""

from __future__ import annotations

from dataclasses import dataclass, field

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from scipy import special

import kararaster as kr
from kararaster import _kernels, blocks, errors
from kararaster.lazy import InMemory, Window

TARGETS = np.array(
    [
        [5.0, 10.5, 9.5, 8.5, 7.5, 6.5, 5.5, 11.0, 10.0],
        [8.5, 7.5, 6.5, 5.5, 11.0, 10.0, 9.0, 8.0, 7.0],
        [5.5, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 10.5],
        [9.0, 8.0, 7.0, 60.0, 60.0, 60.0, 9.5, 8.5, 7.5],
        [6.0, 5.0, 10.5, 60.0, 60.0, 60.0, 6.5, 5.5, 11.0],
        [9.5, 8.5, 7.5, 60.0, 60.0, 60.0, 10.0, 9.0, 8.0],
        [6.5, 5.5, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0],
        [10.0, 30.0, 8.0, 7.0, 6.0, 5.0, 10.5, 9.5, 8.5],
        [7.0, 6.0, 5.0, 10.5, 9.5, 8.5, 7.5, 6.5, 5.5],
    ]
)


def despeckled(values: np.ndarray, **parameters: object) -> np.ndarray:
    dims = ("time", "y", "x")[-values.ndim :]
    return kr.despeckle(xr.DataArray(values, dims=dims, attrs={"units": "1"}), "lee_sigma", **parameters).values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_golden_values(dtype: type) -> None:
    got = despeckled(TARGETS.astype(dtype), window=5, z98=25.0, enl=4.0)
    wanted = {
        (0, 0): 8.222222222222221,
        (1, 3): 8.411764705882353,
        (2, 4): 8.352941176470589,
        (4, 2): 8.966666666666667,
        (7, 1): 20.43479982750874,
        (8, 4): 8.166666666666666,
    }
    np.testing.assert_allclose(
        [got[at] for at in wanted], list(wanted.values()), rtol=1e-13 if dtype == np.float64 else 2e-6
    )
    np.testing.assert_array_equal(got[3:6, 3:6], 60.0)


@pytest.mark.parametrize("enl", [0.7, 1.0, 2.5, 4.4, 20.0, 300.0])
@pytest.mark.parametrize("sigma", [0.1, 0.5, 0.9, 0.99])
def test_the_range_holds_its_part_and_keeps_the_mean(enl: float, sigma: float) -> None:
    lower, upper, noise = _kernels.sigma_range(enl, sigma)

    def within(shape: float) -> float:
        return float(special.gammainc(shape, enl * upper) - special.gammainc(shape, enl * lower))

    assert within(enl) == pytest.approx(sigma, rel=1e-11)
    assert within(enl + 1) / sigma == pytest.approx(1.0, rel=1e-11)
    assert noise**2 == pytest.approx((1 + 1 / enl) * within(enl + 2) / sigma - 1, rel=1e-8)


def test_the_published_table_does_nearly_the_same() -> None:
    speckle = np.random.default_rng(1).gamma(4.0, 0.25, (64, 64))
    exact = despeckled(speckle, enl=4.0, z98=1e9)
    published = despeckled(speckle, enl=4.0, z98=1e9, table="published")
    assert 0 < np.abs(10 * np.log10(published / exact)).mean() < 0.1
    with pytest.raises(errors.InvalidInputError, match="enl"):
        despeckled(speckle, enl=4.4, table="published")


def test_homogeneous_speckle_keeps_its_mean_and_gains_looks() -> None:
    speckle = np.random.default_rng(7).gamma(4.0, 0.25, (768, 768)).astype(np.float32)
    got = despeckled(speckle, enl=4.0, z98=1e9)[3:-3, 3:-3].astype(float)
    assert got.mean() == pytest.approx(speckle.mean(dtype=float), rel=0.005)
    assert got.mean() ** 2 / got.var() == pytest.approx(62, rel=0.05)


def target_scene() -> np.ndarray:
    speckle = np.random.default_rng(2).gamma(4.4, 1 / 4.4, (40, 40))
    speckle[10:12, 20:23] = [[90, 80, 70], [60, 50, 40]]
    return speckle


def test_point_targets_are_kept_exactly() -> None:
    speckle = target_scene().astype(np.float32)
    block = np.s_[10:12, 20:23]
    np.testing.assert_array_equal(despeckled(speckle, z98=20.0)[block], speckle[block])
    # One bright pixel too few, or one level too high: the six are averaged like others.
    for other in (despeckled(speckle, z98=20.0, target_count=7), despeckled(speckle, z98=45.0)):
        assert (other[block] != speckle[block]).sum() >= 4


def test_each_image_may_have_a_threshold_of_its_own() -> None:
    images = np.stack([target_scene()] * 2)
    frame: _kernels.Frame = {
        "origin_row": 0,
        "top": 0,
        "left": 0,
        "window": (5, 5),
        "border": "shrink",
        "min_valid": 1,
        "num_threads": 1,
    }

    def kernel(z98: object) -> np.ndarray:
        out = np.empty_like(images)
        _kernels.lee_sigma(
            images, out, frame, enl=4.0, sigma=0.9, target_count=6, z98=z98, table="exact", edge="shrink"
        )
        return out

    both = kernel(np.array([20.0, np.inf]))
    np.testing.assert_array_equal(both[0], kernel(20.0)[1])
    np.testing.assert_array_equal(both[1], kernel([np.inf])[0])
    assert (both[0, 10:12, 20:23] == images[0, 10:12, 20:23]).all()
    assert not (both[1, 10:12, 20:23] == images[1, 10:12, 20:23]).all()
    with pytest.raises(errors.InvalidInputError, match="z98: got 3 numbers, want 1 or 2"):
        kernel([1.0, 2.0, 3.0])


def test_each_image_of_a_stack_has_its_own_threshold_by_every_road() -> None:
    """A scene of fields and a hundredfold brighter one: with one threshold for both, all of the second would be bright."""
    scene = np.random.default_rng(3).gamma(4.4, 1 / 4.4, (50, 60)) * np.where(np.arange(60) < 30, 0.02, 0.2)
    scene[20:23, 40:43] = 9.0
    values = np.stack([scene, 100 * scene])
    valid = np.sort(values.reshape(2, -1), axis=1)
    want = [despeckled(v, z98=ordered[int(0.98 * 3000) - 1]) for v, ordered in zip(values, valid, strict=True)]
    roads = [values, da.from_array(values, chunks=(2, 17, 60)), blocks.from_lazy(InMemory(values), chunks=(1, 20, 20))]
    for values in roads:
        stack = xr.DataArray(values, dims=("band", "y", "x"), attrs={"units": "1"})
        np.testing.assert_array_equal(stack.kara.despeckle("lee_sigma"), want)
    none = xr.DataArray(da.zeros((0, 8, 8)), dims=("band", "y", "x"))
    assert none.kara.despeckle("lee_sigma").compute().shape == (0, 8, 8)


@dataclass(frozen=True, eq=False)
class Counted(InMemory):
    """Remembers which rows were read."""

    rows: list[slice] = field(default_factory=list)

    def read(self, window: Window) -> np.ndarray:
        self.rows.append(window[0])
        return super().read(window)


def test_a_scene_is_read_for_its_threshold_and_again_tile_by_tile_and_never_kept() -> None:
    source = Counted(target_scene())
    lazy = xr.DataArray(blocks.from_lazy(source, chunks=(10, 40)), dims=("y", "x"))
    smooth = lazy.kara.despeckle("lee_sigma")
    assert source.rows == []
    with dask.config.set(scheduler="synchronous"):
        smooth.load()
    first, second = source.rows[:4], source.rows[4:]
    assert sorted(rows.start for rows in first) == [0, 10, 20, 30]
    assert {rows.stop - rows.start for rows in first} == {10}
    assert sorted((rows.start, rows.stop) for rows in second) == [(0, 13), (7, 23), (17, 33), (27, 40)]


def test_infinity_means_that_nothing_is_bright() -> None:
    np.testing.assert_array_equal(despeckled(target_scene(), z98=np.inf), despeckled(target_scene(), z98=1e30))
    np.testing.assert_array_equal(
        despeckled(target_scene(), z98=np.float32("inf")), despeckled(target_scene(), z98=1e30)
    )


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"table": "published"}, "enl: got 4.4"),
        ({"enl": 1e9}, "fewer looks"),
        ({"table": "published", "enl": 4, "sigma": 0.95}, "sigma"),
    ],
)
def test_a_lazy_image_is_refused_before_it_is_computed(parameters: dict, says: str, no_compute: None) -> None:
    lazy = xr.DataArray(da.ones((9, 9)), dims=("y", "x"), attrs={"units": "1"})
    with pytest.raises(errors.InvalidInputError, match=says):
        lazy.kara.despeckle("lee_sigma", **parameters)


def test_snap_edges_take_all_samples() -> None:
    values = np.random.default_rng(5).gamma(4.4, 1 / 4.4, (12, 12))
    shrink, snap = despeckled(values, z98=9.0), despeckled(values, z98=9.0, edge="snap")
    np.testing.assert_array_equal(shrink[3:-3, 3:-3], snap[3:-3, 3:-3])
    samples = values[:4, :4]
    weight = max(0.0, (samples.var(ddof=1) - samples.mean() ** 2 / 4.4) / (1 + 1 / 4.4)) / samples.var(ddof=1)
    wanted = samples.mean() + weight * (values[0, 0] - samples.mean())
    assert snap[0, 0] == pytest.approx(wanted, rel=1e-13)
