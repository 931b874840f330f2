"""A cluster's tokens as a source that is fetched: a dictionary, and a record of who was asked for what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tidegate.base.errors import TidegateError
from tidegate.kit.fetched import Fetched
from tidegate.runtime.clock import Clock


@dataclass(frozen=True)
class Safe:
    """A server that keeps values."""

    system: ClassVar[str] = "safe"
    name: str = "safe"

    def label(self) -> str:
        return self.name


@dataclass(frozen=True)
class Drawer:
    """A question: what is in this drawer?"""

    server: Safe
    path: str

    def label(self) -> str:
        return f"drawer {self.path}"


@dataclass
class Safes:
    """What is in which drawer (`Fetched`, or the error that its question meets), what is wrong with all of
    them together, and all calls: when, of which server, for what."""

    clock: Clock
    drawers: dict[str, Any] = field(default_factory=dict)
    trouble: BaseException | None = None
    delay_s: float = 0.01
    batch: int = 1_000
    calls: list[tuple[float, str, tuple[str, ...]]] = field(default_factory=list)
    adapters: list[SafeAdapter] = field(default_factory=list)

    def connect(self, server: Any) -> SafeAdapter:
        self.adapters.append(SafeAdapter(self, server, self.batch))
        return self.adapters[-1]

    @property
    def paths(self) -> list[str]:
        return [path for _, _, paths in self.calls for path in paths]


@dataclass
class SafeAdapter:
    safes: Safes
    server: Any
    batch: int
    wake_gap_s: float = 0.25
    is_closed: bool = False

    async def answer(self, questions: Sequence[Any]) -> Sequence[Any]:
        assert not self.is_closed, "asked after it was closed"
        # Questions of the product have no drawer: they are known by what people call them.
        names = tuple(getattr(one, "path", one.label()) for one in questions)
        self.safes.calls.append((self.safes.clock.monotonic(), self.server.label(), names))
        await asyncio.sleep(self.safes.delay_s)
        if self.safes.trouble is not None:
            raise self.safes.trouble
        return [self.safes.drawers[name] for name in names]

    async def close(self) -> None:
        self.is_closed = True


def holds(life_s: float | None = None, **values: str) -> Fetched:
    return Fetched(values, life_s)


Answer = Fetched | TidegateError
