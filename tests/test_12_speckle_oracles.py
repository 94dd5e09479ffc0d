"""Golden values, computed by another program, against the oracles of the speckle filters and the filters; closed facts about
the oracles."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage, special

import kararaster as kr
import reference
import reference_speckle as oracle
from kararaster.speckle_filters import FILTERS

NAN = np.nan
SPIKE = np.array([[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [3, 4, 20, 6, 7], [4, 5, 6, 7, 8], [5, 6, 7, 8, 9]], float)
HOLED = np.array([[1, 2, 3, 4, 5], [2, 3, 4, NAN, 6], [3, 4, 20, 6, 7], [4, 5, 6, 7, 8], [5, 6, 7, 8, 9]], float)
TEXTURE = np.array([[4, 5, 3, 6, 5], [6, 2, 5, 9, 4], [3, 7, 4, 8, 12], [5, 1, 6, 3, 10], [8, 4, 5, 7, 2]], float)
LOOKS = {"enl": 4.0}
CHEBYSHEV = {"distance": "chebyshev"}

# filter, parameters, image; then window 3: centre, corner, [1, 2], [3, 1] and the sum of the whole result
GOLDEN = [
    ("boxcar", {}, SPIKE, 6.666666666667, 2.0, 5.666666666667, 6.666666666667, 140.0),
    ("boxcar", {}, HOLED, 6.875, 2.0, 5.75, 6.666666666667, 133.958333333333),
    ("boxcar", {}, TEXTURE, 5.0, 4.25, 5.444444444444, 4.777777777778, 132.805555555556),
    ("median", {}, SPIKE, 5.0, 2.0, 4.0, 5.0, 125.0),
    ("median", {}, HOLED, 5.5, 2.0, 4.0, 5.0, 121.0),
    ("median", {}, TEXTURE, 5.0, 4.5, 5.0, 5.0, 131.0),
    ("lee", LOOKS, SPIKE, 14.409503843466, 2.0, 4.442301805938, 5.698812019567, 140.758821668377),
    ("lee", LOOKS, HOLED, 14.80247839991, 2.0, 4.419270833333, 5.698812019567, 135.640793477973),
    ("lee", LOOKS, TEXTURE, 4.833333333333, 4.25, 5.444444444444, 4.777777777778, 132.716348618691),
    ("kuan", LOOKS, SPIKE, 12.860936408106, 2.0, 4.687174778084, 5.892382948987, 140.607057334702),
    ("kuan", LOOKS, HOLED, 13.216982719928, 2.0, 4.685416666667, 5.892382948987, 135.304301449045),
    ("kuan", LOOKS, TEXTURE, 4.866666666667, 4.25, 5.444444444444, 4.777777777778, 132.734190006064),
    ("lee_enhanced", LOOKS, SPIKE, 12.692669596596, 2.0, 4.26165141355, 5.913416300426, 139.42448536042),
    ("lee_enhanced", LOOKS, HOLED, 13.381775587906, 2.0, 4.134472963328, 5.913416300426, 134.341663463017),
    ("lee_enhanced", LOOKS, TEXTURE, 4.931938084912, 4.25, 5.444444444444, 4.777777777778, 132.658315694261),
    ("frost", {}, SPIKE, 10.076915584393, 1.87705205439, 5.20839250903, 5.940121868889, 138.927774407603),
    ("frost", {}, HOLED, 10.69318846721, 1.87705205439, 5.098428073035, 5.940121868889, 133.835584719205),
    ("frost", {}, TEXTURE, 5.0311053915, 4.293802366221, 5.357821133489, 4.560330693287, 133.38185304512),
    ("frost", CHEBYSHEV, SPIKE, 9.376120833009, 1.9099983377, 5.028784158607, 6.327984895874, 138.908379347924),
    ("frost", CHEBYSHEV, HOLED, 10.032913967531, 1.9099983377, 4.929593497686, 6.327984895874, 133.412627254714),
    ("frost", CHEBYSHEV, TEXTURE, 4.916299240816, 4.228247966869, 5.424279269381, 4.587976078829, 132.992170945802),
    ("frost_enhanced", LOOKS, SPIKE, 8.060589445522, 2.0, 5.226741194523, 6.30749726555, 138.163217306228),
    ("frost_enhanced", LOOKS, HOLED, 8.609095109493, 2.0, 4.804800624913, 6.30749726555, 132.322199316523),
    ("frost_enhanced", LOOKS, TEXTURE, 5.007908521765, 4.25, 5.444444444444, 4.777777777778, 132.94027682682),
    ("gamma_map", LOOKS, SPIKE, 20.0, 2.0, 4.0, 5.0, 142.722157562792),
    ("gamma_map", LOOKS, HOLED, 20.0, 2.0, 4.0, 5.0, 137.906400099708),
    ("gamma_map", LOOKS, TEXTURE, 4.683281573, 4.25, 5.444444444444, 4.777777777778, 130.21558792638),
]


def by_oracle(method, image, window, **parameters):
    return getattr(oracle, method)(image, window, **parameters)


def by_package(method, image, window, **parameters):
    array = xr.DataArray(image, dims=("y", "x"), attrs={"units": "1"})
    return kr.despeckle(array, method, window=window, **parameters).values


both = pytest.mark.parametrize("run", [by_oracle, by_package])


@both
@pytest.mark.parametrize(
    ("method", "parameters", "image", "centre", "corner", "above", "left", "total"),
    GOLDEN,
    ids=[f"{row[0]} {number}" for number, row in enumerate(GOLDEN)],
)
def test_window_filters(run, method, parameters, image, centre, corner, above, left, total):
    out = run(method, image, (3, 3), **parameters)
    seen = [out[2, 2], out[0, 0], out[1, 2], out[3, 1], np.nansum(out)]
    np.testing.assert_allclose(seen, [centre, corner, above, left, total], rtol=1e-11)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(image))


@both
@pytest.mark.parametrize(
    ("method", "image", "corner"),
    [("lee", SPIKE, 1.6666666666666667), ("lee", TEXTURE, 4.444444444444445)],
)
def test_replicated_border(run, method, image, corner):
    out = run(method, image, (3, 3), border="replicate", **LOOKS)
    assert out[0, 0] == pytest.approx(corner, rel=1e-14)


ROWS, COLUMNS = np.mgrid[:7, :7]
RIPPLE = 0.1 * ((3 * ROWS + 5 * COLUMNS) % 7)


@both
@pytest.mark.parametrize(
    ("window", "value", "noise"),
    [
        (np.where(COLUMNS < 3, 2.0, 10.0), 10.0, 0.0),
        (np.where(COLUMNS < 3, 2.0, 10.0) + RIPPLE, 10.256867044525666, 0.003349198878959508),
        (np.where(COLUMNS < ROWS, 2.0, 10.0) + RIPPLE, 10.3, 0.054366421267698105),
        (5 + ((7 * ROWS + 11 * COLUMNS) % 13) * 0.5, 7.5946603704883815, 0.04733502242307208),
    ],
    ids=["clean edge", "edge", "diagonal", "texture"],
)
def test_refined_lee(run, window, value, noise):
    assert run("refined_lee", window, (7, 7))[3, 3] == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(oracle.refined_lee_pixel(window), [value, noise], rtol=1e-13)


TARGETS = 5 + ((7 * np.mgrid[:9, :9][0] + 11 * np.mgrid[:9, :9][1]) % 13) * 0.5
TARGETS[3:6, 3:6] = 60
TARGETS[7, 1] = 30


@both
def test_lee_sigma(run):
    square = np.zeros((9, 9), bool)
    square[3:6, 3:6] = True
    np.testing.assert_array_equal(oracle.point_targets(TARGETS, 25.0), square)
    out = run("lee_sigma", TARGETS, (5, 5), enl=4.0, z98=25.0)
    np.testing.assert_array_equal(out[square], 60)
    np.testing.assert_allclose(
        [out[0, 0], out[3, 2], out[4, 2], out[7, 1], out[8, 8], out.sum()],
        [
            8.222222222222221,
            8.078947368421053,
            8.966666666666667,
            20.43479982750874,
            7.333333333333333,
            1127.898168029654,
        ],
        rtol=1e-11,
    )


@pytest.mark.parametrize(
    ("looks", "sigma", "low", "high", "deviation"),
    [
        (4.0, 0.5, 0.6940240938494302, 1.3849022683370238, 0.1924361185570433),
        (4.0, 0.9, 0.37716591359570517, 2.0888494017132158, 0.3989858365759362),
        (4.0, 0.95, 0.30174002549868006, 2.3575542456394096, 0.4390526810739779),
        (4.4, 0.5, 0.7071001227253556, 1.3643921411516688, 0.18316984054053426),
        (4.4, 0.9, 0.3981590220133695, 2.024273882351724, 0.38005679824750516),
    ],
)
def test_sigma_range(looks, sigma, low, high, deviation):
    np.testing.assert_allclose(oracle.sigma_range(looks, sigma), [low, high, deviation], rtol=1e-10)


@pytest.mark.parametrize("looks", [0.7, 1, 4.4, 30])
@pytest.mark.parametrize("sigma", [0.5, 0.9])
def test_sigma_range_keeps_the_mean(looks, sigma):
    low, high, _ = oracle.sigma_range(looks, sigma)

    def inside(shape):
        return special.gammainc(shape, looks * high) - special.gammainc(shape, looks * low)

    np.testing.assert_allclose([inside(looks), inside(looks + 1)], sigma, rtol=1e-11)


def test_published_table_is_near_the_exact_one():
    for (looks, sigma), row in oracle.PUBLISHED_SIGMA.items():
        np.testing.assert_allclose(row, oracle.sigma_range(looks, sigma), atol=0.0095 if looks == 1 else 0.0055)


STACK = np.array([TEXTURE, SPIKE, SPIKE[::-1] * 0.5 + TEXTURE * 0.5])


def quegan_by_package(stack, window):
    dates = np.array(["2024-01-01", "2024-01-13", "2024-01-25"], "datetime64[ns]")
    array = xr.DataArray(stack, dims=("time", "y", "x"), coords={"time": dates}, attrs={"units": "1"})
    return kr.despeckle(array, "quegan", window=window, by=None).values


@pytest.mark.parametrize("run", [oracle.quegan, quegan_by_package])
def test_quegan(run):
    out = run(STACK, (3, 3))
    np.testing.assert_allclose(out[:, 2, 2], [9.761904761904763, 13.015873015873018, 11.388888888888889], rtol=1e-13)
    np.testing.assert_allclose(out[:, 0, 0], [3.420045045045045, 1.6094329623741388, 3.721813725490196], rtol=1e-13)
    np.testing.assert_allclose(out.sum((1, 2)), [132.2312417941, 139.7505075323, 135.1107090439], rtol=1e-10)


def test_quegan_of_groups_of_dates():
    alone = oracle.quegan(STACK, (3, 3), groups=[7, 9, 7])
    np.testing.assert_allclose(alone[1], SPIKE, rtol=1e-13)  # one date: the sample itself
    np.testing.assert_allclose(alone[[0, 2]], oracle.quegan(STACK[[0, 2]], (3, 3)), rtol=1e-13)


def speckle(shape, looks=4.4, seed=5):
    return 0.05 * np.random.default_rng(seed).gamma(looks, 1 / looks, shape)


def test_two_oracles_of_the_same_filter_agree():
    holed = speckle((20, 17))
    holed[3, 4] = holed[9, 0] = NAN
    for window in ((3, 3), (5, 1), (3, 9)):
        np.testing.assert_allclose(oracle.boxcar(holed, window), reference.boxcar(holed, *window), rtol=1e-14)
        np.testing.assert_allclose(oracle.lee(holed, window, enl=4), reference.lee(holed, *window, 4), rtol=1e-13)


@pytest.mark.parametrize("window", [(3, 3), (5, 9)])
def test_scipy_filters(window):
    image = speckle((21, 30))
    np.testing.assert_allclose(
        oracle.boxcar(image, window, border="replicate"),
        ndimage.uniform_filter(image, window, mode="nearest"),
        rtol=1e-12,
    )
    np.testing.assert_array_equal(
        oracle.median(image, window, border="replicate"), ndimage.median_filter(image, window, mode="nearest")
    )


def test_filters_meet_in_their_limits():
    image, window = speckle((20, 20), looks=2), (5, 5)
    mean, lee = oracle.boxcar(image, window), oracle.lee(image, window, enl=4)
    np.testing.assert_allclose(oracle.kuan(image, window, enl=4), mean + (lee - mean) / 1.25, rtol=1e-12)
    np.testing.assert_allclose(oracle.frost(image, window, damping=0), mean, rtol=1e-13)
    np.testing.assert_allclose(oracle.frost(image, window, damping=1e6), image, rtol=1e-12)
    wide = oracle.lee_sigma(image, window, enl=4, sigma=1 - 1e-13)
    np.testing.assert_allclose(wide, oracle.kuan(image, window, enl=4), rtol=1e-9)
    part = image[:8, :9]
    np.testing.assert_allclose(oracle.idan(part, enl=1e-9, size=part.size), part.mean(), rtol=1e-12)
    np.testing.assert_array_equal(oracle.boxcar(image, window, min_valid=16)[0, :2], NAN)


def test_region_growing_by_hand():
    """Looks 4: seed median 10, kept within 10/3: 9, 10, 12; mean 31/3; 14 and 19 return, 25 does not."""
    row = np.array([[30.0, 14.0, 10.0, 9.0, 12.0, 19.0, 25.0, 10.0]])
    region = np.array([10.0, 9, 12, 14, 19])
    spread = region.var(ddof=1)
    b = max((spread - region.mean() ** 2 / 4) / 1.25, 0) / spread
    got = oracle.idan(row, enl=4)[0, 2]
    assert got == pytest.approx(region.mean() + b * (10 - region.mean()))


def test_diffusion_keeps_the_sum_while_nothing_slows_it():
    """With enl near 0 everything counts as speckle: plain diffusion, whose kernel is the four neighbours."""
    image = speckle((9, 11))
    out = oracle.srad(image, enl=1e-9, iterations=1, step=1.0)
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4
    np.testing.assert_allclose(out, ndimage.convolve(image, cross, mode="nearest"), rtol=1e-7)
    assert oracle.srad(image, enl=1e-9, iterations=30).sum() == pytest.approx(image.sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("looks", "above"), [(1, (0.2107, 0.1246, 0.0885)), (2, (0.0977, 0.0578, 0.0410)), (4, (0.0473, 0.0277, 0.0196))]
)
def test_likeness_of_speckle_patches_against_a_simulation(looks, above):
    got = [oracle.likeness_above_mean(looks, size**2, 0.92) for size in (3, 5, 7)]
    np.testing.assert_allclose(got, above, rtol=0.016)


def test_non_local_iterations():
    """The estimates before the second iteration are golden too; only the centre sees no edge."""
    first = oracle._ppb_iteration(TEXTURE, None, search=1, patch=1, h=0.4257, trust=0.0)
    assert first[2, 2] == pytest.approx(4.285309248624752, rel=1e-13)
    before = np.array(PPB_FIRST)
    second = oracle._ppb_iteration(TEXTURE, before, search=1, patch=1, h=0.4257, trust=4 / 0.2 / 9)
    assert second[2, 2] == pytest.approx(4.647432072560126, rel=1e-13)


PPB_FIRST = [
    [2.883079118955784, 4.768260192632091, 5.116691519351578, 5.878678222430518, 6.41768429196326],
    [5.312515586382829, 3.821643839017011, 5.792517171011387, 6.217343273490896, 7.132506753169117],
    [2.453196501125601, 5.394357800773104, 4.285309248624752, 7.05930021226009, 6.960955377271214],
    [5.0315933299975155, 4.329663003292359, 5.889876190865979, 5.615248626593344, 7.580070847863445],
    [3.071150186223799, 3.7494188449556525, 3.538874623340188, 7.2269196962403335, 3.383210737910063],
]


def test_every_filter_has_an_oracle():
    assert set(FILTERS) <= set(dir(oracle))
