"""Queues of SQS as sources of claimed work."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tidegate.core.claims.wishes import DEAD_LETTER, loop_problem
from tidegate.kit.systems.aws import AwsServer

_FIFO = ".fifo"
_NAME = re.compile(r"(?=.{1,80}\Z)[0-9A-Za-z_-]+(\.fifo)?")


@dataclass(frozen=True, slots=True)
class SqsSource:
    """The queue `queue`, a URL or a name. Dead letters are sent to the queue `dead_letter`, a URL or the name
    of one beside it; without one to that of the queue's redrive policy. `attempts` are the Jobs of a message.
    Asked with other keys it is the same queue, and claims of it go on.
    """

    server: AwsServer = field(compare=False)
    queue: str
    dead_letter: str = field(default="", compare=False)
    attempts: int = field(default=5, compare=False)
    place: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", self.server.endpoint or self.server.region)

    def label(self) -> str:
        return f"queue {self.queue} of {self.server.label()}"

    def aside(self) -> str:
        if self.dead_letter:
            return f"queue {self.dead_letter}"
        return f"the dead-letter queue of {self.name()}"

    def name(self) -> str:
        return _name(self.queue)

    @property
    def is_fifo(self) -> bool:
        """Whether its messages are in groups, of each of which one is worked on at a time."""
        return self.name().endswith(_FIFO)

    def beside(self, queue: str) -> str:
        """A queue of the same account: its name, or where the URL of ours is known, its URL."""
        before, slash, _ = self.queue.rpartition("/")
        return queue if "/" in queue else f"{before}{slash}{queue}"


def aside_problem(queue: str, dead_letter: str) -> str:
    """Why dead letters could not go where they shall; "" where they can."""
    if not dead_letter:
        return ""
    name, ours = _name(dead_letter), _name(queue)
    if not _NAME.fullmatch(name):
        text = f"dead letters cannot go to {name}, which can be no queue's name"
        return f"{text}: let {DEAD_LETTER} name one of 1 to 80 letters, digits, - and _"
    if name.endswith(_FIFO) != ours.endswith(_FIFO):
        kind = "FIFO" if ours.endswith(_FIFO) else "standard"
        return f"{ours} is a {kind} queue, and {name} is none: let {DEAD_LETTER} name a {kind} queue"
    return loop_problem(ours, name) if "/" not in dead_letter else loop_problem(queue, dead_letter)


def _name(queue: str) -> str:
    return queue.rstrip("/").rpartition("/")[2]
