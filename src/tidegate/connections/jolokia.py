"""Jolokia: all attributes of one JVM in one POST, as an array; where a policy forbids that, one GET each.

Jolokia answers 200 and puts the fate of each read into its body. URLs of the users' own are sent as they
are, by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.failures import phrase, refusal, unreadable
from tidegate.kit.question import Question
from tidegate.kit.systems.http import HttpRequest
from tidegate.kit.systems.jolokia import BeanAttribute, BeanUrl, JolokiaServer

LARGE_BYTES = 256 << 10
"""Bodies beyond this are read in a thread: other servers' rounds go on."""

_PATIENCE = 6
"""A call may last so many times a request: slow answers of a server are late, not silence."""

_STRANGE = "check that the address is the console's, and its login"
_FORBIDDEN = (403, 405, 501)

Asked = BeanAttribute | BeanUrl
Outcome = int | TidegateError


class _Read(msgspec.Struct, frozen=True):
    """`status` is Jolokia's own; what `value` is, is looked at later."""

    status: int = 0
    value: Any = None


def connect(server: JolokiaServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. aiohttp is imported with the first request."""
    return JolokiaConnection(server, surroundings)


class JolokiaConnection:
    """Answers `BeanAttribute` and `BeanUrl`."""

    batch = 500
    wake_gap_s = 0.25

    def __init__(self, server: JolokiaServer, surroundings: Surroundings) -> None:
        self.client = HttpClient(server.http, surroundings)
        self.patience_s = _PATIENCE * self.client.timeout_s + 1.0
        self._server = server
        self._may_pack = True

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order. Raises where nobody was answered."""
        asked = list(dict.fromkeys(one for one in questions if isinstance(one, Asked)))
        packed = [one for one in asked if isinstance(one, BeanAttribute)]
        urls = [one for one in asked if isinstance(one, BeanUrl)]
        found = dict(
            zip(
                (*packed, *urls),
                (*await self._packed(packed), *await self._singly(urls)),
                strict=True,
            )
        )
        outcomes = list(found.values())
        if outcomes and all(isinstance(one, Unreachable | Denied) for one in outcomes):
            assert isinstance(outcomes[0], TidegateError)
            raise outcomes[0]
        return [found[one] if isinstance(one, Asked) else _unknown(one) for one in questions]

    async def close(self) -> None:
        await self.client.close()

    async def _packed(self, asked: Sequence[BeanAttribute]) -> Sequence[Outcome]:
        """All in one request, where Jolokia lets us."""
        if not self._may_pack or len(asked) < 2:
            return await self._singly(asked)
        body = [{"type": "read", "mbean": one.bean, "attribute": one.attribute} for one in asked]
        # The agent alone, without a console, wants the slash; consoles do not mind it.
        place, attempted = f"{self._server.path}/", f"read {len(asked)} attributes"
        request = self._request(place, attempted, msgspec.json.encode(body))
        try:
            response = await self.client.send(request)
            is_forbidden = response.status in _FORBIDDEN
            reads = () if is_forbidden else await _decoded(response, request, list[_Read] | _Read)
        except TidegateError as error:
            return [error] * len(asked)
        if is_forbidden or (isinstance(reads, _Read) and reads.status in _FORBIDDEN):
            # It may be the login or the origin, too: each read by itself will tell.
            outcomes = await self._singly(asked)
            self._may_pack = not any(isinstance(one, int) for one in outcomes)
            return outcomes
        if isinstance(reads, _Read) or len(reads) != len(asked):
            return [unreadable(request, "it has not as many answers as questions")] * len(asked)
        return [self._outcome(read, one) for read, one in zip(reads, asked, strict=True)]

    async def _singly(self, asked: Sequence[Asked]) -> Sequence[Outcome]:
        """Each by itself, a few at a time. A server that answers none of them is not asked for the others."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(asked):
            wave = asked[len(outcomes) : len(outcomes) + self.client.concurrency]
            found = await asyncio.gather(*map(self._single, wave))
            outcomes += found
            if all(isinstance(one, Unreachable) for one in found):
                outcomes += [found[0]] * (len(asked) - len(outcomes))
        return outcomes

    async def _single(self, asked: Asked) -> Outcome:
        if isinstance(asked, BeanUrl):
            target = asked.target
        else:
            target = f"{self._server.path}/read/{_escaped(asked.bean)}/{_escaped(asked.attribute)}"
        request = self._request(target, f"read {asked.about}")
        try:
            return self._outcome(await _decoded(await self.client.send(request), request, _Read), asked)
        except TidegateError as error:
            return error

    def _request(self, target: str, attempted: str, body: bytes = b"") -> HttpRequest:
        headers = (("Origin", self._server.origin), ("Content-Type", "application/json"))
        method = "POST" if body else "GET"
        return HttpRequest(self._server.http, target, (), method, headers, body, attempted=attempted)

    def _outcome(self, read: _Read, asked: Asked) -> Outcome:
        attempted, on = f"read {asked.about}", self._server.label()
        if read.status == 404:
            name = asked.bean if isinstance(asked, BeanAttribute) else asked.target
            places = "queue, its address and the broker" if "address=" in name else "queue and of the broker"
            step = f"correct the names of the {places}"
            return Misconfigured(attempted, on=on, answer="there is no such queue or broker", next_step=step)
        if read.status in (401, 403):
            step = "give the user the right to read it, and `corsHeader` an origin that Jolokia allows"
            return Denied(attempted, on=on, answer=f"Jolokia says {phrase(read.status)}", next_step=step)
        if not read.status:
            answer = "it is no answer of Jolokia's"
            return Malformed(attempted, on=on, answer=answer, next_step=_STRANGE)
        if read.status != 200:
            return Malformed(attempted, on=on, answer=f"Jolokia says status {read.status}")
        if type(read.value) is not int or read.value < 0:
            step = "let it be an attribute that is a whole number, such as QueueSize or MessageCount"
            return Malformed(attempted, on=on, answer="what came back is no count", next_step=step)
        return read.value


async def _decoded(response: Response, request: HttpRequest, kind: Any) -> Any:
    """What a body says. Raises one of the five where the server refuses, or it says nothing of that kind."""
    if response.status != 200:
        raise refusal(response, request)
    try:
        if len(response.body) > LARGE_BYTES:
            return await asyncio.to_thread(msgspec.json.decode, response.body, type=kind)
        return msgspec.json.decode(response.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = "it is no answer of Jolokia's"
        raise unreadable(request, reason, response.body, _STRANGE) from error


def _escaped(text: str) -> str:
    """A part of Jolokia's path, which has an escape of its own for slashes."""
    return quote(text.replace("!", "!!").replace("/", "!/"), safe="!:=,*")


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
