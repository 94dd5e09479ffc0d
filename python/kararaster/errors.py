"""Errors of kararaster: one tree, and each also the builtin a caller expects.

Every message names the argument, what it got, what it wanted and what to do.
"""

from __future__ import annotations


class KararasterError(Exception):
    """Base of everything this package raises on purpose."""


class InvalidInputError(KararasterError, ValueError):
    """An array, a coordinate or a parameter has the wrong value."""


class InvalidTypeError(KararasterError, TypeError):
    """An argument has the wrong type or dtype."""


class UnitsError(InvalidInputError):
    """Decibel where linear power is needed, or the reverse; reflectance that was never scaled."""


class FormulaError(InvalidInputError):
    """A formula that cannot be read; the message points at the character."""


class OffsetWarning(UserWarning):
    """Metadata and pixels disagree about the radiometric offset of a Sentinel-2 product."""


class MissingVariableError(KararasterError, KeyError):
    """A band, coordinate or attribute that the operation needs is not there."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class GeometryError(InvalidInputError):
    """Dates of different viewing geometry, or rasters on different grids, where one is needed."""


class NoDatesError(InvalidInputError):
    """The stack has no (or not enough) dates where the question needs them."""


class ProductError(InvalidInputError):
    """A product on disk is damaged, incomplete, or contradicts itself."""


class UnsupportedProductError(ProductError):
    """A sound product of a kind that this package does not read (SLC, for example)."""


class ProductNotFoundError(KararasterError, FileNotFoundError):
    """Nothing readable at the path given."""


class KernelError(KararasterError, RuntimeError):
    """A kernel failed for a reason that is a defect of this package."""
