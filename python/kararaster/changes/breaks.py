"""Breaks in the seasonal course of an index: harmonic regression over time, monitored date by date."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from kararaster import _kernels, blocks, conventions, periods, threads
from kararaster.changes.subjects import Subject
from kararaster.errors import InvalidInputError

if TYPE_CHECKING:
    from kararaster._kernels import BreakOptions

MOST_HARMONICS = 3
_EPOCH = np.datetime64("2000-01-01", "ns")


@dataclass(frozen=True)
class Rules:
    """What counts as a break."""

    harmonics: int
    consecutive: int
    rmse_factor: float
    min_obs: int
    min_span: float

    @property
    def least_dates(self) -> int:
        """Fewest dates of a model: 1.5 for each of its unknowns (mean, trend, two a harmonic) where `min_obs` is less."""
        return max(self.min_obs, math.ceil(1.5 * (2 + 2 * self.harmonics)))

    def kernel(self) -> BreakOptions:
        """In the words of the kernel."""
        return {
            "harmonics": self.harmonics,
            "consecutive": self.consecutive,
            "rmse_factor": self.rmse_factor,
            "min_obs": self.min_obs,
            "min_span": self.min_span,
        }


def rules(params: dict[str, Any]) -> Rules:
    """Checked rules of the search."""
    allowed = ("harmonics", "consecutive", "rmse_factor", "min_obs", "min_span")
    if unknown := sorted(set(params) - set(allowed)):
        raise InvalidInputError(f"ccdc: got unknown parameters {unknown}, want some of {sorted((*allowed, 'bands'))}")
    harmonics = conventions.whole_number("harmonics", params.get("harmonics", 2), 1)
    if harmonics > MOST_HARMONICS:
        raise InvalidInputError(f"harmonics: got {harmonics}, want 1 to {MOST_HARMONICS}")
    return Rules(
        harmonics=harmonics,
        consecutive=conventions.whole_number("consecutive", params.get("consecutive", 3), 1),
        rmse_factor=conventions.positive_number("rmse_factor", params.get("rmse_factor", 3.0)),
        min_obs=conventions.whole_number("min_obs", params.get("min_obs", 12), 1),
        min_span=_days("min_span", params.get("min_span", "365D")),
    )


def _days(name: str, value: Any) -> float:
    """A length of time in days; a bare number is one of days."""
    try:
        length = pd.Timedelta(value, unit="D") if isinstance(value, int | float) else pd.Timedelta(value)
    except (TypeError, ValueError):
        length = pd.Timedelta(0)
    if pd.isna(length) or length <= pd.Timedelta(0):
        raise InvalidInputError(f"{name}: got {value!r}, want a length of time such as '365D'")
    return float(length / pd.Timedelta(days=1))


def find_breaks(subject: Subject, how: Rules) -> xr.Dataset:
    """When did every pixel of `subject` leave its seasonal course, lazily."""
    periods.require_each_once(subject.times)
    _require_a_model(subject.times, how)
    plan = Breaks(how, len(subject.names), tuple(map(int, subject.times.astype(np.int64))))
    arrays = blocks.series(plan, subject.data)
    descriptions = {"statistic": "break_statistic", "magnitude": "break_magnitude", "changed": "broken"}
    return subject.dataset(arrays, descriptions, {"method": "ccdc", **asdict(how)})


def _require_a_model(times: periods.Dates, how: Rules) -> None:
    """Refuse dates that are too few or too close for a model of any pixel: "no change" would be no answer."""
    count, least = len(times), how.least_dates
    if count < least:
        raise periods.no_dates(
            f"ccdc: got {count} dates, want at least {least} (min_obs={how.min_obs}, harmonics={how.harmonics}); give more "
            "dates, or the date of an event, which needs fewer",
            times,
        )
    span = float((times[-1] - times[0]) / np.timedelta64(1, "D"))
    if span < how.min_span:
        raise periods.no_dates(
            f"ccdc: got dates over {span:.0f} days, want at least {how.min_span:g} (min_span); give more dates, or the date "
            "of an event",
            times,
        )


@dataclass(frozen=True)
class Breaks:
    """The work on all dates of some pixels; `times` in nanoseconds since 1970."""

    rules: Rules
    bands: int
    times: tuple[int, ...]

    @property
    def outputs(self) -> dict[str, blocks.Output]:
        return {
            "statistic": blocks.Output(np.dtype(np.float32)),
            "magnitude": blocks.Output(np.dtype(np.float32), (self.bands,)),
            "direction": blocks.Output(np.dtype(np.int8)),
            "change_time": blocks.Output(np.dtype("datetime64[ns]")),
            "change_count": blocks.Output(np.dtype(np.uint8)),
            "n_obs": blocks.Output(np.dtype(np.uint16)),
            "changed": blocks.Output(np.dtype(np.bool_)),
        }

    def compute(self, bands: list[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        times = np.array(self.times, np.int64).view("datetime64[ns]")
        days = (times - _EPOCH) / np.timedelta64(1, "D")
        out = self._empty(bands[0].shape[1:])
        _kernels.find_breaks(bands, days, out, options=self.rules.kernel(), num_threads=threads.resolve())
        # index -1, no break, finds the NaT behind the dates
        out["change_time"] = np.append(times, np.datetime64("NaT", "ns"))[out["date"]]
        out["change_count"], out["changed"] = out["count"], out["count"] > 0
        return {name: out[name] for name in self.outputs}

    def _empty(self, shape: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
        kinds = {"date": np.int32, "count": np.uint8, "statistic": np.float32, "direction": np.int8, "n_obs": np.uint16}
        return {
            "magnitude": np.empty((self.bands, *shape), np.float32),
            **{name: np.empty(shape, kind) for name, kind in kinds.items()},
        }
