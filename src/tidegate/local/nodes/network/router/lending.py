"""Sockets of the machine's network, lent by the half of the router that is there to the one that is not."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress

_REQUEST = struct.Struct("=ii")
PATIENCE_S = 5.0


class Outside:
    """The asking end, of a pair of connected sockets."""

    def __init__(self, pair: socket.socket) -> None:
        self._pair = pair
        self._pair.settimeout(PATIENCE_S)

    def open_socket(self, family: int, kind: int) -> socket.socket:
        self._pair.send(_REQUEST.pack(family, kind))
        _, files, _, _ = socket.recv_fds(self._pair, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not files:
            raise OSError("the machine gives no socket")
        return socket.socket(fileno=files[0])


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def lend(made: socket.socket) -> None:
    """Answers one request; whoever asked waits for it."""
    with suppress(OSError, struct.error):
        family, kind = _REQUEST.unpack(made.recv(_REQUEST.size))
        try:
            files = [socket.socket(family, kind).detach()]
        except OSError:
            files = []
        try:
            socket.send_fds(made, [b"."], files)
        finally:
            for fd in files:
                os.close(fd)
