"""Peers of the `hotelling` test, one orbit, two bands. They give the p-value only; ours gives magnitude and counts too.

With two bands the F tail has a closed form: p = (1 + T2 / (n1 + n2 - 2)) ** -((n1 + n2 - 3) / 2).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from contest import Array, Contestant, Params, Rasters, in_strips

_ROWS = 16


def numpy_closed_form(rasters: Rasters, params: Params, threads: int) -> Array:
    before, dates = params["before"], len(rasters["vv"])

    def strip(vv: Array, vh: Array) -> Array:
        t2 = _hotelling_t2(vv, vh, before)
        return np.log10(1 + t2 / np.float32(dates - 2)) * np.float32((dates - 3) / 2)

    return in_strips(_in_blocks(strip), threads, 0, rasters["vv"], rasters["vh"])


def scipy_tail(rasters: Rasters, params: Params, threads: int) -> Array:
    from scipy.stats import f

    before, dates = params["before"], len(rasters["vv"])

    def strip(vv: Array, vh: Array) -> Array:
        ratio = _hotelling_t2(vv, vh, before) * ((dates - 3) / (2 * (dates - 2)))
        return -f.logsf(ratio, 2, dates - 3) / np.log(10)

    return in_strips(_in_blocks(strip), threads, 0, rasters["vv"], rasters["vh"])


def _in_blocks(strip: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """Take few rows at a time: on a whole stack, intermediate arrays of its size halve the speed."""

    def run(vv: Array, vh: Array) -> Array:
        starts = range(0, vv.shape[1], _ROWS)
        return np.concatenate([strip(vv[:, y : y + _ROWS], vh[:, y : y + _ROWS]) for y in starts])

    return run


def _hotelling_t2(vv: Array, vh: Array, before: int) -> Array:
    """NumPy on stacks without gaps; pooled covariance of the fourth roots."""
    dates = len(vv)
    roots = [np.sqrt(np.sqrt(band)) for band in (vv, vh)]
    shift = [band[before:].mean(0) - band[:before].mean(0) for band in roots]
    for band in roots:
        band[:before] -= band[:before].mean(0)
        band[before:] -= band[before:].mean(0)
    first, second = roots
    a, b, c = (_product(*pair) / (dates - 2) for pair in ((first, first), (second, second), (first, second)))
    (d, e), weight = shift, before * (dates - before) / dates
    return weight * (b * d * d - 2 * c * d * e + a * e * e) / (a * b - c * c)


def _product(a: Array, b: Array) -> Array:
    return np.einsum("tyx,tyx->yx", a, b)


def numba(rasters: Rasters, params: Params, threads: int) -> Array:
    from numba import set_num_threads

    from peers import compiled

    set_num_threads(threads)
    out = np.empty(rasters["vv"].shape[1:], np.float32)
    compiled.hotelling(rasters["vv"], rasters["vh"], params["before"], out)
    return out


PEERS = [
    Contestant("hotelling", "numpy in blocks, closed-form tail", numpy_closed_form),
    Contestant("hotelling", "numpy in blocks, scipy.stats.f", scipy_tail, ("scipy",), side=256),
    Contestant("hotelling", "numba, hand-written", numba, ("numba",)),
]
