"""The binding crate: kernels on C-contiguous NumPy arrays, written into arrays the caller allocated.

Each call releases the interpreter lock, honours Ctrl-C, and raises classes of `kararaster.errors`. Private: the public
functions of the package choose threads, windows and dtypes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, type_check_only

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Real = npt.NDArray[Any]
Outputs = Mapping[str, npt.NDArray[Any]]
Noise = tuple[F64, F64, F64, npt.NDArray[np.int64], F64, F64]

__version__: str

def calibrate(
    dn: npt.NDArray[np.uint16],
    dst: F32,
    *,
    origin: tuple[int, int],
    lut_line: F64,
    lut_pixel: F64,
    lut: F64,
    noise: Noise | None,
    negative: str,
    num_threads: int,
) -> None: ...
def to_db(src: Real, dst: Real, *, num_threads: int) -> None: ...
def from_db(src: Real, dst: Real, *, num_threads: int) -> None: ...

@type_check_only
class Frame(TypedDict):
    origin_row: int
    top: int
    left: int
    window: tuple[int, int]
    border: str
    min_valid: int
    num_threads: int

def boxcar(src: Real, dst: Real, frame: Frame) -> None: ...
def lee(src: Real, dst: Real, frame: Frame, *, enl: float) -> None: ...
def enl(src: Real, dst: Real, frame: Frame) -> None: ...
def normalized_difference(
    a: Real,
    b: Real,
    dst: F32,
    *,
    scaling: tuple[tuple[float, float, float | None], tuple[float, float, float | None]],
    num_threads: int,
) -> None: ...
def moment_fields(bands: int, joint: bool) -> int: ...
def fold(
    stacks: Sequence[Real], dates: Sequence[int], state: F64, *, transform: str, joint: bool, num_threads: int
) -> None: ...

@type_check_only
class TestOptions(TypedDict):
    method: str
    combine: str
    enl: float
    min_pre: int
    min_post: int
    bands: int

def evidence_fields(options: TestOptions) -> int: ...
def add_group(pre: F64, post: F64, evidence: F64, *, options: TestOptions, num_threads: int) -> None: ...
def finish(evidence: F64, out: Outputs, *, options: TestOptions, num_threads: int) -> None: ...
def before_after(
    stacks: Sequence[Real],
    groups: Sequence[tuple[Sequence[int], Sequence[int]]],
    out: Outputs,
    *,
    options: TestOptions,
    num_threads: int,
) -> None: ...
def fdr_threshold(values: F32, q: float) -> float: ...
def fdr_histogram(values: F32) -> npt.NDArray[np.uint64]: ...
def fdr_threshold_binned(counts: npt.NDArray[np.uint64], q: float) -> float: ...
