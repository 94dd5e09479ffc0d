"""A change map beside the truth: area under the curve, false alarms on unchanged ground, shares found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster.simulate.town import Cover, Kind

ALPHA = 0.05

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """How the tested pixels of a change map compare with the truth, without the margin around changed ground.

    `auc`: area under the curve of `statistic`. `false_alarms`: share of the unchanged pixels with p below ALPHA, by land
    cover and over all. `changed`: pixels marked. `false_discoveries`: share of the marked ones that are unchanged.
    `found`: share of the changed pixels that are marked, by kind.
    """

    auc: float
    false_alarms: dict[str, float]
    changed: int
    false_discoveries: float
    found: dict[str, float]


def score(result: xr.Dataset, truth: xr.Dataset, margin: Mask) -> Score:
    """Compare `statistic`, `p_value` and `changed` (y, x) with the truth; pixels in `margin` do not count as
    unchanged."""
    happened = truth["changed"].values
    statistic, p = result["statistic"].values, result["p_value"].values
    tested, alarm = np.isfinite(p), p < ALPHA
    quiet = tested & ~happened & ~margin
    marked = result["changed"].values.astype(bool)
    cover, kind = truth["land_cover"].values, truth["kind"].values
    false_alarms = {c.name.lower(): _share(alarm[quiet & (cover == c)]) for c in Cover}
    false_alarms["all but fields"] = _share(alarm[quiet & (cover != Cover.FIELD)])
    false_alarms["all"] = _share(alarm[quiet])
    return Score(
        auc=auc(statistic[happened], statistic[quiet]),
        false_alarms=false_alarms,
        changed=int(marked.sum()),
        false_discoveries=_share(~happened[marked & (happened | quiet)]),
        found={k.name.lower(): _share(marked[tested & (kind == k)]) for k in Kind if k is not Kind.NONE},
    )


def auc(positives: npt.NDArray[np.floating], negatives: npt.NDArray[np.floating]) -> float:
    """Probability that a positive exceeds a negative, ties counted half; NaN left out, NaN where either is empty."""
    above, below = positives[~np.isnan(positives)], np.sort(negatives[~np.isnan(negatives)])
    if above.size == 0 or below.size == 0:
        return float("nan")
    wins = np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")
    return float(wins.mean() / (2 * below.size))


def margin_of(happened: Mask, radius: int) -> Mask:
    """Unchanged pixels within `radius` rows and columns of changed ground."""
    grown = happened.copy()
    for axis in (0, 1):
        reached = grown.copy()
        for step in range(1, radius + 1):
            ahead, behind = (_slices(axis, slice(step, None)), _slices(axis, slice(None, -step)))
            reached[ahead] |= grown[behind]
            reached[behind] |= grown[ahead]
        grown = reached
    return grown & ~happened


def _share(flags: Mask) -> float:
    return float(flags.mean()) if flags.size else float("nan")


def _slices(axis: int, part: slice) -> tuple[slice, slice]:
    return (part, slice(None)) if axis == 0 else (slice(None), part)
