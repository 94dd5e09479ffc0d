"""One number from a whole array, or from every image of a stack."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from typing import Any, Protocol

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import tokenize

from kararaster import threads
from kararaster.blocks.carrier import Array, Graph, Literal, block_windows, collect, contiguous, is_lazy


class Reduction(Protocol):
    """A number from a whole array: `partial` of each block, `merge` of partials in block order, `total` of what is left."""

    def partial(self, block: npt.NDArray[Any]) -> Any: ...
    def merge(self, parts: list[Any]) -> Any: ...
    def total(self, part: Any) -> npt.NDArray[Any]: ...


def global_number(reduction: Reduction, array: Array, dtype: npt.DTypeLike) -> Array:
    """`reduction` over all blocks of `array`: a 0-d array. Partials are merged eight at a time."""
    if not is_lazy(array):
        return reduction.total(reduction.merge([reduction.partial(contiguous(array))]))
    name = f"number-{tokenize(reduction, array)}"
    what = Literal(reduction)
    graph: Graph = {}
    level: list[Hashable] = []
    for at, _ in block_windows(array.chunks):
        graph[(key := (f"{name}-part", *at))] = (_partial, what, (array.name, *at))
        level.append(key)
    for depth in itertools.count():
        groups = [level[i : i + 8] for i in range(0, len(level), 8)]
        level = []
        for i, group in enumerate(groups):
            graph[(key := (f"{name}-merge-{depth}", i))] = (_merge, what, group)
            level.append(key)
        if len(level) == 1:
            break
    graph[(name,)] = (_total, what, level[0])
    return collect(name, graph, [array], (), dtype)


def image_numbers(reduction: Reduction, array: Array, dtype: npt.DTypeLike) -> Array:
    """`global_number` of every image of `array`: an array of the dimensions before rows and columns."""
    front = array.shape[:-2]
    numbers = [global_number(reduction, array[at], dtype) for at in np.ndindex(*front)]
    if not front:
        return numbers[0]
    if not is_lazy(array):
        return np.array(numbers, dtype).reshape(front)
    return da.stack(numbers).reshape(front) if numbers else da.empty(front, dtype)


def _partial(reduction: Literal, block: npt.NDArray[Any]) -> Any:
    with threads.inside_task():
        return reduction.value.partial(contiguous(block))


def _merge(reduction: Literal, parts: list[Any]) -> Any:
    return reduction.value.merge(parts)


def _total(reduction: Literal, part: Any) -> Any:
    return reduction.value.total(part)
