"""Calibration and thermal noise: golden numbers, every annotation layout against an oracle, real LUTs, refusals."""

from __future__ import annotations

import pickle
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import rasterio
import xarray as xr

from kararaster import threads
from kararaster.calibration import calibrate, hold_positive
from kararaster.errors import InvalidInputError, InvalidTypeError, MissingVariableError
from kararaster.sentinel1 import open_sentinel1
from kararaster.simulate.safe import Layout, write_safe
from reference_sentinel1 import Oracle

SAMPLES = Path(__file__).resolve().parents[1].parent / "shared" / "samples"
REAL = sorted((SAMPLES / "s1-safe-metadata").glob("S1?_IW_GRDH*.zip"))
COMPLETE = [path for path in REAL if not path.stem.endswith("ECC8")]
INDIA = SAMPLES / "s1-grd-dn-india-2018" / "iw_20180716"
TAGS = {"sigma0": "sigmaNought", "beta0": "betaNought", "gamma0": "gamma"}


def oracle_of(safe: Path, band: str, ipf: str) -> Oracle:
    (annotation,) = (safe / "annotation").glob(f"*-{band}-*.xml")
    (calibration,) = (safe / "annotation" / "calibration").glob(f"calibration-*-{band}-*.xml")
    (noise,) = (safe / "annotation" / "calibration").glob(f"noise-*-{band}-*.xml")
    major, minor = ipf.split(".")
    return Oracle(annotation, calibration, noise, (int(major), int(minor)))


def forbidden(*_: Any, **__: Any) -> None:
    raise AssertionError("something was computed")


# --- golden numbers ---------------------------------------------------------------------------------------


def small_product(
    lut: list[list[float]], dn: int, *, shape: tuple[int, int] = (101, 41), noise: float = 0.0
) -> xr.Dataset:
    """DN everywhere `dn`, one sigma0 LUT with corners at lines 0 and 100, pixels 0 and 40, constant noise."""
    nodes = ("polarization", "calibration_vector", "calibration_node")
    noise_nodes = ("polarization", "noise_range_vector", "noise_range_node")
    return xr.Dataset(
        {
            "vv": (("azimuth_time", "ground_range"), np.full(shape, dn, np.uint16)),
            "calibration_line": (nodes[:2], [[0.0, 100.0]]),
            "calibration_pixel": (nodes, [[[0.0, 40.0]] * 2]),
            "sigma0_lut": (nodes, [lut]),
            "noise_range_line": (noise_nodes[:2], [[0.0]]),
            "noise_range_pixel": (noise_nodes, [[[0.0]]]),
            "noise_range_lut": (noise_nodes, [[[noise]]]),
            "noise_scaling": ("polarization", [1.0]),
        },
        coords={
            "polarization": ["vv"],
            "line": ("azimuth_time", np.arange(shape[0])),
            "pixel": ("ground_range", np.arange(shape[1])),
        },
    )


def test_golden_bilinear_lut() -> None:
    out = calibrate(small_product([[500.0, 520.0], [540.0, 580.0]], 100), noise=False)
    assert out.vv.values[25, 10] == pytest.approx(0.03752147224876736, rel=2e-6)
    assert out.vv.values[100, 40] == pytest.approx((100 / 580) ** 2, rel=2e-6)


def test_golden_noise() -> None:
    amplitude = 604.0979365947884
    ds = small_product([[amplitude] * 2] * 2, 200, noise=900.0)
    np.testing.assert_allclose(calibrate(ds, noise=False).vv, 0.10960876556920335, rtol=2e-6)
    np.testing.assert_allclose(calibrate(ds).vv, 0.10714256834389627, rtol=2e-6)


def test_largest_digital_number_is_squared_exactly() -> None:
    out = calibrate(small_product([[1.0, 1.0], [1.0, 1.0]], 65535), noise=False)
    np.testing.assert_array_equal(out.vv, np.float32(65535.0**2))


@pytest.mark.parametrize(
    ("negative", "expected"),
    [("keep", (100 - 900) / 250_000), ("zero", 0.0), ("nan", np.nan), ("snap", 1e-5 / 250_000)],
)
def test_negative_power(negative: Any, expected: float) -> None:
    out = calibrate(small_product([[500.0] * 2] * 2, 10, noise=900.0), negative=negative)
    np.testing.assert_allclose(out.vv, expected, rtol=1e-6)


def test_zero_is_nodata_and_nothing_else() -> None:
    ds = small_product([[500.0] * 2] * 2, 300)
    ds.vv[3, 4] = 0
    out = calibrate(ds, noise=False).vv.values
    assert np.isnan(out[3, 4])
    assert np.isfinite(np.delete(out.ravel(), 3 * 41 + 4)).all()


# --- every layout of the annotation -----------------------------------------------------------------------

LAYOUTS = {
    "2.20, own unit": Layout(ipf="002.20"),
    "2.36, own unit squared": Layout(ipf="002.36", ragged=True),
    "2.70, one list": Layout(ipf="002.70"),
    "2.89, ragged": Layout(ipf="002.89", ragged=True, zero_nodes=3),
    "3.31, no blocks": Layout(ipf="003.31", azimuth_blocks=0),
    "3.31, one block": Layout(ipf="003.31", azimuth_blocks=1),
    "2.90, three blocks": Layout(ipf="002.90", azimuth_blocks=3),
    "3.40, ten blocks": Layout(azimuth_blocks=10, ragged=True),
    "3.71, seventeen blocks": Layout(ipf="003.71", azimuth_blocks=17, vector_lines=31),
    "blocks without a vector": Layout(azimuth_blocks=17, vector_lines=170),
    "no zero nodes": Layout(zero_nodes=0),
    "most nodes zero": Layout(zero_nodes=4, ragged=True),
    "vectors from before the image": Layout(covers=(-0.2, 1.1)),
    "vectors end inside the image": Layout(covers=(0.15, 0.6), ragged=True),
    "vectors end inside, old": Layout(ipf="002.70", covers=(0.15, 0.6)),
    "one vector": Layout(covers=(0.4, 0.4)),
}
SHAPE = (230, 190)


@pytest.fixture(scope="module", params=LAYOUTS, ids=str)
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Layout]:
    layout = LAYOUTS[request.param]
    return write_safe(tmp_path_factory.mktemp("layout"), lines=SHAPE[0], samples=SHAPE[1], layout=layout), layout


def places(shape: tuple[int, int], count: int, seed: int) -> Iterator[tuple[int, int]]:
    random = np.random.default_rng(seed)
    yield from ((0, 0), (0, shape[1] - 1), (shape[0] - 1, 0), (shape[0] - 1, shape[1] - 1))
    for line, pixel in zip(*(random.integers(0, n, count) for n in shape), strict=True):
        yield int(line), int(pixel)


def test_layouts_equal_the_oracle(product: tuple[Path, Layout]) -> None:
    safe, layout = product
    ds = open_sentinel1(safe, chunks={"azimuth_time": 50, "ground_range": 70})
    with_noise, without = calibrate(ds).vh.values, calibrate(ds, noise=False).vh.values
    oracle, dn = oracle_of(safe, "vh", layout.ipf), ds.vh.values.astype(np.float64)
    for at in places(SHAPE, 60, seed=1):
        amplitude = oracle.amplitude("sigmaNought", *at)
        assert without[at] == pytest.approx((dn[at] / amplitude) ** 2, rel=1e-5)
        assert with_noise[at] == pytest.approx((dn[at] ** 2 - oracle.noise(*at)) / amplitude**2, rel=1e-5, abs=1e-9)


def test_simulated_product_gives_its_scene_back(tmp_path: Path) -> None:
    scene = np.random.default_rng(3).uniform(0.02, 0.8, (300, 200))
    scene[10:20, 30:40] = np.nan
    ds = calibrate(
        open_sentinel1(write_safe(tmp_path, scene={"vv": scene}, layout=Layout(node_pixels=5, zero_nodes=0)))
    )
    one_dn = 2 * np.sqrt(scene * 700**2 + 1500) / 500**2  # a step of one DN, in sigma0, at least
    assert (np.isnan(ds.vv.values) == np.isnan(scene)).all()
    assert np.nanmax(np.abs(ds.vv.values - scene) / one_dn) < 0.75
    assert abs(np.nanmean(ds.vv.values - scene)) < 1e-5


def test_quantities_follow_the_incidence_angle(tmp_path: Path) -> None:
    ds = open_sentinel1(write_safe(tmp_path, lines=60, samples=400))
    sigma, beta, gamma = (calibrate(ds, q, noise=False).vv.values.astype(float) for q in ("sigma0", "beta0", "gamma0"))
    sine, cosine = sigma / beta, sigma / gamma
    np.testing.assert_allclose(sine**2 + cosine**2, 1, atol=2e-6)
    angle = np.radians(ds.geolocation_incidence_angle[0].values)
    np.testing.assert_allclose(sine[0, ds.geolocation_pixel.values.astype(int)], np.sin(angle), rtol=1e-4)


# --- options and state ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_safe(
        tmp_path_factory.mktemp("product"), lines=SHAPE[0], samples=SHAPE[1], layout=Layout(azimuth_blocks=10)
    )


@pytest.fixture(scope="module")
def ds(safe: Path) -> xr.Dataset:
    return open_sentinel1(safe)


def test_result_carries_geometry_and_provenance(ds: xr.Dataset) -> None:
    out = calibrate(ds, "gamma0")
    assert out.vv.dtype == np.float32
    assert out.vv.attrs["quantity"] == "gamma0"
    assert out.vv.attrs["units"] == "1"
    assert out.vh.attrs["polarization"] == "VH"
    assert "nodata" not in out.vv.attrs
    assert not [
        name for name in out.variables if str(name).endswith("_lut") or str(name).startswith(("noise_", "calibration_"))
    ]
    for name in ("geolocation_incidence_angle", "orbit_position", "grsr_coefficients", "line", "relative_orbit"):
        xr.testing.assert_identical(out[name].variable, ds[name].variable)
    assert out.attrs["thermal_noise_removed"] == 1
    assert out.attrs["history"].splitlines()[-1] == "calibrate(quantity='gamma0', noise=True, negative='keep')"
    assert ds.attrs["thermal_noise_removed"] == 0


def test_nothing_is_computed_early(safe: Path) -> None:
    with dask.config.set(scheduler=forbidden):
        out = calibrate(open_sentinel1(safe))
        with pytest.raises(AssertionError, match="something was computed"):
            out.vv.compute()


def test_any_chunking_gives_the_same_bytes(safe: Path, ds: xr.Dataset) -> None:
    whole = calibrate(open_sentinel1(safe, chunks=None)).vv.values
    for chunks in ("auto", {"azimuth_time": 1}, {"azimuth_time": 37, "ground_range": 41}):
        np.testing.assert_array_equal(calibrate(open_sentinel1(safe, chunks=chunks)).vv.values, whole)
    by_hand = ds.assign(vv=ds.vv.copy(data=dask.array.from_array(ds.vv.values, (29, 190))))
    np.testing.assert_array_equal(calibrate(by_hand).vv.values, whole)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_any_thread_count_gives_the_same_bytes(safe: Path, ds: xr.Dataset, count: int) -> None:
    threads.set_threads(count)
    try:
        np.testing.assert_array_equal(calibrate(open_sentinel1(safe, chunks=None)).vv, calibrate(ds).vv)
    finally:
        threads.set_threads(None)


def test_pickles_to_the_same_bytes(ds: xr.Dataset) -> None:
    out = calibrate(ds)
    assert pickle.loads(pickle.dumps(out)).vv.data.name == out.vv.data.name
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(out)).vv.values, out.vv.values)


def test_a_part_equals_the_part_of_the_whole(ds: xr.Dataset) -> None:
    part = {"azimuth_time": slice(71, 180), "ground_range": slice(64, 150)}
    expected = calibrate(ds).vv.isel(part).values
    np.testing.assert_array_equal(calibrate(ds.isel(part)).vv.values, expected)
    np.testing.assert_array_equal(calibrate(ds.isel(part).load()).vv.values, expected)
    np.testing.assert_array_equal(calibrate(ds.isel(part).transpose(..., "azimuth_time")).vv.values, expected)
    assert calibrate(ds.isel(azimuth_time=slice(0, 0))).vv.values.shape == (0, SHAPE[1])
    assert calibrate(ds.isel(azimuth_time=slice(5, 6), ground_range=slice(9, 10))).vv.values.shape == (1, 1)


def test_zarr_between_opening_and_calibrating(ds: xr.Dataset, tmp_path: Path) -> None:
    ds.to_zarr(tmp_path / "store.zarr")
    back = calibrate(xr.open_zarr(tmp_path / "store.zarr"))
    for band in ("vv", "vh"):
        np.testing.assert_array_equal(back[band].values, calibrate(ds)[band].values)


def test_noise_removed_by_the_processor_is_not_removed_again(tmp_path: Path) -> None:
    ds = open_sentinel1(write_safe(tmp_path, lines=50, samples=50, layout=Layout(noise_removed=True)))
    np.testing.assert_array_equal(calibrate(ds).vv.values, calibrate(ds, noise=False).vv.values)


def test_annotated_noise_as_it_stands(tmp_path: Path) -> None:
    ds = open_sentinel1(write_safe(tmp_path, lines=50, samples=50, layout=Layout(ipf="002.36")))
    scaled, annotated, none = (calibrate(ds, noise=rule).vv.values for rule in (True, "annotation", False))
    assert float(ds.noise_scaling[0]) == pytest.approx(1.687e10, rel=1e-3)
    assert (none - scaled > 1e-3).all()
    np.testing.assert_allclose(annotated, none, rtol=1e-6)


def test_hold_positive() -> None:
    nodes = np.array([[0.0, 10.0, 30.0, 40.0, np.nan], [0.0, 1.0, 2.0, 3.0, 4.0]])
    lut = np.array([[0.0, 5.0, 0.0, 7.0, np.nan], [0.0, np.nan, 0.0, -1.0, 0.0]])
    np.testing.assert_array_equal(hold_positive(lut, nodes=nodes), [[5.0, 5.0, 7.0, 7.0, np.nan], [0.0] * 5])


def test_vectors_without_any_noise_are_flagged(ds: xr.Dataset) -> None:
    silent = ds.copy()
    silent["noise_range_lut"] = xr.where(np.isfinite(ds.noise_range_lut), 0.0, np.nan)
    out = calibrate(silent)
    np.testing.assert_array_equal(out.vv.values, calibrate(ds, noise=False).vv.values)
    assert out.vv.attrs["noise_vectors_without_information"] == ds.sizes["noise_range_vector"]
    assert "noise_vectors_without_information" not in calibrate(ds).vv.attrs


# --- refusals ---------------------------------------------------------------------------------------------


def test_wrong_dtype(ds: xr.Dataset) -> None:
    with pytest.raises(InvalidTypeError, match=r"vv: got dtype float32, want the uint16"):
        calibrate(ds.assign(vv=ds.vv.astype(np.float32)))


def test_calibrated_already(ds: xr.Dataset) -> None:
    with pytest.raises(InvalidInputError, match="vv: is sigma0 already"):
        calibrate(calibrate(ds))


def test_unknown_options(ds: xr.Dataset) -> None:
    for name, value in (("quantity", "sigma"), ("noise", "maybe"), ("negative", "clip")):
        with pytest.raises(InvalidInputError, match=f"{name}: got '{value}', want"):
            calibrate(ds, **{name: value})
    with pytest.raises(InvalidTypeError, match="got DataArray"):
        calibrate(ds.vv)  # type: ignore[arg-type]


def test_lines_must_follow_each_other(ds: xr.Dataset) -> None:
    for part in ({"azimuth_time": slice(None, None, 2)}, {"ground_range": slice(None, None, -1)}):
        with pytest.raises(InvalidInputError, match="not consecutive"):
            calibrate(ds.isel(part))
    with pytest.raises(MissingVariableError, match="'line'"):
        calibrate(ds.drop_vars("line"))


def test_tables_lost_on_the_way(ds: xr.Dataset) -> None:
    with pytest.raises(MissingVariableError, match="calibration"):
        calibrate(ds[["vv", "vh"]])
    with pytest.raises(MissingVariableError, match="no radar band"):
        calibrate(ds.drop_vars(["vv", "vh"]))


@pytest.mark.parametrize(("role", "band"), [("calibration", "vv"), ("noise", "vh")])
def test_missing_annotation_is_named(safe: Path, tmp_path: Path, role: str, band: str) -> None:
    copy = Path(shutil.copytree(safe, tmp_path / safe.name))
    (file,) = copy.rglob(f"{role}-*-{band}-*.xml")
    file.unlink()
    ds = open_sentinel1(copy)
    assert ds.attrs["missing_annotation"] == f"{role} {band}"
    with pytest.raises(MissingVariableError, match=rf"{band}: .*{role}-\*-{band}-\*\.xml"):
        calibrate(ds)
    other = "vh" if band == "vv" else "vv"
    assert np.isfinite(calibrate(open_sentinel1(copy, polarizations=[other]))[other].values).all()
    if role == "noise":
        assert np.isfinite(calibrate(ds, noise=False).vh.values).all()


def test_old_noise_without_processor_version(tmp_path: Path) -> None:
    safe = write_safe(tmp_path, lines=40, samples=40, layout=Layout(ipf="002.36"))
    (safe / "manifest.safe").unlink()
    ds = open_sentinel1(safe)
    with pytest.raises(MissingVariableError, match=r"manifest\.safe"):
        calibrate(ds)
    assert np.isfinite(calibrate(ds, noise="annotation").vv.values).all()


# --- real annotation --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=COMPLETE, ids=lambda path: path.stem)
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with zipfile.ZipFile(request.param) as archive:
        folder = tmp_path_factory.mktemp("real")
        archive.extractall(folder)
    return folder / f"{request.param.stem}.SAFE"


@pytest.mark.skipif(not REAL, reason="real Sentinel-1 metadata not present")
@pytest.mark.parametrize("quantity", TAGS)
def test_real_luts_at_random_pixels(real: Path, quantity: Any) -> None:
    """DN 1000 everywhere, calibrated at single pixels; amplitude and noise from the XML text by another program."""
    ds = open_sentinel1(real)
    shape = (ds.sizes["azimuth_time"], ds.sizes["ground_range"])
    for band in ds.polarization.values:
        oracle = oracle_of(real, band, ds.attrs["ipf_version"])
        for line, pixel in places(shape, 12, seed=5):
            one = ds.isel(azimuth_time=slice(line, line + 1), ground_range=slice(pixel, pixel + 1))
            one = one.drop_vars({"vv", "vh"} & set(one)).assign(
                {band: (ds[band].dims, np.full((1, 1), 1000, np.uint16))}
            )
            amplitude = oracle.amplitude(TAGS[quantity], line, pixel)
            bare = calibrate(one, quantity, noise=False)[band].item()
            free = calibrate(one, quantity)[band].item()
            assert bare == pytest.approx((1000 / amplitude) ** 2, rel=1e-5)
            assert free == pytest.approx((1e6 - oracle.noise(line, pixel)) / amplitude**2, rel=1e-5)


@pytest.mark.skipif(not REAL, reason="real Sentinel-1 metadata not present")
@pytest.mark.parametrize("path", COMPLETE, ids=lambda path: path.stem)
def test_closed_facts_of_real_luts(path: Path) -> None:
    ds = open_sentinel1(path)
    sine, cosine = (ds.beta0_lut / ds.sigma0_lut) ** 2, (ds.gamma0_lut / ds.sigma0_lut) ** 2
    assert float(np.abs(sine**2 + cosine**2 - 1).max()) < 1e-6
    implied = np.degrees(np.arcsin(sine.sel(polarization="vv").isel(calibration_vector=13).values))
    pixel = ds.calibration_pixel.sel(polarization="vv").isel(calibration_vector=13).values
    middle = ds.geolocation_incidence_angle.isel(geolocation_line=5)
    assert np.abs(np.interp(middle.geolocation_pixel, pixel, implied) - middle).max() < 0.5


@pytest.mark.skipif(not REAL, reason="real Sentinel-1 metadata not present")
def test_product_without_calibration_annotation() -> None:
    ds = open_sentinel1(next(path for path in REAL if path.stem.endswith("ECC8")))
    with pytest.raises(MissingVariableError, match=r"vv: the product came without its calibration annotation"):
        calibrate(ds)


@pytest.mark.skipif(not (INDIA.exists() and REAL), reason="real digital numbers not present")
@pytest.mark.parametrize("quantity", TAGS)
def test_real_pixels_with_a_real_lut(quantity: Any) -> None:
    """Composed: digital numbers of one real product (decimated, 2018), annotation of another (2021)."""
    ds = open_sentinel1(next(path for path in REAL if path.stem.endswith("8255")))
    images = {}
    for band in ("vv", "vh"):
        with rasterio.open(INDIA / f"iw-{band}.tiff") as file:
            images[band] = (ds[band].dims, file.read(1))
    shape = images["vv"][1].shape
    cut = ds.drop_vars(["vv", "vh"]).isel(
        azimuth_time=slice(8000, 8000 + shape[0]), ground_range=slice(12000, 12000 + shape[1])
    )
    out = calibrate(cut.assign(images), quantity)
    for band, (_, dn) in images.items():
        values = out[band].values
        assert (np.isnan(values) == (dn == 0)).all()
        assert 0.015 < np.isnan(values).mean() < 0.025
        median, low, high = np.nanpercentile(values, [50, 5, 95])
        assert -25 < 10 * np.log10(median) < 0
        assert low < median < high < 1
    assert np.nanmedian(out.vv) > 2.5 * np.nanmedian(out.vh)
