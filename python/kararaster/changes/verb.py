"""The one verb: which test answers a question about a stack."""

from __future__ import annotations

import inspect
from collections.abc import Hashable
from typing import Any, Literal

import xarray as xr

from kararaster import conventions, periods
from kararaster.changes import options
from kararaster.changes.before_after import Question, compare_periods
from kararaster.changes.breaks import find_breaks, rules
from kararaster.changes.subjects import Subject, subject
from kararaster.errors import InvalidInputError

MethodName = Literal["hotelling", "ttest", "logratio", "ccdc"]
METHODS: dict[str, str] = {
    **{name: test.summary for name, test in options.METHODS.items()},
    "ccdc": "harmonic regression, breaks where several dates in a row do not fit, dated",
}
"""Name -> one line, of every method `change` knows."""


def change(
    ds: xr.Dataset,
    *,
    event: Any = None,
    pre: Any = "365D",
    post: Any = "60D",
    method: MethodName | None = None,
    by: Hashable | None = "relative_orbit",
    combine: Literal["fisher", "stouffer"] = "fisher",
    alpha: float = 0.05,
    control: Literal["fdr"] | None = "fdr",
    baseline: xr.Dataset | None = None,
    **params: Any,
) -> xr.Dataset:
    """Find what changed: at an event, with a known error rate; or, in an optical stack, when, without an event; lazily.

    With `event` every pixel is tested for a difference between the dates before and after. A stack with radar bands is tested
    on power; any other on its indices, by default against the same season of earlier years. Relative orbits are never mixed
    inside one test: each is tested by itself and the p-values are joined. Dates are folded in date order, tile by tile, into
    running moments, so memory does not grow with their number and the bytes of the result do not depend on chunks or threads.
    Dates are taken as independent; serial correlation (moisture, season) raises the alarms.

    Without `event` an optical stack is searched for breaks ("ccdc"): each pixel gets a harmonic regression of at least
    `min_obs` valid dates over at least `min_span`; `consecutive` valid dates in a row outside `rmse_factor` times its rmse (of
    two indices: the root of their mean square) are a break at the first of them, and a new model begins there. Dates of all
    orbits go into one series. A change within the first `min_span` is not found. There is no p-value: the rule is sequential,
    so its false alarms are measured, not controlled: of stable seasonal series of one index with Gaussian noise, over four
    years, 1 % alarm at one valid date in 6 days and 4 % at one in 16, with consecutive=6 less than 0.1 % and 0.6 %; of two
    independent indices 0.1 % and 2 %. Two indices that share a band are correlated, which makes the tests at an event cautious.

    Of lazy input only the coordinates on time are read.

    Parameters
    ----------
    ds : Dataset
        Dimensions (time, y, x). Radar bands (vv, vh, hh, hv), float32 or float64 linear power, with the coordinate
        `relative_orbit` on time; one band is enough. Or indices (`ndvi`, `ndbi`; float32 or float64), or the optical bands
        they are computed from (`nir`, `red`, and `swir16` for ndbi; undecoded or reflectance).
    event : date, optional
        First day after. Dates are UTC.
    pre, post : str or (start, stop)
        Lengths of time before and after the event, or explicit periods (half-open). Of `pre` an optical test takes the
        season of `post` in earlier years: "365D" is that of one year earlier, "1095D" of three years.
    method : {"hotelling", "ttest", "logratio", "ccdc"}
        "hotelling" (radar default): all bands jointly, power on its fourth root (Hawkins and Wixley 1986), indices as they
        are; pooled covariance, exact F tail; needs 3 dates before and 2 after. "ttest" (optical default): pooled Student t,
        each band by itself, Sidak over bands; power on its logarithm, indices as they are; 3 and 2 dates. "logratio" (radar):
        ratio of mean powers against its F distribution for `enl` looks a date (Rignot and van Zyl 1993, doi
        10.1109/36.239913); one date on each side is enough. "ccdc" (optical, without event): breaks after Zhu and Woodcock
        (2014, doi 10.1016/j.rse.2014.01.011), reduced.
    by : str or None
        Coordinate that tells viewing geometries apart. None is your word that all dates share one, which is taken for granted
        of an optical stack without `relative_orbit`.
    combine : {"fisher", "stouffer"}
        How orbits are joined: Fisher finds changes whatever their sign in each orbit; Stouffer adds signed scores, and a
        change whose sign differs between orbits cancels. With "hotelling" the sign of an orbit is that of the sum of the
        standardised differences of its bands, so use "stouffer" there only where both bands move the same way.
    alpha, control : float, {"fdr", None}
        `changed` holds the pixels found at this false discovery rate (Benjamini and Hochberg 1995) over the whole map; with
        control=None, the pixels with p <= alpha. Not for "ccdc".
    baseline : Dataset, optional
        Radar: moments of the period before, from `moments()`; then `ds` needs only the dates after the event, and `pre` is
        ignored.
    **params
        bands (one or two names; an index that is not there is computed), min_pre, min_post (fewest dates a side), enl
        (logratio), season (optical; False takes all of `pre` as it is). For "ccdc": harmonics (2; of the year), consecutive
        (3), rmse_factor (3), min_obs (12; at least 1.5 times the unknowns are taken), min_span ("365D").

    Returns
    -------
    Dataset on the grid of `ds`. With `event`: `statistic` (hotelling with "fisher": one-sided normal score of the joined
    p-value; hotelling with "stouffer" and ttest: signed normal score; logratio: natural logarithm of the ratio), `p_value`,
    `neg_log10_p`, `magnitude` (band, y, x; radar: dB, after over before; optical: after minus before, units of the index),
    `direction` (int8: 1 brighter, -1 darker, optical 1 more vegetation, -1 less, ndbi counting the other way round; 0 where
    orbits or bands disagree or nothing was tested; with ttest it is that of the deciding band), `n_pre`, `n_post`, `n_orbits`,
    `changed` (bool); coordinate `p_threshold`: the largest p-value called changed. A pixel no orbit can test is NaN, with its
    counts.

    Without: `change_time` (datetime64[ns], first date of the largest break; NaT without one), `change_count` (uint8),
    `statistic` (mean size of the residuals that made the largest break in units of the rmse; 0 without a break, NaN where the
    dates gave no stable model), `magnitude` (band, y, x; their mean, NaN without a break), `direction`, `n_obs` (uint16),
    `changed` (bool: there was a break).

    NaN and infinite samples, and power at or below zero, are left out and not counted.

    Raises
    ------
    NoDatesError
        Too few dates before or after the event in every orbit; without an event, fewer than `min_obs` or a span below
        `min_span`. The message lists what there is.
    GeometryError
        Radar without `relative_orbit`, or by=None on a radar stack that mixes orbits.
    MissingVariableError
        Neither radar bands nor indices nor the bands of an index.
    UnitsError
        Decibel given: call ``from_db()`` first.
    InvalidInputError
        Unknown method or parameter, a method that does not fit the stack, an index named beside radar, dates that occur
        twice (with `event`: in one orbit).

    Examples
    --------
    >>> import kararaster as kr
    >>> stack = kr.simulate.stack(shape=(64, 64))
    >>> result = stack.kara.change(event="2023-09-19")
    >>> int(result.n_orbits.max())
    2
    """
    conventions.require_dataset(ds)
    found = subject(ds, params.pop("bands", None))
    if event is None:
        _require_breaks(found, method)
        _refuse_what_needs_an_event(
            pre=pre, post=post, combine=combine, alpha=alpha, control=control, baseline=baseline
        )
        return find_breaks(found, rules(params))
    if control not in ("fdr", None):
        raise InvalidInputError(f"control: got {control!r}, want 'fdr' or None")
    season = found.scale == "index" and options.checked_flag("season", params.pop("season", True))
    question = Question(
        test=options.options(method, found.scale, combine, len(found.names), params),
        event=periods.timestamp("event", event),
        pre=pre,
        post=post,
        season=season,
        by=by,
        alpha=options.checked_alpha(alpha),
        control=control,
    )
    return compare_periods(found, question, baseline)


def _require_breaks(found: Subject, method: str | None) -> None:
    """Refuse to go on without an event where the answer needs one."""
    if found.scale == "power":
        raise InvalidInputError(
            "event: got None; the radar tests of this version compare two periods: give the date of the event; breaks "
            "without one are found in indices, which go by name where there is radar too: bands=('ndvi', 'ndbi')"
        )
    if method not in (None, "ccdc"):
        raise InvalidInputError(
            f"event: got None; {method!r} compares two periods: give the date of the event, or take method='ccdc', which "
            "finds the date itself"
        )


def _refuse_what_needs_an_event(**given: Any) -> None:
    """A forgotten event must not turn a test into a search for breaks."""
    usual = {name: parameter.default for name, parameter in inspect.signature(change).parameters.items()}
    for name, value in given.items():
        if value is not usual[name] and (usual[name] is None or value != usual[name]):
            raise InvalidInputError(
                f"{name}: goes with an event, which was not given; breaks are searched for with harmonics, consecutive, "
                "rmse_factor, min_obs and min_span"
            )
