"""RabbitMQ: whom to ask, what to ask, and the readers of what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from tidegate.base.addresses import bracketed
from tidegate.base.errors import Malformed
from tidegate.kit.question import Question
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.http import HttpServer
from tidegate.kit.tls import Tls


@dataclass(frozen=True, slots=True)
class AmqpServer:
    """A virtual host of a broker, asked over AMQP 0-9-1.

    `is_external`: the client certificate logs in (SASL EXTERNAL), no user name or password is sent.
    """

    calls: ClassVar[Calls] = ROUND

    system: ClassVar[str] = "rabbitmq"

    host: str
    port: int
    vhost: str = "/"
    username: str = "guest"
    password: str = field(default="guest", repr=False)
    tls: Tls | None = None
    is_external: bool = False

    def label(self) -> str:
        return f"RabbitMQ {bracketed(self.host)}:{self.port}, vhost {self.vhost}"


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many messages of `queue` are ready for a consumer: an int. A missing queue is a failure."""

    server: AmqpServer
    queue: str


@dataclass(frozen=True, slots=True)
class RoutedMessages:
    """To be watched: whether messages go the way of `binding`, which is `exchange/routing key`."""

    server: AmqpServer
    binding: str


@dataclass(frozen=True, slots=True)
class ManagementServer:
    """A broker's management API. `prefix` is the path before `/api`, encoded as it goes onto the wire."""

    calls: ClassVar[Calls] = ROUND

    system: ClassVar[str] = "rabbitmq"

    http: HttpServer
    prefix: str = ""

    def label(self) -> str:
        return f"{self.http.label()}{self.prefix}"


@dataclass(frozen=True, slots=True)
class QueueStats:
    """What the management API says of a queue: messages, the ready ones among them, rates per second."""

    messages: float
    ready: float
    published: float = 0.0
    delivered: float = 0.0


@dataclass(frozen=True, slots=True)
class QueueState:
    """The `QueueStats` of one queue. A missing queue is a failure."""

    server: ManagementServer
    vhost: str
    queue: str


@dataclass(frozen=True, slots=True)
class MatchingQueues:
    """The `QueueStats` of all queues whose name matches, a tuple; more than `limit` are a failure.

    `pattern` is the broker's: without anchors of its own, upper and lower case alike.
    """

    server: ManagementServer
    vhost: str
    pattern: str
    limit: int


Mode = Literal[
    "QueueLength",
    "MessageRate",
    "DeliverGetRate",
    "PublishedToDeliveredRatio",
    "ExpectedQueueConsumptionTime",
]
OPERATIONS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "max": max,
    "avg": lambda found: sum(found) / len(found),
}
"""What may become of the queues that match, for each of their numbers on its own."""


def stats(answer: Any, question: Question) -> QueueStats:
    """`answer` if it is what it should be. Malformed when it is anything else."""
    if isinstance(answer, QueueStats):
        return answer
    raise _malformed(answer, question)


def merged(answer: Any, question: MatchingQueues, operation: str) -> QueueStats:
    """One for all that match; all zeros where none does. Malformed when `answer` is no such tuple."""
    if not isinstance(answer, tuple):
        raise _malformed(answer, question)
    found = [stats(one, question) for one in answer]
    if not found:
        return QueueStats(0, 0)
    become = OPERATIONS[operation]

    def whole(numbers: Iterable[float]) -> float:
        number = become(list(numbers))
        return number // 1 if operation == "avg" else number

    return QueueStats(
        whole(one.messages for one in found),
        whole(one.ready for one in found),
        become([one.published for one in found]),
        become([one.delivered for one in found]),
    )


def amount(mode: Mode, found: QueueStats, messages: float, least: float) -> tuple[float, bool]:
    """The value of a mode, and whether it is activity; `least` is the activation value."""
    published, delivered = found.published, found.delivered
    is_stuck = published > 0 and delivered == 0
    match mode:
        case "QueueLength":
            return messages, messages > least
        case "MessageRate":
            return published, published > least or messages > least
        case "DeliverGetRate":
            return delivered, delivered > least
        case "PublishedToDeliveredRatio":
            ratio = published / delivered if delivered else least if is_stuck else 0.0
            return ratio, ratio > least or is_stuck
        case "ExpectedQueueConsumptionTime":
            if not messages:
                return 0.0, least < 0
            if not delivered:
                return least, True
            seconds = (published - delivered) / delivered + messages / delivered
            return seconds, seconds > least


def _malformed(answer: Any, question: Question) -> Malformed:
    return Malformed(
        f"read the answer to {type(question).__name__}",
        on=question.server.label(),
        answer=f"a {type(answer).__name__} came back",
        next_step="this is a defect of the connection or of the server behind it",
    )
