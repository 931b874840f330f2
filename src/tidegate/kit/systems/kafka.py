"""Kafka: whom to ask, what to ask, and what comes back. The settings of its triggers: `kafka_settings.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

from tidegate.base.errors import Malformed
from tidegate.kit.identity import AwsLogin
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.tls import Tls

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI", "AWS_MSK_IAM"]

NOTHING_COMMITTED = -1


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Where OAUTHBEARER gets its tokens: client credentials, the id and secret being the login's."""

    uri: str
    scopes: tuple[str, ...] = ()
    extensions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Sasl:
    """How to log in. OAUTHBEARER has `tokens`, or `aws`, as AWS_MSK_IAM has."""

    mechanism: Mechanism
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tokens: TokenEndpoint | None = None
    aws: AwsLogin | None = None


@dataclass(frozen=True, slots=True)
class KafkaServer:
    """A Kafka cluster, by the brokers that are asked first: `host:port`, IPv6 hosts in brackets."""

    calls: ClassVar[Calls] = ROUND

    system: ClassVar[str] = "kafka"

    addresses: tuple[str, ...]
    sasl: Sasl | None = None
    tls: Tls | None = None

    def label(self) -> str:
        return f"Kafka {', '.join(self.addresses)}"


Range = tuple[int, int]
"""First and last number of some partitions."""


@dataclass(frozen=True, slots=True)
class GroupOffsets:
    """Where a group stands in each partition, and where that ends: `tuple[PartitionOffsets, ...]`.

    All partitions of `topics`, or those within `ranges`; without topics those of every topic in which the
    group has committed. `of_members` adds the topics that its members are assigned, and fails without
    members. `with_starts` asks where those partitions begin for which the group has no usable commit.
    `is_repeated` makes the connection remember how long a commit has not moved.
    One partition that cannot be told fails the question: what is left would look like all.
    """

    server: KafkaServer
    group: str
    topics: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()
    of_members: bool = False
    with_starts: bool = False
    is_repeated: bool = False


class PartitionOffsets(NamedTuple):
    """`committed` is what the group reads next (-1: it never committed), `end` what is written next.

    `start` is the oldest offset still there, where it was asked for. `unmoved_s`: for how long, as far as
    this connection has seen, the commit has been what it is.
    """

    topic: str
    partition: int
    committed: int
    end: int
    start: int | None = None
    unmoved_s: float = 0.0


@dataclass(frozen=True, slots=True)
class KafkaRecords:
    """To be watched: whether records come into the topic."""

    server: KafkaServer
    topic: str


def offsets(answer: Any, question: GroupOffsets) -> tuple[PartitionOffsets, ...]:
    """`answer` if it is what was asked for. Malformed when it is anything else."""
    if isinstance(answer, tuple) and all(isinstance(one, PartitionOffsets) for one in answer):
        return answer
    raise Malformed(
        f"read the offsets of group {question.group}",
        on=question.server.label(),
        answer=f"a {type(answer).__name__} where the offsets of partitions were expected",
        next_step="this is a defect of the connection",
    )


@dataclass(frozen=True, slots=True)
class LagRules:
    """How offsets become a number; the names are those of the settings."""

    threshold: int
    is_latest: bool = True
    is_zero_without_commit: bool = False
    persistent_s: float | None = None
    allow_idle: bool = False
    limit_to_lag: bool = False
    ensure_even: bool = False


@dataclass(frozen=True, slots=True)
class Lag:
    """`total` is what the replicas are made for, `raw` what there is: the latter decides about activity."""

    total: int
    raw: int


def lag(partitions: tuple[PartitionOffsets, ...], rules: LagRules) -> Lag:
    """The lag of all partitions together, shaped and capped as the rules say."""
    total = raw = lagging = 0
    for one in partitions:
        wanted, there = partition_lag(one, rules)
        total += wanted
        raw += there
        lagging += wanted > 0
    return Lag(_shaped(total, len(partitions), lagging, rules), raw)


def partition_lag(one: PartitionOffsets, rules: LagRules) -> tuple[int, int]:
    """Lag to make replicas for, and lag that is there."""
    if one.committed == NOTHING_COMMITTED:
        if rules.is_zero_without_commit:
            there = 0
        else:
            there = 1 if rules.is_latest else one.end - (one.start or 0)
        return there, there
    there = one.end - one.committed
    if there < 0:
        # The topic was made anew, or cut: a consumer starts over as its reset policy says.
        there = 0 if rules.is_latest else one.end - (one.start or 0)
    is_persistent = rules.persistent_s is not None and one.unmoved_s >= rules.persistent_s
    return (0 if is_persistent else there), there


def _shaped(total: int, count: int, lagging: int, rules: LagRules) -> int:
    if rules.allow_idle and not (rules.limit_to_lag or rules.ensure_even):
        return total
    if rules.ensure_even:
        total = _even_factor(total, count, rules.threshold) * rules.threshold
    bound = lagging if rules.limit_to_lag else count
    return bound * rules.threshold if total // rules.threshold > bound else total


def _even_factor(total: int, count: int, threshold: int) -> int:
    """The least divisor of the number of partitions that carries the total."""
    divisors = (n for n in range(1, count + 1) if count % n == 0 and n * threshold >= total)
    return next(divisors, count)
