"""How Sentinel-2 products store reflectance: digital numbers, their marks, and the offset that came with baseline 04.00."""

from __future__ import annotations

NODATA, SATURATED = 0, 65535
"""Digital numbers that are no measurement."""
QUANTIFICATION = 10_000.0
"""Digital numbers for a reflectance of 1."""
OFFSET = -1000
"""Digital numbers to be added before the division, from `FIRST_WITH_OFFSET` on."""
FIRST_WITH_OFFSET = (4,)
"""The processing baseline, as `version_key` has it, from which the numbers of products carry an offset."""


def version_key(baseline: str) -> tuple[int, ...]:
    """A processing baseline such as "05.11" as numbers that compare; ValueError where it is none."""
    return tuple(int(part) for part in baseline.split("."))
