"""What every scaler must do. A new one is tested by existing; what a class is switches tests off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tidegate import scalers
from tidegate.scalers import pages
from tidegate.testing.rules import ALL, Rule, rules_for
from tidegate.testing.sheets import Sheet

ROOT = Path(__file__).parents[2]


PAIRS = [(one, rule) for one in scalers.types() if (kind := scalers.find(one)) for rule in rules_for(kind)]


@pytest.mark.parametrize(
    ("every", "rule"), PAIRS, ids=[f"{one}-{rule.__name__}" for one, rule in PAIRS], indirect=["every"]
)
def test_every_type_keeps_the_contract(every: Sheet, rule: Rule) -> None:
    rule(every)


def test_what_a_class_is_decides_its_rules() -> None:
    assert {rule for _, rule in PAIRS} == set(ALL)
    assert len(PAIRS) > len(scalers.types()) * 12


def test_its_page_is_in_step() -> None:
    for path, text in pages.render().items():
        assert (ROOT / path).read_text() == text, f"{path} is out of step: run `make generate`"


def test_no_page_is_left_of_a_trigger_that_is_gone() -> None:
    pages_there = {str(path.relative_to(ROOT)) for path in (ROOT / pages.FOLDER).glob("*.md")}
    assert pages_there == set(pages.render())


def test_looking_for_a_trigger_imports_no_client_library() -> None:
    code = (
        "import sys; from tidegate import scalers; scalers.types();"
        "print(*[m for m in ('redis', 'aiohttp', 'asyncio', 'socket', 'cryptography') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == []


def test_a_type_that_nobody_reads_is_not_found() -> None:
    assert scalers.find("no-such-trigger") is None
    assert scalers.find("pages") is None
    assert scalers.find("../redis") is None
