"""How the control plane and the router talk: one packet each way over a socket in the data directory.

A request is a JSON object whose `do` says what is wanted; open files travel beside it. The answer is a JSON
object; `error` in it says what went wrong.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

VERSION = 1
PACKET = 1 << 16
FILES = 8
NAME = "ask"
PATIENCE_S = 15.0


class Refused(OSError):
    """The router answered, and could not."""


def listen(folder: Path) -> socket.socket:
    """The socket on which the router is asked; an old one of its name is replaced."""
    (folder / NAME).unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # By way of the open folder: a path to a socket may have no more than 107 bytes.
        made.bind(f"/proc/self/fd/{held}/{NAME}")
    finally:
        os.close(held)
    made.listen(64)
    return made


def ask(folder: Path, request: dict[str, Any], files: Sequence[int] = ()) -> tuple[dict[str, Any], list[int]]:
    """The answer and its open files, which are the caller's to close. OSError when nobody answers."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)) as made:
        made.settimeout(PATIENCE_S)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            made.connect(f"/proc/self/fd/{held}/{NAME}")
        finally:
            os.close(held)
        socket.send_fds(made, [json.dumps(request).encode()], list(files))
        answer, found = receive(made)
    if "error" in answer:
        for fd in found:
            os.close(fd)
        raise Refused(answer.get("errno", 0), answer["error"])
    return answer, found


def receive(made: socket.socket) -> tuple[dict[str, Any], list[int]]:
    packet, found, _, _ = socket.recv_fds(made, PACKET, FILES, socket.MSG_CMSG_CLOEXEC)
    if not packet:
        raise ConnectionResetError("the router ended without an answer")
    return json.loads(packet), found


def answer(made: socket.socket, reply: dict[str, Any], files: Sequence[int] = ()) -> None:
    socket.send_fds(made, [json.dumps(reply).encode()], list(files))
