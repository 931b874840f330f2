"""Many triggers measured once by real rounds over real connections: what they read, and what it took.

round = await one_round([build(topic=f"t{n}") for n in range(1000)])
assert round.requests == {"nsqlookupd http://127.0.0.1:4161": 1, …}
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.connections.adapter import Surroundings
from tidegate.connections.pool import Connections
from tidegate.core.values import Reading
from tidegate.kit.question import Server
from tidegate.kit.scaler import Polled
from tidegate.measure.rounds import Rounds
from tidegate.runtime.clock import SystemClock

FAR_S = 1e7
"""The next poll is so far away that no test meets it."""


@dataclass
class Round:
    """`readings` are in the order of the triggers; `adapters` by the label of their server."""

    readings: list[Reading] = field(default_factory=list)
    adapters: dict[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> list[Any]:
        """The value of each trigger, or the text of its failure."""
        return [one.failure.message if one.failure else one.values[0] for one in self.readings]

    @property
    def requests(self) -> dict[str, int]:
        """HTTP requests that each server was sent."""
        return {label: adapter.client.requests for label, adapter in self.adapters.items()}


async def one_round(scalers: Sequence[Polled], **around: Any) -> Round:
    """`around` goes into the adapters' `Surroundings`. Everything is closed at the end.

    An exchange may take ten seconds unless `around` says otherwise: machines of tests are busy.
    """
    around = {"timeout_s": 10.0, **around}
    assert all(isinstance(one, Polled) for one in scalers), scalers
    connections, round = Connections(Surroundings(**around)), Round()

    def connect(server: Server) -> Any:
        kept = connections.adapter(server)
        round.adapters[server.label()] = kept.adapter
        return kept

    rounds = Rounds(SystemClock(), connect, lambda *_: None)
    keys = [(f"trigger-{number}", 0) for number, _ in enumerate(scalers)]
    for key, scaler in zip(keys, scalers, strict=True):
        rounds.follow(key, scaler, interval_s=FAR_S)
    task = asyncio.create_task(rounds.run())
    try:
        round.readings = list(await asyncio.gather(*(rounds.fresh(key, FAR_S) for key in keys)))
    finally:
        task.cancel()
        await asyncio.wait([task])
    return round
