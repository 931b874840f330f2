"""One who claims from a real source, in commands of a holder's; it remembers receipts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.writers import Writers
from tidegate.core.claims.values import Ask, DeadLetter, Renew, Take
from tidegate.kit.systems.claims import Command, Deliveries, Renewals, Source


class Claimant:
    """Claims in the name of `holder`, over a connection of its own, which `around` is for (its limits, its
    policy). It shows the receipts that it knows, and the bodies of its dead letters.
    """

    def __init__(
        self,
        source: Source,
        holder: str = "one",
        *,
        lease_s: float = 60.0,
        receipts: Iterable[tuple[str, str]] = (),
        **around: Any,
    ) -> None:
        self.writers = Writers(Surroundings(**{"timeout_s": 3.0, **around}))
        self.source: Any = source
        self.holder = holder
        self.lease_s = lease_s
        self.receipts = dict(receipts)
        self.bodies: dict[str, bytes] = {}
        self.nonces = iter(range(10_000))

    def command(self, ask: Ask, *known: str) -> Command:
        nonce, shown = f"{self.holder}{next(self.nonces)}", tuple(self.receipts.items())
        body = self.bodies.get(ask.id) if isinstance(ask, DeadLetter) else None
        return Command(self.source, self.holder, self.lease_s, ask, known, nonce, shown, body)

    async def ask(self, *asks: Ask, known: tuple[str, ...] = ()) -> list[Any]:
        """What came of each, in one exchange."""
        commands = [self.command(one, *known) for one in asks]
        found = list(await self.writers.carry_out("user", commands))
        for one in found:
            if isinstance(one, Deliveries):
                self.bodies |= {item.id: item.body for item in one.items}
                self.receipts |= {item.id: item.receipt for item in one.items} | dict(one.held)
            elif isinstance(one, Renewals):
                self.receipts |= dict(one.receipts)
        return found

    async def take(self, maximum: int, *known: str) -> Deliveries:
        (found,) = await self.ask(Take(maximum), known=known)
        assert isinstance(found, Deliveries), found
        return found

    async def renew(self, id: str) -> bool:
        """Whether it is held for another lease."""
        (found,) = await self.ask(Renew((id,)))
        assert isinstance(found, Renewals)
        return not found.lost and not found.late

    async def close(self) -> None:
        await self.writers.close()


Claimants = Callable[..., Claimant]
"""Makes claimants, which are closed with their test."""
