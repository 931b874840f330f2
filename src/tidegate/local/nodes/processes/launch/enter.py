"""`enter`: one more command in a container that runs."""

from __future__ import annotations

import os
from signal import SIGKILL

from command import become, find_program
from identity import read, take
from kernel import PR_SET_PDEATHSIG, libc
from namespaces import join
from plan import CannotStart


def enter(pid: int, cwd: bytes, has_tty: bool, identity: bytes, args: list[bytes]) -> int:
    with open("/proc/self/environ", "rb") as file:  # os.environ may carry the interpreter's additions
        pairs = [entry.partition(b"=") for entry in file.read().split(b"\0") if entry]
    env = {name: value for name, _, value in pairs}
    try:
        join(pid)
        if has_tty:
            import fcntl
            import termios

            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        take(read(identity))
        os.chdir(cwd or b"/")
        # A command of `exec` belongs to its caller's connection: it ends with the server that holds it.
        # The kernel forgets this when the user changes.
        libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        become(find_program(args[0], env.get(b"PATH", os.defpath.encode())), args, env)
    except CannotStart as error:
        os.write(2, f"{error.message}\n".encode())
        return 126 if "permission" in error.message else 127
    except OSError as error:
        os.write(2, f"cannot enter the container: {error.strerror}\n".encode())
        return 126
    return 126
