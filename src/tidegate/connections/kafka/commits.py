"""What groups have committed, and which topics their members have: one OffsetFetch per coordinator.

Brokers before Kafka 3.0 take one group a request: those are sent together over the coordinator's connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.protocol.api import RequestStruct

from tidegate.base.errors import Malformed, TidegateError
from tidegate.connections.kafka import wire
from tidegate.connections.kafka.cluster import Cluster, Topic
from tidegate.connections.kafka.link import Link
from tidegate.connections.kafka.members import read_members
from tidegate.connections.kafka.refusals import GROUP_NOT_FOUND, refusal
from tidegate.kit.systems.kafka import NOTHING_COMMITTED, GroupOffsets

Wanted = dict[str, list[int]] | None
"""Partitions by topic, None for all that the group has committed in."""


@dataclass(slots=True)
class Commits:
    """A group's commits by topic and partition. `is_all`: where there is none here, there is none.

    `assigned` are the topics of its members, or why those are not known; empty where nobody asked.
    """

    is_all: bool
    offsets: dict[str, dict[int, int | TidegateError]] = field(default_factory=dict)
    assigned: frozenset[str] | TidegateError = frozenset()

    def topics(self) -> set[str]:
        """Where the group has committed or reads."""
        return self.offsets.keys() | (
            frozenset() if isinstance(self.assigned, TidegateError) else self.assigned
        )

    def offset(self, topic: str, partition: int) -> int | TidegateError | None:
        """The commit; None when the reply left out what was asked for."""
        return self.offsets.get(topic, {}).get(partition, NOTHING_COMMITTED if self.is_all else None)


async def read_commits(
    cluster: Cluster,
    questions: Sequence[GroupOffsets],
    topics: Mapping[str, Topic],
    lost: Mapping[str, TidegateError],
) -> dict[str, Commits | TidegateError]:
    """Each group's commits, or why they are not known; `lost` are the groups without a coordinator."""
    needs = _needs(questions, topics)
    with_members = {question.group for question in questions if question.of_members}
    by_node: dict[int, list[str]] = {}
    for group in needs:
        node = cluster.coordinator(group)
        if group not in lost and node is not None:
            by_node.setdefault(node, []).append(group)
    found = await asyncio.gather(
        *(
            _at(cluster, node, {group: needs[group] for group in groups}, with_members)
            for node, groups in by_node.items()
        )
    )
    commits: dict[str, Commits | TidegateError] = dict(lost)
    for one in found:
        commits |= one
    return commits


def _needs(questions: Sequence[GroupOffsets], topics: Mapping[str, Topic]) -> dict[str, Wanted]:
    needs: dict[str, Wanted] = {}
    for question in questions:
        wanted = needs.setdefault(question.group, {})
        if not question.topics or wanted is None:
            needs[question.group] = None
            continue
        for topic in question.topics:
            if topics[topic].error is None:
                wanted[topic] = list(topics[topic].leaders)
    return needs


async def _at(
    cluster: Cluster, node: int, needs: Mapping[str, Wanted], with_members: set[str]
) -> dict[str, Commits | TidegateError]:
    described = [group for group in needs if group in with_members]
    try:
        replies = await cluster.ask(node, lambda link: _requests(link, needs))
        commits = _read(needs, replies, cluster.label)
        assigned = await read_members(cluster, node, described) if described else {}
    except TidegateError as error:
        cluster.forget(needs)
        return dict.fromkeys(needs, error)
    for group, topics in assigned.items():
        found = commits[group]
        if isinstance(found, Commits):
            found.assigned = topics
    return commits


def _requests(link: Link, needs: Mapping[str, Wanted]) -> list[RequestStruct]:
    kind = link.best(wire.OFFSET_FETCH)
    if kind.API_VERSION < 8:
        return [
            kind(group, None if wanted is None else list(wanted.items())) for group, wanted in needs.items()
        ]
    groups: list[Any] = [
        (group, None if wanted is None else [(topic, numbers, {}) for topic, numbers in wanted.items()], {})
        for group, wanted in needs.items()
    ]
    return [kind(groups, False, {})]


def _read(
    needs: Mapping[str, Wanted], replies: Sequence[Any], label: str
) -> dict[str, Commits | TidegateError]:
    commits: dict[str, Commits | TidegateError] = {}
    for group, code, topics in _groups(needs, replies):
        attempted = f"read the commits of group {group}"
        if code and code != GROUP_NOT_FOUND:
            commits[group] = refusal(code, attempted, label)
            continue
        found = Commits(is_all=needs.get(group) is None or code == GROUP_NOT_FOUND)
        for topic, partitions in topics:
            found.offsets[topic] = {
                number: refusal(error, f"{attempted} in partition {number} of topic {topic}", label)
                if error
                else offset
                for number, offset, error in partitions
            }
        commits[group] = found
    for group in needs:
        if group not in commits:
            attempted = f"read the commits of group {group}"
            commits[group] = Malformed(attempted, on=label, answer="the reply leaves the group out")
    return commits


_Topics = list[tuple[str, list[tuple[int, int, int]]]]


def _groups(needs: Mapping[str, Wanted], replies: Sequence[Any]) -> Iterable[tuple[str, int, _Topics]]:
    """Group, error code, and by topic: partition, offset and error code."""
    if replies and replies[0].API_VERSION >= 8:
        for group, found, code, _ in replies[0].groups or ():
            yield group, code, [(topic, parts) for topic, parts, _ in found or ()]
        return
    for group, reply in zip(needs, replies, strict=True):
        topics = [(topic, [(p[0], p[1], p[3]) for p in parts or ()]) for topic, parts in reply.topics or ()]
        yield group, reply.error_code, topics
