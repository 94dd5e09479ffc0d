"""The binding crate: kernels on C-contiguous NumPy arrays, written into arrays the caller allocated.

Each call releases the interpreter lock, honours Ctrl-C, and raises classes of `kararaster.errors`. Private: the public
functions of the package choose threads, windows and dtypes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, type_check_only

import numpy as np
import numpy.typing as npt

_F32 = npt.NDArray[np.float32]
_F64 = npt.NDArray[np.float64]
_Real = npt.NDArray[Any]
_Scaling = tuple[float, float, tuple[float, ...]]
_Outputs = Mapping[str, npt.NDArray[Any]]
_Noise = tuple[_F64, _F64, _F64, npt.NDArray[np.int64], _F64, _F64]

__all__ = [
    "__version__",
    "add_group",
    "before_after",
    "boxcar",
    "calibrate",
    "composite",
    "enl",
    "evidence_fields",
    "fdr_histogram",
    "fdr_threshold",
    "fdr_threshold_binned",
    "find_breaks",
    "finish",
    "fold",
    "formula_symbols",
    "from_db",
    "frost",
    "frost_enhanced",
    "gamma_map",
    "idan",
    "indices",
    "kuan",
    "lee",
    "lee_enhanced",
    "lee_sigma",
    "median",
    "moment_fields",
    "opened_and_grown",
    "ppb",
    "quegan",
    "quegan_add",
    "quegan_apply",
    "refined_lee",
    "reflectance",
    "sigma_range",
    "srad",
    "to_db",
]

__version__: str

def calibrate(
    dn: npt.NDArray[np.uint16],
    dst: _F32,
    *,
    origin: tuple[int, int],
    lut_line: _F64,
    lut_pixel: _F64,
    lut: _F64,
    noise: _Noise | None,
    negative: str,
    num_threads: int,
) -> None: ...
def to_db(src: _Real, dst: _Real, *, num_threads: int) -> None: ...
def from_db(src: _Real, dst: _Real, *, num_threads: int) -> None: ...

@type_check_only
class Frame(TypedDict):
    origin_row: int
    top: int
    left: int
    window: tuple[int, int]
    border: str
    min_valid: int
    num_threads: int

def boxcar(src: _Real, dst: _Real, frame: Frame) -> None: ...
def frost(src: _Real, dst: _Real, frame: Frame, *, damping: float, distance: str) -> None: ...
def frost_enhanced(src: _Real, dst: _Real, frame: Frame, *, enl: float, damping: float, distance: str) -> None: ...
def gamma_map(src: _Real, dst: _Real, frame: Frame, *, enl: float) -> None: ...
def idan(src: _Real, dst: _Real, frame: Frame, *, enl: float, size: int) -> None: ...
def kuan(src: _Real, dst: _Real, frame: Frame, *, enl: float) -> None: ...
def lee(src: _Real, dst: _Real, frame: Frame, *, enl: float) -> None: ...
def lee_enhanced(src: _Real, dst: _Real, frame: Frame, *, enl: float, damping: float) -> None: ...
def lee_sigma(
    src: _Real,
    dst: _Real,
    frame: Frame,
    *,
    enl: float,
    sigma: float,
    target_count: int,
    z98: float | Sequence[float],
    table: str,
    edge: str,
) -> None: ...
def refined_lee(src: _Real, dst: _Real, frame: Frame, *, enl: float, noise: str) -> None: ...
def sigma_range(enl: float, sigma: float) -> tuple[float, float, float]: ...
def ppb(
    src: _Real,
    dst: _Real,
    frame: Frame,
    *,
    enl: float,
    search: int,
    patch: int,
    quantile: float,
    temperature: float,
    iterations: int,
) -> None: ...
def srad(src: _Real, dst: _Real, frame: Frame, *, enl: float, iterations: int, step: float) -> None: ...
def median(src: _Real, dst: _Real, frame: Frame) -> None: ...
def quegan(
    stack: _Real, dst: _Real, frame: Frame, *, groups: Sequence[Sequence[int]], spatial: str, enl: float
) -> None: ...
def quegan_add(x: _Real, mean: _Real, ratio: _F64, count: _F64, *, num_threads: int) -> None: ...
def quegan_apply(mean: _Real, ratio: _F64, count: _F64, dst: _Real, *, num_threads: int) -> None: ...
def enl(src: _Real, dst: _Real, frame: Frame) -> None: ...
def reflectance(src: _Real, dst: _F32, *, scaling: _Scaling, num_threads: int) -> None: ...
def opened_and_grown(
    src: npt.NDArray[np.uint8],
    dst: npt.NDArray[np.uint8],
    *,
    open_radius: int,
    grow_radius: int,
    top: int,
    left: int,
    num_threads: int,
) -> None: ...
def formula_symbols(formula: str) -> list[str]: ...
def indices(
    bands: Sequence[_Real],
    out: Sequence[_F32],
    *,
    symbols: Sequence[str],
    formulas: Sequence[str],
    scaling: Sequence[_Scaling],
    valid: tuple[float, float] | None,
    num_threads: int,
) -> None: ...
def composite(
    bands: Sequence[_Real],
    out: Sequence[_F32],
    count: Sequence[npt.NDArray[np.uint16]],
    *,
    method: str,
    percentile: float,
    scaling: Sequence[_Scaling],
    index: tuple[int, int] | None,
    num_threads: int,
) -> None: ...
def moment_fields(bands: int, joint: bool) -> int: ...
def fold(
    stacks: Sequence[_Real], dates: Sequence[int], state: _F64, *, transform: str, joint: bool, num_threads: int
) -> None: ...

@type_check_only
class TestOptions(TypedDict):
    method: str
    scale: str
    combine: str
    enl: float
    min_pre: int
    min_post: int
    bands: int

def evidence_fields(options: TestOptions) -> int: ...
def add_group(pre: _F64, post: _F64, evidence: _F64, *, options: TestOptions, num_threads: int) -> None: ...
def finish(evidence: _F64, out: _Outputs, *, options: TestOptions, num_threads: int) -> None: ...
def before_after(
    stacks: Sequence[_Real],
    groups: Sequence[tuple[Sequence[int], Sequence[int]]],
    out: _Outputs,
    *,
    options: TestOptions,
    num_threads: int,
) -> None: ...

@type_check_only
class BreakOptions(TypedDict):
    harmonics: int
    consecutive: int
    rmse_factor: float
    min_obs: int
    min_span: float

def find_breaks(
    stacks: Sequence[_Real], days: _F64, out: _Outputs, *, options: BreakOptions, num_threads: int
) -> None: ...
def fdr_threshold(values: _F32, q: float) -> float: ...
def fdr_histogram(values: _F32) -> npt.NDArray[np.uint64]: ...
def fdr_threshold_binned(counts: npt.NDArray[np.uint64], q: float) -> float: ...
