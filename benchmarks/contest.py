"""What is compared with what: cases, contestants, the check that comes before the clock, and interleaved rounds."""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray
Rasters = Mapping[str, Array]
Params = Mapping[str, Any]
Run = Callable[[Rasters, Params, int], Array]

MOST_THREADS = min(2, os.cpu_count() or 1)
_pool = ThreadPoolExecutor(MOST_THREADS)


@dataclass(frozen=True)
class Case:
    """One piece of work: a kernel, its input (last two axes are y, x) and its parameters."""

    kernel: str
    label: str
    rasters: Rasters
    params: Params
    reference: Callable[[Rasters, Params], Array]
    margin: int = 0
    """Pixels at the rim that are not compared, because edge rules differ."""

    @cached_property
    def expected(self) -> Array:
        return self.reference(self.rasters, self.params)


@dataclass(frozen=True)
class Contestant:
    """A way to do the work of `kernel`: `run(rasters, params, threads)`."""

    kernel: str
    name: str
    run: Run
    needs: tuple[str, ...] = ()
    threads: tuple[int, ...] = (1, 2)
    side: int | None = None
    """Slow: timed on a corner of at most side x side pixels, and compared by pixels a second."""
    differs: str = ""
    """What it computes instead, if not the same; such a contestant is not checked and never the best peer."""
    ours: bool = False
    takes: Callable[[Params], bool] = field(default=lambda params: True)
    idle: Run | None = None
    """The same on next to nothing, for a program that has to start: its seconds, of the same turn, are taken off."""

    @property
    def missing(self) -> list[str]:
        """Libraries that cannot be imported and commands that are not found."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None and shutil.which(name) is None]


def disagreement(contestant: Contestant, case: Case, threads: int) -> str:
    """Why the result is not that of the float64 reference; empty if it is.

    NaN must be in the same places. Errors are relative to the reference, near zero to 1 % of its median; 99.9 % of them
    must be within 1e-3: peers in single precision are worse than that beside bright targets.
    """
    want = case.expected
    got = np.asarray(contestant.run(case.rasters, case.params, threads), np.float64)
    if got.shape != want.shape:
        return f"shape {got.shape}, want {want.shape}"
    if case.margin:
        inner = slice(case.margin, -case.margin)
        got, want = got[..., inner, inner], want[..., inner, inner]
    if (np.isnan(got) != np.isnan(want)).any():
        return f"NaN differs at {(np.isnan(got) != np.isnan(want)).sum()} of {want.size} pixels"
    known = np.isfinite(want)
    scale = np.maximum(np.abs(want[known]), 0.01 * np.median(np.abs(want[known])))
    error = np.quantile(np.abs(got[known] - want[known]) / scale, 0.999)
    return "" if error <= 1e-3 else f"relative error {error:.1e}"


def in_strips(
    run: Callable[..., Array], threads: int, halo: int, *arrays: Array, layers: tuple[int, ...] = ()
) -> Array:
    """Run a kernel of one thread on horizontal strips, a thread each, as dask does; `layers` come before rows and columns."""
    if threads == 1:
        return run(*arrays)
    height = arrays[0].shape[-2]
    cuts = [height * i // threads for i in range(threads + 1)]
    out = np.empty((*layers, *arrays[0].shape[-2:]), np.float32)

    def strip(top: int, bottom: int) -> None:
        first = max(0, top - halo)
        part = run(*[array[..., first : bottom + halo, :] for array in arrays])
        out[..., top:bottom, :] = part[..., top - first : bottom - first, :]

    list(_pool.map(strip, cuts[:-1], cuts[1:]))
    return out


def in_rows(run: Callable[[int, int], None], threads: int, height: int) -> None:
    """Run a kernel that holds no lock from its first to its last row, a thread for each part of them."""
    cuts = [height * i // threads for i in range(threads + 1)]
    list(_pool.map(run, cuts[:-1], cuts[1:])) if threads > 1 else run(0, height)


def in_pieces(run: Callable[..., Any], threads: int, *flat: Array) -> list[Any]:
    """Run on equal pieces of flat arrays, a thread each."""
    size = flat[0].size
    cuts = [slice(size * i // threads, size * (i + 1) // threads) for i in range(threads)]
    if threads == 1:
        return [run(*flat)]
    return list(_pool.map(lambda cut: run(*(array[cut] for array in flat)), cuts))


@dataclass
class Entry:
    """A contestant in a case, with a number of threads, and the seconds of its rounds."""

    case: Case
    contestant: Contestant
    threads: int
    rasters: Rasters
    seconds: list[float] = field(default_factory=list)

    def run(self) -> Array | list[Array]:
        return self.contestant.run(self.rasters, self.case.params, self.threads)

    def turn(self) -> None:
        """Run once more, with a clock."""
        start = time.perf_counter()
        result = self.run()
        seconds = time.perf_counter() - start
        del result
        if self.contestant.idle:
            start = time.perf_counter()
            self.contestant.idle(self.rasters, self.case.params, self.threads)
            seconds = max(seconds - (time.perf_counter() - start), 1e-3)
        self.seconds.append(seconds)

    @property
    def side(self) -> int:
        return next(iter(self.rasters.values())).shape[-1]

    @property
    def rate(self) -> float:
        """Million pixels a second, from the median round."""
        return self.side**2 / 1e6 / statistics.median(self.seconds)


def entries(cases: Iterable[Case], contestants: Iterable[Contestant]) -> list[Entry]:
    """Everyone who takes part, case by case, so that those who are compared run next to each other in time."""
    contestants = list(contestants)
    return [
        Entry(case, contestant, threads, corner(case.rasters, contestant.side))
        for case in cases
        for threads in range(1, MOST_THREADS + 1)
        for contestant in contestants
        if contestant.kernel in (case.kernel, "floor") and contestant.takes(case.params)
        if threads in contestant.threads and not contestant.missing
    ]


def play(field_of_entries: list[Entry], rounds: int) -> None:
    """All entries in turn, round after round; the output of each is allocated anew in each round, as users do.

    A virtual machine gives memory that lies idle back to its host, and the next to ask for it waits. So a first round is
    not counted, and before each turn as much memory as its result takes is touched.
    """
    sizes = [_size(entry.run()) for entry in field_of_entries]
    for _ in range(rounds):
        for entry, size in zip(field_of_entries, sizes, strict=True):
            np.ones(size, np.uint8)
            entry.turn()


def _size(result: Array | list[Array]) -> int:
    return sum(array.nbytes for array in (result if isinstance(result, list) else [result]))


def corner(rasters: Rasters, side: int | None) -> Rasters:
    if side is None:
        return rasters
    return {name: np.ascontiguousarray(raster[..., :side, :side]) for name, raster in rasters.items()}
