from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.local.nodes.images.program import ImageMap, NoProgram, installing
from tidegate.local.nodes.images.table import parse, short_names


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with a redis-server, a python3 and a shell, all of them empty scripts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("redis-server", "python3", "sh", "curl", "bash"):
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


@pytest.mark.parametrize(
    ("image", "command", "args", "expected"),
    [
        # An image without an entrypoint: its arguments are the command line, or its own default.
        ("busybox", [], [], ["sh"]),
        ("busybox:1.36", [], ["sh", "-c", "true"], ["sh", "-c", "true"]),
        ("python:3.12", [], [], ["python3"]),
        ("python:3.12", [], ["python", "-c", "1"], ["{path}/python3", "-c", "1"]),
        # One with an entrypoint: options and configuration files are the server's, a program's name is run.
        ("redis", [], ["sh", "-c", "true"], ["sh", "-c", "true"]),
        ("redis", [], ["/etc/r.conf"], ["{path}/redis-server", "/etc/r.conf", *REDIS]),
        ("redis", ["docker-entrypoint.sh"], ["sh"], ["docker-entrypoint.sh", "sh"]),
        ("curlimages/curl", [], ["-sS", "http://web"], ["{path}/curl", "-sS", "http://web"]),
        ("curlimages/curl:8", [], ["http://web"], ["{path}/curl", "http://web"]),
        ("curlimages/curl", [], ["sh", "-c", "true"], ["sh", "-c", "true"]),
        ("bash:5", [], ["-c", "true"], ["{path}/bash", "-c", "true"]),
    ],
)  # fmt: skip
def test_arguments_are_taken_as_the_image_takes_them(
    image: str, command: list[str], args: list[str], expected: list[str], path: str
) -> None:
    assert run(image, command, args, path) == [word.replace("{path}", path) for word in expected]


def test_an_image_with_a_network_of_its_own_listens_on_all_addresses(path: str) -> None:
    program = ImageMap().program("redis", [], [], {"PATH": path}, "10.9.0.2", "0.0.0.0")
    assert program.args[1:3] == ["--bind", "0.0.0.0"]


def test_what_is_not_installed_is_told_with_the_line_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(NoProgram) as caught:
        run("memcached:1.6", [], [], str(tmp_path))
    assert "memcached" in str(caught.value)
    assert installing({"apt": "a", "dnf": "b", "pip": "c"})[-1] == "pip install c"
    lines = installing({"apt": "memcached", "dnf": "memcached", "apk": "memcached", "brew": "memcached"})
    assert all(f"`{line}`" in str(caught.value) for line in lines)


def test_a_command_that_runs_here_is_run_as_it_is_whatever_the_image(path: str) -> None:
    assert run("ghcr.io/acme/worker:1", ["sh", "-c", "true"], ["x"], path) == ["sh", "-c", "true", "x"]


def test_python_is_found_under_the_name_it_has_here(path: str) -> None:
    assert run("python:3.11", ["python", "work.py"], [], path) == [f"{path}/python3", "work.py"]


def test_our_own_python_stands_for_no_image(tmp_path: Path) -> None:
    for name in ("python", "python3", "pip"):
        assert run("python:3.11", [name, "work.py"], [], str(tmp_path)) == [name, "work.py"]


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (
            "ghcr.io/acme/worker:1",
            ["ghcr.io/acme/worker:1", "no program is known", "acme/worker", "--images"],
        ),
        ("scratch", ["scratch", "give the container a command", "tidegate images add scratch"]),
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
    start = [sys.executable, "-I", "-m", "tidegate.local.entrypoints", "rabbitmq", *2 * ["127.96.0.9"]]
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
    text = "images: [{command: ls}, 7, {images: [x], comand: [y], env: []}, {images: [x], entrypoint: e}, "
    text += "{images: [x], command: [y], default: [z], packages: {pacman: y}, files: [{source: a}]}]"
    with pytest.raises(Misconfigured) as caught:
        parse(text, "images.yaml")
    for told in (
        "images[0].images",
        "images[0].command: expected a list",
        "images[1]",
        "images[2].comand: unknown",
        "images[3].entrypoint: unknown; known: ",
        "images[3].entrypoint: needs a command and a data folder",
        "images[4].packages.pacman: unknown; known: apt, ",
        "images[4].files[0]: expected source and target",
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
