"""The catalogue: golden values, agreement with spyndex, ranges, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import kararaster as kr
from kararaster import catalog, errors, spelling, spyndex_catalog
from kararaster.conventions import POLARIZATIONS
from kararaster.optical import OPTICAL_BANDS

REFLECTANCE = {
    "B": 0.05, "G": 0.08, "R": 0.06, "RE1": 0.12, "RE2": 0.25, "RE3": 0.30, "N": 0.35, "N2": 0.36, "S1": 0.20, "S2": 0.12,
}  # fmt: skip
GOLDEN = {
    "NDVI": 0.7073170731707317,
    "EVI": 0.5430711610486891,
    "EVI2": 0.48527443105756357,
    "SAVI": 0.478021978021978,
    "OSAVI": 0.5087719298245614,
    "MSAVI": 0.4725082782364625,
    "MSAVI2": 0.4725082782364625,
    "NDRE": 0.48936170212765956,
    "NDREI": 0.48936170212765956,
    "NDWI": -0.6279069767441859,
    "MNDWI": -0.42857142857142855,
    "NDSI": -0.42857142857142855,
    "NDMI": 0.27272727272727265,
    "NDII": 0.27272727272727265,
    "LSWI": 0.27272727272727265,
    "NBR": 0.48936170212765956,
    "NBR2": 0.25000000000000006,
    "BAIS2": 0.21514844600873265,
    "BSI": -0.21212121212121207,
    "NDBI": -0.27272727272727265,
    "UI": -0.48936170212765956,
    "BUI": -0.9800443458980044,
    "IBI": 1.1993957703927491,
    "NBI": 0.03428571428571429,
    "BAEI": 1.2857142857142856,
    "BRBA": 0.3,
    "NBAI": -0.9083969465648855,
    "BLFEI": -0.39534883720930236,
    "VIBI": 1.6275510204081631,
    "PISI": -0.084765,
    "VgNIR-BI": -0.6279069767441859,
    "VrNIR-BI": -0.7073170731707317,
    "MBI": 0.09701492537313433,
    "EMBI": 0.021897810218978082,
    "DBSI": -0.2787456445993031,
    "PSRI": 0.03999999999999998,
    "AWEInsh": -0.8975,
    "AWEIsh": -0.6050000000000001,
    # by hand, from fractions
    "GNDVI": 27 / 43,
    "ARVI": 28 / 42,
    "CIRE": 23 / 12,
    "IRECI": 0.5,
    "MSI": 4 / 7,
    "NDCI": 1 / 3,
    "NDTI": -1 / 7,
}
CONSTANTS = {"SAVI": {"L": 0.5}, "IBI": {"L": 0.5}}
"""Where the default of spyndex (L = 1 for all) is not that of the paper."""
ELSEWHERE = {
    "BSI": "BI",
    "NDRE": "NDREI",
    "VgNIR-BI": "VgNIRBI",
    "VrNIR-BI": "VrNIRBI",
    "MSAVI2": "MSAVI",
    "ARVI": "IAVI",
}
"""Names of the same formula in spyndex. Its ARVI has red minus blue where the paper has blue minus red, as its IAVI has."""


def one_pixel() -> xr.Dataset:
    return xr.Dataset({catalog.BANDS[symbol]: ("x", np.array([value])) for symbol, value in REFLECTANCE.items()})


def reflectance(size: int = 4000, low: float = 0.005, high: float = 0.7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(33)
    return {symbol: rng.uniform(low, high, size) for symbol in catalog.BANDS}


def scene(bands: dict[str, np.ndarray]) -> xr.Dataset:
    return xr.Dataset({catalog.BANDS[symbol]: ("x", values) for symbol, values in bands.items()})


def by_spyndex(name: str, bands: dict[str, np.ndarray], constants: dict[str, float]) -> np.ndarray:
    """What spyndex computes with its own evaluator; infinity as NaN."""
    spyndex = pytest.importorskip("spyndex")
    values = {symbol: spyndex.constants[symbol].default for symbol in spyndex.constants}
    for symbol in values:
        if symbol.startswith("lambda"):
            values[symbol] = spyndex.bands[symbol.removeprefix("lambda")].sentinel2a.wavelength
    needed = {**values, **bands, **constants}
    with np.errstate(all="ignore"):
        result = spyndex.computeIndex(name, {symbol: needed[symbol] for symbol in spyndex.indices[name].bands})
    return np.where(np.isfinite(result), result, np.nan)


def spyndex_names() -> list[str]:
    return [name for name in spyndex_catalog.names() if not name.startswith("k")]


def test_every_index_has_its_golden_value() -> None:
    assert set(GOLDEN) == set(kr.index_catalog()["name"])
    got = kr.index(one_pixel(), *GOLDEN)
    for name, value in GOLDEN.items():
        variable = name.lower().replace("-", "_")
        assert got[variable].dtype == np.float32
        np.testing.assert_allclose(got[variable].values, value, rtol=6e-8, err_msg=name)


def test_the_catalogue_agrees_with_spyndex_but_for_its_known_error() -> None:
    spyndex = pytest.importorskip("spyndex")
    bands = reflectance()
    got = kr.index(scene(bands), *catalog.names())
    compared = 0
    for name in catalog.names():
        other = ELSEWHERE.get(name, name)
        if other not in spyndex.indices:
            continue
        compared += 1
        want = by_spyndex(other, bands, CONSTANTS.get(name, {}))
        if name == "AWEInsh":
            want = want - 5.5 * bands["S2"]  # it has + 2.75 S2, the paper - 2.75 S2
        np.testing.assert_allclose(got[name.lower().replace("-", "_")], want, rtol=1e-6, atol=1e-7, err_msg=name)
    assert compared == len(catalog.names()) - 3
    assert not {"NBI", "BUI", "BAEI"} & set(spyndex.indices)


def test_every_index_of_spyndex_runs_or_says_what_it_needs() -> None:
    pytest.importorskip("spyndex")
    bands = reflectance()
    runs, refused = [], {}
    for name in spyndex_names():
        try:
            if spyndex_catalog.find(name) is not None:
                runs.append(name)
        except errors.InvalidInputError as error:
            refused[name] = str(error)
    borrowed = [name for name in runs if catalog.key(name) not in map(catalog.key, catalog.names())]
    assert len(borrowed) > 150
    twins = [name for name in borrowed if name.lower() in {other.lower() for other in borrowed if other < name}]
    assert twins == ["BaI", "mSR705"]  # of BAI and MSR705: they would be one variable
    for names in (sorted(set(borrowed) - set(twins)), twins):
        got = kr.index(scene(bands), *names)
        for name in names:
            want = by_spyndex(name, bands, {})
            np.testing.assert_allclose(got[name.lower()], want, rtol=1e-6, atol=1e-7, err_msg=name)
    assert {name for name, why in refused.items() if "thermal" in why} >= {"NBLIOLI", "CSIT", "NDISIb", "NDVIT"}
    assert "PAR" in refused["NIRvP"]
    assert "G1" in refused["CCI"]


def test_constants_of_spyndex_are_in_the_history_and_in_the_formula() -> None:
    pytest.importorskip("spyndex")
    got = kr.index(one_pixel(), "WDRVI", "CRSWIR")
    assert "alpha = 0.1" in got["wdrvi"].attrs["history"]
    assert got["wdrvi"].attrs["formula"] == "(0.1*nir-red)/(0.1*nir+red)"
    assert "lambdaS1 = 1613.7" in got["crswir"].attrs["history"]


def test_radar_indices_of_spyndex_take_the_polarisations() -> None:
    pytest.importorskip("spyndex")
    ds = xr.Dataset({"vv": ("x", np.array([0.3])), "vh": ("x", np.array([0.1]))})
    np.testing.assert_allclose(kr.index(ds, "NDPolI")["ndpoli"], 0.5, rtol=6e-8)


def test_ranges_hold_for_reflectance_between_0_and_1() -> None:
    table = kr.index_catalog()
    rng = np.random.default_rng(5)
    bands = {s: np.concatenate([rng.random(20000), rng.integers(0, 2, 5000).astype(float)]) for s in REFLECTANCE}
    got = kr.index(scene(bands), *table["name"])
    for name, bounds in zip(table["name"], table["range"], strict=True):
        values = got[name.lower().replace("-", "_")].values
        if bounds is None:
            assert "nominal_range" not in got[name.lower()].attrs
            continue
        low, high = np.float32(bounds)
        assert np.nanmin(values) >= low, name
        assert np.nanmax(values) <= high, name
        # the range is that of the index and not wider: the corners of the cube of bands reach it
        assert np.nanmin(values) == pytest.approx(low, abs=1e-6), name
        assert np.nanmax(values) == pytest.approx(high, abs=1e-6), name


def test_names_may_be_written_in_any_way() -> None:
    ds = one_pixel()
    want = kr.index(ds, "VgNIR-BI")
    for name in ("vgnirbi", "VGNIR_BI", "vgnir-bi"):
        xr.testing.assert_identical(kr.index(ds, name), want)
    assert list(want.data_vars) == ["vgnir_bi"]


@pytest.mark.parametrize("name", ["NDBaI", "NBLI", "NDISI", "EBBI", "DBI", "NBUI", "ndbai"])
def test_thermal_indices_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=r"thermal band \(TIR\), Sentinel-2 has none"):
        kr.index(one_pixel(), name)


def test_kernel_indices_are_refused_with_the_reason() -> None:
    pytest.importorskip("spyndex")
    with pytest.raises(errors.InvalidInputError, match="kernels of band pairs"):
        kr.index(one_pixel(), "kNDVI")


def test_names_that_differ_by_case_must_be_exact() -> None:
    pytest.importorskip("spyndex")
    with pytest.raises(errors.InvalidInputError, match=r"BAI.*BaI"):
        kr.index(one_pixel(), "bai")
    ds = one_pixel()
    np.testing.assert_allclose(kr.index(ds, "BaI")["bai"], 0.06 + 0.20 - 0.35, rtol=1e-6)
    np.testing.assert_allclose(kr.index(ds, "BAI")["bai"], 1 / (0.04**2 + 0.29**2), rtol=1e-6)


def test_without_spyndex_its_names_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spyndex_catalog, "_spyndex", lambda: None)
    with pytest.raises(errors.InvalidInputError, match="no index 'WDRVI'"):
        kr.index(one_pixel(), "WDRVI")
    assert float(kr.index(one_pixel(), "NDVI")["ndvi"].values[0]) > 0.7


@pytest.mark.parametrize(
    ("written", "near"),
    [("NVDI", "NDVI"), ("NDIV", "NDVI or NDII"), ("SAVI1", "SAVI"), ("vgnirby", "VgNIR-BI"), ("ND", "")],
)
def test_the_nearest_names_of_the_catalogue_are_asked_for(
    written: str, near: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spyndex_catalog, "_spyndex", lambda: None)
    asks = f"did you mean {near}?" if near else "kararaster.index_catalog() shows which there are"
    with pytest.raises(errors.InvalidInputError) as caught:
        kr.index(one_pixel(), written)
    assert str(caught.value) == f"names: there is no index {written!r}; {asks}"


def test_names_of_spyndex_come_last_and_are_said_to_be_its_own() -> None:
    pytest.importorskip("spyndex")
    with pytest.raises(errors.InvalidInputError, match=r"did you mean NDVI, or .*NMDI of spyndex\?$"):
        kr.index(one_pixel(), "NVDI")


@pytest.mark.parametrize(
    ("one", "other", "slips"),
    [("nvdi", "ndvi", 1), ("nirr", "nir", 1), ("nmdi", "ndvi", 2), ("", "abc", 3), ("kitten", "sitting", 3)],
)
def test_slips_are_counted(one: str, other: str, slips: int) -> None:
    assert spelling.distance(one, other) == spelling.distance(other, one) == slips


def test_the_table_says_what_each_index_needs() -> None:
    table = kr.index_catalog().set_index("name")
    assert list(table.columns) == ["long_name", "formula", "bands", "range", "domain", "reference"]
    assert table.index.is_unique
    assert set(table["domain"]) == {"vegetation", "water", "snow", "burn", "soil", "built-up"}
    assert table.loc["BAIS2", "bands"] == ["rededge2", "rededge3", "nir08", "red", "swir22"]
    assert table.loc["IBI", "range"] is None
    known = set(catalog.BANDS.values())
    assert known == {*OPTICAL_BANDS, *POLARIZATIONS}
    assert all(set(bands) <= known for bands in table["bands"])


def test_integers_of_unknown_scale_are_refused_where_the_scale_counts() -> None:
    numbers = {
        name: ("x", np.array([1200, 3400], np.uint16)) for name in ("red", "nir", "blue", "swir16", "swir22", "green")
    }
    ds = xr.Dataset(numbers)
    ratios = kr.index(ds, "NDVI", "BUI", "MNDWI", "UI", "BRBA", "VIBI", formula={"sum": "N + R"})
    assert ratios["sum"].values.tolist() == [2400.0, 6800.0]
    for name in ("EVI", "SAVI", "NBI", "PISI", "AWEIsh", "IBI"):
        with pytest.raises(errors.UnitsError, match=f"{name} of digital numbers"):
            kr.index(ds, "NDVI", name)
    for band in ds.data_vars.values():
        band.attrs["scale_factor"] = 1e-4
    assert kr.index(ds, "NBI")["nbi"].values == pytest.approx([0.12, 0.34])


def test_floats_that_are_no_reflectance_are_refused_where_the_scale_counts() -> None:
    numbers = np.random.default_rng(7).uniform(1000, 6000, (2, 40, 50)).astype(np.float32)
    ds = xr.Dataset({name: (("y", "x"), values) for name, values in zip(("red", "nir"), numbers, strict=True)})
    ds["nir"][:20, 0] = np.nan
    with pytest.raises(errors.UnitsError, match=r"SAVI of digital numbers .* most values are above 2"):
        kr.index(ds, "NDVI", "SAVI")
    ratios = kr.index(ds, "NDVI", formula={"sum": "N + R"})
    np.testing.assert_allclose(ratios["sum"], ds.nir + ds.red, rtol=1e-6)
    assert kr.index(ds.chunk(), "SAVI")["savi"].chunks  # lazy arrays are not looked at
    snow = xr.where(np.arange(50) < 10, ds, ds * 1e-4)  # a fifth is far too bright
    assert kr.index(snow.transpose("y", "x"), "SAVI")["savi"].shape == (40, 50)
    for band in ds.data_vars.values():
        band.attrs["scale_factor"] = 1e-4
    nir, red = (ds[name].values.astype(np.float64) * 1e-4 for name in ("nir", "red"))
    np.testing.assert_allclose(
        kr.index(ds, "SAVI")["savi"], 1.5 * (nir - red) / (nir + red + 0.5), rtol=1e-5, atol=1e-6
    )
