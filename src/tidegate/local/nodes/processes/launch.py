"""The program that becomes a container's process. Started fresh, once per instance; never imported.

    python -I -S launch.py run <instance directory>           claim, mount, become the command
    python -I -S launch.py enter <pid> <directory> <tty> ARG  join the namespaces of <pid>, become ARG…
    python -I -S launch.py probe                              exit 0 if private mounts are possible here

It runs between the server and the user's command, often as root of nothing but its own namespace, so
it imports only what the standard library loads fast, and speaks bytes throughout (names, arguments
and variables need not be UTF-8). The plan is a sequence of NUL-terminated words written by
`instance.py`. Private mounts work without privileges: a user namespace in which we keep our own
ids, a tmpfs as the new root, and every top-level entry of the real one bound into it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from signal import SIG_DFL, SIG_IGN, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGXFSZ, signal

NEWNS, NEWUTS, NEWUSER = 0x20000, 0x4000000, 0x10000000
RDONLY, REMOUNT, BIND, REC, UNBINDABLE, PRIVATE = 1, 32, 4096, 16384, 1 << 17, 1 << 18
DETACH = 2
PR_SET_PDEATHSIG, SIGKILL = 1, 9
STATUS_FD = 3
GAVE_UP, CANNOT_START = 75, 128
MIRROR_ENTRIES = 10_000
LINKS = 40
# Flags of a mount that an unprivileged remount has to repeat: statvfs bit -> mount bit.
KEPT_FLAGS = {1: 1, 2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}

libc = ctypes.CDLL(None, use_errno=True)


class CannotStart(Exception):
    """The instance cannot run: `reason` is the container's reason, `message` what to tell the user."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Plan:
    """What the server wrote for this instance."""

    def __init__(self, text: bytes) -> None:
        self.args: list[bytes] = []
        self.env: dict[bytes, bytes] = {}
        self.binds: list[tuple[bytes, bytes, bytes]] = []
        self.cwd = self.hostname = b""
        self.is_private = False
        words = iter(text.split(b"\0")[:-1])
        for word in words:
            if word == b"arg":
                self.args.append(next(words))
            elif word == b"env":
                name, _, value = next(words).partition(b"=")
                self.env[name] = value
            elif word == b"bind":
                self.binds.append((next(words), next(words), next(words)))
            elif word == b"cwd":
                self.cwd = next(words)
            elif word == b"hostname":
                self.hostname = next(words)
            elif word == b"private":
                self.is_private = True


def check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def mount(source: bytes | None, target: bytes, kind: bytes | None, flags: int, options: bytes = b"") -> None:
    shown = (source or kind or b"").decode(errors="replace")
    done = libc.mount(source, target, kind, ctypes.c_ulong(flags), options or None)
    check(done, f"mount {shown} at {target.decode(errors='replace')}")


def started_at(pid: int | str) -> bytes:
    """Field 22 of /proc/<pid>/stat: clock ticks after boot; with the pid it names a process for good."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[19]


def machine() -> bytes:
    """Changes with every boot, and with every new start of a container we may live in."""
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        boot = file.read().strip()
    try:
        return boot + b":" + started_at(1)
    except OSError:
        return boot


def claim(instance: bytes) -> bool:
    """Whether this process is the one that runs the instance: the first link wins, for good."""
    session = os.getsid(0)
    words = (os.getpid(), started_at("self"), session, started_at(session), machine(), time.time())
    line = b" ".join(w if isinstance(w, bytes) else str(w).encode() for w in words) + b"\n"
    mine = instance + b"/claim.%d" % os.getpid()
    with open(mine, "wb") as file:
        file.write(line)
    try:
        os.link(mine, instance + b"/claim")
    except FileExistsError:
        return False
    finally:
        os.unlink(mine)
    return True


def unshare() -> None:
    """A mount namespace of our own; with a user namespace where that needs privileges we lack."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and libc.unshare(NEWNS | NEWUTS) == 0:
        return
    check(libc.unshare(NEWUSER | NEWNS | NEWUTS), "unshare user and mount namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


class Tree:
    """The new root below `base`, built so that nothing is ever created in a directory of the machine."""

    def __init__(self, base: bytes) -> None:
        self.base = base
        self.is_ours: dict[bytes, bool] = {base: True}
        mount(b"tidegate", base, b"tmpfs", 0, b"mode=755")
        # Else the entry that contains `base` would carry this half-built tree along.
        mount(None, base, None, UNBINDABLE)
        self.populate(b"/", os.listdir(b"/"), base)

    def populate(self, source: bytes, names: Iterable[bytes], target: bytes) -> None:
        for name in names:
            origin, place = source + b"/" + name, target + b"/" + name
            if os.path.islink(origin):
                os.symlink(os.readlink(origin), place)
                continue
            is_directory = os.path.isdir(origin)
            create(place, is_directory)
            try:
                mount(origin, place, None, BIND | REC)
            except OSError:
                continue  # what we may not bind we could not have used either; the empty entry stays
            self.is_ours[place] = False

    def mirror(self, place: bytes) -> None:
        """Puts a writable copy of the directory's listing over it, its entries bound one by one."""
        mode = os.stat(place).st_mode & 0o7777
        held = os.open(place, os.O_PATH | os.O_DIRECTORY)
        try:
            names = os.listdir(place)
        except PermissionError:
            names = []
        if len(names) > MIRROR_ENTRIES:
            raise OSError(errno.E2BIG, f"{len(names)} entries beside the mount point")
        mount(b"tidegate", place, b"tmpfs", 0, b"mode=%o" % mode)
        self.is_ours[place] = True
        self.populate(b"/proc/self/fd/%d" % held, names, place)
        os.close(held)

    def may_create(self, place: bytes) -> bool:
        while place not in self.is_ours:
            place = os.path.dirname(place)
        return self.is_ours[place]

    def point(self, path: bytes, is_directory: bool) -> bytes:
        """Where `path` is in the new tree, created if it is missing; symlinks stay inside the tree."""
        place, links = self.base, 0
        left = path.split(b"/")[::-1]
        while left:
            name = left.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                place = place if place == self.base else os.path.dirname(place)
                continue
            inner = place + b"/" + name
            try:
                target = os.readlink(inner) if os.path.islink(inner) else b""
                os.lstat(inner)
            except (FileNotFoundError, PermissionError):
                self.create(place, inner, is_directory or bool(left))
                target = b""
            if target:
                links += 1
                if links > LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                place = self.base if target.startswith(b"/") else place
                left += target.split(b"/")[::-1]
            else:
                place = inner
        return place

    def create(self, parent: bytes, place: bytes, is_directory: bool) -> None:
        if self.may_create(parent):
            try:
                create(place, is_directory)
                return
            except OSError as error:
                if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                    raise
        self.mirror(parent)
        create(place, is_directory)

    def bind(self, source: bytes, target: bytes) -> bytes:
        is_directory = os.path.isdir(source)
        place = self.point(target, is_directory)
        mount(source, place, None, BIND | REC)
        self.is_ours[place] = True
        return place

    def enter(self) -> None:
        os.chdir(self.base)
        check(libc.pivot_root(b".", b"."), "pivot_root")
        check(libc.umount2(b".", DETACH), "umount the old root")
        os.chdir(b"/")


def create(place: bytes, is_directory: bool) -> None:
    if is_directory:
        os.mkdir(place, 0o755)
    else:
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def make_private(instance: bytes, plan: Plan) -> None:
    try:
        unshare()
        mount(None, b"/", None, REC | PRIVATE)
        base = instance + b"/root"
        os.makedirs(base, exist_ok=True)
        tree = Tree(base)
    except OSError as error:
        raise CannotStart("FailedMount", f"no private mounts on this machine: {error.strerror}") from error
    if plan.hostname:
        libc.sethostname(plan.hostname, len(plan.hostname))
    places: list[tuple[bytes, bytes]] = []
    for mode, source, target in sorted(plan.binds, key=lambda bind: bind[2].split(b"/")):
        try:
            places.append((mode, tree.bind(source, target)))
        except OSError as error:
            told = f"cannot mount at {target.decode(errors='replace')}: {error.strerror}"
            raise CannotStart("FailedMount", told) from error
    for mode, place in places:
        if mode == b"ro":
            flags = os.statvfs(place).f_flag
            kept = sum(bit for seen, bit in KEPT_FLAGS.items() if flags & seen)
            mount(None, place, None, REMOUNT | BIND | RDONLY | kept)
    try:
        tree.point(plan.cwd or b"/", True)
        tree.enter()
    except OSError as error:
        raise CannotStart("FailedMount", f"cannot enter the new root: {error.strerror}") from error


def find_program(name: bytes, path: bytes) -> bytes:
    """The file to execute, as the container sees it."""
    shown = name.decode(errors="replace")
    if b"/" in name:
        candidates = [name]
    else:
        candidates = [(folder or b".") + b"/" + name for folder in path.split(b":")]
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    if b"/" in name and os.path.exists(name):
        raise CannotStart("StartError", f'exec: "{shown}": permission denied')
    if b"/" in name:
        raise CannotStart("StartError", f'exec: "{shown}": no such file or directory')
    raise CannotStart("StartError", f'exec: "{shown}": executable file not found in $PATH')


def become(program: bytes, args: list[bytes], env: dict[bytes, bytes]) -> None:
    # The interpreter ignores these two; the shell that started us may ignore INT and QUIT.
    for number in (SIGPIPE, SIGXFSZ, SIGINT, SIGQUIT, SIGTERM, SIGHUP):
        signal(number, SIG_DFL)
    try:
        os.execve(program, args, env)
    except OSError as error:
        signal(SIGPIPE, SIG_IGN)  # the server may have stopped listening
        shown = args[0].decode(errors="replace")
        raise CannotStart("StartError", f'exec: "{shown}": {error.strerror}') from error


def tell(word: bytes) -> None:
    """Wakes the server that started us; one that is gone reads the instance directory instead."""
    with suppress(OSError):
        os.write(STATUS_FD, word)


def run(instance: bytes) -> int:
    with suppress(OSError):  # started by hand, without a server that listens
        os.set_inheritable(STATUS_FD, False)
    held = os.open(instance, os.O_RDONLY | os.O_DIRECTORY)
    with open(instance + b"/plan", "rb") as file:
        plan = Plan(file.read())
    if not claim(instance):
        return GAVE_UP
    log = os.open(instance + b"/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    try:
        if plan.is_private:
            make_private(instance, plan)
        try:
            os.chdir(plan.cwd or b"/")
        except OSError as error:
            told = f"working directory {plan.cwd.decode(errors='replace')}: {error.strerror}"
            raise CannotStart("StartError", told) from error
        program = find_program(plan.args[0], plan.env.get(b"PATH", os.defpath.encode()))
        tell(b"+")
        become(program, plan.args, plan.env)
    except CannotStart as error:
        fresh = os.open("failed.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=held)
        os.write(fresh, f"{error.reason}\0{error.message}".encode())
        os.close(fresh)
        os.rename("failed.new", "failed", src_dir_fd=held, dst_dir_fd=held)
        tell(b"-")
    return CANNOT_START


def join(pid: int) -> None:
    for kind, flag in (("user", NEWUSER), ("mnt", NEWNS), ("uts", NEWUTS)):
        theirs = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
        if os.fstat(theirs).st_ino != os.stat(f"/proc/self/ns/{kind}").st_ino:
            check(libc.setns(theirs, flag), f"join the {kind} namespace of the container")
        os.close(theirs)


def enter(pid: int, cwd: bytes, has_tty: bool, args: list[bytes]) -> int:
    # A command of `exec` belongs to its caller's connection: it ends with the server that holds it.
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    with open("/proc/self/environ", "rb") as file:  # os.environ may carry the interpreter's additions
        pairs = [entry.partition(b"=") for entry in file.read().split(b"\0") if entry]
    env = {name: value for name, _, value in pairs}
    try:
        join(pid)
        os.chdir(cwd or b"/")
        if has_tty:
            import fcntl
            import termios

            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        become(find_program(args[0], env.get(b"PATH", os.defpath.encode())), args, env)
    except CannotStart as error:
        os.write(2, f"{error.message}\n".encode())
        return 126 if "permission" in error.message else 127
    except OSError as error:
        os.write(2, f"cannot enter the container: {error.strerror}\n".encode())
        return 126
    return 126


def probe() -> int:
    try:
        unshare()
        mount(None, b"/", None, REC | PRIVATE)
        mount(b"tidegate", b"/tmp", b"tmpfs", 0, b"mode=755")
    except OSError as error:
        os.write(1, (error.strerror or "refused").encode())
        return 1
    return 0


def main(arguments: list[str]) -> int:
    words = [os.fsencode(word) for word in arguments]
    if words[0] == b"run":
        return run(words[1])
    if words[0] == b"enter":
        return enter(int(words[1]), words[2], words[3] == b"1", words[4:])
    return probe()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
