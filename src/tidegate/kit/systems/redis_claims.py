"""Redis as a source of claimed work: lists and streams, and what is kept beside them under which keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Literal

from tidegate.core.claims.wishes import DEAD_LETTER, loop_problem
from tidegate.kit.systems.redis import Login, Mode, RedisServer

_TAG = re.compile(r"[^{]*\{([^}]+)\}")


def slotted(key: str) -> str:
    """What says in which slot of a cluster a key is: what stands in its first braces, or all of it."""
    found = _TAG.match(key)
    return found[1] if found is not None else key


def stem(key: str) -> str:
    """What the names of keys beside `key` begin with; whatever follows, they are in its slot."""
    return key if _TAG.match(key) else f"{{{key}}}"


def key_problem(mode: Mode, key: str, dead_letter: str) -> str:
    """Why nothing can be claimed from `key`, and what to do; "" where it can."""
    if problem := loop_problem(key, dead_letter):
        return problem
    return _slot_problem(key, dead_letter) if mode == "cluster" else ""


def _slot_problem(key: str, dead_letter: str) -> str:
    """Why the keys of a claim would not be in one slot of a cluster, and what to do; "" where they are."""
    if slotted(stem(key)) != slotted(key):
        return f'no key beside "{key}" can be in its slot: give it a name with a {{tag}}, or without braces'
    if dead_letter and slotted(dead_letter) != slotted(key):
        advice = f"{{{slotted(key)}}}:dead"
        return f'"{dead_letter}" is not in the slot of "{key}": let {DEAD_LETTER} name a key such as {advice}'
    return ""


def _without_login(server: RedisServer) -> RedisServer:
    return replace(server, login=Login(), sentinel_login=Login(), tls=None)


@dataclass(frozen=True, slots=True)
class RedisListSource:
    """The list `key`; messages are taken from its `end`. Dead letters are pushed to `dead_letter`, or to a
    list of ours beside it. With another login it is the same list, and claims of it go on.
    """

    server: RedisServer = dataclass_field(compare=False)
    key: str
    end: Literal["head", "tail"] = "head"
    dead_letter: str = ""
    place: RedisServer = dataclass_field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", _without_login(self.server))

    def label(self) -> str:
        return f"list {self.key} of {self.server.label()}"

    def aside(self) -> str:
        return f"list {self.keys()[-1]}"

    def keys(self) -> tuple[str, ...]:
        """The list; leases, released messages, bodies, holders, counts of ended Jobs; dead letters."""
        names = ("leases", "waiting", "bodies", "holders", "ended")
        own = tuple(f"{stem(self.key)}:tidegate:{name}" for name in names)
        return (self.key, *own, self.dead_letter or f"{stem(self.key)}:tidegate:dead")


@dataclass(frozen=True, slots=True)
class RedisStreamSource:
    """Entries of the stream `key` for `group`, which is made where it is not there. `field` is the one whose
    value is the body; "": all of them are. Dead letters are added to the stream `dead_letter`, or to one of
    ours beside it.
    """

    server: RedisServer = dataclass_field(compare=False)
    key: str
    group: str
    field: str = ""
    dead_letter: str = ""
    place: RedisServer = dataclass_field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", _without_login(self.server))

    def label(self) -> str:
        return f"stream {self.key} of {self.server.label()}, group {self.group}"

    def aside(self) -> str:
        return f"stream {self.keys()[-1]}"

    def keys(self) -> tuple[str, ...]:
        """The stream; leases, released entries, counts of ended Jobs; dead letters."""
        begin = f"{stem(self.key)}:tidegate:{self.group}"
        own = tuple(f"{begin}:{name}" for name in ("leases", "waiting", "ended"))
        return (self.key, *own, self.dead_letter or f"{begin}:dead")
