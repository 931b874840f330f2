"""etcd: whom to ask, and the value of a key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.kit.systems.calls import Calls
from tidegate.kit.tls import Tls


@dataclass(frozen=True, slots=True)
class EtcdServer:
    """The members of a cluster, each as `scheme://host:port`; any of them can answer.

    Without a user name nobody logs in. `tls` counts for members with https.
    """

    system: ClassVar[str] = "etcd"

    members: tuple[str, ...]
    username: str = ""
    password: str = field(default="", repr=False)
    tls: Tls | None = None

    def label(self) -> str:
        return f"etcd {', '.join(self.members)}"


@dataclass(frozen=True, slots=True)
class EtcdValue:
    """What `key` holds: bytes. A key that is not there is an error."""

    calls: ClassVar[Calls] = Calls(together=128)

    server: EtcdServer
    key: str


@dataclass(frozen=True, slots=True)
class EtcdChanges:
    """What is watched: `key`, at a server that says every `progress_s` that it is still there."""

    server: EtcdServer
    key: str
    progress_s: float
