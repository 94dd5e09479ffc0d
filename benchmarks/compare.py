"""Compare the package with its peers and with the copy floor, in one interleaved run.

    python benchmarks/compare.py --size 4096 --rounds 7

Every contestant is first checked against a float64 reference on small input; whoever is wrong is not timed. Then all
take turns, round after round; a figure is the ratio of two medians of the same run. Writes the tables to `RESULTS.md`
and the seconds of every round to `results/`, and ends with an error if a kernel is wrong or below its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

import report
from cases import cases
from contest import Case, Contestant, Entry, disagreement, entries, play
from floor import FLOORS
from kararaster_contestants import OURS
from peers import PEERS

HERE = Path(__file__).parent
CHECKED_SIZE = 64
BEGIN, END = "<!-- speed -->", "<!-- /speed -->"

LIMITS = {
    "calibrate": 2.2,
    "boxcar": 0.5,
    "boxcar 31 x 31": 0.4,
    "lee": 0.7,
    "kuan": 0.9,
    "gamma_map": 0.95,
    "lee_enhanced": 1.5,
    "frost": 1.9,
    "frost_enhanced": 2.2,
    "refined_lee": 5.0,
    "lee_sigma": 0.5,
    "median": 7.0,
    "median 3 x 3": 0.35,
    "median 5 x 5": 0.6,
    "quegan": 0.75,
    "srad": 0.6,
    "idan": 1.1,
    "ppb": 2.5,
    "ndvi": 0.7,
    "ibi": 0.3,
    "twelve": 0.3,
    "hotelling": 0.15,
    "composite_median": 4.0,
    "composite_geomedian": 0.7,
}
"""Kernel, or one case of it by its label -> least speed against the best peer that is installed, for one thread and for two.

About seven tenths of the worst case measured on a quiet machine: a regression fails, noise does not. Raise one whenever its
kernel gets faster; README.md says why some are below 1."""


def main() -> int:
    arguments = _arguments()
    load = os.getloadavg()[0]
    limits = {key: limit for key, limit in LIMITS.items() if not arguments.only or key.split()[0] in arguments.only}
    notes, fit = check(CHECKED_SIZE, limits)
    field = entries(cases(arguments.size), [*FLOORS, *fit])
    field = [entry for entry in field if entry.case.kernel in limits]
    play(field, arguments.rounds)
    run = report.Run(arguments.size, arguments.rounds, load, limits, field, notes)
    text = report.markdown(run)
    print(text)
    if not arguments.only:
        (HERE / "RESULTS.md").write_text(text)
        _keep(field)
    if arguments.readme:
        _put_into(arguments.readme, report.machine(load) + "\n\n" + report.summary(run))
    wrong = [note for note in notes if note.startswith("WRONG")]
    failures = wrong + report.below_limit(run)
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


def check(size: int, kernels: Collection[str]) -> tuple[list[str], list[Contestant]]:
    """Notes about who is left out and why, and those who may be timed."""
    small = [case for case in cases(size) if case.kernel in kernels]
    notes, fit = [], []
    for contestant in [*OURS, *PEERS]:
        label = f"{contestant.kernel}: {contestant.name}"
        if contestant.kernel not in kernels:
            continue
        if contestant.missing:
            notes.append(f"{label} left out: {', '.join(contestant.missing)} is not installed.")
        elif problem := _problem(contestant, small):
            notes.append(f"WRONG, not timed: {label}: {problem}.")
        else:
            fit.append(contestant)
            if contestant.differs:
                notes.append(f"{label} is timed but not counted as a peer: {contestant.differs}.")
    return notes, fit


def _problem(contestant: Contestant, small: Iterable[Case]) -> str:
    if contestant.differs:
        return ""
    taken = [case for case in small if case.kernel == contestant.kernel and contestant.takes(case.params)]
    found = [(case.label, disagreement(contestant, case, n)) for case in taken for n in contestant.threads]
    return "; ".join(f"{label}: {problem}" for label, problem in found if problem)


def _keep(field: list[Entry]) -> None:
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    rows = [
        {"case": e.case.label, "contestant": e.contestant.name, "threads": e.threads, "side": e.side, "s": e.seconds}
        for e in field
    ]
    (folder / "latest.json").write_text(json.dumps(rows, indent=1))


def _put_into(readme: Path, text: str) -> None:
    """Replace what stands between the two marks."""
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{readme}: has no {BEGIN} ... {END} to put the table between")
    readme.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=4096, help="rows and columns of the images")
    parser.add_argument("--rounds", type=int, default=7, help="turns of every contestant")
    parser.add_argument(
        "--readme", type=Path, help=f"also put the table of kernels between {BEGIN} and {END} of this file"
    )
    only = "kernels to run, with commas between; RESULTS.md stays as it is"
    parser.add_argument("--only", type=lambda kernels: kernels.split(","), default=[], help=only)
    arguments = parser.parse_args()
    if unknown := [kernel for kernel in arguments.only if kernel not in LIMITS]:
        parser.error(f"--only: got {', '.join(unknown)}, want some of {', '.join(LIMITS)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
