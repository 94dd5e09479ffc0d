"""Scenes with known speckle and known change: for tests, benchmarks and the demo."""

from kararaster.simulate.scene import optical, stack, truth
from kararaster.simulate.speckle import speckle

__all__ = ["optical", "speckle", "stack", "truth"]
