"""When a simulated Sentinel-1 passes: dates, orbits and their coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster.errors import InvalidInputError

REPEAT = np.timedelta64(12, "D")
ORBITS_PER_CYCLE = 175
_ANCHORS = (
    (174, np.datetime64("2023-09-28T14:54:37", "ns")),
    (123, np.datetime64("2023-09-25T03:01:10", "ns")),
)
"""Relative orbit and time of an ascending (evening) and of a descending (morning) pass, in one repeat cycle."""
_CYCLE_AT_ANCHOR = 287
"""Repeat cycles that Sentinel-1A had flown at the anchors; makes absolute orbits plausible."""


@dataclass(frozen=True)
class Acquisitions:
    """Passes in the order of time. `orbit_index`: place in the tuple of relative orbits. `after`: on or after the
    event."""

    time: npt.NDArray[np.datetime64]
    relative_orbit: npt.NDArray[np.int16]
    absolute_orbit: npt.NDArray[np.int32]
    orbit_index: npt.NDArray[np.int64]
    after: npt.NDArray[np.bool_]

    def coords(self) -> dict[str, xr.Variable]:
        """The per-date coordinates of the data model."""
        state = np.where(self.orbit_index % 2 == 0, "ascending", "descending")
        datatake = np.array([f"{orbit * 7:06X}" for orbit in self.absolute_orbit])
        on_time = {
            "time": self.time,
            "platform": np.full(self.time.size, "sentinel-1a"),
            "relative_orbit": self.relative_orbit,
            "orbit_state": state,
            "absolute_orbit": self.absolute_orbit,
            "datatake_id": datatake,
        }
        return {name: xr.Variable(("time",), values) for name, values in on_time.items()}


def acquisitions(*, event: str, dates_pre: int, dates_post: int, relative_orbits: tuple[int, ...]) -> Acquisitions:
    """`dates_pre` passes before and `dates_post` on or after `event` for each orbit, every twelve days."""
    _check(dates_pre, dates_post, relative_orbits)
    moment = _moment(event)
    times, orbit_index, cycles = [], [], []
    for index, orbit in enumerate(relative_orbits):
        anchor = _pass(orbit, *_ANCHORS[index % 2])
        first_after = int(-((anchor - moment) // REPEAT))
        steps = np.arange(first_after - dates_pre, first_after + dates_post)
        times.append(anchor + steps * REPEAT)
        cycles.append(steps + _CYCLE_AT_ANCHOR)
        orbit_index.append(np.full(steps.size, index))
    time, places, cycle = (np.concatenate(part) for part in (times, orbit_index, cycles))
    order = np.argsort(time, kind="stable")
    relative = np.array(relative_orbits, np.int16)[places]
    # Sentinel-1A: relative orbit = (absolute orbit - 73) mod 175 + 1
    absolute = (cycle * ORBITS_PER_CYCLE + relative + 72).astype(np.int32)
    return Acquisitions(
        time=time[order].astype("datetime64[ns]"),
        relative_orbit=relative[order],
        absolute_orbit=absolute[order],
        orbit_index=places[order],
        after=time[order] >= moment,
    )


def _pass(orbit: int, known: int, moment: np.datetime64) -> np.datetime64:
    """When `orbit` passes in the cycle in which orbit `known` passes at `moment`, to the second."""
    seconds = round((orbit - known) * (REPEAT / np.timedelta64(1, "s")) / ORBITS_PER_CYCLE)
    return moment + np.timedelta64(seconds, "s")


def _moment(event: str) -> np.datetime64:
    try:
        return np.datetime64(event, "ns")
    except ValueError:
        raise InvalidInputError(f"event: got {event!r}, want a date such as '2023-09-19'") from None


def _check(dates_pre: int, dates_post: int, relative_orbits: tuple[int, ...]) -> None:
    for name, count in (("dates_pre", dates_pre), ("dates_post", dates_post)):
        if count < 0:
            raise InvalidInputError(f"{name}: got {count}, want at least 0")
    if dates_pre + dates_post == 0:
        raise InvalidInputError("dates_pre, dates_post: got 0 and 0, want at least one date")
    if not relative_orbits or len(set(relative_orbits)) < len(relative_orbits):
        raise InvalidInputError(f"relative_orbits: got {relative_orbits}, want one or more different orbits")
    if any(not 1 <= orbit <= ORBITS_PER_CYCLE for orbit in relative_orbits):
        raise InvalidInputError(f"relative_orbits: got {relative_orbits}, want numbers from 1 to {ORBITS_PER_CYCLE}")
