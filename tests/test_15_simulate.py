"""The simulator: its numbers against closed forms, scipy and its own tables."""

from __future__ import annotations

import hashlib
import pickle
import xml.etree.ElementTree as ET
import zipfile

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kararaster import simulate
from kararaster.errors import InvalidInputError
from kararaster.simulate import looks, town
from kararaster.simulate.acquisitions import acquisitions
from kararaster.simulate.scene import SimulatedStack
from kararaster.simulate.speckle import SpeckleSheet

SIDE = 512


def sheet(enl, *, date=0, stream=1, seed=3, rows=1000, columns=1000):
    return SpeckleSheet(seed, enl).read(date, stream, slice(0, rows), slice(0, columns))


@pytest.mark.parametrize("enl", [0.5, 1.0, 4.4, 20.0, 900.0])
def test_speckle_sheet_has_the_enl_it_was_asked_for(enl):
    u = sheet(enl).astype(np.float64)
    # standard errors: 1 / sqrt(enl n) for the mean; below 1 % for the moment estimate at a million pixels
    assert u.mean() == pytest.approx(1.0, abs=5 / np.sqrt(enl * u.size))
    assert u.mean() ** 2 / u.var() == pytest.approx(enl, rel=0.02)


@pytest.mark.parametrize("enl", [1.0, 4.4])
def test_speckle_sheet_is_gamma_also_in_its_tails(enl):
    u = sheet(enl, rows=2000, columns=2000).ravel()
    gamma = stats.gamma(enl, scale=1 / enl)
    assert stats.kstest(u[:: u.size // 200_000].astype(np.float64), gamma.cdf).pvalue > 1e-3
    for p in (1e-2, 1e-3, 1e-4, 1e-5):
        # five standard deviations of a binomial count
        room = 5 * np.sqrt(p * u.size)
        assert np.count_nonzero(u < gamma.ppf(p)) == pytest.approx(p * u.size, abs=room)
        assert np.count_nonzero(u > gamma.isf(p)) == pytest.approx(p * u.size, abs=room)


def test_mean_logarithm_of_speckle_is_the_closed_form():
    # METHODS 8.1: E ln u = digamma(L) - ln L, var ln u = trigamma(L)
    logarithm = np.log(sheet(4.4).astype(np.float64))
    assert logarithm.mean() == pytest.approx(-0.11792, abs=0.003)
    assert logarithm.var() == pytest.approx(0.25504, rel=0.01)


def test_speckle_is_independent_between_dates_streams_seeds_and_neighbours():
    u = sheet(4.4)
    for other in (sheet(4.4, date=1), sheet(4.4, stream=2), sheet(4.4, seed=4)):
        assert abs(np.corrcoef(u.ravel(), other.ravel())[0, 1]) < 0.005
    assert abs(np.corrcoef(u[:, 1:].ravel(), u[:, :-1].ravel())[0, 1]) < 0.005
    assert abs(np.corrcoef(u[1:].ravel(), u[:-1].ravel())[0, 1]) < 0.005


def test_plain_speckle_has_unit_mean_and_enl():
    u = simulate.speckle((1000, 1000), enl=4.4, rng=1)
    assert u.dtype == np.float32
    assert u.mean() ** 2 / u.var() == pytest.approx(4.4, rel=0.02)
    np.testing.assert_array_equal(u, simulate.speckle((1000, 1000), enl=4.4, rng=np.random.default_rng(1)))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_correlation_between_polarisations(correlation):
    ds = simulate.stack(shape=(SIDE, SIDE), dates_pre=1, dates_post=0, relative_orbits=(174,), correlation=correlation)
    water = simulate.truth(shape=(SIDE, SIDE))["land_cover"].values == town.Cover.WATER
    vv, vh = (ds[name].values[0][water] for name in ("vv", "vh"))
    room = 4 / np.sqrt(vv.size)
    assert np.corrcoef(vv, vh)[0, 1] == pytest.approx(correlation, abs=room)
    assert vh.mean() ** 2 / vh.var() == pytest.approx(4.4, rel=0.15)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_window_has_the_bytes_of_the_whole(data):
    shape = (300, 290)
    levels = looks.backscatter(orbit=0, day_of_year=10, after=False)[:1].repeat(3, axis=0)
    source = SimulatedStack(town.Town(shape, 5), levels, 5, ((0, 2.2), (1, 2.2)))
    whole = source.read(source.whole())
    window = []
    for n in source.shape:
        start = data.draw(st.integers(0, n - 1))
        window.append(slice(start, data.draw(st.integers(start + 1, n))))
    part = source.read(tuple(window))
    assert part.tobytes() == np.ascontiguousarray(whole[tuple(window)]).tobytes()


def test_chunked_stack_is_lazy_pickles_and_has_the_bytes_of_the_plain_one(no_compute):
    options = {"shape": (200, 333), "dates_pre": 2, "dates_post": 1, "seed": 7}
    lazy = simulate.stack(**options, chunks={"time": 1, "y": 70, "x": 128})
    assert lazy["vv"].chunks == ((1,) * 6, (70, 70, 60), (128, 128, 77))
    restored = pickle.loads(pickle.dumps(lazy))
    plain = simulate.stack(**options)
    for name in ("vv", "vh"):
        computed = restored[name].data.compute(scheduler="threads")
        assert computed.tobytes() == plain[name].values.tobytes()


def test_backscatter_of_a_cover_is_what_its_table_says():
    ds = simulate.stack(shape=(SIDE, SIDE), dates_pre=3, dates_post=1)
    water = simulate.truth(shape=(SIDE, SIDE))["land_cover"].values == town.Cover.WATER
    for orbit, index in ((174, 0), (123, 1)):
        table = looks.backscatter(orbit=index, day_of_year=0, after=False)[:, town.WATER]
        measured = [ds[b].values[ds["relative_orbit"].values == orbit][:, water].mean() for b in ("vv", "vh")]
        np.testing.assert_allclose(measured, table, rtol=0.02)


def test_truth_is_consistent_and_covers_everything():
    truth = simulate.truth(shape=(SIDE, SIDE))
    cover, kind = truth["land_cover"].values, truth["kind"].values
    assert set(np.unique(cover)) == {int(c) for c in town.Cover}
    assert set(np.unique(kind)) == {int(k) for k in town.Kind}
    np.testing.assert_array_equal(truth["changed"].values, kind > 0)
    assert set(cover[kind == town.Kind.BUILDING_DESTROYED]) == {town.Cover.BUILDING}
    assert set(cover[kind == town.Kind.BUILDING_NEW]) == {town.Cover.FIELD}
    assert 0.002 < (kind > 0).mean() < 0.05
    assert 0.04 < np.isin(cover, (town.Cover.TOWN, town.Cover.BUILDING)).mean() < 0.2
    assert not simulate.truth(shape=(SIDE, SIDE), changes=False)["changed"].values.any()


@pytest.mark.parametrize("changes", [True, False])
def test_changes_happen_at_the_event_where_the_truth_says(changes):
    ds = simulate.stack(shape=(SIDE, SIDE), dates_pre=5, dates_post=5, relative_orbits=(174,), changes=changes)
    kind = simulate.truth(shape=(SIDE, SIDE))["kind"].values
    after = ds["time"].values >= np.datetime64("2023-09-19")
    vv = ds["vv"].values
    rise = {k: 10 * np.log10(vv[after][:, kind == k].mean() / vv[~after][:, kind == k].mean()) for k in town.Kind}
    assert rise[town.Kind.NONE] == pytest.approx(0.0, abs=0.1)
    if changes:
        assert rise[town.Kind.BUILDING_NEW] > 8
        assert rise[town.Kind.BUILDING_DESTROYED] < -3
        assert rise[town.Kind.GROUND_CLEARED] < -2
    else:
        assert max(abs(r) for r in rise.values()) < 0.4


def test_acquisitions_repeat_every_twelve_days_and_orbits_agree():
    dates = acquisitions(event="2023-09-19", dates_pre=30, dates_post=5, relative_orbits=(174, 123, 72))
    assert np.all(np.diff(dates.time) > np.timedelta64(0, "ns"))
    np.testing.assert_array_equal((dates.absolute_orbit - 73) % 175 + 1, dates.relative_orbit)
    # 175 orbits in 12 days; descending passes come a part of an orbit later
    since, orbits = dates.time - dates.time[0], dates.absolute_orbit - dates.absolute_orbit[0]
    assert np.all(np.diff(orbits) > 0)
    np.testing.assert_allclose(since / np.timedelta64(12, "D") * 175, orbits, rtol=0, atol=0.5)
    times_of_day = set()
    for orbit in (174, 123, 72):
        mine = dates.time[dates.relative_orbit == orbit]
        assert mine.size == 35
        assert np.count_nonzero(mine < np.datetime64("2023-09-19")) == 30
        assert set(np.diff(mine)) == {np.timedelta64(12, "D")}
        times_of_day.add((mine[0] - mine[0].astype("datetime64[D]")).astype("timedelta64[m]").astype(int))
    assert len(times_of_day) == 3
    state = dates.coords()["orbit_state"].values
    assert set(state[dates.relative_orbit == 123]) == {"descending"}


def test_grid_lies_around_the_town():
    box = simulate.truth(shape=(300, 200)).odc.geobox
    assert box.crs.to_epsg() == 32638
    assert box.shape == (300, 200)
    assert abs(box.affine.a) == 10
    west, south, east, north = box.geographic_extent.boundingbox
    assert (west + east) / 2 == pytest.approx(46.75, abs=2e-3)
    assert (south + north) / 2 == pytest.approx(39.82, abs=2e-3)


def test_optical_numbers_are_the_reflectance_of_the_table():
    ds = simulate.optical(shape=(SIDE, SIDE))
    kind = simulate.truth(shape=(SIDE, SIDE))["kind"].values
    cleared = kind == town.Kind.GROUND_CLEARED
    assert ds["nir"].dtype == np.uint16
    assert ds["nir"].attrs == {
        "scale_factor": 1e-4,
        "add_offset": -0.1,
        "_FillValue": 0,
        "saturated_value": 65535,
        "quantity": "surface_reflectance",
    }
    assert ds["boa_add_offset"].values.tolist() == [-1000, -1000]
    assert not ds["boa_offset_applied"].values.any()
    assert set(ds["processing_baseline"].values) == {"05.11"}
    assert all(int(ds[name].min()) > 0 for name in ds.data_vars)
    red, nir = (ds[name].values[1][cleared].mean() * 1e-4 - 0.1 for name in ("red", "nir"))
    table = looks.reflectance(day_of_year=277, after=True)[:, town.CLEARED * town.VARIANTS]
    assert red == pytest.approx(table[looks.OPTICAL_BANDS.index("red")], rel=0.01)
    assert nir == pytest.approx(table[looks.OPTICAL_BANDS.index("nir")], rel=0.01)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"enl": 0}, "enl"),
        ({"enl": float("nan")}, "enl"),
        ({"correlation": 1.0}, "correlation"),
        ({"correlation": -0.1}, "correlation"),
        ({"shape": (0, 5)}, "shape"),
        ({"seed": -1}, "seed"),
        ({"resolution": 0}, "resolution"),
        ({"crs": 4326}, "crs"),
        ({"relative_orbits": ()}, "relative_orbits"),
        ({"relative_orbits": (174, 174)}, "relative_orbits"),
        ({"relative_orbits": (176,)}, "relative_orbits"),
        ({"dates_pre": -1}, "dates_pre"),
        ({"dates_pre": 0, "dates_post": 0}, "dates_pre"),
        ({"event": "yesterday"}, "event"),
        ({"chunks": {"row": 5}}, "chunks"),
    ],
)
def test_bad_arguments_are_named(options, name):
    with pytest.raises(InvalidInputError, match=rf"^{name}"):
        simulate.stack(**{"shape": (8, 8), "dates_pre": 1, "dates_post": 0, **options})


def test_optical_dates_must_rise():
    with pytest.raises(InvalidInputError, match=r"^dates"):
        simulate.optical(shape=(8, 8), dates=("2023-10-05", "2023-09-05"))


def test_optical_classes_are_those_of_the_ground():
    ds = simulate.optical(shape=(SIDE, SIDE), bands=("scl", "red", "nir"))
    red, nir = (ds[name].values[0] * 1e-4 - 0.1 for name in ("red", "nir"))
    scl, cover = ds["scl"].values[0], simulate.truth(shape=(SIDE, SIDE))["land_cover"].values
    assert ds["scl"].dtype == np.uint8
    np.testing.assert_array_equal(scl == 6, cover == town.Cover.WATER)
    ndvi = (nir - red) / (nir + red)
    # noise of 3.3 % in both bands moves NDVI by at most 0.08 (five standard deviations)
    assert ndvi[scl == 4].min() > 0.32
    assert ndvi[scl == 5].max() < 0.48
    with pytest.raises(InvalidInputError, match=r"^bands"):
        simulate.optical(shape=(8, 8), bands=("pan",))


def images(product):
    """Pixels, transform and reference system of every image by its last two words, such as B02_10m."""
    found = {}
    for path in product.rglob("IMG_DATA/**/*"):
        if path.is_file():
            with rasterio.open(path) as file:
                found["_".join(path.stem.split("_")[2:])] = (file.read(1), file.transform, file.crs)
    return found


def metadata(product, name):
    (path,) = product.rglob(name)
    return ET.parse(path).getroot()


def texts(root, tag):
    return [element.text for element in root.iter(tag)]


@pytest.fixture(scope="module")
def cloudy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloudy")
    return simulate.sentinel2(folder, shape=(300, 240), cloud_cover=0.3, saturated=0.01, outside=0.1)


def test_sentinel2_files_have_the_names_of_real_products(cloudy):
    assert cloudy.name == "S2A_MSIL2A_20230905T073621_N0511_R092_T38TPK_20230905T115811.SAFE"
    expected = {f"{band}_10m" for band in ("B02", "B03", "B04", "B08")}
    at_20 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12", "SCL")
    expected |= {f"{band}_20m" for band in at_20} | {f"{band}_60m" for band in (*at_20, "B09")}
    found = images(cloudy)
    assert set(found) == expected
    listed = texts(metadata(cloudy, "MTD_MSIL2A.xml"), "IMAGE_FILE")
    assert {str(p.relative_to(cloudy).with_suffix("")) for p in cloudy.rglob("*.jp2")} == set(listed)
    box = simulate.truth(shape=(300, 240)).odc.geobox
    for name, (pixels, transform, crs) in found.items():
        step = int(name[-3:-1]) // 10
        assert pixels.shape == (300 // step, 240 // step)
        assert transform == Affine(10 * step, 0, box.affine.c, 0, -10 * step, box.affine.f)
        assert crs.to_epsg() == 32638


def test_sentinel2_metadata_state_the_grid_and_the_shares(cloudy):
    tile = metadata(cloudy, "MTD_TL.xml")
    (left,), (top,) = ({*texts(tile, name)} for name in ("ULX", "ULY"))
    box = simulate.truth(shape=(300, 240)).odc.geobox
    assert (float(left), float(top)) == (box.affine.c, box.affine.f)
    assert texts(tile, "NROWS") == ["300", "150", "50"]
    scl = images(cloudy)["SCL_20m"][0]
    for tag, kind in (("NODATA", 0), ("SATURATED_DEFECTIVE", 1), ("VEGETATION", 4), ("HIGH_PROBA_CLOUDS", 9)):
        (percent,) = {*texts(tile, f"{tag}{'_PIXEL' if kind < 2 else ''}_PERCENTAGE")}
        assert float(percent) == pytest.approx(100 * (scl == kind).mean(), abs=1e-5)
    for entry in metadata(cloudy, "manifest.safe").iter("byteStream"):
        path = cloudy / entry.find("fileLocation").get("href")
        assert path.stat().st_size == int(entry.get("size"))
        assert hashlib.sha3_256(path.read_bytes()).hexdigest().upper() == entry.findtext("checksum")


def test_sentinel2_tags_are_found_in_real_products_too(cloudy, samples):
    real = next((samples / "s2-l2a-safe-33TVM-20241014").glob("*.SAFE"), None)
    if real is None:
        pytest.skip("the product is not among the samples")
    for name in ("MTD_MSIL2A.xml", "MTD_TL.xml"):
        ours, theirs = metadata(cloudy, name), metadata(real, name)
        assert ours.tag == theirs.tag
        assert paths_of(ours) <= paths_of(theirs)


def paths_of(element, above=""):
    """Every path of tags below `element`."""
    found = set()
    for child in element:
        path = f"{above}/{child.tag}"
        found |= {path} | paths_of(child, path)
    return found


def test_sentinel2_clouds_shadows_and_marks_are_where_scl_says(cloudy):
    found = images(cloudy)
    scl = found["SCL_20m"][0]
    inside = scl[:, 12:]
    assert np.all(scl[:, :12] == 0)
    assert np.all(inside > 0)
    assert np.isin(inside, (8, 9)).mean() == pytest.approx(0.3, abs=0.06)
    fine = scl.repeat(2, axis=0).repeat(2, axis=1)
    for name, classes in (("B04_10m", fine), ("B12_20m", scl), ("B02_20m", scl)):
        numbers = found[name][0]
        np.testing.assert_array_equal(numbers == 0, classes == 0)
        np.testing.assert_array_equal(numbers == 65535, classes == 1)
    blue = found["B02_10m"][0] / 1e4 - 0.1
    thick = blue[fine == 9]
    np.testing.assert_allclose(thick, 0.66, atol=1e-4)
    assert blue[fine == 4].max() < 0.2 < blue[fine == 8].min()
    assert np.median(blue[fine == 3]) < 0.5 * np.median(blue[fine == 4])


def test_sentinel2_numbers_are_reflectance_with_the_offset_of_the_baseline(tmp_path):
    options = {"shape": (120, 120), "bands": ("red", "swir16")}
    old, new, wrong = (
        images(simulate.sentinel2(tmp_path / name, baseline=baseline, **options, **more))
        for name, baseline, more in (
            ("old", "02.14", {}),
            ("new", "04.00", {}),
            ("wrong", "04.00", {"pixels_without_offset": True}),
        )
    )
    plain = images(simulate.sentinel2(tmp_path / "plain", baseline="04.00", driver="GTiff", **options))
    for name, (numbers, *_) in old.items():
        np.testing.assert_array_equal(new[name][0], plain[name][0])
        np.testing.assert_array_equal(new[name][0], numbers + 1000)
        np.testing.assert_array_equal(wrong[name][0], numbers)
    stated = {
        folder: texts(metadata(tmp_path / folder, "MTD_MSIL2A.xml"), "BOA_ADD_OFFSET")
        for folder in ("old", "new", "wrong")
    }
    assert stated == {"old": [], "new": ["-1000"] * 13, "wrong": ["-1000"] * 13}
    material = town.Town((120, 120), 0).materials(slice(0, 120), slice(0, 120))
    table = looks.reflectance(day_of_year=247.3, after=False)
    red = table[looks.OPTICAL_BANDS.index("red")][material]
    ratio = old["B04_10m"][0] / (1e4 * red)
    assert ratio.mean() == pytest.approx(1, abs=5 * 0.033 / 120)
    assert ratio.std() == pytest.approx(1 / 30, rel=0.05)
    mean = old["B04_10m"][0].reshape(60, 2, 60, 2).mean((1, 3))
    np.testing.assert_allclose(old["B04_20m"][0], mean, atol=1.01)


def test_sentinel2_level_1c_has_every_band_as_measured(tmp_path):
    product = simulate.sentinel2(tmp_path, shape=(60, 60), level="L1C", driver="GTiff")
    assert {name: pixels.shape[0] for name, (pixels, *_) in images(product).items()} == {
        **dict.fromkeys(("B02", "B03", "B04", "B08"), 60),
        **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 30),
        **dict.fromkeys(("B01", "B09"), 10),
    }
    root = metadata(product, "MTD_MSIL1C.xml")
    assert texts(root, "RADIO_ADD_OFFSET") == ["-1000"] * 13
    assert texts(root, "QUANTIFICATION_VALUE") == ["10000"]


def test_sentinel2_repeats_to_the_byte_and_dates_differ(tmp_path):
    options = {"shape": (120, 120), "cloud_cover": 0.4, "bands": ("red", "scl")}
    first, again = (images(simulate.sentinel2(tmp_path / name, **options)) for name in ("first", "again"))
    later = images(simulate.sentinel2(tmp_path, time="2023-09-15T07:36:21", **options))
    for name, (pixels, *_) in first.items():
        assert pixels.tobytes() == again[name][0].tobytes()
        assert np.mean(pixels != later[name][0]) > 0.1


def test_sentinel2_tiles_that_overlap_show_the_same_ground(tmp_path):
    options = {"shape": (120, 180), "bands": ("red", "scl"), "cloud_cover": 0.2}
    west, east = (
        images(simulate.sentinel2(tmp_path, tile=tile, window=window, **options))
        for tile, window in (("38TPK", np.s_[0:120, 0:120]), ("38TQK", np.s_[0:120, 60:180]))
    )
    for name in ("B04_10m", "B04_20m", "SCL_20m"):
        step = int(name[-3:-1]) // 10
        np.testing.assert_array_equal(west[name][0][:, 60 // step :], east[name][0][:, : 60 // step])
        assert east[name][1].c - west[name][1].c == 600


def test_sentinel2_archive_holds_the_folder(tmp_path):
    options = {"shape": (60, 60), "bands": ("red",), "driver": "GTiff"}
    folder, archive = simulate.sentinel2(tmp_path, **options), simulate.sentinel2(tmp_path, archive=True, **options)
    with zipfile.ZipFile(archive) as file:
        files = {name: file.read(name) for name in file.namelist() if not name.endswith("/")}
    assert files == {str(p.relative_to(tmp_path)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((folder.name, archive.name))
    with pytest.raises(InvalidInputError, match=r"^folder"):
        simulate.sentinel2(tmp_path, **options)
    before = images(folder)["B04_10m"][0]
    assert simulate.sentinel2(tmp_path, overwrite=True, **options, seed=1) == folder
    assert np.any(images(folder)["B04_10m"][0] != before)


def test_sentinel2_shows_the_changes_after_the_event(tmp_path):
    options = {"shape": (SIDE - 2, SIDE - 2), "bands": ("red", "nir"), "driver": "GTiff"}
    kind = simulate.truth(shape=options["shape"])["kind"].values
    ndvi = []
    for day in ("2023-09-05", "2023-10-05"):
        found = images(simulate.sentinel2(tmp_path, time=f"{day}T07:36:21", **options))
        red, nir = (found[name][0] / 1e4 - 0.1 for name in ("B04_10m", "B08_10m"))
        ndvi.append((nir - red) / (nir + red))
    fall = ndvi[0] - ndvi[1]
    assert fall[kind == town.Kind.GROUND_CLEARED].mean() > 0.2
    assert abs(fall[kind == town.Kind.NONE].mean()) < 0.05


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"shape": (100, 100)}, "shape"),
        ({"window": np.s_[0:30, 0:61]}, "window"),
        ({"window": np.s_[0:66, 0:60]}, "window"),
        ({"level": "L2B"}, "level"),
        ({"platform": "S1A"}, "platform"),
        ({"driver": "PNG"}, "driver"),
        ({"baseline": "5.11"}, "baseline"),
        ({"tile": "T38TPK"}, "tile"),
        ({"cloud_cover": 1.5}, "cloud_cover"),
        ({"bands": ("pan",)}, "bands"),
        ({"bands": ("scl",), "level": "L1C"}, "bands"),
        ({"time": "soon"}, "time"),
        ({"time": "NaT"}, "time"),
        ({"relative_orbit": 0}, "relative_orbit"),
        ({"crs": 4326}, "crs"),
        ({"seed": -1}, "seed"),
    ],
)
def test_sentinel2_bad_arguments_are_named(tmp_path, options, name):
    with pytest.raises(InvalidInputError, match=rf"^{name}"):
        simulate.sentinel2(tmp_path, **{"shape": (60, 60), **options})
    assert not list(tmp_path.iterdir())
