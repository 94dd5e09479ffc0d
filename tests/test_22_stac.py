"""`open_stac` on local catalogues: real Sentinel-2 items and pixels, real backscatter, and items of each kind of catalogue."""

from __future__ import annotations

import json
import pickle
import sys
import warnings

import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.geom import box

import kararaster as kr
from kararaster.blocks import lazy_of
from kararaster.errors import (
    GeometryError,
    InvalidInputError,
    InvalidTypeError,
    KararasterError,
    OffsetWarning,
    ProductError,
    ProductNotFoundError,
    UnitsError,
    UnsupportedProductError,
)

GRID = GeoBox((60, 70), Affine(20, 0, 640_000, 0, -20, 4_410_000), "EPSG:32638")
RED = (np.random.default_rng(5).integers(300, 4000, GRID.shape)).astype(np.uint16)


def write(path, pixels, *, grid=GRID, nodata=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "count": 1, "dtype": pixels.dtype, "crs": str(grid.crs), "transform": grid.affine}
    with rasterio.open(path, "w", height=pixels.shape[0], width=pixels.shape[1], nodata=nodata, **profile) as file:
        file.write(pixels, 1)
    return str(path)


def item(name, assets, *, time="2023-09-05T07:36:21.024Z", grid=GRID, collection="sentinel-2-l2a", **properties):
    """A STAC item as a dict; `assets`: key to href, or to the fields of an asset."""
    platform = "sentinel-2a" if "sentinel-2" in collection else "SENTINEL-1A"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": collection,
        "geometry": box(*grid.boundingbox.bbox, grid.crs).to_crs("EPSG:4326").json,
        "bbox": list(grid.footprint("EPSG:4326").boundingbox.bbox),
        "properties": {"datetime": time, "platform": platform, **properties},
        "links": [],
        "assets": {key: {"href": value} if isinstance(value, str) else value for key, value in assets.items()},
    }


def optical(folder, name, pixels, *, keys=("red",), raster=None, **options):
    assets = {}
    for key in keys:
        assets[key] = {"href": write(folder / name / f"{key}.tif", pixels, grid=options.get("grid", GRID))}
        if raster is not None:
            assets[key]["raster:bands"] = [raster]
    return item(name, assets, **options)


@pytest.fixture(scope="module")
def alps(samples, tmp_path_factory):
    """Five real items whose links lead to their pixels, which are twelve times coarser than the items say."""
    folder, paths = tmp_path_factory.mktemp("alps"), []
    grid = GeoBox((915, 915), Affine(120, 0, 499_980, 0, -120, 5_200_020), "EPSG:32633")
    for path in sorted((samples / "s2-l2a-5dates-33TWM").glob("*/*.json")):
        content = json.loads(path.read_text())
        kept = {}
        for key, file in (("red", "B04"), ("nir", "B08"), ("scl", "SCL")):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
                with rasterio.open(path.with_name(f"{file}.tif")) as source:
                    pixels = source.read(1)
            write(folder / path.stem / f"{file}.tif", pixels, grid=grid)
            kept[key] = content["assets"][key]
            for wrong in ("proj:shape", "proj:transform"):
                del kept[key][wrong]
        content |= {"assets": kept, "links": []}
        paths.append(folder / path.stem / path.name)
        paths[-1].write_text(json.dumps(content))
    return grid, paths


def pixels_of(path, file):
    with rasterio.open(path.with_name(f"{file}.tif")) as source:
        return source.read(1)


def test_real_items_with_a_contradiction_in_them(alps):
    """They say `earthsearch:boa_offset_applied` and, in raster:bands, an offset of -0.1; the pixels have it applied."""
    grid, paths = alps
    content = json.loads(paths[0].read_text())
    assert content["properties"]["earthsearch:boa_offset_applied"] is True
    assert content["assets"]["red"]["raster:bands"][0]["offset"] == -0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error", OffsetWarning)
        stack = kr.open_stac(paths, grid=grid)
    assert list(stack.data_vars) == ["red", "nir", "scl"]
    assert stack["red"].dtype == np.uint16
    assert stack["red"].attrs["add_offset"] == 0
    assert stack["boa_offset_applied"].values.all()
    assert (stack["boa_add_offset"].values == 0).all()
    by_time = sorted(paths, key=lambda path: path.name[10:18])
    np.testing.assert_array_equal(stack["red"].values, [pixels_of(path, "B04") for path in by_time])
    np.testing.assert_array_equal(stack["scl"].values, [pixels_of(path, "SCL") for path in by_time])
    assert stack["platform"].values.tolist() == [
        "sentinel-2b", "sentinel-2b", "sentinel-2a", "sentinel-2a", "sentinel-2b",
    ]  # fmt: skip
    assert set(stack["mgrs_tile"].values) == {"33TWM"}
    assert set(stack["processing_baseline"].values) == {"05.09"}
    times = ["2023-08-10T09:57:57.166", "2023-08-13T10:07:53.782", "2023-08-15T09:57:57.246"]
    np.testing.assert_array_equal(stack["time"].values[:3], np.array(times, "datetime64[ns]"))


def test_ndvi_of_real_items_against_numpy(alps):
    grid, paths = alps
    ndvi = kr.ndvi(kr.open_stac(paths[0], grid=grid, bands=("red", "nir"))).values[0]
    red, nir = (pixels_of(paths[0], file).astype(np.float64) for file in ("B04", "B08"))
    valid = (red > 0) & (nir > 0) & (red < 65535) & (nir < 65535)
    expected = np.where(valid, (nir - red) / np.where(valid, nir + red, 1), np.nan)
    np.testing.assert_allclose(ndvi, expected, rtol=0, atol=2e-6)
    assert 0.3 < np.nanmedian(ndvi) < 0.95


def test_a_wrong_statement_about_real_pixels_is_noticed(alps):
    grid, paths = alps
    content = json.loads(paths[0].read_text())
    content["properties"]["earthsearch:boa_offset_applied"] = False
    for asset in content["assets"].values():
        asset["href"] = str(paths[0].with_name(asset["href"]))
    with pytest.warns(OffsetWarning, match=rf"{content['id']}: .* no offset in them, though -1000"):
        stack = kr.open_stac(content, grid=grid)
    assert stack["boa_add_offset"].values.tolist() == [-1000]
    assert stack["red"].attrs["add_offset"] == -0.1


def test_all_ways_to_hand_over_items(alps, tmp_path):
    grid, paths = alps
    coarse, paths = grid.zoom_out(8), paths[:2]
    expected = kr.open_stac(paths, grid=coarse, bands=["red"]).load()
    items = [pystac.Item.from_file(str(path)) for path in paths]
    collection = pystac.ItemCollection(items)
    for one in items:
        one.make_asset_hrefs_absolute()
    saved = tmp_path / "items.json"
    collection.save_object(str(saved))
    catalog = pystac.Catalog("local", "test")
    catalog.add_items(items)
    catalog.normalize_and_save(str(tmp_path / "catalog"), pystac.CatalogType.SELF_CONTAINED)
    ways = (items, iter(items), collection, collection.to_dict(), catalog, saved, tmp_path / "catalog" / "catalog.json")
    for way in ways:
        np.testing.assert_array_equal(
            kr.open_stac(way, grid=coarse, bands=["red"])["red"].values, expected["red"].values
        )


def test_the_names_of_assets_in_three_catalogues(tmp_path):
    earth_search = optical(tmp_path, "a", RED, keys=("red", "red-jp2"), **{"s2:processing_baseline": "02.14"})
    planetary = optical(tmp_path, "b", RED, keys=("B04", "B8A"), **{"s2:processing_baseline": "02.14"})
    data_space = optical(tmp_path, "c", RED, keys=("B04_20m", "B04_10m", "SCL_20m"), **{"processing:version": "02.14"})
    for content, bands in ((earth_search, ["red"]), (planetary, ["red", "nir08"]), (data_space, ["red", "scl"])):
        stack = kr.open_stac(content, grid=GRID)
        assert list(stack.data_vars) == bands
        np.testing.assert_array_equal(stack["red"].values[0], RED)
    assert kr.open_stac(data_space, grid=GRID)["scl"].dtype == np.uint8


@pytest.mark.parametrize(
    ("properties", "raster", "offset", "applied"),
    [
        ({"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True}, {"offset": -0.1, "scale": 1e-4}, 0, True),
        ({"earthsearch:boa_offset_applied": False}, {"offset": -0.1, "scale": 1e-4}, -1000, False),
        ({"s2:processing_baseline": "04.00"}, None, -1000, False),
        ({"s2:processing_baseline": "03.01"}, None, 0, False),
        ({"processing:version": "05.11"}, {"offset": -0.1, "scale": 1e-4}, -1000, False),
        ({"s2:processing_baseline": "05.11"}, {"offset": 0, "scale": 1e-4}, 0, False),
    ],
    ids=["applied", "not applied", "baseline 4", "baseline 3", "raster", "raster says none"],
)  # fmt: skip
@pytest.mark.parametrize("time", ["2019-01-01T07:36:21Z", "2024-01-01T07:36:21Z"])
def test_where_the_offset_comes_from(tmp_path, properties, raster, offset, applied, time):
    stack = kr.open_stac(optical(tmp_path, "a", RED, raster=raster, time=time, **properties), grid=GRID)
    assert stack["boa_add_offset"].values.tolist() == [offset]
    assert stack["boa_offset_applied"].values.tolist() == [applied]
    assert stack["red"].attrs["add_offset"] == offset / 10_000
    reflectance = kr.reflectance(stack)["red"].values[0]
    np.testing.assert_allclose(reflectance, (RED + np.float64(offset)) * 1e-4, rtol=0, atol=1e-7)


def test_the_words_of_stac_1_1(tmp_path):
    content = optical(tmp_path, "a", RED)
    content["stac_version"] = "1.1.0"
    content["assets"]["red"] |= {"bands": [{"name": "B04"}], "raster:scale": 1e-4, "raster:offset": -0.1}
    assert kr.open_stac(content, grid=GRID)["boa_add_offset"].values.tolist() == [-1000]


def test_items_with_different_offsets_get_one_encoding(tmp_path):
    """The same ground three times: before baseline 04.00, with the offset in it, and with the offset applied already."""
    pending = optical(
        tmp_path, "b", RED + np.uint16(1000), time="2022-06-01T07:36:21Z", **{"s2:processing_baseline": "04.00"}
    )
    old = optical(tmp_path, "a", RED, time="2021-06-01T07:36:21Z", **{"s2:processing_baseline": "03.01"})
    done = optical(
        tmp_path, "c", RED, time="2023-06-01T07:36:21Z",
        **{"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True},
    )  # fmt: skip
    stack = kr.open_stac([pending, done, old], grid=GRID)
    assert stack["boa_add_offset"].values.tolist() == [-1000, -1000, -1000]
    assert stack["boa_offset_applied"].values.tolist() == [False, False, False]
    for date in range(3):
        np.testing.assert_array_equal(stack["red"].values[date], RED + 1000)
    reflectance = kr.reflectance(stack)["red"].values
    np.testing.assert_allclose(reflectance, np.broadcast_to(RED * 1e-4, reflectance.shape), rtol=0, atol=1e-7)


@pytest.mark.parametrize("key", ["s2:datatake_id", "eopf:datatake_id"])
def test_tiles_of_a_datatake_are_one_date_and_the_later_baseline_wins(tmp_path, key):
    """Both cross midnight: grouping by day would part them."""
    take = {key: "GS2A_20230905T235950_042547_N05.09"}
    west, east = RED.copy(), (RED + 7).astype(np.uint16)
    west[:, 40:], east[:, :20] = 0, 0
    old = optical(tmp_path, "w0", west + np.uint16(3), time="2023-09-05T23:59:59Z", **take,
                  **{"s2:processing_baseline": "05.09", "s2:mgrs_tile": "38TPK"})  # fmt: skip
    new = optical(tmp_path, "w1", west, time="2023-09-05T23:59:59Z", **take,
                  **{"s2:processing_baseline": "05.10", "s2:mgrs_tile": "38TPK"})  # fmt: skip
    other = optical(tmp_path, "e", east, time="2023-09-06T00:00:04Z", **take,
                    **{"s2:processing_baseline": "05.10", "grid:code": "MGRS-38TQK"})  # fmt: skip
    stack = kr.open_stac([other, old, new], grid=GRID)
    assert stack.sizes["time"] == 1
    assert stack["mgrs_tile"].values.tolist() == ["38TPK+38TQK"]
    np.testing.assert_array_equal(stack["red"].values[0], np.where(west > 0, west, east))
    assert "left out for a later baseline: w0" in stack.history


def test_two_passes_on_one_day_stay_two_dates(tmp_path):
    first = optical(tmp_path, "a", RED, time="2023-09-05T07:36:21Z", **{"s2:processing_baseline": "03.01"})
    second = optical(tmp_path, "b", RED, time="2023-09-05T07:46:21Z", **{"s2:processing_baseline": "03.01"})
    assert kr.open_stac([second, first], grid=GRID)["time"].values.tolist() == sorted(
        np.array(["2023-09-05T07:36:21", "2023-09-05T07:46:21"], "datetime64[ns]").tolist()
    )


@pytest.fixture(scope="module")
def backscatter(samples, tmp_path_factory):
    """Real gamma nought in linear power, two slices of one pass of 512 columns, nodata stated by the item only."""
    folder, images = tmp_path_factory.mktemp("backscatter"), {}
    for band in ("VV", "VH"):
        with rasterio.open(samples / "s1-backscatter-crops" / f"germany-czech_{band}.tif") as file:
            images[band.lower()] = (10 ** (file.read(1) / 10)).astype(np.float32)
            whole = GeoBox(images["vv"].shape, file.transform, str(file.crs))
    slices = []
    for number, rows in enumerate((slice(0, 300), slice(280, 512))):
        grid, assets = whole[rows, :], {}
        for band, image in images.items():
            pixels = image[rows].copy()
            pixels[:5] = -32768
            href = write(folder / f"{number}" / f"{band}.tif", pixels, grid=grid)
            assets[band] = {"href": href, "raster:bands": [{"nodata": -32768, "data_type": "float32"}]}
        slices.append(
            item(f"slice-{number}", assets, grid=grid, collection="sentinel-1-rtc", time=f"2021-03-04T05:17:{number}5Z", **{
                "sat:relative_orbit": 95, "sat:absolute_orbit": 36848, "sat:orbit_state": "descending",
                "s1:datatake_id": "284123", "sar:product_type": "GRD",
            })
        )  # fmt: skip
    return whole, images, slices


def test_slices_of_a_radar_pass_are_one_date(backscatter):
    whole, images, slices = backscatter
    stack = kr.open_stac(slices, grid=whole)
    assert stack.sizes["time"] == 1
    assert stack["time"].values[0] == np.datetime64("2021-03-04T05:17:05")
    for band, image in images.items():
        expected = image.copy()
        expected[:5] = np.nan
        assert stack[band].dtype == np.float32
        np.testing.assert_array_equal(stack[band].values[0], expected)
        attrs = stack[band].attrs
        assert (attrs["quantity"], attrs["units"], attrs["polarization"]) == ("gamma0_rtc", "1", band.upper())
        assert "_FillValue" not in attrs
    coords = {
        name: stack[name].values.tolist() for name in ("relative_orbit", "absolute_orbit", "orbit_state", "datatake_id")
    }
    assert coords == {
        "relative_orbit": [95], "absolute_orbit": [36848], "orbit_state": ["descending"], "datatake_id": ["284123"],
    }  # fmt: skip
    assert stack["platform"].values.tolist() == ["sentinel-1a"]
    decibel = stack.kara.to_db()["vv"].values
    np.testing.assert_allclose(np.nanmean(decibel), 10 * np.log10(images["vv"][5:]).mean(), atol=1e-3)


def test_radar_passes_without_datatake_are_told_apart_by_their_orbit(backscatter):
    whole, _, slices = backscatter
    unnamed = [json.loads(json.dumps(one)) for one in slices]
    for one in unnamed:
        del one["properties"]["s1:datatake_id"]
    assert kr.open_stac(unnamed, grid=whole).sizes["time"] == 1
    unnamed[1]["properties"] |= {"sat:absolute_orbit": 36849}
    assert kr.open_stac(unnamed, grid=whole).sizes["time"] == 2


def test_only_what_every_slice_states_becomes_a_coordinate(backscatter):
    whole, _, slices = backscatter
    less = [json.loads(json.dumps(one)) for one in slices]
    del less[1]["properties"]["sat:orbit_state"]
    assert "orbit_state" not in kr.open_stac(less, grid=whole).coords
    less[1]["properties"] |= {"sat:relative_orbit": 96}
    with pytest.raises(
        InvalidInputError, match=r"slice-0, slice-1: parts of one pass, but relative_orbit is \[95, 96\]"
    ):
        kr.open_stac(less, grid=whole)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """An item of another zone, on a grid of more than one tile of reading."""
    folder = tmp_path_factory.mktemp("large")
    pixels = np.random.default_rng(3).integers(1, 9000, (1300, 1400)).astype(np.uint16)
    source = GeoBox(pixels.shape, Affine(20, 0, 640_000, 0, -20, 4_410_000), "EPSG:32638")
    content = optical(folder, "a", pixels, grid=source, **{"s2:processing_baseline": "03.01"})
    grid = GeoBox((1100, 1060), Affine(20, 0, 126_000, 0, -20, 4_417_000), "EPSG:32639")
    stack = kr.open_stac(content, grid=grid)
    whole = stack["red"].values
    assert (whole > 0).mean() > 0.5
    return stack, whole


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_window_is_that_part_of_the_whole(large, data):
    stack, whole = large
    rows, columns = (data.draw(st.tuples(st.integers(0, n - 1), st.integers(1, 400))) for n in whole.shape[1:])
    window = {"y": slice(rows[0], sum(rows)), "x": slice(columns[0], sum(columns))}
    np.testing.assert_array_equal(stack["red"].isel(window).values, whole[:, window["y"], window["x"]])


def test_nothing_is_read_before_it_is_asked_for(tmp_path, no_compute):
    content = optical(tmp_path, "a", RED, **{"s2:processing_baseline": "03.01"})
    stack = kr.open_stac(content, grid=GRID, chunks={"y": 25})
    assert stack["red"].chunks == ((1,), (25, 25, 10), (70,))
    assert lazy_of(stack["red"].data) is not None
    part = pickle.loads(pickle.dumps(stack))["red"].isel(y=slice(20, 30), x=slice(3, 9)).data
    np.testing.assert_array_equal(part.compute(scheduler="threads")[0], RED[20:30, 3:9])


def test_items_beside_the_grid_are_left_out(tmp_path):
    away = GeoBox(GRID.shape, GRID.affine * Affine.translation(500, 0), GRID.crs)
    here = optical(tmp_path, "a", RED, **{"s2:processing_baseline": "03.01"})
    there = optical(tmp_path, "b", RED, grid=away, time="2023-10-05T07:36:21Z", **{"s2:processing_baseline": "03.01"})
    stack = kr.open_stac([here, there], grid=GRID)
    assert stack.sizes["time"] == 1
    assert stack.history == "open_stac: 1 of 2 items"
    with pytest.raises(GeometryError, match=r"empty overlap, none of the 1 items .* in EPSG:32638"):
        kr.open_stac([there], grid=GRID)


def test_refusals_of_items(tmp_path):
    good = optical(tmp_path, "a", RED, **{"s2:processing_baseline": "03.01"})
    silent = optical(tmp_path, "silent", RED)
    grd = item("grd", {"vv": "x.tif"}, collection="sentinel-1-grd", **{"sar:product_type": "GRD"})
    scaled = optical(tmp_path, "scaled", RED, raster={"scale": 1e-3, "offset": 0})
    decibel = item("db", {"vv": {"href": "x.tif", "raster:bands": [{"unit": "dB"}]}}, collection="sentinel-1-rtc")
    landsat = item("l8", {"red": "x.tif"}, collection="landsat-c2-l2")
    landsat["properties"]["platform"] = "landsat-8"
    timeless = item("timeless", {"red": "x.tif"}, time=None)
    rtc = item("rtc", {"vv": "x.tif"}, collection="sentinel-1-rtc")
    for items, error, message in (
        ([], ProductNotFoundError, "items: got none"),
        (tmp_path / "no.json", ProductNotFoundError, "not a readable STAC file"),
        (3, InvalidTypeError, "items: got int"),
        (timeless, ProductError, "timeless is not a valid STAC item"),
        ({"type": "Nonsense"}, InvalidInputError, "JSON of type 'Nonsense'"),
        (silent, ProductError, "silent: states neither an offset .* nor a processing baseline"),
        (scaled, UnsupportedProductError, "scaled: red has the scale 0.001, want 0.0001"),
        (grd, UnsupportedProductError, "grd: got GRD .* want radiometrically terrain corrected"),
        (decibel, UnitsError, "db: vv is in decibel, want linear power"),
        (landsat, UnsupportedProductError, "l8: got platform 'landsat-8'"),
        ([good, rtc], InvalidInputError, r"got Sentinel-2 \(a\) and Sentinel-1 \(rtc\)"),
        (item("toa", {"red": "x.tif"}, collection="sentinel-2-l1c"), UnsupportedProductError, "toa: is level 1C"),
    ):
        with pytest.raises(error, match=message):
            kr.open_stac(items, grid=GRID)


def test_refusals_of_arguments(tmp_path, monkeypatch):
    good = optical(tmp_path, "a", RED, **{"s2:processing_baseline": "03.01"})
    with pytest.raises(InvalidTypeError, match="grid: got NoneType"):
        kr.open_stac(good, grid=None)
    with pytest.raises(InvalidTypeError, match="bands: got the string 'red'"):
        kr.open_stac(good, grid=GRID, bands="red")
    with pytest.raises(InvalidInputError, match=r"bands: a has no nir \(assets: red\); want some of \['red'\]"):
        kr.open_stac(good, grid=GRID, bands=["nir"])
    with pytest.raises(InvalidInputError, match="bands: got none"):
        kr.open_stac(good, grid=GRID, bands=[])
    monkeypatch.setitem(sys.modules, "odc.stac", None)
    with pytest.raises(KararasterError, match=r"pip install 'kararaster\[stac\]'"):
        kr.open_stac(good, grid=GRID)


def test_jpeg2000_that_was_cut_off(tmp_path):
    """Threads of GDAL would swallow the error and hand out zeros."""
    path = tmp_path / "red.jp2"
    pixels = np.random.default_rng(2).integers(1, 4000, (512, 512)).astype(np.uint16)
    grid = GeoBox(pixels.shape, GRID.affine, GRID.crs)
    options = {"driver": "JP2OpenJPEG", "count": 1, "dtype": "uint16", "crs": str(GRID.crs), "transform": GRID.affine}
    options |= {"QUALITY": 100, "REVERSIBLE": "YES", "BLOCKXSIZE": 128, "BLOCKYSIZE": 128}
    with rasterio.open(path, "w", height=512, width=512, **options) as file:
        file.write(pixels, 1)
    content = item("cut", {"red": str(path)}, grid=grid, **{"s2:processing_baseline": "03.01"})
    np.testing.assert_array_equal(kr.open_stac(content, grid=grid)["red"].values[0], pixels)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ProductError, match=r"cut: red cannot be read from .*red\.jp2"):
        kr.open_stac(content, grid=grid).load()


def test_a_link_that_leads_nowhere_is_named_when_it_is_read(tmp_path):
    content = item("gone", {"red": str(tmp_path / "gone.tif")}, **{"s2:processing_baseline": "03.01"})
    content["assets"]["scl"] = {"href": str(tmp_path / "gone too.tif")}  # the offset is checked on red and scl
    stack = kr.open_stac(content, grid=GRID)
    with pytest.raises(ProductError, match=r"gone: red cannot be read from .*gone\.tif"):
        stack["red"].load()
