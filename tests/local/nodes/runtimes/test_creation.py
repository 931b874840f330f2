"""The words by which each engine is asked for a container: what all share, and where they differ."""

from __future__ import annotations

import pytest

from tidegate.local.nodes.processes.instance import Bind
from tidegate.local.nodes.runtimes import answers
from tidegate.local.nodes.runtimes.creation import (
    Limits,
    Security,
    Wanted,
    container_name,
    creation,
)
from tidegate.local.nodes.runtimes.dialect import DIALECTS, exec_words, start_words
from tidegate.local.unhonoured import RUNTIMES

PODMAN, DOCKER, NERDCTL = (DIALECTS[name] for name in ("podman", "docker", "nerdctl"))
ENGINES = [pytest.param(one, id=one.name) for one in DIALECTS.values()]


def words(dialect: object, **wanted: object) -> list[str]:
    """What stands there beyond what an empty container has, without the image."""
    assert dialect in DIALECTS.values()
    plain = creation(dialect, Wanted("n", "i")).words  # type: ignore[arg-type]
    return [one for one in creation(dialect, Wanted("n", "i", **wanted)).words if one not in plain]  # type: ignore[arg-type]


def test_each_runtime_that_a_manifest_may_name_has_a_dialect() -> None:
    assert ("process", *DIALECTS) == RUNTIMES


def test_every_engine_gets_an_image_that_is_there_and_keeps_no_log_of_its_own() -> None:
    begin = ["create", "--name", "n", "--pull=never", "--log-driver=none", "--network=host"]
    end = ["--env-file=/dev/stdin", "i"]
    more = ["--security-opt=label=disable", "--replace"]

    found = {name: creation(one, Wanted("n", "i")).words for name, one in DIALECTS.items()}

    assert found == {
        "podman": ["podman", *begin, *more, *end],
        "docker": ["docker", *begin, *end],
        "nerdctl": ["nerdctl", *begin, *end],
    }


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"cwd": "/srv"}, ["--workdir=/srv"]),
        ({"hostname": "web-0"}, ["--hostname=web-0"]),
        ({"labels": {"a": "b c"}}, ["--label", "a=b c"]),
        ({"has_input": True, "has_tty": True}, ["--interactive", "--tty"]),
        ({"shares_processes": True, "shares_memory": True}, ["--pid=host", "--ipc=host"]),
        ({"security": Security(user="7:8", groups=(1, 2))}, ["--user=7:8", "--group-add=1", "--group-add=2"]),
        ({"security": Security(is_privileged=True, is_sealed=True)}, ["--privileged"]),
        ({"security": Security(is_sealed=True)}, ["--security-opt=no-new-privileges"]),
        ({"security": Security(is_unconfined=True)}, ["--security-opt=seccomp=unconfined"]),
        (
            {"security": Security(added=("NET_ADMIN",), dropped=("ALL",))},
            ["--cap-add=NET_ADMIN", "--cap-drop=ALL"],
        ),
        ({"limits": Limits(memory=2**24)}, ["--memory=16777216", "--memory-swap=16777216"]),
        ({"limits": Limits(cpus=0.25, asked_cpus=0.1)}, ["--cpus=0.25", "--cpu-shares=102"]),
        ({"limits": Limits(asked_cpus=0.0)}, ["--cpu-shares=2"]),
        ({"binds": [Bind("/a b", "/x")]}, ["--mount", "type=bind,source=/a b,target=/x"]),
        ({"binds": [Bind("/a", "/x", True)]}, ["--mount", "type=bind,source=/a,target=/x,readonly"]),
        ({"binds": [Bind("/a,b", "/x", True)]}, ["--volume", "/a,b:/x:ro"]),
        ({"args": ["serve", "--port=1"]}, ["serve", "--port=1"]),
    ],
)
@pytest.mark.parametrize("dialect", ENGINES)
def test_all_engines_say_it_alike(dialect: object, wanted: dict[str, object], said: list[str]) -> None:
    assert words(dialect, **wanted) == said


def test_the_first_word_of_a_command_takes_the_place_of_the_entrypoint() -> None:
    command = {"command": ["sh", "-c", "x"], "args": ["y"]}

    assert words(PODMAN, **command) == ['--entrypoint=["sh"]', "-c", "x", "y"]
    assert words(DOCKER, **command) == words(NERDCTL, **command) == ["--entrypoint=sh", "-c", "x", "y"]


def test_a_root_file_system_that_is_read_only_has_no_places_in_memory() -> None:
    security = Security(is_read_only=True)

    assert words(PODMAN, security=security) == ["--read-only", "--read-only-tmpfs=false"]
    assert words(DOCKER, security=security) == words(NERDCTL, security=security) == ["--read-only"]


@pytest.mark.parametrize("dialect", ENGINES)
def test_no_value_of_a_variable_is_seen_by_other_users(dialect: object) -> None:
    assert dialect in DIALECTS.values()
    env = {"TOKEN": "s3cret= #x", "EMPTY": "", "KEY": "-----BEGIN\ns3cret\n"}

    made = creation(dialect, Wanted("n", "i", env=env))  # type: ignore[arg-type]

    assert made.stdin == b"TOKEN=s3cret= #x\nEMPTY=\n"
    assert made.env == {"KEY": "-----BEGIN\ns3cret\n"}
    assert "--env=KEY" in made.words
    assert not any("s3cret" in word for word in made.words)


@pytest.mark.parametrize(
    ("engine", "variable"),
    [
        ("podman", "PATH"),
        ("podman", "LD_PRELOAD"),
        ("podman", "CONTAINERS_CONF"),
        ("podman", "GODEBUG"),
        ("podman", "XDG_RUNTIME_DIR"),
        ("docker", "DOCKER_HOST"),
        ("docker", "HTTPS_PROXY"),
        ("nerdctl", "CONTAINERD_ADDRESS"),
    ],
)
def test_no_manifest_says_how_an_engine_works(engine: str, variable: str) -> None:
    made = creation(DIALECTS[engine], Wanted("n", "i", env={variable: "of\nthe pod"}))

    assert made.env == {}
    assert f"--env={variable}=of\nthe pod" in made.words


def test_an_engine_gets_of_the_servers_environment_what_it_is_found_and_configured_by() -> None:
    server = {"PATH": "/bin", "HOME": "/root", "AWS_SECRET_ACCESS_KEY": "x", "DOCKER_HOST": "unix:///d"}
    server |= {"CONTAINERS_CONF": "/c", "XDG_RUNTIME_DIR": "/run/user/1", "KUBECONFIG": "/k"}

    assert sorted(PODMAN.environment(server)) == ["CONTAINERS_CONF", "HOME", "PATH", "XDG_RUNTIME_DIR"]
    assert sorted(DOCKER.environment(server)) == ["DOCKER_HOST", "HOME", "PATH", "XDG_RUNTIME_DIR"]


def test_a_container_is_started_with_its_output_as_ours_and_its_terminal_takes_no_keys_away() -> None:
    def started(dialect: object) -> list[str]:
        return start_words(dialect, "n", has_input=True, has_tty=True)  # type: ignore[arg-type]

    podman = ["podman", "--log-level=error", "start", "--attach"]
    assert start_words(PODMAN, "n", has_input=False, has_tty=False) == [*podman, "n"]
    assert started(PODMAN) == [*podman, "--interactive", "--detach-keys=", "n"]
    keys = "--detach-keys=ctrl-],ctrl-^,ctrl-_,ctrl-^,ctrl-]"
    assert started(DOCKER) == ["docker", "start", "--attach", "--interactive", keys, "n"]
    assert started(NERDCTL) == ["nerdctl", "start", "--attach", "--interactive", "n"]


def test_a_further_command_has_an_input_and_a_terminal_where_it_asks_for_one() -> None:
    assert exec_words(PODMAN, "n", ["ls"], has_tty=False) == ["podman", "exec", "--interactive", "n", "ls"]
    told = ["podman", "exec", "--interactive", "--tty", "--detach-keys=", "n", "sh"]
    assert exec_words(PODMAN, "n", ["sh"], has_tty=True) == told


def test_names_are_the_same_for_the_same_instance_and_fit_every_engine() -> None:
    uid = "0b2f8c0e-6f3f-4b0e-9a51-3c1f8f5c9d10"
    names = {
        container_name(node, one, container, number)
        for node in ("n1", "n2")
        for one in (uid, uid[::-1])
        for container in ("a-very-long-name-of-a-container", "a-very-long-nothing", "c")
        for number in (0, 11)
    }

    assert len(names) == 24
    assert all(len(name) <= 76 for name in names)
    assert container_name("n1", uid, "c", 0) == container_name("n1", uid, "c", 0)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ('{"Status":"running","Running":true,"Pid":7}', answers.State(True, True, pid=7)),
        ('{"Status":"created","Running":false,"ExitCode":0}', answers.State(False, False)),
        ('{"Status":"exited","ExitCode":3}', answers.State(False, True, 3)),
        ('{"Status":"exited","ExitCode":137,"OOMKilled":true}', answers.State(False, True, 137, True)),
        # docker writes a code for one that could not be started
        ('{"Status":"created","ExitCode":127,"Error":"no such file"}', answers.State(False, False, 127)),
        ('[{"Status":"paused"}]', answers.State(True, True)),
    ],
)
def test_states_are_read_as_the_engines_write_them(told: str, state: answers.State) -> None:
    assert answers.state(told) == state


@pytest.mark.parametrize("told", ["", "null", "[]", "3", "<html>", '{"Status":'])
def test_what_is_no_state_is_none(told: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json says it in its own words
        answers.state(told)


def test_of_an_image_its_user_and_its_signal_are_read() -> None:
    told = '{"Id":"sha256:1","Config":{"User":"1000:5","StopSignal":"SIGQUIT"}}'

    assert answers.image(told) == answers.Image("sha256:1", "1000:5", "SIGQUIT")
    assert answers.image('{"Id":"sha256:1","Config":null}') == answers.Image("sha256:1")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("Error: no such container", "no such container"),
        ("trying\nError: denied\n\n", "denied"),
        ("", "it said nothing"),
        ("x" * 1000, "x" * answers.MOST_TOLD),
    ],
)
def test_the_last_line_of_an_error_says_why(error: str, line: str) -> None:
    assert answers.told(error) == line
