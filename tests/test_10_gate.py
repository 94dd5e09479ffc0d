"""The gate into Rust: lock released, Ctrl-C honoured, errors typed, threads by one rule."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from kararaster import _kernels, errors, threads

FRAME = {"origin_row": 0, "top": 0, "left": 0, "window": (3, 3), "border": "shrink", "min_valid": 1, "num_threads": 1}


def test_other_python_threads_run_during_a_kernel() -> None:
    src = np.random.default_rng(0).random((2000, 2000))
    dst = np.empty_like(src)
    seen, done = [], threading.Event()

    def work() -> None:
        for _ in range(4):
            _kernels.boxcar(src, dst, {**FRAME, "window": (151, 151)})
        done.set()

    worker = threading.Thread(target=work)
    worker.start()
    while not done.is_set():
        seen.append(time.perf_counter())
        time.sleep(0.001)
    worker.join()
    # A kernel that kept the lock would leave gaps as long as itself; one that lets go leaves none longer than a hiccup.
    assert len(seen) > 20
    assert np.diff(seen).max() < 0.5 * (seen[-1] - seen[0])


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_stops_a_long_kernel() -> None:
    """One call that would take minutes: only the kernel itself can end it early."""
    code = textwrap.dedent(
        """
        import numpy as np
        from kararaster import _kernels

        stack, state = np.ones((1, 500_000), np.float32), np.zeros((4, 500_000))
        print("ready", flush=True)
        try:
            _kernels.fold([stack], [0] * 300_000, state, transform="fourth_root", joint=True, num_threads=2)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "interrupted\n"
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda a: _kernels.boxcar(a, np.empty((3, 3)), {**FRAME, "window": (2, 3)}), "window"),
        (lambda a: _kernels.boxcar(a[::2], np.empty((2, 3)), FRAME), "contiguous"),
        (lambda a: _kernels.boxcar(a, np.empty((9, 9)), FRAME), "dst"),
        (lambda a: _kernels.boxcar(a[0], np.empty(3), FRAME), "rows, columns"),
        (lambda a: _kernels.lee(a, np.empty((3, 3)), FRAME, enl=-1.0), "enl"),
        (lambda a: _kernels.to_db(a, np.empty((4, 4)), num_threads=1), "dst"),
        (lambda a: _kernels.fold([a], [99], np.zeros((4, 9)), transform="log", joint=False, num_threads=1), "date"),
        (lambda a: _kernels.fdr_threshold(np.zeros(3, np.float32), 1.5), "q"),
    ],
)
def test_the_core_names_the_argument(call: object, says: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=says):
        call(np.ones((3, 3)))


def test_output_that_cannot_be_borrowed_is_an_error_not_a_panic() -> None:
    read_only = np.empty((3, 3))
    read_only.setflags(write=False)
    same = np.ones((3, 3))
    for src, dst in ((np.ones((3, 3)), read_only), (same, same)):
        with pytest.raises(errors.InvalidInputError, match="dst"):
            _kernels.boxcar(src, dst, FRAME)
    with pytest.raises(errors.InvalidInputError, match="region inside"):
        _kernels.boxcar(np.ones((3, 3)), np.empty((3, 3)), {**FRAME, "top": 2**64 - 1})
    with pytest.raises(errors.InvalidInputError, match="float32"):
        _kernels.to_db(np.ones((3, 3), np.float32), np.empty((3, 3)), num_threads=1)


def test_error_tree() -> None:
    for name, builtin in {
        "InvalidInputError": ValueError,
        "InvalidTypeError": TypeError,
        "MissingVariableError": KeyError,
        "UnitsError": ValueError,
        "GeometryError": ValueError,
        "NoDatesError": ValueError,
        "ProductError": ValueError,
        "UnsupportedProductError": ValueError,
        "ProductNotFoundError": FileNotFoundError,
        "KernelError": RuntimeError,
    }.items():
        error = getattr(errors, name)
        assert issubclass(error, errors.KararasterError)
        assert issubclass(error, builtin)
        assert str(error("what to do")) == "what to do"


def test_thread_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KARARASTER_NUM_THREADS", "SLURM_CPUS_PER_TASK", "PBS_NCPUS", "NCPUS", "LSB_DJOB_NUMPROC", "NSLOTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_cgroup_quota", list)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert threads.resolve() == 8
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    assert threads.resolve() == 3
    with threads.inside_task():
        assert threads.resolve() == 1
        monkeypatch.setenv("KARARASTER_NUM_THREADS", "5")
        assert threads.resolve() == 5
        assert threads.resolve(2) == 2
    monkeypatch.setenv("KARARASTER_NUM_THREADS", "many")
    with pytest.raises(errors.InvalidInputError, match="KARARASTER_NUM_THREADS"):
        threads.resolve()


def test_import_is_quick() -> None:
    """Under a second on top of xarray, best of three fresh interpreters."""
    code = "import time, xarray; t = time.perf_counter(); import kararaster; print(time.perf_counter() - t)"
    best = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    )
    assert best < 1.0
