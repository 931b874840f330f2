"""`tidegate images`: the table as people and programs see it, and changes that are whole or not made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tidegate.base.errors import Misconfigured
from tidegate.cli.commands.images import command
from tidegate.local.nodes.images.program import ImageMap


def images(folder: Path, *words: str) -> Result:
    verb, *rest = words
    return CliRunner().invoke(command, [verb, "--data-dir", str(folder), *rest])


def test_a_command_is_added_tried_listed_and_removed(tmp_path: Path) -> None:
    added = images(
        tmp_path, "add", "--env", "A=1=2", "--workdir", "/srv", "acme/worker", "--", "sh", "-c", "x y"
    )
    assert (added.exit_code, added.output) == (
        0, "image acme/worker added; pods that wait for it are tried again\n",
    )  # fmt: skip
    tried = images(tmp_path, "test", "-o", "json", "acme/worker:7", "z").output
    told = json.loads(tried)
    assert (told["args"][1:], told["env"], told["working_dir"]) == (["-c", "x y", "z"], {"A": "1=2"}, "/srv")
    first = json.loads(images(tmp_path, "list", "-o", "json").output)[0]
    assert first["images"] == ["acme/worker", "acme/worker:*"]
    assert first["from"].startswith(str(tmp_path / "node" / "images.d"))
    assert images(tmp_path, "list").output.splitlines()[1].startswith("acme/worker ")
    assert images(tmp_path, "remove", "acme/worker").exit_code == 0
    assert ImageMap(tmp_path / "node" / "images.yaml").entry("acme/worker") is None
    assert "nothing was added" in str(images(tmp_path, "remove", "acme/worker").exception)


def test_what_has_no_program_is_told_with_what_to_do(tmp_path: Path) -> None:
    failed = images(tmp_path, "test", "acme/worker")
    assert isinstance(failed.exception, Misconfigured)
    assert "tidegate images add acme/worker" in str(failed.exception)


def test_a_dockerfile_that_is_not_read_changes_nothing(tmp_path: Path) -> None:
    images(tmp_path, "add", "acme/worker", "--", "sh")
    dockerfile = tmp_path / "Dockerfile"
    for text, told in (
        ("FROM python\nRUN make\nCMD x", "line 2: RUN make"),
        ("FROM acme/unknown\nENV A=1", "what acme/unknown runs is not known"),
        ("FROM python\nCOPY nothing /acme", "line 2"),
    ):
        dockerfile.write_text(text)
        failed = images(tmp_path, "add", "acme/worker", "--dockerfile", str(dockerfile))
        assert told in str(failed.exception)
    entry = ImageMap(tmp_path / "node" / "images.yaml").entry("acme/worker")
    assert entry is not None
    assert entry.command == ("sh",)


def test_a_dockerfile_that_says_not_what_runs_is_for_commands_of_containers(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM acme/unknown\nCOPY Dockerfile /acme")
    added = images(tmp_path, "add", "acme/worker", "--dockerfile", str(dockerfile))
    assert added.exit_code == 0
    assert "containers need a command of their own" in added.stderr
    assert "1 copied" in images(tmp_path, "list").stdout
    assert images(tmp_path, "test", "acme/worker").exit_code != 0


@pytest.mark.parametrize(
    ("name", "is_taken"),
    [
        ("acme/worker", True),
        ("registry.example.com:5000/Acme", False),
        ("registry.example.com:5000/acme/worker_2:v1.2-rc", True),
        ("acme/*", True),
        ("acme/worker:*", True),
        ("acme/a+b", False),
        ("acme/worker:", False),
        ("Acme", False),
        ("acme//worker", False),
        ("acme/../worker", False),
        ("acme worker", False),
        ("acme/worker@sha256:00aa", True),
    ],
)
def test_what_no_registry_calls_an_image_is_refused(tmp_path: Path, name: str, is_taken: bool) -> None:
    added = images(tmp_path, "add", name, "--", "sh")
    assert added.exit_code == (0 if is_taken else 2)
    assert ("is no image's name" in added.stderr) is not is_taken
    assert (tmp_path / "node").exists() is is_taken


@pytest.mark.parametrize(
    "words", [["acme"], ["--dockerfile", __file__, "acme", "--", "sh"], ["--env", "A", "acme", "sh"]]
)
def test_words_that_do_not_go_together_are_refused(tmp_path: Path, words: list[str]) -> None:
    assert images(tmp_path, "add", *words).exit_code == 2
    assert not (tmp_path / "node").exists()
