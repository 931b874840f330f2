"""The PostgreSQL entrypoint: what the first start makes, and what one that broke off leaves."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from parts.machine import Machine, own_objects
from parts.servers import program
from tidegate.kube.resource import PODS
from tidegate.local.entrypoints import postgres
from tidegate.local.entrypoints.box import Box, Refused

# Instead of PostgreSQL's tools: each writes down how it was called.
TOOL = """#!/bin/bash
echo "$(basename "$0") $*" >> {folder}/called
while [ $# -gt 0 ]; do
  case $1 in -D) data=$2;; --pwfile=*) cat "${{1#*=}}" > {folder}/password;; esac; shift
done
case $(basename "$0") in
  initdb) mkdir "$data" && echo 15 > "$data/PG_VERSION" && mkdir "$data/base" && touch "$data/pg_hba.conf";;
  postgres|psql) cat >> {folder}/statements;;
esac
test ! -e {folder}/fails-"$(basename "$0")"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    for name in ("postgres", "initdb", "pg_ctl", "psql"):
        tool = tmp_path / "bin" / name
        tool.write_text(TOOL.format(folder=tmp_path))
        tool.chmod(0o755)
    return tmp_path


def box(folder: Path, *args: str, **env: str) -> Box:
    program = str(folder / "bin" / "postgres")
    return Box(program, [*args], {"PATH": "/usr/bin:/bin", **env}, folder / "kept", "127.96.0.9")


def prepare(pod: Box) -> list[str]:
    """With the scripts of the test, wherever the tools are."""
    return postgres.prepare(pod, Path(pod.program).parent.parent / "scripts")


def text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def called(folder: Path) -> list[str]:
    return [line.partition(" ")[0] for line in text(folder / "called").splitlines()]


def test_a_database_is_made_once_and_served_on_the_pods_address(folder: Path) -> None:
    env = {"POSTGRES_PASSWORD": "hunter2", "POSTGRES_USER": "shop", "POSTGRES_DB": 'or"ders'}
    pod = box(folder, "-c", "max_connections=9", **env)
    command = prepare(pod)
    data = folder / "kept" / "data"
    assert command[4:] == [
        *(pod.program, "-D", str(data), "-c", "max_connections=9"),
        *("-c", "listen_addresses=127.96.0.9"),
        *("-c", f"unix_socket_directories={postgres.sockets(pod)}"),
    ]
    assert sorted(one.name for one in data.iterdir()) == ["PG_VERSION", "base", "pg_hba.conf"]
    assert data.stat().st_mode & 0o777 == 0o700
    assert text(data / "pg_hba.conf") == "\nhost all all all scram-sha-256\n"
    assert text(folder / "password") == "hunter2"
    assert text(folder / "statements") == 'CREATE DATABASE "or""ders"\n'
    assert "--username=shop" in text(folder / "called")
    assert "hunter2" not in text(folder / "called") + str(pod.env)
    assert not (folder / "kept" / "tidegate" / "password").exists()
    before = text(folder / "called")
    prepare(box(folder))
    assert text(folder / "called") == before


def test_nobody_is_trusted_for_an_address_that_all_pods_have(folder: Path) -> None:
    prepare(box(folder, POSTGRES_PASSWORD="x"))
    assert "--auth-local=trust --auth-host=scram-sha-256" in text(folder / "called")


def test_who_wants_no_password_says_so(folder: Path) -> None:
    with pytest.raises(Refused, match="set POSTGRES_PASSWORD"):
        prepare(box(folder))
    prepare(box(folder, POSTGRES_HOST_AUTH_METHOD="trust"))
    assert "--auth-host=trust" in text(folder / "called")
    assert "--pwfile" not in text(folder / "called")
    assert text(folder / "statements") == ""


def test_variables_may_come_from_files(folder: Path) -> None:
    (folder / "secret").write_text("hunter2\n")
    prepare(box(folder, POSTGRES_PASSWORD_FILE=str(folder / "secret")))
    assert text(folder / "password") == "hunter2"
    with pytest.raises(Refused, match="both set"):
        prepare(box(folder, POSTGRES_USER="a", POSTGRES_USER_FILE="b"))
    with pytest.raises(Refused, match=r"POSTGRES_DB_FILE: .*No such file"):
        prepare(box(folder, POSTGRES_DB_FILE="/nowhere"))


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("/var/lib/postgresql/data/pgdata", "kept/data/pgdata"),
        ("/var/lib/postgresql/18/docker", "kept/18/docker"),
        ("elsewhere", "elsewhere"),
    ],
)
def test_data_lie_where_pgdata_says(folder: Path, given: str, place: str) -> None:
    pgdata = given if given.startswith("/") else str(folder / given)
    prepare(box(folder, POSTGRES_PASSWORD="x", PGDATA=pgdata))
    assert (folder / place / "PG_VERSION").exists()


@pytest.mark.parametrize("tool", ["initdb", "postgres", "pg_ctl", "psql"])
def test_a_first_start_that_failed_begins_anew(folder: Path, tool: str) -> None:
    (folder / "scripts").mkdir()
    (folder / "scripts" / "a.sql").write_text("SELECT 1;")
    (folder / f"fails-{tool}").touch()
    wanted = {"POSTGRES_PASSWORD": "x", "POSTGRES_DB": "shop"}
    with pytest.raises(Refused, match=f"{tool} ended with 1"):
        prepare(box(folder, **wanted))
    assert not (folder / "kept" / "data" / "PG_VERSION").exists()
    (folder / f"fails-{tool}").unlink()
    prepare(box(folder, **wanted))
    assert called(folder).count("initdb") == 2
    assert (folder / "kept" / "data" / "PG_VERSION").exists()


def test_a_database_that_was_being_moved_to_its_place_is_moved_on(folder: Path) -> None:
    new = folder / "kept" / "data" / "tidegate-new"
    new.mkdir(parents=True)
    for name in (postgres.WHOLE, "PG_VERSION"):
        (new / name).touch()
    (new.parent / "base").mkdir()
    prepare(box(folder))
    assert called(folder) == []
    assert sorted(one.name for one in new.parent.iterdir()) == ["PG_VERSION", "base"]


def test_a_folder_with_other_files_is_left_alone(folder: Path) -> None:
    (folder / "kept" / "data" / "photos").mkdir(parents=True)
    with pytest.raises(Refused, match="holds photos and no database"):
        prepare(box(folder, POSTGRES_PASSWORD="x"))
    assert called(folder) == []


def test_scripts_run_in_their_order_against_the_new_database(folder: Path) -> None:
    scripts = folder / "scripts"
    scripts.mkdir()
    (scripts / "1.sql").write_text("first;")
    (scripts / "2.sql.gz").write_bytes(gzip.compress(b"second;"))
    (scripts / "3.sh").write_text(f'echo "$POSTGRES_USER $POSTGRES_DB $PGUSER" > {folder}/told')
    (scripts / "4.txt").write_text("not a script")
    pod = box(folder, POSTGRES_PASSWORD="x", POSTGRES_USER="shop")
    prepare(pod)
    assert text(folder / "statements") == 'CREATE DATABASE "shop"\nfirst;second;'
    assert text(folder / "told") == "shop shop shop\n"
    assert called(folder) == ["initdb", "postgres", "pg_ctl", "psql", "psql", "pg_ctl"]
    # They are for the first start; the server itself listens to others' names.
    assert "PGUSER" not in pod.env


def test_a_path_that_is_too_long_for_a_socket_goes_without(folder: Path) -> None:
    pod = box(folder, POSTGRES_PASSWORD="x")
    pod.data = folder / ("long" * 40)
    assert prepare(pod)[-1] == "unix_socket_directories="


# --- a real server in a pod


@pytest.mark.real
@pytest.mark.xdist_group("postgresql")
async def test_a_server_in_a_pod_wants_its_password_and_ends_in_order_while_clients_are_there(
    tmp_path: Path,
) -> None:
    program("postgresql", "postgres")
    kept = tmp_path / "kept"
    kept.mkdir()
    spec = {
        "container": {
            "image": "postgres:15",
            "command": [],
            "env": [{"name": "POSTGRES_PASSWORD", "value": "hunter2"}],
            "volumeMounts": [{"name": "v", "mountPath": "/var/lib/postgresql/data"}],
        },
        "volumes": [{"name": "v", "hostPath": {"path": str(kept)}}],
    }
    state = tmp_path / "state"
    state.mkdir()
    machine = Machine(state, own_objects())
    machine.start()
    try:
        await machine.apply("a", **spec)
        await machine.phase("a", "Running")
        psql = ("psql", "-qAt", "-U", "postgres", "-c")
        await answered(machine, "a", (*psql, "SELECT 7"), "7\n")
        address = machine.pod("a")["status"]["podIP"]
        code, _, refused = await machine.exec("a", *psql[:2], "-w", *psql[2:], "SELECT 7", "-h", address)
        assert (code, "no password supplied" in refused) == (2, True)
        await machine.exec("a", *psql, "CREATE TABLE kept AS SELECT 1")
        client = asyncio.create_task(machine.exec("a", *psql, "SELECT pg_sleep(600)"))
        busy = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"
        await answered(machine, "a", (*psql, busy), "1\n")
        await machine.objects.delete(PODS, "default", "a")
        await machine.gone("a")
        assert (await client)[0] != 0

        await machine.apply("b", **spec)
        await machine.phase("b", "Running")
        await answered(machine, "b", (*psql, "SELECT count(*) FROM kept"), "1\n")
        said = await machine.log("b")
        assert "database system was shut down at" in said
        assert "not properly shut down" not in said
    finally:
        await machine.stop()
    assert "PG_VERSION" in {one.name for one in kept.iterdir()}


async def answered(machine: Machine, pod: str, command: tuple[str, ...], expected: str) -> None:
    """Asks in the pod until it is answered so."""
    said = ""
    for _ in range(100):
        _, out, error = await machine.exec(pod, *command)
        if out == expected:
            return
        said = out + error
        await asyncio.sleep(0.1)
    raise AssertionError(said)
