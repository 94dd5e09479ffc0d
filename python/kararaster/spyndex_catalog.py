"""Indices of the package spyndex (Awesome Spectral Indices), by name, where it is installed.

Only their formulas are taken; they run through the kernel as any formula does.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from kararaster.catalog import BANDS, NEEDS_THERMAL, SYMBOL, Definition, key
from kararaster.errors import InvalidInputError

_THERMAL = frozenset({"T", "T1", "T2"})


def names() -> list[str]:
    """Names of its indices; none where it is not installed."""
    spyndex = _spyndex()
    return [] if spyndex is None else list(spyndex.indices)


def find(name: str) -> Definition | None:
    """The index called `name` in spyndex, constants in place, or None; refused where a symbol has no value."""
    spelling = _spelling(name)
    if spelling is None:
        return None
    spyndex = _spyndex()
    index = spyndex.indices[spelling]
    values = {symbol: _value(spyndex, symbol) for symbol in SYMBOL.findall(index.formula) if symbol not in BANDS}
    unknown = sorted(symbol for symbol, value in values.items() if value is None)
    if unknown:
        raise InvalidInputError(f"names: {spelling} (of spyndex) {_reason(unknown)}")
    constants = {symbol: f"{value!r}" for symbol, value in values.items()}
    note = f"formula of spyndex {spyndex.__version__}"
    if constants:
        note += " with " + ", ".join(f"{symbol} = {value}" for symbol, value in sorted(constants.items()))
    return Definition(
        name=spelling,
        long_name=index.long_name,
        domain=index.application_domain,
        nominal_range=None,
        formula=SYMBOL.sub(lambda found: constants.get(found[0], found[0]), index.formula),
        reference=index.reference,
        note=note,
    )


def _spelling(name: str) -> str | None:
    """`name` as spyndex spells it. Some of its names differ by case only (BAI, BaI): then the spelling has to be exact."""
    if name in names():
        return name
    same = [known for known in names() if key(known) == key(name)]
    if len(same) > 1:
        raise InvalidInputError(f"names: {name!r} can be any of {same}; write it exactly so")
    return same[0] if same else None


def _value(spyndex: Any, symbol: str) -> float | None:
    """The value of a constant; a wavelength is that of Sentinel-2A."""
    if symbol.startswith("lambda"):
        platform = getattr(spyndex.bands.get(symbol.removeprefix("lambda")), "sentinel2a", None)
        return None if platform is None else float(platform.wavelength)
    default = getattr(spyndex.constants.get(symbol), "default", None)
    return None if default is None else float(default)


def _reason(unknown: list[str]) -> str:
    if _THERMAL & set(unknown):
        return NEEDS_THERMAL
    if all(re.fullmatch(r"k[A-Z]{2}", symbol) for symbol in unknown):
        return f"needs kernels of band pairs ({', '.join(unknown)}), which are no formula of one pixel's bands"
    return (
        f"needs {', '.join(unknown)}: no band of Sentinel-1 or Sentinel-2, and no constant that spyndex gives a value"
    )


@cache
def _spyndex() -> Any:
    try:
        import spyndex  # noqa: PLC0415 (takes long to import)
    except ImportError:
        return None
    return spyndex
