"""Opening Sentinel-2: every baseline and layout of names, one grid for all bands, offsets, and every kind of damage."""

from __future__ import annotations

import pickle
import re
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.transform import Affine
from typer.testing import CliRunner

import kararaster as kr
from kararaster import blocks, simulate
from kararaster.cli import app
from kararaster.errors import (
    InvalidInputError,
    InvalidTypeError,
    MissingVariableError,
    OffsetWarning,
    ProductError,
    ProductNotFoundError,
    UnsupportedProductError,
)
from kararaster.lazy import InMemory
from kararaster.optical import OPTICAL_BANDS
from kararaster.rasterfile import read_header
from kararaster.sentinel2.encoding import version_key
from kararaster.sentinel2.layout import BANDS
from kararaster.sentinel2.metadata import parse_product, parse_tile
from kararaster.sentinel2.offset_check import offset_verdict, sampled_verdict
from kararaster.sentinel2.resampling import BlockMean, Centre, Repeated
from kararaster.simulate.safe import write_safe

SHAPE = (120, 180)
ALL = [
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16", "swir22", "scl",
]  # fmt: skip


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate.sentinel2(
        tmp_path_factory.mktemp("product"), shape=SHAPE, driver="GTiff", saturated=0.02, outside=0.1, cloud_cover=0.1
    )


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


def rewrite(path: Path, image: np.ndarray, **layout: object) -> None:
    """Other pixels, or another layout of them, on the grid of the file."""
    with rasterio.open(path) as file:
        profile = file.profile | layout
    with rasterio.open(path, "w", **profile) as file:
        file.write(image, 1)


# --- real products --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(samples: Path) -> Path:
    return only(samples / "s2-l2a-safe-33TVM-20241014", "*.SAFE")


WINDOW = (slice(400, 600), slice(400, 700))
"""Across the edge of the swath: decoding all of the real bands would take seconds."""


def in_window(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1, window=rasterio.windows.Window.from_slices(*WINDOW))


def test_real_product_pixel_by_pixel(real: Path) -> None:
    ds = kr.open_sentinel2(real, resolution=60)
    assert list(ds) == ["blue", "green", "red", "nir08", "swir16", "swir22", "scl"]
    assert dict(ds.sizes) == {"time": 1, "y": 1830, "x": 1830}
    for name, number in {"red": "B04", "swir16": "B11", "scl": "SCL"}.items():
        expected = in_window(only(real, f"*_{number}_60m.jp2"))
        assert 0 < np.count_nonzero(expected) < expected.size
        np.testing.assert_array_equal(ds[name][0, *WINDOW], expected)
    with rasterio.open(only(real, "*_B04_60m.jp2")) as file:
        assert ds.odc.geobox.affine == file.transform
        assert ds.odc.crs.to_epsg() == file.crs.to_epsg() == 32633
    assert ds.red.attrs["add_offset"] == -0.1
    assert ds.boa_add_offset.values.tolist() == [-1000]
    assert ds.processing_baseline.values.tolist() == ["05.11"]
    assert ds.mgrs_tile.values.tolist() == ["33TVM"]
    assert ds.time.values[0] == np.datetime64("2024-10-14T10:10:21.024", "ns")
    assert ds.attrs["offset_check"] == "undecided"  # all ground in the swath is under clouds


def test_real_ndvi_against_numpy(real: Path) -> None:
    ds = kr.open_sentinel2(real, resolution=60, bands=["red", "nir08"]).rename(nir08="nir")
    red, nir = (in_window(only(real, f"*_{band}_60m.jp2")).astype(float) for band in ("B04", "B8A"))
    measured = (red > 0) & (nir > 0) & (red < 65535) & (nir < 65535)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.where(measured, ((nir - 1000) - (red - 1000)) / (nir - 1000 + red - 1000), np.nan)
    np.testing.assert_allclose(kr.ndvi(ds)[0, *WINDOW], expected, rtol=2e-6, atol=1e-7)
    assert measured.mean() > 0.2


def test_real_product_has_no_fine_bands(real: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"^resolution: got 10.*red 60 m.*resolution=60.*bands=\['scl'\]"):
        kr.open_sentinel2(real)
    classes = kr.open_sentinel2(real, bands=["scl"]).scl.isel(y=slice(4000, 4100), x=slice(601, 705))
    coarse = pixels(only(real, "*_SCL_20m.jp2"))
    rows, columns = np.arange(4000, 4100) // 2, np.arange(601, 705) // 2
    np.testing.assert_array_equal(classes.values[0], coarse[np.ix_(rows, columns)])


@pytest.mark.parametrize(
    ("name", "baseline", "offset", "platform", "orbit", "datatake", "generated"),
    [
        ("S2A_MSIL2A_20180721", "02.12", 0, "sentinel-2a", 62, "GS2A_20180721T053721_016075_N02.12", "2020-10-11T18:14:19.598"),
        ("S2B_MSIL2A_20191228", "02.12", 0, "sentinel-2b", 71, "GS2B_20191228T210519_014683_N02.12", "2020-10-03T10:46:58.860"),
        ("esa_S2B_MSIL2A_20210122", "02.14", 0, "sentinel-2b", 81, "GS2B_20210122T133229_020270_N02.14", "2021-01-22T15:55:00"),
        ("S2A_MSIL2A_20230625", "05.09", -1000, "sentinel-2a", 73, "GS2A_20230625T234621_041826_N05.09", "2023-06-26T02:21:57"),
        ("S2A_MSIL1C_20200717", "02.09", 0, "sentinel-2a", 29, "GS2A_20200717T221941_026481_N02.09", "2020-07-17T23:41:35"),
    ],
)  # fmt: skip
def test_real_metadata(
    samples: Path, name: str, baseline: str, offset: int, platform: str, orbit: int, datatake: str, generated: str
) -> None:
    (folder,) = (samples / "s2-safe-metadata").glob(f"{name}*")
    file = next(one for one in folder.glob("MTD_MSI*.xml"))
    product = parse_product(file.read_bytes(), file=file.name)
    assert (product.processing_baseline, product.platform, product.relative_orbit) == (baseline, platform, orbit)
    assert (product.datatake_id, product.generation_time) == (datatake, np.datetime64(generated, "ns"))
    assert set(product.offsets.values()) == {offset}
    assert set(product.offsets) >= {"B01", "B04", "B8A", "B12"}
    assert (product.quantification, product.nodata, product.saturated) == (10000, 0, 65535)
    assert product.is_surface == ("L2A" in name)
    with pytest.raises(ProductError, match=r"no images of bands|no MTD_TL\.xml"):
        kr.open_sentinel2(folder)


def test_real_grid(samples: Path) -> None:
    file = next((samples / "s2-safe-metadata").rglob("L2A_T22HBD*/MTD_TL.xml"))
    tile = parse_tile(file.read_bytes(), file=file.name)
    assert (tile.mgrs_tile, tile.crs, sorted(tile.grids)) == ("22HBD", "EPSG:32722", [10, 20, 60])
    assert tile.grids[20].shape == (5490, 5490)
    assert tile.grids[20].transform == Affine(20, 0, 199980, 0, -20, 5900020)


# --- the Dataset ----------------------------------------------------------------------------------


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("driver", ["JP2", "GTiff"])
@pytest.mark.parametrize(("baseline", "offset"), [("02.14", 0), ("04.00", -1000), ("05.11", -1000)])
def test_data_model(tmp_path: Path, baseline: str, offset: int, driver: str, archive: bool) -> None:
    arguments = {"shape": (60, 60), "baseline": baseline, "driver": driver, "bands": ["red", "nir", "swir16", "scl"]}
    folder = simulate.sentinel2(tmp_path / "folder", **arguments)
    path = simulate.sentinel2(tmp_path / "zip", archive=True, **arguments) if archive else folder
    ds = kr.open_sentinel2(path)
    assert list(ds) == ["red", "nir", "swir16", "scl"]
    for name, attrs in ((name, ds[name].attrs) for name in ds if name != "scl"):
        assert ds[name].dtype == np.uint16, name
        assert (attrs["scale_factor"], attrs["add_offset"]) == (1e-4, offset / 10000)
        assert (attrs["_FillValue"], attrs["saturated_value"], attrs["quantity"]) == (0, 65535, "surface_reflectance")
    assert ds.scl.dtype == np.uint8
    assert ds.scl.attrs["_FillValue"] == 0
    assert len(ds.scl.attrs["flag_meanings"].split()) == len(ds.scl.attrs["flag_values"]) == 12
    stated = {name: ds[name].values.tolist() for name in ds.coords if ds[name].dims == ("time",) and name != "time"}
    assert stated == {
        "platform": ["sentinel-2a"],
        "mgrs_tile": ["38TPK"],
        "processing_baseline": [baseline],
        "boa_offset_applied": [False],
        "boa_add_offset": [offset],
    }
    assert ds.time.values[0].astype("datetime64[s]") == np.datetime64("2023-09-05T07:36:21")
    assert ds.attrs["constellation"] == "sentinel-2"
    assert (ds.attrs["product_type"], ds.attrs["relative_orbit"]) == ("S2MSI2A", 92)
    np.testing.assert_array_equal(ds.red.values[0], pixels(only(folder, "*_B04_10m.*")))
    twenty = pixels(only(folder, "*_B11_20m.*"))
    np.testing.assert_array_equal(ds.swir16.values[0], np.kron(twenty, np.ones((2, 2), np.uint16)))


def test_grid_is_that_of_the_files(safe: Path) -> None:
    for resolution in (10, 20, 60):
        ds = kr.open_sentinel2(safe, resolution=resolution)
        with rasterio.open(only(safe, f"*_B04_{resolution}m.tif")) as file:
            assert ds.odc.geobox.affine == file.transform
            assert ds.odc.geobox.shape == file.shape
            assert ds.odc.crs.to_epsg() == file.crs.to_epsg()
            assert (float(ds.x[0]), float(ds.y[0])) == file.xy(0, 0)


def as_manifest(safe: Path, to: Path) -> Path:
    return safe / "manifest.safe"


def as_metadata(safe: Path, to: Path) -> Path:
    return safe / "MTD_MSIL2A.xml"


def as_zip(safe: Path, to: Path) -> Path:
    return Path(shutil.make_archive(str(to / "any name"), "zip", safe.parent, safe.name))


def as_zip_of_contents(safe: Path, to: Path) -> Path:
    return Path(shutil.make_archive(str(to / "contents"), "zip", safe))


def without_resolution_folders(safe: Path, to: Path) -> Path:
    copy = Path(shutil.copytree(safe, to / safe.name))
    for file in list(copy.rglob("IMG_DATA/R?0m/*")):
        file.rename(file.parent.parent / file.name)
    return copy


def with_level_in_the_names(safe: Path, to: Path) -> Path:
    copy = without_resolution_folders(safe, to)
    for file in list(copy.rglob("IMG_DATA/*.tif")):
        file.rename(file.with_name(f"L2A_{file.name}"))
    return copy


def with_bare_names(safe: Path, to: Path) -> Path:
    copy = Path(shutil.copytree(safe, to / safe.name))
    for file in list(copy.rglob("IMG_DATA/R?0m/*.tif")):
        file.rename(file.with_name(f"{file.stem.split('_')[-2]}.tif"))
    return copy


def with_other_metadata_names(safe: Path, to: Path) -> Path:
    copy = Path(shutil.copytree(safe, to / safe.name))
    (copy / "MTD_MSIL2A.xml").rename(copy / "S2A_USER_MTD_SAFL2A_PDMC_20160606T232310_R121_V20160526T084351.xml")
    quality = only(copy, "MTD_TL.xml").parent / "QI_DATA"
    quality.mkdir(exist_ok=True)
    (quality / "MSK_QUALIT_B04.tif").write_bytes(b"no band")
    return copy


@pytest.mark.parametrize(
    "arrange",
    [
        as_manifest, as_metadata, as_zip, as_zip_of_contents, without_resolution_folders, with_level_in_the_names,
        with_bare_names, with_other_metadata_names,
    ],
)  # fmt: skip
def test_same_dataset_however_the_files_lie(safe: Path, tmp_path: Path, arrange: Callable[[Path, Path], Path]) -> None:
    for resolution in (10, 60):
        ds = kr.open_sentinel2(arrange(safe, tmp_path / str(resolution)), resolution=resolution)
        xr.testing.assert_identical(ds.load(), kr.open_sentinel2(safe, resolution=resolution).load())


def test_level_1c_says_so(tmp_path: Path) -> None:
    ds = kr.open_sentinel2(simulate.sentinel2(tmp_path, shape=(60, 60), level="L1C"))
    assert "scl" not in ds
    assert (ds.attrs["product_type"], ds.attrs["quantity"]) == ("S2MSI1C", "toa_reflectance")
    assert "S2MSI1C" in ds.attrs["history"]
    assert {ds[name].attrs["quantity"] for name in ds} == {"toa_reflectance"}
    assert ds.red.attrs["add_offset"] == -0.1
    np.testing.assert_array_equal(
        ds.nir09.values[0], np.kron(pixels(only(tmp_path, "*_B09.jp2")), np.ones((6, 6), int))
    )


# --- digital numbers to reflectance ---------------------------------------------------------------


@pytest.mark.parametrize(("baseline", "golden"), [("02.14", (0.12, 0.0001)), ("05.11", (0.02, -0.0999))])
def test_golden_reflectance(tmp_path: Path, baseline: str, golden: tuple[float, float]) -> None:
    path = simulate.sentinel2(tmp_path, shape=(60, 60), baseline=baseline, driver="GTiff", bands=["red", "nir"])
    image = np.full((60, 60), 1200, np.uint16)
    image[0, :3] = 1, 0, 65535
    rewrite(only(path, "*_B04_10m.tif"), image)
    red = kr.reflectance(kr.open_sentinel2(path)).red.values[0]
    np.testing.assert_array_equal(red[0, :4], np.float32([golden[1], np.nan, np.nan, golden[0]]))


def test_no_step_across_the_change_of_baseline(tmp_path: Path) -> None:
    means, fields = [], []
    for baseline, offset in (("03.01", 0), ("04.00", 1000)):
        path = simulate.sentinel2(tmp_path, shape=(60, 60), baseline=baseline, driver="GTiff", bands=["red", "nir"])
        fields.append(kr.ndvi(kr.open_sentinel2(path)).values)
        for band, number in (("B04", 600), ("B08", 3500)):
            rewrite(only(path, f"*_{band}_10m.tif"), np.full((60, 60), number + offset, np.uint16))
        means.append(float(kr.ndvi(kr.open_sentinel2(path)).mean()))
    assert means == pytest.approx([2900 / 4100] * 2, abs=1e-6)
    assert np.abs(fields[0] - fields[1]).max() < 0.005


def test_offset_comes_from_the_metadata_and_not_from_the_date(copy: Path) -> None:
    metadata = copy / "MTD_MSIL2A.xml"
    edit(metadata, r"(<BOA_ADD_OFFSET band_id=\"\d+\">)-1000", r"\g<1>-250", count=13)
    edit(metadata, r"(<BOA_QUANTIFICATION_VALUE[^>]*>)10000", r"\g<1>20000")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OffsetWarning)
        ds = kr.open_sentinel2(copy)
    assert (ds.red.attrs["scale_factor"], ds.red.attrs["add_offset"]) == (5e-5, -0.0125)
    toa = r'\g<0><RADIO_ADD_OFFSET band_id="3">-7</RADIO_ADD_OFFSET>'  # of the level 1C it was made from
    edit(metadata, r"<BOA_ADD_OFFSET_VALUES_LIST>.*</BOA_ADD_OFFSET_VALUES_LIST>", toa)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OffsetWarning)
        assert kr.open_sentinel2(copy).red.attrs["add_offset"] == -0.0125
    assert ds.boa_add_offset.values.tolist() == [-250]
    edit(metadata, r"(<BOA_ADD_OFFSET band_id=\"3\">)-250", r"\g<1>-300")  # band 3 is B04
    with pytest.raises(UnsupportedProductError, match=r"different offsets.*'B04': -300"):
        kr.open_sentinel2(copy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OffsetWarning)
        assert kr.open_sentinel2(copy, bands=["red", "scl"]).boa_add_offset.values.tolist() == [-300]


def test_bands_are_those_of_the_data_model_in_its_order() -> None:
    assert tuple(band.name for band in BANDS) == (*OPTICAL_BANDS, "scl")


def test_baselines_compare_as_numbers() -> None:
    assert version_key("04.00") < version_key("05.11") < version_key("10.00")
    assert version_key("02.14") < version_key("4.0")


# --- one grid -------------------------------------------------------------------------------------


def block_mean(fine: np.ndarray, factor: int) -> np.ndarray:
    """The rule in plain NumPy: mean of what is neither 0 nor 65535, half to even."""
    rows, columns = (n // factor for n in fine.shape)
    cells = fine.reshape(rows, factor, columns, factor).swapaxes(1, 2).reshape(rows, columns, -1).astype(float)
    valid = (cells > 0) & (cells < 65535)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.nanmean(np.where(valid, cells, np.nan), axis=-1)
    empty = np.where((cells == 65535).any(axis=-1), 65535.0, 0.0)
    return np.where(valid.any(axis=-1), mean.round(), empty).astype(np.uint16)


def test_bands_on_other_grids(safe: Path, copy: Path) -> None:
    """B08 has a file of 10 m only; with the coarser copies gone the others are averaged from their finest file too."""
    ten = {band: pixels(only(safe, f"*_{band}_10m.tif")) for band in ("B04", "B08")}
    classes = pixels(only(safe, "*_SCL_20m.tif"))
    assert (ten["B08"] == 65535).any()
    assert (ten["B08"] == 0).any()
    for file in (*copy.rglob("*_B04_[26]0m.tif"), *copy.rglob("*_B11_60m.tif"), *copy.rglob("*_SCL_60m.tif")):
        file.unlink()
    for resolution in (20, 60):
        ds = kr.open_sentinel2(copy, resolution=resolution)
        np.testing.assert_array_equal(ds.nir.values[0], block_mean(ten["B08"], resolution // 10))
        np.testing.assert_array_equal(ds.red.values[0], block_mean(ten["B04"], resolution // 10))
    np.testing.assert_array_equal(ds.swir16.values[0], block_mean(pixels(only(safe, "*_B11_20m.tif")), 3))
    np.testing.assert_array_equal(ds.scl.values[0], classes[1::3, 1::3])


def test_files_of_the_resolution_are_taken_as_they_are(safe: Path) -> None:
    for resolution in (20, 60):
        ds = kr.open_sentinel2(safe, resolution=resolution)
        for name, number in {"red": "B04", "swir22": "B12", "scl": "SCL", "coastal": "B01"}.items():
            np.testing.assert_array_equal(ds[name].values[0], pixels(only(safe, f"*_{number}_{resolution}m.tif")))
    ten = kr.open_sentinel2(safe)
    sixty = pixels(only(safe, "*_B09_60m.tif"))
    np.testing.assert_array_equal(ten.nir09.values[0], np.kron(sixty, np.ones((6, 6), np.uint16)))
    np.testing.assert_array_equal(
        ten.scl.values[0], np.kron(pixels(only(safe, "*_SCL_20m.tif")), np.ones((2, 2), np.uint8))
    )


NUMBERS = np.random.default_rng(5).choice(
    np.array([0, 1, 2, 3, 1000, 1001, 65534, 65535], np.uint16), (36, 48), p=[0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_window_of_a_resampled_band(data: st.DataObject) -> None:
    factor = data.draw(st.sampled_from([2, 3, 6]))
    cases = {
        Repeated(InMemory(NUMBERS), factor): np.kron(NUMBERS, np.ones((factor, factor), np.uint16)),
        BlockMean(InMemory(NUMBERS), factor, 0, 65535): block_mean(NUMBERS, factor),
        Centre(InMemory(NUMBERS), factor): NUMBERS[factor // 2 :: factor, factor // 2 :: factor],
    }
    for lazy, expected in cases.items():
        assert lazy.shape == expected.shape
        edges = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in lazy.shape]
        window = tuple(slice(*edge) for edge in edges)
        got = lazy.read(window)
        np.testing.assert_array_equal(got, expected[window])
        assert got.dtype == np.uint16
        assert got.flags.c_contiguous


def test_half_is_rounded_to_even() -> None:
    blocks_of_two = np.array([[1, 2, 2, 3, 0, 0, 7, 0], [1, 2, 2, 3, 0, 65535, 0, 65535]], np.uint16)
    got = BlockMean(InMemory(blocks_of_two), 2, 0, 65535).read((slice(0, 1), slice(0, 4)))
    assert got.tolist() == [[2, 2, 65535, 7]]


@settings(max_examples=8, deadline=None)
@given(st.integers(40, 120), st.integers(50, 180), st.sampled_from([10, 20, 60]))
def test_bytes_do_not_depend_on_chunks(safe: Path, rows: int, columns: int, resolution: int) -> None:
    bands = ["red", "nir", "swir16", "scl"]
    whole = kr.open_sentinel2(safe, bands=bands, resolution=resolution, chunks=None)
    cut = kr.open_sentinel2(safe, bands=bands, resolution=resolution, chunks={"y": rows, "x": columns})
    for name in bands:
        assert isinstance(whole[name].data, np.ndarray)
        np.testing.assert_array_equal(cut[name].values, whole[name].values)
    assert kr.ndvi(cut).values.tobytes() == kr.ndvi(whole).values.tobytes()


# --- laziness -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_compute")
def test_nothing_is_computed_at_opening(safe: Path) -> None:
    ds = kr.open_sentinel2(safe)
    assert list(ds) == ALL
    assert all(blocks.is_lazy(ds[name].data) for name in ds)
    kr.reflectance(ds)
    kr.ndvi(ds)


def test_chunks_are_the_same_for_all_bands(safe: Path, tmp_path: Path) -> None:
    assert dict(kr.open_sentinel2(safe).chunks) == {"time": (1,), "y": (120,), "x": (180,)}
    assert dict(kr.open_sentinel2(safe, chunks={"y": 50}).chunks) == {"time": (1,), "y": (50, 50, 20), "x": (180,)}
    assert dict(kr.open_sentinel2(safe, chunks=64).chunks)["x"] == (64, 64, 52)
    with pytest.raises(InvalidInputError, match=r"^chunks: got sizes for \['lines'\]"):
        kr.open_sentinel2(safe, chunks={"lines": 5})


def test_automatic_chunks_are_whole_blocks(tmp_path: Path) -> None:
    """A tile of 2048 rows at 10 m is a whole number of blocks of the file; so is its fellow of the averaged band."""
    path = simulate.sentinel2(tmp_path, shape=(4200, 60), driver="GTiff", bands=["nir", "swir16"], changes=False)
    for file in path.rglob("IMG_DATA/R?0m/*.tif"):
        rewrite(file, pixels(file), tiled=True, blockxsize=256, blockysize=256)
    for resolution, rows in {10: (2048, 2048, 104), 20: (2048, 52)}.items():
        ds = kr.open_sentinel2(path, resolution=resolution)
        assert dict(ds.chunks)["y"] == rows
        assert ds.nir.chunks == ds.swir16.chunks


def test_names_pickles_and_processes(safe: Path) -> None:
    red = kr.open_sentinel2(safe, resolution=20).nir
    assert red.data.name == kr.open_sentinel2(safe, resolution=20).nir.data.name
    assert red.data.name != kr.open_sentinel2(safe, resolution=60).nir.data.name
    lazy = blocks.lazy_of(pickle.loads(pickle.dumps(red.data)))
    assert lazy is not None
    np.testing.assert_array_equal(lazy.read(lazy.whole()), red.values)
    with dask.config.set(scheduler="threads", num_workers=4):
        np.testing.assert_array_equal(kr.open_sentinel2(safe, resolution=20, chunks=16).nir.values, red.values)


# --- the choice of bands --------------------------------------------------------------------------


def test_bands_by_either_name(safe: Path) -> None:
    assert list(kr.open_sentinel2(safe, bands=["scl", "NIR", "B04", "b8a", "B2"])) == [
        "blue",
        "red",
        "nir",
        "nir08",
        "scl",
    ]
    assert list(kr.open_sentinel2(safe, bands="red")) == ["red"]


@pytest.mark.parametrize(
    ("bands", "error", "message"),
    [
        (["red", "B10"], MissingVariableError, r"^bands: got B10, but .*red \(B04\)"),
        (["thermal"], MissingVariableError, r"^bands: got thermal"),
        ([], InvalidInputError, r"^bands: got \[\], want one or more, each once"),
        (["red", "B04"], InvalidInputError, "want one or more, each once"),
        (5, InvalidTypeError, r"^bands: got 5, want names"),
        ([4], InvalidTypeError, r"^bands: got \[4\]"),
    ],
)
def test_bands_that_are_refused(safe: Path, bands: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kr.open_sentinel2(safe, bands=bands)


def test_resolutions_that_are_refused(safe: Path, copy: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"^resolution: got 30, want one of 10, 20, 60"):
        kr.open_sentinel2(safe, resolution=30)
    only(copy, "*_B04_10m.tif").unlink()
    with pytest.raises(
        InvalidInputError,
        match=r"^resolution: got 10.*\(red 20 m, 60 m\); want resolution=20, or in sentinel2_stack a grid",
    ):
        kr.open_sentinel2(copy)
    assert "red" in kr.open_sentinel2(copy, resolution=20)
    assert "red" not in kr.open_sentinel2(copy, bands=["nir", "blue"])


# --- do pixels and metadata agree about the offset? -----------------------------------------------


VEGETATION = np.full(1000, 4, np.uint8)


@pytest.mark.parametrize(
    ("numbers", "pending", "verdict"),
    [
        (np.linspace(1100, 1900, 1000), True, "consistent"),
        (np.linspace(100, 900, 1000), True, "contradicted"),
        (np.linspace(100, 900, 1000), False, "consistent"),
        (np.linspace(1100, 1900, 1000), False, "contradicted"),
        (np.r_[np.full(90, 950), np.full(910, 1200)], True, "consistent"),  # deep shade may be negative
        (np.r_[np.full(110, 950), np.full(890, 1200)], True, "contradicted"),
        (np.r_[np.full(60, 300), np.full(940, 1200)], False, "consistent"),  # haze over most of the scene
        (np.zeros(1000), True, "undecided"),
        (np.full(1000, 65535), False, "undecided"),
    ],
)
def test_verdict_on_vegetation(numbers: np.ndarray, pending: bool, verdict: str) -> None:
    assert offset_verdict(numbers.astype(np.uint16), VEGETATION, pending) == verdict


@pytest.mark.parametrize("scene_class", [0, 1, 2, 3, 5, 8, 9, 10, 11])
def test_bright_classes_decide_nothing(scene_class: int) -> None:
    numbers, scl = np.full((40, 40), 3400, np.uint16), np.full((40, 40), scene_class, np.uint8)
    assert offset_verdict(numbers, scl, pending=True) == "undecided"
    assert offset_verdict(numbers, scl, pending=False) == "undecided"


def test_verdict_on_real_scenes(samples: Path) -> None:
    """Earth Search has subtracted the offset from all five dates; the desert is of baseline 02.14."""
    for date in sorted((samples / "s2-l2a-5dates-33TWM").glob("S2*")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            red, scl = (pixels(date / name)[::3, ::3] for name in ("B04.tif", "SCL.tif"))
        assert offset_verdict(red, scl, pending=False) == "consistent"
        assert offset_verdict(red, scl, pending=True) == "contradicted"
        with_offset = np.where(red > 0, red + 1000, 0)
        assert offset_verdict(with_offset, scl, pending=True) == "consistent"
        assert offset_verdict(with_offset, scl, pending=False) == "contradicted"
    desert = samples / "s2-cog-29RKH-20200219"
    with rasterio.open(desert / "B04.tif") as file:
        red = file.read(1, out_shape=(549, 549))
    scl = pixels(desert / "SCL.tif")
    assert {offset_verdict(red, scl, pending) for pending in (True, False)} == {"undecided"}


def test_real_cube_of_a_cloudy_autumn(samples: Path) -> None:
    ds = xr.open_dataset(samples / "s2-optical-cubes" / "test_optical_cube.nc", engine="scipy", decode_cf=False)
    red, scl = ds["S2-L2A-B04"].values, ds["S2-L2A-SCL"].values
    verdicts = [offset_verdict(red[t], scl[t], pending=False) for t in range(19)]
    assert set(verdicts) == {"consistent", "undecided"}
    assert [t for t, verdict in enumerate(verdicts) if verdict == "consistent"] == [1, 4, 17]
    assert all(offset_verdict(red[t], scl[t], pending=True) == "contradicted" for t in (1, 4, 17))


@pytest.mark.parametrize("driver", ["JP2", "GTiff"])
def test_contradictions_are_told_at_opening(tmp_path: Path, driver: str) -> None:
    arguments = {"shape": (600, 600), "bands": ["red", "scl"], "driver": driver}
    sound = simulate.sentinel2(tmp_path / "sound", **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OffsetWarning)
        assert kr.open_sentinel2(sound).attrs["offset_check"] == "consistent"
    subtracted = simulate.sentinel2(tmp_path / "subtracted", pixels_without_offset=True, **arguments)
    with pytest.warns(OffsetWarning, match="offset of -1000 is still to be applied"):
        ds = kr.open_sentinel2(subtracted)
    assert ds.attrs["offset_check"] == "contradicted"
    metadata = only(sound, "MTD_MSIL2A.xml")
    edit(metadata, r"<BOA_ADD_OFFSET_VALUES_LIST>.*</BOA_ADD_OFFSET_VALUES_LIST>", "")
    edit(metadata, r"(<PROCESSING_BASELINE>)05\.11", r"\g<1>03.01")
    with pytest.warns(OffsetWarning, match="no offset in the pixels"):
        assert kr.open_sentinel2(sound, bands=["red"]).attrs["offset_check"] == "contradicted"


def test_means_of_class_numbers_are_no_classes(tmp_path: Path) -> None:
    """Stripes of shadow (3) and cloud (8): at a reduced resolution there is a 4 between them, which is no vegetation."""
    stripes = np.where(np.arange(1024) // 10 % 2, 8, 3).astype(np.uint8)
    images = {"red": np.full((1024, 1024), 3400, np.uint16), "scl": np.broadcast_to(stripes, (1024, 1024))}
    for name, image in images.items():
        profile = {"driver": "JP2OpenJPEG", "height": 1024, "width": 1024, "count": 1, "dtype": image.dtype}
        with rasterio.open(tmp_path / f"{name}.jp2", "w", **profile, QUALITY="100", REVERSIBLE="YES") as file:
            file.write(image, 1)
    with rasterio.open(tmp_path / "scl.jp2") as file:
        assert np.count_nonzero(file.read(1, out_shape=(256, 256)) == 4) > 1000
    red, scl = (read_header(tmp_path / f"{name}.jp2") for name in images)
    assert sampled_verdict(red, scl, pending=False) == "undecided"


# --- damage ---------------------------------------------------------------------------------------


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ProductNotFoundError, match="want a SAFE folder"):
        kr.open_sentinel2(tmp_path / "absent.SAFE")
    with pytest.raises(ProductError, match="no Sentinel-2 product metadata"):
        kr.open_sentinel2(tmp_path)


def test_sentinel1_is_sent_to_its_own_reader(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedProductError, match="open it with open_sentinel1"):
        kr.open_sentinel2(write_safe(tmp_path, lines=40, samples=40))


@pytest.mark.parametrize(
    ("pattern", "find", "replacement", "message"),
    [
        ("MTD_MSIL2A.xml", r"<BOA_ADD_OFFSET_VALUES_LIST>.*</BOA_ADD_OFFSET_VALUES_LIST>", "", "baseline 05.11 has an offset"),
        ("MTD_MSIL2A.xml", r"<BOA_ADD_OFFSET band_id=\"3\">-1000</BOA_ADD_OFFSET>", "", "BOA_ADD_OFFSET lacks B04"),
        ("MTD_MSIL2A.xml", r"(band_id=\"3\">)-1000", r"\g<1>-0.5", "want a whole number"),
        ("MTD_MSIL2A.xml", r"(<BOA_QUANTIFICATION_VALUE[^>]*>)10000", r"\g<1>0", "want a positive number"),
        ("MTD_MSIL2A.xml", r"(<PROCESSING_BASELINE>)05\.11", r"\g<1>new", "PROCESSING_BASELINE is 'new'"),
        ("MTD_MSIL2A.xml", r"(<SPACECRAFT_NAME>)[^<]+", r"\g<1>Landsat-8", "want Sentinel-2 and a letter"),
        ("MTD_MSIL2A.xml", r"(<PRODUCT_TYPE>)S2MSI2A", r"\g<1>S2MSI0", "the product is S2MSI0"),
        ("MTD_MSIL2A.xml", r"(<DATATAKE_SENSING_START>)[^<]+", r"\g<1>soon", "soon"),
        ("MTD_TL.xml", r"<Tile_Geocoding.*</Tile_Geocoding>", "", "Tile_Geocoding is missing"),
        ("MTD_TL.xml", r"<NROWS>\d+", "<NROWS>99999999999", "want at most"),
        ("MTD_TL.xml", r"(<ULX>)\d+", r"\g<1>inf", "Geoposition of 10 m"),
        ("MTD_TL.xml", r"(<TILE_ID[^>]*>)[^<]+", r"\g<1>nowhere", "names no tile"),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be(copy: Path, pattern: str, find: str, replacement: str, message: str) -> None:
    file = only(copy, pattern)
    edit(file, find, replacement)
    with pytest.raises(ProductError, match=message) as caught:
        kr.open_sentinel2(copy)
    assert file.name in str(caught.value)


@pytest.mark.parametrize("pattern", ["MTD_MSIL2A.xml", "MTD_TL.xml"])
def test_truncated_metadata(copy: Path, pattern: str) -> None:
    file = only(copy, pattern)
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    with pytest.raises(ProductError, match=f"{pattern} is damaged"):
        kr.open_sentinel2(copy)


@pytest.mark.parametrize("pattern", ["MTD_MSIL2A.xml", "MTD_TL.xml"])
def test_entity_bomb(copy: Path, pattern: str) -> None:
    file = only(copy, pattern)
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    edit(file, r"(<\?xml[^>]*\?>)", rf"\g<1>{bomb}]>")
    with pytest.raises(ProductError, match="entities that expand"):
        kr.open_sentinel2(copy)


def test_climbing_member_and_truncated_archive(safe: Path, tmp_path: Path) -> None:
    path = as_zip(safe, tmp_path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../outside.txt", "x")
    with pytest.raises(ProductError, match=r"climbs out of the archive; the file is not a Sentinel product"):
        kr.open_sentinel2(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ProductError, match=r"any name\.zip"):
        kr.open_sentinel2(path)


def test_damaged_member_of_an_archive(safe: Path, tmp_path: Path) -> None:
    path = as_zip(safe, tmp_path)
    with zipfile.ZipFile(path) as archive:
        info = next(one for one in archive.infolist() if one.filename.endswith("_B08_10m.tif"))
    damaged = bytearray(path.read_bytes())
    start = info.header_offset + 200
    damaged[start : start + info.compress_size - 200] = bytes(info.compress_size - 200)
    path.write_bytes(damaged)
    with pytest.raises(ProductError, match=r"B08_10m\.tif"):
        kr.open_sentinel2(path, bands=["nir"]).nir.compute()
    assert int(kr.open_sentinel2(path, bands=["red"]).red.max()) > 0


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_jpeg2000_that_was_cut_off(tmp_path: Path, keep: float) -> None:
    """In many blocks, as real ones: GDAL's own threads would hand back zeros for those that are gone."""
    path = simulate.sentinel2(tmp_path, shape=(360, 360), bands=["red", "nir"])
    file = only(path, "*_B08_10m.jp2")
    rewrite(file, pixels(file), blockxsize=64, blockysize=64, tiled=True)
    file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    with pytest.raises(ProductError, match=r"B08_10m\.jp2.*fetch"):
        kr.open_sentinel2(path, bands=["nir"]).nir.compute()
    assert int(kr.open_sentinel2(path, bands=["red"]).red.min()) > 0


def test_damage_to_bands_that_are_not_opened(copy: Path) -> None:
    only(copy, "*_B04_60m.tif").write_bytes(b"")
    ds = kr.open_sentinel2(copy, bands=["nir"])
    assert ds.attrs["offset_check"] == "undecided"
    assert int(ds.nir.max()) > 0


@pytest.mark.parametrize("change", ["size", "dtype", "place", "system"])
def test_images_of_another_product(copy: Path, change: str) -> None:
    file = only(copy, "*_B08_10m.tif")
    image = pixels(file)
    with rasterio.open(file) as opened:
        profile = opened.profile
    if change == "size":
        profile |= {"height": 119}
        image = image[:119]
    elif change == "dtype":
        profile |= {"dtype": "int16"}
        image = image.astype(np.int16)
    elif change == "place":
        profile |= {"transform": profile["transform"] @ Affine.translation(0.5, 0)}
    else:
        profile |= {"crs": CRS.from_epsg(32639)}
    with rasterio.open(file, "w", **profile) as opened:
        opened.write(image, 1)
    with pytest.raises(ProductError, match=r"B08_10m\.tif: the image .*different products"):
        kr.open_sentinel2(copy)


def test_two_products_in_one_folder(safe: Path, tmp_path: Path) -> None:
    for name in ("a.SAFE", "b.SAFE"):
        shutil.copytree(safe, tmp_path / name)
    with pytest.raises(ProductError, match="several products"):
        kr.open_sentinel2(tmp_path)


# --- the command line -----------------------------------------------------------------------------


@pytest.mark.parametrize("archive", [False, True])
def test_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: bool) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = simulate.sentinel2(tmp_path, shape=(60, 60), bands=["red", "scl"], driver="GTiff", archive=archive)
    shown = CliRunner().invoke(app, ["info", str(path)])
    assert shown.exit_code == 0, shown.output
    for text in (
        "sentinel-2a",
        "S2MSI2A",
        "05.11",
        "38TPK",
        "red (10, 20, 60 m)",
        "-1000 to be added",
        "EPSG:32638 at 10",
    ):
        assert text in shown.output
