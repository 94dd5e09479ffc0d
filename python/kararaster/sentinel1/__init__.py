"""Sentinel-1: GRD products as radar-grid Datasets."""

from kararaster.sentinel1.reader import open_sentinel1

__all__ = ["open_sentinel1"]
