"""How many threads a kernel may use: one rule for the whole package.

An explicit argument wins, then `set_threads`, then the variable `KARARASTER_NUM_THREADS`; then one thread inside a dask task
(dask already runs a task a core), and outside of dask the cores this process may really use: the smallest of CPU affinity,
cgroup quota and what the batch system granted. Threads never change a result, only its time.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kararaster.errors import InvalidInputError

_GRANTS = ("SLURM_CPUS_PER_TASK", "PBS_NCPUS", "NCPUS", "LSB_DJOB_NUMPROC", "NSLOTS")
_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_local = threading.local()
_chosen: int | None = None


def set_threads(n: int | None) -> None:
    """Use `n` threads in every kernel of this process from now on; None goes back to the rule of this module.

    Raises
    ------
    InvalidInputError
        `n` is not a whole number of 1 or more.
    """
    global _chosen
    _chosen = None if n is None else _positive("n", n)


def resolve(n: int | None = None) -> int:
    """The number of threads for a kernel call made here and now."""
    if n is not None:
        return _positive("num_threads", n)
    if _chosen is not None:
        return _chosen
    variable = os.environ.get("KARARASTER_NUM_THREADS")
    if variable:
        return _positive("KARARASTER_NUM_THREADS", variable)
    return 1 if getattr(_local, "inside_task", False) else usable_cores()


@contextmanager
def inside_task() -> Iterator[None]:
    """Mark the calling thread as working on a dask task."""
    before = getattr(_local, "inside_task", False)
    _local.inside_task = True
    try:
        yield
    finally:
        _local.inside_task = before


def usable_cores() -> int:
    """Cores this process may use: the smallest of affinity, cgroup quota and batch-system grant; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [affinity, *_cgroup_quota()]
    limits += [int(value) for name in _GRANTS if (value := os.environ.get(name, "")).isdigit()]
    return max(1, min(limits))


def _cgroup_quota() -> list[int]:
    try:
        quota, period = _CGROUP_V2.read_text().split()
        return [max(1, math.ceil(int(quota) / int(period)))]
    except (OSError, ValueError):  # no cgroup v2 here, or "max": no quota
        return []


def _positive(name: str, value: int | str) -> int:
    try:
        n = int(value)
    except (TypeError, ValueError):
        n = 0
    if n < 1:
        raise InvalidInputError(f"{name}: got {value!r}, want a whole number of threads, 1 or more")
    return n
