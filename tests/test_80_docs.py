"""What the documentation shows is run: examples in docstrings, and the Python of the README."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import kararaster

ROOT = Path(__file__).resolve().parents[1]
MODULES = [m.name for m in pkgutil.walk_packages(kararaster.__path__, "kararaster.") if not m.name.endswith("_kernels")]
PUBLIC = [
    name for name in kararaster.__all__ if callable(getattr(kararaster, name)) and name[0].islower() and name != "kara"
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_public_functions_say_what_they_take_and_raise(name: str) -> None:
    text = getattr(kararaster, name).__doc__
    assert text
    assert text.strip().splitlines()[0].endswith(".")
    assert "Raises" in text
    for parameter in inspect.signature(getattr(kararaster, name)).parameters:
        assert re.search(rf"\b{parameter}\b", text), parameter


def test_every_accessor_method_is_a_public_function_with_the_same_parameters() -> None:
    for accessor in (kararaster.KaraDataset, kararaster.KaraDataArray):
        for name, method in inspect.getmembers(accessor, inspect.isfunction):
            if name.startswith("_"):
                continue
            function = getattr(kararaster, name)
            own, theirs = (list(inspect.signature(f).parameters.values())[1:] for f in (method, function))
            assert [(p.name, p.default) for p in own] == [(p.name, p.default) for p in theirs], name


def test_the_accessor_says_what_it_can_do() -> None:
    import xarray as xr

    shown = repr(kararaster.kara(xr.Dataset()))
    assert shown.splitlines()[0] == "KaraDataset"
    assert re.search(
        r"^  \.change +Test every pixel for a change at an event, or find its breaks without one$", shown, re.M
    )


@pytest.mark.parametrize(
    ("page", "leaves"),
    [("README.md", ["maps/changed.tif"]), ("docs/optical.md", ["indices.png"]), ("docs/speckle.md", [])],
)
def test_python_of_the_pages_runs(
    page: str, leaves: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of a page follow on each other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, object] = {}
    code = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
    assert code
    for block in code:
        exec(compile(block, page, "exec"), names)
    assert all((tmp_path / name).exists() for name in leaves)
    assert bool(leaves) == any(tmp_path.iterdir())
