"""Change between two periods: which pixels, how much, in which direction, and with what error rate."""

from kararaster.changes.before_after import METHODS, MethodName, change

__all__ = ["METHODS", "MethodName", "change"]
