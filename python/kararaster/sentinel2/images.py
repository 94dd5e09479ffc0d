"""The images of a product: headers checked against the metadata of the tile, and every band on one grid."""

from __future__ import annotations

from kararaster.container import Container
from kararaster.errors import ProductError
from kararaster.lazy import LazyArray
from kararaster.rasterfile import Header, RasterFile, header_of
from kararaster.sentinel2.layout import Band, Layout
from kararaster.sentinel2.metadata import Product, Tile
from kararaster.sentinel2.resampling import BlockMean, Centre, Repeated


class Images:
    """The image files of a product, each checked against the metadata of the tile when its header is first needed."""

    def __init__(self, container: Container, layout: Layout, tile: Tile) -> None:
        self.container, self.layout, self.tile = container, layout, tile
        self._headers: dict[str, Header] = {}

    def header(self, band: Band, resolution: int) -> Header:
        """The header of the file of `band` at `resolution`."""
        name = self.layout.images[band][resolution]
        if name not in self._headers:
            header = header_of(
                self.container.gdal_path(name), name=self.container.describe(name), stamp=self.container.stamp(name)
            )
            _require_as_stated(header, self.tile, band, resolution)
            self._headers[name] = header
        return self._headers[name]


def _require_as_stated(header: Header, tile: Tile, band: Band, resolution: int) -> None:
    grid = tile.grids.get(resolution)
    if grid is None:
        raise ProductError(f"{header.name}: the tile metadata states no grid of {resolution} m; download it again")
    got = (len(header.dtypes), *header.shape, header.dtypes[0])
    want = (1, *grid.shape, "uint8" if band.name == "scl" else "uint16")
    if got != want:
        raise ProductError(
            f"{header.name}: the image is (bands, rows, columns, dtype) {got}, but the tile metadata says {want}; "
            "the files belong to different products"
        )
    placed = header.crs is not None and not header.transform.is_identity
    if placed and not (header.crs == tile.crs and header.transform.almost_equals(grid.transform, 1e-3 * resolution)):
        raise ProductError(
            f"{header.name}: the image lies at {tuple(header.transform)[:6]} in {header.crs}, but the tile metadata says "
            f"{tuple(grid.transform)[:6]} in {tile.crs}; the files belong to different products"
        )


def on_grid(images: Images, band: Band, resolution: int, product: Product) -> LazyArray:
    """The band at `resolution`: its file, or what its finest file gives."""
    there = sorted(images.layout.images[band])
    finest = there[0]
    source = RasterFile(images.header(band, resolution if resolution in there else finest), 1)
    if resolution in there:
        return source
    if finest > resolution:
        lazy: LazyArray = Repeated(source, finest // resolution)
    elif band.name == "scl":
        lazy = Centre(source, resolution // finest)
    else:
        lazy = BlockMean(source, resolution // finest, product.nodata, product.saturated)
    grid = images.tile.grids.get(resolution)
    if grid is None or grid.shape != lazy.shape:
        raise ProductError(
            f"{source.header.name}: {source.shape} pixels of {finest} m do not make up the grid of {resolution} m that the "
            f"tile metadata states ({'none' if grid is None else grid.shape}); the files belong to different products"
        )
    return lazy
