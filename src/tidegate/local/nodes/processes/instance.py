"""One run of a container as a directory, so that any later server can tell what became of it.

    <data>/pods/<uid>/<container>/<number>/
        record   what the server needs to go on: restarts so far, the delay before the next one
        plan     what the launcher is to do (NUL-terminated words, see `launch`)
        claim    who runs it: the launcher's process, or "server" for nobody, ever
        log      standard output and error, written by the process itself
        failed   why the launcher could not become the command
        input    a pipe for what somebody who attaches types (frames, see `launch/relay.py`), where it has one
        message  what the program leaves for the container's status
        exit     the exit code, written by the shell that waits for the command, into room kept for it
        lost     the server ended it together with itself: not a failure
        oom      it was killed because it took too much memory
        fs       what it wrote outside its volumes, as long as it runs; root: where its root is mounted

The directory appears whole (by rename) before anything starts. Whoever links `claim` first decides:
a launcher that comes late gives up, a server that comes late adopts. Nothing runs twice.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from tidegate.local.nodes.processes import last_words
from tidegate.local.nodes.processes.cgroups import kills
from tidegate.local.nodes.processes.process import machine, started_at
from tidegate.local.nodes.processes.run_as import RunAs

LAUNCHER = Path(__file__).with_name("launch")
# The shell waits and writes the exit code, whoever else lives or dies. TERM reaches the whole group;
# the traps keep the shell alive for the code and are back to default in the command. `<>` writes over
# what is there: a disk that is full by then does not turn a success into a failure.
SHIM = 'trap : TERM INT HUP; "$@"; echo $? 1<>"$0/exit"'
NO_EXIT = b"-" * 8
SERVER = "server"
INPUT = "input"
CLAIM_WORDS = 6
HEAD = ("cgroup", "user", "group", "groups", "sealed")
KILLED = 137
State = Literal["unclaimed", "alive", "ended", "lost", "void"]
Kind = Literal["none", "shared", "places", "whole"]


@dataclass(frozen=True, slots=True)
class View:
    """What containers see of this machine: nothing of their own ("none": not even mounts), the machine as
    it is, the machine read-only but for copies of `places`, or a copy on write of the whole of it.

    `why` says why it is no more than that; what containers write is kept on disk, or `is_in_memory`.
    """

    kind: Kind = "shared"
    why: str = ""
    places: tuple[str, ...] = ()
    is_in_memory: bool = False


@dataclass(frozen=True, slots=True)
class Bind:
    """`source` on this machine appears at `target` in the container, or a copy of it that it may change."""

    source: str
    target: str
    is_read_only: bool = False
    is_copy: bool = False

    @property
    def mode(self) -> str:
        return "copy" if self.is_copy else "ro" if self.is_read_only else "rw"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. With a view of the machine (but "none") in mounts of its own; `hidden` is not in it.

    `is_privileged` may change the kernel's settings, as on a cluster; with `has_network` it joins the
    network that the launcher is given. With `is_read_only` it writes to its volumes alone, where it has a
    copy of the machine's files. `group` is the control group that limits its memory.
    """

    args: Sequence[str]
    env: Mapping[str, str]
    cwd: str = ""
    hostname: str = ""
    binds: Sequence[Bind] = ()
    view: View = field(default_factory=View)
    hidden: Sequence[str] = ()
    is_privileged: bool = False
    has_network: bool = False
    run_as: RunAs = field(default_factory=RunAs)
    group: str = ""
    has_input: bool = False
    has_tty: bool = False
    is_read_only: bool = False

    @property
    def is_private(self) -> bool:
        return self.view.kind != "none"

    def words(self) -> bytes:
        # These come first: the server reads them again.
        words = ["cgroup", self.group] if self.group else []
        words += self.run_as.words()
        words += ["private"] * self.is_private + ["memory"] * self.view.is_in_memory
        words += ["view", self.view.kind] + ["privileged"] * self.is_privileged
        words += ["readonly"] * self.is_read_only
        words += ["network"] * self.has_network + ["input"] * self.has_input + ["tty"] * self.has_tty
        for place in self.view.places:
            words += ["place", place]
        for place in self.hidden:
            words += ["hide", place]
        for arg in self.args:
            words += ["arg", arg]
        for name, value in self.env.items():
            words += ["env", f"{name}={value}"]
        for bind in self.binds:
            words += ["bind", bind.mode, bind.source, bind.target]
        words += ["cwd", self.cwd, "hostname", self.hostname]
        return b"".join(os.fsencode(word) + b"\0" for word in words)


@dataclass(frozen=True, slots=True)
class Record:
    """`restarts` counts failures and completions before this run, not machines lost under it.

    `runtime` names what runs it.
    """

    restarts: int = 0
    delay_s: float = 0.0
    is_private: bool = True
    cwd: str = ""
    env: dict[str, str] = field(default_factory=dict)
    runtime: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """The command's process, and the session leader that waits for it. Times in ticks after boot."""

    pid: int
    start: int
    session: int
    session_start: int
    machine: str
    at: float

    @property
    def is_running(self) -> bool:
        here = self.machine == machine()
        return here and (started_at(self.session) == self.session_start or started_at(self.pid) == self.start)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the directory says. `code` is set for "ended"; `failure` is (reason, message) of a start."""

    state: State
    claim: Claim | None = None
    code: int = 0
    failure: tuple[str, str] | None = None
    finished_at: float = 0.0
    is_oom: bool = False


@dataclass(frozen=True, slots=True)
class Instance:
    path: Path

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def log(self) -> Path:
        return self.path / "log"

    def record(self) -> Record:
        try:
            return msgspec.json.decode((self.path / "record").read_bytes(), type=Record)
        except msgspec.DecodeError:  # written shortly before the machine lost power
            return Record()

    def inspect(self) -> Seen:
        # Read once: a launcher may claim between two looks at the file.
        try:
            words = (self.path / "claim").read_text().split()
        except FileNotFoundError:
            return Seen("unclaimed")
        if words == [SERVER]:
            return Seen("void")
        claim = self._claim(words)
        if claim.is_running:
            return Seen("alive", claim)
        # Whatever was written was written before the processes ended: only now is it the last word.
        code, finished_at = self._exit()
        if self._is_lost(None if code is None else finished_at):
            return Seen("lost", claim)
        failure = self._failure()
        if code is None and failure is None and claim.machine != machine():
            return Seen("lost", claim)
        if code is None:
            code, finished_at = (128, claim.at) if failure else (KILLED, time.time())
        is_oom = code == KILLED and failure is None and self.is_out_of_memory
        return Seen("ended", claim, code, failure, finished_at, is_oom)

    @property
    def is_out_of_memory(self) -> bool:
        """Whether something of it was killed because it took too much memory."""
        groups = self.head().get("cgroup", [])
        return (self.path / "oom").exists() or any(kills(Path(group)) for group in groups)

    def mark_out_of_memory(self) -> None:
        (self.path / "oom").touch()

    def head(self) -> dict[str, list[str]]:
        """The first words of the plan: its group, and whom it runs as."""
        found: dict[str, list[str]] = {}
        with suppress(OSError):
            words = iter(os.fsdecode((self.path / "plan").read_bytes()).split("\0"))
            for word in words:
                if word not in HEAD:
                    break
                found.setdefault(word, []).append(next(words, ""))
        return found

    @property
    def identity(self) -> str:
        """Whom it runs as: user:group:other,groups:sealed, each of which may be empty."""
        head = self.head()
        return ":".join(",".join(head.get(name, [])) for name in HEAD[1:])

    def _claim(self, words: Sequence[str]) -> Claim:
        if len(words) != CLAIM_WORDS:  # written shortly before the machine lost power
            return Claim(0, 0, 0, 0, "", (self.path / "claim").stat().st_mtime)
        pid, start, session, session_start = (int(word) for word in words[:4])
        return Claim(pid, start, session, session_start, words[4], float(words[5]))

    def _is_lost(self, finished_at: float | None) -> bool:
        """Whether the server ended it. What had finished by itself before that is finished."""
        try:
            marked_at = (self.path / "lost").stat().st_mtime
        except FileNotFoundError:
            return False
        return finished_at is None or finished_at >= marked_at

    def seal(self, seen: Seen) -> None:
        """Writes down an end that nobody was left to write down, with the moment it was noticed."""
        if seen.state == "ended" and self._exit()[0] is None:
            with suppress(OSError):
                (self.path / "exit").write_text(f"{seen.code}\n")

    def _exit(self) -> tuple[int | None, float]:
        file = self.path / "exit"
        with suppress(OSError, ValueError):
            text, end, _ = file.read_text().partition("\n")
            if end:
                return int(text), file.stat().st_mtime
        return None, 0.0

    def _failure(self) -> tuple[str, str] | None:
        try:
            reason, _, message = (self.path / "failed").read_text("utf-8", "replace").partition("\0")
        except FileNotFoundError:
            return None
        return reason, message

    def take(self) -> bool:
        """Claims the instance for nobody; False if a launcher was faster."""
        mine = self.path / "claim.server"
        mine.write_text(f"{SERVER}\n")
        try:
            os.link(mine, self.path / "claim")
        except FileExistsError:
            return False
        finally:
            mine.unlink()
        return True

    @property
    def files(self) -> Path:
        """What the container wrote outside its volumes: of no use to anybody once it has ended."""
        return self.path / "fs"

    @property
    def input(self) -> Path:
        return self.path / INPUT

    def mark_lost(self) -> None:
        """What ends from now on ends because the server wants it, not by its own fault."""
        (self.path / "lost").touch()

    def launch(self, status_fd: int, network: Sequence[int] = ()) -> tuple[int, int]:
        """Starts the launcher in a session of its own; pid and pidfd of the session leader.

        `status_fd` gets "+" when the command is about to run and "-" when it cannot. `network` are open
        files of namespaces that the shell holds while it waits: the pod's, which the command joins, and
        the router's, so that it lives as long as somebody is behind it.
        """
        argv = ["sh", "-c", SHIM, str(self.path), sys.executable, "-I", "-S", str(LAUNCHER)]
        env = {name: value for name, value in self.record().env.items() if name.startswith("TIDEGATE_")}
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        # Copies above all targets: what we have open may have the number of a target.
        given = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in (null, null, null, status_fd, *network)]
        try:
            pid = os.posix_spawn(
                "/bin/sh",
                [*argv, "run", str(self.path)],
                {**env, "PATH": os.defpath},
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in enumerate(given)],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD],
            )
        finally:
            for fd in (null, *given):
                os.close(fd)
        try:
            return pid, os.pidfd_open(pid)
        except OSError:
            # What nobody can watch must not run: it would be started a second time.
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise


def instances(folder: Path) -> list[Instance]:
    """A container's instances, oldest first; half-written ones (from a crash) are not among them."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return [Instance(folder / str(n)) for n in sorted(int(name) for name in names if name.isdigit())]


def write(folder: Path, number: int, plan: Plan, record: Record) -> Instance:
    """The instance, complete on disk before anybody can see it."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"new-{number}"
    fresh.mkdir(mode=0o700, exist_ok=True)
    contents = {"plan": plan.words(), "record": msgspec.json.encode(asdict(record)), "exit": NO_EXIT}
    contents[last_words.FILE] = b""
    for name, content in contents.items():
        # Not one bare write: a disk that is nearly full takes a part, and half a plan is another plan.
        with open(os.open(fresh / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
    if plan.has_input or plan.has_tty:
        with suppress(FileExistsError):
            os.mkfifo(fresh / INPUT, 0o600)
    # Whoever the program runs as may write it; nobody else can reach it.
    (fresh / last_words.FILE).chmod(0o666)
    os.rename(fresh, folder / str(number))
    return Instance(folder / str(number))
