"""The command line: what it prints, what it leaves, how it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from scipy import stats
from typer.testing import CliRunner

import kararaster as kr
from kararaster import demo
from kararaster.cli import app
from kararaster.quicklook import BRIGHTER, DARKER, optical_map, optical_map_of_result

runner = CliRunner()


@pytest.fixture(autouse=True)
def _wide_screen(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    ds = kr.simulate.stack(shape=(256, 256), dates_pre=6, dates_post=3, chunks={"time": 1, "y": 100, "x": 256})
    return kr.to_zarr(ds, tmp_path_factory.mktemp("stack") / "stack.zarr")


def test_help_is_quick_and_lists_the_commands():
    code = "import sys; from kararaster.cli import app; print('kararaster.demo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    shown = runner.invoke(app, ["--help"])
    assert shown.exit_code == 0
    for command in ("demo", "info", "change", "index"):
        assert command in shown.output


def test_no_arguments_print_the_help():
    shown = runner.invoke(app, [])
    assert shown.exit_code == 0
    assert shown.output.strip() == runner.invoke(app, ["--help"]).output.strip()


def test_version_is_printed():
    shown = runner.invoke(app, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"kararaster {kr.__version__}\n")


def test_flags_have_no_twin():
    assert "--no-" not in runner.invoke(app, ["change", "--help"]).output


def test_info_of_a_stack(stack):
    shown = runner.invoke(app, ["info", str(stack)])
    assert shown.exit_code == 0, shown.output
    for fact in (
        "18, 2023-07-15",
        "2023-10-22",
        "123 (9 dates), 174 (9 dates)",
        "vv (float32)",
        "256 x 256",
        "EPSG:32638",
    ):
        assert fact in shown.output


def test_info_of_an_irregular_grid(tmp_path):
    ds = kr.simulate.stack(shape=(20, 20), dates_pre=1, dates_post=1).isel(x=[0, 1, 5, 9])
    shown = runner.invoke(app, ["info", str(kr.to_zarr(ds, tmp_path / "odd.zarr"))])
    assert shown.exit_code == 0, shown.output
    assert "EPSG:32638, not evenly spaced" in shown.output


def test_info_of_real_products(samples):
    folder = samples / "s1-safe-metadata"
    name = "S1A_IW_GRDH_1SDV_20150203T043109_20150203T043134_004454_00574F_6D00.zip"
    product = next(folder.rglob(name), None)
    if product is None:
        pytest.skip("the product is not among the samples")
    shown = runner.invoke(app, ["info", str(product)])
    assert shown.exit_code == 0, shown.output
    for fact in (
        "sentinel-1a",
        "IW GRD",
        "2015-02-03T04:31:09 to 2015-02-03T04:31:34",
        "relative 7, absolute 4454",
        "VV, VH",
    ):
        assert fact in shown.output


def test_change_leaves_what_the_function_gives(stack, tmp_path):
    out = tmp_path / "maps"
    shown = runner.invoke(
        app, ["change", str(stack), "--event", "2023-09-19", "-o", str(out), "--despeckle", "boxcar", "--window", "3"]
    )
    assert shown.exit_code == 0, shown.output
    ds = kr.despeckle(kr.open_stack(stack), "boxcar", window=3)
    expected = kr.change(ds, event="2023-09-19").compute()
    for name in ("statistic", "p_value", "changed", "direction", "n_orbits", "magnitude"):
        with rasterio.open(out / f"{name}.tif") as file:
            pixels = file.read()
            assert file.crs.to_epsg() == 32638
        np.testing.assert_array_equal(pixels.reshape(expected[name].shape), expected[name].values)
    count = int(expected["changed"].sum())
    assert count > 100
    assert f"{count:,} of 65,536 tested pixels changed" in shown.output
    assert (out / "map.png").exists()


AUTUMNS = tuple(f"{year}-{day}T07:36:21" for year in (2021, 2022, 2023) for day in ("09-21", "10-01", "10-11", "10-21"))


@pytest.mark.parametrize("bands", [("red", "green", "blue", "nir", "swir16"), ("red", "nir")])
def test_change_of_an_optical_stack(tmp_path, bands):
    ds = kr.simulate.optical(shape=(128, 96), dates=AUTUMNS, bands=bands, chunks={"time": 1, "y": 50, "x": 96})
    out, when = tmp_path / "maps", {"event": "2023-09-19", "pre": "730D"}
    store = kr.to_zarr(ds, tmp_path / "optical.zarr")
    shown = runner.invoke(app, ["change", str(store), "--event", when["event"], "--pre", when["pre"], "-o", str(out)])
    assert shown.exit_code == 0, shown.output
    expected = kr.change(ds, **when).compute()
    assert expected.attrs["method"] == "ttest"
    with rasterio.open(out / "p_value.tif") as file:
        np.testing.assert_array_equal(file.read(1), expected["p_value"].values)
    assert expected["changed"].sum() > 10
    tested = int((expected["n_orbits"] > 0).sum())
    assert f"{int(expected['changed'].sum()):,} of {tested:,} tested pixels changed" in shown.output
    assert (out / "map.png").exists() == ("blue" in bands)
    assert ("no picture: it wants reflectance in the bands red, green and blue" in shown.output) == (
        "blue" not in bands
    )


def test_the_picture_of_an_optical_change_is_that_of_its_maps(tmp_path):
    ds = kr.simulate.optical(shape=(1500, 60), dates=AUTUMNS[:4], bands=("red", "green", "blue"), chunks=500)
    image = ds.kara.composite()
    rng = np.random.default_rng(3)
    changed, rise = rng.random(image.red.shape) < 0.3, rng.normal(0, 0.2, (2, *image.red.shape)).astype(np.float32)
    maps = {"changed": (("y", "x"), changed), "magnitude": (("band", "y", "x"), rise)}
    kr.to_cog(image.drop_vars(["n_valid", "band"]).assign(maps), tmp_path)
    drawn = optical_map_of_result(tmp_path / "a.png", tmp_path, before=image, after=image * 0.5, title="Test")
    colors = np.stack([image[band].values[::2, ::2] for band in ("red", "green", "blue")], axis=-1)
    layers = {"before": colors, "after": colors * np.float32(0.5), "difference": rise[0, ::2, ::2]}
    same = optical_map(tmp_path / "b.png", **layers, changed=changed[::2, ::2], resolution=20, title="Test")
    assert drawn.read_bytes() == same.read_bytes()


def test_change_without_an_event_dates_the_breaks_of_an_optical_stack(tmp_path):
    days = np.arange("2021-01-05", "2023-12-31", 24, dtype="datetime64[D]")
    ds = kr.simulate.optical(shape=(40, 30), dates=tuple(map(str, days)), bands=("red", "nir"))
    out = tmp_path / "maps"
    shown = runner.invoke(app, ["change", str(kr.to_zarr(ds, tmp_path / "s.zarr")), "-o", str(out)])
    assert shown.exit_code == 0, shown.output
    expected = kr.change(ds)
    modelled = int(np.isfinite(expected["statistic"]).sum())
    assert f"{int(expected['changed'].sum()):,} of {modelled:,} pixels with a model left their seasonal" in shown.output
    assert "no picture: without an event" in shown.output
    with rasterio.open(out / "change_count.tif") as file:
        np.testing.assert_array_equal(file.read(1), expected["change_count"].values)


def test_only_radar_is_despeckled(tmp_path):
    ds = kr.simulate.optical(shape=(20, 20), bands=("red", "nir"))
    store, out = kr.to_zarr(ds, tmp_path / "optical.zarr"), tmp_path / "maps"
    shown = runner.invoke(app, ["change", str(store), "-o", str(out), "--despeckle", "lee"])
    assert shown.exit_code == 2
    assert "--despeckle: got 'lee', but only radar has speckle" in shown.output
    assert not out.exists()


def test_a_filter_over_time_is_none_before_a_test(stack, tmp_path):
    """A test takes dates as independent."""
    out = tmp_path / "maps"
    options = ["change", str(stack), "--event", "2023-09-19", "-o", str(out), "--despeckle", "quegan"]
    shown = runner.invoke(app, options)
    assert shown.exit_code == 2
    assert "--despeckle: got 'quegan'" in shown.output
    assert not out.exists()


def test_index_of_a_stack_leaves_what_the_function_gives(tmp_path):
    ds = kr.simulate.optical(shape=(96, 80), chunks={"time": 1, "y": 50, "x": 80})
    store, out = kr.to_zarr(ds, tmp_path / "optical.zarr"), tmp_path / "maps"
    shown = runner.invoke(
        app, ["index", str(store), "NDVI", "vgnir-bi", "--formula", "ratio = nir / red", "-o", str(out)]
    )
    assert shown.exit_code == 0, shown.output
    expected = kr.index(ds, "NDVI", "VgNIR-BI", formula={"ratio": "nir / red"}).compute()
    for name, array in expected.items():
        for date, stamp in enumerate(("20230905T073621", "20231005T073621")):
            with rasterio.open(out / f"{name}_{stamp}.tif") as file:
                np.testing.assert_array_equal(file.read(1), array.values[date])
        row = next(line for line in shown.output.splitlines() if f" {name} " in line)
        values = array.values.astype(np.float64)
        for fact in (f"{np.nanmean(values):.4f}", f"{np.isfinite(values).mean():.1%}", " 2 "):
            assert fact in row
    assert "6 maps in" in shown.output


def test_index_of_a_product(tmp_path):
    product = kr.simulate.sentinel2(tmp_path, shape=(120, 120), bands=("red", "nir", "swir16"), driver="GTiff")
    shown = runner.invoke(app, ["index", str(product), "NDBI", "--resolution", "20", "-o", str(tmp_path / "maps")])
    assert shown.exit_code == 0, shown.output
    expected = kr.open_sentinel2(product, resolution=20).kara.ndbi().values
    (path,) = (tmp_path / "maps").glob("ndbi_*.tif")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), expected[0])
        assert file.res == (20, 20)


def test_index_leaves_out_clouds_where_asked(tmp_path):
    product = kr.simulate.sentinel2(
        tmp_path, shape=(120, 120), bands=("red", "nir", "scl"), cloud_cover=0.4, driver="GTiff"
    )
    scene = kr.open_sentinel2(product, resolution=20)
    for source in (product, kr.to_zarr(scene, tmp_path / "scene.zarr")):
        for flag, ds in (("--mask", scene.kara.mask_clouds()), ("--no-mask", scene)):
            out = tmp_path / source.suffix / flag
            shown = runner.invoke(app, ["index", str(source), "NDVI", "--resolution", "20", flag, "-o", str(out)])
            assert shown.exit_code == 0, shown.output
            (path,) = out.glob("ndvi_*.tif")
            with rasterio.open(path) as file:
                np.testing.assert_array_equal(file.read(1), ds.kara.ndvi().values[0])
    assert np.isnan(scene.kara.mask_clouds().kara.ndvi()).mean() > 0.3 > np.isnan(scene.kara.ndvi()).mean()


def test_index_lists_the_catalogue():
    shown = runner.invoke(app, ["index", "--list"])
    assert shown.exit_code == 0
    for fact in ("VrNIR-BI", "(S1 - N) / (S1 + N)", "burn"):
        assert fact in shown.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["change", "{stack}", "-o", "{out}"], "give the date of the event"),
        (["change", "{stack}", "--event", "2031-01-01", "-o", "{out}"], "after"),
        (["change", "{stack}", "--event", "soon", "-o", "{out}"], "event"),
        (["change", "{stack}", "--event", "2023-09-19", "-o", "{out}", "--method", "magic"], "hotelling"),
        (["change", "{stack}", "--event", "2023-09-19", "-o", "{out}", "--alpha", "5"], "alpha"),
        (
            ["change", "{stack}", "--event", "2023-09-19", "-o", "{out}", "--despeckle", "mean"],
            "--despeckle: got 'mean', want one of boxcar, median, lee",
        ),
        (["change", "{out}/nowhere", "--event", "2023-09-19", "-o", "{out}"], "does not exist"),
        (["info", "{out}/nowhere"], "does not exist"),
        (["index", "{stack}", "NDVI", "-o", "{out}"], "lacks 'nir' (N) for NDVI"),
        (["index", "{stack}", "NDVX", "-o", "{out}"], "did you mean NDVI"),
        (["index", "{stack}", "--formula", "vh/vv", "-o", "{out}"], "--formula: got 'vh/vv', want NAME=FORMULA"),
        (["index", "{stack}", "NDVI"], "want a STACK and -o FOLDER"),
        (["index", "{stack}", "NDVI", "--mask", "-o", "{out}"], "want the scene classification"),
        (["demo", "--size", "0", "--folder", "{out}"], "size"),
    ],
)
def test_errors_are_one_line_without_traceback(stack, tmp_path, arguments, words):
    shown = runner.invoke(app, [a.format(stack=stack, out=tmp_path) for a in arguments])
    assert shown.exit_code == 2
    assert shown.output.startswith("error: ")
    assert words in shown.output
    assert "Traceback" not in shown.output
    assert not list(tmp_path.glob("*.tif"))


def test_debug_shows_the_error_itself(tmp_path):
    shown = runner.invoke(app, ["--debug", "info", str(tmp_path / "nowhere")])
    assert isinstance(shown.exception, kr.errors.ProductNotFoundError)


def test_command_is_installed_as_a_function():
    done = subprocess.run(
        [sys.executable, "-c", "from kararaster.cli import main; main()", "info", "nowhere"],
        capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: source: nowhere does not exist")
    assert done.stdout == ""


def test_auc_is_the_rank_statistic():
    # METHODS 7 and scipy: U / (n m), ties counted half
    rng = np.random.default_rng(2)
    above, below = rng.integers(2, 12, 300).astype(float), rng.integers(0, 10, 500).astype(float)
    u = stats.mannwhitneyu(above, below).statistic
    assert demo.auc(above, below) == pytest.approx(u / (300 * 500), rel=1e-12)
    assert demo.auc(np.append(above, np.nan), below) == demo.auc(above, below)
    assert np.isnan(demo.auc(above[:0], below))


def test_score_against_a_truth_made_by_hand():
    truth = xr.Dataset(
        {
            "changed": (("y", "x"), np.array([[True, True, False, False, False]])),
            "kind": (("y", "x"), np.array([[1, 2, 0, 0, 0]], np.uint8)),
            "land_cover": (("y", "x"), np.array([[6, 1, 1, 3, 3]], np.uint8)),
        }
    )
    found = xr.Dataset(
        {
            "statistic": (("y", "x"), np.array([[5.0, 1.0, 9.0, 0.0, 2.0]])),
            "p_value": (("y", "x"), np.array([[1e-6, 0.2, 1e-9, 0.5, 0.02]])),
            "changed": (("y", "x"), np.array([[1, 0, 1, 0, 1]], np.uint8)),
        }
    )
    margin = np.array([[False, False, True, False, False]])
    score = demo.score(found, truth, margin)
    assert score.auc == 0.75
    assert score.changed == 3
    assert score.false_discoveries == 0.5
    assert score.found == {
        "building_destroyed": 1.0,
        "building_new": 0.0,
        "ground_cleared": pytest.approx(np.nan, nan_ok=True),
    }
    assert score.false_alarms["water"] == 0.5
    assert score.false_alarms["all"] == 0.5


def test_untested_pixels_are_no_quiet_ones():
    truth = kr.simulate.truth(shape=(60, 60), changes=False)
    p = np.full((60, 60), np.nan)
    p[0, :4] = 0.01, 0.5, 0.5, 0.5
    found = xr.Dataset({"statistic": (("y", "x"), p), "p_value": (("y", "x"), p), "changed": (("y", "x"), p < 0.02)})
    assert demo.score(found, truth, np.zeros((60, 60), bool)).false_alarms["all"] == 0.25


def test_optical_map_paints_both_dates_and_the_change(tmp_path):
    before = np.zeros((2, 3, 3))
    before[0, 0] = 1.0
    before[1, 2] = np.nan
    difference = np.array([[0.0, -0.4, 0.4], [0.0, 0.4, np.nan]])
    changed = np.array([[False, True, True], [False, False, False]])
    layers = {"before": before, "after": before[::-1], "difference": difference, "changed": changed}
    path = optical_map(tmp_path / "map.png", **layers, resolution=10, title="Test")
    with rasterio.open(path) as file:
        picture = np.moveaxis(file.read(), 0, 2)
    # three panels of 720 dots below 128 dots of heading, 36 dots apart; a pixel is 240 dots wide
    panels = [picture[128:848, left : left + 720][120::240, 120::240] for left in (36, 792, 1548)]
    paper = picture[0, 0].tolist()
    assert panels[0][0, 0].tolist() == panels[1][1, 0].tolist() == [255, 255, 255]
    assert panels[0][0, 1].tolist() == [0, 0, 0]
    assert panels[0][1, 2].tolist() == panels[1][0, 2].tolist() == panels[2][1, 2].tolist() == paper
    assert panels[2][0, 1].tolist() == list(DARKER)
    assert panels[2][0, 2].tolist() == list(BRIGHTER)
    pale = panels[2][1, 1]
    assert np.all(pale < BRIGHTER)
    assert pale[2] > pale[0] > 0
    assert all(panels[number][2].tolist() == [paper] * 3 for number in range(3))
    with pytest.raises(kr.errors.InvalidInputError, match=r"^changed"):
        optical_map(tmp_path / "map.png", **{**layers, "changed": changed[:1]}, resolution=10, title="")


@dataclass(frozen=True)
class Demonstration:
    """What the command leaves."""

    outcome: demo.Outcome
    folder: Path
    output: str


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """One run, of the command, where an earlier run left a product and a map."""
    folder, run, outcomes = tmp_path_factory.mktemp("demo"), demo.run, []
    kr.simulate.sentinel2(
        folder / "sentinel2/products", shape=(60, 60), bands=("red",), time="2020-09-25T07:36:21", baseline="02.14"
    )
    (folder / "change").mkdir()
    (folder / "change/p_value.tif").write_bytes(b"of an earlier run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        patch.setattr(demo, "run", lambda *args, **options: outcomes.append(run(*args, **options)))
        shown = runner.invoke(app, ["demo", "--folder", str(folder), "--size", "384"])
    assert shown.exit_code == 0, shown.output
    return Demonstration(outcomes[0], folder, shown.output)


def test_demo_numbers_of_the_radar_are_right(demonstration):
    radar = demonstration.outcome.radar
    assert radar.unfiltered.auc > 0.99
    assert radar.filtered.auc > radar.unfiltered.auc
    # about 6e4 unchanged pixels that are no fields, each tested once: five standard errors
    assert radar.unfiltered.false_alarms["all but fields"] == pytest.approx(0.05, abs=0.0045)
    assert radar.unfiltered.false_discoveries < 0.10
    assert all(path.exists() for path in demonstration.outcome.files)


def test_demo_numbers_of_the_optical_images_are_right(demonstration):
    optical = demonstration.outcome.optical
    assert optical.tested > 0.8
    assert optical.found.auc > 0.9
    # Sidak over two indices that share the near infrared, and growth inside the season: never above the nominal rate
    assert 0.035 < optical.found.false_alarms["all"] < 0.0515
    assert min(optical.found.found[kind] for kind in ("ground_cleared", "building_new")) > 0.9
    assert optical.found.false_discoveries < 0.10
    cleared, field = (optical.rises[place] for place in ("ground cleared", "fields, unchanged"))
    assert cleared["NDVI"] < -0.25
    assert cleared["NDBI"] > 0.2
    assert cleared["BUI"] == pytest.approx(cleared["NDBI"] - cleared["NDVI"], abs=0.02)
    assert max(abs(rise) for rise in field.values()) < 0.01


def test_demo_keeps_its_promises_when_run_again(demonstration):
    folder = demonstration.folder
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    maps = {f"{part}change/{name}.tif" for part in ("", "sentinel2/") for name in ("p_value", "changed")}
    maps |= {f"sentinel2/median/{name}_rise.tif" for name in ("ndvi", "ndbi", "bui")}
    maps |= {
        f"sentinel2/median/{band}_{period}.tif" for period in ("before", "after") for band in ("red", "green", "blue")
    }
    assert {"map.png", "sentinel2/map.png"} | maps <= names
    assert len(list((folder / "sentinel2/products").glob("*.SAFE"))) == 12
    assert not [name for name in names if "/." in name or name.startswith(".")]
    for words in ("AUC of the statistic", "nominal 5.00%", "Sentinel-1: 70 dates", "Sentinel-2: 12 dates", "BUI"):
        assert words in demonstration.output
