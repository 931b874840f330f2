"""An engine that misbehaves: a program in its place, which answers as the test has it."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from parts.virtualtime import VirtualClock
from tidegate.local.nodes.pods.starts.pulls import logins
from tidegate.local.nodes.processes.instance import Instance, Plan, Record, write
from tidegate.local.nodes.processes.process import Sweeper
from tidegate.local.nodes.runtimes.creation import Wanted
from tidegate.local.nodes.runtimes.dialect import DIALECTS
from tidegate.local.nodes.runtimes.engine import Engine, EngineError
from tidegate.local.nodes.runtimes.of_engine import Engines

RUNNING = '{"Status":"running","Running":true,"Pid":1}'


class FakeEngine:
    """A program of this name whose answers are lines of shell; `calls` are the words it was given."""

    def __init__(self, folder: Path, name: str, script: str, answer_s: float = 60.0) -> None:
        self.folder = folder
        file = folder / name
        file.write_text(f'#!/bin/sh\ncd {folder}\nprintf "%s\\n" "$*" >> calls\n{script}\n')
        file.chmod(0o755)
        path = {"PATH": f"{folder}:{os.defpath}"}
        self.engine = Engine(DIALECTS[name], path, "node", answer_s)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo '<html>s3cret'", "its answer is no JSON object"),
        ("echo 3", "its answer is no JSON object"),
        ("head -c 10000000 /dev/zero", "its answer is no JSON object"),
        ('printf \'{"Status": "run\'', "its answer is no JSON object"),
        ("kill -9 $$", "it said nothing"),
        ("echo 'Cannot connect to the daemon' >&2; exit 1", "Cannot connect to the daemon"),
    ],
)
async def test_what_is_no_answer_is_an_error_and_no_state(tmp_path: Path, script: str, told: str) -> None:
    fake = FakeEngine(tmp_path, "docker", script)

    with pytest.raises(EngineError, match=told) as found:
        await fake.engine.state("n")

    assert "docker cannot look at the container n" in str(found.value)
    assert "s3cret" not in str(found.value)


async def test_an_engine_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    fake = FakeEngine(tmp_path, "podman", "exec sleep 1000", answer_s=0.2)

    with pytest.raises(EngineError, match=r"podman cannot list containers: no answer within 0\.2 s"):
        await fake.engine.names()


async def test_a_container_that_is_not_there_is_none_and_can_be_removed(tmp_path: Path) -> None:
    fake = FakeEngine(tmp_path, "docker", "echo 'Error: No such container: n' >&2; exit 1")

    assert await fake.engine.state("n") is None
    assert not await fake.engine.signal("n", "SIGTERM")
    await fake.engine.remove("n")


async def test_a_name_that_is_taken_by_what_never_ran_is_given_back_first(tmp_path: Path) -> None:
    taken = "[ -e free ] || { echo 'name n is already in use' >&2; exit 1; }"
    script = f'case "$1" in create) {taken};; rm) touch free;; esac'
    fake = FakeEngine(tmp_path, "docker", script)

    await fake.engine.create(Wanted("n", "i"))

    assert [call.split()[0] for call in fake.calls] == ["create", "rm", "create"]


async def test_values_of_variables_reach_the_engine_whole(tmp_path: Path) -> None:
    env = {"A": "x " * 50_000, "B": "é=#"}
    fake = FakeEngine(tmp_path, "podman", "cat /dev/stdin > got")

    await fake.engine.create(Wanted("n", "i", env=env))

    assert (tmp_path / "got").read_text() == f"A={env['A']}\nB=é=#\n"


@pytest.mark.parametrize(("name", "place"), [("podman", "${4%/*}"), ("docker", "$DOCKER_CONFIG")])
async def test_a_login_is_for_one_pull(tmp_path: Path, name: str, place: str) -> None:
    login = tmp_path / "login"
    login.mkdir()
    (login / "config.json").write_text('{"auths":{}}')
    fake = FakeEngine(tmp_path, name, f'cp "{place}/config.json" got')

    await fake.engine.pull("far/away:1", login)

    assert (tmp_path / "got").read_text() == '{"auths":{}}'
    assert fake.calls[0].startswith("pull --quiet")
    assert fake.calls[0].endswith(" far/away:1")


def secret(text: str, type: str = "kubernetes.io/dockerconfigjson") -> dict[str, Any]:
    return {"type": type, "data": {".dockerconfigjson": base64.b64encode(text.encode()).decode()}}


def test_logins_are_read_by_registry_and_what_is_none_names_no_value() -> None:
    auths = {"registry.example.com": {"auth": "czNjcmV0"}}

    assert logins(secret(json.dumps({"auths": auths}))) == auths
    for wrong in (None, secret("{}"), secret("s3cret"), secret('{"auths":"s3cret"}'), secret("{}", "Opaque")):
        with pytest.raises(ValueError, match=r"it is not there|its type|is no JSON object") as found:
            logins(wrong)
        assert "s3cret" not in str(found.value)


def ended(folder: Path, code: str) -> Instance:
    """An instance whose command ended with this code, long ago."""
    place = folder / "pods" / "uid" / "c"
    instance = write(place, 0, Plan(["true"], {}), Record(runtime="docker"))
    (instance.path / "claim").write_text("1 1 1 1 another-boot 1.0\n")
    (instance.path / "exit").write_text(f"{code}\n")
    (instance.path / "log").write_text("Error: no such program\n")
    return instance


@pytest.mark.parametrize(
    ("state", "code", "failure", "is_oom"),
    [
        ('{"Status":"exited","ExitCode":3}', 3, None, False),
        ('{"Status":"exited","ExitCode":137,"OOMKilled":true}', 137, None, True),
        ('{"Status":"created","ExitCode":127}', 128, ("StartError", "no such program"), False),
        # The command was killed alone: that is all that is known.
        (RUNNING, 125, None, False),
    ],
)
async def test_the_engine_has_the_last_word_on_an_end(
    tmp_path: Path, state: str, code: int, failure: tuple[str, str] | None, is_oom: bool
) -> None:
    fake = FakeEngine(tmp_path, "docker", f"echo '{state}'")
    engines = Engines(fake.engine, Sweeper("node"), VirtualClock(), tmp_path / "pods")
    instance = ended(tmp_path, "125")

    await engines.note_end(instance)

    seen = instance.inspect()
    assert (seen.state, seen.code, seen.failure, seen.is_oom) == ("ended", code, failure, is_oom)
