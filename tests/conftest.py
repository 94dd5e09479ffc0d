"""Shared fixtures: real samples if they are there, and a scheduler that forbids computing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dask
import pytest

SAMPLES = Path(__file__).resolve().parents[1].parent / "shared" / "samples"


@pytest.fixture(scope="session")
def samples() -> Path:
    if not SAMPLES.is_dir():
        pytest.skip("the folder of real samples is not beside the repository")
    return SAMPLES


@pytest.fixture
def no_compute() -> Iterator[None]:
    """Nothing may be computed while this is active."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("computed early")

    with dask.config.set(scheduler=refuse):
        yield
