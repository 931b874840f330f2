"""The adapter: questions about groups become a few requests a round, whose replies become answers.

    look      one metadata request for all topics, with it the coordinators that are not known yet
    commits   one OffsetFetch per coordinator for all its groups
    ends      one ListOffsets per leader for all partitions that anybody asks for
    starts    the same for partitions without a usable commit, where somebody wants to know

Commits are read before ends, so that what is consumed in between is never a lag below zero. What another
broker has taken over in the meantime is asked for once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.feeds import Feed, Line
from tidegate.connections.kafka import wire
from tidegate.connections.kafka.cluster import Cluster, Topic
from tidegate.connections.kafka.commits import Commits, read_commits
from tidegate.connections.kafka.ends import Offsets, Partition, read_offsets
from tidegate.connections.kafka.fetches import Fetches, look_up
from tidegate.connections.kafka.link import Dialling, Link, Traffic
from tidegate.connections.kafka.memory import Memory
from tidegate.connections.kafka.refusals import Stale
from tidegate.connections.kafka.tokens import Tokens
from tidegate.kit.question import Question
from tidegate.kit.systems.kafka import (
    NOTHING_COMMITTED,
    GroupOffsets,
    KafkaRecords,
    KafkaServer,
    PartitionOffsets,
)

if TYPE_CHECKING:
    from tidegate.connections.kafka.msk import Iam

AGAIN_S = 0.2
"""Time for a cluster to agree on a new leader or coordinator before it is asked once more."""

CHUNK = 100
"""Answers after which others may run."""

Span = list[Partition] | TidegateError
Answer = tuple[PartitionOffsets, ...] | TidegateError


class GroupConnection:
    """One connection per broker of `server`, opened by the first question; one more where it is watched."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(
        self, server: KafkaServer, surroundings: Surroundings, *, newest: Mapping[str, int] | None = None
    ) -> None:
        self.traffic = Traffic()
        self._server = server
        self._surroundings = surroundings
        self._newest = newest or {}
        self.cluster = Cluster(server.addresses, server.label())
        self._memory = Memory()
        self._lock = asyncio.Lock()
        self._tokens: Tokens | Iam | None = None
        self._of_groups: set[str] = set()
        self._feed = Feed(self._open_line)

    @property
    def round_trips(self) -> int:
        """Requests sent since the adapter was made, of all brokers."""
        return sum(self.traffic.requests.values())

    @property
    def connections(self) -> int:
        """Connections opened since the adapter was made."""
        return self.traffic.connections

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None:
        """See `Watchable`: whether records come into a topic."""
        if not isinstance(question, KafkaRecords):
            raise Unsupported(f"watch {type(question).__name__}", on=question.server.label())
        await self._feed.watch(question.topic, pushed)

    def is_watching(self, question: Question) -> bool:
        """Whether the brokers would tell of records."""
        return isinstance(question, KafkaRecords) and self._feed.is_watching(question.topic)

    async def close(self) -> None:
        await self._feed.close()
        await self.cluster.close()
        if self._tokens is not None:
            await self._tokens.close()

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order.

        What is wrong with all of them but is neither a refusal nor an absence becomes each one's answer.
        """
        asked = list(dict.fromkeys(one for one in questions if isinstance(one, GroupOffsets)))
        answers: dict[Any, Answer] = {}
        async with self._lock:
            try:
                answers |= await self._answers(asked) if asked else {}
            except (Misconfigured, Malformed, Unsupported) as error:
                answers |= dict.fromkeys(asked, error)
        return [answers[one] if one in answers else _unknown(one) for one in questions]

    async def _answers(self, questions: Sequence[GroupOffsets]) -> dict[GroupOffsets, Answer]:
        await self._ready()
        self.cluster.begin()
        answers = await self._round(questions)
        stale = [question for question, answer in answers.items() if isinstance(answer, Stale)]
        if stale:
            self.cluster.forget(question.group for question in stale)
            await asyncio.sleep(AGAIN_S)
            with suppress(TidegateError):  # the others' answers stand, and theirs are failures already
                answers |= await self._round(stale)
        return answers

    async def _open_line(self) -> Line:
        async def look(topics: Sequence[str]) -> tuple[Mapping[str, Topic], Offsets]:
            async with self._lock:
                return await look_up(self.cluster, topics)

        async with self._lock:
            dialling = await self._ready()
        return Fetches(look, lambda node: Link(self.cluster.address(node), dialling), self._server.label())

    async def _ready(self) -> Dialling:
        """How brokers are reached. Misconfigured when the TLS parameters cannot be read."""
        if self.cluster.dialling is None:
            self.cluster.dialling = await self._dialling()
        return self.cluster.dialling

    async def _dialling(self) -> Dialling:
        """Misconfigured when the TLS parameters cannot be read."""
        context, sasl = None, self._server.sasl
        if self._server.tls is not None:
            from tidegate.connections.tls import client_context

            context = await asyncio.to_thread(client_context, self._server.tls, self._surroundings.tls)
        if sasl is not None and sasl.tokens is not None:
            self._tokens = Tokens(sasl, self._surroundings)
        elif sasl is not None and sasl.aws is not None:
            from tidegate.connections.kafka.msk import Iam

            self._tokens = Iam(sasl.aws, sasl.mechanism, self._surroundings, self._server.label())
        return Dialling(self.traffic, self._surroundings, sasl, context, self._tokens, self._newest)

    # --- one round

    async def _round(self, questions: Sequence[GroupOffsets]) -> dict[GroupOffsets, Answer]:
        named = {topic for question in questions for topic in question.topics}
        if not all(question.topics for question in questions):
            named |= self._of_groups
        topics, lost = await self.cluster.look(sorted(named), dict.fromkeys(one.group for one in questions))
        commits = await read_commits(self.cluster, questions, topics, lost)
        topics |= await self._more(questions, commits, topics)
        spans, wanted = await _spans(questions, commits, topics)
        ends = await read_offsets(self.cluster, wanted, topics, wire.LATEST)
        unsettled = {
            place
            for question, span in spans.items()
            for place in _unsettled(question, span, commits[question.group], ends)
        }
        starts = await read_offsets(self.cluster, unsettled, topics, wire.EARLIEST) if unsettled else {}
        answers: dict[GroupOffsets, Answer] = {}
        for count, (question, span) in enumerate(spans.items(), start=1):
            answers[question] = self._assembled(question, span, commits[question.group], ends, starts)
            if count % CHUNK == 0:
                await asyncio.sleep(0)
        return answers

    async def _more(
        self,
        questions: Sequence[GroupOffsets],
        commits: Mapping[str, Commits | TidegateError],
        topics: Mapping[str, Topic],
    ) -> dict[str, Topic]:
        """The topics of groups for which none is named, where they are new; the next round asks at once."""
        found = {
            topic
            for question in questions
            if not question.topics and isinstance(group := commits[question.group], Commits)
            for topic in group.topics()
        }
        if found:
            self._of_groups = found
        new = sorted(found - topics.keys())
        return (await self.cluster.look(new, ()))[0] if new else {}

    def _assembled(
        self,
        question: GroupOffsets,
        span: Span,
        commits: Commits | TidegateError,
        ends: Offsets,
        starts: Offsets,
    ) -> Answer:
        """The answer, or the first thing that is wrong with a partition: never a part of the whole."""
        if isinstance(span, TidegateError):
            return span
        assert isinstance(commits, Commits)
        found = []
        for place in span:
            committed, end = commits.offset(*place), ends[place]
            start = starts.get(place) if question.with_starts else None
            if isinstance(committed, TidegateError):
                return committed
            if isinstance(end, TidegateError):
                return end
            if isinstance(start, TidegateError):
                return start
            if committed is None:
                attempted = f"read the commit of group {question.group} in partition {place[1]} of {place[0]}"
                return Malformed(attempted, on=self._server.label(), answer="the reply leaves it out")
            unmoved_s = 0.0
            if question.is_repeated and committed != NOTHING_COMMITTED:
                unmoved_s = self._memory.unmoved_s((question.group, *place), committed)
            found.append(PartitionOffsets(*place, committed, end, start, unmoved_s))
        return tuple(found)


async def _spans(
    questions: Sequence[GroupOffsets],
    commits: Mapping[str, Commits | TidegateError],
    topics: Mapping[str, Topic],
) -> tuple[dict[GroupOffsets, Span], set[Partition]]:
    """The partitions that each question is about, and all together. Many groups read the same topics."""
    spans: dict[GroupOffsets, Span] = {}
    known: dict[tuple[Any, ...], Span] = {}
    wanted: set[Partition] = set()
    for count, question in enumerate(questions, start=1):
        group = commits[question.group]
        if isinstance(group, TidegateError):
            spans[question] = group
        elif question.of_members and isinstance(group.assigned, TidegateError):
            spans[question] = group.assigned
        else:
            names = question.topics or tuple(sorted(group.topics()))
            key = (names, question.ranges, not question.topics)
            if key not in known:
                known[key] = span = _span(question, names, topics)
                wanted.update(() if isinstance(span, TidegateError) else span)
            spans[question] = known[key]
        if count % CHUNK == 0:
            await asyncio.sleep(0)
    return spans, wanted


def _span(question: GroupOffsets, names: Sequence[str], topics: Mapping[str, Topic]) -> Span:
    span: list[Partition] = []
    for topic in names:
        found = topics[topic]
        if found.error is not None:
            return found.error
        span += [(topic, number) for number in found.leaders if _is_within(number, question.ranges)]
    if question.topics and not span:
        return Misconfigured(
            f"read the lag of group {question.group}",
            on=question.server.label(),
            answer=f"expected at least one active partition within the topic '{','.join(question.topics)}'",
            next_step="check `partitionLimitation`",
        )
    return span


def _is_within(number: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return not ranges or any(first <= number <= last for first, last in ranges)


def _unsettled(
    question: GroupOffsets,
    span: Span,
    commits: Commits | TidegateError,
    ends: Offsets,
) -> Iterable[Partition]:
    """The partitions in which a consumer would start over."""
    if not question.with_starts or isinstance(span, TidegateError) or isinstance(commits, TidegateError):
        return
    for place in span:
        committed, end = commits.offset(*place), ends[place]
        if isinstance(committed, int) and isinstance(end, int) and not 0 <= committed <= end:
            yield place


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
