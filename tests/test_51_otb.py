"""Lee, Kuan, gamma-MAP and Frost against Orfeo ToolBox (Debian and Ubuntu: apt-get install otb-bin), whole images.

How its parameters map to ours:

- radius r is a window of 2 r + 1; its images repeat the edge pixels, which is `border="replicate"`;
- `nblooks` is `enl` and `deramp` is `damping` of the Euclidean Frost, both rounded to float32 on the way in;
- it reads and writes float32 and computes in float64, so its results carry half a unit of float32 (6e-8);
- a window whose variance is below 1e-10 gives the mean and a mean below 1e-10 gives 0, in absolute numbers. Power below about
  -45 dB is hit by that; multiplied by 1e4, it is not.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

import kararaster as kr
import reference_speckle as oracle

pytestmark = pytest.mark.skipif(shutil.which("otbcli_Despeckle") is None, reason="Orfeo ToolBox is not installed")

FILTERS = [
    ("lee", "lee", {"enl": 4.4}),
    ("lee", "lee", {"enl": 1.0}),
    ("kuan", "kuan", {"enl": 4.4}),
    ("gammamap", "gamma_map", {"enl": 4.4}),
    ("gammamap", "gamma_map", {"enl": 9.0}),
    ("frost", "frost", {"damping": 2.0}),
    ("frost", "frost", {"damping": 0.1}),
]
SPELLED = {"enl": "nblooks", "damping": "deramp"}


def otb(folder: Path, image: np.ndarray, name: str, radius: int, parameters: dict[str, float]) -> np.ndarray:
    """What Orfeo ToolBox makes of a float32 image."""
    source, target = folder / "in.tif", folder / "out.tif"
    rows, columns = image.shape
    grid = rasterio.Affine(10, 0, 5e5, 0, -10, 4e6)
    profile = {"driver": "GTiff", "height": rows, "width": columns, "count": 1, "dtype": "float32", "transform": grid}
    with rasterio.open(source, "w", **profile) as dataset:
        dataset.write(image.astype(np.float32), 1)
    call = ["otbcli_Despeckle", "-in", str(source), "-out", str(target), "float", "-filter", name]
    call += [f"-filter.{name}.rad", str(radius)]
    for ours, value in parameters.items():
        call += [f"-filter.{name}.{SPELLED[ours]}", str(value)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with rasterio.open(target) as dataset:
        return dataset.read(1)


def rounded(parameters: dict[str, float]) -> dict[str, float]:
    return {name: float(np.float32(value)) for name, value in parameters.items()}


def despeckle(image: np.ndarray, method: str, radius: int, border: str, parameters: dict[str, float]) -> np.ndarray:
    array = xr.DataArray(image, dims=("y", "x"), attrs={"units": "1"})
    return kr.despeckle(array, method, window=2 * radius + 1, border=border, **parameters).values


def edges_and_targets(shape: tuple[int, int] = (80, 105), level: float = 0.02) -> np.ndarray:
    """Speckle of 4.4 looks on fields of four levels, with point targets up to 36 dB above them."""
    rng = np.random.default_rng(51)
    scene = np.full(shape, level)
    scene[:, 60:] *= 10
    scene[50:, :40] /= 5
    scene[20:30, 20:100] *= 3
    image = scene * rng.gamma(4.4, 1 / 4.4, shape)
    image[15, 33] = 4000 * level
    image[70:72, 90:92] = 1000 * level
    image[0, 0] = 50 * level
    return image.astype(np.float32)


def real_power(samples: Path, file: str) -> np.ndarray:
    with rasterio.open(samples / "s1-backscatter-crops" / file) as dataset:
        band = dataset.read(1)[40:110, 60:140]
    assert np.isfinite(band).all()
    return (10 ** (band / 10)).astype(np.float32)


@pytest.fixture(
    params=["edges and targets", "germany-czech_VH.tif", "S1A__IW___A_20150309T173017_VV_grd_mli_geo_norm_db.tif"]
)
def image(request: pytest.FixtureRequest) -> np.ndarray:
    if request.param == "edges and targets":
        return edges_and_targets()
    return real_power(request.getfixturevalue("samples"), request.param)


@pytest.mark.parametrize("radius", [1, 4])
@pytest.mark.parametrize(("name", "method", "parameters"), FILTERS)
def test_same_as_orfeo_toolbox(
    image: np.ndarray, name: str, method: str, parameters: dict[str, float], radius: int, tmp_path: Path
) -> None:
    want = otb(tmp_path, image, name, radius, parameters)
    ours = rounded(parameters)
    definition = getattr(oracle, method)(image, (2 * radius + 1,) * 2, border="replicate", **ours)
    np.testing.assert_allclose(definition, want, rtol=1e-7)
    inside = (slice(radius, -radius),) * 2
    for dtype, rtol in ((np.float64, 1e-6), (np.float32, 2e-6)):
        got = despeckle(image.astype(dtype), method, radius, "replicate", ours)
        np.testing.assert_allclose(got, want, rtol=rtol)
        got = despeckle(image.astype(dtype), method, radius, "shrink", ours)
        np.testing.assert_allclose(got[inside], want[inside], rtol=rtol)


@pytest.mark.parametrize(("name", "method", "parameters"), FILTERS)
def test_dark_power_differs_only_by_its_absolute_threshold(
    name: str, method: str, parameters: dict[str, float], tmp_path: Path
) -> None:
    dark, ours = edges_and_targets(level=2e-5), rounded(parameters)
    want = despeckle(dark.astype(np.float64), method, 3, "replicate", ours)
    at = oracle.local(dark, (7, 7), "replicate")
    below = at.variance < 1e-10
    assert 0.1 < below.mean() < 0.9
    theirs = otb(tmp_path, dark, name, 3, parameters)
    np.testing.assert_allclose(theirs[~below], want[~below], rtol=1e-6)
    np.testing.assert_allclose(theirs[below], at.mean[below], rtol=1e-6)
    brighter = dark * np.float32(1e4)
    want = despeckle(brighter.astype(np.float64), method, 3, "replicate", ours)
    np.testing.assert_allclose(otb(tmp_path, brighter, name, 3, parameters), want, rtol=1e-6)
