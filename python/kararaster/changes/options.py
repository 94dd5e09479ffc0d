"""Parameters of the before/after tests, checked once, in the words of the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kararaster import conventions
from kararaster.changes.subjects import Scale
from kararaster.errors import InvalidInputError

if TYPE_CHECKING:
    from kararaster import _kernels


@dataclass(frozen=True)
class Method:
    """A before/after test: what it folds, which stored moments fit it, how many dates it needs on each side."""

    transform: str
    joint: bool
    baseline: str
    scales: tuple[Scale, ...]
    min_pre: int
    min_post: int
    summary: str


METHODS = {
    "hotelling": Method(
        "fourth_root", True, "fourth_root", ("power", "index"), 3, 2, "Hotelling T2 of the bands jointly, exact F tail"
    ),
    "ttest": Method("log", False, "log", ("power", "index"), 3, 2, "pooled Student t of each band, Sidak over bands"),
    "logratio": Method(
        "fourth_root", False, "log", ("power",), 1, 1, "ratio of mean powers, exact F tail for the given looks"
    ),
}
DEFAULTS: dict[Scale, str] = {"power": "hotelling", "index": "ttest"}
COMBINE = ("fisher", "stouffer")


@dataclass(frozen=True)
class TestOptions:
    """What a kernel needs to know about the test."""

    __test__ = False  # not a test class, whatever its name says to pytest

    method: str
    scale: Scale
    combine: str
    enl: float
    min_pre: int
    min_post: int
    bands: int

    @property
    def transform(self) -> str:
        """What the moments are taken of: an index is tested as it is."""
        return "identity" if self.scale == "index" else METHODS[self.method].transform

    @property
    def joint(self) -> bool:
        """Whether all bands are tested together."""
        return METHODS[self.method].joint

    def kernel(self) -> _kernels.TestOptions:
        """In the words of the kernels."""
        return {
            "method": self.method,
            "scale": self.scale,
            "combine": self.combine,
            "enl": self.enl,
            "min_pre": self.min_pre,
            "min_post": self.min_post,
            "bands": self.bands,
        }


def options(method: str | None, scale: Scale, combine: str, bands: int, params: dict[str, Any]) -> TestOptions:
    """Checked options of a test on `bands` bands."""
    name = DEFAULTS[scale] if method is None else method
    fit = [known for known in METHODS if scale in METHODS[known].scales]
    if not isinstance(name, str) or name not in fit:
        what = "indices" if scale == "index" else "radar power"
        raise InvalidInputError(
            f"method: got {method!r}, want for {what} at an event one of {', '.join(map(repr, fit))}"
        )
    if combine not in COMBINE:
        raise InvalidInputError(f"combine: got {combine!r}, want one of {', '.join(map(repr, COMBINE))}")
    known = METHODS[name]
    allowed = {"enl", "min_pre", "min_post"} if name == "logratio" else {"min_pre", "min_post"}
    if unknown := sorted(set(params) - allowed):
        known_to_change = allowed | ({"bands", "season"} if scale == "index" else {"bands"})
        raise InvalidInputError(f"{name}: got unknown parameters {unknown}, want some of {sorted(known_to_change)}")
    return TestOptions(
        method=name,
        scale=scale,
        combine=combine,
        enl=conventions.positive_number("enl", params.get("enl", 4.4)),
        min_pre=conventions.whole_number("min_pre", params.get("min_pre", known.min_pre), known.min_pre),
        min_post=conventions.whole_number("min_post", params.get("min_post", known.min_post), known.min_post),
        bands=bands,
    )


def checked_flag(name: str, value: Any) -> bool:
    """`value` as True or False: the text "no" is neither."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidInputError(f"{name}: got {value!r}, want True or False")
    return bool(value)


def checked_alpha(alpha: float) -> float:
    """`alpha` as a probability strictly between 0 and 1."""
    if not isinstance(alpha, float | int | np.floating) or not 0 < alpha < 1:
        raise InvalidInputError(f"alpha: got {alpha!r}, want a false-alarm probability between 0 and 1, such as 0.05")
    return float(alpha)
