"""Change: which pixels, how much, in which direction, when, and with what error rate."""

from kararaster.changes.verb import METHODS, MethodName, change

__all__ = ["METHODS", "MethodName", "change"]
