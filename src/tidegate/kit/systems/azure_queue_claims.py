"""Queues of Azure Storage as sources of claimed work."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidegate.kit.systems.azure_storage import StorageServer


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
        return self.dead_letter or f"{self.queue}-poison"
