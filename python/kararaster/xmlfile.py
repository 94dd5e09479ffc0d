"""XML metadata of products: bytes to elements, elements to numbers, and every kind of damage to one error.

Hostile files are refused: a document type, and with it entities that expand without end, has no place in a product.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from xml.parsers import expat

import numpy as np

from kararaster.errors import ProductError

Number = TypeVar("Number", int, float)

_LARGEST_SIDE = 2**24
"""Rows or columns; the longest strips have less than a tenth of it. More would only exhaust memory."""


@contextmanager
def reading(file: str, kind: str) -> Iterator[None]:
    """Turn whatever goes wrong between bytes and records into one error; `kind`: what `file` should be."""
    try:
        yield
    except (ValueError, OverflowError, ET.ParseError, expat.ExpatError) as error:
        if isinstance(error, ProductError):
            raise
        raise ProductError(f"{file} is damaged or not {kind}: {error}; download the product again") from error


def root_element(data: bytes, *tags: str) -> ET.Element:
    """The root of the document, which must be one of `tags`, whatever its namespace."""
    _refuse_document_type(data)
    root = ET.fromstring(data)
    if root.tag.rpartition("}")[2] not in tags:
        raise ValueError(f"its root element is {root.tag!r}, want {' or '.join(map(repr, tags))}")
    return root


class _PrologEnds(Exception):
    """The root element has begun, so no document type can follow."""


def _refuse_document_type(data: bytes) -> None:
    """Entities can only be declared in a document type in front of the root element; no product has one."""

    def refuse(*_: Any) -> None:
        raise ValueError("it declares a document type, and with it possibly entities that expand without end")

    def stop(*_: Any) -> None:
        raise _PrologEnds

    prolog = expat.ParserCreate()
    prolog.StartDoctypeDeclHandler = refuse
    prolog.StartElementHandler = stop
    try:
        prolog.Parse(data, True)
    except _PrologEnds:
        return


def child(node: ET.Element, path: str) -> ET.Element:
    """The first element at `path` below `node`."""
    found = node.find(path)
    if found is None:
        raise ValueError(f"element {path} is missing")
    return found


def children(node: ET.Element, path: str) -> list[ET.Element]:
    """All elements at `path`, at least one."""
    found = node.findall(path)
    if not found:
        raise ValueError(f"element {path} is missing")
    return found


def text_of(node: ET.Element, path: str) -> str:
    """The text at `path`, which is not empty."""
    text = (child(node, path).text or "").strip()
    if not text:
        raise ValueError(f"element {path} is empty")
    return text


def number_of(node: ET.Element, path: str) -> float:
    """The text at `path` as a number."""
    return float(text_of(node, path))


def integer_of(node: ET.Element, path: str) -> int:
    """The text at `path` as a whole number."""
    return int(text_of(node, path))


def positive(node: ET.Element, path: str, read: Callable[[ET.Element, str], Number]) -> Number:
    """What `read` (`number_of` or `integer_of`) finds at `path`: finite and above 0."""
    value = read(node, path)
    if not 0 < value < float("inf"):
        raise ValueError(f"{path} is {value}, want a positive number")
    return value


def size_of(node: ET.Element, path: str) -> int:
    """The number of rows or columns at `path`."""
    size = positive(node, path, integer_of)
    if size > _LARGEST_SIDE:
        raise ValueError(f"{path} is {size}, want at most {_LARGEST_SIDE}")
    return size


def time_of(node: ET.Element, path: str) -> np.datetime64:
    """The UTC time at `path`, to the ns."""
    return np.datetime64(text_of(node, path).removesuffix("Z"), "ns")
