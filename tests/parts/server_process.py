"""A real server of our own: private, on free ports, ready when it says so, and gone at the end.

    class Nats(ServerProcess):
        server = "nats"

        def command(self) -> list[str]:
            return [str(program("nats", "bin/nats-server")), "-p", str(self.port)]

        def is_ready(self) -> bool:
            return self.get("/varz", port=self.ports[1])["server_name"] == self.token

A test asks for the one instance of the session, and its module groups by server, so that one worker has it:

    pytestmark = [pytest.mark.real, pytest.mark.xdist_group("nats")]

    @pytest.fixture(scope="module")
    def nats(servers: Servers) -> Nats:
        return servers.get(Nats)

A test that stops, breaks or configures a server otherwise takes one of its own: `with Nats() as own: …`.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from parts.loopback import free_port
from parts.waiting import wait_until

TAIL_LINES = 30


class NotStarted(AssertionError):
    """A server did not become ready; says its command and its last words."""


class ServerProcess:
    """One server process (with its children: they are one process group).

    A subclass says `server`, `command()` and `is_ready()`, and `prepare()` if files must be there first.
    `token` is random: put it where only this server can repeat it (a cluster name, a queue), and look for
    it in `is_ready()`: that a port answers does not say who answers.
    """

    # Its name in tests/servers.toml.
    server: ClassVar[str]
    # How many ports it listens on.
    port_count: ClassVar[int] = 1
    # A JVM on a busy machine needs more.
    start_s: ClassVar[float] = 20.0
    probe_s: ClassVar[float] = 3.0
    stop_s: ClassVar[float] = 5.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    # The user it runs as when the tests are root, for servers that refuse root.
    user: ClassVar[str] = ""

    def __init__(self) -> None:
        # Another one of 127.0.0.0/8 where servers must differ by their host.
        self.host = "127.0.0.1"
        self.token = f"t{secrets.token_hex(6)}"
        self.ports: list[int] = []
        self.folder = Path()
        self._process: subprocess.Popen[bytes] | None = None

    # --- what a subclass says ---

    def prepare(self) -> None:
        """Write into `folder` what the server needs; ports are chosen. Called once for a folder."""

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return {}

    def is_ready(self) -> bool:
        """Whether this very server answers. Errors of the network and of parsing mean: not yet."""
        raise NotImplementedError

    # --- what a test uses ---

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        """Returns when it is ready. After a `stop()` it comes back on its ports, with its data."""
        if self.ports:
            self._launch()
            return
        try:
            self._start_new()
        except NotStarted:
            # Another process may have taken a port in between.
            self._start_new()

    def stop(self) -> None:
        """Ends it as its administrator would; kills what does not end in `stop_s`."""
        if self._process is None:
            return
        self._signal(self.stop_signal)
        self.thaw()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self.stop_s)
        self.kill()

    def kill(self) -> None:
        """kill -9, as a crash does it; children too."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stops its clock: connections stay open, and nothing is answered, until `thaw()`."""
        self._signal(signal.SIGSTOP)
        assert self._process is not None
        threads = Path(f"/proc/{self._process.pid}/task")
        # The signal stops one thread after the other; until the last, an answer may come.
        wait_until(
            lambda: all(_is_still(thread) for thread in threads.iterdir()),
            f"{self.server} stands still",
            5.0,
        )

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Stops it and deletes all it wrote."""
        self.stop()
        if self.ports:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.ports = []

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, command: Sequence[str | Path], *, stdin: str = "", timeout_s: float = 60.0) -> str:
        """Standard output of a program of the server's, run as its user in its folder; it must succeed."""
        run = subprocess.run(
            [str(word) for word in command],
            **self._around(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        said = (run.stdout + run.stderr).strip().splitlines()[-TAIL_LINES:]
        assert run.returncode == 0, f"{command[0]} ended with {run.returncode}:\n" + "\n".join(said)
        return run.stdout

    def write(self, name: str, text: str) -> Path:
        """A file in its folder that its user may read and write, and nobody else."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        self._give(path)
        return path

    def get(self, path: str, **how: Any) -> Any:
        """The JSON it answers to a GET; see `call`."""
        return json.loads(self.call("GET", path, **how))

    def call(
        self, method: str, path: str, *, port: int = 0, body: Any = None, login: str = "", **headers: str
    ) -> bytes:
        """The body of an HTTP answer; 4xx and 5xx raise. `login="user:password"`, `content_type="…"`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if login:
            sent["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if content is not None:
            sent.setdefault("content-type", "application/json")
        url = f"http://{self.host}:{port or self.port}{path}"
        request = urllib.request.Request(url, content, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self.probe_s) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                error.add_note(f"{method} {path}: {error.read(2000).decode(errors='replace')}")
            raise

    def log(self) -> str:
        """All it said, on its outputs or into the file `log` of its folder."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    # --- inside ---

    def _start_new(self) -> None:
        self.close()
        self.ports = free_ports(self.port_count)
        # Not in pytest's folder: that one is closed to other users, and too long for a socket's name.
        self.folder = Path(tempfile.mkdtemp(prefix=f"tidegate-{self.server}-"))
        self._give(self.folder)
        try:
            self.prepare()
            self._launch()
        except BaseException:
            self.close()
            raise

    def _launch(self) -> None:
        command = [str(word) for word in self.command()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_ending_with_us(), *command],
                **self._around(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + self.start_s
        while not self._answers():
            code = self._process.poll()
            late = time.monotonic() > deadline
            if late or code is not None:
                why = f"not ready within {self.start_s:g} s" if code is None else f"ended with {code}"
                words = "\n".join(self.log().splitlines()[-TAIL_LINES:])
                self.kill()
                raise NotStarted(f"{self.server} on {self.ports}: {why}: {' '.join(command)}\n{words}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        assert self._process is not None
        with suppress(OSError, HTTPException, ValueError, LookupError):
            return self._process.poll() is None and self.is_ready() and self._process.poll() is None
        return False

    def _around(self) -> dict[str, Any]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        own = {"HOME": str(self.folder), "TMPDIR": str(self.folder), "LC_ALL": "C.UTF-8"}
        around: dict[str, Any] = {"cwd": self.folder, "env": {**inherited, **own, **self.environment()}}
        if self._user is not None:
            around |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return around

    @property
    def _user(self) -> pwd.struct_passwd | None:
        return pwd.getpwnam(self.user) if self.user and os.geteuid() == 0 else None

    def _give(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _ending_with_us() -> list[str]:
    """What a command begins with so that its process ends with this thread, however that ends."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _is_still(thread: Path) -> bool:
    with suppress(FileNotFoundError):
        return ") T " in (thread / "stat").read_text()
    return True


def free_ports(count: int) -> list[int]:
    """Different ports, below those the kernel gives to outgoing connections."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return sorted(ports)


class Startable(Protocol):
    """A server process, or several that belong together. `close` is safe after a failed `start`."""

    def __init__(self) -> None: ...

    def start(self) -> None: ...

    def close(self) -> None: ...


Kind = TypeVar("Kind", bound=Startable)


class Servers:
    """The servers of a test session: each is started when it is first asked for, once."""

    def __init__(self) -> None:
        self._running: dict[type[Startable], Startable] = {}
        self._failed: dict[type[Startable], NotStarted] = {}

    def get(self, kind: type[Kind]) -> Kind:
        """The session's instance. One that did not start is not tried again for the next test."""
        if kind in self._failed:
            raise self._failed[kind]
        if kind not in self._running:
            server = kind()
            try:
                server.start()
            except BaseException as error:
                server.close()
                if isinstance(error, NotStarted):
                    self._failed[kind] = error
                raise
            self._running[kind] = server
        return self._running[kind]  # type: ignore[return-value]

    def close(self) -> None:
        for server in self._running.values():
            server.close()
        self._running = {}
