"""`to_cog` and `to_zarr`: values, reference system, overviews, nodata, laziness, and no half files."""

from __future__ import annotations

import json

import dask.array as da
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

import kararaster as kr
from kararaster.errors import InvalidInputError, InvalidTypeError, ProductError, UnitsError
from kararaster.grids import grid_coords
from kararaster.quicklook import BRIGHTER, DARKER, UNDECIDED, change_map

SHAPE = (1100, 700)


def result(*, chunks=None):
    rng = np.random.default_rng(11)
    p = rng.random(SHAPE, np.float32)
    p[5, 6] = np.nan
    times = np.array(["2023-09-05T07:36:21", "2023-10-05T07:36:21"], "datetime64[ns]")
    red = rng.integers(1, 9000, (2, *SHAPE), np.uint16)
    ds = xr.Dataset(
        {
            "p_value": (("y", "x"), p, {"units": "1", "long_name": "probability"}),
            "changed": (("y", "x"), p < 0.05),
            "direction": (("y", "x"), rng.integers(-1, 2, SHAPE, np.int8), {"flag_values": np.array([-1, 0, 1])}),
            "n_pre": (("y", "x"), rng.integers(0, 60, SHAPE, np.int32)),
            "magnitude": (("band", "y", "x"), rng.normal(size=(2, *SHAPE)).astype(np.float32), {"units": "dB"}),
            "red": (("time", "y", "x"), red, {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0}),
            "p_threshold": ((), 0.01),
        },
        {"band": ["vv", "vh"], "time": times, **grid_coords(SHAPE, Affine(10, 0, 640_000, 0, -10, 4_410_000), 32638)},
        {"history": "made for a test"},
    )
    return ds.chunk(chunks) if chunks else ds


@pytest.mark.parametrize("chunks", [None, {"y": 256, "x": 300, "band": 1, "time": 2}])
def test_cogs_hold_the_values(tmp_path, chunks):
    ds = result()
    paths = kr.to_cog(result(chunks=chunks), tmp_path / "out")
    dates = ["red_20230905T073621", "red_20231005T073621"]
    assert [path.stem for path in paths] == ["p_value", "changed", "direction", "n_pre", "magnitude", *dates]
    for path in paths:
        expected = ds["red"].values[dates.index(path.stem)] if path.stem in dates else ds[path.stem].values
        with rasterio.open(path) as file:
            pixels = file.read()
            np.testing.assert_array_equal(pixels if expected.ndim == 3 else pixels[0], expected)
            assert pixels.dtype == (np.uint8 if expected.dtype == bool else expected.dtype)
            assert file.crs.to_epsg() == 32638
            assert file.transform.almost_equals(ds.odc.geobox.affine)
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert file.profile["compress"] == "zstd"
            assert file.block_shapes[0] == (512, 512)
            assert file.overviews(1) == [2, 4]
            assert file.tags()["history"] == "made for a test"


def test_cogs_say_what_they_hold(tmp_path):
    files = {path.stem: path for path in kr.to_cog(result(), tmp_path)}
    with rasterio.open(files["p_value"]) as file:
        assert np.isnan(file.nodata)
        assert file.tags()["long_name"] == "probability"
    with rasterio.open(files["changed"]) as file:
        assert file.nodata == 255
    with rasterio.open(files["direction"]) as file:
        assert file.nodata is None
        assert json.loads(file.tags()["flag_values"]) == [-1, 0, 1]
    with rasterio.open(files["magnitude"]) as file:
        assert file.descriptions == ("vv", "vh")
    with rasterio.open(files["red_20231005T073621"]) as file:
        assert file.nodata == 0
        assert file.scales == (1e-4,)
        assert file.offsets == (-0.1,)
        assert file.descriptions == ("red",)


def test_overviews_average_measurements_and_never_invent_classes(tmp_path):
    ds = result()
    files = {path.stem: path for path in kr.to_cog(ds[["p_value", "direction"]], tmp_path)}
    with rasterio.open(files["p_value"], overview_level=0) as file:
        value = ds["p_value"].values[100:102, 200:202].astype(np.float64).mean()
        assert file.read(1)[50, 100] == pytest.approx(value, rel=1e-6)
    with rasterio.open(files["direction"], overview_level=1) as file:
        assert set(np.unique(file.read(1))) <= {-1, 0, 1}


def test_what_variables_share_is_computed_once(tmp_path):
    calls = []

    def expensive(block):
        calls.append(block.shape)
        return block + 1

    shared = da.zeros(SHAPE, chunks=256, dtype=np.float32).map_blocks(expensive, meta=np.empty((0, 0), np.float32))
    calls.clear()
    coords = grid_coords(SHAPE, Affine(10, 0, 640_000, 0, -10, 4_410_000), 32638)
    ds = xr.Dataset({"a": (("y", "x"), shared), "b": (("y", "x"), shared * 2)}, coords)
    seen = []
    kr.to_cog(ds, tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert len(calls) == 5 * 3
    assert sorted(seen) == [(i + 1, 30) for i in range(30)]


def test_cog_round_trip_through_open_stack(tmp_path):
    options = {"shape": (300, 200), "dates_pre": 2, "dates_post": 1}
    ds = kr.simulate.stack(**options)
    paths = kr.to_cog(kr.simulate.stack(**options, chunks={"time": 4, "y": 128, "x": 200}), tmp_path / "cogs")
    assert {path.parent for path in paths} == {tmp_path / "cogs"}
    assert [path.name for path in paths[:2]] == ["vv_20230901T030110.tif", "vv_20230904T145437.tif"]
    with rasterio.open(paths[0]) as file:
        tags = file.tags()
    assert (tags["relative_orbit"], tags["platform"], tags["orbit_state"]) == ("123", "sentinel-1a", "descending")
    back = kr.open_stack(tmp_path / "cogs")
    for name in ("vv", "vh", "time", "relative_orbit"):
        np.testing.assert_array_equal(back[name].values, ds[name].values)
        assert back[name].dtype == ds[name].dtype
    for band in ("vv", "vh"):
        assert back[band].attrs == ds[band].attrs


def test_names_of_other_variables_come_back_as_bands(tmp_path):
    ds = result()[["red"]].rename(red="ndvi")
    back = kr.open_stack(kr.to_cog(ds, tmp_path)[0].parent)
    assert list(back.data_vars) == ["ndvi"]
    np.testing.assert_array_equal(back["ndvi"].values, ds["ndvi"].values)


@pytest.mark.parametrize("bands", [("red", "nir"), "nir"])
@pytest.mark.parametrize("write", [kr.to_cog, kr.to_zarr])
@pytest.mark.parametrize("chunks", [None, {"time": 1, "y": 25, "x": 40}])
def test_composites_by_period_come_back(tmp_path, bands, write, chunks):
    dates = ("2022-04-05T10:00:00", "2022-08-05T10:00:00", "2023-05-05T10:00:00")
    ds = kr.simulate.optical(shape=(50, 60), dates=dates, bands=("red", "nir"), chunks=chunks)
    yearly = ds.kara.composite("mean", period="YS", bands=bands)
    assert yearly["n_valid"].dims == ("time", "band", "y", "x")
    write(yearly, tmp_path / "out")
    back = kr.open_stack(tmp_path / "out")
    np.testing.assert_array_equal(back["time"].values, yearly["time"].values)
    for name in yearly["band"].values:
        np.testing.assert_array_equal(back[name].values, yearly[name].values)
        counts = back[f"n_valid_{name}"] if write is kr.to_cog else back["n_valid"].sel(band=name)
        np.testing.assert_array_equal(counts.values, yearly["n_valid"].sel(band=name).values)
        assert counts.dtype == np.uint16
    if write is kr.to_cog:
        with rasterio.open(tmp_path / "out" / "n_valid_20230101T000000.tif") as file:
            assert file.descriptions == tuple(f"n_valid_{name}" for name in yearly["band"].values)
    else:
        assert back["n_valid"].dims == ("time", "band", "y", "x")
        tiled = kr.open_stack(tmp_path / "out", chunks=(1, 20, 30))["n_valid"]
        assert tiled.chunks == ((1, 1), (1,) * yearly.sizes["band"], (20, 20, 10), (30, 30))
        xr.testing.assert_equal(tiled.compute(), back["n_valid"].compute())


def test_two_orbits_at_one_second_get_two_files(tmp_path):
    ds = kr.simulate.stack(shape=(20, 30), dates_pre=1, dates_post=1)[["vv"]]
    shared = np.array(["2023-09-01", "2023-09-02", "2023-09-02T00:00:00.5", "2023-09-03"], "datetime64[ns]")
    ds = ds.assign_coords(time=shared)
    names = [path.stem for path in kr.to_cog(ds, tmp_path / "cogs")]
    assert names == ["vv_20230901T000000", "vv_20230902T000000_174", "vv_20230902T000000_123", "vv_20230903T000000"]
    back = kr.open_stack(tmp_path / "cogs")
    np.testing.assert_array_equal(back["relative_orbit"].values, [123, 123, 174, 174])
    np.testing.assert_array_equal(back["vv"].values, ds["vv"].values[[0, 2, 1, 3]])
    with pytest.raises(InvalidInputError, match=r"^time: 20230902T000000 is there more than once"):
        kr.to_cog(ds.drop_vars("relative_orbit"), tmp_path / "none")
    with pytest.raises(InvalidInputError, match=r"^time: .*NaT"):
        kr.to_cog(ds.assign_coords(time=np.where(shared == shared[0], np.datetime64("NaT"), shared)), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_failure_leaves_everything_as_it_was(tmp_path):
    def fail(block):
        raise InvalidInputError("p_value: no")

    kr.to_cog(result()[["p_value"]], tmp_path)
    before = (tmp_path / "p_value.tif").read_bytes()
    broken = result(chunks={"y": 300})
    broken["changed"] = broken["changed"].copy(
        data=broken["changed"].data.map_blocks(fail, meta=np.empty((0, 0), bool))
    )
    with pytest.raises(InvalidInputError, match=r"p_value: no"):
        kr.to_cog(broken, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["p_value.tif"]
    assert (tmp_path / "p_value.tif").read_bytes() == before
    with pytest.raises(InvalidInputError, match=r"p_value: no"):
        kr.to_zarr(broken, tmp_path / "out.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["p_value.tif"]


def test_bad_results_are_named(tmp_path):
    ds = result()
    with pytest.raises(InvalidInputError, match=r"evenly spaced"):
        kr.to_cog(ds.isel(x=[0, 1, 5, 9]), tmp_path)
    with pytest.raises(InvalidInputError, match=r"reference system"):
        kr.to_cog(xr.Dataset({"p_value": (("y", "x"), ds["p_value"].values)}), tmp_path)
    with pytest.raises(InvalidInputError, match=r"^result: no variable"):
        kr.to_cog(ds[["p_threshold"]], tmp_path)
    with pytest.raises(InvalidTypeError, match=r"^wave"):
        kr.to_cog(ds.assign(wave=ds["p_value"].astype(np.complex64)), tmp_path)
    with pytest.raises(InvalidInputError, match=r"^deep"):
        kr.to_cog(ds.assign(deep=ds["magnitude"].expand_dims("season")), tmp_path)
    with pytest.raises(InvalidInputError, match=r"^deep: .*transpose it"):
        kr.to_cog(ds.assign(deep=ds["red"].expand_dims("season")), tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ProductError, match=r"^folder"):
        kr.to_cog(ds, tmp_path / "file")


@pytest.mark.parametrize("chunks", [None, {"y": 256, "x": (300, 100, 300), "band": 1, "time": 1}])
def test_zarr_round_trip(tmp_path, chunks):
    ds = result(chunks=chunks)
    path = kr.to_zarr(ds, tmp_path / "out.zarr")
    assert path == tmp_path / "out.zarr"
    assert json.loads((path / "zarr.json").read_text())["zarr_format"] == 3
    back = xr.open_dataset(path, engine="zarr", consolidated=False, mask_and_scale=False, decode_coords="all")
    for name in ds.data_vars:
        np.testing.assert_array_equal(back[name].values, ds[name].values)
    assert back["changed"].dtype == bool
    assert back.odc.geobox == ds.odc.geobox
    if chunks:
        assert back["p_value"].encoding["chunks"] == (256, 300)
    with pytest.raises(InvalidInputError, match=r"^store"):
        kr.to_zarr(ds, path)
    kr.to_zarr(ds[["p_value"]], path, overwrite=True)
    assert list(xr.open_dataset(path, engine="zarr", consolidated=False).data_vars) == ["p_value"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.zarr"]


@pytest.mark.filterwarnings("error:.*onsolidated metadata")
def test_zarr_has_its_metadata_in_one_place(tmp_path):
    path = kr.to_zarr(result(), tmp_path / "out.zarr")
    names = json.loads((path / "zarr.json").read_text())["consolidated_metadata"]["metadata"]
    assert set(names) == set(result().variables)
    np.testing.assert_array_equal(xr.open_zarr(path)["n_pre"].values, result()["n_pre"].values)


def test_radar_stack_in_zarr_comes_back_with_its_coordinates(tmp_path):
    ds = kr.simulate.stack(shape=(60, 50), dates_pre=2, dates_post=1)
    back = kr.open_stack(kr.to_zarr(ds, tmp_path / "s.zarr"))
    for name in ("vv", "vh", "time", "platform", "relative_orbit", "orbit_state", "absolute_orbit", "datatake_id"):
        np.testing.assert_array_equal(back[name].values, ds[name].values)
        assert back[name].dtype == ds[name].dtype
    assert back["vv"].attrs == ds["vv"].attrs


@pytest.mark.parametrize("write", [kr.to_cog, kr.to_zarr])
def test_digital_numbers_come_back_with_their_scale(tmp_path, write):
    """A folder of COGs and a Zarr store give the same reflectance as before; so does plain xarray from the store."""
    numbers = np.array([[[0, 1, 999], [1000, 1200, 65535]]], np.uint16)
    attrs = {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0, "saturated_value": 65535}
    ds = xr.Dataset(
        {
            "coastal": (("time", "y", "x"), numbers, {**attrs, "quantity": "surface_reflectance"}),
            "scl": (("time", "y", "x"), np.full((1, 2, 3), 4, np.uint8), {"_FillValue": 0}),
        },
        {
            "time": np.array(["2024-10-14T10:10:21"], "datetime64[ns]"),
            "boa_add_offset": ("time", [-1000]),
            **grid_coords((2, 3), Affine(10, 0, 640_000, 0, -10, 4_410_000), 32638),
        },
        {"quantity": "surface_reflectance"},
    )
    write(ds, tmp_path / "out")
    back = kr.open_stack(tmp_path / "out")
    for name in ("coastal", "scl"):
        np.testing.assert_array_equal(back[name].values, ds[name].values)
        assert back[name].dtype == ds[name].dtype
    assert {name: back["coastal"].attrs[name] for name in attrs} == attrs
    assert "quantity" not in back["scl"].attrs
    expected = [[[np.nan, -0.0999, -0.0001], [0, 0.02, np.nan]]]
    np.testing.assert_array_equal(kr.reflectance(back)["coastal"].values, np.float32(expected))
    assert back["boa_add_offset"].values.tolist() == [-1000]
    older = back.assign_coords(time=back["time"] - np.timedelta64(1000, "D"), boa_add_offset=("time", [0]))
    with pytest.raises(UnitsError, match=r"the dates need \[-1000, 0\]"):
        kr.reflectance(xr.concat([older, back], "time"))
    if write is kr.to_zarr:
        plain = xr.open_zarr(tmp_path / "out")["coastal"].values
        np.testing.assert_allclose(plain[0, :, :2], np.array(expected)[0, :, :2], rtol=0, atol=3e-8)


def test_change_map_paints_changes_by_direction(tmp_path):
    changed = np.zeros((400, 300), bool)
    direction = np.zeros((400, 300), np.int8)
    for column, value in ((40, -1), (60, 0), (80, 1)):
        changed[100:110, column : column + 10] = True
        direction[100:110, column : column + 10] = value
    path = change_map(
        tmp_path / "new" / "map.png", backscatter_db=np.full((400, 300), -10.0), changed=changed, direction=direction,
        resolution=10, title="Change, 2023", subtitle="a test",
    )  # fmt: skip
    with rasterio.open(path) as file:
        picture = np.moveaxis(file.read(), 0, 2)
    # ten pixels of 400 on a panel of 1000 dots are 25; 10 of the enlarged 75 are 133 or 134
    for color in (DARKER, UNDECIDED, BRIGHTER):
        dots = np.count_nonzero((picture == color).all(axis=2))
        assert 25**2 + 130**2 <= dots <= 26**2 + 136**2 + 27**2
    assert [entry.name for entry in path.parent.iterdir()] == ["map.png"]


def test_change_map_refuses_other_shapes(tmp_path):
    flat = np.zeros((4, 4))
    layers = {"backscatter_db": flat, "changed": flat[:3] > 0, "direction": flat.astype(np.int8)}
    with pytest.raises(InvalidInputError, match=r"^changed"):
        change_map(tmp_path / "m.png", **layers, resolution=1, title="")


def test_dates_joined_with_different_offsets_are_not_written(tmp_path):
    old, new = (
        kr.open_sentinel2(
            kr.simulate.sentinel2(tmp_path, shape=(60, 60), time=time, baseline=baseline, bands=("red", "nir"))
        )
        for time, baseline in (("2021-09-05T07:36:21", "03.01"), ("2023-09-05T07:36:21", "05.09"))
    )
    joined = xr.concat([old, new], "time")
    with pytest.raises(UnitsError, match="sentinel2_stack"):
        joined.kara.to_cog(tmp_path / "maps")
    assert not (tmp_path / "maps").exists() or not any((tmp_path / "maps").iterdir())
