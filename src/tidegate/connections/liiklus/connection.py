"""The adapter for one Liiklus: the ends of each topic once, then the offsets of each group, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc

from tidegate.base.errors import TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grpc_channel import open_channel, told
from tidegate.connections.liiklus import liiklus_pb2 as wire
from tidegate.kit.question import Question
from tidegate.kit.systems.liiklus import GroupOffsets, LiiklusServer

SERVICE = "/com.github.bsideup.liiklus.LiiklusService/"
CALLS_AT_ONCE = 50

_GRACE_S = 1.0

Offsets = dict[int, int]
Ends = dict[str, Offsets | TidegateError]


class LiiklusConnection:
    """Answers `GroupOffsets`."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: LiiklusServer, surroundings: Surroundings) -> None:
        self._server = server
        self._surroundings = surroundings
        self._label = server.label()
        self._channel: grpc.aio.Channel | None = None
        self._turns = asyncio.Semaphore(CALLS_AT_ONCE)
        self._lost: TidegateError | None = None
        self._has_answered = False
        self.round_trips = 0
        self.patience_s = 2 * -(-self.batch // CALLS_AT_ONCE) * surroundings.timeout_s + _GRACE_S

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order."""
        if self._channel is None:
            self._channel = await open_channel(self._server.address, None, self._surroundings, on=self._label)
        self._lost, self._has_answered = None, False
        asked = list(dict.fromkeys(one for one in questions if isinstance(one, GroupOffsets)))
        topics = list(dict.fromkeys(one.topic for one in asked))
        ends: Ends = dict(zip(topics, await asyncio.gather(*map(self._ends, topics)), strict=True))
        answers = await asyncio.gather(*(self._one(one, ends) for one in asked))
        if answers and all(isinstance(one, Unreachable) for one in answers):
            # Whatever it is dialled anew next time.
            await self.close()
            raise answers[0]
        found = dict(zip(asked, answers, strict=True))
        return [
            found[one]
            if isinstance(one, GroupOffsets)
            else Unsupported(f"answer {type(one).__name__}", on=one.server.label())
            for one in questions
        ]

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def _ends(self, topic: str) -> Offsets | TidegateError:
        request = wire.GetEndOffsetsRequest(topic=topic)
        return await self._called("GetEndOffsets", request, f"read the end of topic {topic}")

    async def _one(self, question: GroupOffsets, ends: Ends) -> Any:
        end = ends[question.topic]
        if isinstance(end, TidegateError):
            return end
        request = wire.GetOffsetsRequest(
            topic=question.topic, group=question.group, group_version=question.version
        )
        done = await self._called("GetOffsets", request, f"read the offsets of group {question.group}")
        if isinstance(done, TidegateError):
            return done
        return tuple((offset, done.get(partition)) for partition, offset in sorted(end.items()))

    async def _called(self, method: str, request: Any, attempted: str) -> Offsets | TidegateError:
        async with self._turns:
            if self._lost is not None and not self._has_answered:
                return self._lost  # nobody is there: the rest need not find out one by one
            assert self._channel is not None
            call = self._channel.unary_unary(
                SERVICE + method, type(request).SerializeToString, wire.OffsetsReply.FromString
            )
            timeout_s = self._surroundings.timeout_s
            self.round_trips += 1
            try:
                reply = await call(request, timeout=timeout_s)
            except grpc.aio.AioRpcError as error:
                found = told(error, attempted, self._label, timeout_s)
                if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    self._lost = found
                return found
            self._has_answered = True
            return dict(reply.offsets)
