"""A broker of the world of claimed work that knows messages by identity and receipt alone, as Azure does.

It cannot list what somebody holds, tells no body twice, keeps no count of ended Jobs, and gives another
receipt with every answer.
"""

from __future__ import annotations

from datetime import timedelta

from parts.claim_world import Broker, Record
from tidegate.core.claims.values import (
    Acknowledge,
    Answer,
    Ask,
    Awaited,
    DeadLetter,
    GiveBack,
    Message,
    Policy,
    Release,
    Renew,
    Renewed,
    Settled,
    Take,
    Taken,
)


class ReceiptBroker(Broker):
    is_counting = False

    def carry_out(
        self, holder: str, known: list[str], policy: Policy, ask: Ask, receipts: dict[str, str]
    ) -> Answer:
        self.requests += 1
        now = self.clock.now
        until = now + timedelta(seconds=policy.lease_s)
        if isinstance(ask, Take):
            given = self._resumed(known, receipts) if not ask.maximum else self._given(ask, known, holder)
            for id in given:
                one = self.records[id]
                one.holder, one.at = holder, until
                receipts[id] = self._renewed(one)
            return Taken(tuple(Message(id, until, now) for id in given))
        if isinstance(ask, Renew):
            lost = [id for id in ask.ids if not self._fits(id, receipts)]
            for id in set(ask.ids) - set(lost):
                self.records[id].at = until
                receipts[id] = self._renewed(self.records[id])
            return Renewed(until, tuple(lost))
        if isinstance(ask, GiveBack):
            for id in ask.ids:
                if self._fits(id, receipts):
                    self.queue.insert(0, self.records.pop(id).body)
            return Settled()
        return self._settled(ask, receipts)

    def _settled(self, ask: Acknowledge | Release | DeadLetter, receipts: dict[str, str]) -> Answer:
        if isinstance(ask, Release):
            if self._fits(ask.id, receipts):
                one = self.records[ask.id]
                one.holder, one.at = "", self.clock.now + timedelta(seconds=ask.delay_s)
                self._renewed(one)
            return Settled(is_uncounted=True)
        if ask.id not in self.records:
            return Settled()
        if not self._fits(ask.id, receipts):
            return Awaited()
        (self.done if isinstance(ask, Acknowledge) else self.dead).append(self.records.pop(ask.id).body)
        return Settled()

    def _resumed(self, known: list[str], receipts: dict[str, str]) -> list[str]:
        return [id for id in receipts if id not in known and self._fits(id, receipts)]

    def _given(self, ask: Take, known: list[str], holder: str) -> list[str]:
        given = [id for id, one in self.records.items() if one.at <= self.clock.now]
        given = given[: ask.maximum - len(known)]
        while self.queue and len(given) < ask.maximum - len(known):
            self.count += 1
            given.append(f"m{self.count}")
            self.records[given[-1]] = Record(self.queue.pop(0), holder, self.clock.now)
        return given

    def _fits(self, id: str, receipts: dict[str, str]) -> bool:
        return id in self.records and self.records[id].receipt == receipts.get(id)

    def _renewed(self, one: Record) -> str:
        self.count += 1
        one.receipt = f"r{self.count}"
        return one.receipt
