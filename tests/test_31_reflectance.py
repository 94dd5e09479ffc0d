"""Reflectance: golden values, the offset rule and its refusals, attributes, chunks and threads."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import kararaster as kr
from kararaster import blocks, errors
from kararaster.lazy import InMemory

NUMBERS = np.array([0, 1, 1000, 1200, 11000, 65535], np.uint16)
GOLDEN = {
    0.0: [np.nan, 0.0001, 0.1, 0.12, 1.1, np.nan],
    -0.1: [np.nan, -0.0999, 0.0, 0.02, 1.0, np.nan],
}
"""METHODS 4.1: before and since processing baseline 04.00."""


def attributes(offset: float) -> dict[str, object]:
    return {
        "scale_factor": 1e-4,
        "add_offset": offset,
        "_FillValue": 0,
        "saturated_value": 65535,
        "quantity": "surface_reflectance",
        "long_name": "red",
    }


def scene(numbers: np.ndarray, offset: float = -0.1) -> xr.Dataset:
    dims = ("time", "y", "x")[-numbers.ndim :]
    ds = xr.Dataset({"red": (dims, numbers, attributes(offset)), "scl": (dims, np.full(numbers.shape, 4, np.uint8))})
    return ds.assign_coords(boa_offset_applied=False, boa_add_offset=round(offset * 10_000))


@pytest.mark.parametrize("offset", GOLDEN)
def test_golden_values(offset: float) -> None:
    got = scene(NUMBERS, offset).kara.reflectance().red
    np.testing.assert_array_equal(got.values, np.array(GOLDEN[offset], np.float32))
    assert got.dtype == np.float32


def test_every_number_is_the_rounded_quotient() -> None:
    numbers = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    want = (numbers.astype(np.float64) - 1000) / 10_000
    want[(numbers == 0) | (numbers == 65535)] = np.nan
    np.testing.assert_allclose(scene(numbers).kara.reflectance().red.values, want.astype(np.float32), rtol=6e-8)


def test_attributes_coordinates_and_other_variables() -> None:
    ds = scene(NUMBERS.reshape(2, 3)).assign_coords(y=[2.0, 1.0], x=[5.0, 6.0, 7.0])
    ds["aot"] = ("y", "x"), np.ones((2, 3), np.uint16), {"scale_factor": 1e-3}
    ds.attrs = {"title": "one", "history": "opened"}
    got = ds.kara.reflectance()
    assert got.red.attrs == {"quantity": "surface_reflectance", "long_name": "red", "units": "1"}
    assert got.attrs == {"title": "one", "history": "opened\nreflectance()"}
    assert bool(got.boa_offset_applied) is True
    assert int(got.boa_add_offset) == 0
    xr.testing.assert_identical(got.scl.drop_vars(["boa_offset_applied", "boa_add_offset"]), ds.scl.drop_vars(
        ["boa_offset_applied", "boa_add_offset"]
    ))  # fmt: skip
    np.testing.assert_array_equal(got.aot.values, ds.aot.values)
    np.testing.assert_array_equal(got.x.values, ds.x.values)
    assert ds.red.attrs == attributes(-0.1)
    band = ds.red.kara.reflectance()
    np.testing.assert_array_equal(band.values, got.red.values)
    assert bool(band.boa_offset_applied) is True


def test_products_of_two_baselines_join_as_reflectance() -> None:
    """The same ground before and since baseline 04.00: the numbers jump, the reflectance does not."""
    ground = np.full((1, 4, 4), 0.0825)
    old = scene(np.rint(ground * 1e4).astype(np.uint16), 0.0)
    new = scene(np.rint(ground * 1e4 + 1000).astype(np.uint16), -0.1)
    joined = xr.concat([old.kara.reflectance(), new.kara.reflectance()], "time")
    assert np.unique(joined.red.values).tolist() == [np.float32(0.0825)]
    with pytest.raises(errors.UnitsError, match="the dates need"):
        xr.concat([old, new], "time", combine_attrs="override", coords="different", compat="equals").kara.reflectance()


def test_numbers_joined_behind_reflectance_are_refused() -> None:
    """What is joined has the attributes of its first part, which has no scale."""
    ds = scene(np.full((1, 4, 4), 1825, np.uint16))
    joined = xr.concat(
        [ds.kara.reflectance(), ds], "time", combine_attrs="override", coords="different", compat="equals"
    )
    joined["nir"] = joined.red
    assert "scale_factor" not in joined.red.attrs
    with pytest.raises(errors.UnitsError, match=r"to its dates \[-1000, 0\] are to be added"):
        joined.kara.ndvi()


def test_scales_as_other_writers_keep_them() -> None:
    ds = scene(NUMBERS)
    ds["red"] = ds.red.assign_attrs(scale_factor="0.0001", add_offset=np.array([-0.1]), _FillValue=np.uint16(0))
    np.testing.assert_array_equal(ds.kara.reflectance().red.values, np.array(GOLDEN[-0.1], np.float32))


def test_a_coordinate_for_each_date_keeps_its_dimension() -> None:
    ds = scene(NUMBERS.reshape(2, 1, 3)).drop_vars(["boa_offset_applied", "boa_add_offset"])
    ds = ds.assign_coords(boa_offset_applied=("time", [False, False]), boa_add_offset=("time", [-1000, -1000]))
    got = ds.kara.reflectance()
    assert got.boa_offset_applied.values.tolist() == [True, True]
    assert got.boa_add_offset.values.tolist() == [0, 0]
    assert got.boa_offset_applied.dims == ("time",)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(3, 9),
    st.integers(3, 9),
    st.sampled_from([1, 2, 7]),
    st.sampled_from([np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64]),
)
def test_any_chunking_and_thread_count_give_the_same_bytes(
    h: int, w: int, cy: int, cx: int, threads: int, dtype: type
) -> None:
    rng = np.random.default_rng(h * 31 + w)
    ds = scene((rng.random((h, w)) * 200).astype(dtype))
    want = np.where(ds.red == 0, np.nan, ds.red.values.astype(np.float64) * 1e-4 - 0.1)
    eager = ds.kara.reflectance().red.values
    np.testing.assert_allclose(eager, want, rtol=2e-7, atol=1e-9)
    lazily = ds.assign(red=ds.red.copy(data=blocks.from_lazy(InMemory(ds.red.values), chunks=(cy, cx))))
    try:
        kr.set_threads(threads)
        for other in (ds, ds.chunk(y=max(1, min(cy, h)), x=max(1, min(cx, w))), lazily):
            assert other.kara.reflectance().red.values.tobytes() == eager.tobytes()
    finally:
        kr.set_threads(None)


@pytest.mark.usefixtures("no_compute")
def test_nothing_is_computed_early() -> None:
    ds = scene(np.ones((2, 16, 16), np.uint16)).chunk(y=8)
    assert blocks.is_lazy(ds.kara.reflectance().red.data)


def test_ndvi_is_the_same_before_and_after() -> None:
    town = kr.simulate.optical(shape=(48, 64))
    before, after = town.kara.ndvi().values, town.kara.reflectance().kara.ndvi().values
    np.testing.assert_allclose(after, before, atol=2e-7)


def refused(kind: type[Exception], part: str, obj: xr.Dataset | xr.DataArray) -> None:
    with pytest.raises(kind, match=re.escape(part)):
        obj.kara.reflectance()


def test_refusals_name_the_band() -> None:
    ds = scene(NUMBERS)
    refused(errors.UnitsError, "red: is reflectance already (float32 without scale_factor)", ds.kara.reflectance())
    refused(errors.UnitsError, "red: is reflectance already", ds.kara.reflectance().red)
    plain = ds.assign(red=ds.red.drop_attrs())
    refused(errors.UnitsError, "red: got uint16 without scale_factor, want to know the scale; set attrs['scale_", plain)
    refused(errors.UnitsError, "the source has applied it already", ds.assign_coords(
        boa_offset_applied=True
    ).drop_vars("boa_add_offset"))  # fmt: skip
    refused(errors.MissingVariableError, "no optical band: the Dataset has ['scl']", ds[["scl"]])
    for name, value in (("scale_factor", 0), ("scale_factor", np.nan), ("add_offset", "none"), ("_FillValue", [0, 1])):
        bad = ds.assign(red=ds.red.assign_attrs({name: value}))
        refused(errors.InvalidInputError, f"red: got attrs['{name}'] ", bad)
    with pytest.raises(errors.InvalidTypeError, match="obj: got ndarray"):
        kr.reflectance(NUMBERS)  # type: ignore[type-var]
