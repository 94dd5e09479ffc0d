"""The table of the speckle filters: what each is called, takes, reaches, and where it was published.

The name of a filter is the name of its kernel in the core. A new filter is one entry here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

from kararaster import conventions, spelling
from kararaster.blocks import Reduction
from kararaster.errors import InvalidInputError
from kararaster.reductions import UpperQuantile
from kararaster.windows import Window
from kararaster.windows import window as window_of

FilterName = Literal[
    "boxcar",
    "median",
    "lee",
    "kuan",
    "lee_enhanced",
    "frost",
    "frost_enhanced",
    "gamma_map",
    "refined_lee",
    "lee_sigma",
    "idan",
    "srad",
    "ppb",
    "quegan",
]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Parameter:
    """A parameter of one filter: its default, and what checks a value and puts it into the words of the kernel."""

    name: str
    default: Any
    check: Callable[[str, Any], Any]


def _half(window: Window, values: Values) -> tuple[int, int]:
    return window.half


@dataclass(frozen=True)
class Filter:
    """A speckle filter.

    `window`: which sizes it takes; None where it has no window, and then no border rule and no least number of samples either.
    `looks`: whether the equivalent number of looks enters. `radius`: rows and columns it reaches. `from_scene`: the parameter
    that is taken from the whole image where the caller gives none, and how. `over_time`: whether dates share their speckle.
    """

    title: str
    reference: str
    parameters: tuple[Parameter, ...] = ()
    window: Literal["odd", "7 x 7"] | None = "odd"
    looks: bool = False
    radius: Callable[[Window, Values], tuple[int, int]] = _half
    from_scene: tuple[str, Reduction] | None = None
    over_time: bool = False

    def checked_window(self, method: str, size: int | tuple[int, int]) -> Window:
        """`size` as a window that this filter takes."""
        window = window_of(size)
        if self.window == "odd":
            return window
        if window != Window(7, 7):
            what = "looks at 7 x 7 pixels" if self.window else f"has no window; it takes {self._names()}"
            raise InvalidInputError(f"window: got {size!r}, but {method!r} {what}; leave window out")
        return window if self.window else Window(1, 1)

    def checked_parameters(self, method: str, given: Values) -> dict[str, Any]:
        """The values of all parameters, defaults filled in."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                near = spelling.nearest(name, known)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise InvalidInputError(
                    f"{name}: got {name}={given[name]!r}, but {method!r} takes {self._names()}{hint}"
                )
        return {name: p.check(name, given.get(name, p.default)) for name, p in known.items()}

    def _names(self) -> str:
        return ", ".join(parameter.name for parameter in self.parameters) or "no parameters of its own"


def _choice(*choices: str) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise InvalidInputError(f"{name}: got {value!r}, want {' or '.join(map(repr, choices))}")
        return value

    return check


def _whole(least: int, most: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        number = conventions.whole_number(name, value, least)
        if number > most:
            raise InvalidInputError(f"{name}: got {value!r}, want {most} at most")
        return number

    return check


def _damping(name: str, value: Any) -> float:
    """Zero is allowed: it is the mean."""
    return 0.0 if isinstance(value, Real) and value == 0 else conventions.positive_number(name, value)


def _share(name: str, value: Any) -> float:
    share = conventions.positive_number(name, value)
    if share >= 1:
        raise InvalidInputError(f"{name}: got {value!r}, want a number between 0 and 1")
    return share


def _part(name: str, value: Any) -> float:
    part = conventions.positive_number(name, value)
    if part > 1:
        raise InvalidInputError(f"{name}: got {value!r}, want a number above 0, 1 at most")
    return part


def _threshold(name: str, value: Any) -> float | None:
    """None, or one threshold for all images; infinity means that nothing is bright."""
    if value is None:
        return None
    return math.inf if isinstance(value, Real) and value == math.inf else conventions.positive_number(name, value)


def _any(name: str, value: Any) -> Any:
    return value


_DAMPING = Parameter("damping", 1.0, _damping)
_DISTANCE = Parameter("distance", "euclidean", _choice("euclidean", "chebyshev"))

FILTERS: dict[str, Filter] = {
    "boxcar": Filter("mean of the window", "the multilook of Goodman 1976, doi 10.1364/JOSA.66.001145 †"),
    "median": Filter("median of the window", "Tukey 1977, Exploratory Data Analysis"),
    "lee": Filter(
        "local linear estimate, m + W (x - m) with W = max(0, 1 - Cu2/Ci2)",
        "Lee 1980, doi 10.1109/TPAMI.1980.4766994",
        looks=True,
    ),
    "kuan": Filter(
        "as lee with W = max(0, (1 - Cu2/Ci2) / (1 + Cu2))",
        "Kuan, Sawchuk, Strand, Chavel 1985, doi 10.1109/TPAMI.1985.4767641",
        looks=True,
    ),
    "lee_enhanced": Filter(
        "mean on homogeneous ground, sample on point targets, exponential weight between",
        "Lopes, Touzi, Nezry 1990, doi 10.1109/36.62623",
        (_DAMPING,),
        looks=True,
    ),
    "frost": Filter(
        "mean weighted by exp(-damping Ci2 distance)",
        "Frost, Stiles, Shanmugan, Holtzman 1982, doi 10.1109/TPAMI.1982.4767223",
        (Parameter("damping", 2.0, _damping), _DISTANCE),
    ),
    "frost_enhanced": Filter(
        "mean on homogeneous ground, sample on point targets, frost between",
        "Lopes, Touzi, Nezry 1990, doi 10.1109/36.62623",
        (_DAMPING, _DISTANCE),
        looks=True,
    ),
    "gamma_map": Filter(
        "maximum a posteriori under gamma speckle on gamma ground",
        "Lopes, Nezry, Touzi, Laur 1990, doi 10.1109/IGARSS.1990.689026",
        looks=True,
    ),
    "refined_lee": Filter(
        "lee in the half of the window on the own side of an edge",
        "Lee 1981, doi 10.1016/S0146-664X(81)80018-4",
        (Parameter("noise", "local", _choice("local", "looks")),),
        window="7 x 7",
        looks=True,
    ),
    "lee_sigma": Filter(
        "lee among the samples that speckle of one mean would give; point targets kept",
        "Lee, Wen, Ainsworth, Chen, Chen 2009, doi 10.1109/TGRS.2008.2002881",
        (
            Parameter("sigma", 0.9, _share),
            Parameter("target_count", 6, _whole(1, 9)),
            Parameter("z98", None, _threshold),
            Parameter("table", "exact", _choice("exact", "published")),
            Parameter("edge", "shrink", _choice("shrink", "snap")),
        ),
        looks=True,
        radius=lambda window, _: (max(window.half[0], 2), max(window.half[1], 2)),
        from_scene=("z98", UpperQuantile()),
    ),
    "idan": Filter(
        "lee in a region of like neighbours grown from the pixel",
        "Vasile, Trouve, Lee, Buzuloiu 2006, doi 10.1109/TGRS.2005.864142 †",
        (Parameter("size", 50, _whole(1, 1000)),),
        window=None,
        looks=True,
        radius=lambda _, values: (values["size"], values["size"]),
    ),
    "srad": Filter(
        "anisotropic diffusion that stops at edges stronger than speckle",
        "Yu, Acton 2002, doi 10.1109/TIP.2002.804276",
        (Parameter("iterations", 20, _whole(1, 10_000)), Parameter("step", 0.5, _part)),
        window=None,
        looks=True,
        radius=lambda _, values: (2 * values["iterations"], 2 * values["iterations"]),
    ),
    "ppb": Filter(
        "mean weighted by how likely the patches around two pixels are speckle of one ground",
        "Deledalle, Denis, Tupin 2009, doi 10.1109/TIP.2009.2029593 †",
        (
            Parameter("search", 10, _whole(1, 50)),
            Parameter("patch", 3, _whole(0, 15)),
            Parameter("quantile", 0.92, _share),
            Parameter("temperature", 0.2, conventions.positive_number),
            Parameter("iterations", 4, _whole(1, 100)),
        ),
        window=None,
        looks=True,
        radius=lambda _, values: ((values["search"] + values["patch"]) * values["iterations"],) * 2,
    ),
    "quegan": Filter(
        "spatial mean times the mean ratio of sample to spatial mean over the dates of one orbit",
        "Quegan, Yu 2001, doi 10.1109/36.964973",
        (
            Parameter("spatial", "boxcar", _choice("boxcar", "lee")),
            Parameter("by", "relative_orbit", _any),
            Parameter("event", None, _any),
        ),
        looks=True,
        over_time=True,
    ),
}
"""Filter name -> filter. † behind a DOI: not confirmed."""
