"""Whole packages that filter speckle: Orfeo ToolBox, a program of its own, and findpeaks, pure Python."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from contest import Array, Contestant, Params, Rasters, Run

_DESPECKLE = "otbcli_Despeckle"
_NAMES = {"lee": "lee", "kuan": "kuan", "gamma_map": "gammamap", "frost": "frost"}
_SPELLED = {"enl": "nblooks", "damping": "deramp"}
_NOTHING = 16
"""Side of an image whose filtering takes no time: what is left is starting, reading and writing."""


def _otb(name: str, side: int | None = None) -> Run:
    """The command from file to file, on a corner if `side` is given."""

    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "in.tif"), Path(folder, "out.tif")
            _write(source, rasters["image"][:side, :side])
            call = [_DESPECKLE, "-in", str(source), "-out", str(target), "float", "-filter", name]
            call += [f"-filter.{name}.rad", str(params["window"] // 2)]
            for ours, theirs in _SPELLED.items():
                if ours in params["own"]:
                    call += [f"-filter.{name}.{theirs}", str(params["own"][ours])]
            environment = os.environ | {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(threads)}
            subprocess.run(call, env=environment, check=True, capture_output=True)
            return _read(target)

    return run


def _write(path: Path, image: Array) -> None:
    import rasterio

    grid = rasterio.Affine(10, 0, 5e5, 0, -10, 4e6)
    rows, columns = image.shape
    profile = {"driver": "GTiff", "height": rows, "width": columns, "count": 1, "dtype": "float32", "transform": grid}
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(image, 1)


def _read(path: Path) -> Array:
    import rasterio

    with rasterio.open(path) as dataset:
        return dataset.read(1)


def _findpeaks(name: str, *own: str) -> Run:
    """In powers times 1e4, because it rounds to integers."""

    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        from findpeaks import stats

        speckle = params["looks"] ** -0.5
        known = {"cu": speckle, "cmax": (1 + 2 * speckle**2) ** 0.5, "k": 1.0, "damping_factor": 2.0}
        with contextlib.redirect_stdout(io.StringIO()):
            filtered = getattr(stats, f"{name}_filter")(
                rasters["image"] * np.float32(1e4), win_size=params["window"], **{key: known[key] for key in own}
            )
        return filtered / 1e4

    return run


def _seven(params: Params) -> bool:
    return params["window"] == 7 and not params["holes"]


def _slow(kernel: str, differs: str, *own: str) -> Contestant:
    run = _findpeaks(kernel, *own)
    return Contestant(kernel, "findpeaks", run, ("findpeaks",), threads=(1,), side=24, differs=differs, takes=_seven)


_ROUNDS = "rounds to integers, its window is one short"

PEERS = [
    *(
        Contestant(
            kernel,
            "Orfeo ToolBox",
            _otb(name),
            (_DESPECKLE, "rasterio"),
            side=1024,
            takes=_seven,
            idle=_otb(name, _NOTHING),
        )
        for kernel, name in _NAMES.items()
    ),
    _slow("lee", _ROUNDS, "cu"),
    _slow("kuan", _ROUNDS, "cu"),
    _slow("lee_enhanced", _ROUNDS, "k", "cu", "cmax"),
    _slow("frost", f"weighs by differences of power, not by distance; {_ROUNDS}", "damping_factor"),
    _slow("median", _ROUNDS),
]
