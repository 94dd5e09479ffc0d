"""Filter windows: full odd size in rows and columns, said once as an int or a pair."""

from __future__ import annotations

import operator
from typing import NamedTuple

from kararaster.errors import InvalidInputError


class Window(NamedTuple):
    """Full window size in pixels: odd, 1 to 255."""

    y: int
    x: int

    @property
    def half(self) -> tuple[int, int]:
        """Rows and columns on each side of the centre: the halo a filter needs."""
        return self.y // 2, self.x // 2


def window(size: int | tuple[int, int]) -> Window:
    """A window from one size or a (rows, columns) pair."""
    try:
        pair = tuple(size) if isinstance(size, tuple | list) else (size, size)
        y, x = (operator.index(n) for n in pair)
    except (TypeError, ValueError):
        raise InvalidInputError(f"window: got {size!r}, want an odd size or a (rows, columns) pair of them") from None
    for n in (y, x):
        if n % 2 == 0 or not 1 <= n <= 255:
            raise InvalidInputError(f"window: got {size!r}, want odd sizes from 1 to 255")
    return Window(y, x)
