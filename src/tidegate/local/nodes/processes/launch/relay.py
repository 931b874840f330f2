"""The input of a container that has one: what is written into its pipe, as frames, becomes what it reads.

A frame is a kind, the length of its content in two bytes, and the content: `d` bytes, `e` their end, `s` the
size of the terminal (rows and columns). With a terminal its output goes to the log from here, too. The relay
stays the command's parent: it lives as long, whatever becomes of the server.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
from contextlib import suppress

HEAD = struct.Struct(">cH")
CHUNK_BYTES = 65536
END_OF_INPUT = b"\x04"
LOG_FD = 1


class Input:
    """The ends that the command gets; made before the mounts and the user change."""

    def __init__(self, fifo: bytes, has_tty: bool, owner: list[int]) -> None:
        # Open for writing as well: its end never comes by itself.
        self.fifo = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self.has_tty = has_tty
        if has_tty:
            self.ours, self.theirs = os.openpty()
            if owner:
                os.fchown(self.theirs, owner[0], -1)
        else:
            self.theirs, self.ours = os.pipe()

    def become_command(self) -> bool:
        """True in a new process, which has the input as its own; False in the relay, whose child it is."""
        self.child = os.fork()
        if self.child:
            os.close(self.theirs)
            return False
        os.close(self.ours)
        os.close(self.fifo)
        if self.has_tty:
            os.setsid()
            fcntl.ioctl(self.theirs, termios.TIOCSCTTY, 0)
            os.dup2(self.theirs, 1)
            os.dup2(self.theirs, 2)
        os.dup2(self.theirs, 0)
        return True

    def relay(self) -> int:
        """The command's exit code, when it has ended."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # In its own session the command is reached by nobody else.
            signal.signal(number, self._pass_on if self.has_tty else signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        os.set_blocking(self.ours, False)
        ended = os.pidfd_open(self.child)
        self._frames, self._waiting, self._is_over = b"", b"", False
        while not self._turn(ended):
            pass
        if self.has_tty:
            self._log()
        code = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
        return code if code >= 0 else 128 - code

    def _pass_on(self, number: int, _: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.child, number)

    def _turn(self, ended: int) -> bool:
        reads = [ended]
        if len(self._waiting) < CHUNK_BYTES:
            reads.append(self.fifo)
        if self.has_tty and self.ours >= 0:
            reads.append(self.ours)
        writes = [self.ours] if self._waiting and self.ours >= 0 else []
        readable, writable, _ = select.select(reads, writes, [])
        if self.has_tty and self.ours in readable and not self._log():
            # Nobody has the terminal open at the moment; the command may be about to end.
            select.select([ended], [], [], 0.05)
        if self.fifo in readable:
            self._take()
        if writable:
            self._give()
        return ended in readable

    def _take(self) -> None:
        with suppress(BlockingIOError):
            self._frames += os.read(self.fifo, CHUNK_BYTES)
        while len(self._frames) >= HEAD.size:
            kind, length = HEAD.unpack_from(self._frames)
            content = self._frames[HEAD.size : HEAD.size + length]
            if len(content) < length:
                return
            self._frames = self._frames[HEAD.size + length :]
            if kind == b"s" and self.has_tty and length == 4:
                with suppress(OSError):
                    fcntl.ioctl(
                        self.ours,
                        termios.TIOCSWINSZ,
                        struct.pack("HHHH", *struct.unpack(">HH", content), 0, 0),
                    )
            elif kind == b"d" and not self._is_over:
                self._waiting += content
            elif kind == b"e" and self.has_tty:
                self._waiting += END_OF_INPUT
            elif kind == b"e":
                self._is_over = True
                self._give()

    def _give(self) -> None:
        try:
            while self._waiting and self.ours >= 0:
                self._waiting = self._waiting[os.write(self.ours, self._waiting) :]
        except BlockingIOError:
            return
        except OSError:
            # The command reads no more.
            self._waiting, self._is_over = b"", not self.has_tty
        if self._is_over and not self._waiting and self.ours >= 0:
            os.close(self.ours)
            self.ours = -1

    def _log(self) -> bool:
        """What the command has written goes to the log; False when nothing was there to read."""
        try:
            while True:
                chunk = os.read(self.ours, CHUNK_BYTES)
                if not chunk:
                    return False
                while chunk:
                    chunk = chunk[os.write(LOG_FD, chunk) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
