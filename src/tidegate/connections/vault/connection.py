"""The adapter for one Vault with one login: a request for each path, a few at a time.

What is leased is renewed and not read anew, as long as it can be; a certificate is kept until it is soon
over. A path that is refused while the token is good fails alone.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.base.errors import TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.vault.answers import attempted, refusal, texts_of
from tidegate.connections.vault.calls import WHOLE, Calls, Reply
from tidegate.connections.vault.session import Session, Token
from tidegate.kit.fetched import Fetched
from tidegate.kit.question import Question
from tidegate.kit.systems.vault import VaultIssue, VaultRead, VaultServer

_AT_ONCE = 8
_EARLY_S = 300.0
_NEW_AT = 0.5
"""What can only be renewed for less than this share of its first lease is read anew, while it is good."""

_CLOSE_S = 3.0

_Asked = VaultRead | VaultIssue


@dataclass(frozen=True, slots=True)
class _Kept:
    """What may be served again: a lease (`lease` is its id) of the token `token`, or a certificate."""

    answer: Fetched = field(repr=False)
    life_s: float
    until: float
    lease: str = ""
    token: str = field(default="", repr=False)


class VaultConnection:
    """Answers `VaultRead`s and `VaultIssue`s."""

    batch = 200
    wake_gap_s = 1.0

    def __init__(self, server: VaultServer, surroundings: Surroundings) -> None:
        self._server = server
        self._calls = Calls(server, surroundings)
        self._session = Session(server, self._calls, surroundings)
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._kept: dict[_Asked, _Kept] = {}
        self._troubles: list[TidegateError] = []
        self.patience_s = self.batch / _AT_ONCE * surroundings.timeout_s

    @property
    def round_trips(self) -> int:
        """Requests sent since the adapter was made."""
        return self._calls.requests

    @property
    def connections(self) -> int:
        """Connections opened since the adapter was made."""
        return self._calls.connections

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        self._troubles.clear()
        token = await self._session.token()
        asked: dict[Any, Fetched | Reply | TidegateError] = {}
        await self._ask(asked, list(dict.fromkeys(questions)), token)
        refused = [one for one, answer in asked.items() if isinstance(answer, Reply) and answer.status == 403]
        if refused and not await self._session.holds(token):
            # It has ended or was revoked: another login may help.
            await self._ask(asked, refused, await self._session.token())
        answers = {one: _told(one, answer) for one, answer in asked.items()}
        if self._troubles and not any(isinstance(one, Fetched) for one in answers.values()):
            raise self._troubles[0]
        return [answers[one] for one in questions]

    async def close(self) -> None:
        """Gives back what was leased, as far as it can be told soon."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._give_back()
                await self._session.close()
        except (TidegateError, TimeoutError):
            pass
        finally:
            await self._calls.close()

    async def _give_back(self) -> None:
        """Leases of a token that was given; those of our own end with it."""
        kept, self._kept = self._kept, {}
        token = self._session.token_now
        if token is None or token.is_ours:
            return
        for one in kept.values():
            if one.lease and one.until > _now():
                body = {"lease_id": one.lease}
                await self._calls.call(
                    "PUT", "sys/leases/revoke", "give a lease back", token=token.text, body=body
                )

    async def _ask(self, asked: dict[Any, Any], questions: Sequence[Any], token: Token) -> None:
        found = await asyncio.gather(*(self._one(one, token) for one in questions))
        asked.update(zip(questions, found, strict=True))

    async def _one(self, question: Any, token: Token) -> Fetched | Reply | TidegateError:
        if not isinstance(question, VaultRead | VaultIssue):
            return Unsupported(f"answer {type(question).__name__}", on=self._server.label())
        async with self._turn:
            if self._troubles:
                return self._troubles[0]
            try:
                return await self._served_again(question, token) or await self._anew(question, token)
            except TidegateError as error:
                rests = isinstance(error, Unreachable) and error.retry_after_s is not None
                if isinstance(error, WHOLE) or rests:
                    self._troubles.append(error)
                return error

    async def _served_again(self, question: _Asked, token: Token) -> Fetched | None:
        """What is kept and still good for a while, its lease renewed; None where there is nothing such."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        rest_s = kept.until - _now()
        if not kept.lease:
            is_fresh = rest_s > min(_EARLY_S, kept.life_s / 2)
            return replace(kept.answer, life_s=rest_s) if is_fresh else None
        if kept.token != token.text or rest_s <= 0:
            return None
        body = {"lease_id": kept.lease, "increment": round(kept.life_s)}
        about = f"renew the lease of {question.path}"
        reply = await self._calls.call("PUT", "sys/leases/renew", about, token=token.text, body=body)
        life_s = reply.body.get("lease_duration")
        if reply.status != 200 or not isinstance(life_s, int) or life_s < kept.life_s * _NEW_AT:
            return None
        self._kept[question] = replace(kept, until=_now() + life_s)
        return _lasting(replace(kept.answer, life_s=float(life_s)), token)

    async def _anew(self, question: _Asked, token: Token) -> Fetched | Reply:
        if isinstance(question, VaultIssue):
            body = dict(question.fields)
            reply = await self._calls.call(
                "PUT", question.path, attempted(question), token=token.text, body=body
            )
        else:
            reply = await self._calls.call("GET", question.path, attempted(question), token=token.text)
        if reply.error is not None:
            return reply
        answer = texts_of(question, reply)
        lease, life_s = reply.body.get("lease_id"), _life_s(question, reply)
        self._kept.pop(question, None)
        if life_s is None:
            return _lasting(answer, token)
        answer = replace(answer, life_s=life_s)
        is_lease = isinstance(lease, str) and bool(lease)
        if is_lease and reply.body.get("renewable") is True:
            self._kept[question] = _Kept(answer, life_s, _now() + life_s, str(lease), token.text)
        elif not is_lease:
            self._kept[question] = _Kept(answer, life_s, _now() + life_s)
        return _lasting(answer, token) if is_lease else answer


def _told(question: _Asked, answer: Fetched | Reply | TidegateError) -> Fetched | TidegateError:
    return refusal(question, answer) if isinstance(answer, Reply) else answer


def _life_s(question: _Asked, reply: Reply) -> float | None:
    """A lease, or the time until a certificate ends. A duration without a lease is a hint, often a month."""
    if reply.body.get("lease_id"):
        life = reply.body.get("lease_duration")
        return float(life) if isinstance(life, int) and life > 0 else None
    ends = reply.part("data").get("expiration") if isinstance(question, VaultIssue) else None
    if not isinstance(ends, int | float):
        return None
    rest_s = ends - reply.now_s
    return rest_s if rest_s > 0 else None


def _lasting(answer: Fetched, token: Token) -> Fetched:
    """A lease ends with its token, and a token that we cannot get again must be renewed before it ends."""
    rest_s = token.rest_s()
    if not math.isfinite(rest_s):
        return answer
    look_s = max(rest_s / 2, rest_s - _EARLY_S)
    if answer.life_s is not None:
        return replace(answer, life_s=min(answer.life_s, rest_s), look_s=look_s)
    return (
        replace(answer, look_s=min(look_s, _EARLY_S)) if token.is_renewable and not token.is_ours else answer
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
