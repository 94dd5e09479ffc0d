"""A change map as a picture: what a person looks at first."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from rasterio.errors import NotGeoreferencedWarning

from kararaster.errors import InvalidInputError
from kararaster.lettering import text_mask

Picture = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

BRIGHTER: Color = (64, 172, 255)
DARKER: Color = (255, 82, 64)
UNDECIDED: Color = (255, 209, 64)
_PAPER: Color = (17, 20, 26)
_INK: Color = (236, 238, 242)
_PALE: Color = (150, 157, 170)

TRUE_COLOR = ("red", "green", "blue")
_PANEL = 1000
_SMALL_PANEL = 720
_MARGIN = 36
_HEADER = 128
_FOOTER = 132
_BRIGHTEST = 0.27
"""Reflectance that is white in true colour."""
_GAMMA = 1.6
_UNMARKED = 0.4
"""Strength of a colour where the test does not mark a change."""
_BACKDROP = 0.55
"""Brightness of the grey image under those colours."""
_ROUND_METRES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)


_CHANGE_LEGEND = (
    (DARKER, "backscatter fell"),
    (BRIGHTER, "backscatter rose"),
    (UNDECIDED, "changed, orbits or polarisations disagree"),
    ((120, 120, 120), "grey: backscatter before"),
)


@dataclass(frozen=True)
class _Part:
    """A square of the map, in pixels."""

    top: int
    left: int
    size: int


def change_map(
    path: Path,
    *,
    backscatter_db: npt.NDArray[np.floating[Any]],
    changed: npt.NDArray[np.bool_],
    direction: npt.NDArray[np.int8],
    resolution: float,
    title: str,
    subtitle: str = "",
) -> Path:
    """Write a PNG: the whole map on the left, the place with most change enlarged on the right.

    All arrays are (y, x) on one grid, `resolution` metres a pixel. Grey is `backscatter_db` (NaN: paper); a changed
    pixel is red where it became darker, blue where brighter, yellow where orbits or polarisations disagree (`direction`
    -1, 1, 0). Returns `path`, which appears when the picture is whole. Raises InvalidInputError for shapes that differ.
    """
    if not backscatter_db.shape == changed.shape == direction.shape:
        raise InvalidInputError(f"changed: got {changed.shape}, want {backscatter_db.shape} as backscatter_db")
    if 0 in changed.shape:
        raise InvalidInputError(f"changed: got {changed.shape}, want at least one pixel")
    colored = _colored(backscatter_db, changed, direction)
    whole = _Part(0, 0, max(changed.shape))
    busiest = _busiest(changed)
    canvas = np.empty((_HEADER + _PANEL + _FOOTER, 2 * _PANEL + 3 * _MARGIN, 3), np.uint8)
    canvas[:] = _PAPER
    _write(canvas, title, (34, _MARGIN), scale=5, color=_INK)
    _write(canvas, subtitle, (88, _MARGIN), scale=3, color=_PALE)
    left, right = _MARGIN, _PANEL + 2 * _MARGIN
    _place(canvas, _enlarge(colored, changed, whole), left)
    _place(canvas, _enlarge(colored, changed, busiest), right)
    _frame(canvas, busiest, whole, left)
    _scale_bar(canvas, whole.size * resolution, left)
    _scale_bar(canvas, busiest.size * resolution, right)
    _legend(canvas, _CHANGE_LEGEND)
    _save(canvas, path)
    return path


def map_of_result(path: Path, folder: Path, *, before: xr.DataArray, title: str, subtitle: str = "") -> Path:
    """`change_map` from the COGs that `to_cog` left in `folder`, over the mean power `before` (y, x), which is computed
    here."""
    layers = {}
    for name in ("changed", "direction"):
        with rasterio.open(folder / f"{name}.tif") as file:
            layers[name], resolution = file.read(1), abs(file.transform.a)
    power = before.values
    positive = power > 0
    decibel = 10 * np.log10(power, where=positive, out=np.full(power.shape, np.nan, np.float32))
    return change_map(
        path,
        backscatter_db=decibel,
        changed=layers["changed"] == 1,
        direction=layers["direction"].astype(np.int8),
        resolution=resolution,
        title=title,
        subtitle=subtitle,
    )


def optical_map(
    path: Path,
    *,
    before: npt.NDArray[np.floating[Any]],
    after: npt.NDArray[np.floating[Any]],
    difference: npt.NDArray[np.floating[Any]],
    changed: npt.NDArray[np.bool_],
    resolution: float,
    title: str,
    subtitle: str = "",
) -> Path:
    """Write a PNG of three panels: true colour before, true colour after, and how far an index changed.

    `before` and `after` are reflectance (y, x, 3) as red, green, blue; `difference` and `changed` are (y, x) on the same
    grid, `resolution` metres a pixel. Red is where the index fell, blue where it rose, pale where `changed` is False, over
    the image before in grey; NaN is paper. Returns `path`, which appears when the picture is whole. Raises
    InvalidInputError for shapes that differ.
    """
    if not before.shape[:2] == after.shape[:2] == difference.shape == changed.shape or 0 in changed.shape:
        raise InvalidInputError(
            f"changed: got {changed.shape}, want {before.shape[:2]} as before and at least one pixel"
        )
    canvas = np.empty((_HEADER + _SMALL_PANEL + _FOOTER, 3 * _SMALL_PANEL + 4 * _MARGIN, 3), np.uint8)
    canvas[:] = _PAPER
    _write(canvas, title, (34, _MARGIN), scale=5, color=_INK)
    _write(canvas, subtitle, (88, _MARGIN), scale=3, color=_PALE)
    natural = _true_color(before)
    panels = (natural, _true_color(after), _diverging(difference, changed, backdrop=natural))
    size = max(changed.shape)
    rows = columns = (np.arange(_SMALL_PANEL) * size) // _SMALL_PANEL
    for number, panel in enumerate(panels):
        left = _MARGIN + number * (_SMALL_PANEL + _MARGIN)
        square = np.empty((size, size, 3), np.uint8)
        square[:] = _PAPER
        square[: changed.shape[0], : changed.shape[1]] = panel
        canvas[_HEADER : _HEADER + _SMALL_PANEL, left : left + _SMALL_PANEL] = square[rows[:, np.newaxis], columns]
    _scale_bar(canvas, size * resolution, _MARGIN, panel=_SMALL_PANEL)
    _legend(canvas, ((DARKER, "index fell"), (BRIGHTER, "index rose")), panel=_SMALL_PANEL)
    _save(canvas, path)
    return path


def optical_map_of_result(
    path: Path, folder: Path, *, before: xr.Dataset, after: xr.Dataset, title: str, subtitle: str = ""
) -> Path:
    """`optical_map` from the COGs that `to_cog` left in `folder`, of the first index that was tested, between the reflectance
    `before` and `after` (red, green, blue; y, x), of which as many pixels as the picture shows are computed here."""
    with rasterio.open(folder / "magnitude.tif") as file:
        step = max(1, max(file.shape) // _SMALL_PANEL)
        difference, resolution = file.read(1)[::step, ::step], step * abs(file.transform.a)
    with rasterio.open(folder / "changed.tif") as file:
        changed = file.read(1)[::step, ::step] == 1
    shown = {"y": slice(None, None, step), "x": slice(None, None, step)}
    images = (side[list(TRUE_COLOR)].isel(shown).compute() for side in (before, after))
    earlier, later = (np.stack([image[band].values for band in TRUE_COLOR], axis=-1) for image in images)
    return optical_map(
        path,
        before=earlier,
        after=later,
        difference=difference,
        changed=changed,
        resolution=resolution,
        title=title,
        subtitle=subtitle,
    )


def _true_color(reflectance: npt.NDArray[np.floating[Any]]) -> Picture:
    """Reflectance as people see it: a straight scale up to `_BRIGHTEST`, then a gamma."""
    valid = np.isfinite(reflectance).all(axis=2)
    shade = np.clip(np.nan_to_num(reflectance) / _BRIGHTEST, 0, 1) ** (1 / _GAMMA)
    out: Picture = np.where(valid[:, :, np.newaxis], 255 * shade, _PAPER).astype(np.uint8)
    return out


def _diverging(
    difference: npt.NDArray[np.floating[Any]], changed: npt.NDArray[np.bool_], *, backdrop: Picture
) -> Picture:
    """Colour over grey; full at the 99th percentile of the marked (else of all) differences."""
    size = np.abs(difference)
    known = np.isfinite(size)
    reference = size[known & changed] if (known & changed).any() else size[known]
    full = np.percentile(reference, 99) if reference.size else 1.0
    strength = np.clip(np.nan_to_num(size) / max(full, 1e-9), 0, 1) * np.where(changed, 1.0, _UNMARKED)
    grey = np.repeat(_BACKDROP * backdrop.mean(axis=2, keepdims=True), 3, axis=2)
    color = np.where((difference < 0)[:, :, np.newaxis], DARKER, BRIGHTER)
    mixed = grey + strength[:, :, np.newaxis] * (color - grey)
    out: Picture = np.where(known[:, :, np.newaxis], mixed, _PAPER).astype(np.uint8)
    return out


def _colored(db: npt.NDArray[Any], changed: npt.NDArray[np.bool_], direction: npt.NDArray[np.int8]) -> Picture:
    valid = np.isfinite(db)
    low, high = np.percentile(db[valid][::17], (1, 99.5)) if valid.any() else (0.0, 1.0)
    shade = np.clip((db - low) / max(high - low, 1e-9), 0, 1)
    grey = np.where(valid, 20 + 190 * np.nan_to_num(shade), _PAPER[0]).astype(np.uint8)
    out = np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    for value, color in ((-1, DARKER), (0, UNDECIDED), (1, BRIGHTER)):
        out[changed & (direction == value)] = color
    return out


def _busiest(changed: npt.NDArray[np.bool_]) -> _Part:
    """The window, a quarter of the map wide, that holds most changed pixels."""
    height, width = changed.shape
    size = max(1, min(max(64, min(height, width) // 4), height, width))
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = changed.cumsum(0).cumsum(1)
    inside = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return _Part(int(top), int(left), size)


def _enlarge(colored: Picture, changed: npt.NDArray[np.bool_], part: _Part) -> Picture:
    """The part on a panel. Where several pixels share a dot, a changed one wins, so that single houses stay visible."""
    height, width = changed.shape
    fraction = (np.arange(_PANEL) * part.size) // _PANEL
    rows, columns = part.top + fraction, part.left + fraction
    inside = (rows < height)[:, np.newaxis] & (columns < width)
    row, column = np.minimum(rows, height - 1), np.minimum(columns, width - 1)
    panel = colored[row[:, np.newaxis], column]
    for step in range(1, -(-part.size // _PANEL)):
        for down, right in ((step, 0), (0, step), (step, step)):
            r, c = np.minimum(row + down, height - 1)[:, np.newaxis], np.minimum(column + right, width - 1)
            panel = np.where(changed[r, c][:, :, np.newaxis], colored[r, c], panel)
    panel[~inside] = _PAPER
    return np.ascontiguousarray(panel, np.uint8)


def _place(canvas: Picture, panel: Picture, left: int) -> None:
    canvas[_HEADER : _HEADER + _PANEL, left : left + _PANEL] = panel


def _frame(canvas: Picture, part: _Part, whole: _Part, left: int) -> None:
    """The outline of the enlarged part on the whole map."""
    top = _HEADER + part.top * _PANEL // whole.size
    start = left + part.left * _PANEL // whole.size
    side = max(4, part.size * _PANEL // whole.size)
    for inset in range(3):
        low, high = inset, side - 1 - inset
        canvas[[top + low, top + high], start + low : start + high + 1] = _INK
        canvas[top + low : top + high + 1, [start + low, start + high]] = _INK


def _scale_bar(canvas: Picture, panel_metres: float, left: int, *, panel: int = _PANEL) -> None:
    metres = max((m for m in _ROUND_METRES if m <= panel_metres / 4), default=panel_metres / 4)
    length = max(2, round(metres / panel_metres * panel))
    label = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    row = _HEADER + panel + 20
    canvas[row : row + 6, left : left + length] = _INK
    _write(canvas, label, (row - 6, left + length + 16), scale=3, color=_INK)


def _legend(canvas: Picture, entries: Sequence[tuple[Color, str]], *, panel: int = _PANEL) -> None:
    row, column = _HEADER + panel + 78, _MARGIN
    for color, label in entries:
        canvas[row : row + 26, column : column + 26] = color
        column = _write(canvas, label, (row + 2, column + 40), scale=3, color=_INK) + 36


def _write(canvas: Picture, text: str, at: tuple[int, int], *, scale: int, color: Color) -> int:
    """Draw text from row and column `at` on, and return the column where it ends; what does not fit is cut off."""
    top, left = at
    mask = text_mask(text, scale=scale)[:, : max(0, canvas.shape[1] - left)]
    canvas[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = color
    return left + int(mask.shape[1])


def _save(canvas: Picture, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    height, width, _ = canvas.shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            options = {"driver": "PNG", "height": height, "width": width, "count": 3, "dtype": "uint8"}
            with rasterio.open(temporary, "w", **options) as file:
                file.write(np.moveaxis(canvas, 2, 0))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
