"""From lazy arrays to dask and back: the only module that imports dask arrays.

A lazy array becomes a `WindowArray`: a dask array with one task a chunk that remembers the lazy array behind it, and goes on
remembering through slicing, indexing, rechunking, copying, pickling, stacking and concatenating. A later stage finds the lazy
array there and extends it instead of stacking graph on graph. Anything else dask does to it gives an ordinary dask array.

There are exactly five shapes of work: `elementwise`, `halo` (in rows and columns), `fold` (over time, in date order),
`series` (all dates of a pixel at once) and `global_number`. Each takes three roads with the same bytes: NumPy in, kernels at
once on all threads; lazy arrays, one task a chunk that reads its own window; dask arrays chunked by hand, one task a chunk
that takes its neighbours.
"""

from kararaster.blocks.carrier import (
    Array,
    WindowArray,
    automatic_chunks,
    contiguous,
    from_lazy,
    is_lazy,
    lazy_of,
    shared,
)
from kararaster.blocks.folding import Output, Starts, TimeFold, fold
from kararaster.blocks.local import by_group, elementwise, elementwise_several, halo
from kararaster.blocks.time_axis import TimeSeries, series
from kararaster.blocks.totals import Reduction, global_number, image_numbers

__all__ = [
    "Array",
    "Output",
    "Reduction",
    "Starts",
    "TimeFold",
    "TimeSeries",
    "WindowArray",
    "automatic_chunks",
    "by_group",
    "contiguous",
    "elementwise",
    "elementwise_several",
    "fold",
    "from_lazy",
    "global_number",
    "halo",
    "image_numbers",
    "is_lazy",
    "lazy_of",
    "series",
    "shared",
]
