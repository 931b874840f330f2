"""What an entrypoint has to work with: its server's program, the container's words, a data folder, a user."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA_VARIABLE = "TIDEGATE_DATA"
NOBODY = "nobody"


class Refused(Exception):
    """The server cannot be started as the manifest wants it; the message goes to the container's log."""


@dataclass(slots=True)
class Box:
    """`args` are the container's own; `env` its variables, which the server will get; `address` the pod's,
    `listen` where to listen: all addresses, where the pod has a network of its own.

    `data` is the image's folder for data: a volume of the pod where one is mounted there, else a folder
    that lives as long as the pod. `user` is whom the server runs as, where we are root.
    """

    program: str
    args: list[str]
    env: dict[str, str]
    data: Path
    address: str
    user: str = ""
    listen: str = ""

    def __post_init__(self) -> None:
        self.listen = self.listen or self.address

    def own(self, place: Path | None = None) -> None:
        """Give the data folder (or `place`), which a volume may bring along, to the server's user."""
        owned = place or self.data
        owned.mkdir(parents=True, exist_ok=True)
        account = self.account()
        if account is None or owned.stat().st_uid == account.pw_uid:
            return
        for folder, _, files in os.walk(owned):
            for one in (folder, *(os.path.join(folder, name) for name in files)):
                os.chown(one, account.pw_uid, account.pw_gid, follow_symlinks=False)

    def write(self, name: str, text: str) -> Path:
        """A file of the data folder that the server's user alone may read."""
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        account = self.account()
        if account is not None:
            for place in (path, *path.relative_to(self.data).parents):
                os.chown(self.data / place, account.pw_uid, account.pw_gid)
        return path

    def run(self, command: Sequence[str], stdin: str = "") -> None:
        """Runs a step as the server's user, its words in the container's log. `Refused` when it fails."""
        account, who = self.account(), dict[str, Any]()
        if account is not None:
            who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        done = subprocess.run(command, input=stdin, text=True, env=self.env, cwd=self.data, **who)
        if done.returncode:
            raise Refused(f"{command[0]} ended with {done.returncode}")

    def take(self, name: str) -> str:
        """A variable of the image, or what the file says that its `_FILE` names; both leave `env`."""
        value, file = self.env.pop(name, ""), self.env.pop(f"{name}_FILE", "")
        if value and file:
            raise Refused(f"{name} and {name}_FILE are both set")
        try:
            return Path(file).read_text("utf-8").rstrip("\r\n") if file else value
        except OSError as error:
            raise Refused(f"{name}_FILE: {error}") from None

    def tool(self, *names: str) -> str:
        """A program that comes with the server, under the first of its names that is there."""
        for name in names:
            beside = Path(self.program).with_name(name)
            if beside.exists():
                return str(beside)
            if found := shutil.which(name, path=self.env.get("PATH", os.defpath)):
                return found
        raise Refused(f"{names[0]} is missing on this machine")

    def account(self) -> pwd.struct_passwd | None:
        """Whom the server runs as; None for ourselves.

        Root without private mounts keeps the data in its own folders, where nobody else gets: then too.
        """
        if not self.user or os.geteuid() != 0:
            return None
        if not all(folder.stat().st_mode & 0o001 for folder in self.data.parents):
            return None
        try:
            return pwd.getpwnam(self.user)
        except KeyError:
            return pwd.getpwnam(NOBODY)


def free_port() -> int:
    """A port of the machine's loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def become(command: Sequence[str], box: Box) -> None:
    """Turns this process into the server: its signals and its exit code are the container's."""
    account = box.account()
    if account is not None:
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    os.chdir(box.data)
    os.execve(command[0], list(command), box.env)
