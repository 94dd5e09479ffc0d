"""`open_stack`: values, order, laziness and bad input, on files that the tests write and on a real stack."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import from_origin

import kararaster as kr
from kararaster import rasterfile
from kararaster.blocks import lazy_of
from kararaster.errors import (
    GeometryError,
    InvalidInputError,
    ProductError,
    ProductNotFoundError,
)

LEFT, TOP = 640_000.0, 4_410_000.0


def write(path, pixels, *, crs="EPSG:32638", left=LEFT, driver="GTiff", tags=None, descriptions=None, **options):
    pixels = np.asarray(pixels)
    bands = pixels if pixels.ndim == 3 else pixels[np.newaxis]
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver=driver, count=bands.shape[0], height=bands.shape[1], width=bands.shape[2],
        dtype=bands.dtype, crs=crs, transform=from_origin(left, TOP, 10, 10), **options,
    ) as file:  # fmt: skip
        file.write(bands)
        file.update_tags(**(tags or {}))
        if descriptions:
            file.descriptions = descriptions
    return path


def image(seed, shape=(40, 50), dtype=np.float32):
    return (np.random.default_rng(seed).random(shape) * 1000).astype(dtype)


@pytest.fixture
def dated(tmp_path):
    """Four dates of two bands, written out of order; file name to pixels."""
    written = {}
    for seed, date in enumerate(("20230919T030110", "2022-12-01", "20230101", "2023-05-07T14:54:37")):
        for band in ("vv", "VH"):
            name = f"S1_{date.replace(':', '')}_{band}.tif"
            written[name] = image((seed, len(band), ord(band[1])))
            write(tmp_path / name, written[name])
    return tmp_path, written


def test_the_file_name_speaks_before_the_folder(tmp_path):
    """A folder may be named after the day of a download, and hold more than one band."""
    write(tmp_path / "20240210_vh_and_vv" / "s1_20230110_vv.tif", image(1))
    write(tmp_path / "20240211" / "vv" / "scene.tif", image(2))
    ds = kr.open_stack(tmp_path)
    assert list(ds.data_vars) == ["vv"]
    np.testing.assert_array_equal(ds["time"].values, np.array(["2023-01-10", "2024-02-11"], "datetime64[ns]"))
    np.testing.assert_array_equal(ds["vv"].values, np.stack([image(1), image(2)]))


def test_folder_round_trip_sorted_by_time(dated):
    folder, written = dated
    ds = kr.open_stack(folder)
    expected = ["2022-12-01T00:00:00", "2023-01-01T00:00:00", "2023-05-07T14:54:37", "2023-09-19T03:01:10"]
    np.testing.assert_array_equal(ds["time"].values, np.array(expected, "datetime64[ns]"))
    assert ds["time"].dtype == "datetime64[ns]"
    for band, suffix in (("vv", "vv"), ("vh", "VH")):
        names = [f"S1_{d}_{suffix}.tif" for d in ("2022-12-01", "20230101", "2023-05-07T145437", "20230919T030110")]
        np.testing.assert_array_equal(ds[band].values, np.stack([written[name] for name in names]))
        assert ds[band].attrs["polarization"] == band.upper()
    assert ds["vv"].dims == ("time", "y", "x")
    assert ds.odc.geobox.crs.to_epsg() == 32638
    assert float(ds["x"][0]) == LEFT + 5
    assert float(ds["y"][0]) == TOP - 5


def test_nothing_is_read_before_it_is_asked_for(dated, no_compute):
    folder, written = dated
    ds = kr.open_stack(folder, chunks={"y": 16})
    assert ds["vv"].chunks == ((1, 1, 1, 1), (16, 16, 8), (50,))
    corner = pickle.loads(pickle.dumps(ds))["vv"].isel(time=3, y=slice(3, 7), x=slice(40, 50))
    assert lazy_of(corner.data).shape == (4, 10)
    values = corner.data.compute(scheduler="threads")
    np.testing.assert_array_equal(values, written["S1_20230919T030110_vv.tif"][3:7, 40:50])


def test_striped_files_get_full_width_bands_and_tiled_ones_whole_blocks(tmp_path):
    write(tmp_path / "striped" / "20230101.tif", image(1, (600, 700)), blockysize=8)
    tiled = {"tiled": True, "blockxsize": 128, "blockysize": 256}
    write(tmp_path / "tiled" / "20230101.tif", image(2, (600, 700)), **tiled)
    striped = kr.open_stack(tmp_path / "striped")["band1"]
    assert lazy_of(striped.data).native_chunks[-1] == 700
    assert set(striped.chunks[2]) == {700}
    assert lazy_of(kr.open_stack(tmp_path / "tiled")["band1"].data).native_chunks == (1, 256, 128)


def test_numpy_when_chunks_is_none(dated):
    folder, _ = dated
    assert isinstance(kr.open_stack(folder, chunks=None)["vv"].data, np.ndarray)


def test_times_with_a_zone_become_utc(tmp_path):
    write(tmp_path / "20230919T030110+0400_vv.tif", image(0))
    write(tmp_path / "20230920T000000Z_vv.tif", image(0))
    times = kr.open_stack(tmp_path)["time"].values
    np.testing.assert_array_equal(times, np.array(["2023-09-18T23:01:10", "2023-09-20"], "datetime64[ns]"))


def test_date_may_be_in_the_folder_name(tmp_path):
    write(tmp_path / "20230101" / "vv.tif", image(0))
    write(tmp_path / "20230113" / "vv.tif", image(1))
    assert list(kr.open_stack(tmp_path)["time"].dt.day.values) == [1, 13]


def test_pattern_names_date_band_and_orbit(tmp_path):
    for orbit, seed in ((123, 0), (174, 1)):
        write(tmp_path / f"t{orbit}_pVV_0113_2023.tif", image(seed))
    with pytest.raises(InvalidInputError, match=r"no date in the name"):
        kr.open_stack(tmp_path)
    write(tmp_path / "x" / "t123_pVV_20230125.tif", image(2))
    (tmp_path / "t123_pVV_0113_2023.tif").unlink()
    (tmp_path / "t174_pVV_0113_2023.tif").rename(tmp_path / "t174_pVV_20230125.tif")
    ds = kr.open_stack(tmp_path, pattern=r"t(?P<orbit>\d{3})_p(?P<band>VV|VH)_(?P<date>\d{8})")
    np.testing.assert_array_equal(ds["relative_orbit"].values, [123, 174])
    np.testing.assert_array_equal(ds["vv"].values, np.stack([image(2), image(1)]))


def test_date_group_that_did_not_match_is_named(dated):
    with pytest.raises(InvalidInputError, match=r"_VH\.tif: no date in the name, want something like"):
        kr.open_stack(dated[0], pattern=r"S1_(?P<date>1999\d{4})?")


@pytest.mark.parametrize("pattern", [r"(\d{8})", r"(?P<date>\d{8}"])
def test_bad_pattern_is_named(dated, pattern):
    with pytest.raises(InvalidInputError, match=r"^pattern"):
        kr.open_stack(dated[0], pattern=pattern)


def test_orbit_from_tags_and_band_names_from_descriptions(tmp_path):
    pixels = np.stack([image(0), image(1)])
    for date, orbit in (("20230101", 174), ("20230102", 123)):
        write(tmp_path / f"{date}.tif", pixels, tags={"RELATIVE_ORBIT": orbit}, descriptions=("VV", "VH"))
    ds = kr.open_stack(tmp_path)
    assert list(ds.data_vars) == ["vv", "vh"]
    np.testing.assert_array_equal(ds["relative_orbit"].values, [174, 123])
    np.testing.assert_array_equal(ds["vh"].values[0], image(1))


def test_integers_keep_their_nodata_and_scale_as_attributes(tmp_path):
    pixels = image(0, dtype=np.uint16)
    pixels[3, 4] = 0
    path = write(tmp_path / "20230101_red.tif", pixels, nodata=0)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (1e-4,), (-0.1,)
    ds = kr.open_stack(tmp_path)
    assert ds["red"].dtype == np.uint16
    np.testing.assert_array_equal(ds["red"].values[0], pixels)
    assert ds["red"].attrs == {"_FillValue": 0, "scale_factor": 1e-4, "add_offset": -0.1}


def test_floats_get_nan_for_nodata(tmp_path):
    pixels = image(0)
    pixels[3, 4] = -9999
    write(tmp_path / "20230101_vv.tif", pixels, nodata=-9999)
    ds = kr.open_stack(tmp_path)
    assert "_FillValue" not in ds["vv"].attrs
    np.testing.assert_array_equal(ds["vv"].values[0], np.where(pixels == -9999, np.nan, pixels))


def test_truncated_file_is_named_when_it_is_read(tmp_path):
    path = write(tmp_path / "20230101_vv.tif", image(0, (400, 400)), driver="COG", BLOCKSIZE=128, COMPRESS="NONE")
    path.write_bytes(path.read_bytes()[:-100_000])
    ds = kr.open_stack(tmp_path)
    np.testing.assert_array_equal(ds["vv"].isel(y=slice(0, 20)).values[0], image(0, (400, 400))[:20])
    with pytest.raises(ProductError, match=r"20230101_vv\.tif: rows"):
        ds.compute()


def test_file_that_is_no_raster_is_named(tmp_path):
    (tmp_path / "20230101_vv.tif").write_bytes(b"this is no TIFF")
    with pytest.raises(ProductError, match=r"20230101_vv\.tif"):
        kr.open_stack(tmp_path)


@pytest.mark.parametrize("odd", [{"crs": "EPSG:32639"}, {"left": LEFT + 10}])
def test_file_on_another_grid_is_named(tmp_path, odd):
    for day in (1, 2, 3):
        write(tmp_path / f"2023010{day}_vv.tif", image(day))
    write(tmp_path / "20230104_vv.tif", image(4), **odd)
    with pytest.raises(GeometryError, match=r"20230104_vv\.tif"):
        kr.open_stack(tmp_path)


def test_file_of_another_shape_is_named(tmp_path):
    for day, width in ((1, 50), (2, 50), (3, 49)):
        write(tmp_path / f"2023010{day}_vv.tif", image(day, (40, width)))
    with pytest.raises(GeometryError, match=r"20230103_vv\.tif"):
        kr.open_stack(tmp_path)


def test_date_twice_names_both_files(tmp_path):
    write(tmp_path / "a_20230101_vv.tif", image(0))
    write(tmp_path / "b_20230101_vv.tif", image(1))
    with pytest.raises(InvalidInputError, match=r"a_20230101_vv\.tif.*b_20230101_vv\.tif"):
        kr.open_stack(tmp_path)


def test_band_without_a_date_is_named(tmp_path):
    for name in ("20230101_vv.tif", "20230101_vh.tif", "20230102_vv.tif"):
        write(tmp_path / name, image(0))
    with pytest.raises(InvalidInputError, match=r"20230102_vv\.tif: there is no vh for 2023-01-02"):
        kr.open_stack(tmp_path)


def test_dtypes_and_orbits_must_agree(tmp_path):
    write(tmp_path / "20230101_vv.tif", image(0), tags={"relative_orbit": 123})
    write(tmp_path / "20230102_vv.tif", image(0))
    with pytest.raises(InvalidInputError, match=r"20230102_vv\.tif: no relative orbit"):
        kr.open_stack(tmp_path)
    write(tmp_path / "20230102_vv.tif", image(0, dtype=np.uint16), tags={"relative_orbit": 123})
    with pytest.raises(InvalidInputError, match=r"20230102_vv\.tif: vv is stored as"):
        kr.open_stack(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(ProductNotFoundError, match=r"no \.tif"):
        kr.open_stack(tmp_path)
    with pytest.raises(ProductNotFoundError, match=r"does not exist"):
        kr.open_stack(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ProductNotFoundError, match=r"is not a stack"):
        kr.open_stack(tmp_path / "notes.txt")


# --- stores ---


def stored(times, **coords):
    values = np.arange(len(times) * 12, dtype=np.float32).reshape(len(times), 3, 4)
    return xr.Dataset(
        {"vv": (("time", "y", "x"), values, {"units": "1"})},
        {"time": np.array(times, "datetime64[ns]"), "y": [30.0, 20.0, 10.0], "x": [0.0, 10.0, 20.0, 30.0], **coords},
    )


def save(ds, path):
    if path.suffix == ".nc":
        ds.to_netcdf(path, engine="h5netcdf")
    else:
        ds.to_zarr(path, zarr_format=3, consolidated=False)
    return path


@pytest.mark.parametrize("name", ["stack.nc", "stack.zarr"])
def test_store_is_sorted_by_time_with_its_coordinates(tmp_path, name):
    ds = stored(["2023-03-01", "2023-01-01", "2023-02-01"], relative_orbit=("time", [3, 1, 2]), spatial_ref=0)
    ds = ds.rename(time="t")
    back = kr.open_stack(save(ds, tmp_path / name))
    assert back["vv"].dims == ("time", "y", "x")
    assert list(back["time"].dt.month.values) == [1, 2, 3]
    np.testing.assert_array_equal(back["relative_orbit"].values, [1, 2, 3])
    np.testing.assert_array_equal(back["vv"].values, ds["vv"].values[[1, 2, 0]])
    one = pickle.loads(pickle.dumps(back))["vv"].isel(time=0, y=slice(1, 3))
    np.testing.assert_array_equal(one.values, ds["vv"].values[1, 1:3])
    assert lazy_of(one.data) is not None


@pytest.mark.parametrize("name", ["stack.nc", "stack.zarr"])
def test_duplicate_dates_need_different_orbits(tmp_path, name):
    twice = ["2023-01-01", "2023-01-01"]
    with pytest.raises(InvalidInputError, match=r"2023-01-01T00:00:00.* more than once"):
        kr.open_stack(save(stored(twice), tmp_path / f"a_{name}"))
    with pytest.raises(InvalidInputError, match=r"in one relative orbit"):
        kr.open_stack(save(stored(twice, relative_orbit=("time", [7, 7])), tmp_path / f"b_{name}"))
    kept = kr.open_stack(save(stored(twice, relative_orbit=("time", [7, 8])), tmp_path / f"c_{name}"))
    assert kept.sizes["time"] == 2


def test_store_keeps_integers_and_blanks_floats(tmp_path):
    ds = stored(["2023-01-01"])
    ds["red"] = (("time", "y", "x"), np.arange(12, dtype=np.uint16).reshape(1, 3, 4))
    ds["red"].encoding["_FillValue"] = 0
    ds["vv"].encoding["_FillValue"] = -1.0
    ds["vv"][0, 1, 1] = np.nan
    back = kr.open_stack(save(ds, tmp_path / "stack.zarr"))
    assert back["red"].dtype == np.uint16
    assert back["red"].attrs["_FillValue"] == 0
    np.testing.assert_array_equal(back["red"].values, ds["red"].values)
    np.testing.assert_array_equal(back["vv"].values, ds["vv"].values)
    assert np.isnan(back["vv"].values[0, 1, 1])


def test_numbers_of_sentinel2_bands_become_names(tmp_path):
    for number in ("B04", "B08", "B8A", "B11", "SCL"):
        write(tmp_path / f"T33TWM_20230810T100031_{number}.tif", np.ones((2, 3), np.uint16))
    assert list(kr.open_stack(tmp_path).data_vars) == ["red", "nir", "nir08", "swir16", "scl"]
    for path in tmp_path.iterdir():
        path.rename(path.with_name(path.name.replace("T33TWM", "LC08")))
    assert list(kr.open_stack(tmp_path).data_vars) == ["scl", "b04", "b08", "b11", "b8a"]


def test_a_folder_of_products_is_sent_to_their_readers(tmp_path):
    (tmp_path / "S2A_MSIL2A_20230905T073621_N0509_R092_T38SMJ_20230905T120000.SAFE").mkdir()
    with pytest.raises(ProductNotFoundError, match=r"sentinel2_stack\(folder, grid="):
        kr.open_stack(tmp_path)


def test_files_of_all_threads_are_closed_before_the_interpreter_goes(tmp_path):
    write(tmp_path / "20230101_vv.tif", image(1))
    source, done, opened = kr.open_stack(tmp_path)["vv"].data.lazy, threading.Event(), []

    def work():
        source.read((slice(0, 1), slice(0, 4), slice(0, 4)))
        opened.extend(rasterfile.open_files._kept.datasets.values())
        ready.set()
        done.wait(10)

    ready, thread = threading.Event(), threading.Thread(target=work)
    thread.start()
    assert ready.wait(10)
    assert [dataset.closed for dataset in opened] == [False]
    rasterfile.close_files()
    assert [dataset.closed for dataset in opened] == [True]
    done.set()
    thread.join()
    assert source.read((slice(0, 1), slice(0, 4), slice(0, 4))).shape == (1, 4, 4)


def test_variables_of_a_zarr_store_have_an_order(tmp_path):
    ds = stored(["2023-01-01"])[["vv"]]
    for name in ("vh", "swir16", "red", "zeta", "blue", "alpha"):
        ds[name] = ds["vv"]
    back = kr.open_stack(save(ds, tmp_path / "stack.zarr"))
    assert list(back.data_vars) == ["vv", "vh", "blue", "red", "swir16", "alpha", "zeta"]


def test_damaged_or_odd_stores_are_named(tmp_path):
    path = save(stored(["2023-01-01"]), tmp_path / "stack.nc")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ProductError, match=r"stack\.nc"):
        kr.open_stack(path)
    (tmp_path / "old.nc").write_bytes(b"CDF\x01" + bytes(3))
    with pytest.raises(ProductError, match=r"old\.nc"):
        kr.open_stack(tmp_path / "old.nc")
    with pytest.raises(InvalidInputError, match=r"want .*time"):
        kr.open_stack(save(stored(["2023-01-01"]).isel(time=0, drop=True), tmp_path / "flat.nc"))
    undated = stored(["2023-01-01"]).drop_vars("time")
    with pytest.raises(InvalidInputError, match=r"has no dates"):
        kr.open_stack(save(undated, tmp_path / "undated.zarr"))
    with pytest.raises(InvalidInputError, match=r"^pattern"):
        kr.open_stack(tmp_path / "undated.zarr", pattern="(?P<date>.*)")
    with pytest.raises(InvalidInputError, match=r"^chunks"):
        kr.open_stack(save(stored(["2023-01-01"]), tmp_path / "sound.zarr"), chunks={"row": 5})


def test_netcdf_3_is_read_with_its_unsigned_numbers(tmp_path):
    numbers = np.array([0, 1, 32767, 32768, 65535, 7], np.uint16).reshape(1, 2, 3)
    ds = stored(["2023-01-01"]).isel(y=slice(2), x=slice(3))[["vv"]]
    ds["red"] = (("time", "y", "x"), numbers.view(np.int16), {"_Unsigned": "true"})
    ds.drop_attrs().assign(red=ds["red"]).to_netcdf(tmp_path / "old.nc", engine="scipy", format="NETCDF3_CLASSIC")
    back = kr.open_stack(tmp_path / "old.nc")
    assert (back["red"].dtype, back["vv"].dtype) == (np.uint16, ds["vv"].dtype)
    assert back["red"].dtype.isnative
    np.testing.assert_array_equal(back["red"].compute(scheduler="threads").values, numbers)
    np.testing.assert_array_equal(back["vv"].values, ds["vv"].values)


def test_real_monthly_stack_equals_what_xarray_reads(samples):
    path = samples / "s1-stack-monthly-worldcereal" / "worldcereal_preprocessed_inputs.nc"
    if not path.exists():
        pytest.skip("no monthly stack among the samples")
    ds = kr.open_stack(path)
    assert ds.sizes == {"time": 12, "y": 100, "x": 100}
    assert str(ds["time"].values[0])[:10] == "2020-11-01"
    assert ds.odc.geobox.crs.to_epsg() == 32631
    reference = xr.open_dataset(path, engine="h5netcdf")
    for name in ("S1-SIGMA0-VV", "S1-SIGMA0-VH", "elevation", "S2-L2A-B04"):
        assert ds[name].dtype == np.uint16
        np.testing.assert_array_equal(ds[name].values, reference[name].values)
    # from the folder's own description of the file
    assert int(ds["S1-SIGMA0-VV"].min()) == 1435
    assert int(ds["S1-SIGMA0-VV"].max()) == 28592
