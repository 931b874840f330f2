from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.local.nodes.processes.images import ImageMap, NoProgram, parse, short_names


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with a redis-server, a python3 and a shell, all of them empty scripts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("redis-server", "python3", "sh"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return str(folder)


def run(image: str, command: list[str], args: list[str], path: str, table: Path | None = None) -> list[str]:
    return ImageMap(table).program(image, command, args, {"PATH": path, "P": "secret"}, "127.96.0.9").args


REDIS = ["--bind", "127.96.0.9", "--port", "6379", "--protected-mode", "no", "--save", ""]


@pytest.mark.parametrize(
    "image",
    ["redis", "redis:7.4-alpine", "docker.io/library/redis:7", "bitnami/redis:latest", "valkey/valkey:8",
     "redis@sha256:0123", "localhost:5000/redis"],
)  # fmt: skip
def test_a_redis_image_runs_the_redis_of_this_machine_on_the_address_of_the_pod(
    image: str, path: str
) -> None:
    assert run(image, [], [], path) == [f"{path}/redis-server", *REDIS]


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ([], ["--requirepass", "x"], [*REDIS, "--requirepass", "x"]),
        (["redis-server"], ["--requirepass", "x"], [*REDIS, "--requirepass", "x"]),
        (["redis-server", "--appendonly", "yes"], [], [*REDIS, "--appendonly", "yes"]),
        (["redis-server", "/etc/redis.conf"], ["--port", "1"], ["/etc/redis.conf", *REDIS, "--port", "1"]),
    ],
)
def test_own_arguments_come_after_those_of_the_table(
    command: list[str], args: list[str], expected: list[str], path: str
) -> None:
    assert run("redis", command, args, path)[1:] == expected


def test_a_command_that_runs_here_is_run_as_it_is_whatever_the_image(path: str) -> None:
    assert run("ghcr.io/acme/worker:1", ["sh", "-c", "true"], ["x"], path) == ["sh", "-c", "true", "x"]


def test_python_is_found_under_the_name_it_has_here(path: str) -> None:
    assert run("python:3.11", ["python", "work.py"], [], path) == [f"{path}/python3", "work.py"]


def test_a_machine_without_python_on_its_path_still_has_ours(tmp_path: Path) -> None:
    found = run("python:3.11", ["python", "work.py"], [], str(tmp_path))[0]
    assert os.path.samefile(found, sys.executable) or found.startswith(sys.prefix)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (
            "ghcr.io/acme/worker:1",
            ["ghcr.io/acme/worker:1", "no program is known", "acme/worker", "--images"],
        ),
        ("busybox", ["busybox", "give the container a command"]),
    ],
)
def test_an_image_that_names_nothing_runnable_says_what_to_configure(
    image: str, says: list[str], path: str
) -> None:
    with pytest.raises(NoProgram) as caught:
        run(image, [], [], path)
    assert all(word in str(caught.value) for word in says)


def test_a_program_that_is_not_installed_is_named_with_the_table_to_edit(tmp_path: Path) -> None:
    table = tmp_path / "images.yaml"
    table.write_text("images: [{images: [acme], command: [no-such-program]}]")
    with pytest.raises(NoProgram, match=f'"no-such-program", which is not on PATH.*{table}'):
        run("acme", [], [], str(tmp_path), table)


def test_the_file_that_is_shown_for_an_image_without_a_program_is_one_that_works(
    tmp_path: Path, path: str
) -> None:
    table = tmp_path / "images.yaml"
    with pytest.raises(NoProgram) as caught:
        run("ghcr.io/acme/worker:1", [], [], path, table)
    _, _, shown = str(caught.value).partition("a file such as: ")
    table.write_text(shown.replace("/path/to/program", f"{path}/sh"))
    assert run("ghcr.io/acme/worker:1", [], ["-c", "exit"], path, table) == [f"{path}/sh", "-c", "exit"]


def test_the_users_table_comes_first_and_is_read_again_when_it_changes(tmp_path: Path, path: str) -> None:
    table = tmp_path / "images.yaml"
    images = ImageMap(table)
    env = {"PATH": path}
    table.write_text('images: [{images: ["redis*"], command: [sh], args: ["$(POD_IP)"]}]')
    assert images.program("redis:7", [], ["x"], env, "1.2.3.4").args == [f"{path}/sh", "1.2.3.4", "x"]
    table.write_text('images: [{images: ["redis*"], command: [sh, -c], args: [exit]}]')
    assert images.program("redis:7", [], [], env, "1.2.3.4").args == [f"{path}/sh", "-c", "exit"]
    table.unlink()
    assert images.program("redis:7", [], [], env, "127.96.0.9").args == [f"{path}/redis-server", *REDIS]


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ([], [], []),
        ([], ["--option"], ["--option"]),
        (["rabbitmq-server"], ["--option"], ["--option"]),
        ([], ["rabbitmq-server", "--option"], ["--option"]),
        (["docker-entrypoint.sh"], ["rabbitmq-server"], []),
        (["/usr/local/bin/docker-entrypoint.sh", "rabbitmq-server"], ["--option"], ["--option"]),
    ],
)
def test_an_image_with_an_entrypoint_is_started_through_ours(
    command: list[str], args: list[str], expected: list[str], tmp_path: Path, path: str
) -> None:
    for version in ("9", "15"):
        program = tmp_path / version / "bin" / "rabbitmq-server"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    table = tmp_path / "images.yaml"
    row = "images: [rabbitmq], command: [rabbitmq-server], entrypoint: rabbitmq, data: /d"
    table.write_text(f"images: [{{{row}, lookIn: [{tmp_path}/*/bin]}}]")
    program = ImageMap(table).program("rabbitmq:3-management", command, args, {"PATH": path}, "127.96.0.9")
    start = [sys.executable, "-I", "-m", "tidegate.local.entrypoints", "rabbitmq", "127.96.0.9"]
    assert program.args == [*start, f"{tmp_path}/15/bin/rabbitmq-server", *expected]
    assert program.data == "/d"


def test_a_shell_in_an_image_with_an_entrypoint_is_a_shell(path: str) -> None:
    assert run("rabbitmq", ["sh", "-c", "true"], [], path) == ["sh", "-c", "true"]


def test_a_program_looked_for_elsewhere_is_missed_with_the_places(tmp_path: Path) -> None:
    table = tmp_path / "images.yaml"
    table.write_text("images: [{images: [x], command: [nothing], lookIn: [/usr/lib/rabbitmq/bin]}]")
    with pytest.raises(NoProgram, match=r"not on PATH \(nor in /usr/lib/rabbitmq/bin\)"):
        run("x", [], [], str(tmp_path), table)


def test_every_mistake_in_a_table_is_named() -> None:
    text = "images: [{command: ls}, 7, {images: [x], comand: [y], env: []}, {images: [x], entrypoint: e}]"
    with pytest.raises(Misconfigured) as caught:
        parse(text, "images.yaml")
    for told in (
        "images[0].images",
        "images[0].command: expected a list",
        "images[1]",
        "images[2].comand: unknown",
        "images[3].entrypoint: unknown; known: ",
        "images[3].entrypoint: needs a command and a data folder",
    ):
        assert told in str(caught.value)


def test_names_that_match_are_those_without_registry_and_tag() -> None:
    assert short_names("docker.io/library/redis:7") == ("docker.io/library/redis:7", "redis:7", "redis")
    assert short_names("host:5000/a/b") == ("host:5000/a/b", "a/b")


def test_folders_may_be_those_of_the_user_and_of_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "own" / "bin" / "acme-server"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ACME_HOME", str(tmp_path / "own"))
    table = tmp_path / "images.yaml"
    for folder in ("~/own/bin", "$ACME_HOME/bin"):
        table.write_text(f"images: [{{images: [acme], command: [acme-server], lookIn: [{folder}]}}]")
        images = ImageMap(table)
        assert images.program("acme", [], [], {}, "127.96.0.9").args == [str(tool)]
        # A command of the manifest finds it there, too.
        assert images.program("acme", ["sh"], [], {"PATH": "/bin"}, "127.96.0.9").folders == (
            str(tool.parent),
        )
