"""STAC items: where they come from, which asset is which band, and what they say about pass, orbit and offset.

pystac is imported when it is needed; it comes with the extra `stac`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kararaster.conventions import POLARIZATIONS
from kararaster.errors import (
    InvalidInputError,
    InvalidTypeError,
    ProductError,
    ProductNotFoundError,
    UnsupportedProductError,
)
from kararaster.sentinel2.encoding import FIRST_WITH_OFFSET, OFFSET, QUANTIFICATION, version_key
from kararaster.sentinel2.layout import BANDS, RESOLUTIONS

if TYPE_CHECKING:
    import pystac

_SCALE = 1 / QUANTIFICATION

_ASSETS = {
    band.name: (band.name, band.number, *(f"{band.number}_{metres}m" for metres in RESOLUTIONS)) for band in BANDS
} | {name: (name, name.upper()) for name in POLARIZATIONS}
"""Band -> names of its asset: Earth Search, Planetary Computer, Copernicus Data Space (finest first)."""
_PLATFORM = re.compile(r"sentinel[-_ ]?([12])[-_ ]?([a-z])?", re.IGNORECASE)
_MOMENT = re.compile(r"\d{8}T\d{6}")
_TILE = re.compile(r"(?<![0-9A-Z])T?(\d{2}[C-X][A-Z]{2})(?![0-9A-Z])")


@dataclass(frozen=True)
class Scene:
    """A STAC item of Sentinel-1 RTC or Sentinel-2 L2A."""

    item: pystac.Item

    @property
    def name(self) -> str:
        return self.item.id

    @cached_property
    def mission(self) -> int:
        """1 or 2."""
        return int(self._platform[1])

    @property
    def platform(self) -> str:
        """As STAC writes it: "sentinel-2a"."""
        number, letter = self._platform[1], self._platform[2]
        return f"sentinel-{number}{(letter or '').lower()}"

    @cached_property
    def _platform(self) -> re.Match[str]:
        for text in (self._stated("platform"), self._stated("constellation"), self.item.collection_id):
            if text and (found := _PLATFORM.match(str(text))):
                return found
        raise UnsupportedProductError(
            f"{self.name}: got platform {self._stated('platform')!r} of {self.item.collection_id!r}, "
            "want an item of Sentinel-1 RTC or Sentinel-2 L2A"
        )

    def _stated(self, *names: str) -> Any:
        """The first of these properties that the item has."""
        return next((self.item.properties[n] for n in names if self.item.properties.get(n) is not None), None)

    @cached_property
    def time(self) -> np.datetime64:
        moment = self.item.datetime or self.item.common_metadata.start_datetime
        if moment is None:
            raise ProductError(f"{self.name}: has neither datetime nor start_datetime, want one of them")
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return np.datetime64(moment, "ns")

    def require_supported(self) -> None:
        """Raise UnsupportedProductError for digital numbers of radar and top-of-atmosphere reflectance."""
        kind = str(self._stated("product:type", "sar:product_type", "s2:product_type", "eopf:product:type") or "")
        text = f"{self.item.collection_id} {kind}".lower()
        if self.mission == 1 and not re.search("rtc|nrb", text):
            raise UnsupportedProductError(
                f"{self.name}: got {kind or 'no product type'} of {self.item.collection_id!r}, want radiometrically terrain "
                "corrected backscatter (RTC); open a GRD product with open_sentinel1"
            )
        if self.mission == 2 and re.search("l1c|1c$", text):
            raise UnsupportedProductError(
                f"{self.name}: is level 1C, want L2A; open a product on disk with open_sentinel2"
            )

    def bands(self) -> list[str]:
        """Bands that the item has, in the order of the data model."""
        wanted = POLARIZATIONS if self.mission == 1 else tuple(band.name for band in BANDS)
        return [band for band in wanted if self._key(band) is not None]

    def asset(self, band: str) -> pystac.Asset:
        """The asset of `band`."""
        key = self._key(band)
        if key is None:
            raise InvalidInputError(
                f"bands: {self.name} has no {band} (assets: {', '.join(self.item.assets)}); want some of {self.bands()}"
            )
        return self.item.assets[key]

    def _key(self, band: str) -> str | None:
        return next((key for key in _ASSETS.get(band, ()) if key in self.item.assets), None)

    @property
    def datatake(self) -> str:
        """Equal for what the satellite took in one go: its datatake, else its orbit, else the exact time."""
        stated = str(
            self._stated("s2:datatake_id", "eopf:datatake_id", "s2:product_uri", "s1:datatake_id", "sar:datatake_id")
            or ""
        )
        if self.mission == 2:
            found = _MOMENT.search(stated)
            return f"{self.platform} {found[0] if found else self.time}"
        orbit = self._stated("sat:absolute_orbit")
        return f"{self.platform} {stated or (f'orbit {orbit}' if orbit is not None else self.time)}"

    def labels(self, band: str) -> dict[str, Any]:
        """The coordinates of its date; `band`: one whose asset states the encoding."""
        if self.mission == 2:
            offset, applied = pending_offset(self, band)
            return {
                "platform": self.platform,
                "mgrs_tile": self._tile(),
                "processing_baseline": self.baseline,
                "boa_offset_applied": applied,
                "boa_add_offset": offset,
            }
        orbits = {
            "relative_orbit": self._stated("sat:relative_orbit"),
            "absolute_orbit": self._stated("sat:absolute_orbit"),
            "orbit_state": self._stated("sat:orbit_state"),
            "datatake_id": self._stated("s1:datatake_id", "sar:datatake_id"),
        }
        stated = {name: value for name, value in orbits.items() if value is not None}
        return {"platform": self.platform, **stated}

    @property
    def baseline(self) -> str:
        """The processing baseline ("05.09"), or "" where the item states none."""
        stated = self._stated("s2:processing_baseline", "processing:version")
        return "" if stated is None else str(stated)

    def _tile(self) -> str:
        for text in (
            self._stated("s2:mgrs_tile"),
            str(self._stated("grid:code") or "").removeprefix("MGRS-"),
            self.name,
        ):
            if text and (found := _TILE.search(str(text).replace("_", " "))):
                return found[1]
        return ""


def pending_offset(scene: Scene, band: str) -> tuple[int, bool]:
    """Digital numbers to be added to the pixels as they are, and whether the source has applied the offset already.

    Never from the date: products are reprocessed. A catalogue that says it has applied the offset is believed before the
    offset that it copied from the product (Earth Search states both).
    """
    applied = scene.item.properties.get("earthsearch:boa_offset_applied")
    if applied:
        return 0, True
    scale, offset = (raster_info(scene.asset(band), name) for name in ("scale", "offset"))
    if scale is not None and not math.isclose(float(scale), _SCALE, rel_tol=1e-6):
        raise UnsupportedProductError(
            f"{scene.name}: {band} has the scale {scale}, want {_SCALE} as in all products of level 2A"
        )
    if offset is not None:
        return round(float(offset) / float(scale or _SCALE)), False
    try:
        return (OFFSET if version_key(scene.baseline) >= FIRST_WITH_OFFSET else 0), False
    except ValueError:
        raise ProductError(
            f"{scene.name}: states neither an offset (raster:bands, earthsearch:boa_offset_applied) nor a processing baseline "
            "(s2:processing_baseline), and the date does not tell; complete the item"
        ) from None


def raster_info(asset: pystac.Asset, name: str) -> Any:
    """`name` (scale, offset, nodata, unit ...) of the only band of an asset, as STAC 1.0 or 1.1 says it; else None."""
    fields = asset.extra_fields
    for key in ("raster:bands", "bands"):
        for band in fields.get(key) or ():
            for word in (f"raster:{name}", name):
                if band.get(word) is not None:
                    return band[word]
    return next((fields[word] for word in (f"raster:{name}", name) if fields.get(word) is not None), None)


def scenes_of(source: Any) -> list[Scene]:
    """All items in `source`, each once, checked to be of one mission and a kind that can be opened."""
    scenes = list({scene.name: scene for scene in map(Scene, _items(source))}.values())
    if not scenes:
        raise ProductNotFoundError("items: got none; want STAC items of Sentinel-1 RTC or Sentinel-2 L2A")
    for scene in scenes:
        scene.require_supported()
        if scene.mission != scenes[0].mission:
            raise InvalidInputError(
                f"items: got Sentinel-{scenes[0].mission} ({scenes[0].name}) and Sentinel-{scene.mission} ({scene.name}); "
                "open each by itself"
            )
    return scenes


def _items(source: Any) -> Iterator[pystac.Item]:
    import pystac  # noqa: PLC0415

    if isinstance(source, pystac.Item):
        yield source
    elif isinstance(source, pystac.Catalog):
        yield from source.get_items(recursive=True)
    elif isinstance(source, Mapping):
        yield from _from_json(dict(source), None)
    elif isinstance(source, str | Path):
        yield from _from_path(str(source))
    elif isinstance(source, Iterable):
        for one in source:
            yield from _items(one)
    else:
        raise InvalidTypeError(
            f"items: got {type(source).__name__}, want pystac items, their dicts, an item collection, a catalog, or a path of one"
        )


def _from_path(path: str) -> Iterator[pystac.Item]:
    import pystac  # noqa: PLC0415

    try:
        content = json.loads(pystac.StacIO.default().read_text(path))
    except (OSError, ValueError) as error:
        raise ProductNotFoundError(
            f"items: {path} is not a readable STAC file ({error}); want the JSON of an item, item collection or catalog"
        ) from error
    yield from _from_json(content, path)


def _from_json(content: dict[str, Any], href: str | None) -> Iterator[pystac.Item]:
    import pystac  # noqa: PLC0415

    kind = content.get("type")
    if kind == "Feature":
        try:
            item = pystac.Item.from_dict(content)
        except (pystac.STACError, KeyError, TypeError, ValueError) as error:
            raise ProductError(
                f"items: {content.get('id', href)} is not a valid STAC item ({error!r}); correct its JSON"
            ) from error
        if href is not None:
            item.set_self_href(str(Path(href).absolute()) if "://" not in href else href)
        yield item
    elif kind == "FeatureCollection":
        for feature in content.get("features", ()):
            yield from _from_json(feature, href)
    elif kind in ("Catalog", "Collection") and href is not None:
        yield from pystac.Catalog.from_file(href).get_items(recursive=True)
    else:
        raise InvalidInputError(
            f"items: got JSON of type {kind!r}, want a STAC Feature, FeatureCollection, Catalog or Collection"
        )
