"""Filters against the steps of the SNAP operators, which `reference_snap` does pixel by pixel.

SNAP itself is not run. What it does otherwise, and these tests leave out or show:

- the median of an even number of samples is the upper one of the two in the middle (shrunken windows at edges);
- older builds of refined Lee leave one of nine noise estimates out of the sorting;
- Lee sigma looks for targets during the scan, so that pixels of a target above and to the left are filtered before it is found;
- Lee sigma without targets and range, our `edge="snap"`, is for windows cut by the edge there, for windows with holes too here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

import kararaster as kr
import reference_snap as snap
import reference_speckle as oracle

DTYPES = [(np.float64, 1e-6), (np.float32, 2e-6)]
WINDOWS = [(7, 7), (3, 5)]
NO_TARGET = 1e30


def speckle_with_edges() -> np.ndarray:
    rng = np.random.default_rng(52)
    scene = np.full((44, 57), 0.02)
    scene[:, 30:] = 0.2
    scene[25:, :20] = 0.004
    image = scene * rng.gamma(4, 1 / 4, scene.shape)
    image[12:15, 14:18] = 8.0
    image[35, 45] = 30.0
    return image


def real_crop(samples: Path) -> np.ndarray:
    with rasterio.open(samples / "s1-backscatter-crops" / "germany-czech_VV.tif") as dataset:
        band = dataset.read(1)[250:292, 300:350]
    assert np.isfinite(band).all()
    return 10 ** (band.astype(np.float64) / 10)


@pytest.fixture(params=["speckle with edges", "real crop"], scope="module")
def image(request: pytest.FixtureRequest) -> np.ndarray:
    values = (
        speckle_with_edges() if request.param == "speckle with edges" else real_crop(request.getfixturevalue("samples"))
    )
    return values.astype(np.float32).astype(np.float64)  # both precisions see the same samples


def check(
    image: np.ndarray, want: np.ndarray, where: object, method: str, window: tuple[int, int], **parameters: object
) -> None:
    for dtype, rtol in DTYPES:
        array = xr.DataArray(image.astype(dtype), dims=("y", "x"), attrs={"units": "1"})
        got = kr.despeckle(array, method, window=window, **parameters).values
        np.testing.assert_allclose(got[where], want[where], rtol=rtol, err_msg=f"{method} {dtype}")


@pytest.mark.parametrize("window", WINDOWS)
def test_window_filters_everywhere(image: np.ndarray, window: tuple[int, int]) -> None:
    check(image, snap.boxcar(image, window), ..., "boxcar", window)
    check(image, snap.lee(image, window, 4.4), ..., "lee", window, enl=4.4)
    check(image, snap.gamma_map(image, window, 4.4), ..., "gamma_map", window, enl=4.4)
    check(image, snap.frost(image, window, 2.0), ..., "frost", window, damping=2.0, distance="chebyshev")


@pytest.mark.parametrize("window", WINDOWS)
def test_median_where_the_number_of_samples_is_odd(image: np.ndarray, window: tuple[int, int]) -> None:
    theirs = snap.median(image, window)
    odd = oracle.local(image, window, "shrink").count % 2 == 1
    check(image, theirs, odd, "median", window)
    assert (theirs >= oracle.median(image, window)).all()


def test_refined_lee_everywhere(image: np.ndarray) -> None:
    current = snap.refined_lee(image)
    check(image, current, ..., "refined_lee", (7, 7), noise="local")
    older = snap.refined_lee(image, all_sorted=False)
    assert 0.3 < np.mean(~np.isclose(older, current, rtol=1e-6)) < 0.7


@pytest.mark.parametrize(("looks", "sigma"), [(1, 0.9), (3, 0.9), (4, 0.5), (4, 0.8), (4, 0.9)])
def test_lee_sigma_away_from_targets(image: np.ndarray, looks: int, sigma: float) -> None:
    z98 = float(np.sort(image, axis=None)[int(0.98 * image.size) - 1])
    theirs, marked = snap.lee_sigma(image, 7, looks, *oracle.PUBLISHED_SIGMA[looks, sigma], z98)
    target = oracle.point_targets(image, z98)
    assert marked.any()
    assert (target | ~marked).all()
    inside = np.zeros(image.shape, bool)
    inside[3:-3, 3:-3] = True
    given = {"enl": looks, "sigma": sigma, "z98": z98, "table": "published"}
    check(image, theirs, inside & ~target, "lee_sigma", (7, 7), **given)
    check(image, image, inside & marked, "lee_sigma", (7, 7), **given)
    check(image, theirs, ~target, "lee_sigma", (7, 7), edge="snap", **given)


def test_lee_sigma_with_the_exact_table_is_within_a_tenth_of_a_decibel(image: np.ndarray) -> None:
    theirs, _ = snap.lee_sigma(image, 7, 4, *oracle.PUBLISHED_SIGMA[4, 0.9], NO_TARGET)
    array = xr.DataArray(image, dims=("y", "x"), attrs={"units": "1"})
    ours = kr.despeckle(array, "lee_sigma", window=7, enl=4, z98=NO_TARGET, edge="snap").values
    difference = np.abs(10 * np.log10(ours / theirs))
    assert np.quantile(difference, 0.98) < 0.1  # the rest: a sample on the other side of a bound
    assert difference.mean() < 0.01


@pytest.mark.parametrize("window", WINDOWS)
def test_multitemporal_everywhere(image: np.ndarray, window: tuple[int, int]) -> None:
    stack = np.stack([image, image[::-1], 3 * image[:, ::-1], image[::-1, ::-1]])
    want = snap.multitemporal(stack, window)
    dates = np.array(["2024-01-01", "2024-01-13", "2024-01-25", "2024-02-06"], "datetime64[ns]")
    for dtype, rtol in DTYPES:
        array = xr.DataArray(stack.astype(dtype), dims=("time", "y", "x"), coords={"time": dates}, attrs={"units": "1"})
        got = kr.despeckle(array, "quegan", window=window, by=None).values
        np.testing.assert_allclose(got, want, rtol=rtol)
