"""Do the pixels agree with the metadata about the radiometric offset? Catalogues get it wrong, both ways.

Vegetation absorbs red: on real scenes of the Alps and the plains, 85 to 99 % of the red numbers of vegetation and bare ground
lie below 1000, the darkest twentieth of vegetation below 400; with an offset of 1000 in them none does. Deserts and clouds are
bright either way, and so are shadows on them, while Sen2Cor makes dark water negative: none of those decides.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rasterio.errors import RasterioError

from kararaster.rasterfile import Header, open_files, read_pixels
from kararaster.sentinel2.encoding import NODATA, OFFSET, SATURATED

Verdict = Literal["consistent", "contradicted", "undecided"]

SAMPLE_SIDE = 256
"""Most pixels a side of the sample."""
_LARGEST_WHOLE = 2**22
"""Pixels of a file without reduced resolutions that are read for the sample: a 60 m band has fewer."""
_FEWEST = 100
"""Pixels of the sample without which nothing is said."""
_GROUND, _VEGETATION, _DARK = (4, 5), (4,), (4, 6)
"""Scene classes: vegetation and bare ground; vegetation; vegetation and water."""
_BELOW = 0.10
"""Share of the ground below 1000 that no offset in the numbers can explain."""
_DARKEST = 5
"""Percentile of vegetation and water that only an offset in the numbers lifts to 1000."""


def offset_verdict(red_numbers: npt.NDArray[Any], scl: npt.NDArray[Any], pending: bool) -> Verdict:
    """Whether red digital numbers look as the metadata say. `pending`: an offset of -1000 is still to be applied.

    `scl` holds the scene class of each number. Numbers 0 (nodata) and 65535 (saturated) are left out. "undecided" where the
    classes that tell have fewer than 100 pixels.
    """
    measured = (red_numbers > NODATA) & (red_numbers < SATURATED)
    ground, vegetation, dark = (red_numbers[measured & np.isin(scl, c)] for c in (_GROUND, _VEGETATION, _DARK))
    if pending:
        if ground.size >= _FEWEST and (ground < -OFFSET).mean() > _BELOW:
            return "contradicted"
        return "consistent" if vegetation.size >= _FEWEST else "undecided"
    if dark.size < _FEWEST:
        return "undecided"
    return "contradicted" if np.percentile(dark, _DARKEST) >= -OFFSET else "consistent"


def sampled_verdict(red: Header, scl: Header, *, pending: bool) -> Verdict:
    """`offset_verdict` of a sample of at most 256 x 256 pixels, read from the reduced resolutions of the files.

    "undecided" where there are none, or where they cannot be read: that is told when pixels are asked for.
    """
    shape = tuple(max(1, min(n, SAMPLE_SIDE)) for n in np.minimum(red.shape, scl.shape))
    try:
        numbers, classes = (_decimated(header, shape) for header in (red, scl))
    except (RasterioError, OSError):
        return "undecided"
    if numbers is None or classes is None:
        return "undecided"
    return offset_verdict(numbers, np.where(_inside_a_class(classes), classes, 0), pending)


def _decimated(header: Header, shape: tuple[int, ...]) -> npt.NDArray[Any] | None:
    """The image at a reduced size, or None where the whole of a large file would have to be read for it."""
    dataset = open_files.get(header.gdal_path, header.stamp)
    if not dataset.overviews(1) and dataset.height * dataset.width > _LARGEST_WHOLE:
        return None
    return read_pixels(header.gdal_path, header.stamp, 1, out_shape=shape)


def _inside_a_class(classes: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Pixels equal to their four neighbours: between classes a reduced resolution of JPEG 2000 holds a mean of numbers."""
    inside = np.ones(classes.shape, bool)
    for axis in (0, 1):
        for step in (1, -1):
            inside &= classes == np.roll(classes, step, axis)
    inside[[0, -1], :] = inside[:, [0, -1]] = False
    return inside
