"""Sentinel-1 and Sentinel-2 change detection as xarray accessors on a Rust core.

>>> import kararaster as kr
>>> stack = kr.simulate.stack(shape=(64, 64))
>>> result = stack.kara.despeckle("lee", window=5).kara.change(event="2023-09-19")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kararaster import errors
from kararaster._kernels import __version__
from kararaster.accessor import KaraDataArray, KaraDataset, kara
from kararaster.errors import KararasterError
from kararaster.threads import set_threads

if TYPE_CHECKING:
    from kararaster import simulate
    from kararaster.baseline import moments
    from kararaster.calibration import calibrate
    from kararaster.catalog import index_catalog
    from kararaster.changes import change
    from kararaster.clouds import SceneClass, mask_clouds
    from kararaster.compositing import composite
    from kararaster.decibel import from_db, to_db
    from kararaster.export import to_cog, to_zarr
    from kararaster.indices import bui, ibi, index, ndbi, ndvi, ui
    from kararaster.looks import enl
    from kararaster.optical import reflectance
    from kararaster.sentinel1 import open_sentinel1
    from kararaster.sentinel2 import open_sentinel2
    from kararaster.sentinel2.stacking import sentinel2_stack
    from kararaster.speckle import despeckle, despeckle_methods
    from kararaster.stac import open_stac
    from kararaster.stack import open_stack

_HOMES = {
    "SceneClass": "clouds",
    "bui": "indices",
    "calibrate": "calibration",
    "change": "changes",
    "composite": "compositing",
    "despeckle": "speckle",
    "despeckle_methods": "speckle",
    "enl": "looks",
    "from_db": "decibel",
    "ibi": "indices",
    "index": "indices",
    "index_catalog": "catalog",
    "mask_clouds": "clouds",
    "moments": "baseline",
    "ndbi": "indices",
    "ndvi": "indices",
    "open_sentinel1": "sentinel1",
    "open_sentinel2": "sentinel2",
    "open_stac": "stac",
    "open_stack": "stack",
    "reflectance": "optical",
    "sentinel2_stack": "sentinel2.stacking",
    "to_cog": "export",
    "to_db": "decibel",
    "to_zarr": "export",
    "ui": "indices",
}
"""Public function -> its module, imported when first used: dask and GDAL take long to load, the accessor is needed at once."""


def __getattr__(name: str) -> Any:
    if name == "simulate":
        return import_module("kararaster.simulate")
    if name not in _HOMES:
        raise AttributeError(f"module 'kararaster' has no attribute {name!r}")
    found = getattr(import_module(f"kararaster.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "KaraDataArray",
    "KaraDataset",
    "KararasterError",
    "SceneClass",
    "__version__",
    "bui",
    "calibrate",
    "change",
    "composite",
    "despeckle",
    "despeckle_methods",
    "enl",
    "errors",
    "from_db",
    "ibi",
    "index",
    "index_catalog",
    "kara",
    "mask_clouds",
    "moments",
    "ndbi",
    "ndvi",
    "open_sentinel1",
    "open_sentinel2",
    "open_stac",
    "open_stack",
    "reflectance",
    "sentinel2_stack",
    "set_threads",
    "simulate",
    "to_cog",
    "to_db",
    "to_zarr",
    "ui",
]
