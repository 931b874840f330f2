"""What the texts for people show and point to: YAML that parses, links that lead somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegate import scalers
from tidegate.api.decode import KINDS
from tidegate.api.validation.problems import problems
from tidegate.cli.manifests.files import Loader
from tidegate.kit import pages

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tidegate"
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def tracked(pattern: str) -> list[str]:
    """Files of the project, new ones that git does not ignore too."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z", pattern]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(name for name in run.stdout.split("\0") if name and (ROOT / name).exists())


PAGES = tracked("*.md")


def yaml_blocks(text: str) -> list[str]:
    return [match[3] for match in FENCE.finditer(text) if match[2] in ("yaml", "yml")]


def headings(text: str) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ +(.+?) *$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def parsed(block: str) -> list[Any]:
    return list(yaml.load_all(block, Loader))


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    lost = []
    for link in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if not target.exists() or (anchor and anchor not in headings(target.read_text())):
            lost.append(link)
    assert lost == []


def test_the_files_and_rooms_that_the_map_names_are_there() -> None:
    text = FENCE.sub("", (ROOT / "ARCHITECTURE.md").read_text())
    named = re.findall(r"`([a-z]+/[a-z0-9_/.]*(?:/|\.py|\.yaml|\.md|\.toml))`", text)
    assert [name for name in named if not any((at / name).exists() for at in (ROOT, SOURCE))] == []


@pytest.mark.parametrize("page", [page for page in PAGES if yaml_blocks((ROOT / page).read_text())])
def test_the_yaml_of_pages_is_yaml_and_whole_manifests_are_accepted(page: str) -> None:
    for block in yaml_blocks((ROOT / page).read_text()):
        for document in parsed(block):
            if isinstance(document, dict) and document.get("kind") in KINDS and "apiVersion" in document:
                assert problems(document) == []


@pytest.mark.parametrize("trigger_type", scalers.types())
def test_the_examples_of_triggers_are_yaml(trigger_type: str) -> None:
    kind = scalers.find(trigger_type)
    assert kind is not None
    shown = [one for one in pages.examples(scalers.prose_of(kind)) if trigger_type in one.types]
    assert shown
    for example in shown:
        assert parsed(example.text)[0]["triggers"]
