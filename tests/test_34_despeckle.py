"""Every filter of the table: equal to its oracle, and what all of them promise.

The tests go over `FILTERS`, so a new filter joins them by being there.
"""

from __future__ import annotations

import inspect

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kararaster as kr
import reference_speckle as oracle
from kararaster import blocks, errors
from kararaster.lazy import InMemory
from kararaster.speckle_filters import FILTERS

METHODS = sorted(FILTERS)
SMALL = {
    "idan": {"size": 12},
    "lee_sigma": {"z98": 0.15},
    "ppb": {"search": 3, "patch": 1, "iterations": 2},
    "quegan": {"by": None},
    "srad": {"iterations": 3, "step": 0.4},
}
"""Parameters that keep the slow ones quick, and give Lee sigma targets in `speckle`."""
REACH = {"idan": (12, 12), "ppb": (8, 8), "refined_lee": (3, 3), "srad": (6, 6)}
"""Of the filters that do not take a window: how far a sample can be felt with the parameters above."""
NO_TARGET = 1e30
WINDOWED = [method for method in METHODS if FILTERS[method].window == "odd"]
BORDERED = [method for method in METHODS if FILTERS[method].window is not None]
over_all = pytest.mark.parametrize("method", METHODS)
over_windowed = pytest.mark.parametrize("method", WINDOWED)
over_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def speckle(shape: tuple[int, ...], dtype: type = np.float64, *, seed: int = 0, nan: float = 0.0) -> np.ndarray:
    """Speckle of 4.4 looks on two fields, with holes and with some point targets where there is room."""
    rng = np.random.default_rng(seed)
    power = 0.02 * rng.gamma(4.4, 1 / 4.4, shape)
    power[..., shape[-1] // 2 :] *= 5
    power[..., 4:7, 3:6] = 3.0
    power[rng.random(shape) < nan] = np.nan
    power[rng.random(shape) < nan / 10] = np.inf
    return power.astype(dtype)


def image(values: object) -> xr.DataArray:
    """(rows, columns) or (dates, rows, columns)."""
    array = xr.DataArray(values, dims=("time", "y", "x")[-values.ndim :], name="vv", attrs={"units": "1"})
    if values.ndim == 3:
        array["time"] = np.datetime64("2024-01-01", "ns") + 12 * np.arange(len(values)) * np.timedelta64(1, "D")
    return array


def despeckle(values: np.ndarray, method: str, window: object = (5, 5), **parameters: object) -> np.ndarray:
    """One image filtered with the small parameters. A filter over dates gets its squares as a second date."""
    if method == "quegan" and values.ndim == 2:
        return filtered(image(np.stack([values, values**2])), method, window, **parameters).values[0]
    return filtered(image(values), method, window, **parameters).values


def filtered(array: xr.DataArray, method: str, window: object = (5, 5), **parameters: object) -> xr.DataArray:
    size = {"window": window} if method in WINDOWED else {}
    return kr.despeckle(array, method, **size, **{**SMALL.get(method, {}), **parameters})


def reach(method: str, window: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns within which a sample can be felt."""
    y, x = REACH.get(method, (window[0] // 2, window[1] // 2))
    return (max(y, 2), max(x, 2)) if method == "lee_sigma" else (y, x)


def within(shape: tuple[int, int], at: tuple[int, int], half: tuple[int, int]) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (np.abs(rows - at[0]) <= half[0]) & (np.abs(columns - at[1]) <= half[1])


def by_oracle(values: np.ndarray, method: str, window: tuple[int, int], **parameters: object) -> np.ndarray:
    if method == "quegan":
        return oracle.quegan(np.stack([values, values**2]), window, **parameters)[0]
    function = getattr(oracle, method)
    given = {"enl": 4.4, "window": window if method in WINDOWED else (7, 7), **SMALL.get(method, {}), **parameters}
    taken = inspect.signature(function).parameters
    return function(values, **{name: value for name, value in given.items() if name in taken})


CASES = [
    ((7, 7), 0.0, {}),
    ((7, 7), 0.06, {}),
    ((3, 9), 0.06, {}),
    ((5, 5), 0.3, {"min_valid": 12}),
    ((9, 5), 0.06, {"border": "replicate"}),
]
VARIANTS = [
    ("lee", {"enl": 1.0}),
    ("kuan", {"enl": 12.5}),
    ("gamma_map", {"enl": 2.0}),
    ("lee_enhanced", {"damping": 3.0}),
    ("frost", {"distance": "chebyshev"}),
    ("frost", {"damping": 0.1}),
    ("frost_enhanced", {"distance": "chebyshev", "damping": 0.5}),
    ("refined_lee", {"noise": "looks"}),
    ("lee_sigma", {"z98": NO_TARGET, "sigma": 0.5, "enl": 9.0}),
    ("lee_sigma", {"edge": "snap"}),
    ("lee_sigma", {"table": "published", "enl": 4}),
    ("lee_sigma", {"target_count": 3}),
    ("idan", {"size": 30, "enl": 2.0}),
    ("srad", {"iterations": 25, "step": 0.4, "enl": 2.0}),
    ("ppb", {"search": 2, "patch": 2, "iterations": 1, "enl": 1.0}),
    ("ppb", {"quantile": 0.8, "temperature": 1.0}),
    ("quegan", {"spatial": "lee", "enl": 3.0}),
]


def rtol_of(method: str, dtype: type) -> float:
    """The threshold of the non-local filter is a saddlepoint approximation, that of its oracle is exact."""
    return 2e-3 if method == "ppb" else 2e-6 if dtype == np.float32 else 1e-12


@over_types
@pytest.mark.parametrize(("window", "nan", "parameters"), CASES)
@over_all
def test_equals_the_oracle(method: str, window: tuple[int, int], nan: float, parameters: dict, dtype: type) -> None:
    values = speckle((37, 43), dtype, seed=1, nan=nan)
    if method not in BORDERED:
        window, parameters = (7, 7), {}
    got = despeckle(values, method, window, **parameters)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, by_oracle(values, method, window, **parameters), rtol=rtol_of(method, dtype))


@over_types
@pytest.mark.parametrize(("method", "parameters"), [case for case in VARIANTS if case[0] in FILTERS])
def test_parameters_do_as_the_oracle(method: str, parameters: dict, dtype: type) -> None:
    values = speckle((37, 43), dtype, seed=2, nan=0.02)
    got = despeckle(values, method, **parameters)
    np.testing.assert_allclose(got, by_oracle(values, method, (5, 5), **parameters), rtol=rtol_of(method, dtype))


@over_all
@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_a_hole_is_not_filled_and_felt_only_within_the_window(method: str, hole: float) -> None:
    values = speckle((41, 47))
    want = despeckle(values, method)
    for at in ((20, 25), (0, 46), (33, 2)):
        holed = values.copy()
        holed[at] = hole
        got = despeckle(holed, method)
        assert np.isnan(got).sum() == 1
        assert np.isnan(got[at])
        far = ~within(values.shape, at, reach(method, (5, 5)))
        np.testing.assert_array_equal(got[far], want[far])


@over_all
@over_types
@pytest.mark.parametrize("constant", [0.1, 0.3, 7.3e-5, 1.0, 4321.7])
def test_a_constant_image_is_unchanged_to_the_bit(method: str, constant: float, dtype: type) -> None:
    values = np.full((33, 45), constant, dtype)
    values[7, 9] = values[0, 3] = values[20:24, 30:44] = np.nan
    for window in ((3, 3), (7, 7), (5, 11)) if method in WINDOWED else ((7, 7),):
        got = despeckle(values, method, window, **({"z98": NO_TARGET} if method == "lee_sigma" else {}))
        np.testing.assert_array_equal(got, values)


@over_all
def test_scaled_power_gives_scaled_results(method: str) -> None:
    values = speckle((30, 34), seed=3, nan=0.02)

    def scaled(factor: float, dtype: type) -> np.ndarray:
        levels = {"z98": 0.15 * factor} if method == "lee_sigma" else {}
        return despeckle((values * factor).astype(dtype), method, **levels)

    for dtype in (np.float64, np.float32):
        np.testing.assert_array_equal(scaled(2.0**-12, dtype), scaled(1, dtype) * dtype(2.0**-12))
    np.testing.assert_allclose(scaled(3700.0, np.float64), 3700 * scaled(1, np.float64), rtol=1e-9)


@over_all
def test_a_quarter_turn_commutes(method: str) -> None:
    values = speckle((26, 31), seed=4, nan=0.02)
    parameters = {"size": 1000} if method == "idan" else {}  # a full region depends on the order of growth
    turn = np.transpose if method == "srad" else np.rot90  # its scheme looks down and to the right
    turned = despeckle(turn(values).copy(), method, (7, 3), **parameters)
    np.testing.assert_allclose(turned, turn(despeckle(values, method, (3, 7), **parameters)), rtol=1e-9)


@pytest.mark.parametrize("method", [m for m in METHODS if m not in ("gamma_map", "quegan")])
def test_averages_stay_between_the_samples_of_the_window(method: str) -> None:
    values = speckle((40, 50), seed=5, nan=0.05)
    y, x = reach(method, (7, 7))
    samples = oracle.around(values, (2 * y + 1, 2 * x + 1)).reshape(*values.shape, -1)
    valid = np.isfinite(values)
    got = despeckle(values, method, (7, 7))[valid]
    assert (got >= np.nanmin(samples[valid], -1) * (1 - 1e-12)).all()
    assert (got <= np.nanmax(samples[valid], -1) * (1 + 1e-12)).all()


@over_windowed
@over_types
def test_a_window_of_one_pixel_changes_nothing(method: str, dtype: type) -> None:
    values = speckle((17, 23), dtype, nan=0.1)
    want = np.where(np.isfinite(values), values, np.nan)
    np.testing.assert_array_equal(despeckle(values, method, (1, 1)), want)


@over_all
@over_types
def test_bright_targets_leave_no_trace_outside_their_window(method: str, dtype: type) -> None:
    values = speckle((60, 64), dtype, seed=6)
    bright, far = values.copy(), np.ones(values.shape, bool)
    for at in ((25, 30), (26, 31), (40, 12), (0, 63)):
        bright[at] = 1e6
        far &= ~within(values.shape, at, reach(method, (5, 5)))
    assert far.sum() > 1000
    np.testing.assert_array_equal(despeckle(bright, method)[far], despeckle(values, method)[far])


HOMOGENEOUS = [
    ("boxcar", 1.0, 4 * 49),
    ("lee", 1.0, 100),
    ("kuan", 1.0, 122),
    ("lee_enhanced", 1.0, 160),
    ("gamma_map", 0.986, 103),
    ("lee_sigma", 0.996, 62),
]
"""On speckle of 4 looks with windows of 7: the mean and the looks that remain."""


@pytest.mark.parametrize(("method", "mean", "looks"), [row for row in HOMOGENEOUS if row[0] in FILTERS])
def test_mean_and_looks_of_filtered_homogeneous_speckle(method: str, mean: float, looks: float) -> None:
    values = np.random.default_rng(8).gamma(4, 1 / 4, (512, 512)).astype(np.float32)
    parameters = {} if method == "boxcar" else {"enl": 4.0}
    got = despeckle(values, method, (7, 7), **parameters, **({"z98": NO_TARGET} if method == "lee_sigma" else {}))
    inside = got[3:-3, 3:-3].astype(np.float64)
    assert inside.mean() / values.mean(dtype=np.float64) == pytest.approx(mean, abs=0.004)
    assert inside.mean() ** 2 / inside.var() == pytest.approx(looks, rel=0.08)


ODD = st.sampled_from([1, 3, 5, 7, 9, 15, 31])


@settings(max_examples=100, deadline=None)
@example("quegan", (1, 0, 0), (1, 5, 5), (3, 3), 0.0, "shrink", 1, np.float32, 0)
@given(
    method=st.sampled_from(METHODS),
    shape=st.tuples(st.integers(1, 2), st.integers(0, 40), st.integers(0, 40)),
    chunks=st.tuples(st.integers(1, 2), st.integers(5, 40), st.integers(5, 40)),
    window=st.tuples(ODD, ODD),
    nan=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    border=st.sampled_from(["shrink", "replicate"]),
    threads=st.sampled_from([1, 2, 7]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_the_bytes_are_the_same_by_every_road(method, shape, chunks, window, nan, border, threads, dtype, seed) -> None:
    values = speckle(shape, dtype, seed=seed, nan=nan)
    parameters = {"border": border} if method in BORDERED else {}
    want = despeckle(values, method, window, **parameters)
    chunks = tuple(max(1, min(c, n)) for c, n in zip(chunks, shape, strict=True))
    roads = {
        "eager": values,
        "by hand": da.from_array(values, chunks=chunks),
        "lazy": blocks.from_lazy(InMemory(values), chunks=chunks),
    }
    try:
        kr.set_threads(threads)
        for road, carried in roads.items():
            got = filtered(image(carried), method, window, **parameters).compute().values
            assert got.dtype == dtype
            assert got.tobytes() == want.tobytes(), road
    finally:
        kr.set_threads(None)


@over_all
@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (1, 9), (9, 1), (2, 2)])
def test_tiny_and_empty_images(method: str, shape: tuple[int, int]) -> None:
    values = speckle(shape)
    got = despeckle(values, method)
    assert got.shape == shape
    if 0 not in shape:
        np.testing.assert_allclose(got, by_oracle(values, method, (5, 5)), rtol=rtol_of(method, np.float64))


@over_all
@over_types
def test_strided_and_read_only_samples(method: str, dtype: type) -> None:
    values = speckle((40, 60), dtype, seed=7)
    before = values.tobytes()
    values.setflags(write=False)
    for view in (values[::2, ::3], values[::-1, ::-1], values.T):
        np.testing.assert_array_equal(despeckle(view, method), despeckle(view.copy(), method))
    assert values.tobytes() == before


@over_all
def test_nothing_is_computed_early(method: str, no_compute: None) -> None:
    values = da.zeros((2, 30, 30), chunks=(1, 10, 10), dtype=np.float32)
    array = filtered(image(values), method)
    assert isinstance(array.data, da.Array)
    assert array.data._meta.dtype == np.float32
    assert array.attrs["units"] == "1"


BAD = {
    "enl": [0, -1, np.nan, np.inf, "many"],
    "damping": [-1, np.nan, "strong"],
    "distance": ["manhattan", 2],
    "noise": ["global", None],
    "sigma": [0, 1, 1.5, np.nan],
    "target_count": [0, 2.5],
    "z98": [np.nan, -1, "bright"],
    "table": ["printed"],
    "edge": ["wrap"],
    "size": [0, 2.5],
    "iterations": [0, 1.5],
    "step": [0, -0.1, np.nan],
    "search": [0, 1.5],
    "patch": [-1, 1.5],
    "quantile": [0, 1, np.nan],
    "temperature": [0, np.nan],
    "spatial": ["median"],
    "event": ["not a date"],
    "by": [],
}


def own(method: str) -> list[str]:
    return [parameter.name for parameter in FILTERS[method].parameters]


REFUSED = [(m, name, bad) for m in METHODS for name in ["enl", *own(m)] for bad in BAD[name]]


@pytest.mark.parametrize(("method", "name", "bad"), REFUSED)
def test_a_bad_parameter_is_named(method: str, name: str, bad: object) -> None:
    with pytest.raises(errors.InvalidInputError, match=name):
        filtered(image(speckle((2, 9, 9))), method, **{name: bad})


@over_all
def test_a_parameter_of_another_filter_is_refused(method: str) -> None:
    array = image(speckle((9, 9)))
    for name in set(BAD) - {"enl", *own(method)}:
        with pytest.raises(errors.InvalidInputError, match=name):
            kr.despeckle(array, method, **{name: 1})
    for sizes in ({"window": 4}, {"window": (3, 0)}) if method in WINDOWED else ({"window": 5}, {"window": (3, 9)}):
        with pytest.raises(errors.InvalidInputError, match="window"):
            kr.despeckle(array, method, **sizes)
    if method not in BORDERED:
        with pytest.raises(errors.InvalidInputError, match="border"):
            kr.despeckle(array, method, border="replicate")


def test_bright_is_above_98_percent_of_each_whole_image_unless_said() -> None:
    values = np.stack([speckle((60, 70), seed=9, nan=0.05), 7 * speckle((60, 70), seed=10)])
    want = []
    for date in values:
        ordered = np.sort(date[np.isfinite(date)])
        want.append(filtered(image(date), "lee_sigma", z98=float(ordered[int(0.98 * ordered.size) - 1])).values)
    given = image(da.from_array(values, chunks=(1, 23, 31)))
    for array in (image(values), given):
        np.testing.assert_array_equal(filtered(array, "lee_sigma", z98=None).values, want)


@over_all
def test_decibel_integers_and_swapped_bytes_are_refused(method: str) -> None:
    with pytest.raises(errors.UnitsError, match="from_db"):
        kr.despeckle(image(speckle((2, 9, 9))).assign_attrs(units="dB"), method, **SMALL.get(method, {}))
    with pytest.raises(errors.InvalidTypeError, match="float"):
        kr.despeckle(image(np.ones((2, 9, 9), np.uint16)), method, **SMALL.get(method, {}))
    with pytest.raises(errors.InvalidTypeError, match=">f4"):
        kr.despeckle(image(np.ones((2, 9, 9), ">f4")), method, **SMALL.get(method, {}))
