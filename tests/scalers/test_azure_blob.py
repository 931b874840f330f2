"""Azure blobs: which names count."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.picking.patterns import shell_glob
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.azure_storage import BlobCount, read_storage
from tidegate.testing.sheets import Sample

CONNECTION = f"AccountName=shop;AccountKey={base64.b64encode(b'hunter2').decode()}"

SAMPLES = {"azure-blob": Sample(auth={"connection": CONNECTION})}


def build(metadata: dict[str, str] | None = None, auth: dict[str, str] | None = None, **env: str) -> Any:
    found = scalers.find("azure-blob")
    assert found is not None
    texts = {"blobContainerName": "uploads", **(metadata or {})}
    sources = Sources(texts, env, {"connection": CONNECTION} if auth is None else auth)
    return reading.build(found, Trigger(type="azure-blob", metadata=texts), sources, Scope("shop"))


@pytest.mark.parametrize(
    ("settings", "prefix", "delimiter", "pattern"),
    [
        ({}, "", "/", ""),
        ({"blobPrefix": "in"}, "in/", "/", ""),
        ({"blobPrefix": "in/"}, "in/", "/", ""),
        ({"blobPrefix": "in//"}, "in//", "/", ""),
        ({"blobPrefix": "in", "blobDelimiter": "-"}, "in-", "-", ""),
        ({"recursive": "true"}, "", "", ""),
        ({"blobPrefix": "in", "recursive": "true"}, "in", "", ""),
        ({"globPattern": "*.png"}, "", "", r"(?s).*\.png"),
        ({"globPattern": "/in/**"}, "", "", r"(?s)in\/.*.*"),
        ({"globPattern": "*", "blobPrefix": "in"}, "in/", "", "(?s).*"),
        ({"globPattern": "*", "blobPrefix": "in", "recursive": "true"}, "in", "", "(?s).*"),
    ],
)
def test_prefix_delimiter_and_pattern_say_which_names_count(
    settings: dict[str, str], prefix: str, delimiter: str, pattern: str
) -> None:
    asked: list[Any] = []

    def answer(question: Any) -> int:
        asked.append(question)
        return 3

    assert drive(build(settings).measure(ASK, None), answer) == 3
    assert asked == [BlobCount(read_storage(CONNECTION, "blob"), "uploads", prefix, delimiter, pattern)]


@pytest.mark.parametrize(
    ("glob", "name", "is_match"),
    [
        ("*.png", "a.png", True),
        ("*.png", "in/a.png", True),
        ("*.png", "a.png.bak", False),
        ("*.png", "a\n.png", True),
        ("**/a", "x/y/a", True),
        ("**/a", "a", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", True),
        ("a?c", "ac", False),
        ("[abc]1", "b1", True),
        ("[abc]1", "d1", False),
        ("[a-c]1", "b1", True),
        ("[!a-c]1", "b1", False),
        ("[!a-c]1", "x1", True),
        ("[^a]", "^", True),
        ("[[]", "[", True),
        ("{jpg,png}", "png", True),
        ("*.{jp{,e}g,png}", "a.jpeg", True),
        ("*.{jp{,e}g,png}", "a.jpg", True),
        ("*.{jp{,e}g,png}", "a.gif", False),
        ("{a*,b?}", "b", False),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        (r"[\d]", "d", True),
        (r"[\d]", "7", False),
        ("a.b", "axb", False),
        ("a,b}", "a,b}", True),
    ],
)
def test_globs_match_whole_names_and_know_no_separator(glob: str, name: str, is_match: bool) -> None:
    assert shell_glob(glob).is_all_of(name) == is_match
    assert not isinstance(build({"globPattern": glob}), tuple)


@pytest.mark.parametrize("glob", [r"[\]", "[", "[a", "{a", "{a,", "a\\", "[z-a]", "{" * 9 + "}" * 9])
def test_globs_that_cannot_be_read_are_refused(glob: str) -> None:
    assert [problem.path for problem in build({"globPattern": glob})] == ["globPattern"]


def test_names_targets_and_defaults_are_those_of_keda() -> None:
    scaler = build()
    assert scaler.metric_name() == "azure-blob-uploads"
    assert (scaler.metric_target(), scaler.activation_target()) == (5, 0)
    scaler = build({"blobCount": "20", "activationBlobCount": "3"})
    assert (scaler.metric_target(), scaler.activation_target()) == (20, 3)


def test_the_environment_comes_before_the_metadata() -> None:
    written = {"connection": "AccountName=m;AccountKey=aaaa", "connectionFromEnv": "C"}
    assert build(written, {}, C="AccountName=e;AccountKey=aaaa").server().account == "e"


def test_a_variable_that_is_not_there_is_no_connection_string() -> None:
    problems = build({"connectionFromEnv": "C"}, {})
    assert "connection" in {problem.path for problem in problems}
