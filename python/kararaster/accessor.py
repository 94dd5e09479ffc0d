"""The `.kara` accessors: each method is one line that forwards to the public function of the same name."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

import kararaster as kr

if TYPE_CHECKING:
    from kararaster.baseline import TransformName
    from kararaster.changes import MethodName
    from kararaster.compositing import CompositeMethod
    from kararaster.looks import Estimator
    from kararaster.speckle import Border
    from kararaster.speckle_filters import FilterName


class _Verbs:
    """What both accessors share: they say what they can do."""

    def __repr__(self) -> str:
        verbs = [name for name in dir(self) if not name.startswith("_")]
        first = {name: (getattr(self, name).__doc__ or "").split("; see")[0] for name in verbs}
        width = max(map(len, verbs))
        return "\n".join([type(self).__name__, *(f"  .{name:<{width}}  {text}" for name, text in first.items())])


@xr.register_dataset_accessor("kara")  # type: ignore[no-untyped-call]
class KaraDataset(_Verbs):
    """Verbs on a Dataset: `ds.kara.despeckle(...)` is `kararaster.despeckle(ds, ...)`."""

    def __init__(self, ds: xr.Dataset) -> None:
        self._obj = ds

    def calibrate(
        self,
        quantity: Literal["sigma0", "beta0", "gamma0"] = "sigma0",
        *,
        noise: bool | Literal["annotation"] = True,
        negative: Literal["keep", "zero", "nan", "snap"] = "keep",
    ) -> xr.Dataset:
        """Digital numbers to backscatter; see `kararaster.calibrate`."""
        return kr.calibrate(self._obj, quantity, noise=noise, negative=negative)

    def despeckle(
        self,
        method: FilterName = "lee",
        *,
        window: int | tuple[int, int] = 7,
        enl: float = 4.4,
        border: Border = "shrink",
        min_valid: int = 1,
        **parameters: Any,
    ) -> xr.Dataset:
        """Filter speckle in linear power; see `kararaster.despeckle`."""
        return kr.despeckle(self._obj, method, window=window, enl=enl, border=border, min_valid=min_valid, **parameters)

    def enl(self, method: Estimator = "mode", *, window: int | tuple[int, int] = 7) -> xr.Dataset:
        """Equivalent number of looks of each band; see `kararaster.enl`."""
        return kr.enl(self._obj, method, window=window)

    def to_db(self) -> xr.Dataset:
        """Linear power to decibel; see `kararaster.to_db`."""
        return kr.to_db(self._obj)

    def from_db(self) -> xr.Dataset:
        """Decibel to linear power; see `kararaster.from_db`."""
        return kr.from_db(self._obj)

    def reflectance(self) -> xr.Dataset:
        """Digital numbers of optical bands to reflectance; see `kararaster.reflectance`."""
        return kr.reflectance(self._obj)

    def mask_clouds(self, keep: Iterable[int | str] = (4, 5, 6, 7), *, buffer: int = 2) -> xr.Dataset:
        """Nodata where the scene classification says cloud or shadow; see `kararaster.mask_clouds`."""
        return kr.mask_clouds(self._obj, keep, buffer=buffer)

    def index(
        self,
        *names: str,
        formula: str | Mapping[str, str] | None = None,
        valid_reflectance: tuple[float, float] | None = None,
    ) -> xr.Dataset:
        """Spectral indices by name or formula, in one pass; see `kararaster.index`."""
        return kr.index(self._obj, *names, formula=formula, valid_reflectance=valid_reflectance)

    def ndvi(self) -> xr.DataArray:
        """Normalized difference vegetation index; see `kararaster.ndvi`."""
        return kr.ndvi(self._obj)

    def ndbi(self) -> xr.DataArray:
        """Normalized difference built-up index; see `kararaster.ndbi`."""
        return kr.ndbi(self._obj)

    def bui(self) -> xr.DataArray:
        """Built-up index, NDBI - NDVI; see `kararaster.bui`."""
        return kr.bui(self._obj)

    def ibi(self) -> xr.DataArray:
        """Index-based built-up index; see `kararaster.ibi`."""
        return kr.ibi(self._obj)

    def ui(self) -> xr.DataArray:
        """Urban index; see `kararaster.ui`."""
        return kr.ui(self._obj)

    def composite(
        self,
        method: CompositeMethod = "median",
        *,
        period: Any = None,
        q: float | None = None,
        bands: str | Iterable[str] | None = None,
    ) -> xr.Dataset:
        """One image from many dates; see `kararaster.composite`."""
        return kr.composite(self._obj, method, period=period, q=q, bands=bands)

    def moments(
        self,
        period: Any,
        *,
        by: Hashable | None = "relative_orbit",
        transform: TransformName = "fourth_root",
        despeckle: str | dict[str, Any] | None = None,
        bands: tuple[str, ...] | None = None,
    ) -> xr.Dataset:
        """Moments of a period, a baseline for `change`; see `kararaster.moments`."""
        return kr.moments(self._obj, period, by=by, transform=transform, despeckle=despeckle, bands=bands)

    def change(
        self,
        *,
        event: Any = None,
        pre: Any = "365D",
        post: Any = "60D",
        method: MethodName | None = None,
        by: Hashable | None = "relative_orbit",
        combine: Literal["fisher", "stouffer"] = "fisher",
        alpha: float = 0.05,
        control: Literal["fdr"] | None = "fdr",
        baseline: xr.Dataset | None = None,
        **params: Any,
    ) -> xr.Dataset:
        """Test every pixel for a change at an event, or find its breaks without one; see `kararaster.change`."""
        return kr.change(
            self._obj,
            event=event,
            pre=pre,
            post=post,
            method=method,
            by=by,
            combine=combine,
            alpha=alpha,
            control=control,
            baseline=baseline,
            **params,
        )

    def to_cog(
        self, folder: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None
    ) -> list[Path]:
        """Compute, and write one cloud-optimised GeoTIFF a variable; see `kararaster.to_cog`."""
        return kr.to_cog(self._obj, folder, progress=progress)

    def to_zarr(self, store: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Compute, and write a Zarr store; see `kararaster.to_zarr`."""
        return kr.to_zarr(self._obj, store, overwrite=overwrite)


@xr.register_dataarray_accessor("kara")  # type: ignore[no-untyped-call]
class KaraDataArray(_Verbs):
    """Verbs on one band: `da.kara.despeckle(...)` is `kararaster.despeckle(da, ...)`."""

    def __init__(self, array: xr.DataArray) -> None:
        self._obj = array

    def despeckle(
        self,
        method: FilterName = "lee",
        *,
        window: int | tuple[int, int] = 7,
        enl: float = 4.4,
        border: Border = "shrink",
        min_valid: int = 1,
        **parameters: Any,
    ) -> xr.DataArray:
        """Filter speckle in linear power; see `kararaster.despeckle`."""
        return kr.despeckle(self._obj, method, window=window, enl=enl, border=border, min_valid=min_valid, **parameters)

    def enl(self, method: Estimator = "mode", *, window: int | tuple[int, int] = 7) -> xr.DataArray:
        """Equivalent number of looks; see `kararaster.enl`."""
        return kr.enl(self._obj, method, window=window)

    def reflectance(self) -> xr.DataArray:
        """Digital numbers of an optical band to reflectance; see `kararaster.reflectance`."""
        return kr.reflectance(self._obj)

    def to_db(self) -> xr.DataArray:
        """Linear power to decibel; see `kararaster.to_db`."""
        return kr.to_db(self._obj)

    def from_db(self) -> xr.DataArray:
        """Decibel to linear power; see `kararaster.from_db`."""
        return kr.from_db(self._obj)


def kara(obj: xr.Dataset) -> KaraDataset:
    """The accessor with its type known to editors and type checkers: `kara(ds).change(...)`."""
    return KaraDataset(obj)
