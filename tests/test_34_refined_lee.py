"""The refined Lee filter: published values, edges kept, mean and looks of homogeneous speckle."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import kararaster as kr
from kararaster import errors

VERTICAL = [
    [2.0, 2.5, 2.3, 10.1, 10.6, 10.4, 10.2],
    [2.3, 2.1, 2.6, 10.4, 10.2, 10.0, 10.5],
    [2.6, 2.4, 2.2, 10.0, 10.5, 10.3, 10.1],
    [2.2, 2.0, 2.5, 10.3, 10.1, 10.6, 10.4],
    [2.5, 2.3, 2.1, 10.6, 10.4, 10.2, 10.0],
    [2.1, 2.6, 2.4, 10.2, 10.0, 10.5, 10.3],
    [2.4, 2.2, 2.0, 10.5, 10.3, 10.1, 10.6],
]
TEXTURE = [
    [5.0, 10.5, 9.5, 8.5, 7.5, 6.5, 5.5],
    [8.5, 7.5, 6.5, 5.5, 11.0, 10.0, 9.0],
    [5.5, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0],
    [9.0, 8.0, 7.0, 6.0, 5.0, 10.5, 9.5],
    [6.0, 5.0, 10.5, 9.5, 8.5, 7.5, 6.5],
    [9.5, 8.5, 7.5, 6.5, 5.5, 11.0, 10.0],
    [6.5, 5.5, 11.0, 10.0, 9.0, 8.0, 7.0],
]


def despeckled(values: object, **parameters: object) -> np.ndarray:
    image = xr.DataArray(np.asarray(values), dims=("y", "x"), attrs={"units": "1"})
    return kr.despeckle(image, "refined_lee", **parameters).values


@pytest.mark.parametrize(
    ("values", "wanted"),
    [([[2.0] * 3 + [10.0] * 4] * 7, 10.0), (VERTICAL, 10.256867044525666), (TEXTURE, 7.5946603704883815)],
)
def test_golden_values(values: list, wanted: float) -> None:
    assert despeckled(values)[3, 3] == pytest.approx(wanted, rel=1e-13)
    assert despeckled(np.asarray(values, np.float32))[3, 3] == pytest.approx(wanted, rel=2e-6)


def test_looks_stand_in_for_the_local_noise() -> None:
    noise = 0.04733502242307208
    assert despeckled(TEXTURE, noise="looks", enl=1 / noise)[3, 3] == pytest.approx(7.5946603704883815, rel=1e-13)
    half = np.asarray(TEXTURE)[:, :4]
    assert despeckled(TEXTURE, noise="looks", enl=0.1)[3, 3] == pytest.approx(half.mean(), rel=1e-13)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("diagonal", [False, True])
def test_a_clean_edge_stays_where_it_is(turns: int, diagonal: bool) -> None:
    y, x = np.indices((40, 40))
    edge = np.rot90(np.where((x + y if diagonal else 2 * x) > 39, 5.0, 0.5), turns)
    got = despeckled(edge)[3:-3, 3:-3]
    np.testing.assert_array_equal(got, edge[3:-3, 3:-3])


@pytest.mark.parametrize("noise", ["local", "looks"])
def test_homogeneous_speckle_keeps_its_mean_and_gains_looks(noise: str) -> None:
    speckle = np.random.default_rng(3).gamma(4.0, 0.25, (512, 512)).astype(np.float32)
    got = despeckled(speckle, noise=noise, enl=4.0)[3:-3, 3:-3].astype(float)
    # The half window is chosen by its samples, which costs some of the mean: 0.5 %, and 0.6 % where more is averaged.
    assert got.mean() / speckle.mean(dtype=float) == pytest.approx(0.994 if noise == "looks" else 0.995, abs=0.002)
    looks = got.mean() ** 2 / got.var()
    assert looks > (25 if noise == "looks" else 12)


def test_refusals_name_the_parameter() -> None:
    with pytest.raises(errors.InvalidInputError, match="window"):
        despeckled(TEXTURE, window=5)
    with pytest.raises(errors.InvalidInputError, match="noise"):
        despeckled(TEXTURE, noise="global")
