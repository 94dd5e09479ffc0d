"""Filters, looks and decibel against NumPy oracles, golden values and closed-form facts."""

from __future__ import annotations

from typing import get_args

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import kararaster as kr
import reference
from kararaster import errors
from kararaster.speckle_filters import FilterName

RAMP = np.array([[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [3, 4, 20, 6, 7], [4, 5, 6, 7, 8], [5, 6, 7, 8, 9]], float)
TEXTURE = np.array([[4, 5, 3, 6, 5], [6, 2, 5, 9, 4], [3, 7, 4, 8, 12], [5, 1, 6, 3, 10], [8, 4, 5, 7, 2]], float)


def image(values: np.ndarray, **attrs: object) -> xr.DataArray:
    dims = ("time", "y", "x")[-values.ndim :]
    return xr.DataArray(values, dims=dims, name="vv", attrs={"units": "1", **attrs})


def speckled(shape: tuple[int, ...], seed: int = 0, enl: float = 4.4, nan: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scene = 10 ** rng.uniform(-2.5, -0.3, shape) if 0 in shape else np.full(shape, 0.05)
    power = (scene * rng.gamma(enl, 1 / enl, shape)).astype(np.float32)
    power[rng.random(shape) < nan] = np.nan
    return power


@pytest.mark.parametrize(
    ("values", "method", "centre", "corner", "low"),
    [
        (RAMP, "boxcar", 6.666666666666667, 2.0, 6.666666666666667),
        (RAMP, "lee", 14.409503843466108, 2.0, 5.698812019566737),
        (TEXTURE, "boxcar", 5.0, 4.25, None),
        (TEXTURE, "lee", 4.833333333333333, 4.25, None),
    ],
)
def test_golden_values(values: np.ndarray, method: str, centre: float, corner: float, low: float | None) -> None:
    out = kr.despeckle(image(values), method, window=3, enl=4.0).values
    np.testing.assert_allclose([out[2, 2], out[0, 0]], [centre, corner], rtol=1e-14)
    if low is not None:
        np.testing.assert_allclose(out[3, 1], low, rtol=1e-14)


def test_golden_values_with_a_hole_and_with_replicated_border() -> None:
    holed = RAMP.copy()
    holed[1, 3] = np.nan
    assert kr.despeckle(image(holed), "boxcar", window=3).values[1, 2] == 5.75
    out = kr.despeckle(image(holed), "lee", window=3, enl=4.0).values
    np.testing.assert_allclose(out[1, 2], 4.419270833333334, rtol=1e-14)
    assert np.isnan(out[1, 3])
    assert np.isnan(out).sum() == 1
    replicated = kr.despeckle(image(RAMP), "lee", window=3, enl=4.0, border="replicate").values
    np.testing.assert_allclose(replicated[0, 0], 1.6666666666666667, rtol=1e-14)


@pytest.mark.parametrize("window", [1, 3, 7, (3, 9), 15, 31])
@pytest.mark.parametrize("nan", [0.0, 0.05])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_filters_equal_the_oracle(window: int | tuple[int, int], nan: float, dtype: type) -> None:
    values = speckled((61, 83), nan=nan).astype(dtype)
    y, x = (window, window) if isinstance(window, int) else window
    rtol = 2e-6 if dtype == np.float32 else 1e-11
    for method, want in (
        ("boxcar", reference.boxcar(values, y, x)),
        ("lee", reference.lee(values, y, x, 4.4)),
    ):
        got = kr.despeckle(image(values), method, window=window, enl=4.4)
        assert got.dtype == dtype
        np.testing.assert_allclose(got.values, want, rtol=rtol, err_msg=method)


def test_bright_targets_leave_no_residue() -> None:
    values = speckled((64, 64))
    values[20, 20] = 1e4
    np.testing.assert_allclose(
        kr.despeckle(image(values), "lee", window=7, enl=4.4).values, reference.lee(values, 7, 7, 4.4), rtol=5e-6
    )


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(1, 17),
    st.integers(1, 17),
    st.sampled_from([1, 3, 5, 7, 13, 17]),
    st.sampled_from([1, 2, 7]),
    st.sampled_from(["lee", "boxcar"]),
    st.integers(0, 99),
)
def test_any_chunking_and_thread_count_give_the_same_bytes(
    h: int, w: int, cy: int, cx: int, window: int, threads: int, method: str, seed: int
) -> None:
    values = speckled((2, h, w), seed, nan=0.1 if seed % 2 else 0.0)
    eager = kr.despeckle(image(values), method, window=window).values
    try:
        kr.set_threads(threads)
        chunked = image(da.from_array(values, chunks=(1, max(1, min(cy, h)), max(1, min(cx, w)))))
        assert kr.despeckle(image(values), method, window=window).values.tobytes() == eager.tobytes()
        assert kr.despeckle(chunked, method, window=window).compute().values.tobytes() == eager.tobytes()
    finally:
        kr.set_threads(None)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (1, 9), (9, 1)])
@pytest.mark.parametrize("method", ["lee", "boxcar"])
def test_tiny_and_empty_images(shape: tuple[int, int], method: str) -> None:
    values = speckled(shape)
    got = kr.despeckle(image(values), method, window=5).values
    assert got.shape == shape
    want = reference.boxcar(values, 5, 5) if method == "boxcar" else reference.lee(values, 5, 5, 4.4)
    np.testing.assert_allclose(got, want, rtol=2e-6)


def test_strided_and_read_only_input() -> None:
    values = speckled((40, 60))
    want = kr.despeckle(image(np.ascontiguousarray(values[::2, ::3]))).values
    np.testing.assert_array_equal(kr.despeckle(image(values[::2, ::3])).values, want)
    values.setflags(write=False)
    assert kr.despeckle(image(values)).shape == (40, 60)


def test_infinite_samples_are_invalid_and_never_spread() -> None:
    values = speckled((15, 15))
    values[7, 7] = np.inf
    got = kr.despeckle(image(values), "boxcar", window=3).values
    np.testing.assert_allclose(got, reference.boxcar(values, 3, 3), rtol=2e-6)
    assert np.isnan(got).sum() == 1


def test_closed_facts() -> None:
    flat = np.full((20, 20), 0.3, np.float32)
    np.testing.assert_array_equal(kr.despeckle(image(flat), "lee").values, flat)
    np.testing.assert_array_equal(kr.despeckle(image(flat), "boxcar", window=9).values, flat)
    speckle = speckled((512, 512), enl=4.0)
    box = kr.despeckle(image(speckle), "boxcar", window=7).values[3:-3, 3:-3]
    assert box.mean() == pytest.approx(speckle.mean(), rel=0.003)
    assert box.mean() ** 2 / box.var() == pytest.approx(4 * 49, rel=0.1)
    lee = kr.despeckle(image(speckle), "lee", window=7, enl=4.0).values
    assert lee.mean() == pytest.approx(speckle.mean(), rel=0.005)
    np.testing.assert_allclose(
        kr.despeckle(image(speckle * np.float32(8)), "lee").values,
        8 * kr.despeckle(image(speckle), "lee").values,
        rtol=1e-6,
    )
    turned = kr.despeckle(image(np.rot90(speckle[:40, :50])), "lee").values
    np.testing.assert_allclose(turned, np.rot90(kr.despeckle(image(speckle[:40, :50]), "lee").values), rtol=1e-6)


@pytest.mark.parametrize("enl", [1.0, 4.4, 10.0])
def test_looks_of_a_homogeneous_scene(enl: float) -> None:
    stack = image(speckled((3, 400, 400), enl=enl).astype(np.float64))
    assert float(kr.enl(stack)) == pytest.approx(enl, rel=0.12)
    assert float(kr.enl(stack.chunk(time=1, y=150, x=170)).compute()) == float(kr.enl(stack))


def test_looks_without_a_usable_window_are_nan() -> None:
    assert np.isnan(kr.enl(image(np.full((20, 20), np.nan))))
    assert np.isnan(kr.enl(image(np.ones((3, 3)))))


def test_dataset_keeps_what_is_not_radar_and_writes_history() -> None:
    ds = xr.Dataset({"vv": image(speckled((8, 8))), "height": ("y", np.arange(8.0))})
    out = ds.kara.despeckle("boxcar", window=3)
    xr.testing.assert_identical(out.height, ds.height)
    assert out.attrs["history"] == "despeckle('boxcar', window=(3, 3))"
    assert out.vv.attrs["units"] == "1"
    assert "history" not in ds.attrs


@pytest.mark.parametrize(
    ("method", "parameters", "line"),
    [
        (
            "lee",
            {"enl": 3, "border": "replicate", "min_valid": 4},
            "'lee', window=(7, 7), border='replicate', min_valid=4, enl=3",
        ),
        (
            "lee_sigma",
            {"z98": 0.5},
            "'lee_sigma', window=(7, 7), enl=4.4, sigma=0.9, target_count=6, z98=0.5, table='exact', edge='shrink'",
        ),
        ("srad", {}, "'srad', enl=4.4, iterations=20, step=0.5"),
        ("refined_lee", {}, "'refined_lee', window=(7, 7), enl=4.4, noise='local'"),
        (
            "quegan",
            {"by": None, "event": "2024-01-09"},
            "'quegan', window=(7, 7), enl=4.4, spatial='boxcar', by=None, event='2024-01-09'",
        ),
    ],
)
def test_the_history_is_the_call(method: str, parameters: dict, line: str) -> None:
    dates = np.array(["2024-01-01", "2024-01-13"], "datetime64[ns]")
    stack = image(speckled((2, 9, 9))).assign_coords(time=dates)
    out = stack.kara.despeckle(method, **parameters)
    assert out.attrs["history"] == f"despeckle({line})"
    again = eval(out.attrs["history"], {"despeckle": stack.kara.despeckle})
    np.testing.assert_array_equal(again, out)


def test_the_table_of_methods() -> None:
    table = kr.despeckle_methods().set_index("name")
    assert tuple(table.index) == get_args(FilterName)
    assert table.parameters["idan"] == "size=50"
    assert table.halo.to_dict() == dict.fromkeys(table.index, (3, 3)) | {
        "idan": (50, 50),
        "srad": (40, 40),
        "ppb": (52, 52),
    }
    assert not table.looks[["boxcar", "median", "frost"]].any()
    assert table.looks.sum() == len(table) - 3
    assert set(table.index[table.window == "none"]) == {"idan", "srad", "ppb"}
    assert table.reference.str.contains("[12][0-9]{3}").all()


def test_lazy_input_is_not_computed(no_compute: None) -> None:
    lazy = image(da.zeros((2, 30, 30), chunks=(1, 10, 10), dtype=np.float32))
    for out in (lazy.kara.despeckle(), lazy.kara.to_db(), lazy.kara.enl()):
        assert isinstance(out.data, da.Array)
    assert lazy.kara.despeckle().data._meta.dtype == np.float32


def test_decibel_round_trip_and_nodata() -> None:
    values = np.array([[1e-5, 1.0, 1e4, 0.0, -1.0, np.nan, np.inf]], np.float32)
    db = kr.to_db(image(values))
    assert db.attrs["units"] == "dB"
    np.testing.assert_allclose(db.values[0, :3], [-50.0, 0.0, 40.0], atol=1e-5)
    assert np.isnan(db.values[0, 3:]).all()
    back = kr.from_db(db)
    np.testing.assert_allclose(back.values[0, :3], values[0, :3], rtol=3e-6)
    power = speckled((50, 50)).astype(np.float64)
    np.testing.assert_allclose(kr.to_db(image(power)).values, 10 * np.log10(power), rtol=1e-13)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: kr.despeckle(image(RAMP, units="dB")), errors.UnitsError, "from_db"),
        (lambda: kr.to_db(image(RAMP, units="dB")), errors.UnitsError, "dB"),
        (lambda: kr.from_db(image(RAMP)), errors.UnitsError, "dB"),
        (lambda: kr.despeckle(image(RAMP), "leee"), errors.InvalidInputError, "'lee'"),
        (lambda: kr.despeckle(image(RAMP), window=4), errors.InvalidInputError, "odd"),
        (lambda: kr.despeckle(image(RAMP), window=(3, 0)), errors.InvalidInputError, "odd"),
        (lambda: kr.despeckle(image(RAMP), window="7"), errors.InvalidInputError, "odd"),
        (lambda: kr.despeckle(image(RAMP), enl=0), errors.InvalidInputError, "enl"),
        (lambda: kr.despeckle(image(RAMP), border="wrap"), errors.InvalidInputError, "border"),
        (lambda: kr.despeckle(image(RAMP.astype(np.uint16))), errors.InvalidTypeError, "calibrate"),
        (lambda: kr.despeckle(xr.DataArray(RAMP, dims=("lat", "lon"))), errors.InvalidInputError, "rename"),
        (lambda: kr.despeckle(xr.Dataset({"elevation": image(RAMP)})), errors.MissingVariableError, "vv"),
        (lambda: kr.set_threads(0), errors.InvalidInputError, "threads"),
    ],
)
def test_bad_input_is_named(call: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        call()
    assert isinstance(caught.value, kr.KararasterError)
