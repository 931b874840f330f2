"""What a signature covers: a request as it is sent, and who signs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is sent: what a signature must cover. `url` is whole and encoded."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


Sign = Callable[[Outgoing], Awaitable[Mapping[str, str]]]
