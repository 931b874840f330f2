"""`enter`: one more command in a container that runs."""

from __future__ import annotations

import os
from signal import SIGKILL

from command import become, find_program
from kernel import PR_SET_PDEATHSIG, libc
from namespaces import join
from plan import CannotStart


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
