"""The house rules that a machine can hold: layers, budgets, words, "below the waterline only values"."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tidegate.testing.sources import parsed

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tidegate"
BELOW = ("base", "api", "core", "kit", "scalers", "review")
FILE_LINES, FUNCTION_LINES, PARAMETERS, SCALER_LINES, ROOM_FILES = 400, 60, 6, 150, 14
# Rooms of one file per system or command: they grow, and one looks there by name.
ONE_FILE_EACH = ("cli/commands", "connections", "kit/systems", "scalers")
WORDS = {"manager", "handler", "helper", "helpers", "util", "utils", "common", "misc", "data", "info"}
EXEMPT = tomllib.loads((Path(__file__).parent / "exemptions.toml").read_text())

# Calls that reach the world; an import linter does not see them.
WORLDLY = {
    "open", "print", "input", "eval", "exec", "compile", "__import__", "breakpoint",
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now",
    "datetime.datetime.utcnow", "datetime.date.today",
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return parsed(path.read_text())


def where(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def functions(
    tree: ast.AST, prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", node
            yield from functions(node, f"{prefix}{node.name}.")


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def test_files_and_functions_stay_within_their_budgets() -> None:
    over: dict[str, int] = {}
    for path in modules():
        text = path.read_text()
        lines = len(text.splitlines())
        limit = SCALER_LINES if path.parent.name == "scalers" else FILE_LINES
        if lines > limit:
            over[where(path)] = lines
        for name, function in functions(tree_of(path)):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length > FUNCTION_LINES:
                over[f"{where(path)}:{name}"] = length
            if parameters(function) > PARAMETERS:
                over[f"{where(path)}:{name}()"] = parameters(function)
    excused = set(EXEMPT.get("budgets", {}))
    assert {k: v for k, v in over.items() if k not in excused} == {}, "split it, or list it with a reason"
    assert excused - set(over) == set(), "no longer over budget: take it off the list"


def test_a_room_says_what_it_holds_and_holds_no_more_than_one_sees_at_once() -> None:
    silent, crowded = [], {}
    for place in sorted(path.parent for path in SOURCE.rglob("__init__.py")):
        if not ast.get_docstring(tree_of(place / "__init__.py")):
            silent.append(where(place))
        files = len(list(place.glob("*.py"))) - 1
        if files > ROOM_FILES and where(place) not in ONE_FILE_EACH:
            crowded[where(place)] = files
    assert silent == [], "one sentence in its __init__.py"
    assert crowded == {}, "rooms inside it, by theme"


def test_every_exemption_gives_its_reason() -> None:
    for table in EXEMPT.values():
        for place, reason in table.items():
            assert len(reason) > 20, f"{place} needs a reason a reader can judge"


def test_below_the_waterline_nothing_reaches_the_world() -> None:
    found = []
    for room in BELOW:
        for path in sorted((SOURCE / room).rglob("*.py")):
            for node in ast.walk(tree_of(path)):
                if isinstance(node, ast.Call) and dotted(node.func) in WORLDLY:
                    found.append(f"{where(path)}:{node.lineno}: {dotted(node.func)}()")
    assert [f for f in found if f.rsplit(":", 2)[0] not in EXEMPT.get("waterline", {})] == []


def test_names_say_what_a_thing_is_and_not_that_it_is_a_place_to_put_things() -> None:
    found = []
    for path in modules():
        if WORDS & set(path.stem.split("_")):
            found.append(where(path))
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                parts = set("".join(f"_{c.lower()}" if c.isupper() else c for c in node.name).split("_"))
                if parts & WORDS:
                    found.append(f"{where(path)}:{node.name}")
    assert [f for f in found if f not in EXEMPT.get("words", {})] == []


def test_layers_hold() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]


def test_no_module_needs_one_that_needs_it() -> None:
    """Also for types alone, and in functions: who reads one of them would have to read both."""
    names = {
        ".".join(("tidegate", *path.relative_to(SOURCE).with_suffix("").parts)): path for path in modules()
    }
    needs: dict[str, set[str]] = {}
    for name, path in names.items():
        imports = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom)]
        found = {
            part
            for node in imports
            for part in (node.module, *(f"{node.module}.{a.name}" for a in node.names))
        }
        needs[name] = {part for part in found if part in names and part != name}
    ends = {""}
    while ends:  # whoever needs nobody that is left, or is needed by nobody, is in no circle
        wanted = {part for needed in needs.values() for part in needed}
        ends = {name for name, needed in needs.items() if not needed & needs.keys() or name not in wanted}
        needs = {name: needed for name, needed in needs.items() if name not in ends}
    assert sorted(needs) == [], "what both need belongs below them"


@pytest.mark.parametrize("module", ["tidegate.cli.main"])
def test_a_command_imports_nothing_it_does_not_need(module: str) -> None:
    heavy = ("aiohttp", "redis", "rich", "cryptography", "psutil", "sqlite3", "yaml", "uvloop")
    code = f"import sys, {module}; print(*[m for m in {heavy!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == []


def test_nothing_of_the_workshop_is_named_in_the_project() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    own = str(ROOT.parent)
    for name in filter(None, tracked):
        path = ROOT / name
        if path.is_file() and own not in ("/", "/tmp", "/home"):
            assert f"{own}/" not in path.read_text(errors="replace"), f"{name} names a path of one machine"


def test_end_to_end_tests_that_share_a_process_run_on_one_worker() -> None:
    """Elsewhere each worker would start one of its own, and tests would miss what earlier ones have made."""
    apart = [
        path.name
        for path in sorted((ROOT / "tests" / "e2e").glob("test_*.py"))
        if 'scope="module"' in (text := path.read_text()) and "xdist_group(" not in text
    ]
    assert apart == [], "mark the module with an xdist_group"
