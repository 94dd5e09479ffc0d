"""Formulas of bands as the kernel takes them: which symbols they have, what is wrong with them, how they run on a block."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kararaster import _kernels, catalog, spelling, threads
from kararaster.errors import FormulaError
from kararaster.lazy import Window
from kararaster.optical import Scaling

_UNKNOWN_NAME = re.compile(r"got '(\w+)' at character \d+, want a (?:band|function) \((.*)\)$", re.MULTILINE)
"""What the kernel says of a name that it does not know: the name, and those that it does know."""
_ALSO_CALLED = {"log": ["ln", "log10"]}
"""Functions by names that mean another one elsewhere."""


@dataclass(frozen=True)
class Program:
    """Some formulas over the bands `symbols`: what runs on a block."""

    symbols: tuple[str, ...]
    formulas: tuple[str, ...]
    scaling: tuple[Scaling, ...]
    valid: tuple[float, float] | None

    def __call__(self, *bands: npt.NDArray[Any], window: Window) -> list[npt.NDArray[np.float32]]:
        out = [np.empty(bands[0].shape if bands else 0, np.float32) for _ in self.formulas]
        _kernels.indices(
            bands, out, symbols=self.symbols, formulas=self.formulas, scaling=self.scaling,
            valid=self.valid, num_threads=threads.resolve(),
        )  # fmt: skip
        return out


def symbols_of(formula: str) -> list[str]:
    """The symbols of a formula in the order of their first appearance."""
    try:
        return _kernels.formula_symbols(formula)
    except FormulaError as error:
        raise _with_nearest_name(error) from None


def require_readable(formulas: tuple[str, ...], symbols: tuple[str, ...], valid: tuple[float, float] | None) -> None:
    """A run without pixels: the kernel points at what it cannot read, an unknown symbol for one, and names the `symbols`."""
    no_pixels = [np.empty(0)] * len(symbols)
    try:
        Program(symbols, formulas, ((1.0, 0.0, ()),) * len(symbols), valid)(*no_pixels, window=(slice(0, 0),))
    except FormulaError as error:
        raise _with_nearest_name(error) from None


def _with_nearest_name(error: FormulaError) -> FormulaError:
    """`error` with the name that may have been meant, where the kernel does not know one."""
    found = _UNKNOWN_NAME.search(str(error))
    hint = _meant(found[1], found[2].split(", ")) if found else ""
    return FormulaError(str(error)[: found.end()] + hint + str(error)[found.end() :]) if found else error


def _meant(name: str, known: list[str]) -> str:
    if own := next((index for index in catalog.names() if catalog.key(index) == catalog.key(name)), None):
        return f"; {own} is an index: give it by name, not in a formula"
    near = (
        _ALSO_CALLED.get(name.lower())
        or spelling.nearest(name, known)
        or spelling.nearest(name, (*catalog.BANDS, *catalog.BANDS.values()))
    )
    return f"; did you mean {' or '.join(near)}?" if near else ""


def depends_on_scale(formula: str) -> bool:
    """Whether it is another number for bands ten thousand times as large; tried on one pixel with a level for each band."""
    symbols = tuple(symbols_of(formula))
    levels = [np.array([0.05 + 0.37 / (i + 2)]) for i in range(len(symbols))]
    small, large = (
        Program(symbols, (formula,), ((scale, 0.0, ()),) * len(symbols), None)(*levels, window=(slice(0, 1),))[0]
        for scale in (1.0, 1e4)
    )
    return not np.allclose(small, large, rtol=1e-5, atol=0, equal_nan=True)
