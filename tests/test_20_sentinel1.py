"""Opening Sentinel-1 GRD: every layout of names and annotation, and every kind of damage."""

from __future__ import annotations

import pickle
import re
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from kararaster import blocks
from kararaster.errors import (
    InvalidInputError,
    InvalidTypeError,
    MissingVariableError,
    ProductError,
    ProductNotFoundError,
    UnsupportedProductError,
)
from kararaster.sentinel1 import open_sentinel1
from kararaster.simulate.safe import Layout, write_safe

SAMPLES = Path(__file__).resolve().parents[1].parent / "shared" / "samples"
REAL = sorted((SAMPLES / "s1-safe-metadata").glob("*.zip"))
LINES, PIXELS = 230, 190


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_safe(tmp_path_factory.mktemp("product"), lines=LINES, samples=PIXELS)


@pytest.fixture
def copy(safe: Path, tmp_path: Path) -> Path:
    """A product that a test may damage."""
    return Path(shutil.copytree(safe, tmp_path / safe.name))


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.rglob(pattern)
    return found


def edit(path: Path, pattern: str, replacement: str, *, count: int = 1) -> None:
    text, hits = re.subn(pattern, replacement, path.read_text(), count=count, flags=re.DOTALL)
    assert hits, pattern
    path.write_text(text)


def pixels(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


# --- layouts of names -----------------------------------------------------------------------------


def as_folder(safe: Path, to: Path) -> Path:
    return safe


def as_manifest(safe: Path, to: Path) -> Path:
    return safe / "manifest.safe"


def as_zip(safe: Path, to: Path) -> Path:
    return Path(shutil.make_archive(str(to / safe.stem), "zip", safe.parent, safe.name))


def as_zip_of_contents(safe: Path, to: Path) -> Path:
    return Path(shutil.make_archive(str(to / "contents"), "zip", safe))


def as_zip_of_another_name(safe: Path, to: Path) -> Path:
    return as_zip(safe, to).rename(to / "product.download")


def as_one_flat_folder(safe: Path, to: Path) -> Path:
    for file in safe.rglob("*.*"):
        if file.is_file():
            shutil.copy(file, to / file.name)
    return to


@pytest.mark.parametrize(
    "arrange", [as_folder, as_manifest, as_zip, as_zip_of_contents, as_zip_of_another_name, as_one_flat_folder]
)
def test_same_dataset_however_the_files_lie(safe: Path, tmp_path: Path, arrange: Callable[[Path, Path], Path]) -> None:
    ds = open_sentinel1(arrange(safe, tmp_path))
    reference = open_sentinel1(safe)
    for band in ("vv", "vh"):
        expected = pixels(only(safe, f"*-{band}-*.tiff"))
        np.testing.assert_array_equal(ds[band].values, expected)
    xr.testing.assert_equal(ds.drop_vars(["vv", "vh"]), reference.drop_vars(["vv", "vh"]))


def test_flattened_cloud_names(tmp_path: Path) -> None:
    path = write_safe(tmp_path, lines=60, samples=50, flattened=True)
    assert (path / "annotation" / "iw-vv.xml").exists()
    ds = open_sentinel1(path)
    np.testing.assert_array_equal(ds.vh.values, pixels(path / "measurement" / "iw-vh.tiff"))
    assert ds.attrs["product"] == path.name


def test_without_manifest_orbit_is_computed_and_version_unknown(copy: Path) -> None:
    relative_orbit = int(open_sentinel1(copy).relative_orbit)
    (copy / "manifest.safe").unlink()
    ds = open_sentinel1(copy)
    assert int(ds.relative_orbit) == relative_orbit == 79
    assert "ipf_version" not in ds.attrs


@pytest.mark.parametrize("platform", ["S1A", "S1B", "S1C", "S1D", "S1Q"])
def test_platforms_by_pattern(tmp_path: Path, platform: str) -> None:
    ds = open_sentinel1(write_safe(tmp_path, lines=40, samples=40, platform=platform))
    assert ds.platform == f"sentinel-1{platform[2].lower()}"
    assert int(ds.relative_orbit) == 79


def test_polarizations_are_chosen(safe: Path) -> None:
    ds = open_sentinel1(safe, polarizations=["VH"])
    assert [name for name in ds if name in ("vv", "vh")] == ["vh"]
    assert ds.polarization.values.tolist() == ["vh"]
    with pytest.raises(MissingVariableError, match="vv, vh"):
        open_sentinel1(safe, polarizations=["hh"])
    with pytest.raises(InvalidInputError, match="polarizations"):
        open_sentinel1(safe, polarizations=[])
    with pytest.raises(InvalidTypeError, match=r"^polarizations: got 5"):
        open_sentinel1(safe, polarizations=5)


def test_horizontal_polarisations(tmp_path: Path) -> None:
    ds = open_sentinel1(write_safe(tmp_path, lines=40, samples=40, polarizations=("hh", "hv")))
    assert ds.hh.attrs["polarization"] == "HH"
    assert ds.polarization.values.tolist() == ["hh", "hv"]


# --- the Dataset ----------------------------------------------------------------------------------


def test_coordinates(safe: Path) -> None:
    ds = open_sentinel1(safe)
    assert ds.vv.dims == ("azimuth_time", "ground_range")
    assert ds.vv.dtype == np.uint16
    assert ds.azimuth_time.values[0] == np.datetime64("2021-06-01T05:00:00", "ns")
    assert ds.azimuth_time.values[100] == np.datetime64("2021-06-01T05:00:00.148300000", "ns")
    np.testing.assert_array_equal(ds.ground_range, 10.0 * np.arange(PIXELS))
    part = ds.isel(azimuth_time=slice(7, 9), ground_range=slice(30, None))
    assert part.line.values.tolist() == [7, 8]
    assert int(part.pixel[0]) == 30


def test_annotation_numbers(safe: Path) -> None:
    ds = open_sentinel1(safe)
    text = only(safe / "annotation" / "calibration", "noise-*-vh-*.xml").read_text()
    lut = [[float(w) for w in body.split()] for body in re.findall(r"<noiseRangeLut[^>]*>([^<]+)<", text)]
    np.testing.assert_array_equal(ds.noise_range_lut.sel(polarization="vh"), lut)
    text = only(safe / "annotation", "s1a-iw-grd-vv-*.xml").read_text()
    np.testing.assert_array_equal(
        ds.geolocation_latitude.values.ravel(), [float(v) for v in re.findall(r"<latitude>([^<]+)<", text)]
    )
    z = [float(v) for v in re.findall(r"<z>([^<]+)<", text)]
    np.testing.assert_array_equal(ds.orbit_position.sel(axis="z"), z[::2])
    np.testing.assert_array_equal(ds.orbit_velocity.sel(axis="z"), z[1::2])
    grsr = [[float(w) for w in body.split()] for body in re.findall(r"<grsrCoefficients[^>]*>([^<]+)<", text)]
    np.testing.assert_array_equal(ds.grsr_coefficients, grsr)


def test_simulated_geometry_is_zero_doppler(safe: Path) -> None:
    """Grid points lie at the annotated slant range, at right angles to the flight, on the ellipsoid."""
    ds = open_sentinel1(safe)
    latitude, longitude = np.radians(ds.geolocation_latitude), np.radians(ds.geolocation_longitude)
    e2 = 1 - (6356752.314245 / 6378137.0) ** 2
    n = 6378137.0 / np.sqrt(1 - e2 * np.sin(latitude) ** 2)
    point = np.stack(
        [
            n * np.cos(latitude) * np.cos(longitude),
            n * np.cos(latitude) * np.sin(longitude),
            n * (1 - e2) * np.sin(latitude),
        ],
        axis=-1,
    )
    epoch = ds.orbit_time.values[0]
    seconds = (ds.orbit_time.values - epoch) / np.timedelta64(1, "s")
    wanted = ((ds.geolocation_azimuth_time.values - epoch) / np.timedelta64(1, "s")).ravel()
    polynomial = [np.polynomial.Polynomial.fit(seconds, ds.orbit_position[:, axis], 11) for axis in range(3)]
    position = np.stack([p(wanted) for p in polynomial], axis=-1).reshape(point.shape)
    velocity = np.stack([p.deriv()(wanted) for p in polynomial], axis=-1).reshape(point.shape)
    sight = point - position
    slant = 299_792_458.0 * ds.geolocation_slant_range_time.values / 2
    np.testing.assert_allclose(np.linalg.norm(sight, axis=-1), slant, rtol=0, atol=0.01)
    assert np.abs((sight * velocity).sum(-1) / np.linalg.norm(velocity, axis=-1)).max() < 0.02


def test_zarr_round_trip_loses_nothing(tmp_path: Path) -> None:
    ds = open_sentinel1(write_safe(tmp_path, lines=150, samples=120, layout=Layout(azimuth_blocks=10, ragged=True)))
    ds.to_zarr(tmp_path / "store.zarr")
    back = xr.open_zarr(tmp_path / "store.zarr").load()
    xr.testing.assert_identical(back, ds.load())
    assert back.vv.dtype == np.uint16
    assert back.azimuth_time.dtype == np.dtype("datetime64[ns]")


def test_netcdf_round_trip_loses_nothing(safe: Path, tmp_path: Path) -> None:
    ds = open_sentinel1(safe)
    ds.to_netcdf(tmp_path / "product.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "product.nc", engine="h5netcdf") as back:
        xr.testing.assert_equal(back.load(), ds.load())


def test_ragged_tables_keep_every_node(tmp_path: Path) -> None:
    ds = open_sentinel1(write_safe(tmp_path, lines=350, samples=300, layout=Layout(ragged=True)))
    nodes = np.isfinite(ds.noise_range_pixel.sel(polarization="vv")).sum("noise_range_node").values
    assert nodes.tolist() == [9, 7, 9, 7, 9]
    assert (np.isfinite(ds.noise_range_lut) == np.isfinite(ds.noise_range_pixel)).all()


@pytest.mark.parametrize("count", [0, 1, 3, 10, 17])
def test_azimuth_blocks_tile_the_image(tmp_path: Path, count: int) -> None:
    ds = open_sentinel1(write_safe(tmp_path, lines=100, samples=90, layout=Layout(azimuth_blocks=count)))
    assert ds.sizes.get("noise_azimuth_block", 0) == count
    covered = np.zeros((100, 90), int)
    for block in range(count):
        edges = [
            int(ds[f"noise_azimuth_{edge}"][0, block])
            for edge in ("first_line", "last_line", "first_sample", "last_sample")
        ]
        covered[edges[0] : edges[1] + 1, edges[2] : edges[3] + 1] += 1
    assert (covered == (1 if count else 0)).all()


@pytest.mark.parametrize(
    ("ipf", "expected"),
    [
        ("002.20", 75088.7 * 474.0),
        ("002.33", 75088.7 * 474.0),
        ("002.34", 75088.7 * 474.0**2),
        ("002.50", 75088.7 * 474.0**2),
        ("002.51", 1.0),
        ("002.89", 1.0),
        ("002.90", 1.0),
        ("003.71", 1.0),
    ],
)
def test_noise_scaling_by_processor_version(tmp_path: Path, ipf: str, expected: float) -> None:
    ds = open_sentinel1(write_safe(tmp_path, lines=40, samples=40, layout=Layout(ipf=ipf)))
    np.testing.assert_allclose(ds.noise_scaling, expected, rtol=1e-12)
    assert ds.attrs["calibration_reliable"] == int(ipf >= "002.34")


def test_simulated_product_is_never_overwritten(tmp_path: Path) -> None:
    write_safe(tmp_path, lines=40, samples=40)
    with pytest.raises(InvalidInputError, match="is there already"):
        write_safe(tmp_path, lines=40, samples=40)
    with pytest.raises(InvalidInputError, match="want one shape"):
        write_safe(tmp_path, scene={"vv": np.ones((40, 40)), "vh": np.ones((40, 41))})


# --- pixels ---------------------------------------------------------------------------------------


def test_pixels_are_read_by_window(safe: Path) -> None:
    expected = pixels(only(safe, "*-vv-*.tiff"))
    lazy = blocks.lazy_of(open_sentinel1(safe).vv.data)
    assert lazy is not None
    assert lazy.native_chunks == (LINES, PIXELS)
    np.testing.assert_array_equal(lazy.read((slice(11, 40), slice(5, 17))), expected[11:40, 5:17])
    assert lazy.read((slice(3, 3), slice(0, 4))).shape == (0, 4)
    again = pickle.loads(pickle.dumps(lazy))
    np.testing.assert_array_equal(again.read(lazy.whole()), expected)


def test_chunks_by_hand_and_none(safe: Path) -> None:
    expected = pixels(only(safe, "*-vv-*.tiff"))
    by_hand = open_sentinel1(safe, chunks={"azimuth_time": 64})
    assert by_hand.vv.chunks == ((64, 64, 64, 38), (PIXELS,))
    np.testing.assert_array_equal(by_hand.vv.values, expected)
    for unknown in ("x", 0):
        with pytest.raises(InvalidInputError, match=r"^chunks: got sizes for .*azimuth_time"):
            open_sentinel1(safe, chunks={unknown: 5})
    loaded = open_sentinel1(safe, chunks=None)
    assert isinstance(loaded.vv.data, np.ndarray)
    np.testing.assert_array_equal(loaded.vv.values, expected)


def test_tiled_measurement(tmp_path: Path) -> None:
    safe = write_safe(tmp_path, lines=600, samples=700, polarizations=["vv"])
    image = only(safe, "*.tiff")
    expected = pixels(image)
    profile = {
        "driver": "GTiff",
        "count": 1,
        "dtype": "uint16",
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "compress": "deflate",
    }
    with rasterio.open(image, "w", height=600, width=700, **profile) as file:
        file.write(expected, 1)
    lazy = blocks.lazy_of(open_sentinel1(safe).vv.data)
    assert lazy is not None
    assert lazy.native_chunks == (256, 256)
    np.testing.assert_array_equal(lazy.read((slice(200, 300), slice(250, 520))), expected[200:300, 250:520])


def test_names_of_arrays_follow_content(safe: Path, copy: Path) -> None:
    assert open_sentinel1(safe).vv.data.name == open_sentinel1(safe).vv.data.name
    before = open_sentinel1(copy).vv.data.name
    image = only(copy, "*-vv-*.tiff")
    image.write_bytes(image.read_bytes() + b"\0")
    assert open_sentinel1(copy).vv.data.name != before


# --- damage ---------------------------------------------------------------------------------------


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ProductNotFoundError, match="want a SAFE folder"):
        open_sentinel1(tmp_path / "absent.SAFE")


def test_not_a_product(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ProductError, match="no Sentinel-1 annotation"):
        open_sentinel1(tmp_path)
    with pytest.raises(ProductError, match=r"notes\.txt is neither"):
        open_sentinel1(tmp_path / "notes.txt")


@pytest.mark.parametrize("size", [0, 300])
def test_truncated_tiff_fails_when_read(copy: Path, size: int) -> None:
    image = only(copy, "*-vv-*.tiff")
    image.write_bytes(image.read_bytes()[:size])
    ds = open_sentinel1(copy)
    assert ds.vv.shape == (LINES, PIXELS)
    with pytest.raises(ProductError, match=image.name):
        ds.vv.compute()
    assert int(ds.vh.max()) > 0


def test_tiff_cut_in_its_pixels(copy: Path) -> None:
    image = only(copy, "*-vv-*.tiff")
    image.write_bytes(image.read_bytes()[: image.stat().st_size * 2 // 3])
    with pytest.raises(ProductError, match="damaged, download it again"):
        open_sentinel1(copy).vv.compute()


def test_missing_tiff_fails_when_read(copy: Path) -> None:
    only(copy, "*-vv-*.tiff").unlink()
    with pytest.raises(ProductError, match="no measurement TIFF for VV"):
        open_sentinel1(copy).vv.compute()


def test_tiff_of_another_size_or_dtype(copy: Path) -> None:
    image = only(copy, "*-vv-*.tiff")
    for height, dtype in ((LINES - 1, "uint16"), (LINES, "float32")):
        with rasterio.open(image, "w", driver="GTiff", count=1, dtype=dtype, height=height, width=PIXELS) as file:
            file.write(np.ones((height, PIXELS), dtype), 1)
        with pytest.raises(ProductError, match="different products"):
            open_sentinel1(copy).vv.compute()


@pytest.mark.parametrize(
    "pattern", ["s1a-iw-grd-vv-*.xml", "calibration-*-vv-*.xml", "noise-*-vv-*.xml", "manifest.safe"]
)
@pytest.mark.parametrize("keep", [0.0, 0.6])
def test_truncated_xml_names_the_file(copy: Path, pattern: str, keep: float) -> None:
    file = only(copy, pattern)
    file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    with pytest.raises(ProductError, match=re.escape(file.name)):
        open_sentinel1(copy)


@pytest.mark.parametrize(
    ("pattern", "find", "replacement", "message"),
    [
        ("s1a-iw-grd-vv-*.xml", r"<orbitList.*</orbitList>", "", "orbitList/orbit is missing"),
        ("s1a-iw-grd-vv-*.xml", r"<numberOfLines>\d+", "<numberOfLines>many", "many"),
        ("s1a-iw-grd-vv-*.xml", r"<numberOfLines>\d+", "<numberOfLines>0", "numberOfLines is 0"),
        ("s1a-iw-grd-vv-*.xml", r"<numberOfSamples>\d+", "<numberOfSamples>999999999999", "want at most"),
        (
            "s1a-iw-grd-vv-*.xml",
            r"<azimuthTimeInterval>[^<]+",
            "<azimuthTimeInterval>nan",
            "azimuthTimeInterval is nan",
        ),
        ("s1a-iw-grd-vv-*.xml", r"<productFirstLineUtcTime>[^<]+", "<productFirstLineUtcTime>soon", "soon"),
        (
            "s1a-iw-grd-vv-*.xml",
            r"<geolocationGridPoint>.*?</geolocationGridPoint>",
            "",
            "geolocationGrid has 209 points",
        ),
        ("calibration-*-vv-*.xml", r"<sigmaNought>\S+ ", "<sigmaNought>", "sigmaNought has"),
        ("calibration-*-vv-*.xml", r"<betaNought>\S+ ", "<betaNought>0.0 ", "not a positive number"),
        ("calibration-*-vv-*.xml", r"<line>\d+", "<line>-90", "does not increase"),
        ("noise-*-vv-*.xml", r"<pixel>0 40", "<pixel>40 40", "does not increase"),
    ],
)
def test_malformed_annotation(copy: Path, pattern: str, find: str, replacement: str, message: str) -> None:
    file = only(copy, pattern)
    edit(file, find, replacement)
    with pytest.raises(ProductError, match=f"{re.escape(file.name)}.*{message}"):
        open_sentinel1(copy)


def test_entity_bomb_is_refused_at_once(copy: Path) -> None:
    file = only(copy, "s1a-iw-grd-vv-*.xml")
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE product [<!ENTITY e0 "boom">{levels}]>'
    edit(file, r"<product>", f"{bomb}<product><trap>&e11;</trap>")
    started = time.process_time()
    with pytest.raises(ProductError, match="document type"):
        open_sentinel1(copy)
    assert time.process_time() - started < 1.0


def test_external_entity_and_other_encodings_are_refused(copy: Path) -> None:
    file = only(copy, "noise-*-vv-*.xml")
    text = file.read_text()
    hostile = text.replace("<noise>", '<!DOCTYPE noise SYSTEM "file:///etc/hostname"><noise>', 1)
    file.write_text(hostile)
    with pytest.raises(ProductError, match="document type"):
        open_sentinel1(copy)
    file.write_bytes(hostile.replace("UTF-8", "UTF-16").encode("utf-16"))
    with pytest.raises(ProductError, match=re.escape(file.name)):
        open_sentinel1(copy)


@pytest.mark.parametrize(
    "member", ["../escape.xml", "/etc/escape.xml", "a/../../escape.xml", "..\\escape.xml", "C:\\escape.xml"]
)
def test_climbing_zip_member(safe: Path, tmp_path: Path, member: str) -> None:
    path = as_zip(safe, tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, "<product/>")
    with pytest.raises(ProductError, match="climbs out"):
        open_sentinel1(path)


def test_damaged_zip(safe: Path, tmp_path: Path) -> None:
    path = as_zip(safe, tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ProductError, match="readable zip"):
        open_sentinel1(path)


def test_zip_member_with_wrong_bytes(safe: Path, tmp_path: Path) -> None:
    path = as_zip(safe, tmp_path)
    with zipfile.ZipFile(path) as archive:
        info = next(i for i in archive.infolist() if "/annotation/s1a-iw-grd-vv" in i.filename)
    data = bytearray(path.read_bytes())
    middle = info.header_offset + 200 + info.compress_size // 2
    data[middle : middle + 40] = bytes(40)
    path.write_bytes(bytes(data))
    with pytest.raises(ProductError, match="s1a-iw-grd-vv"):
        open_sentinel1(path)


def test_single_look_complex_is_refused(copy: Path) -> None:
    for file in copy.rglob("*.xml"):
        edit(file, "<productType>GRD", "<productType>SLC")
    with pytest.raises(UnsupportedProductError, match="want GRD"):
        open_sentinel1(copy)


def test_two_products_in_one_folder(safe: Path, tmp_path: Path) -> None:
    shutil.copytree(safe, tmp_path / "one.SAFE")
    shutil.copytree(safe, tmp_path / "two.SAFE")
    with pytest.raises(ProductError, match="several products"):
        open_sentinel1(tmp_path)


def test_polarisations_that_disagree(copy: Path) -> None:
    edit(only(copy, "s1a-iw-grd-vh-*.xml"), r"<numberOfLines>\d+", "<numberOfLines>17")
    with pytest.raises(ProductError, match="disagree about lines"):
        open_sentinel1(copy)


# --- real products --------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL, reason="real Sentinel-1 metadata not present")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_product_opens_or_says_why_not(path: Path) -> None:
    if "GRDH" not in path.name:
        refusal = UnsupportedProductError if path.name.startswith("S1") else ProductError
        with pytest.raises(refusal, match="want"):
            open_sentinel1(path)
        return
    started = time.process_time()
    ds = open_sentinel1(path)
    assert time.process_time() - started < 1.0
    fields = path.stem.split("_")
    assert ds.platform == f"sentinel-1{fields[0][2].lower()}"
    assert int(ds.absolute_orbit) == int(fields[6])
    assert ds.datatake_id == fields[7]
    offset = {"S1A": 73, "S1B": 27}[fields[0]]
    assert int(ds.relative_orbit) == (int(fields[6]) - offset) % 175 + 1
    assert np.datetime_as_string(ds.azimuth_time[0], "s").replace("-", "").replace(":", "") == fields[4]
    assert ds.vv.shape == (ds.sizes["azimuth_time"], ds.sizes["ground_range"])
    assert ("missing_annotation" in ds.attrs) == (fields[-1] == "ECC8")
    assert float(ds.geolocation_incidence_angle.min()) > 29
    speed = np.linalg.norm(ds.orbit_velocity, axis=-1)
    assert ((speed > 7400) & (speed < 7700)).all()


@pytest.mark.skipif(not REAL, reason="real Sentinel-1 metadata not present")
def test_real_pixels_inside_a_zip() -> None:
    ds = open_sentinel1(next(path for path in REAL if path.stem.endswith("5371")))
    assert (ds.vv[8000:8100, 10_000:10_050].values == 0).all()


@pytest.mark.skipif(not REAL, reason="real Sentinel-1 metadata not present")
def test_annotation_only_product_unpacked_opens(tmp_path: Path) -> None:
    with zipfile.ZipFile(next(path for path in REAL if path.name.startswith("otb"))) as archive:
        for name in archive.namelist():
            if "-s4-grd-" in name:
                archive.extract(name, tmp_path)
    ds = open_sentinel1(tmp_path)
    assert ds.attrs["instrument_mode"] == "S4"
    assert ds.attrs["missing_annotation"] == "calibration vv, noise vv, calibration vh, noise vh"
    with pytest.raises(ProductError, match="download the whole product"):
        ds.vv[:10].compute()
