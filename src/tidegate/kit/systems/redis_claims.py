"""Lists of Redis as sources of claimed work: what is kept beside a list, under which keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tidegate.kit.systems.redis import RedisServer

_TAG = re.compile(r"\{[^}]+\}")


@dataclass(frozen=True, slots=True)
class RedisListSource:
    """The list `key`; messages are taken from its `end`. Dead letters are pushed to `dead_letter`, or to a
    list of ours beside it.
    """

    server: RedisServer
    key: str
    end: Literal["head", "tail"] = "head"
    dead_letter: str = ""

    def label(self) -> str:
        return f"list {self.key} of {self.server.label()}"

    def aside(self) -> str:
        return f"list {self.keys()[-1]}"

    def keys(self) -> tuple[str, ...]:
        """The list; leases, released messages, bodies, holders, counts of ended Jobs; dead letters.

        All in one slot of a cluster, wherever the list is.
        """
        stem = self.key if _TAG.search(self.key) else f"{{{self.key}}}"
        names = ("leases", "waiting", "bodies", "holders", "ended")
        own = tuple(f"{stem}:tidegate:{name}" for name in names)
        return (self.key, *own, self.dead_letter or f"{stem}:tidegate:dead")
