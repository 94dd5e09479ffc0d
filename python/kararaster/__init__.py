"""Sentinel-1 and Sentinel-2 change detection as xarray accessors on a Rust core.

>>> import kararaster as kr
>>> stack = kr.simulate.stack(shape=(64, 64))
>>> result = stack.kara.despeckle("lee", window=5).kara.change(event="2023-09-19")
"""

from kararaster import errors, simulate
from kararaster._kernels import __version__
from kararaster.accessor import KaraDataArray, KaraDataset, kara
from kararaster.calibration import calibrate
from kararaster.change import change
from kararaster.decibel import from_db, to_db
from kararaster.errors import KararasterError
from kararaster.export import to_cog, to_zarr
from kararaster.indices import ndbi, ndvi
from kararaster.moments import moments
from kararaster.sentinel1 import open_sentinel1
from kararaster.speckle import despeckle, enl
from kararaster.stack import open_stack
from kararaster.threads import set_threads

__all__ = [
    "KaraDataArray",
    "KaraDataset",
    "KararasterError",
    "__version__",
    "calibrate",
    "change",
    "despeckle",
    "enl",
    "errors",
    "from_db",
    "kara",
    "moments",
    "ndbi",
    "ndvi",
    "open_sentinel1",
    "open_stack",
    "set_threads",
    "simulate",
    "to_cog",
    "to_db",
    "to_zarr",
]
