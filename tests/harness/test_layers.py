"""Imports of the harness go one way, from the command line down to what knows nothing of ours."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HARNESS = Path(__file__).resolve().parents[2] / "loadtest"

# A package imports itself and those in the lines above its own.
LAYERS = (
    ("document", "statistics"),
    ("system", "page"),
    ("contestants", "clients"),
    ("places",),
    ("engine",),
    ("verbs",),
    ("reference",),
    ("cli",),
)
LEVELS = {package: level for level, packages in enumerate(LAYERS) for package in packages}
MODULES = sorted(path for path in HARNESS.rglob("*.py") if path.name != "__main__.py" and path.parent != HARNESS)


def package(path: Path) -> str:
    return path.relative_to(HARNESS).parts[0]


def imported(path: Path) -> Iterator[str]:
    """The modules of ours that it names, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("loadtest"))
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it leads"
            if (node.module or "").startswith("loadtest"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_packages(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path)}


def problems(path: Path) -> list[str]:
    own = package(path)
    above = [name for name in imported_packages(path) if name != own and LEVELS[name] >= LEVELS[own]]
    return [f"{path.relative_to(HARNESS)} imports {name}, which is not below {own}" for name in sorted(above)]


def test_every_package_has_its_layer() -> None:
    assert {package(path) for path in MODULES} == set(LEVELS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(HARNESS)))
def test_no_import_runs_up(path: Path) -> None:
    assert problems(path) == []


@pytest.mark.parametrize("name", ["document", "statistics"])
def test_the_lowest_import_nothing_of_ours_but_themselves(name: str) -> None:
    for path in (HARNESS / name).glob("*.py"):
        assert imported_packages(path) <= {name}, path


def test_no_module_leads_back_to_itself() -> None:
    names = {str(path.relative_to(HARNESS.parent).with_suffix("")).replace("/", "."): path for path in MODULES}
    arrows = {name: {found for full in imported(path) for found in (full, full.rpartition(".")[0]) if found in names}
              for name, path in names.items()}  # fmt: skip
    left = dict(arrows)
    while leaves := [name for name, targets in left.items() if not targets & (left.keys() - {name})]:
        for name in leaves:
            del left[name]
    assert left == {}, "these import each other"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(HARNESS)))
def test_no_function_has_more_than_eight_parameters(path: Path) -> None:
    """Options that verbs share are a dataclass."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            count = len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs])
            assert count <= 8, f"{node.name} has {count}"


def test_an_arrow_up_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.HARNESS", tmp_path)
    (tmp_path / "system").mkdir()
    wrong = tmp_path / "system" / "wrong.py"
    wrong.write_text("def late() -> None:\n    from loadtest.engine import folder\n")
    assert problems(wrong) == ["system/wrong.py imports engine, which is not below system"]
