"""The catalogue of spectral indices: what each is called, its formula, what it needs, who published it.

Formulas are in the band symbols of Awesome Spectral Indices; `BANDS` says which variable each symbol is. A range is that for
reflectance between 0 and 1; None where a pole makes the index unbounded (at the pole itself it is NaN).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kararaster import _kernels
from kararaster.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

BANDS = {
    "A": "coastal", "B": "blue", "G": "green", "R": "red", "RE1": "rededge1", "RE2": "rededge2", "RE3": "rededge3",
    "N": "nir", "N2": "nir08", "WV": "nir09", "S1": "swir16", "S2": "swir22",
    "VV": "vv", "VH": "vh", "HH": "hh", "HV": "hv",
}  # fmt: skip
"""Symbol in formulas -> name of the variable: the common name of STAC, or the polarisation."""
_NUMBERS = {
    "1": "coastal", "2": "blue", "3": "green", "4": "red", "5": "rededge1", "6": "rededge2", "7": "rededge3", "8": "nir",
    "8A": "nir08", "9": "nir09", "11": "swir16", "12": "swir22",
}  # fmt: skip
BAND_NUMBERS = {form.format(number): name for number, name in _NUMBERS.items() for form in ("B{}", "B{:0>2}")}
"""Band of Sentinel-2 (B8, B08, B8A) -> name of the variable: formulas take it as well."""


@dataclass(frozen=True)
class Definition:
    """One index, of the catalogue, of another one (`note` says which), or a formula somebody wrote (`written`)."""

    name: str
    long_name: str
    domain: str
    nominal_range: tuple[float, float] | None
    formula: str
    reference: str
    note: str = ""
    written: bool = False

    @classmethod
    def of_formula(cls, name: str, formula: str) -> Definition:
        """A formula somebody wrote, under the name they gave it."""
        return cls(name, name, "", None, formula, "", written=True)

    @property
    def variable(self) -> str:
        """What the result is called: lower case, hyphens as underscores; as written where somebody wrote it."""
        return self.name if self.written else self.name.lower().replace("-", "_")

    @property
    def bands(self) -> list[str]:
        """Names of the variables it is computed from."""
        return [BANDS.get(symbol, symbol) for symbol in _kernels.formula_symbols(self.formula)]

    def attributes(self, variables: Mapping[str, str]) -> dict[str, Any]:
        """Attributes of the result; the formula in names of `variables`, which are those of its symbols.

        The range is not called `valid_range`: CF software takes what lies outside that for missing, and an index of negative
        reflectance, which dark pixels have, lies outside and is meant.
        """
        found: dict[str, Any] = {
            "long_name": self.long_name,
            "units": "1",
            "formula": SYMBOL.sub(lambda symbol: variables.get(symbol[0], symbol[0]), self.formula),
        }
        if self.reference:
            found["references"] = self.reference
        if self.nominal_range:
            found["nominal_range"] = list(self.nominal_range)
        return found

    def history(self) -> str:
        """The line for the history of the result."""
        note = f" ({self.note})" if self.note else ""
        return f"index(formula={self.formula!r})" if self.written else f"index({self.name!r}){note}"


SYMBOL = re.compile(r"\b[A-Za-z_]\w*")
"""A name in a formula: a band, a constant or a function."""
_ND = (-1.0, 1.0)
_NDVI = "(N - R) / (N + R)"
_NDBI = "(S1 - N) / (S1 + N)"
_NDMI = "(N - S1) / (N + S1)"
_NDRE = "(N - RE1) / (N + RE1)"
_MNDWI = "(G - S1) / (G + S1)"
_SAVI = "1.5 * (N - R) / (N + R + 0.5)"
_MSAVI = "(2 * N + 1 - sqrt((2 * N + 1)**2 - 8 * (N - R))) / 2"
_MBI = "(S1 - S2 - N) / (S1 + S2 + N) + 0.5"
_IBI_HALF = f"({_SAVI} + {_MNDWI}) / 2"

# fmt: off
_TABLE = (
    Definition("NDVI", "normalized difference vegetation index", "vegetation", _ND,
               _NDVI, "Rouse et al. 1974, NASA SP-351"),
    Definition("GNDVI", "green normalized difference vegetation index", "vegetation", _ND,
               "(N - G) / (N + G)", "Gitelson et al. 1996, doi:10.1016/S0034-4257(96)00072-7"),
    Definition("EVI", "enhanced vegetation index", "vegetation", None,
               "2.5 * (N - R) / (N + 6 * R - 7.5 * B + 1)", "Huete et al. 1997, doi:10.1016/S0034-4257(96)00112-5"),
    Definition("EVI2", "two-band enhanced vegetation index", "vegetation", (-2.5 / 3.4, 1.25),
               "2.5 * (N - R) / (N + 2.4 * R + 1)", "Jiang et al. 2008, doi:10.1016/j.rse.2008.06.006"),
    Definition("SAVI", "soil-adjusted vegetation index, L = 0.5", "vegetation", _ND,
               _SAVI, "Huete 1988, doi:10.1016/0034-4257(88)90106-X"),
    Definition("OSAVI", "optimized soil-adjusted vegetation index", "vegetation", (-1 / 1.16, 1 / 1.16),
               "(N - R) / (N + R + 0.16)", "Rondeaux et al. 1996, doi:10.1016/0034-4257(95)00186-7"),
    Definition("MSAVI", "modified soil-adjusted vegetation index", "vegetation", _ND,
               _MSAVI, "Qi et al. 1994, doi:10.1016/0034-4257(94)90134-1"),
    Definition("MSAVI2", "modified soil-adjusted vegetation index (same as MSAVI)", "vegetation", _ND,
               _MSAVI, "Qi et al. 1994, doi:10.1016/0034-4257(94)90134-1"),
    Definition("ARVI", "atmospherically resistant vegetation index, gamma = 1", "vegetation", None,
               "(N - (2 * R - B)) / (N + (2 * R - B))",
               "Kaufman and Tanré 1992, doi:10.1109/36.134076"),
    Definition("NDRE", "normalized difference red edge index", "vegetation", _ND,
               _NDRE, "Gitelson and Merzlyak 1994, doi:10.1016/1011-1344(93)06963-4"),
    Definition("NDREI", "normalized difference red edge index (same as NDRE)", "vegetation", _ND,
               _NDRE, "Gitelson and Merzlyak 1994, doi:10.1016/1011-1344(93)06963-4"),
    Definition("CIRE", "chlorophyll index of the red edge", "vegetation", None,
               "N / RE1 - 1", "Gitelson et al. 2003, doi:10.1078/0176-1617-00887"),
    Definition("IRECI", "inverted red edge chlorophyll index", "vegetation", None,
               "(RE3 - R) / (RE1 / RE2)", "Frampton et al. 2013, doi:10.1016/j.isprsjprs.2013.04.007"),
    Definition("PSRI", "plant senescence reflectance index", "vegetation", None,
               "(R - B) / RE2", "Merzlyak et al. 1999, doi:10.1034/j.1399-3054.1999.106119.x"),
    Definition("NDMI", "normalized difference moisture index", "vegetation", _ND,
               _NDMI, "Wilson and Sader 2002, doi:10.1016/S0034-4257(01)00318-2"),
    Definition("NDII", "normalized difference infrared index (same as NDMI)", "vegetation", _ND,
               _NDMI, "Hardisky et al. 1983, Photogrammetric Engineering and Remote Sensing 49, 77-83"),
    Definition("MSI", "moisture stress index", "vegetation", None,
               "S1 / N", "Hunt and Rock 1989, doi:10.1016/0034-4257(89)90046-1"),
    Definition("NDWI", "normalized difference water index", "water", _ND,
               "(G - N) / (G + N)", "McFeeters 1996, doi:10.1080/01431169608948714"),
    Definition("MNDWI", "modified normalized difference water index", "water", _ND,
               _MNDWI, "Xu 2006, doi:10.1080/01431160600589179"),
    Definition("LSWI", "land surface water index (same as NDMI)", "water", _ND,
               _NDMI, "Xiao et al. 2004, doi:10.1016/j.rse.2003.11.008"),
    Definition("AWEInsh", "automated water extraction index, no shadow", "water", (-7.0, 4.0),
               "4 * (G - S1) - (0.25 * N + 2.75 * S2)", "Feyisa et al. 2014, doi:10.1016/j.rse.2013.08.029"),
    Definition("AWEIsh", "automated water extraction index, shadow", "water", (-3.25, 3.5),
               "B + 2.5 * G - 1.5 * (N + S1) - 0.25 * S2", "Feyisa et al. 2014, doi:10.1016/j.rse.2013.08.029"),
    Definition("NDCI", "normalized difference chlorophyll index", "water", _ND,
               "(RE1 - R) / (RE1 + R)", "Mishra and Mishra 2012, doi:10.1016/j.rse.2011.10.016"),
    Definition("NDTI", "normalized difference turbidity index", "water", _ND,
               "(R - G) / (R + G)", "Lacaux et al. 2007, doi:10.1016/j.rse.2006.07.012"),
    Definition("NDSI", "normalized difference snow index (same as MNDWI)", "snow", _ND,
               _MNDWI, "Riggs et al. 1994, doi:10.1109/IGARSS.1994.399618"),
    Definition("NBR", "normalized burn ratio", "burn", _ND,
               "(N - S2) / (N + S2)", "USGS Open-File Report 02-11, doi:10.3133/ofr0211"),
    Definition("NBR2", "normalized burn ratio 2", "burn", _ND,
               "(S1 - S2) / (S1 + S2)", "USGS, Landsat Normalized Burn Ratio 2"),
    Definition("BAIS2", "burned area index for Sentinel-2", "burn", None,
               "(1 - sqrt(RE2 * RE3 * N2 / R)) * ((S2 - N2) / sqrt(S2 + N2) + 1)",
               "Filipponi 2018, doi:10.3390/ecrs-2-05177"),
    Definition("BSI", "bare soil index", "soil", _ND,
               "((S1 + R) - (N + B)) / ((S1 + R) + (N + B))", "Rikimaru et al. 2002, Tropical Ecology 43, 39-47"),
    Definition("DBSI", "dry bare soil index", "soil", (-2.0, 2.0),
               f"(S1 - G) / (S1 + G) - {_NDVI}", "Rasul et al. 2018, doi:10.3390/land7030081"),
    Definition("MBI", "modified bare soil index", "soil", (-0.5, 1.5),
               _MBI, "Nguyen et al. 2021, doi:10.3390/land10030231"),
    Definition("EMBI", "enhanced modified bare soil index", "soil", _ND,
               f"({_MBI} - {_MNDWI} - 0.5) / ({_MBI} + {_MNDWI} + 1.5)",
               "Zhao and Zhu 2022, doi:10.1016/j.jag.2022.102703"),
    Definition("NDBI", "normalized difference built-up index", "built-up", _ND,
               _NDBI, "Zha et al. 2003, doi:10.1080/01431160304987"),
    Definition("UI", "urban index", "built-up", _ND,
               "(S2 - N) / (S2 + N)", "Kawamura et al. 1996, ISPRS Archives XXXI-B7, 321"),
    Definition("BUI", "built-up index", "built-up", (-2.0, 2.0),
               f"{_NDBI} - {_NDVI}", "He et al. 2010, doi:10.1080/01431161.2010.481681†"),
    Definition("IBI", "index-based built-up index, L = 0.5", "built-up", None,
               f"({_NDBI} - {_IBI_HALF}) / ({_NDBI} + {_IBI_HALF})", "Xu 2008, doi:10.1080/01431160802039957"),
    Definition("NBI", "new built-up index", "built-up", None,
               "R * S1 / N", "Chen et al. 2010, doi:10.1109/GEOINFORMATICS.2010.5567823†"),
    Definition("BAEI", "built-up area extraction index", "built-up", None,
               "(R + 0.3) / (G + S1)", "Bouzekri et al. 2015, doi:10.1007/s12524-015-0460-6†"),
    Definition("BRBA", "band ratio for built-up area", "built-up", None,
               "R / S1", "Waqar et al. 2012, Open Access Scientific Reports 1, 136"),
    Definition("NBAI", "normalized built-up area index", "built-up", None,
               "(S2 - S1 / G) / (S2 + S1 / G)", "Waqar et al. 2012, Open Access Scientific Reports 1, 136"),
    Definition("BLFEI", "built-up land features extraction index", "built-up", _ND,
               "((G + R + S2) / 3 - S1) / ((G + R + S2) / 3 + S1)",
               "Bouhennache et al. 2019, doi:10.1080/10106049.2018.1497094"),
    Definition("VIBI", "vegetation index built-up index", "built-up", None,
               f"({_NDVI}) / ({_NDVI} + {_NDBI})", "Stathakis et al. 2012, doi:10.1080/01431161.2012.687842"),
    Definition("PISI", "perpendicular impervious surface index", "built-up", (0.075 - 0.5735, 0.075 + 0.8192),
               "0.8192 * B - 0.5735 * N + 0.075", "Tian et al. 2018, doi:10.3390/rs10101521"),
    Definition("VgNIR-BI", "visible green based built-up index", "built-up", _ND,
               "(G - N) / (G + N)", "Estoque and Murayama 2015, doi:10.1016/j.ecolind.2015.03.037"),
    Definition("VrNIR-BI", "visible red based built-up index", "built-up", _ND,
               "(R - N) / (R + N)", "Estoque and Murayama 2015, doi:10.1016/j.ecolind.2015.03.037"),
)
"""† marks a DOI that was not confirmed."""
# fmt: on

THERMAL = ("NDBaI", "NBLI", "NDISI", "EBBI", "DBI", "NBUI")
"""Known, and not computable from Sentinel-2."""
NEEDS_THERMAL = "needs a thermal band (TIR), Sentinel-2 has none"


def key(name: str) -> str:
    """What two spellings of a name share: case, hyphens, underscores and blanks do not count."""
    return re.sub(r"[-_\s]", "", name).lower()


def names() -> list[str]:
    """Names of the catalogue, in its order."""
    return [definition.name for definition in _TABLE]


def find(name: str) -> Definition | None:
    """The index called `name`, or None; refused where it is known and needs what Sentinel-2 has not."""
    if key(name) in map(key, THERMAL):
        raise InvalidInputError(f"names: {name} {NEEDS_THERMAL}")
    return _BY_KEY.get(key(name))


_BY_KEY = {key(definition.name): definition for definition in _TABLE}


def index_catalog() -> pd.DataFrame:
    """Table of the spectral indices that `index` computes without another package.

    Returns
    -------
    DataFrame, one row an index, with the columns `name`, `long_name`, `formula` (in band symbols: A B G R RE1 RE2 RE3 N N2 WV
    S1 S2), `bands` (list of variables it needs, as STAC calls them), `range` (for reflectance between 0 and 1; None where a
    pole makes the index unbounded), `domain` (vegetation, water, snow, burn, soil, built-up) and `reference` (a DOI with †
    was not confirmed). Where the package spyndex is installed, `index` takes the names of its catalogue as well.

    Raises
    ------
    Nothing.

    Examples
    --------
    >>> import kararaster as kr
    >>> table = kr.index_catalog().set_index("name")
    >>> table.loc["NDBI", "formula"], table.loc["NDBI", "bands"]
    ('(S1 - N) / (S1 + N)', ['swir16', 'nir'])
    """
    import pandas as pd  # noqa: PLC0415 (xarray has it; takes long to import)

    columns = ["name", "long_name", "formula", "bands", "nominal_range", "domain", "reference"]
    table = pd.DataFrame([[getattr(row, column) for column in columns] for row in _TABLE], columns=columns)
    return table.rename(columns={"nominal_range": "range"})
