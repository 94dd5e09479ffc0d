"""Every contestant in every case: right on small input, then timed.

Plain `pytest` runs each once on small images, so that benchmarks do not rot; `--benchmark-enable` times them on larger
ones.
For published ratios use `compare.py`: there contestants take turns.
"""

from __future__ import annotations

from functools import cache

import pytest

from cases import cases
from compare import CHECKED_SIZE
from contest import Case, Contestant, corner, disagreement
from floor import FLOORS
from kararaster_contestants import OURS
from peers import PEERS

TIMED_SIZE = 1024


@cache
def case(label: str, size: int) -> Case:
    return next(case for case in cases(size) if case.label == label)


PAIRS = [
    pytest.param(case.label, contestant, id=f"{case.label}: {contestant.name}")
    for case in cases(32)
    for contestant in [*FLOORS, *OURS, *PEERS]
    if contestant.kernel in (case.kernel, "floor") and contestant.takes(case.params)
]


@pytest.mark.parametrize(("label", "contestant"), PAIRS)
def test_bench(benchmark, label: str, contestant: Contestant) -> None:
    if contestant.missing:
        pytest.skip(f"{', '.join(contestant.missing)} is not installed")
    small = case(label, CHECKED_SIZE)
    if contestant.kernel != "floor" and not contestant.differs:
        assert disagreement(contestant, small, threads=1) == ""
    timed = small if benchmark.disabled else case(label, TIMED_SIZE)
    benchmark.group = label
    benchmark(contestant.run, corner(timed.rasters, contestant.side), timed.params, 1)
