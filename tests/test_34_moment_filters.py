"""Filters made of the local mean and variance: published values, limits, closed-form facts."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import kararaster as kr

RAMP = np.array([[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [3, 4, 20, 6, 7], [4, 5, 6, 7, 8], [5, 6, 7, 8, 9]], float)
TEXTURE = np.array([[4, 5, 3, 6, 5], [6, 2, 5, 9, 4], [3, 7, 4, 8, 12], [5, 1, 6, 3, 10], [8, 4, 5, 7, 2]], float)
METHODS = ["boxcar", "lee", "kuan", "lee_enhanced", "gamma_map"]
DIMENSIONS = ("y", "x")
over_methods = pytest.mark.parametrize("method", METHODS)
over_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def despeckled(values: np.ndarray, method: str, **parameters: object) -> np.ndarray:
    return kr.despeckle(xr.DataArray(values, dims=DIMENSIONS, attrs={"units": "1"}), method, **parameters).values


def gamma_speckle(looks: float, shape: tuple[int, int] = (512, 512), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(looks, 1 / looks, shape)


def two_levels(variation: float, centre: float = 1.0) -> np.ndarray:
    """9 samples of mean 1 and this coefficient of variation around `centre`: half of the others low, half high."""
    rest = (9 - centre) / 8
    step = np.sqrt((8 * variation**2 - (centre - 1) ** 2 - 8 * (rest - 1) ** 2) / 8)
    low, high = rest - step, rest + step
    return np.array([[low, high, low], [high, centre, low], [high, low, high]])


@pytest.mark.parametrize(
    ("method", "ramp", "texture"),
    [
        ("boxcar", [6.666666667, 2.0, 6.666666667], [5.0, 4.25]),
        ("lee", [14.409503843, 2.0, 5.69881202], [4.833333333, 4.25]),
        ("kuan", [12.860936408, 2.0, 5.892382949], [4.866666667, 4.25]),
        ("lee_enhanced", [12.692669597, 2.0, 5.9134163], [4.931938085, 4.25]),
        ("gamma_map", [20.0, 2.0, 5.0], [4.683281573, 4.25]),
    ],
)
@over_types
def test_golden_values(method: str, ramp: list[float], texture: list[float], dtype: type) -> None:
    rtol = 1e-9 if dtype == np.float64 else 2e-6
    out = despeckled(RAMP.astype(dtype), method, window=3, enl=4.0)
    np.testing.assert_allclose([out[2, 2], out[0, 0], out[3, 1]], ramp, rtol=rtol)
    out = despeckled(TEXTURE.astype(dtype), method, window=3, enl=4.0)
    np.testing.assert_allclose([out[2, 2], out[0, 0]], texture, rtol=rtol)


def test_golden_values_with_a_hole_and_with_replicated_border() -> None:
    holed = RAMP.copy()
    holed[1, 3] = np.nan
    assert despeckled(holed, "boxcar", window=3)[1, 2] == 5.75
    assert despeckled(holed, "lee", window=3, enl=4.0)[1, 2] == pytest.approx(4.419270833333334, rel=1e-14)
    for method in METHODS:
        holes = np.isnan(despeckled(holed, method, window=3, enl=4.0))
        assert np.argwhere(holes).tolist() == [[1, 3]]
    replicated = {"window": 3, "enl": 4.0, "border": "replicate"}
    assert despeckled(RAMP, "lee", **replicated)[0, 0] == pytest.approx(1.6666666666666667, rel=1e-14)
    assert despeckled(TEXTURE, "lee", **replicated)[0, 0] == pytest.approx(4.444444444444445, rel=1e-14)


@pytest.mark.parametrize(("method", "most"), [("lee_enhanced", np.sqrt(1 + 2 / 4.0)), ("gamma_map", np.sqrt(2 / 4.0))])
def test_between_mean_and_sample(method: str, most: float) -> None:
    """Below the variation of speckle the mean of 1, above the threshold of targets the sample of 1.2, to the last bit."""
    least = np.sqrt(1 / 4.0)
    at = [despeckled(two_levels(v, 1.2), method, window=3, enl=4.0)[1, 1] for v in (0.9 * least, least + 1e-9)]
    assert at == pytest.approx([1.0, 1.0], rel=1e-7)
    assert despeckled(two_levels(most * 1.0001, 1.2), method, window=3, enl=4.0)[1, 1] == 1.2


def test_gamma_map_at_the_threshold_is_the_geometric_mean_of_sample_and_mean() -> None:
    """There b = 0: out^2 = looks / (looks + 1) * mean * sample."""
    below = despeckled(two_levels(np.sqrt(0.5) * (1 - 1e-12), 0.7), "gamma_map", window=3, enl=4.0)[1, 1]
    assert below == pytest.approx(np.sqrt(0.8 * 0.7), rel=1e-9)
    assert despeckled(two_levels(np.sqrt(0.5) * (1 + 1e-12), 0.7), "gamma_map", window=3, enl=4.0)[1, 1] == 0.7


def test_gamma_map_is_the_most_probable_intensity() -> None:
    """Against the maximum, on a grid, of the posterior: gamma speckle on a gamma scene."""
    values, looks = two_levels(0.6, 1.3), 4.0
    alpha = (1 + 1 / looks) / (0.36 - 1 / looks)
    scene = np.linspace(0.5, 1.5, 2_000_001)
    posterior = (alpha - 1 - looks) * np.log(scene) - looks * 1.3 / scene - alpha * scene
    got = despeckled(values, "gamma_map", window=3, enl=looks)[1, 1]
    assert got == pytest.approx(scene[np.argmax(posterior)], abs=1e-6)


def test_gamma_map_of_a_negative_sample() -> None:
    """A real root while it exists, the sample itself where there is none."""
    inverse, looks = (0.36 - 0.25) / 1.25, 4.0
    linear = 1 - 5 * inverse
    root = np.sqrt(linear**2 + 4 * looks * inverse * -0.01)
    got = [despeckled(two_levels(0.6, x), "gamma_map", window=3, enl=looks)[1, 1] for x in (-0.01, -0.5)]
    assert got == pytest.approx([(linear + root) / 2, -0.5], rel=1e-12)


@pytest.mark.parametrize("factor", [1e4, 1e6, 1e9])
@over_methods
@over_types
def test_enormous_targets(method: str, factor: float, dtype: type) -> None:
    """The target stays (or becomes the mean), its neighbours get what their own window says, the rest is untouched."""
    plain = gamma_speckle(4.4, (40, 40)).astype(dtype)
    bright = plain.copy()
    bright[20, 20] *= dtype(factor)
    before, after = (despeckled(values, method, window=7, enl=4.4) for values in (plain, bright))
    assert np.isfinite(after).all()
    window = bright[17:24, 17:24].astype(float)
    share = {"boxcar": 0.0, "lee": 1 - 1 / 4.4 / 49, "kuan": (1 - 1 / 4.4 / 49) / (1 + 1 / 4.4)}.get(method, 1.0)
    assert after[20, 20] == pytest.approx(window.mean() + share * (window[3, 3] - window.mean()), rel=1e-2 / 49)
    changed = np.argwhere(before != after)
    assert abs(changed - 20).max() <= 3


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**30])
@over_methods
@over_types
def test_scaling_by_a_power_of_two_scales_the_bits(method: str, scale: float, dtype: type) -> None:
    values = gamma_speckle(4.4, (60, 70)).astype(dtype)
    values[::7, ::5] = np.nan
    scaled = despeckled(values * dtype(scale), method, window=(5, 7), enl=4.4)
    np.testing.assert_array_equal(scaled, despeckled(values, method, window=(5, 7), enl=4.4) * dtype(scale))


@over_methods
@over_types
def test_a_constant_comes_out_bit_for_bit(method: str, dtype: type) -> None:
    rng = np.random.default_rng(1)
    constants = np.array([0.0, 0.1, 0.3, 7.3e-5, *10 ** rng.uniform(-6, 4, 30)], dtype)
    for i, constant in enumerate(constants):
        values = np.full((45, 50), constant, dtype)
        values[rng.random(values.shape) < 0.1 * (i % 2)] = np.nan
        window, border = [(3, 3), (7, 7), (5, 11), (15, 9), (31, 31)][i % 5], ["shrink", "replicate"][i % 3 // 2]
        np.testing.assert_array_equal(despeckled(values, method, window=window, border=border), values)


@pytest.mark.parametrize(
    ("method", "mean", "looks"),
    [
        ("boxcar", 1.002, 198),
        ("lee", 1.002, 100),
        ("kuan", 1.002, 122),
        ("lee_enhanced", 1.002, 160),
        ("gamma_map", 0.986, 103),
    ],
)
def test_homogeneous_speckle(method: str, mean: float, looks: float) -> None:
    """Mean and remaining looks of 512 x 512 pixels of 4 looks, 7 x 7 window."""
    speckle = gamma_speckle(4.0)
    out = despeckled(speckle.astype(np.float32), method, window=7, enl=4.0)[3:-3, 3:-3].astype(float)
    assert out.mean() == pytest.approx(mean, abs=0.004)
    assert out.mean() ** 2 / out.var() == pytest.approx(looks, rel=0.1)
    if method != "gamma_map":
        assert out.mean() == pytest.approx(speckle.mean(), rel=0.005)


def test_damping_moves_enhanced_lee_from_the_mean_to_the_sample() -> None:
    values = two_levels(0.8, 1.2)
    out = [despeckled(values, "lee_enhanced", window=3, enl=4.0, damping=k)[1, 1] for k in (1e-9, 0.5, 1.0, 4.0, 1e3)]
    assert np.all(np.diff(out) > 0)
    weight = np.exp(-0.5 * (0.8 - 0.5) / (np.sqrt(1.5) - 0.8))
    np.testing.assert_allclose([out[0], out[1], out[-1]], [1.0, weight + (1 - weight) * 1.2, 1.2], rtol=1e-9)


@over_methods
def test_means_that_are_not_positive_stay(method: str) -> None:
    """Noise removal leaves negative power, for which no formula holds."""
    values = gamma_speckle(4.4, (40, 40))
    values[:15, :15] *= -1
    got, mean = (despeckled(values, name, window=5)[:13, :13] for name in (method, "boxcar"))
    assert mean.max() < 0
    np.testing.assert_allclose(got, mean, rtol=1e-13)
