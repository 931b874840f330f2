"""The command itself: found as the container sees it, and become."""

from __future__ import annotations

import os
from signal import SIG_DFL, SIG_IGN, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGXFSZ, signal

from plan import CannotStart


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
