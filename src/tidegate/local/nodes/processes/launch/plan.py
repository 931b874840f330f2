"""What the server wrote for an instance: a sequence of NUL-terminated words."""

from __future__ import annotations

IDENTITY = (b"user", b"group", b"groups", b"sealed")


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
        self.is_private = self.is_in_memory = self.is_privileged = self.has_network = False
        self.has_input = self.has_tty = self.is_read_only = False
        self.view = b"shared"
        self.places: list[bytes] = []
        self.hidden: list[bytes] = []
        self.group = b""
        self.identity: list[list[int]] = [[], [], [], []]
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
            elif word == b"view":
                self.view = next(words)
            elif word == b"place":
                self.places.append(next(words))
            elif word == b"hide":
                self.hidden.append(next(words))
            elif word == b"cgroup":
                self.group = next(words)
            elif word in IDENTITY:
                self.identity[IDENTITY.index(word)].append(int(next(words)))
            elif word == b"private":
                self.is_private = True
            elif word == b"memory":
                self.is_in_memory = True
            elif word == b"privileged":
                self.is_privileged = True
            elif word == b"readonly":
                self.is_read_only = True
            elif word == b"network":
                self.has_network = True
            elif word == b"input":
                self.has_input = True
            elif word == b"tty":
                self.has_tty = True
