"""Sentinel-2: L2A and L1C products as map-grid Datasets."""

from kararaster.sentinel2.reader import open_sentinel2

__all__ = ["open_sentinel2"]
