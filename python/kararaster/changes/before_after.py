"""The before/after tests: from a stack, or a stored baseline and a stack, to a change map."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from kararaster import _kernels, blocks, periods, threads, thresholding
from kararaster.baseline import Baseline, read_baseline
from kararaster.changes.options import METHODS, TestOptions
from kararaster.changes.seasons import same_season
from kararaster.changes.subjects import Subject
from kararaster.errors import InvalidInputError


@dataclass(frozen=True)
class Question:
    """What is asked at an event, checked."""

    test: TestOptions
    event: pd.Timestamp
    pre: Any
    post: Any
    season: bool
    by: Hashable | None
    alpha: float
    control: str | None


def compare_periods(subject: Subject, question: Question, baseline: xr.Dataset | None) -> xr.Dataset:
    """Test every pixel of `subject` for a change at the event, lazily."""
    when = _Periods.of(question)
    if baseline is None:
        plan, orbits = _plan(subject, when, question)
        starts: list[list[Any]] | None = None
    else:
        if subject.scale != "power":
            raise InvalidInputError(
                "baseline: stored moments are those of radar power; give the dates before the event"
            )
        stored = read_baseline(baseline, subject.names, METHODS[question.test.method], subject.stacks[0])
        plan, orbits, starts = _plan_on_baseline(subject, when, question, stored)
        when = _Periods(when.event, stored.period, when.post)
    when.check()
    arrays = blocks.fold(plan, subject.data, starts)
    return _dataset(arrays, subject, question, when, orbits)


@dataclass(frozen=True)
class _Periods:
    event: pd.Timestamp
    pre: periods.Period
    post: periods.Period

    @staticmethod
    def of(question: Question) -> _Periods:
        event, post = question.event, periods.after(question.event, question.post)
        pre = same_season(event, question.pre, post) if question.season else periods.before(event, question.pre)
        return _Periods(event, pre, post)

    def check(self) -> None:
        """Refuse a date on both sides."""
        if self.pre.stop > self.post.start:
            raise InvalidInputError(
                f"pre, post: the period before ({self.pre}) must end when {self.post} begins, or earlier"
            )

    def named(self) -> dict[str, periods.Period]:
        return {f"before ({self.pre})": self.pre, f"after ({self.post})": self.post}


Groups = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


def _plan(subject: Subject, when: _Periods, question: Question) -> tuple[BeforeAfter, list[periods.Orbit]]:
    """The orbits that have enough dates on both sides, and their dates."""
    times, test = subject.times, question.test
    groups = subject.geometries(question.by)
    found, orbits = [], []
    for group in groups:
        pre, post = (group.dates[p.contains(times[group.dates])] for p in (when.pre, when.post))
        if len(pre) >= test.min_pre and len(post) >= test.min_post:
            found.append((tuple(map(int, pre)), tuple(map(int, post))))
            orbits.append(group.orbit)
    if not found:
        counts = periods.describe_counts(groups, times, when.named())
        raise periods.no_dates(
            f"event {when.event:%Y-%m-%d}: no orbit has {test.min_pre} dates before and {test.min_post} after ({counts})"
            + ("; with season=False all of `pre` counts, not only its season" if question.season else ""),
            times,
        )
    return BeforeAfter(test, tuple(found)), orbits


def _plan_on_baseline(
    subject: Subject, when: _Periods, question: Question, stored: Baseline
) -> tuple[BeforeAfter, list[periods.Orbit], list[list[Any]]]:
    """As `_plan`, with the period before taken from stored moments."""
    times, test = subject.times, question.test
    found, orbits, starts = [], [], []
    groups = subject.geometries(question.by)
    for group in groups:
        post = group.dates[when.post.contains(times[group.dates])]
        if group.orbit in stored.cells and len(post) >= test.min_post:
            found.append(((), tuple(map(int, post))))
            orbits.append(group.orbit)
            starts.append([stored.cells[group.orbit], None])
    if not found:
        counts = periods.describe_counts(groups, times, {f"after ({when.post})": when.post})
        raise periods.no_dates(
            f"event {when.event:%Y-%m-%d}: no orbit of the baseline ({', '.join(map(str, stored.cells))}) has "
            f"{test.min_post} dates after ({counts})",
            times,
        )
    return BeforeAfter(test, tuple(found)), orbits, starts


@dataclass(frozen=True)
class BeforeAfter:
    """The fold of a before/after test: a group an orbit, with one cell before and one after."""

    test: TestOptions
    groups: Groups

    @property
    def outputs(self) -> dict[str, blocks.Output]:
        return {
            "statistic": blocks.Output(np.dtype(np.float32)),
            "p_value": blocks.Output(np.dtype(np.float32)),
            "neg_log10_p": blocks.Output(np.dtype(np.float32)),
            "magnitude": blocks.Output(np.dtype(np.float32), (self.test.bands,)),
            "direction": blocks.Output(np.dtype(np.int8)),
            "n_pre": blocks.Output(np.dtype(np.uint16)),
            "n_post": blocks.Output(np.dtype(np.uint16)),
            "n_orbits": blocks.Output(np.dtype(np.uint8)),
        }

    def new_cell(self, pixels: int) -> npt.NDArray[np.float64]:
        return np.zeros((_kernels.moment_fields(self.test.bands, self.test.joint), pixels))

    def add(self, cell: npt.NDArray[np.float64], bands: list[npt.NDArray[Any]], dates: list[int]) -> None:
        transform, joint = self.test.transform, self.test.joint
        _kernels.fold(bands, dates, cell, transform=transform, joint=joint, num_threads=threads.resolve())

    def new_result(self, pixels: int) -> npt.NDArray[np.float64]:
        return np.zeros((_kernels.evidence_fields(self.test.kernel()), pixels))

    def take(self, result: npt.NDArray[np.float64], group: int, cells: list[npt.NDArray[np.float64]]) -> None:
        before, after = cells
        _kernels.add_group(before, after, result, options=self.test.kernel(), num_threads=threads.resolve())

    def finish(self, result: npt.NDArray[np.float64], shape: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
        out = self._empty(shape)
        _kernels.finish(result, out, options=self.test.kernel(), num_threads=threads.resolve())
        return out

    def at_once(self, bands: list[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        out = self._empty((bands[0].shape[-2], bands[0].shape[-1]))
        groups = [(list(pre), list(post)) for pre, post in self.groups]
        _kernels.before_after(bands, groups, out, options=self.test.kernel(), num_threads=threads.resolve())
        return out

    def _empty(self, shape: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
        return {name: np.empty((*out.lead, *shape), out.dtype) for name, out in self.outputs.items()}


def _dataset(
    arrays: dict[str, blocks.Array],
    subject: Subject,
    question: Question,
    when: _Periods,
    orbits: list[periods.Orbit],
) -> xr.Dataset:
    """Named, described, on the grid of the stack, with the decision at `alpha`."""
    limit = thresholding.critical_value(arrays["neg_log10_p"], question.alpha, question.control)
    arrays["changed"] = arrays["neg_log10_p"] >= limit
    threshold = xr.Variable((), np.power(10.0, -limit), {"long_name": "largest p-value called changed", "units": "1"})
    settings = {
        "event": f"{when.event:%Y-%m-%dT%H:%M:%S}",
        "pre": str(when.pre),
        "post": str(when.post),
        "method": question.test.method,
        "combine": question.test.combine,
        "relative_orbits": ", ".join("one geometry" if orbit is None else str(orbit) for orbit in orbits),
        "alpha": question.alpha,
        "control": question.control or "none",
    }
    descriptions = {"magnitude": "index_magnitude"} if subject.scale == "index" else {}
    return subject.dataset(arrays, descriptions, settings, {"p_threshold": threshold})
