"""The command line: what it prints, what it leaves, how it fails."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import xarray as xr
from scipy import stats
from typer.testing import CliRunner

import kararaster as kr
from kararaster import demo
from kararaster.cli import app

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
    for command in ("demo", "info", "change"):
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["change", "{stack}", "--event", "2031-01-01", "-o", "{out}"], "after"),
        (["change", "{stack}", "--event", "soon", "-o", "{out}"], "event"),
        (["change", "{stack}", "--event", "2023-09-19", "-o", "{out}", "--method", "magic"], "hotelling"),
        (["change", "{stack}", "--event", "2023-09-19", "-o", "{out}", "--alpha", "5"], "alpha"),
        (
            ["change", "{stack}", "--event", "2023-09-19", "-o", "{out}", "--despeckle", "mean"],
            "--despeckle: got 'mean', want one of lee, boxcar, none",
        ),
        (["change", "{out}/nowhere", "--event", "2023-09-19", "-o", "{out}"], "does not exist"),
        (["info", "{out}/nowhere"], "does not exist"),
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


def test_demo_keeps_its_promises(tmp_path):
    shown = runner.invoke(app, ["demo", "--folder", str(tmp_path), "--size", "384"])
    assert shown.exit_code == 0, shown.output
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    optical = {f"optical/{name}_{date}T073621.tif" for name in ("ndvi", "ndbi") for date in ("20230905", "20231005")}
    assert {"map.png", "change/p_value.tif", "change/changed.tif"} | optical <= names
    assert not [name for name in names if "/." in name or name.startswith(".")]
    for words in ("AUC of the statistic", "nominal 5.00%", "NDVI", "The column Lee as a map"):
        assert words in shown.output


def test_demo_numbers_are_right(tmp_path):
    outcome = demo.run(tmp_path, size=512)
    assert outcome.unfiltered.auc > 0.99
    assert outcome.filtered.auc > outcome.unfiltered.auc
    # about 1e5 unchanged pixels that are no fields, each tested once: five standard errors
    assert outcome.unfiltered.false_alarms["all but fields"] == pytest.approx(0.05, abs=0.0035)
    assert outcome.unfiltered.false_discoveries < 0.10
    assert all(path.exists() for path in outcome.files)
