"""The house rules that a machine can check (the import rules are checked by lint-imports)."""

import ast
from pathlib import Path

import pytest

import tollbook

SOURCE = Path(tollbook.__file__).parent
PACKAGES = sorted(file for file in SOURCE.rglob("__init__.py") if file.parent != SOURCE)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
DRAWERS = {"utils", "util", "helpers", "helper", "services", "service", "managers", "manager", "common", "misc"}


@pytest.mark.parametrize("file", PACKAGES, ids=lambda file: str(file.parent.relative_to(SOURCE)))
def test_an_init_holds_a_docstring_that_maps_the_package_and_nothing_else(file: Path) -> None:
    body = ast.parse(file.read_text()).body
    assert len(body) == 1 and ast.get_docstring(ast.parse(file.read_text()))


def test_there_are_no_drawers() -> None:
    names = {path.stem for path in SOURCE.rglob("*") if path.suffix in ("", ".py")}
    assert not names & DRAWERS


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_public_things_have_docstrings(file: Path) -> None:
    if "migrations" in file.parts:
        return
    module = ast.parse(file.read_text())
    bare = [node.name for node in module.body if isinstance(node, DEFINITIONS) and _is_bare(node)]
    assert bare == []


def _is_bare(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    return not node.name.startswith("_") and not ast.get_docstring(node)
