"""Which topics the members of groups are assigned, in the older protocol of groups and in Kafka 4's."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unsupported
from tidegate.connections.kafka import wire
from tidegate.connections.kafka.cluster import Cluster
from tidegate.connections.kafka.refusals import GROUP_NOT_FOUND, refusal

Assigned = frozenset[str] | TidegateError

_GONE = "Dead"


async def read_members(cluster: Cluster, node: int, groups: Sequence[str]) -> dict[str, Assigned]:
    """The assigned topics of each group, or why they are not known: that it has no members, too."""
    (reply,) = await cluster.ask(node, lambda link: [link.best(wire.DESCRIBE_GROUPS)(list(groups))])
    assigned: dict[str, Assigned] = {}
    for code, group, state, _, _, members, *_ in reply.groups or ():
        if code and code != GROUP_NOT_FOUND:
            assigned[group] = refusal(code, _attempted(group), cluster.label)
        else:
            topics = [_topics(member[4], group, cluster.label) for member in members or ()]
            assigned[group] = _union(topics, group, state or _GONE, cluster.label)
    # The older request calls dead what speaks the newer protocol.
    others = [group for group in groups if isinstance(assigned.get(group), Misconfigured)]
    if others:
        assigned |= await _read_newer(cluster, node, others)
    for group in groups:
        answer = "the reply leaves the group out"
        assigned.setdefault(group, Malformed(_attempted(group), on=cluster.label, answer=answer))
    return assigned


async def _read_newer(cluster: Cluster, node: int, groups: Sequence[str]) -> dict[str, Assigned]:
    try:
        (reply,) = await cluster.ask(
            node, lambda link: [link.best(wire.DESCRIBE_CONSUMER_GROUPS)(list(groups), False, {})]
        )
    except Unsupported:
        return {}
    assigned: dict[str, Assigned] = {}
    for code, _, group, state, _, _, _, members, *_ in reply.groups or ():
        if code == 0:
            topics = [frozenset(one[2] for one in member[8][0] or ()) for member in members or ()]
            assigned[group] = _union(topics, group, state, cluster.label)
    return assigned


def _union(topics: Sequence[Assigned], group: str, state: str, label: str) -> Assigned:
    if not topics:
        return Misconfigured(
            _attempted(group),
            on=label,
            answer=f"no active members in group {group}, group-state is {state}",
            next_step="check `consumerGroup`, or name the `topic`",
        )
    united: frozenset[str] = frozenset()
    for one in topics:
        if isinstance(one, TidegateError):
            return one
        united |= one
    return united


def _topics(assignment: bytes | None, group: str, label: str) -> Assigned:
    """The topics in a member's assignment; a member that waits for its own has none."""
    if not assignment:
        return frozenset()
    try:
        read: Any = wire.MEMBER_ASSIGNMENT.decode(BytesIO(assignment))
        return frozenset(topic for topic, _ in read[1])
    except Exception:
        answer = "its members' assignments are not those of consumers"
        return Malformed(_attempted(group), on=label, answer=answer, next_step="name the `topic`")


def _attempted(group: str) -> str:
    return f"read the members of group {group}"
