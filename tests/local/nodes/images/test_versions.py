"""A server of another version than the image's tag names is told, once; the program is asked once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tidegate.local.nodes.images.table import Entry
from tidegate.local.nodes.images.versions import Versions

SAID = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"


def program(folder: Path, name: str = "postgres", said: str = SAID) -> str:
    """A program of that name that says its version and counts; the PATH to find it by."""
    file = folder / name
    file.write_text(f"#!/bin/sh\necho \"$@\" >> {folder}/asked\necho '{said}'\n")
    file.chmod(0o755)
    return f"{folder}{os.pathsep}{os.defpath}"


@pytest.mark.parametrize(
    ("image", "is_told"),
    [
        ("postgres:12", True),
        ("postgres:15", False),
        ("postgres:15.18-alpine", False),
        ("postgres:15.1", True),
        ("postgres:1", True),
        ("docker.io/library/postgres:v16@sha256:00", True),
        ("localhost:5000/postgres", False),
        ("postgres:alpine", False),
        ("postgres", False),
    ],
)
async def test_another_version_than_the_tag_names_is_told(tmp_path: Path, image: str, is_told: bool) -> None:
    versions, path = Versions(), program(tmp_path)
    told = await versions.differs(image, Entry(("postgres*",), ("postgres",)), path)
    assert bool(told) is is_told
    assert ("this machine's postgres, which is 15.18" in told) is is_told


async def test_a_program_is_asked_once_and_an_image_is_told_once(tmp_path: Path) -> None:
    versions, path, entry = Versions(), program(tmp_path), Entry(("postgres*",), ("postgres",))
    told = [await versions.differs(f"postgres:{tag}", entry, path) for tag in ("12", "12", "13", "15")]
    assert [bool(one) for one in told] == [True, False, True, False]
    assert (tmp_path / "asked").read_text() == "--version\n"


async def test_what_is_not_known_to_say_its_version_is_not_asked(tmp_path: Path) -> None:
    versions, path = Versions(), program(tmp_path, "rabbitmq-server")
    assert await versions.differs("rabbitmq:3", Entry(("rabbitmq*",), ("rabbitmq-server",)), path) == ""
    assert await versions.differs("acme:3", None, path) == ""
    assert not (tmp_path / "asked").exists()


async def test_a_program_that_does_not_say_is_not_told(tmp_path: Path) -> None:
    versions, path = Versions(), program(tmp_path, said="who knows")
    assert await versions.differs("postgres:12", Entry(("postgres*",), ("postgres",)), path) == ""
