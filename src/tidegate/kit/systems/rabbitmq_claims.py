"""Queues of RabbitMQ as sources of claimed work."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tidegate.kit.systems.rabbitmq import AmqpServer

KEPT = "tidegate.claims."
"""What the names of the queues begin with that claims are kept in."""


@dataclass(frozen=True, slots=True)
class RabbitmqQueueSource:
    """Messages of `queue`. Claimed ones are moved to a queue of their holder's; dead letters to the queue
    `dead_letter`, which must be there, or to one that is made. With another login it is the same queue.
    """

    server: AmqpServer = field(compare=False)
    queue: str
    dead_letter: str = ""
    place: AmqpServer = field(init=False, repr=False)

    def __post_init__(self) -> None:
        place = replace(self.server, username="", password="", tls=None, is_external=False)
        object.__setattr__(self, "place", place)

    def label(self) -> str:
        return f"queue {self.queue} of {self.server.label()}"

    def aside(self) -> str:
        return f"queue {self.dead_letter or self.own_dead_letter()}"

    def own_dead_letter(self) -> str:
        return f"tidegate.dead.{self.queue}"


def kept_in(holder: str) -> str:
    """The queue of what `holder` has claimed."""
    return f"{KEPT}{holder}"
