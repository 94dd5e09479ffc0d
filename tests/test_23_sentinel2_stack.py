"""`sentinel2_stack`: tiles, baselines and grids on simulated products whose ground is known, and on a real one."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

import kararaster as kr
from kararaster import simulate
from kararaster.acquisitions import shift_numbers
from kararaster.blocks import lazy_of
from kararaster.errors import GeometryError, InvalidInputError, InvalidTypeError, ProductNotFoundError
from kararaster.sentinel2 import stacking
from kararaster.sentinel2.stacking import sentinel2_stack

SIDE = 240
ALL, WEST, EAST = slice(0, SIDE), slice(0, 150), slice(90, SIDE)
BANDS = ("red", "nir", "scl")
OLD, NEW = "2021-09-05T07:36:21", "2023-09-05T07:36:21"


def product(folder, **options):
    options = {"shape": (SIDE, SIDE), "bands": BANDS, "driver": "GTiff", **options}
    return simulate.sentinel2(folder, **options)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """An old date of one tile, and a new one of two tiles that overlap, the eastern one a zip and processed twice."""
    folder = tmp_path_factory.mktemp("town")
    product(folder, time=OLD, baseline="03.01")
    product(folder, time=NEW, baseline="05.09", window=(ALL, WEST), tile="38TPK")
    product(folder, time=NEW, baseline="05.11", window=(ALL, EAST), tile="38TQK", archive=True)
    product(folder / "again", time=NEW, baseline="04.00", window=(ALL, EAST), tile="38TQK")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same dates without tiles, each opened by itself."""
    folder = tmp_path_factory.mktemp("whole")
    return [
        kr.open_sentinel2(product(folder, time=time, baseline=baseline), chunks=None)
        for time, baseline in ((OLD, "03.01"), (NEW, "05.11"))
    ]


@pytest.fixture(scope="module")
def grid(whole):
    return whole[0].odc.geobox


def test_tiles_of_a_datatake_are_merged_and_baselines_harmonised(town, whole, grid):
    stack = sentinel2_stack(town, grid=grid, mask=False)
    old, new = (ds.isel(time=0) for ds in whole)
    for band in ("red", "nir"):
        values = stack[band].values
        assert values.dtype == np.uint16
        assert (old[band].values > 0).all()
        np.testing.assert_array_equal(values[0], old[band].values + 1000)
        np.testing.assert_array_equal(values[1], new[band].values)
        attrs = stack[band].attrs
        assert (attrs["scale_factor"], attrs["add_offset"], attrs["_FillValue"]) == (1e-4, -0.1, 0)
        assert (attrs["saturated_value"], attrs["quantity"]) == (65535, "surface_reflectance")
    np.testing.assert_array_equal(stack["scl"].values, [old["scl"].values, new["scl"].values])
    assert stack["red"].dims == ("time", "y", "x")
    assert stack.odc.geobox == grid


def test_a_grid_in_degrees_has_rows_and_columns_too(town, grid, tmp_path):
    degrees = grid.to_crs("EPSG:4326")
    stack = sentinel2_stack(town, grid=degrees, mask=False)
    assert dict(stack.sizes) == {"time": 2, "y": degrees.shape.y, "x": degrees.shape.x}
    assert stack.odc.geobox.crs.epsg == 4326
    np.testing.assert_allclose(stack.odc.geobox.affine, degrees.affine, rtol=0, atol=1e-9)
    (path,) = stack.isel(time=0).kara.index("NDVI").kara.to_cog(tmp_path)
    with rasterio.open(path) as file:
        np.testing.assert_allclose(file.transform, degrees.affine, rtol=0, atol=1e-9)
        assert file.crs.to_epsg() == 4326


def test_what_each_date_says_about_itself(town, grid):
    stack = sentinel2_stack(town, grid=grid)
    np.testing.assert_array_equal(stack["time"].values, np.array([OLD, NEW], "datetime64[ns]"))
    assert stack["time"].dtype == "datetime64[ns]"
    assert stack["platform"].values.tolist() == ["sentinel-2a", "sentinel-2a"]
    assert stack["mgrs_tile"].values.tolist() == ["38TPK", "38TPK+38TQK"]
    assert stack["processing_baseline"].values.tolist() == ["03.01", "05.09+05.11"]
    assert stack["boa_add_offset"].values.tolist() == [-1000, -1000]
    assert stack["boa_offset_applied"].values.tolist() == [False, False]
    assert "3 products, 2 dates; left out for a later baseline: S2A_MSIL2A_20230905T073621_N0400" in stack.history
    assert stack.attrs["quantity"] == "surface_reflectance"


def test_ndvi_does_not_step_where_the_baseline_changes(town, grid):
    """The same ground under both; only noise of 3.3 % is between them."""
    ndvi = kr.ndvi(sentinel2_stack(town, grid=grid, bands=["red", "nir"])).values
    step = ndvi[1] - ndvi[0]
    assert np.isfinite(step).mean() > 0.9
    assert abs(np.nanmean(step)) < 0.005
    assert abs(np.nanmedian(step)) < 0.005


def test_reflectance_is_that_of_each_product_by_itself(town, whole, grid):
    stack = kr.reflectance(sentinel2_stack(town, grid=grid, mask=False))
    for date, ds in enumerate(whole):
        for band in ("red", "nir"):
            expected = kr.reflectance(ds)[band].values[0]
            np.testing.assert_allclose(stack[band].values[date], expected, rtol=0, atol=1e-7)


def test_one_encoding_stays_as_it_is(tmp_path, grid):
    for time in ("2020-06-05T07:36:21", "2021-06-05T07:36:21"):
        product(tmp_path, time=time, baseline="02.14")
    stack = sentinel2_stack(sorted(tmp_path.iterdir()), grid=grid, bands=["B04"], mask=False)
    assert list(stack.data_vars) == ["red"]
    assert stack["red"].attrs["add_offset"] == 0
    assert stack["boa_add_offset"].values.tolist() == [0, 0]
    alone = kr.open_sentinel2(sorted(tmp_path.iterdir())[0])["red"]
    np.testing.assert_array_equal(stack["red"].values[0], alone.values[0])


def test_shifted_numbers_never_overflow():
    numbers = np.arange(65536, dtype=np.uint16)
    shifted = shift_numbers(numbers, add=1000, window=())
    assert shifted.dtype == np.uint16
    assert shifted[0] == 0
    np.testing.assert_array_equal(shifted[1:64536], np.arange(1001, 65536))
    assert (shifted[64536:] == 65535).all()


def test_the_mask_is_that_of_mask_clouds_on_the_grid(tmp_path, grid):
    product(tmp_path, time=NEW, cloud_cover=0.3)
    plain = sentinel2_stack(tmp_path, grid=grid, mask=False)
    masked = sentinel2_stack(tmp_path, grid=grid)
    by_hand = kr.mask_clouds(plain)
    cloudy = np.isin(plain["scl"].values, (8, 9))
    assert cloudy.mean() > 0.1
    np.testing.assert_array_equal(masked["red"].values, by_hand["red"].values)
    assert (masked["red"].values[cloudy] == 0).mean() > 0.95
    np.testing.assert_array_equal(masked["scl"].values, plain["scl"].values)
    without_classes = sentinel2_stack(tmp_path, grid=grid, bands=["red"])
    assert list(without_classes.data_vars) == ["red"]
    np.testing.assert_array_equal(without_classes["red"].values, masked["red"].values)


@pytest.fixture(scope="module")
def shifted(town, grid):
    """The stack on a grid half a pixel off and partly outside, lazy and loaded."""
    box = GeoBox((200, 210), grid.affine * Affine.translation(-11.5, 30.25), grid.crs)
    stack = sentinel2_stack(town, grid=box)
    return stack, stack.compute()


@settings(max_examples=8, deadline=None)
@given(time=st.integers(1, 2), rows=st.integers(60, 300), columns=st.integers(60, 300))
def test_any_chunks_give_the_same_bytes(shifted, time, rows, columns):
    lazy, expected = shifted
    cut = lazy.chunk(time=time, y=rows, x=columns)
    for band in expected.data_vars:
        np.testing.assert_array_equal(cut[band].values, expected[band].values)


def test_nothing_is_read_before_it_is_asked_for(town, grid, no_compute):
    stack = sentinel2_stack(town, grid=grid, chunks=100)
    assert stack["red"].chunks == ((1, 1), (100, 100, 40), (100, 100, 40))
    ndvi = kr.ndvi(pickle.loads(pickle.dumps(stack)))
    assert lazy_of(stack["red"].data) is not None
    assert lazy_of(ndvi.data) is not None
    assert ndvi.isel(time=0, y=slice(0, 5), x=slice(0, 5)).data.compute(scheduler="threads").shape == (5, 5)


def test_a_far_corner_is_read_without_the_rest(town, grid, monkeypatch):
    """The western tile has nothing east of column 150, so it is not opened for a window there."""
    asked = []
    read = kr.rasterfile.RasterFile.read
    monkeypatch.setattr(
        kr.rasterfile.RasterFile, "read", lambda self, window: asked.append(self.header.name) or read(self, window)
    )
    stack = sentinel2_stack(town, grid=grid, bands=["red"], mask=False)
    stack["red"].isel(time=1, x=slice(200, 240)).values  # noqa: B018 (read)
    assert asked
    assert not [name for name in asked if "38TPK" in name]


def test_a_grid_in_another_reference_system(town, grid):
    """Every pixel is that of the simulated ground under its centre."""
    from pyproj import Transformer

    left, bottom, right, top = grid.footprint("EPSG:4326").boundingbox
    degrees = GeoBox.from_bbox((left, bottom, right, top), "EPSG:4326", shape=(150, 160))
    stack = sentinel2_stack(town, grid=degrees, bands=["red"], mask=False)
    rows, columns = np.meshgrid(np.arange(150) + 0.5, np.arange(160) + 0.5, indexing="ij")
    x, y = degrees.affine * (columns, rows)
    x, y = Transformer.from_crs("EPSG:4326", str(grid.crs), always_xy=True).transform(x, y)
    columns, rows = (np.floor(part).astype(int) for part in ~grid.affine * (x, y))
    inside = (rows >= 0) & (rows < SIDE) & (columns >= 0) & (columns < SIDE)
    source = sentinel2_stack(town, grid=grid, bands=["red"], mask=False)["red"].values
    expected = np.where(inside, source[:, rows.clip(0, SIDE - 1), columns.clip(0, SIDE - 1)], 0)
    assert 0.5 < inside.mean() < 1
    assert (stack["red"].values == expected).mean() > 0.999


@pytest.mark.parametrize(("size", "resolution"), [(7, 10), (10, 10), (15, 10), (20, 20), (59, 20), (60, 60), (300, 60)])
def test_the_products_are_read_at_the_nearest_resolution_that_is_not_coarser(size, resolution, town, grid, monkeypatch):
    corner = grid.affine
    box = GeoBox((4, 4), Affine(size, 0, corner.c, 0, -size, corner.f), grid.crs)
    opened = []
    monkeypatch.setattr(stacking, "open_sentinel2", lambda *a, **k: opened.append(k) or kr.open_sentinel2(*a, **k))
    sentinel2_stack(town, grid=box, bands=["red"], mask=False)
    assert {options["resolution"] for options in opened} == {resolution}


def test_products_beside_the_grid_are_left_out(town, grid):
    east = GeoBox((SIDE, 40), grid.affine * Affine.translation(200, 0), grid.crs)
    stack = sentinel2_stack(town, grid=east)
    assert stack["mgrs_tile"].values.tolist() == ["38TPK", "38TQK"]
    nowhere = GeoBox((10, 10), grid.affine * Affine.translation(5000, 0), grid.crs)
    with pytest.raises(GeometryError, match="empty overlap"):
        sentinel2_stack(town, grid=nowhere)


def test_the_same_product_twice_counts_once(town, grid, tmp_path):
    name = next(one for one in town.iterdir() if "N0301" in one.name)
    shutil.copytree(name, tmp_path / name.name)
    stack = sentinel2_stack([name, tmp_path], grid=grid)
    assert stack.sizes["time"] == 1
    assert stack["mgrs_tile"].values.tolist() == ["38TPK"]


def test_refusals(town, grid, tmp_path):
    with pytest.raises(InvalidTypeError, match="grid: got int"):
        sentinel2_stack(town, grid=3)
    with pytest.raises(InvalidTypeError, match="paths: got int"):
        sentinel2_stack(3, grid=grid)
    with pytest.raises(InvalidInputError, match=r"bands: got \[\], want one or more"):
        sentinel2_stack(town, grid=grid, bands=[])
    with pytest.raises(ProductNotFoundError, match="paths: got none"):
        sentinel2_stack([], grid=grid)
    with pytest.raises(ProductNotFoundError, match="holds no Sentinel-2 product"):
        sentinel2_stack(tmp_path, grid=grid)
    product(tmp_path / "toa", level="L1C", bands=["red"])
    with pytest.raises(InvalidInputError, match=r"mask: .* use mask=False"):
        sentinel2_stack(tmp_path / "toa", grid=grid)
    toa = sentinel2_stack(tmp_path / "toa", grid=grid, mask=False)
    assert toa["red"].attrs["quantity"] == "toa_reflectance"
    with pytest.raises(InvalidInputError, match="want products of one level"):
        sentinel2_stack([town, tmp_path / "toa"], grid=grid, bands=["red"], mask=False)
    product(tmp_path / "less", time="2022-09-05T07:36:21", bands=["nir", "scl"])
    with pytest.raises(InvalidInputError, match=r"S2A_MSIL2A_20220905.* has no red, but others have"):
        sentinel2_stack([town, tmp_path / "less"], grid=grid)


def test_a_real_product_on_a_shifted_grid(samples):
    """At 60 m, on a grid that starts 100 pixels in and a third of a pixel off."""
    path = samples / "s2-l2a-safe-33TVM-20241014"
    bands = ["red", "swir16", "scl"]
    real = kr.open_sentinel2(next(path.glob("*.SAFE")), bands=bands, resolution=60)
    grid = GeoBox((120, 140), real.odc.geobox.affine * Affine.translation(100.3, 100.3), real.odc.geobox.crs)
    stack = sentinel2_stack(path, grid=grid, bands=bands, mask=False)
    window = {"y": slice(100, 220), "x": slice(100, 240)}
    for band in stack.data_vars:
        np.testing.assert_array_equal(stack[band].values, real[band].isel(window).values)
