"""The adapter for one namespace: in a round, one flight of requests for all partitions of all hubs.

hubs → a token for each new one → hub and its known partitions, side by side → partitions that are new
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.azure_eventhub.frames import Message
from tidegate.connections.azure_eventhub.link import Cut, Link, Request, Traffic
from tidegate.connections.azure_eventhub.values import Strange
from tidegate.connections.identity_logins import forget, token_of
from tidegate.kit.question import Question
from tidegate.kit.systems.azure_eventhub import EventHubServer, HubPositions, Position
from tidegate.kit.tls import Tls

CBS, MANAGEMENT = "$cbs", "$management"

TOKEN_S = 3600
_RENEWED_S = 2700.0
"""A connection is replaced before its tokens end."""

_GRACE_S = 1.0
_FLIGHT = 400
"""Requests under way at a time."""

_Partition = tuple[HubPositions, str]


class EventHubConnection:
    """Answers the questions about one namespace."""

    batch = 100
    wake_gap_s = 1.0

    def __init__(self, server: EventHubServer, surroundings: Surroundings) -> None:
        self._server = server
        self._surroundings = surroundings
        self._link: Link | None = None
        self._turn = asyncio.Lock()
        self._partitions: dict[HubPositions, tuple[str, ...]] = {}
        self._token = ""
        self.traffic = Traffic()
        self.patience_s = 12 * surroundings.timeout_s + _GRACE_S

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order."""
        hubs = list(dict.fromkeys(one for one in questions if isinstance(one, HubPositions)))
        async with self._turn:
            found = await self._tried(hubs)
            refused = [hub for hub in hubs if isinstance(found[hub], Denied)]
            if refused and self._forgets():
                await self.close()
                found |= await self._tried(refused)
        answers = [found[one] if isinstance(one, HubPositions) else _unknown(one) for one in questions]
        if answers and all(isinstance(answer, Denied) for answer in answers):
            raise answers[0]
        return answers

    async def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _tried(self, hubs: Sequence[HubPositions]) -> dict[HubPositions, Any]:
        """What each comes to; Denied for all of them where the namespace lets nobody of this identity in."""
        await self._renew_token()
        try:
            try:
                return await self._found(hubs)
            except Cut:
                return await self._found(hubs)
        except Denied as error:
            if self._server.token is None:
                raise
            return dict.fromkeys(hubs, error)

    async def _renew_token(self) -> None:
        """The identity's token of now; where it is another one, the right to each hub is proved anew."""
        if self._server.token is None:
            return
        token = await token_of(self._server.token, self._surroundings)
        if token != self._token and self._link is not None:
            self._link.granted.clear()
        self._token = token

    def _forgets(self) -> bool:
        """Whether another token may do better than the one that was refused."""
        login = self._server.token
        return login is not None and forget(login, self._surroundings, self._token)

    async def _found(self, hubs: Sequence[HubPositions]) -> dict[HubPositions, Any]:
        link = await self._opened()
        found: dict[HubPositions, Any] = await self._refused(
            link, [hub for hub in hubs if hub.hub not in link.granted]
        )
        hubs = [hub for hub in hubs if hub not in found]
        positions: dict[_Partition, Position | TidegateError] = {}
        known = [(hub, one) for hub in hubs for one in self._partitions.get(hub, ())]
        ids = await self._read_all(link, hubs, known, positions)
        new = [
            (hub, one)
            for hub, some in ids.items()
            if not isinstance(some, TidegateError)
            for one in some
            if (hub, one) not in positions
        ]
        await self._read_all(link, [], new, positions)
        for hub, some in ids.items():
            if isinstance(some, TidegateError):
                found[hub] = some
                self._partitions.pop(hub, None)
                continue
            self._partitions[hub] = some
            each: dict[str, Any] = {one: positions[hub, one] for one in some}
            found[hub] = next((one for one in each.values() if isinstance(one, TidegateError)), each)
        return found

    async def _opened(self) -> Link:
        link = self._link
        now_s = asyncio.get_running_loop().time()
        if link is not None and link.is_open and now_s < link.opened_s + _RENEWED_S:
            return link
        await self.close()
        tls = None
        if not self._server.namespace.is_emulator:
            from tidegate.connections.tls import shared_context

            tls = await shared_context(Tls(), self._surroundings.tls)
        link = Link(self._server, self._surroundings, self.traffic)
        await link.open(tls)
        self._link = link
        return link

    async def _refused(self, link: Link, hubs: Sequence[HubPositions]) -> dict[HubPositions, Any]:
        """Proves our right to each hub; those to which we have none."""
        refused: dict[HubPositions, Any] = {}
        if not hubs:
            return refused
        requests = [self._token_request(hub) for hub in hubs]
        for hub, message in zip(hubs, await self._asked(link, CBS, requests), strict=True):
            error = self._trouble(hub, message)
            if error is not None:
                refused[hub] = error
            else:
                link.granted.add(hub.hub)
        return refused

    async def _read_all(
        self,
        link: Link,
        hubs: Sequence[HubPositions],
        partitions: Sequence[_Partition],
        positions: dict[_Partition, Position | TidegateError],
    ) -> dict[HubPositions, tuple[str, ...] | TidegateError]:
        """The partitions of `hubs`; the positions of `partitions` go into `positions`."""
        requests = [self._read_request(hub) for hub in hubs]
        requests += [self._read_request(hub, one) for hub, one in partitions]
        messages = await self._asked(link, MANAGEMENT, requests)
        for (hub, one), message in zip(partitions, messages[len(hubs) :], strict=True):
            positions[hub, one] = self._trouble(hub, message) or self._position(hub, message.value)
        return {
            hub: self._trouble(hub, message) or self._ids(hub, message.value)
            for hub, message in zip(hubs, messages, strict=False)
        }

    async def _asked(self, link: Link, node: str, requests: Sequence[Request]) -> list[Message]:
        messages: list[Message] = []
        for start in range(0, len(requests), _FLIGHT):
            messages += await link.ask(node, requests[start : start + _FLIGHT], "read where partitions stand")
        return messages

    # --- what is sent. Source: Microsoft, "AMQP request-response operations"

    def _proof(self, hub: HubPositions) -> str:
        if self._server.token is not None:
            return self._token
        until_s = int(time.time()) + TOKEN_S
        return self._server.namespace.signature(self._resource(hub), until_s)

    def _resource(self, hub: HubPositions) -> str:
        return f"sb://{self._server.host}/{hub.hub}"

    def _token_request(self, hub: HubPositions) -> Request:
        properties = {
            "operation": "put-token",
            "type": "servicebus.windows.net:sastoken" if self._server.token is None else "jwt",
            "name": self._resource(hub),
        }
        return Request(properties, self._proof(hub))

    def _read_request(self, hub: HubPositions, partition: str | None = None) -> Request:
        properties: dict[str, Any] = {"operation": "READ", "name": hub.hub}
        properties["type"] = "com.microsoft:eventhub" if partition is None else "com.microsoft:partition"
        if partition is not None:
            properties["partition"] = partition
        properties["security_token"] = self._proof(hub)
        return Request(properties)

    # --- what comes back

    def _trouble(self, hub: HubPositions, message: Message) -> TidegateError | None:
        """What a status means; the service's words are left out."""
        attempted, on = _attempted(hub), self._server.label()
        try:
            status = message.status
        except Strange:
            return Malformed(attempted, on=on, answer="the answer has no status")
        if 200 <= status < 300:
            return None
        answer = f"status {status}"
        if status in (401, 403):
            step = "check the connection string, and whether its key may listen"
            if self._server.token is not None:
                role = "Azure Event Hubs Data Receiver"
                step = f"give the {self._server.token.identity.label()} the role {role}"
            return Denied(attempted, on=on, answer=answer, next_step=step)
        if status in (404, 410):
            answer = f"there is no event hub {hub.hub}"
            return Misconfigured(attempted, on=on, answer=answer, next_step="check its name")
        return Unreachable(attempted, on=on, answer=answer)

    def _ids(self, hub: HubPositions, value: Any) -> tuple[str, ...] | TidegateError:
        ids = value.get("partition_ids") if isinstance(value, dict) else None
        if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
            return self._malformed(hub, "the answer names no partitions")
        return tuple(ids)

    def _position(self, hub: HubPositions, value: Any) -> Position | TidegateError:
        fields = value if isinstance(value, dict) else {}
        begin, last = fields.get("begin_sequence_number"), fields.get("last_enqueued_sequence_number")
        if type(begin) is not int or type(last) is not int or last < -1:
            return self._malformed(hub, "a partition's answer has no sequence numbers")
        is_empty = fields.get("is_partition_empty")
        return Position(begin, last, is_empty if isinstance(is_empty, bool) else None)

    def _malformed(self, hub: HubPositions, answer: str) -> Malformed:
        return Malformed(_attempted(hub), on=self._server.label(), answer=answer)


def _attempted(hub: HubPositions) -> str:
    return f"read where the partitions of event hub {hub.hub} stand"


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
