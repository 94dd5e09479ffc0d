"""Real input through the public functions: hand-labelled change pairs and a year of monthly composites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import kararaster as kr
import reference


def pair(folder: Path, stem: str) -> tuple[xr.Dataset, np.ndarray]:
    """Two dates of an 8-bit, uncalibrated image (value + 1 taken as linear power) and the hand-drawn change."""
    rasterio = pytest.importorskip("rasterio")
    images = []
    for name in ("1", "2", "gt"):
        with rasterio.open(folder / f"{stem}_{name}.bmp") as src:
            images.append(src.read(1))
    times = np.array(["2000-01-01", "2000-06-01"], "datetime64[ns]")
    power = np.stack(images[:2]).astype(np.float32) + 1
    ds = xr.Dataset({"vv": (("time", "y", "x"), power, {"units": "1"})}, coords={"time": times})
    return ds, images[2] > 127


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(("stem", "at_least"), [("bern", 0.9970), ("sanfrancisco", 0.9963)])
def test_log_ratio_on_hand_labelled_pairs(samples: Path, stem: str, at_least: float) -> None:
    ds, truth = pair(samples / "sar-change-benchmarks" / stem, stem)
    scores = {}
    for window in (1, 3, 5, 7):
        smooth = ds.kara.despeckle("boxcar", window=window)
        result = smooth.kara.change(event="2000-03-01", post="200D", method="logratio", by=None)
        score = np.abs(result.statistic.values)
        scores[window] = reference.auc(score.ravel(), truth.ravel())
        box = [reference.boxcar(ds.vv.values[i], window, window) for i in (0, 1)]
        np.testing.assert_allclose(score, np.abs(np.log(box[1] / box[0])), rtol=1e-4, atol=1e-6)
    assert max(scores.values()) >= at_least, scores


@pytest.fixture(scope="module")
def monthly(samples: Path) -> xr.Dataset:
    """Twelve real months in decibel, as compressed digital numbers: dB = 20 log10(DN) - 83."""
    pytest.importorskip("h5netcdf")
    source = samples / "s1-stack-monthly-worldcereal" / "worldcereal_preprocessed_inputs.nc"
    ds = kr.open_stack(source, chunks=40)
    names = {"S1-SIGMA0-VV": "vv", "S1-SIGMA0-VH": "vh"}
    ds = ds[list(names)].rename(names)
    for name in names.values():
        number = ds[name].astype(np.float32)
        ds[name] = (20 * np.log10(number.where(number > 0)) - 83).assign_attrs(units="dB")
    return ds


def test_a_real_year_through_filter_and_test(monthly: xr.Dataset) -> None:
    assert monthly.sizes == {"time": 12, "y": 100, "x": 100}
    power = monthly.kara.from_db()
    raw = monthly.vv.values
    np.testing.assert_allclose(power.vv.values, 10 ** (raw / 10), rtol=2e-6)
    smooth = power.kara.despeckle("lee", window=5)
    np.testing.assert_array_equal(np.isnan(smooth.vv.values), np.isnan(raw))
    want = reference.lee(power.vv.isel(time=3).values, 5, 5, 4.4)
    np.testing.assert_allclose(smooth.vv.isel(time=3).values, want, rtol=2e-6)
    result = smooth.kara.change(event="2021-07-01", pre="365D", post="365D", by=None).compute()
    months = monthly.time.values < np.datetime64("2021-07-01")
    valid = (np.isfinite(smooth.vv) & np.isfinite(smooth.vh)).values
    np.testing.assert_array_equal(result.n_pre.values, valid[months].sum(0))
    np.testing.assert_array_equal(result.n_post.values, valid[~months].sum(0))
    assert np.isfinite(result.p_value).all()
    a, b = (
        np.stack([smooth[band].isel(time=side).values[:, 7, 11] for band in ("vv", "vh")])[..., None]
        for side in (months, ~months)
    )
    want = reference.hotelling_ln_p(reference.fourth_root(a), reference.fourth_root(b))
    np.testing.assert_allclose(result.neg_log10_p.values[7, 11], -want[0] / np.log(10), rtol=1e-5)


def test_a_real_hole_does_not_spread(monthly: xr.Dataset) -> None:
    power = monthly.kara.from_db().load()
    power.vv.values[4, 30:40, 50:60] = np.nan
    smooth = power.kara.despeckle("lee", window=7)
    np.testing.assert_array_equal(np.isnan(smooth.vv.values), np.isnan(power.vv.values))
    result = smooth.kara.change(event="2021-07-01", pre="365D", post="365D", by=None)
    assert (result.n_pre.values[30:40, 50:60] == 7).all()
    assert (
        np.delete(result.n_pre.values.ravel(), np.ravel_multi_index(np.mgrid[30:40, 50:60], (100, 100)).ravel()) == 8
    ).all()
    assert np.isfinite(result.p_value).all()


def test_the_p_values_of_a_real_quiet_pair_of_halves_are_not_all_small(monthly: xr.Dataset) -> None:
    """A placebo: odd against even months. Crops grow, so no uniformity is claimed; a broken tail would show."""
    power = monthly.kara.from_db().load()
    order = np.r_[0:12:2, 1:12:2]
    placebo = power.isel(time=order).assign_coords(time=power.time.values)
    result = placebo.kara.change(event=power.time.values[6], pre="400D", post="400D", by=None)
    assert (result.p_value < 0.05).mean() < 0.10


@pytest.fixture(scope="module")
def sea(samples: Path) -> xr.DataArray:
    """Open water of a real product, averaged before it was delivered, without its trends in range and azimuth."""
    rasterio = pytest.importorskip("rasterio")
    with rasterio.open(samples / "s1-grd-dn-india-2018" / "s1_20230809" / "s1-vh.tiff") as src:
        power = src.read(1)[560:660, 100:300].astype(np.float64) ** 2
    power /= power.mean(0)
    power /= power.mean(1, keepdims=True)
    return xr.DataArray(power.astype(np.float32), dims=("y", "x"), attrs={"units": "1"})


def correlation(values: np.ndarray, dy: int, dx: int) -> float:
    z = values - values.mean()
    rows, columns = z.shape
    one = z[max(0, dy) : rows + min(0, dy), max(0, dx) : columns + min(0, dx)]
    other = z[max(0, -dy) : rows + min(0, -dy), max(0, -dx) : columns + min(0, -dx)]
    return float((one * other).mean() / z.var())


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("window", [3, 5, 7])
def test_looks_of_real_water_rise_as_its_correlation_says(sea: xr.DataArray, window: int) -> None:
    """The variance of a mean of N samples is that of one times the sum of all their correlations over N squared."""
    lags = range(1 - window, window)
    pairs = {(dy, dx): (window - abs(dy)) * (window - abs(dx)) for dy in lags for dx in lags}
    gain = window**4 / sum(n * correlation(sea.values.astype(float), *lag) for lag, n in pairs.items())
    half = window // 2
    smooth = sea.kara.despeckle("boxcar", window=window)[half:-half, half:-half]
    before, after = (kr.enl(array, "moment").item() for array in (sea, smooth))
    assert before == pytest.approx(kr.enl(sea, "log_cumulant").item(), rel=0.02)
    assert after / before == pytest.approx(gain, rel=0.05)
    assert gain > 0.7 * window**2


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("method", [m for m in kr.despeckle_methods().name if m != "quegan"])
def test_every_filter_smooths_real_water_and_keeps_its_mean(sea: xr.DataArray, method: str) -> None:
    looks = kr.enl(sea, "moment").item()
    smooth = sea.kara.despeckle(method, enl=looks)
    # Windows of 7 pixels have 49, regions of idan 50; what holds samples back keeps less.
    least = {"median": 3, "idan": 2.5, "lee_sigma": 2.5}.get(method, 5)
    assert kr.enl(smooth, "moment").item() > least * looks
    assert smooth.mean().item() == pytest.approx(sea.mean().item(), rel=0.01)
