"""Images on other grids: against indices computed pixel by pixel with pyproj, whatever the windows."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from dask.base import tokenize
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_zeros
from pyproj import Transformer

from kararaster.errors import InvalidTypeError
from kararaster.lazy import InMemory, LazyArray
from kararaster.placing import LATTICE, Merged, Placed, ground_size, overlap, require_grid

SOURCE = GeoBox((200, 240), Affine(10, 0, 640_000, 0, -10, 4_410_000), "EPSG:32638")
NEXT_ZONE = GeoBox((180, 190), Affine(10, 0, 126_700, 0, -10, 4_417_500), "EPSG:32639")
PIXELS = np.random.default_rng(1).integers(1, 60_000, SOURCE.shape).astype(np.uint16)


class Counted(LazyArray):
    """Remembers the windows it was asked for."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.asked = values, values.shape, values.dtype, []

    def read(self, window):
        self.asked.append(window)
        return self.values[window]

    def __dask_tokenize__(self):
        return ("counted", self.values)


def moved(rows, columns, *, size=10.0, shape=(150, 170)):
    """A grid that starts `rows` and `columns` source pixels after the source."""
    return GeoBox(shape, Affine(size, 0, 640_000 + 10 * columns, 0, -size, 4_410_000 - 10 * rows), SOURCE.crs)


def exact(grid, source=SOURCE):
    """Fractional source rows and columns of every target pixel, each by itself."""
    rows, columns = np.meshgrid(*(np.arange(n) + 0.5 for n in grid.shape), indexing="ij")
    x, y = grid.affine * (columns, rows)
    x, y = Transformer.from_crs(str(grid.crs), str(source.crs), always_xy=True).transform(x, y)
    columns, rows = ~source.affine * (x, y)
    return rows, columns


def oracle(grid, pixels=PIXELS):
    rows, columns = (np.floor(part).astype(int) for part in exact(grid))
    inside = (rows >= 0) & (rows < pixels.shape[0]) & (columns >= 0) & (columns < pixels.shape[1])
    out = np.zeros(grid.shape, pixels.dtype)
    out[inside] = pixels[rows[inside], columns[inside]]
    return out


@pytest.mark.parametrize("shift", [(0, 0), (-20, 13), (120, -60), (60, 100)])
def test_equal_pixels_are_pasted(shift):
    grid = moved(*shift)
    placed = Placed(InMemory(PIXELS), SOURCE, grid)
    out = placed.read(placed.whole())
    rows, columns = (np.arange(n) + s for n, s in zip(grid.shape, shift, strict=True))
    wide = np.pad(PIXELS, 400)
    np.testing.assert_array_equal(out, wide[np.ix_(rows + 400, columns + 400)])
    assert out.dtype == np.uint16


@pytest.mark.parametrize(("size", "factor"), [(5.0, 0.5), (20.0, 2.0), (60.0, 6.0)])
def test_other_pixel_sizes_take_the_pixel_under_the_centre(size, factor):
    """A centre on an edge (even factors) takes the later pixel."""
    grid = moved(-6, 6, size=size, shape=(40, 40))
    placed = Placed(InMemory(PIXELS), SOURCE, grid)
    rows, columns = (np.floor((np.arange(40) + 0.5) * factor + s).astype(int) for s in (-6, 6))
    expected = np.pad(PIXELS, 400)[np.ix_(rows + 400, columns + 400)]
    np.testing.assert_array_equal(placed.read(placed.whole()), expected)


@pytest.mark.parametrize(
    "grid",
    [
        NEXT_ZONE,
        GeoBox((170, 180), Affine(1.1e-4, 0, 46.635, 0, -9e-5, 39.825), "EPSG:4326"),
        GeoBox((120, 160), Affine.translation(640_900, 4_409_800) * Affine.rotation(20) * Affine.scale(10, -10), 32638),
    ],
    ids=["next zone", "degrees", "rotated"],
)
def test_another_reference_system_against_every_pixel_by_itself(grid):
    placed = Placed(InMemory(PIXELS), SOURCE, grid)
    rows, columns = placed.positions(*placed.whole())
    for got, want in zip((rows, columns), exact(grid), strict=True):
        assert np.abs(got - want).max() < 1e-3
    out, expected = placed.read(placed.whole()), oracle(grid)
    assert 0.2 < (expected > 0).mean() < 1
    assert (out == expected).mean() > 0.9995  # a centre within 1e-3 of an edge may go to the other side


def test_the_lattice_is_good_far_out():
    """Kilometres into a neighbouring zone, and coarse pixels."""
    for size, n in ((10, 500), (500, 200)):
        grid = GeoBox((n, n), Affine(size, 0, 200_000, 0, -size, 4_500_000), "EPSG:32639")
        placed = Placed(InMemory(PIXELS), SOURCE, grid)
        target_pixels = 10 / size
        for got, want in zip(placed.positions(*placed.whole()), exact(grid), strict=True):
            assert np.abs(got - want).max() * target_pixels < 0.02


@pytest.mark.parametrize("crs", ["EPSG:32638", "EPSG:32639"])
@given(data=st.data())
def test_a_window_is_that_part_of_the_whole(crs, data):
    left, top = (640_300, 4_409_500) if crs == "EPSG:32638" else (127_000, 4_417_300)
    grid = GeoBox((130, 140), Affine(9.5, 0, left, 0, -10, top), crs)
    placed = Placed(InMemory(PIXELS), SOURCE, grid)
    window = []
    for n in grid.shape:
        start = data.draw(st.integers(0, n - 1))
        window.append(slice(start, data.draw(st.integers(start, n))))
    whole = placed.read(placed.whole())
    np.testing.assert_array_equal(placed.read(tuple(window)), whole[tuple(window)])


@pytest.mark.parametrize("crs", ["EPSG:32638", "EPSG:32639"])
def test_reads_only_what_a_window_needs(crs):
    source = Counted(PIXELS)
    far = GeoBox((4 * LATTICE, 100), Affine(10, 0, 700_000, 0, -10, 4_300_000), crs)
    out = Placed(source, SOURCE, far, fill=7).read((slice(0, 100), slice(0, 100)))
    assert (out == 7).all()
    assert source.asked == []
    placed = Placed(source, SOURCE, moved(10, 20))
    placed.read((slice(5, 9), slice(3, 8)))
    assert source.asked == [(slice(15, 19), slice(23, 28))]
    assert placed.read((slice(5, 5), slice(3, 8))).shape == (0, 5)


def test_a_point_without_a_place_in_the_source_system_is_outside():
    grid = GeoBox((90, 90), Affine(2, 0, -180, 0, -2, 90), "EPSG:4326")
    out = Placed(InMemory(PIXELS), SOURCE, grid).read((slice(0, 90), slice(0, 90)))
    assert (out == 0).all()


def test_pickles_and_has_one_name_for_one_content():
    grid = moved(1, 2)
    placed = Placed(InMemory(PIXELS), SOURCE, grid)
    again = pickle.loads(pickle.dumps(placed))
    assert tokenize(placed) == tokenize(again)
    assert tokenize(placed) != tokenize(Placed(InMemory(PIXELS), SOURCE, moved(1, 3)))
    np.testing.assert_array_equal(again.read(again.whole()), placed.read(placed.whole()))


def test_merged_takes_the_first_valid_pixel_and_stops_when_full():
    first, second, third = (PIXELS[:50, :60].copy() for _ in range(3))
    first[:, 30:], second[:, 50:] = 0, 0
    second[second > 0] = 5
    third[:] = 9
    sources = tuple(map(Counted, (first, second, third)))
    merged = Merged(sources)
    expected = np.where(first > 0, first, np.where(second > 0, second, third))
    np.testing.assert_array_equal(merged.read(merged.whole()), expected)
    assert [len(source.asked) for source in sources] == [1, 1, 1]
    merged.read((slice(0, 50), slice(0, 50)))
    merged.read((slice(0, 50), slice(0, 30)))
    assert [len(source.asked) for source in sources] == [3, 2, 1]
    assert (first[:, 30:] == 0).all()


def test_merged_floats_are_missing_where_nan():
    one, other = np.array([[1.0, np.nan, 0.0]], np.float32), np.array([[7.0, 8.0, 9.0]], np.float32)
    merged = Merged((InMemory(one), InMemory(other)), fill=np.nan)
    np.testing.assert_array_equal(merged.read(merged.whole()), [[1, 8, 0]])


def test_grids_are_boxes_or_what_lies_on_one():
    image = xr_zeros(SOURCE, dtype="uint8")
    assert require_grid(SOURCE) is SOURCE
    assert require_grid(image) == SOURCE
    assert require_grid(image.to_dataset(name="a")) == SOURCE
    for wrong in (None, (0, 0, 1, 1), xr.DataArray([1]), GeoBox((2, 2), Affine.identity(), None)):
        with pytest.raises(InvalidTypeError, match=r"grid: got .* want an odc\.geo"):
            require_grid(wrong)


def test_overlap_and_pixel_size():
    assert overlap(SOURCE, moved(190, 0))
    assert not overlap(SOURCE, moved(200, 0))
    assert overlap(SOURCE, NEXT_ZONE)
    assert ground_size(SOURCE) == pytest.approx(10, rel=2e-3)
    degrees = GeoBox((100, 100), Affine(1e-3, 0, 46, 0, -1e-3, 40), "EPSG:4326")
    assert ground_size(degrees) == pytest.approx(111_320 * 1e-3 * np.cos(np.radians(40 - 0.05)), rel=5e-3)
