"""Imports point one way, files stay small, and what is registered exists."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cryptoviz", "producers", "processors", "sql")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
COMMANDS = ROOT / "cryptoviz" / "cli"
GENERATED = {"kafka_jars.py"}


def _imports(path: Path, top_level_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)


@pytest.mark.parametrize(("package", "foreign"), [("producers", {"processors"}), ("processors", {"producers"})])
def test_the_two_sides_do_not_know_each_other(package: str, foreign: set[str]) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert not foreign & set(_imports(path)), path


def test_what_is_shared_knows_the_sides_only_inside_commands() -> None:
    for path in (ROOT / "cryptoviz").rglob("*.py"):
        assert not {"producers", "processors", "sql"} & set(_imports(path, top_level_only=True)), path
        inside = {"producers", "processors", "sql"} & set(_imports(path))
        assert not inside or path.is_relative_to(COMMANDS) or path.name == "generate.py", (path, inside)


def test_only_settings_are_read_from_the_environment() -> None:
    """JAVA_HOME, GRAFANA_HOME and the like are the machine's own, not settings of ours."""
    for path in FILES:
        assert "CRYPTOVIZ_" not in "".join(
            ast.unparse(node) for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"os.environ.get", "os.getenv"}
        ), path  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_for_and_stays_small(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "open with one sentence that says what it is for"
    assert path.name in GENERATED or len(text.splitlines()) <= 400
    assert path.stem not in {"utils", "common", "helpers", "misc"}


def test_every_package_is_installed() -> None:
    """The list is by hand, and what an editable installation finds without it an image does not."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for name in ("cryptoviz", "producers", "processors", "sql")
        for path in (ROOT / name).rglob("*.py")
    }
    assert {name for name in folders if (ROOT / name.replace(".", "/") / "__init__.py").is_file()} == set(listed)
