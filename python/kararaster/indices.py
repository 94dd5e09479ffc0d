"""Spectral indices by name or by formula: scale, offset and nodata applied in the same pass, several at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from kararaster import blocks, catalog, conventions, spelling, spyndex_catalog
from kararaster.catalog import Definition
from kararaster.errors import (
    FormulaError,
    GeometryError,
    InvalidInputError,
    InvalidTypeError,
    MissingVariableError,
    UnitsError,
)
from kararaster.formulas import Program, depends_on_scale, require_readable, symbols_of
from kararaster.optical import readable, scaled, scaling_of

_OF_THE_BANDS = ("boa_add_offset", "boa_offset_applied")
"""Coordinates that speak of digital numbers: an index has none."""
_BRIGHTEST = 2.0
"""Reflectance that next to nothing on the ground exceeds: snow and glitter may, most of a picture does not."""


def index(
    ds: xr.Dataset,
    *names: str,
    formula: str | Mapping[str, str] | None = None,
    valid_reflectance: tuple[float, float] | None = None,
) -> xr.Dataset:
    """Spectral indices, by name or by formula, all in one pass over the bands, lazily.

    Bands may be undecoded integers: `scale_factor`, `add_offset`, `_FillValue` and `saturated_value` in their attributes are
    applied in the same pass.

    Parameters
    ----------
    ds : Dataset
        Optical bands named as in STAC (`blue`, `green`, `red`, `nir`, `swir16` ...), any shape, all on one grid; uint8, uint16,
        int16, float32 or float64 (others are converted). Indices with constants added, such as SAVI, want reflectance 0 to 1.
    *names : str
        Names from `index_catalog`, such as "NDVI", "VgNIR-BI"; case, hyphens and underscores do not count. Where the package
        spyndex is installed, names of its catalogue that ours lacks, with its default constants (see `history`).
    formula : str, or mapping of str to str
        One formula (the variable is called `index`), or {variable: formula}. Numbers, `+ - * / **`, brackets and the functions
        `sqrt abs min max exp ln log10` of band symbols (N, R, S1 ...: see `index_catalog`), of names of variables (nir, red,
        swir16, vv ...) or of band numbers of Sentinel-2 (B8, B08, B8A ...).
    valid_reflectance : (low, high), optional
        Pixels with a band outside are NaN; the default, None, takes any reflectance, negative as well.

    Returns
    -------
    Dataset, one float32 variable an index, named in lower case (`ndvi`, `vgnir_bi`), units "1", dims of the bands, with the
    attributes `long_name`, `formula`, `references` and, where bounded, `nominal_range`: that for reflectance 0 to 1. It is not
    called `valid_range` because CF software masks what lies outside that, and negative reflectance gives values outside.
    Computed in float64, never clipped. NaN where a band that the index uses is NaN or nodata and where a denominator is 0.

    Raises
    ------
    InvalidInputError
        No such index (the message has the nearest names), a thermal one, two of one name, a name that a dimension or coordinate
        has, none at all, a bad range, attributes that are no scale.
    FormulaError
        The formula is no formula, or uses no band; the message points at the character and has the nearest name.
    MissingVariableError
        A band is not there.
    GeometryError
        The bands differ in shape.
    UnitsError
        One band is decoded and another is not (one has scale attributes, or is an integer). Integers without a scale, or floats
        in memory most of which are above 2, and an index by name that is not the same for digital numbers (EVI, SAVI, NBI ...).

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> ds = xr.Dataset({"nir": ("x", np.float32([0.35])), "red": ("x", np.float32([0.06]))})
    >>> kr.index(ds, "NDVI", formula={"difference": "N - R"}).to_array().values.round(6)
    array([[0.707317],
           [0.29    ]], dtype=float32)
    """
    conventions.require_dataset(ds)
    definitions = _definitions(names, formula)
    _require_free([definition.variable for definition in definitions], ds)
    formulas = tuple(definition.formula for definition in definitions)
    valid = _valid(valid_reflectance)
    bands = _bands(ds, definitions, valid)
    _require_alike(list(bands.values()))
    _require_scale(list(bands.values()), definitions[: len(names)])
    program = Program(tuple(bands), formulas, tuple(map(scaling_of, bands.values())), valid)
    arrays = [readable(band).data for band in bands.values()]
    results = blocks.elementwise_several(program, *arrays, dtypes=[np.float32] * len(formulas))
    first = next(iter(bands.values())).drop_vars(_OF_THE_BANDS, errors="ignore")
    variables = {symbol: str(band.name) for symbol, band in bands.items()}
    return xr.Dataset({
        definition.variable: _described(xr.DataArray(data, first.coords, first.dims), definition, variables)
        for definition, data in zip(definitions, results, strict=True)
    })  # fmt: skip


def ndvi(ds: xr.Dataset) -> xr.DataArray:
    """Normalized difference vegetation index, ``(nir - red) / (nir + red)``, lazily.

    Rouse et al. 1974 (NASA SP-351). The variable `ndvi` of `index(ds, "NDVI")`.

    Parameters
    ----------
    ds : Dataset
        Bands `nir` and `red`; dtypes and attributes as for `index`.

    Returns
    -------
    DataArray, float32, units "1", in [-1, 1] for non-negative reflectance. NaN where a band is NaN or nodata and where the
    denominator is 0; computed in float64.

    Raises
    ------
    MissingVariableError, GeometryError, UnitsError
        As for `index`.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> ds = xr.Dataset({"nir": ("x", np.float32([0.35])), "red": ("x", np.float32([0.06]))})
    >>> kr.ndvi(ds).values.round(6)
    array([0.707317], dtype=float32)
    """
    return index(ds, "NDVI")["ndvi"]


def ndbi(ds: xr.Dataset) -> xr.DataArray:
    """Normalized difference built-up index, ``(swir16 - nir) / (swir16 + nir)``, lazily.

    Zha, Gao and Ni 2003 (doi 10.1080/01431160304987). The variable `ndbi` of `index(ds, "NDBI")`.

    Parameters
    ----------
    ds : Dataset
        Bands `swir16` and `nir`; dtypes and attributes as for `index`.

    Returns
    -------
    DataArray as from `ndvi`, with the same rule for NaN and nodata.

    Raises
    ------
    MissingVariableError, GeometryError, UnitsError
        As for `index`.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> ds = xr.Dataset({"nir": ("x", np.float32([0.35])), "swir16": ("x", np.float32([0.20]))})
    >>> kr.ndbi(ds).values.round(6)
    array([-0.272727], dtype=float32)
    """
    return index(ds, "NDBI")["ndbi"]


def bui(ds: xr.Dataset) -> xr.DataArray:
    """Built-up index, NDBI - NDVI, lazily.

    He et al. 2010 (doi 10.1080/01431161.2010.481681, not confirmed). The variable `bui` of `index(ds, "BUI")`.

    Parameters
    ----------
    ds : Dataset
        Bands `red`, `nir` and `swir16`; dtypes and attributes as for `index`.

    Returns
    -------
    DataArray, float32, units "1", in [-2, 2] for non-negative reflectance; high where built-up, low where green. The rule for
    NaN and nodata is that of `ndvi`.

    Raises
    ------
    MissingVariableError, GeometryError, UnitsError
        As for `index`.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> bands = {"red": 0.06, "nir": 0.35, "swir16": 0.20}
    >>> kr.bui(xr.Dataset({name: ("x", np.float32([value])) for name, value in bands.items()})).values.round(6)
    array([-0.980044], dtype=float32)
    """
    return index(ds, "BUI")["bui"]


def ibi(ds: xr.Dataset) -> xr.DataArray:
    """Index-based built-up index, NDBI against the mean of SAVI (L = 0.5) and MNDWI, lazily.

    ``(NDBI - (SAVI + MNDWI) / 2) / (NDBI + (SAVI + MNDWI) / 2)``; Xu 2008 (doi 10.1080/01431160802039957). The variable `ibi`
    of `index(ds, "IBI")`.

    Parameters
    ----------
    ds : Dataset
        Bands `green`, `red`, `nir` and `swir16`, reflectance 0 to 1 after scaling; dtypes and attributes as for `index`.

    Returns
    -------
    DataArray, float32, units "1". Unbounded: the denominator changes sign where NDBI = -(SAVI + MNDWI) / 2, and is NaN there.
    The rule for NaN and nodata is that of `ndvi`.

    Raises
    ------
    MissingVariableError, GeometryError, UnitsError
        As for `index`.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> bands = {"green": 0.08, "red": 0.06, "nir": 0.35, "swir16": 0.20}
    >>> kr.ibi(xr.Dataset({name: ("x", np.float64([value])) for name, value in bands.items()})).values.round(4)
    array([1.1994], dtype=float32)
    """
    return index(ds, "IBI")["ibi"]


def ui(ds: xr.Dataset) -> xr.DataArray:
    """Urban index, ``(swir22 - nir) / (swir22 + nir)``, lazily.

    Kawamura, Jayamana and Tsujiko 1996 (ISPRS Archives XXXI-B7), without the stretch to 0 ... 200 of the original. The variable
    `ui` of `index(ds, "UI")`.

    Parameters
    ----------
    ds : Dataset
        Bands `swir22` and `nir`; dtypes and attributes as for `index`.

    Returns
    -------
    DataArray as from `ndvi`, with the same rule for NaN and nodata.

    Raises
    ------
    MissingVariableError, GeometryError, UnitsError
        As for `index`.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> ds = xr.Dataset({"nir": ("x", np.float32([0.35])), "swir22": ("x", np.float32([0.12]))})
    >>> kr.ui(ds).values.round(6)
    array([-0.489362], dtype=float32)
    """
    return index(ds, "UI")["ui"]


def _definitions(names: tuple[str, ...], formula: str | Mapping[str, str] | None) -> list[Definition]:
    """What is asked for, each under a variable name of its own."""
    definitions = [*map(_by_name, names), *_own_formulas(formula)]
    if not definitions:
        raise InvalidInputError(
            "names: got none, want names of indices such as 'NDVI', or a formula such as '(N - R) / (N + R)'"
        )
    variables = [definition.variable for definition in definitions]
    twice = sorted({variable for variable in variables if variables.count(variable) > 1})
    if twice:
        raise InvalidInputError(
            f"names: {twice[0]!r} would be there twice; ask for it once, or give the formula another name"
        )
    return definitions


def _require_free(variables: list[str], ds: xr.Dataset) -> None:
    """Refuse names that would not become variables: xarray makes a coordinate of what is called like a dimension."""
    taken = [variable for variable in variables if not variable or variable in {*ds.dims, *ds.coords}]
    if taken:
        raise InvalidInputError(
            f"formula: got the name {taken[0]!r}, want one that is no dimension and no coordinate of the Dataset "
            f"({', '.join(sorted(map(str, {*ds.dims, *ds.coords})))}); choose another"
        )


def _by_name(name: str) -> Definition:
    """From the catalogue, else from spyndex: where both have a name the catalogue wins (its formulas were checked)."""
    if not isinstance(name, str):
        raise InvalidTypeError(f"names: got {name!r}, want names of indices such as 'NDVI'")
    definition = catalog.find(name) or spyndex_catalog.find(name)
    if definition is not None:
        return definition
    hint = _nearest_indices(name) or "kararaster.index_catalog() shows which there are"
    raise InvalidInputError(f"names: there is no index {name!r}; {hint}")


def _nearest_indices(name: str) -> str:
    """Question after the names nearest to `name`, those of the catalogue first."""
    own = {catalog.key(known): known for known in catalog.names()}
    borrowed = {catalog.key(known): known for known in spyndex_catalog.names() if catalog.key(known) not in own}
    near = [" or ".join(known[key] for key in spelling.nearest(catalog.key(name), known)) for known in (own, borrowed)]
    if near[1]:
        near[1] += " of spyndex"
    return f"did you mean {', or '.join(filter(None, near))}?" if any(near) else ""


def _own_formulas(formula: str | Mapping[str, str] | None) -> list[Definition]:
    if formula is None:
        return []
    named = {"index": formula} if isinstance(formula, str) else formula
    if not isinstance(named, Mapping) or not all(isinstance(text, str) for pair in named.items() for text in pair):
        raise InvalidTypeError(f"formula: got {formula!r}, want text, or a mapping of variable names to text")
    return [Definition.of_formula(name, text) for name, text in named.items()]


def _valid(given: tuple[float, float] | None) -> tuple[float, float] | None:
    if given is None:
        return None
    try:
        low, high = map(float, given)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        raise InvalidInputError(f"valid_reflectance: got {given!r}, want (low, high) such as (0, 1)")
    return low, high


def _bands(ds: xr.Dataset, definitions: list[Definition], valid: tuple[float, float] | None) -> dict[str, xr.DataArray]:
    """Symbol in the formulas -> band. All that can be wrong with the formulas is found here, before anything is computed."""
    users: dict[str, list[str]] = {}
    for definition in definitions:
        symbols = symbols_of(definition.formula)
        if not symbols:
            raise FormulaError(f"formula: {definition.formula!r} uses no band, so it is the same number everywhere")
        for symbol in symbols:
            users.setdefault(symbol, []).append(definition.name)
    variables = {symbol: _variable(symbol, ds) for symbol in users}
    known = {symbol: name for symbol, name in variables.items() if name in {*ds.data_vars, *catalog.BANDS.values()}}
    formulas = tuple(definition.formula for definition in definitions)
    require_readable(formulas, tuple(dict.fromkeys((*_offered(ds), *known))), valid)
    missing = {symbol: name for symbol, name in known.items() if name not in ds}
    if missing:
        needed = "; ".join(f"{name!r} ({symbol}) for {', '.join(users[symbol])}" for symbol, name in missing.items())
        raise MissingVariableError(
            f"index: the Dataset lacks {needed}; it has {sorted(map(str, ds.data_vars))} (names as in STAC: red is B4, nir is "
            f"B8, nir08 is B8A, swir16 is B11, swir22 is B12){_substitute(set(missing.values()), ds)}"
        )
    return {symbol: ds[name] for symbol, name in known.items()}


def _offered(ds: xr.Dataset) -> list[str]:
    """What a formula can name in `ds`: symbols of its bands, then its variables."""
    symbols = [symbol for symbol, name in catalog.BANDS.items() if name in ds]
    return symbols + [name for name in map(str, ds.data_vars) if name.isidentifier()]


def _variable(symbol: str, ds: xr.Dataset) -> str:
    """The variable of a symbol; a band number is that band unless `ds` has a variable of that very name."""
    name = catalog.BANDS.get(symbol, symbol)
    return name if name in ds else catalog.BAND_NUMBERS.get(symbol, name)


def _substitute(missing: set[str], ds: xr.Dataset) -> str:
    """The way out at 20 and 60 m, where products have B8A alone."""
    if "nir" not in missing or "nir08" not in ds:
        return ""
    return "; nir08 (B8A, the narrower band) can stand for nir: ds.rename(nir08='nir'), or a formula with N2 for N"


def _require_alike(bands: list[xr.DataArray]) -> None:
    """All on one grid, and all decoded or none."""
    first, *others = bands
    for band in others:
        if band.dims != first.dims or band.shape != first.shape:
            raise GeometryError(
                f"index: {first.name} is {dict(first.sizes)} and {band.name} is {dict(band.sizes)}; resample them to one "
                "grid first"
            )
        if scaled(band) != scaled(first):
            raise UnitsError(f"index: only one of {first.name} and {band.name} has a scale_factor; decode all or none")
        if (band.dtype.kind == "f") != (first.dtype.kind == "f"):
            raise UnitsError(f"index: {first.name} is {first.dtype}, {band.name} is {band.dtype}; decode all or none")


def _require_scale(bands: list[xr.DataArray], named: list[Definition]) -> None:
    """Refuse numbers of unknown scale where the index of them is not that of reflectance; own formulas are taken as meant."""
    unscaled = next((band for band in bands if _digital_numbers(band)), None)
    if unscaled is None:
        return
    wanting = [definition.name for definition in named if depends_on_scale(definition.formula)]
    if wanting:
        are = "most values are above 2" if unscaled.dtype.kind == "f" else f"is {unscaled.dtype} without scale_factor"
        raise UnitsError(
            f"index: {', '.join(wanting)} of digital numbers is not that of reflectance, and {unscaled.name}: {are}; set "
            "attrs['scale_factor'] (0.0001 for Sentinel-2) and attrs['add_offset'] of each band"
        )


def _digital_numbers(band: xr.DataArray) -> bool:
    """Whether these are numbers of unknown scale: integers, or floats nine tenths of which no reflectance can be."""
    if scaled(band):
        return False
    return band.dtype.kind != "f" or conventions.mostly(band, lambda sample: sample > _BRIGHTEST)


def _described(array: xr.DataArray, definition: Definition, variables: Mapping[str, str]) -> xr.DataArray:
    array.attrs = conventions.attributes(definition.variable, **definition.attributes(variables))
    return conventions.add_history(array, definition.history())
