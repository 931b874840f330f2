"""Queues of Azure Storage as sources of claimed work."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tidegate.core.claims.wishes import DEAD_LETTER, loop_problem
from tidegate.kit.systems.azure_storage import StorageServer

_QUEUE = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class AzureQueueSource:
    """The queue `queue`. Dead letters are put into `dead_letter`, or into the queue that Azure's own tools
    use: its name with `-poison`. Asked with another key it is the same queue, and claims of it go on.
    """

    server: StorageServer = field(compare=False)
    queue: str
    dead_letter: str = field(default="", compare=False)
    account: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "account", f"{self.server.origin}{self.server.path}")

    def label(self) -> str:
        return f"queue {self.queue} of {self.server.label()}"

    def aside(self) -> str:
        return f"queue {self.poison()}"

    def poison(self) -> str:
        return _poison(self.queue, self.dead_letter)


def aside_problem(queue: str, dead_letter: str) -> str:
    """Why dead letters could not go where they shall; "" where they can."""
    name = _poison(queue, dead_letter)
    if not _QUEUE.fullmatch(name):
        text = f"dead letters cannot go to {name}, which can be no queue's name"
        return f"{text}: let {DEAD_LETTER} name one of 3 to 63 lower-case letters, digits and single -"
    return loop_problem(queue, dead_letter)


def _poison(queue: str, dead_letter: str) -> str:
    return dead_letter or f"{queue}-poison"
