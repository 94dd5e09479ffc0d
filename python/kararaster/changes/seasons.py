"""The same season of earlier years, as the reference of an index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from kararaster import periods
from kararaster.errors import InvalidInputError

DAYS_A_YEAR = 365


@dataclass(frozen=True)
class SameSeason(periods.Period):
    """The parts of a period that lie a whole number of years before `season`."""

    season: periods.Period

    @property
    def parts(self) -> list[periods.Period]:
        """One period for each year, the latest first; 29 February counts as the 28th where there is none."""
        found: list[periods.Period] = []
        years = 1
        while (end := self.season.stop - pd.DateOffset(years=years)) > self.start:
            start = max(self.start, self.season.start - pd.DateOffset(years=years))
            if start < min(end, self.stop):
                found.append(periods.Period(start, min(end, self.stop)))
            years += 1
        return found

    def contains(self, times: periods.Dates) -> npt.NDArray[np.bool_]:
        inside = np.zeros(times.shape, bool)
        for part in self.parts:
            inside |= part.contains(times)
        return inside

    def __str__(self) -> str:
        return " and ".join(map(str, reversed(self.parts))) or f"no season in {super().__str__()}"


def same_season(event: pd.Timestamp, pre: Any, post: periods.Period) -> SameSeason:
    """The season of `post` in earlier years, inside the period `pre` before the event.

    A length in days counts 365 of them as a year of the calendar, so that "365D" reaches the same date one year earlier
    whether or not a 29 February lies between.
    """
    found = periods.before(event, pre)
    if not isinstance(pre, tuple | list | slice | periods.Period) and "/" not in str(pre):
        years, rest = divmod(event - found.start, pd.Timedelta(days=DAYS_A_YEAR))
        found = periods.Period(event - pd.DateOffset(years=years) - rest, event)
    season = SameSeason(found.start, found.stop, post)
    if not season.parts:
        raise InvalidInputError(
            f"pre: {found} has no part in the season of {post}; give a longer period ('365D' reaches one year back, '1095D' "
            "three), or take all of it with season=False"
        )
    return season
