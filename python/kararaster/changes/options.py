"""Parameters of the before/after tests, checked once, in the words of the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kararaster import conventions
from kararaster.errors import InvalidInputError

if TYPE_CHECKING:
    from kararaster import _kernels


@dataclass(frozen=True)
class Method:
    """A before/after test: what it folds, which stored moments fit it, how many dates it needs on each side."""

    transform: str
    joint: bool
    baseline: str
    min_pre: int
    min_post: int
    summary: str


METHODS = {
    "hotelling": Method("fourth_root", True, "fourth_root", 3, 2, "Hotelling T2 of the bands jointly, exact F tail"),
    "ttest": Method("log", False, "log", 3, 2, "pooled Student t of each band, Sidak over bands"),
    "logratio": Method("fourth_root", False, "log", 1, 1, "ratio of mean powers, exact F tail for the given looks"),
}
COMBINE = ("fisher", "stouffer")


@dataclass(frozen=True)
class TestOptions:
    """What a kernel needs to know about the test."""

    __test__ = False  # not a test class, whatever its name says to pytest

    method: str
    combine: str
    enl: float
    min_pre: int
    min_post: int
    bands: int

    def kernel(self) -> _kernels.TestOptions:
        """In the words of the kernels."""
        return {
            "method": self.method,
            "combine": self.combine,
            "enl": self.enl,
            "min_pre": self.min_pre,
            "min_post": self.min_post,
            "bands": self.bands,
        }


def options(method: str | None, combine: str, bands: int, params: dict[str, Any]) -> TestOptions:
    """Checked options of a test on `bands` bands."""
    name = "hotelling" if method is None else method
    if not isinstance(name, str) or name not in METHODS:
        raise InvalidInputError(f"method: got {method!r}, want one of {', '.join(map(repr, METHODS))}")
    if combine not in COMBINE:
        raise InvalidInputError(f"combine: got {combine!r}, want one of {', '.join(map(repr, COMBINE))}")
    known = METHODS[name]
    allowed = {"enl", "min_pre", "min_post"} if name == "logratio" else {"min_pre", "min_post"}
    if unknown := sorted(set(params) - allowed):
        raise InvalidInputError(f"{name}: got unknown parameters {unknown}, want some of {sorted(allowed | {'bands'})}")
    return TestOptions(
        method=name,
        combine=combine,
        enl=conventions.positive_number("enl", params.get("enl", 4.4)),
        min_pre=conventions.whole_number("min_pre", params.get("min_pre", known.min_pre), known.min_pre),
        min_post=conventions.whole_number("min_post", params.get("min_post", known.min_post), known.min_post),
        bands=bands,
    )


def checked_alpha(alpha: float) -> float:
    """`alpha` as a probability strictly between 0 and 1."""
    if not isinstance(alpha, float | int | np.floating) or not 0 < alpha < 1:
        raise InvalidInputError(f"alpha: got {alpha!r}, want a false-alarm probability between 0 and 1, such as 0.05")
    return float(alpha)
