"""Cloud masks: SciPy's morphology as the oracle, real scene classifications, chunks and threads, refusals."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.xr import assign_crs
from scipy import ndimage

import kararaster as kr
from kararaster import blocks, errors
from kararaster.lazy import InMemory, Window

KEEP = (4, 5, 6, 7)


def disc(radius: int) -> npt.NDArray[np.bool_]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return y * y + x * x <= radius * radius


def expected(scl: npt.NDArray[np.uint8], keep: tuple[int, ...], opening: int, growing: int) -> npt.NDArray[np.bool_]:
    """The mask of one image; at the edge nothing is eroded and nothing comes in."""
    bad = ~np.isin(scl, keep)
    eroded = ndimage.binary_erosion(bad, disc(opening), border_value=1)
    opened = ndimage.binary_dilation(eroded, disc(opening))
    return ndimage.binary_dilation(opened, disc(growing)) | (scl <= 1) | (scl > 11)


def classes(shape: tuple[int, ...], seed: int, cell: int = 3) -> npt.NDArray[np.uint8]:
    """Blobs of random classes, mostly ground, with specks of every class."""
    rng = np.random.default_rng(seed)
    coarse = (*shape[:-2], shape[-2] // cell + 1, shape[-1] // cell + 1)
    blobs = rng.choice([4, 5, 6, 7, 9, 3, 0], coarse, p=[0.4, 0.2, 0.1, 0.05, 0.15, 0.07, 0.03]).astype(np.uint8)
    fine = blobs.repeat(cell, -1).repeat(cell, -2)[..., : shape[-2], : shape[-1]]
    return np.where(rng.random(shape) < 0.05, rng.integers(0, 12, shape, dtype=np.uint8), fine)


def scene(scl: npt.NDArray[np.uint8], seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    dims = ("time", "y", "x")[-scl.ndim :]
    numbers = rng.integers(1, 65536, scl.shape, dtype=np.uint16)
    ds = xr.Dataset({"red": (dims, numbers), "nir": (dims, rng.random(scl.shape, np.float32)), "scl": (dims, scl)})
    ds.red.attrs = {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0}
    return ds


def on_grid(ds: xr.Dataset, size: float) -> xr.Dataset:
    y, x = (size * np.arange(n) for n in (ds.sizes["y"], ds.sizes["x"]))
    return ds.assign_coords(y=4_000_000 - y, x=500_000 + x)


def assert_masked(ds: xr.Dataset, got: xr.Dataset, mask: npt.NDArray[np.bool_]) -> None:
    """`_FillValue` and NaN exactly in the mask, every other pixel as it was, dtypes kept."""
    assert mask.any()
    assert not mask.all()
    np.testing.assert_array_equal(got.red.values, np.where(mask, 0, ds.red.values))
    np.testing.assert_array_equal(got.nir.values, np.where(mask, np.float32(np.nan), ds.nir.values))
    assert (got.red.dtype, got.nir.dtype) == (np.uint16, np.float32)
    assert got.red.attrs == ds.red.attrs
    np.testing.assert_array_equal(got.scl.values, ds.scl.values)


@pytest.mark.parametrize("keep", [KEEP, (4,), (2, 4, 5, 6, 7, 11)])
@pytest.mark.parametrize("buffer", [0, 1, 2, 5])
def test_mask_is_that_of_scipy(keep: tuple[int, ...], buffer: int) -> None:
    ds = scene(classes((90, 71), seed=buffer, cell=11))
    mask = expected(ds.scl.values, keep, 1, buffer)
    assert_masked(ds, ds.kara.mask_clouds(keep, buffer=buffer), mask)


@pytest.mark.parametrize(("size", "opening", "growing"), [(10.0, 2, 4), (20.0, 1, 2), (30.0, 1, 1), (60.0, 0, 1)])
def test_distances_are_in_pixels_of_20_metres(size: float, opening: int, growing: int) -> None:
    ds = on_grid(scene(classes((60, 83), seed=5, cell=7)), size)
    assert_masked(ds, ds.kara.mask_clouds(), expected(ds.scl.values, KEEP, opening, growing))


@pytest.mark.parametrize("crs", [4326, 3857, 32638])
def test_distances_are_on_the_ground_whatever_the_projection(crs: int) -> None:
    """At 60 degrees north a degree of longitude, and a metre of the web map, is half of what it is at the equator."""
    origin, step = {
        4326: ((45.0, 60.0), (10 / 55_800, 10 / 111_400)),
        3857: ((5_009_377.0, 8_399_738.0), (20.0, 20.0)),
        32638: ((500_000.0, 6_651_411.0), (10.0, 10.0)),
    }[crs]
    ds = scene(classes((60, 83), seed=5, cell=7))
    x, y = (o + s * np.arange(n) for o, s, n in zip(origin, step, (83, 60), strict=True))
    ds = assign_crs(ds.assign_coords(y=("y", y), x=("x", x)), crs)
    assert_masked(ds, ds.kara.mask_clouds(), expected(ds.scl.values, KEEP, 2, 4))


def test_single_pixels_without_measurement_are_masked_and_single_bright_ones_are_not() -> None:
    scl = np.full((12, 30), 4, np.uint8)
    scl[5, [3, 9, 15, 21, 27]] = 0, 1, 9, 11, 255
    got = scene(scl).kara.mask_clouds(keep=range(12))
    assert np.argwhere(got.red.values == 0).tolist() == [[5, 3], [5, 9], [5, 27]]
    got = scene(scl).kara.mask_clouds()
    assert np.argwhere(got.red.values == 0).tolist() == [[5, 3], [5, 9], [5, 27]]


def test_classes_by_name() -> None:
    ds = scene(classes((40, 41), seed=3))
    by_number = ds.kara.mask_clouds((4, 5, 6, 7, 11, 2))
    by_name = ds.kara.mask_clouds(
        ["vegetation", "BARE_SOIL", kr.SceneClass.WATER, 7, "snow_ice", kr.SceneClass.DARK_AREA]
    )
    xr.testing.assert_identical(by_name, by_number)
    xr.testing.assert_identical(ds.kara.mask_clouds("water"), ds.kara.mask_clouds((6,)))
    assert by_name.attrs["history"] == (
        "mask_clouds(keep=(dark_area, vegetation, bare_soil, water, unclassified, snow_ice), buffer=2)"
    )


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(1, 2),
    st.integers(4, 17),
    st.integers(4, 17),
    st.sampled_from([1, 2, 7]),
    st.integers(0, 6),
)
def test_any_chunking_and_thread_count_give_the_same_bytes(
    h: int, w: int, dates: int, cy: int, cx: int, threads: int, buffer: int
) -> None:
    ds = scene(classes((dates, h, w), seed=h * 41 + w))
    eager = ds.kara.mask_clouds(buffer=buffer)
    chunks = {"time": 1, "y": max(1, min(cy, h)), "x": max(1, min(cx, w))}
    shape = (1, chunks["y"], chunks["x"])
    lazily = ds.assign(
        {n: ds[n].copy(data=blocks.from_lazy(InMemory(ds[n].values), chunks=shape)) for n in ds.data_vars}
    )
    try:
        kr.set_threads(threads)
        for other in (ds, ds.chunk(chunks), lazily):
            got = other.kara.mask_clouds(buffer=buffer)
            for band in ("red", "nir"):
                assert got[band].values.tobytes() == eager[band].values.tobytes()
    finally:
        kr.set_threads(None)


def test_dates_are_masked_one_by_one_and_maps_are_kept() -> None:
    ds = scene(classes((3, 50, 40), seed=8))
    ds["elevation"] = ("y", "x"), np.ones((50, 40), np.float32)
    ds["cloud_cover"] = "time", np.array([1, 2, 3])
    got = ds.kara.mask_clouds()
    mask = np.stack([expected(scl, KEEP, 1, 2) for scl in ds.scl.values])
    assert_masked(ds, got, mask)
    xr.testing.assert_identical(got.elevation, ds.elevation)
    xr.testing.assert_identical(got.cloud_cover, ds.cloud_cover)
    turned = ds.transpose("y", "x", "time").kara.mask_clouds()
    assert turned.red.dims == ("y", "x", "time")
    np.testing.assert_array_equal(turned.red.transpose("time", "y", "x").values, got.red.values)


def test_classes_of_other_dtypes() -> None:
    ds = scene(classes((40, 41), seed=3))
    want = ds.kara.mask_clouds().red.values
    for dtype in (np.int16, np.uint16, np.float64):
        scl = ds.scl.astype(dtype)
        np.testing.assert_array_equal(ds.assign(scl=scl).kara.mask_clouds().red.values, want)
    no_data = ds.scl.where(ds.scl > 0)
    np.testing.assert_array_equal(ds.assign(scl=no_data).kara.mask_clouds().red.values, want)


@pytest.mark.usefixtures("no_compute")
def test_nothing_is_computed_early() -> None:
    ds = scene(classes((2, 64, 64), seed=1)).chunk(y=16, x=16)
    ds["nir"] = ds["red"].copy()
    assert blocks.is_lazy(ds.kara.mask_clouds().kara.ndvi().data)


def test_the_mask_is_read_once_for_all_bands() -> None:
    reads: list[object] = []

    class Counted(InMemory):
        def read(self, window: Window) -> npt.NDArray[np.uint8]:
            reads.append(window)
            return super().read(window)

    ds = scene(classes((64, 64), seed=1))
    ds["nir"] = ds["red"].copy()
    sources = {"red": InMemory(ds.red.values), "nir": InMemory(ds.nir.values), "scl": Counted(ds.scl.values)}
    carried = {n: ds[n].copy(data=blocks.from_lazy(source, chunks=(64, 64))) for n, source in sources.items()}
    ds.assign(carried).kara.mask_clouds().kara.ndvi().compute()
    assert len(reads) == 1


def read_classes(path: Path) -> npt.NDArray[np.uint8]:
    with rasterio.open(path) as file:
        scl: npt.NDArray[np.uint8] = file.read(1)
    return scl


def test_the_real_classification_of_a_product_at_60_m(samples: Path) -> None:
    scl = read_classes(next((samples / "s2-l2a-safe-33TVM-20241014").rglob("*_SCL_60m.jp2")))
    ds = on_grid(scene(scl), 60.0)
    assert not ds.kara.mask_clouds().red.any()  # Clouds from one side of the swath to the other.
    got = ds.kara.mask_clouds(keep=("cloud_high_probability",))
    assert_masked(ds, got, expected(scl, (9,), 0, 1))
    chunked = ds.chunk(y=500, x=700).kara.mask_clouds(keep=("cloud_high_probability",))
    assert chunked.red.values.tobytes() == got.red.values.tobytes()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_five_real_dates(samples: Path) -> None:
    paths = sorted((samples / "s2-l2a-5dates-33TWM").glob("*/SCL.tif"))
    scl = np.stack([read_classes(path)[:300] for path in paths])
    ds = scene(scl)
    mask = np.stack([expected(date, KEEP, 1, 2) for date in scl])
    assert_masked(ds, ds.kara.mask_clouds(), mask)


def test_a_real_cube_whose_classes_are_uint16(samples: Path) -> None:
    with xr.open_dataset(samples / "s2-optical-cubes" / "test_optical_cube.nc", mask_and_scale=False) as file:
        cube = file.drop_vars("crs").astype(np.uint16).rename(t="time")
    cube = cube.rename({name: str(name).removeprefix("S2-L2A-") for name in cube.data_vars})
    cube = cube.rename(B02="blue", B03="green", B04="red", B08="nir", SCL="scl")
    for band in cube.data_vars.values():
        band.attrs = {"_FillValue": 65535}
    size = abs(float(cube.x[1] - cube.x[0]))
    assert size == 10.0
    got = cube.kara.mask_clouds(buffer=2)
    mask = np.stack([expected(scl.astype(np.uint8), KEEP, 2, 4) for scl in cube.scl.values])
    for name in ("blue", "green", "red", "nir"):
        np.testing.assert_array_equal(got[name].values, np.where(mask, 65535, cube[name].values))
    clear = 1 - mask.mean(axis=(1, 2))
    assert clear.min() == 0.0
    assert clear.max() > 0.9


@pytest.mark.parametrize(("size", "opening", "growing"), [(40.0, 1, 1), (60.0, 0, 1), (80.0, 0, 1), (100.0, 0, 0)])
def test_radii_below_half_a_pixel_vanish(size: float, opening: int, growing: int) -> None:
    ds = on_grid(scene(classes((60, 50), seed=9, cell=7)), size)
    assert_masked(ds, ds.kara.mask_clouds(buffer=2), expected(ds.scl.values, KEEP, opening, growing))


def refused(kind: type[Exception], part: str, ds: xr.Dataset, **arguments: object) -> None:
    with pytest.raises(kind, match=re.escape(part)):
        ds.kara.mask_clouds(**arguments)


def test_refusals_name_the_argument() -> None:
    ds = scene(classes((20, 20), seed=1))
    refused(errors.MissingVariableError, "scl: the Dataset has ['nir', 'red']", ds.drop_vars("scl"))
    refused(errors.InvalidInputError, "keep: got 'snow', want classes among: 0 no_data", ds, keep=("snow",))
    refused(errors.InvalidInputError, "keep: got 12", ds, keep=(4, 12))
    refused(errors.InvalidTypeError, "keep: got None, want classes", ds, keep=None)
    refused(errors.InvalidInputError, "buffer: got -1", ds, buffer=-1)
    refused(errors.InvalidInputError, "buffer: got 70 pixels of 20 m, which is 140", on_grid(ds, 10.0), buffer=70)
    refused(errors.InvalidInputError, "need their reference system", on_grid(ds, 1e-4))
    del ds.red.attrs["_FillValue"]
    refused(errors.InvalidInputError, "red: got uint16 with _FillValue None", ds)
    ds.red.attrs["_FillValue"] = -9999
    refused(errors.InvalidInputError, "red: got uint16 with _FillValue -9999", ds)
    ds["red"] = ds.red.expand_dims(time=2)
    refused(errors.GeometryError, "red: has the dimensions ['time'], scl has not", ds)
    with pytest.raises(errors.InvalidTypeError, match="ds: got DataArray"):
        kr.mask_clouds(ds.nir)
