"""The two Frost filters: published values, limits, closed forms, looks gained."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import kararaster as kr

RAMP = np.array([[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [3, 4, 20, 6, 7], [4, 5, 6, 7, 8], [5, 6, 7, 8, 9]], float)
TEXTURE = np.array([[4, 5, 3, 6, 5], [6, 2, 5, 9, 4], [3, 7, 4, 8, 12], [5, 1, 6, 3, 10], [8, 4, 5, 7, 2]], float)
HOLED = np.where((np.arange(25) == 8).reshape(5, 5), np.nan, RAMP)
EUCLIDEAN, CHEBYSHEV = {"distance": "euclidean"}, {"distance": "chebyshev"}
over_distances = pytest.mark.parametrize("distance", ["euclidean", "chebyshev"])
over_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def despeckled(values: np.ndarray, method: str = "frost", **parameters: object) -> np.ndarray:
    return kr.despeckle(xr.DataArray(values, dims=("y", "x"), attrs={"units": "1"}), method, **parameters).values


def gamma_speckle(looks: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(looks, 1 / looks, (256, 256)).astype(np.float32)


@pytest.mark.parametrize(
    ("method", "parameters", "values", "wanted"),
    [
        ("frost", EUCLIDEAN, RAMP, [1.8770520543901639, 3.4719074128168903, 5.208392509030197, 10.076915584392843]),
        ("frost", CHEBYSHEV, RAMP, [1.909998337699589, 3.4841263988669873, 5.028784158607354, 9.37612083300942]),
        ("frost_enhanced", EUCLIDEAN, RAMP, [2.0, 3.5, 5.226741194522539, 8.060589445521702]),
        ("frost", EUCLIDEAN, HOLED, [1.8770520543901639, 3.1964077585174437, 5.098428073035462, 10.693188467210497]),
        ("frost", CHEBYSHEV, HOLED, [1.909998337699589, 3.194306597195663, 4.9295934976862785, 10.032913967531242]),
        ("frost_enhanced", EUCLIDEAN, HOLED, [2.0, 3.2, 4.804800624912538, 8.60909510949282]),
        ("frost", EUCLIDEAN, TEXTURE, [4.293802366221135, 4.774204890461774, 5.357821133488969, 5.0311053914999135]),
        ("frost", CHEBYSHEV, TEXTURE, [4.228247966868837, 4.813764366982119, 5.424279269380547, 4.916299240815758]),
        ("frost_enhanced", EUCLIDEAN, TEXTURE, [4.25, 5.0, 5.444444444444445, 5.00790852176499]),
    ],
)
@over_types
def test_golden_values(method: str, parameters: dict, values: np.ndarray, wanted: list, dtype: type) -> None:
    looks = {"enl": 4.0} if method == "frost_enhanced" else {}
    out = despeckled(values.astype(dtype), method, window=3, **looks, **parameters)
    got = [out[0, 0], out[0, 2], out[1, 2], out[2, 2]]
    np.testing.assert_allclose(got, wanted, rtol=1e-13 if dtype == np.float64 else 2e-6)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(values))


@pytest.mark.parametrize("target", [3.0, 30.0, 1e4, 1e6])
def test_a_target_in_closed_form(target: float) -> None:
    """Among ones, beside the pixel: 4 + 4 others in a window of 9, the target at distance 1."""
    values = np.ones((3, 3))
    values[1, 2] = target
    mean = (8 + target) / 9
    variation = (target - 1) ** 2 / 9 / mean**2
    side, corner = np.exp(-0.5 * variation), np.exp(-0.5 * np.sqrt(2) * variation)
    wanted = (1 + 3 * side + 4 * corner + side * target) / (1 + 4 * side + 4 * corner)
    assert despeckled(values, window=3, damping=0.5)[1, 1] == pytest.approx(wanted, rel=1e-13)
    assert despeckled(values.astype(np.float32), window=3, damping=0.5)[1, 1] == pytest.approx(wanted, rel=2e-6)


@over_distances
@pytest.mark.parametrize("window", [3, 7, (3, 9), 15])
def test_damping_goes_from_the_mean_to_the_sample(distance: str, window: int | tuple[int, int]) -> None:
    speckle = gamma_speckle(4.4)[:60, :70]
    near_zero = despeckled(speckle, window=window, damping=1e-9, distance=distance)
    np.testing.assert_allclose(near_zero, despeckled(speckle, "boxcar", window=window), rtol=1e-6)
    np.testing.assert_array_equal(despeckled(speckle, window=window, damping=1e6, distance=distance), speckle)
    gains = [
        np.abs(despeckled(speckle, window=window, damping=damping, distance=distance) - speckle).mean()
        for damping in (0.1, 1.0, 4.0, 20.0)
    ]
    assert gains == sorted(gains, reverse=True)


def test_three_classes_of_the_enhanced_filter() -> None:
    """With infinitely many looks nothing is speckle, with few everything is; targets come out to the last bit."""
    speckle = gamma_speckle(4.4)[:60, :70]
    mean = despeckled(speckle, "boxcar", window=5)
    np.testing.assert_allclose(despeckled(speckle, "frost_enhanced", window=5, enl=0.1), mean, rtol=3e-7)
    speckle[30, 30] = 1e4
    out = despeckled(speckle, "frost_enhanced", window=5, enl=4.4)
    np.testing.assert_array_equal(out[28:33, 28:33], speckle[28:33, 28:33])
    between = (out != speckle) & (np.abs(out / mean - 1) > 1e-6)
    assert between[:25].mean() == pytest.approx(0.4, abs=0.25)


@pytest.mark.parametrize(("method", "parameters"), [("frost", EUCLIDEAN), ("frost", CHEBYSHEV), ("frost_enhanced", {})])
def test_looks_of_homogeneous_ground(method: str, parameters: dict) -> None:
    speckle = gamma_speckle(4.0)
    looks = {"enl": 4.0} if method == "frost_enhanced" else {}
    out = despeckled(speckle, method, window=7, **looks, **parameters)[3:-3, 3:-3].astype(float)
    gained = out.mean() ** 2 / out.var()
    assert out.mean() == pytest.approx(speckle.mean(dtype=float), rel=0.02)
    assert 5 * 4.0 < gained < 49 * 4.0


@pytest.mark.parametrize("method", ["frost", "frost_enhanced"])
@over_distances
@over_types
def test_a_turned_image_gives_the_turned_result(method: str, distance: str, dtype: type) -> None:
    values = gamma_speckle(4.4)[:40, :50].astype(dtype)
    values[5, 7:9] = np.nan
    out = despeckled(values, method, window=(3, 7), distance=distance)
    rtol = 1e-12 if dtype == np.float64 else 2e-6
    turned = despeckled(np.rot90(values), method, window=(7, 3), distance=distance)
    np.testing.assert_allclose(turned, np.rot90(out), rtol=rtol)
    mirrored = despeckled(values[::-1], method, window=(3, 7), distance=distance)
    np.testing.assert_allclose(mirrored[::-1], out, rtol=rtol)
    scaled = despeckled(values * dtype(2**-12), method, window=(3, 7), distance=distance)
    np.testing.assert_array_equal(scaled, out * dtype(2**-12))


@pytest.mark.parametrize("constant", [0.1, 0.3, 7.3e-5, 4321.7])
@pytest.mark.parametrize("method", ["frost", "frost_enhanced"])
@over_distances
@over_types
def test_a_constant_image_is_kept(constant: float, method: str, distance: str, dtype: type) -> None:
    values = np.full((20, 40), constant, dtype)
    values[7, 3:30:4] = np.nan
    np.testing.assert_array_equal(despeckled(values, method, window=7, distance=distance), values)
