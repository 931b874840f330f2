"""Servers that images name, for real: a pod of the image, asked as its users ask it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parts.machine import Machine, own_objects
from parts.servers import program
from tidegate.kube.resource import PODS

pytestmark = pytest.mark.real


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    folder = tmp_path / "state"
    folder.mkdir()
    one = Machine(folder, own_objects())
    one.start()
    yield one
    await one.stop()


async def started(machine: Machine, image: str, *args: str, **spec: Any) -> str:
    """The address of a running pod of the image."""
    mounts = [{"name": name, "mountPath": place} for name, place in spec.pop("mounts", {}).items()]
    env = [{"name": name, "value": value} for name, value in spec.pop("env", {}).items()]
    container = {"image": image, "command": [], "args": [*args], "env": env, "volumeMounts": mounts}
    await machine.apply("a", container=container, **spec)
    await machine.phase("a", "Running")
    return str(machine.pod("a")["status"]["podIP"])


async def said(address: str, port: int, question: str) -> str:
    """What the server answers, once it takes connections."""
    for _ in range(100):
        try:
            reader, writer = await asyncio.open_connection(address, port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.write(question.encode())
        answer = b""
        while (chunk := await reader.read(65536)) and not answer.endswith(b"END\r\n"):
            answer += chunk
        writer.close()
        return answer.decode()
    raise AssertionError(f"nobody listens on {address}:{port}")


def folder(place: Path, **files: str) -> dict[str, Any]:
    place.mkdir(exist_ok=True)
    for name, text in files.items():
        (place / name.replace("__", ".")).write_text(text)
    return {"hostPath": {"path": str(place)}}


GET = "GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def test_nginx_serves_the_folder_that_is_mounted(machine: Machine, tmp_path: Path) -> None:
    program("nginx", "nginx")
    volume = {"name": "html", **folder(tmp_path / "html", index__html="hello from a volume")}
    address = await started(machine, "nginx:1.27", volumes=[volume], mounts={"html": "/usr/share/nginx/html"})
    assert (await said(address, 80, GET.format(""))).endswith("hello from a volume")
    assert "404" in (await said(address, 80, GET.format("nothing"))).splitlines()[0]
    log = await machine.log("a")
    assert '"GET / HTTP/1.1" 200' in log
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")


async def test_nginx_takes_the_servers_of_mounted_files_and_of_templates(
    machine: Machine, tmp_path: Path
) -> None:
    program("nginx", "nginx")
    one = "server { listen 8081; location / { return 200 'from conf.d'; } }"
    other = "server { listen 8082; location / { return 200 '${WHO} $uri'; } }"
    volumes = [
        {"name": "conf", **folder(tmp_path / "conf", one__conf=one)},
        {"name": "templates", **folder(tmp_path / "templates", other__conf__template=other)},
    ]
    mounts = {"conf": "/etc/nginx/conf.d", "templates": "/etc/nginx/templates"}
    address = await started(machine, "nginx", volumes=volumes, mounts=mounts, env={"WHO": "me"})
    assert (await said(address, 8081, GET.format(""))).endswith("from conf.d")
    assert (await said(address, 8082, GET.format("x"))).endswith("me /x")


async def test_httpd_serves_its_folder(machine: Machine, tmp_path: Path) -> None:
    program("apache", "apache2")
    volume = {"name": "html", **folder(tmp_path / "html", index__html="hello from apache")}
    address = await started(
        machine, "httpd:2.4", volumes=[volume], mounts={"html": "/usr/local/apache2/htdocs"}
    )
    assert (await said(address, 80, GET.format(""))).endswith("hello from apache")


async def test_memcached_keeps_a_value(machine: Machine) -> None:
    program("memcached", "memcached")
    address = await started(machine, "memcached:1.6", "-m", "16")
    assert await said(address, 11211, "set k 0 0 1\r\n7\r\nget k\r\nquit\r\n") == (
        "STORED\r\nVALUE k 0 1\r\n7\r\nEND\r\n"
    )


async def test_nats_tells_who_it_is(machine: Machine) -> None:
    program("nats", "bin/nats-server")
    address = await started(machine, "nats:2", "-js", "-sd", "/tmp")
    assert (await said(address, 4222, "QUIT\r\n")).startswith("INFO {")
    assert "jetstream" in await said(address, 8222, GET.format("jsz?"))


async def answered(machine: Machine, pod: str, command: tuple[str, ...], expected: str) -> None:
    """Asks in the pod until it is answered so."""
    heard = ""
    for _ in range(200):
        code, out, error = await machine.exec(pod, *command)
        if code == 0 and out == expected:
            return
        heard = out + error
        await asyncio.sleep(0.1)
    raise AssertionError(heard + await machine.log(pod))


async def test_mariadb_is_made_once_with_its_user_and_its_scripts(machine: Machine, tmp_path: Path) -> None:
    program("mariadb", "mariadbd")
    kept = tmp_path / "kept"
    kept.mkdir()
    scripts = folder(tmp_path / "scripts", a__sql="CREATE TABLE t AS SELECT 7 AS n;", b__txt="no")
    spec: dict[str, Any] = {
        "volumes": [{"name": "v", "hostPath": {"path": str(kept)}}, {"name": "s", **scripts}],
        "mounts": {"v": "/var/lib/mysql", "s": "/docker-entrypoint-initdb.d"},
        "env": {"MYSQL_ROOT_PASSWORD": "it's \\ root", "MYSQL_DATABASE": "sh_op", "MYSQL_USER": "me",
                "MYSQL_PASSWORD": "hunter2"},
    }  # fmt: skip
    address = await started(machine, "mysql:8", **{name: dict(value) if isinstance(value, dict) else value
                                                   for name, value in spec.items()})  # fmt: skip
    ask = ("mariadb", "--no-defaults", "-h", address, "-N", "-B")
    mine = (*ask, "-ume", "-phunter2", "sh_op", "-e")
    await answered(machine, "a", (*mine, "SELECT n FROM t"), "7\n")
    root = (*ask, "-uroot", "-pit's \\ root", "-e")
    await answered(machine, "a", (*root, "SELECT CURRENT_USER()"), "root@%\n")
    code, _, refused = await machine.exec("a", *ask, "-uroot", "-e", "SELECT 1")
    assert (code, "Access denied" in refused) == (1, True)
    log = await machine.log("a")
    assert "ignoring /docker-entrypoint-initdb.d/b.txt" in log
    assert "hunter2" not in log
    await machine.exec("a", *mine, "INSERT INTO t VALUES (8)")
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")
    await machine.apply("b", container={"image": "mariadb:11", "command": [], "volumeMounts": [
        {"name": "v", "mountPath": "/var/lib/mysql"}]}, volumes=spec["volumes"])  # fmt: skip
    await machine.phase("b", "Running")
    mine = ("mariadb", "--no-defaults", "-h", machine.pod("b")["status"]["podIP"], *mine[4:])
    await answered(machine, "b", (*mine, "SELECT SUM(n) FROM t"), "15\n")
    assert "running /docker" not in await machine.log("b")


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({}, "no database is made without a word on root's password"),
        ({"MARIADB_ROOT_PASSWORD": "x", "MARIADB_USER": "me"}, "are only good together"),
        ({"MARIADB_ROOT_PASSWORD": "x", "MYSQL_DATABASE_FILE": "/nowhere"}, "MYSQL_DATABASE_FILE: "),
    ],
)
async def test_mariadb_says_what_it_misses(machine: Machine, env: dict[str, str], told: str) -> None:
    program("mariadb", "mariadbd")
    variables = [{"name": name, "value": value} for name, value in env.items()]
    await machine.apply("a", container={"image": "mariadb", "command": [], "env": variables})
    await machine.phase("a", "Failed")
    assert told in await machine.log("a")
