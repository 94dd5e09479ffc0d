"""The command line: `kararaster demo`, `kararaster info`, `kararaster change`, `kararaster index`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

    from kararaster.container import Container

app = typer.Typer(
    name="kararaster",
    help="Sentinel-1 and Sentinel-2 change detection.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ERROR_EXIT = 2


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Sentinel-1 and Sentinel-2 change detection."""
    context.obj = debug
    if version:
        from kararaster import __version__

        typer.echo(f"kararaster {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(help="Where the maps go.")] = Path("demo"),
    size: Annotated[int, typer.Option(help="Rows and columns of the scene.")] = 2048,
    seed: Annotated[int, typer.Option(help="Of the simulated scene.")] = 0,
) -> None:
    """Find the changes in a simulated town and compare them with the truth."""
    with _readable_errors(context):
        from kararaster.demo import run

        run(folder, size=size, seed=seed)


@app.command()
def info(
    context: typer.Context,
    product: Annotated[
        Path, typer.Argument(help="A Sentinel-1 or Sentinel-2 product, or a stack: GeoTIFFs, Zarr, NetCDF.")
    ],
) -> None:
    """Say what a product or a stack holds, without reading its pixels."""
    with _readable_errors(context):
        from rich.console import Console

        from kararaster import open_stack

        table = _product_table(product) if _is_product(product) else _stack_table(open_stack(product))
        table.title = product.name
        Console().print(table)


@app.command()
def change(
    context: typer.Context,
    stack: Annotated[
        Path, typer.Argument(help="Folder of dated GeoTIFFs, Zarr store or NetCDF file: radar or optical.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the maps.")],
    event: Annotated[
        str | None,
        typer.Option(
            help="First day after the event, such as 2023-09-19 (UTC). Without: breaks, with their dates (optical).",
            show_default=False,
        ),
    ] = None,
    pre: Annotated[
        str, typer.Option(help="Length of the period before; optical: of which the season of the period after.")
    ] = "365D",
    post: Annotated[str, typer.Option(help="Length of the period after.")] = "60D",
    method: Annotated[
        str | None,
        typer.Option(
            help="hotelling (default for radar), ttest (for optical) or logratio (radar); ccdc (without an event).",
            show_default=False,
        ),
    ] = None,
    combine: Annotated[str, typer.Option(help="How orbits are joined: fisher or stouffer.")] = "fisher",
    alpha: Annotated[float, typer.Option(help="False discovery rate of the pixels called changed.")] = 0.05,
    despeckle: Annotated[
        str,
        typer.Option(
            help="Speckle filter of radar before the test: a method of despeckle for single dates (lee, frost, ...), or none."
        ),
    ] = "none",
    window: Annotated[int, typer.Option(help="Of the speckle filter, in pixels.")] = 7,
    enl: Annotated[float, typer.Option(help="Equivalent number of looks of the stack.")] = 4.4,
    pattern: Annotated[str | None, typer.Option(help="Regular expression with groups date, band, orbit.")] = None,
    one_geometry: Annotated[bool, typer.Option("--one-geometry", help="All dates share one orbit.")] = False,
) -> None:
    """Find what changed in a stack, leave COGs and a picture: in radar power (linear) or optical indices (NDVI, NDBI) at an
    event; or, without an event, the breaks of optical series and their dates."""
    with _readable_errors(context):
        from kararaster import change as test
        from kararaster import despeckle as filtered
        from kararaster import open_stack
        from kararaster.cli_summary import summarize_change
        from kararaster.speckle_filters import FILTERS

        # A test takes dates as independent: no filter over time.
        _check_choice("despeckle", despeckle, (*(name for name in FILTERS if not FILTERS[name].over_time), "none"))
        ds = open_stack(stack, pattern=pattern)
        by = None if one_geometry else "relative_orbit"
        if despeckle != "none":
            _require_radar(ds, despeckle)
            ds = filtered(ds, despeckle, window=window, enl=enl)  # type: ignore[arg-type]
        looks: dict[str, Any] = {"enl": enl} if method == "logratio" else {}
        result = test(
            ds, event=event, pre=pre, post=post, method=method, combine=combine, alpha=alpha,  # type: ignore[arg-type]
            by=by, **looks,
        )  # fmt: skip
        _write(result, output)
        summarize_change(ds, result, output, event=event, alpha=alpha)


@app.command()
def index(
    context: typer.Context,
    stack: Annotated[
        Path | None,
        typer.Argument(
            help="Sentinel-2 product, folder of dated GeoTIFFs, Zarr store or NetCDF file.", show_default=False
        ),
    ] = None,
    names: Annotated[
        list[str] | None, typer.Argument(help="Indices, such as NDVI NDBI; --list shows all.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the maps.", show_default=False)
    ] = None,
    formula: Annotated[
        list[str] | None, typer.Option(help="NAME=FORMULA, such as ratio=N/R; may be repeated.", show_default=False)
    ] = None,
    resolution: Annotated[int, typer.Option(help="Of the grid of a Sentinel-2 product, in metres: 10, 20 or 60.")] = 10,
    mask: Annotated[
        bool, typer.Option("--mask/--no-mask", help="Leave out clouds, shadows and snow, by the band scl.")
    ] = False,
    pattern: Annotated[str | None, typer.Option(help="Regular expression with groups date, band, orbit.")] = None,
    catalogue: Annotated[bool, typer.Option("--list", help="Print the catalogue and leave.")] = False,
) -> None:
    """Compute spectral indices by name or by formula; leave COGs."""
    with _readable_errors(context):
        from kararaster import index as computed
        from kararaster import mask_clouds
        from kararaster.cli_summary import print_means
        from kararaster.errors import InvalidInputError

        if catalogue:
            return _print_catalogue()
        if stack is None or output is None:
            raise InvalidInputError("index: want a STACK and -o FOLDER; kararaster index --list prints the catalogue")
        formulas = dict(map(_named_formula, formula or []))
        ds = _open(stack, resolution, pattern)
        result = computed(mask_clouds(ds) if mask else ds, *(names or []), formula=formulas)
        print_means(result, _write(result, output), output)


def main() -> None:
    """Entry point of the command `kararaster`."""
    app()


@contextmanager
def _readable_errors(context: typer.Context) -> Iterator[None]:
    """One red line and exit code 2 in place of a traceback, for the errors that say what to do."""
    from kararaster.errors import KararasterError

    try:
        yield
    except KararasterError as error:
        if context.obj:
            raise
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "bold red"), (str(error), "red")))
        raise typer.Exit(ERROR_EXIT) from None


def _check_choice(option: str, given: str, choices: tuple[str, ...]) -> None:
    from kararaster.errors import InvalidInputError

    if given not in choices:
        raise InvalidInputError(f"--{option}: got {given!r}, want one of {', '.join(choices)}")


def _require_radar(ds: xr.Dataset, despeckle: str) -> None:
    from kararaster.conventions import has_radar
    from kararaster.errors import InvalidInputError

    if not has_radar(ds):
        raise InvalidInputError(
            f"--despeckle: got {despeckle!r}, but only radar has speckle, and the stack has {sorted(map(str, ds.data_vars))}; "
            "leave it out"
        )


def _is_product(path: Path) -> bool:
    """Whether this looks like a Sentinel product; anything else is taken for a stack."""
    if path.suffix.lower() in (".safe", ".zip", ".xml"):
        return True
    return path.is_dir() and any((path / name).exists() for name in ("manifest.safe", "annotation", "GRANULE"))


def _open(path: Path, resolution: int, pattern: str | None) -> xr.Dataset:
    from kararaster import open_sentinel2, open_stack

    return open_sentinel2(path, resolution=resolution) if _is_product(path) else open_stack(path, pattern=pattern)


def _named_formula(given: str) -> tuple[str, str]:
    from kararaster.errors import InvalidInputError

    name, _, formula = (part.strip() for part in given.partition("="))
    if not name.isidentifier() or not formula:
        raise InvalidInputError(f"--formula: got {given!r}, want NAME=FORMULA such as 'ratio=N/R'")
    return name, formula


def _write(result: xr.Dataset, output: Path) -> list[Path]:
    from rich.progress import Progress

    from kararaster import to_cog

    with Progress() as progress:
        task = progress.add_task("chunks", total=None)
        return to_cog(result, output, progress=lambda done, total: progress.update(task, completed=done, total=total))


def _print_catalogue() -> None:
    from rich.console import Console
    from rich.table import Table

    from kararaster import index_catalog

    table = Table("name", "long name", "formula", "domain", title_justify="left")
    for row in index_catalog().to_dict("records"):
        table.add_row(row["name"], row["long_name"], row["formula"], row["domain"])
    Console().print(table)


def _product_table(product: Path) -> Table:
    from kararaster import open_sentinel1
    from kararaster.container import open_container

    container = open_container(product)
    if any("MTD_" in name for name in container.names()):
        return _sentinel2_table(product, container)
    return _sentinel1_table(open_sentinel1(product))


def _sentinel1_table(ds: xr.Dataset) -> Table:
    sizes = f"{ds.sizes['azimuth_time']} lines x {ds.sizes['ground_range']} pixels"
    spacing = f"{ds.attrs['pixel_spacing_azimuth']:.4g} m x {ds.attrs['pixel_spacing_range']:.4g} m"
    rows = {
        "product": ds.attrs["product"],
        "platform": _coordinate(ds, "platform"),
        "mode, type": f"{ds.attrs['instrument_mode']} {ds.attrs['product_type']}",
        "time (UTC)": f"{ds.attrs['start_time'][:19]} to {ds.attrs['stop_time'][:19]}",
        "orbit": f"relative {_coordinate(ds, 'relative_orbit')}, absolute {_coordinate(ds, 'absolute_orbit')}, "
        f"{_coordinate(ds, 'orbit_state')}",
        "datatake": _coordinate(ds, "datatake_id"),
        "polarisations": ", ".join(str(p).upper() for p in ds["polarization"].values),
        "size": f"{sizes}, {spacing}",
        "processor (IPF)": str(ds.attrs.get("ipf_version", "not stated")),
        "annotation": _annotation(ds),
    }
    return _two_columns(rows)


def _sentinel2_table(product: Path, container: Container) -> Table:
    from kararaster import open_sentinel2
    from kararaster.sentinel2.layout import locate

    layout = locate(container)
    ds = open_sentinel2(product, resolution=layout.finest(layout.images))
    files = (f"{band.name} ({', '.join(str(m) for m in sorted(layout.images[band]))} m)" for band in layout.images)
    offset = int(ds["boa_add_offset"].item())
    rows = {
        "product": ds.attrs["product"],
        "platform": ds["platform"].item(),
        "type, baseline": f"{ds.attrs['product_type']} ({ds.attrs['quantity'].replace('_', ' ')}), "
        f"{ds['processing_baseline'].item()}",
        "time (UTC)": str(ds["time"].values[0])[:19],
        "orbit": f"relative {ds.attrs['relative_orbit']}, {ds.attrs['orbit_state']}",
        "datatake": ds.attrs["datatake_id"],
        "tile": ds["mgrs_tile"].item(),
        "bands": ", ".join(files),
        "offset": f"{offset} to be added to the digital numbers; pixels and metadata: {ds.attrs['offset_check']}",
        "size": f"{ds.sizes['y']} x {ds.sizes['x']} pixels",
        "grid": _grid(ds),
    }
    return _two_columns(rows)


def _annotation(ds: xr.Dataset) -> str:
    """Sizes of the small tables: what calibration has to work with."""
    parts = [f"{str(dim).replace('_', ' ')} {size}" for dim, size in ds.sizes.items()
             if str(dim).startswith(("calibration", "noise", "geolocation", "orbit"))]  # fmt: skip
    missing = ds.attrs.get("missing_annotation")
    return ", ".join(parts) + (f"; missing: {missing}" if missing else "")


def _stack_table(ds: xr.Dataset) -> Table:
    times = ds["time"].values
    rows = {
        "dates": f"{times.size}, {str(times.min())[:19]} to {str(times.max())[:19]}",
        "relative orbits": _orbits(ds),
        "bands": ", ".join(f"{name} ({array.dtype})" for name, array in ds.data_vars.items()),
        "size": f"{ds.sizes['y']} x {ds.sizes['x']} pixels",
        "grid": _grid(ds),
    }
    return _two_columns(rows)


def _grid(ds: xr.Dataset) -> str:
    from kararaster.grids import geobox

    box, crs = geobox(ds), ds.odc.crs
    if crs is None:
        return "no reference system"
    system = f"EPSG:{crs.to_epsg()}" if crs.to_epsg() else crs.to_wkt()
    return f"{system}, not evenly spaced" if box is None else f"{system} at {abs(box.affine.a):g}"


def _orbits(ds: xr.Dataset) -> str:
    import numpy as np

    if "relative_orbit" not in ds:
        return "not stated"
    orbits, counts = np.unique(ds["relative_orbit"].values, return_counts=True)
    return ", ".join(f"{orbit} ({count} dates)" for orbit, count in zip(orbits, counts, strict=True))


def _coordinate(ds: xr.Dataset, name: str) -> str:
    return str(ds[name].values) if name in ds else "not stated"


def _two_columns(rows: dict[str, str]) -> Table:
    from rich.table import Table

    table = Table(show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, value in rows.items():
        table.add_row(label, value)
    return table
