"""The tables of a run, and what falls below its limit."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import floor
import kararaster
import kararaster_contestants
from contest import MOST_THREADS, Entry

THREADS = range(1, MOST_THREADS + 1)
_LIBRARIES = (
    *("numpy", "scipy", "numba", "opencv-python-headless", "numexpr"),
    *("scikit-image", "spyndex", "xarray-spatial", "findpeaks", "xarray-sentinel"),
)


@dataclass(frozen=True)
class Run:
    """One interleaved run: what was asked for, who took part with what result, and what is to be said about it."""

    size: int
    rounds: int
    load: float
    limits: Mapping[str, float]
    field: list[Entry]
    notes: list[str]

    @property
    def labels(self) -> list[str]:
        return list(dict.fromkeys(entry.case.label for entry in self.field))

    def of(self, label: str, threads: int) -> list[Entry]:
        return [entry for entry in self.field if entry.case.label == label and entry.threads == threads]


@dataclass(frozen=True)
class Standing:
    """How our kernel stands in one case with one number of threads."""

    ours: Entry
    floor: Entry
    peers: list[Entry]
    """Those who compute the same, fastest first."""

    @property
    def lead(self) -> float | None:
        """Speed against the best peer."""
        return self.ours.rate / self.peers[0].rate if self.peers else None


def standing(run: Run, label: str, threads: int) -> Standing | None:
    by_name = {entry.contestant.name: entry for entry in run.of(label, threads)}
    ours = by_name.get(kararaster_contestants.KERNEL)
    if ours is None:
        return None
    peers = [e for e in by_name.values() if e.contestant.kernel != "floor" and not e.contestant.ours]
    peers = sorted((e for e in peers if not e.contestant.differs), key=lambda e: -e.rate)
    nearest = by_name.get(floor.READ, by_name[floor.COPY])
    return Standing(ours, nearest, peers)


def below_limit(run: Run) -> list[str]:
    """One line for each kernel that is slower against its best peer than its limit."""
    found = []
    for label in run.labels:
        for threads in THREADS:
            place = standing(run, label, threads)
            limit = run.limits[_limit_key(run, run.of(label, threads)[0])]
            if place is None or (place.lead is not None and place.lead < limit):
                lead = "no result" if place is None else f"{place.lead:.2f} x {place.peers[0].contestant.name}"
                found.append(f"BELOW ITS LIMIT: {label}, threads {threads}: {lead}, limit {limit:.2f}")
    return found


def markdown(run: Run) -> str:
    """The whole report."""
    parts = [
        "# Speed against peers and against the copy floor",
        f"Images of {run.size} x {run.size} pixels (stacks, srad and the median of 15 x 15: a quarter of that each way, "
        f"idan an eighth, ppb a sixteenth), {run.rounds} rounds, median of each contestant, ratios of medians of this one "
        "interleaved run. Output is newly allocated in every call. The floor is copying float32 images of the size of the "
        "output into newly allocated memory; for the test of a stack, reading it once. Of Orfeo ToolBox the seconds of the "
        "same command on 16 x 16 pixels are taken off; reading and writing a GeoTIFF of the image is left in.",
        machine(run.load),
        "## Kernels",
        summary(run),
        "## Limits",
        "Least speed against the best peer, over all cases of a kernel, one thread and two.",
        _table(["kernel", "measured", "limit"], [_limit_row(run, kernel) for kernel in run.limits]),
        "## All contestants",
        "Million pixels a second, and how many times as fast our kernel is. `*`: timed on a corner of the input.",
        _table(_DETAIL, [row for label in run.labels for row in _detail_rows(run, label)]),
        *(["## Notes", "\n".join(f"- {note}" for note in run.notes)] if run.notes else []),
    ]
    return "\n\n".join(parts) + "\n"


def summary(run: Run) -> str:
    """One row for each kernel."""
    return _table(_SUMMARY, [_summary_row(run, label) for label in run.labels])


def machine(load: float) -> str:
    """Processor, cores and versions, in one paragraph."""
    versions = [f"kararaster {kararaster.__version__}", f"Python {platform.python_version()}"]
    for library in _LIBRARIES:
        try:
            versions.append(f"{library} {importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    cores = kararaster.threads.usable_cores()
    system = f"{_processor()}, {cores} cores, {platform.system()} {platform.machine()}"
    return f"Machine: {system}; load {load:.1f} before the run. Versions: {', '.join(versions)}."


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


_SUMMARY = [
    "kernel",
    "Mpx/s",
    "of floor",
    "best peer",
    "1 thread",
    "2 threads",
    "gain of 2nd thread",
    "other peers, 1 thread",
]
_DETAIL = ["kernel", "contestant", "1 thread", "ours", "2 threads", "ours"]


def _summary_row(run: Run, label: str) -> list[str]:
    places = [standing(run, label, threads) for threads in THREADS]
    one = places[0]
    if one is None:
        return [label, *["-"] * (len(_SUMMARY) - 1)]
    two = places[1] if len(places) > 1 else None
    return [
        label,
        _digits(one.ours.rate),
        f"{one.ours.rate / one.floor.rate:.2f}",
        one.peers[0].contestant.name if one.peers else "none installed",
        _times(one.lead),
        _times(two.lead if two else None),
        _times(two.ours.rate / one.ours.rate if two else None),
        "; ".join(f"{peer.contestant.name} {_times(one.ours.rate / peer.rate)}" for peer in one.peers[1:]),
    ]


def _limit_key(run: Run, entry: Entry) -> str:
    """The case by its label where it has a limit of its own, else the kernel."""
    return entry.case.label if entry.case.label in run.limits else entry.case.kernel


def _limit_row(run: Run, kernel: str) -> list[str]:
    labels = {entry.case.label for entry in run.field if _limit_key(run, entry) == kernel}
    places = [standing(run, label, threads) for label in labels for threads in THREADS]
    leads = [place.lead for place in places if place is not None and place.lead is not None]
    return [kernel, _times(min(leads, default=None)), _times(run.limits[kernel])]


def _detail_rows(run: Run, label: str) -> list[list[str]]:
    rates = [{entry.contestant.name: entry for entry in run.of(label, threads)} for threads in THREADS]
    rows = []
    for name, entry in sorted(rates[0].items(), key=lambda item: -item[1].rate):
        cells = []
        for table in rates:
            ours, other = table.get(kararaster_contestants.KERNEL), table.get(name)
            cells.append(_digits(other.rate) if other else "-")
            cells.append(_times(ours.rate / other.rate) if ours and other else "-")
        mark = " *" if entry.side < max(e.side for e in rates[0].values()) else ""
        rows.append([label, name + mark, *cells, *["-"] * (len(_DETAIL) - 2 - len(cells))])
    return rows


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f} x" if ratio < 10 else f"{ratio:.0f} x"


def _digits(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"


def _table(header: list[str], rows: list[list[str]]) -> str:
    numbers = [all(not row[i] or row[i][0] in "0123456789-" for row in rows) for i in range(len(header))]
    rule = ["---:" if number else "---" for number in numbers]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])
