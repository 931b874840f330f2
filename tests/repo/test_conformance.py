"""The list of KEDA's behaviours: every entry has one state, and what it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tidegate.testing.sources import parsed

ROOT = Path(__file__).parents[2]
STATES = ("tests", "deviates", "later", "untested")
ID = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z][A-Z0-9]*)*-[0-9]{2}")
SECTIONS: list[dict[str, Any]] = yaml.safe_load((ROOT / "conformance" / "behaviours.yaml").read_text())
ENTRIES: list[dict[str, Any]] = [entry for section in SECTIONS for entry in section["behaviours"]]


@cache
def named_in(name: str) -> frozenset[str]:
    """The test functions of a file, without importing it."""
    path = ROOT / name
    if not (name.startswith("tests/") and path.is_file()):
        return frozenset()
    nodes = parsed(path.read_text()).body
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def test_ids_are_well_formed_and_given_once() -> None:
    ids = [entry["id"] for entry in ENTRIES]
    assert [one for one in ids if not ID.fullmatch(one)] == []
    assert sorted(one for one in set(ids) if ids.count(one) > 1) == []


def test_sections_are_named_once_and_hold_something() -> None:
    titles = [section["section"] for section in SECTIONS]
    assert len(set(titles)) == len(titles)
    assert [section["section"] for section in SECTIONS if not section["behaviours"]] == []


def test_an_entry_is_a_sentence_with_one_state() -> None:
    wrong = {}
    for entry in ENTRIES:
        states = [state for state in STATES if state in entry]
        text = entry.get("behaviour", "")
        if len(states) != 1 or set(entry) != {"id", "behaviour", *states}:
            wrong[entry["id"]] = f"has {sorted(entry)}"
        elif not entry[states[0]]:
            wrong[entry["id"]] = f"{states[0]} is empty"
        elif not text.endswith("."):
            wrong[entry["id"]] = "the behaviour is not a sentence"
    assert wrong == {}


def test_every_named_test_exists() -> None:
    lost = []
    for entry in ENTRIES:
        for node in entry.get("tests", ()):
            file, _, name = node.partition("::")
            if name not in named_in(file):
                lost.append(f"{entry['id']}: {node}")
    assert lost == []


def test_a_deviation_is_one_that_users_are_told_of() -> None:
    told = " ".join((ROOT / "docs" / "deviations.md").read_text().split())
    lost = [entry["id"] for entry in ENTRIES if "deviates" in entry and entry["deviates"] not in told]
    assert lost == [], "the words of a line in docs/deviations.md"
