"""How a server of our own starts, fails and ends: a small program of ours, then two real ones."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from parts.nats_server import NatsServer
from parts.postgresql_server import PostgresqlServer
from parts.server_process import NotStarted, ServerProcess, Servers
from parts.waiting import wait_until

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("server-processes")]

# Answers its token; has a child; may refuse to end.
PROGRAM = """
import http.server, os, pathlib, signal, subprocess, sys
port, token, *how = sys.argv[1:]
if "deaf" in how:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "sick" in how:
    sys.exit("I would rather not")
child = subprocess.Popen(["sleep", "600"])
pathlib.Path("child").write_text(str(child.pid))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f'"{token}"'.encode())
http.server.HTTPServer(("127.0.0.1", int(port)), Answer).serve_forever()
"""


class Tiny(ServerProcess):
    server = "tiny"
    stop_s = 0.3
    how: tuple[str, ...] = ()

    def prepare(self) -> None:
        self.write("kept", "0")

    def command(self) -> list[str]:
        return [sys.executable, "-c", PROGRAM, str(self.port), self.token, *self.how]

    def is_ready(self) -> bool:
        return bool(self.get("/") == self.token)

    @property
    def child(self) -> int:
        return int((self.folder / "child").read_text())


class Sick(Tiny):
    how = ("sick",)


class Deaf(Tiny):
    how = ("deaf",)


class Unlucky(Tiny):
    """Finds its first port taken by another server that answers all the same."""

    tries = 0

    def prepare(self) -> None:
        super().prepare()
        self.tries += 1
        if self.tries == 1:
            self.other = Tiny()
            self.other.start()
            self.ports = [self.other.port]


def is_running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    return False


@pytest.fixture
def unlucky() -> Iterator[Unlucky]:
    server = Unlucky()
    yield server
    server.close()
    server.other.close()


def test_it_is_ready_private_and_gone_at_the_end() -> None:
    with Tiny() as server:
        assert server.get("/") == server.token
        assert server.port < 32768
        assert server.folder.stat().st_mode & 0o777 == 0o700
        folder, child, port = server.folder, server.child, server.port
    assert not folder.exists()
    wait_until(lambda: not is_running(child), "the child ends", 5)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_after_a_stop_it_comes_back_on_its_port_with_its_files() -> None:
    with Tiny() as server:
        port = server.port
        server.write("kept", "1")
        for end in (server.stop, server.kill):
            end()
            end()
            with pytest.raises(OSError, match="refused"):
                server.get("/")
            server.start()
            assert (server.port, server.get("/")) == (port, server.token)
            assert (server.folder / "kept").read_text() == "1"


def test_what_does_not_end_is_killed() -> None:
    with Deaf() as server:
        child = server.child
    wait_until(lambda: not is_running(child), "the child ends", 5)


def test_a_port_that_another_server_has_is_given_up_for_a_free_one(unlucky: Unlucky) -> None:
    unlucky.start()
    assert unlucky.tries == 2
    assert unlucky.get("/") == unlucky.token
    assert unlucky.other.get("/") == unlucky.other.token


def test_a_server_that_does_not_start_says_its_last_words_and_leaves_nothing() -> None:
    server = Sick()
    with pytest.raises(NotStarted, match=r"(?s)tiny on .*ended with 1.*I would rather not"):
        server.start()
    assert not server.ports


def test_a_session_has_one_instance_and_does_not_try_a_failed_one_again() -> None:
    session = Servers()
    assert session.get(Tiny) is session.get(Tiny)
    failures = []
    for _ in range(2):
        with pytest.raises(NotStarted) as caught:
            session.get(Sick)
        failures.append(caught.value)
    assert failures[0] is failures[1]
    pid = session.get(Tiny).child
    session.close()
    wait_until(lambda: not is_running(pid), "the child ends", 5)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is missing")
def test_a_server_does_not_outlive_tests_that_are_killed() -> None:
    code = """
import sys, time
sys.path.insert(0, sys.argv[1])
from connections.test_server_processes import Tiny
server = Tiny()
server.start()
print(server._process.pid, server.folder, flush=True)
time.sleep(60)
"""
    tests = Path(__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", code, tests], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, folder = process.stdout.readline().split()
        child = int((Path(folder) / "child").read_text())
        assert is_running(int(pid))
        process.kill()
    wait_until(lambda: not is_running(int(pid)), "the server ends", 5)
    os.kill(child, signal.SIGKILL)
    shutil.rmtree(folder)


def test_nats_and_postgresql_start_and_keep_what_they_have(servers: Servers) -> None:
    assert servers.get(NatsServer).page("/jsz")["config"]["max_memory"] == 64_000_000
    with PostgresqlServer() as own:
        own.query("CREATE TABLE kept AS SELECT 7 AS n")
        own.stop()
        own.start()
        assert own.query("SELECT n FROM kept WHERE n = %s", 7) == [(7,)]
        if os.geteuid() == 0:
            owner = (own.folder / "data").stat().st_uid
            assert owner != 0
