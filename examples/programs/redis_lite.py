"""The few Redis commands the examples need, over a plain socket.

So that the programs run on any Python image as it is; a project of your own would use a client library.
"""

import os
import socket
import time


class Redis:
    """One connection, opened again when it breaks: `Redis()("LPUSH", "jobs", "a")`.

    A server that is away for a moment is waited for (30 s), then ConnectionError. A command that was
    cut off is sent again, so callers only use commands that may be repeated.
    """

    def __init__(self, patience_s=30.0):
        host, _, port = os.environ.get("REDIS_ADDRESS", "redis:6379").rpartition(":")
        self.address = (host, int(port))
        self.patience_s = patience_s
        self.socket = None

    def __call__(self, *command):
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                return self.ask(command)
            except OSError as error:
                self.socket = None
                if time.monotonic() > deadline:
                    raise ConnectionError(f"no Redis at {self.address}: {error}") from error
                time.sleep(0.2)

    def ask(self, command):
        if self.socket is None:
            self.socket = socket.create_connection(self.address, timeout=5)
            self.file = self.socket.makefile("rb")
            if os.environ.get("REDIS_PASSWORD"):
                self.send("AUTH", os.environ["REDIS_PASSWORD"])
                self.reply()
        self.send(*command)
        return self.reply()

    def send(self, *command):
        parts = [str(part).encode() for part in command]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
        self.socket.sendall(request)

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise RuntimeError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return rest
