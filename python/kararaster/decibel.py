"""Linear power to decibel and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster import _kernels, blocks, conventions, threads
from kararaster.lazy import Window

Obj = TypeVar("Obj", xr.Dataset, xr.DataArray)


def to_db(obj: Obj) -> Obj:
    """Linear power to decibel, `10 log10(x)`, lazily.

    Parameters
    ----------
    obj : Dataset or DataArray
        float32 or float64 linear power (units "1"), any dimensions ending in rows and columns. Of a Dataset the radar bands
        (vv, vh, hh, hv) are converted and everything else is kept.

    Returns
    -------
    Same type, shape and dtype; units "dB". Values at or below zero and NaN become NaN, never minus infinity.

    Raises
    ------
    UnitsError
        The data are decibel already.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> kr.to_db(xr.DataArray(np.float32([[1.0, 0.01, 0.0]]), dims=("y", "x"))).values
    array([[  0., -20.,  nan]], dtype=float32)
    """
    return _convert(obj, _to_db, conventions.require_linear_power, "dB", "to_db()")


def from_db(obj: Obj) -> Obj:
    """Decibel to linear power, `10 ** (x / 10)`, lazily.

    Parameters
    ----------
    obj : Dataset or DataArray
        float32 or float64 with attribute units "dB". Of a Dataset the radar bands are converted and everything else is kept.

    Returns
    -------
    Same type, shape and dtype; units "1". NaN stays NaN.

    Raises
    ------
    UnitsError
        The data do not say that they are decibel.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> kr.from_db(xr.DataArray(np.float32([[0.0, -10.0]]), dims=("y", "x"), attrs={"units": "dB"})).values
    array([[1. , 0.1]], dtype=float32)
    """
    return _convert(obj, _from_db, conventions.require_decibel, "1", "from_db()")


def _convert(
    obj: Obj,
    kernel: Callable[..., npt.NDArray[Any]],
    require: Callable[[xr.DataArray], None],
    units: str,
    history: str,
) -> Obj:
    if isinstance(obj, xr.Dataset):
        bands = {name: _convert(obj[name], kernel, require, units, history) for name in conventions.radar_bands(obj)}
        return conventions.add_history(obj.assign(bands), history)
    require(obj)
    out = obj.copy(data=blocks.elementwise(kernel, obj.data, dtype=obj.dtype))
    out.attrs["units"] = units
    return conventions.add_history(out, history)


def _to_db(block: npt.NDArray[Any], *, window: Window) -> npt.NDArray[Any]:
    return _run(_kernels.to_db, block)


def _from_db(block: npt.NDArray[Any], *, window: Window) -> npt.NDArray[Any]:
    return _run(_kernels.from_db, block)


def _run(kernel: Callable[..., None], block: npt.NDArray[Any]) -> npt.NDArray[Any]:
    out = np.empty_like(block)
    kernel(block, out, num_threads=threads.resolve())
    return out
