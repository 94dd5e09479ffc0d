"""Scenes with known speckle, known change and known clouds: for tests, benchmarks and the demo."""

from kararaster.simulate.scene import optical, stack, truth
from kararaster.simulate.sentinel2_safe import sentinel2
from kararaster.simulate.speckle import speckle

__all__ = ["optical", "sentinel2", "speckle", "stack", "truth"]
