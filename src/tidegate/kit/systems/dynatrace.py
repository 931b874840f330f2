"""Dynatrace: a selector of the Metrics API, and a query to Grail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.kit.systems.calls import Calls


@dataclass(frozen=True, slots=True)
class DynatraceServer:
    """An environment by its base URL, without slashes at its end, and a token.

    `is_platform`: the token is one of the platform, as Grail wants it, and no API token.
    """

    system: ClassVar[str] = "dynatrace"

    origin: str
    token: str = field(repr=False)
    is_platform: bool = False

    def label(self) -> str:
        return f"Dynatrace {self.origin}"


@dataclass(frozen=True, slots=True)
class MetricSelector:
    """The first value of the first series since `since`; None where it is null."""

    calls: ClassVar[Calls] = Calls(together=10, alike=("since",))

    server: DynatraceServer
    selector: str
    since: str


@dataclass(frozen=True, slots=True)
class Dql:
    """`r` of the first record; None where there is none of it. Looked for `tries` times."""

    calls: ClassVar[Calls] = Calls(each=2, more="one for each further look at a query that takes long")

    server: DynatraceServer
    query: str
    fetch_s: int
    wait_s: float
    tries: int
