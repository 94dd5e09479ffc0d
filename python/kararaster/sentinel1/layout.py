"""Which file of a product is what, told by what the file says about itself.

Names differ between ESA's archive (`s1a-iw-grd-vv-20210119t...-001.xml`), cloud copies (`iw-vv.xml`) and satellites to
come, so XML files are recognised by their root element and header. Names only pair pixels with annotation, and tell a
damaged annotation file from a file that was never meant to be one.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath

from kararaster.container import Container
from kararaster.errors import InvalidInputError, MissingVariableError, ProductError, UnsupportedProductError

_HEAD = 4096
"""Bytes of an XML file that surely hold its root element and its header."""

_ROOT = re.compile(rb"<(?![?!])(?:\w+:)?(\w+)")
_POLARIZATION = re.compile(rb"<polarisation>\s*(\w+)\s*</polarisation>")
_PRODUCT_TYPE = re.compile(rb"<productType>\s*(\w+)\s*</productType>")
_NAMED_POLARIZATION = re.compile(r"(?:^|[-_])(vv|vh|hh|hv)(?=[-_.])", re.IGNORECASE)
_ROLES = {b"product": "annotation", b"calibration": "calibration", b"noise": "noise"}


@dataclass(frozen=True)
class Files:
    """Names of the files of one polarisation in their container; None where a file is missing."""

    annotation: str
    calibration: str | None
    noise: str | None
    measurement: str | None


@dataclass(frozen=True)
class _Described:
    name: str
    role: str
    polarization: str
    product_type: str


def locate(container: Container, polarizations: Collection[str] | None) -> dict[str, Files]:
    """The files of each polarisation, co-polarised first; only of `polarizations` if those are given.

    Raises `UnsupportedProductError` for products other than GRD, `ProductError` where there is no annotation, where an
    annotation file does not begin as one, or where several products lie together, `MissingVariableError` for a
    polarisation that is not there.
    """
    names = container.names()
    described = [one for name in names if name.lower().endswith(".xml") and (one := _describe(container, name))]
    _require_one_ground_range_product(container, described)
    found = {(one.role, one.polarization): one.name for one in described}
    present = sorted(
        {one.polarization for one in described if one.role == "annotation"}, key=lambda p: (p[0] != p[1], p)
    )
    return {
        polarization: Files(
            annotation=found["annotation", polarization],
            calibration=found.get(("calibration", polarization)),
            noise=found.get(("noise", polarization)),
            measurement=_measurement(container, names, found["annotation", polarization], polarization),
        )
        for polarization in _chosen(present, polarizations)
    }


def manifest_name(container: Container) -> str | None:
    """The manifest, if the product has one; cloud copies may come without."""
    return next((name for name in container.names() if PurePosixPath(name).name.lower() == "manifest.safe"), None)


def _describe(container: Container, name: str) -> _Described | None:
    head = container.head(name, _HEAD)
    root, polarization = _ROOT.search(head), _POLARIZATION.search(head)
    role = _ROLES.get(root[1]) if root else None
    if role and polarization:
        kind = _PRODUCT_TYPE.search(head)
        return _Described(name, role, polarization[1].decode().lower(), kind[1].decode() if kind else "")
    file = PurePosixPath(name).name
    if _NAMED_POLARIZATION.search(file) and not file.startswith("rfi-"):
        raise ProductError(
            f"{container.describe(name)} does not begin as Sentinel-1 annotation "
            f"(root element {root[1].decode() if root else 'missing'}); download the product again"
        )
    return None


def _require_one_ground_range_product(container: Container, described: list[_Described]) -> None:
    annotations = [one for one in described if one.role == "annotation"]
    if not annotations:
        raise ProductError(f"{container.path.name} holds no Sentinel-1 annotation; want a SAFE folder or a .zip of one")
    types = {one.product_type for one in annotations}
    if "GRD" not in types:
        raise UnsupportedProductError(
            f"{container.path.name} is a product of type {', '.join(sorted(types))}, want GRD (ground range detected); "
            "get the GRD product of the same acquisition"
        )
    seen: dict[tuple[str, str], str] = {}
    for one in described:
        other = seen.setdefault((one.role, one.polarization), one.name)
        if other != one.name or len(types) > 1:
            first, last = (PurePosixPath(annotations[n].name).name for n in (0, -1))
            raise ProductError(
                f"{container.path.name} holds several products (among them {first} and {last}); want the path of one"
            )


def _chosen(present: list[str], wanted: Collection[str] | None) -> list[str]:
    if wanted is None:
        return present
    if isinstance(wanted, str):
        wanted = [wanted]
    asked = [str(one).lower() for one in wanted]
    if not asked or len(set(asked)) != len(asked):
        raise InvalidInputError(f"polarizations: got {wanted!r}, want each polarisation once, for example ['vv', 'vh']")
    missing = [one for one in asked if one not in present]
    if missing:
        raise MissingVariableError(f"polarizations: the product has {', '.join(present)}, not {', '.join(missing)}")
    return asked


def _measurement(container: Container, names: tuple[str, ...], annotation: str, polarization: str) -> str | None:
    images = [PurePosixPath(name) for name in names if name.lower().endswith((".tif", ".tiff"))]
    stem = PurePosixPath(annotation).stem
    same = [image for image in images if image.stem.lower() == stem.lower()]
    if not same:
        same = [image for image in images if polarization in map(str.lower, _NAMED_POLARIZATION.findall(image.name))]
    if len(same) > 1:
        raise ProductError(
            f"{container.path.name} holds {len(same)} images for {polarization.upper()} "
            f"({', '.join(str(image) for image in same)}); want one"
        )
    return str(same[0]) if same else None
