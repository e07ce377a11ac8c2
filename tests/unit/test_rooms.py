"""Who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("intake", "learn", "judge", "ship")
FILES = sorted((ROOT / "ssgan").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_rooms_that_come_before_it(path: Path) -> None:
    parts = path.relative_to(ROOT / "ssgan").parts
    if parts[0] not in ROOMS:
        return
    later = ROOMS[ROOMS.index(parts[0]) + 1 :]
    wrong = [name for name in imported(path) for room in later if name.startswith(f"ssgan.{room}")]
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_package_never_imports_prefect(path: Path) -> None:
    assert not [name for name in imported(path) if name.split(".")[0] == "prefect"]


@pytest.mark.parametrize(
    ("tool", "doors"),
    [
        ("great_expectations", {"intake/expectations.py", "intake/suite.py", "intake/data_docs.py"}),
        ("bentoml", {"ship/package.py"}),
        ("tensorflow", {"learn/backend/tensorflow.py", "learn/events.py"}),  # the latter: its writer of files
        ("jax", {"learn/backend/jax.py"}),
        ("tf2onnx", set()),
    ],
)
def test_one_door_per_outside_tool(tool: str, doors: set[str]) -> None:
    users = {
        str(path.relative_to(ROOT / "ssgan"))
        for path in FILES
        if any(name.split(".")[0] == tool for name in imported(path))
    }
    assert users <= doors


def test_only_the_door_calls_git_and_dvc() -> None:
    callers = [
        str(path.relative_to(ROOT / "ssgan"))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in ("git", "dvc")
    ]
    assert {Path(caller).parent.as_posix() for caller in callers} <= {"intake/version"}
    users = {
        path.parent.relative_to(ROOT / "ssgan").as_posix()
        for path in FILES
        if "ssgan.intake.version.command" in imported(path)
    }
    assert users == {"intake/version"}


def test_no_module_of_the_service_imports_one_that_imports_it() -> None:
    files = {f"serving.{path.stem}": path for path in (ROOT / "serving").glob("*.py")}
    graph = {name: imported(path) & files.keys() for name, path in files.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(files)  # raises where there is a circle


@pytest.mark.parametrize("module", ["ssgan", "ssgan.cli", "ssgan.learn.artefact", "ssgan.learn.encode"])
def test_light_modules_load_nothing_heavy(module: str) -> None:
    heavy = ("tensorflow", "keras", "prefect", "dvc", "great_expectations", "bentoml", "pandas", "sklearn")
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
