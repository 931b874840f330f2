"""Queues of Azure Storage as sources of claimed work."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.kit.systems.azure_storage import StorageServer


@dataclass(frozen=True, slots=True)
class AzureQueueSource:
    """The queue `queue`. Dead letters are put into `dead_letter`, or into the queue that Azure's own tools
    use: its name with `-poison`.
    """

    server: StorageServer
    queue: str
    dead_letter: str = ""

    def label(self) -> str:
        return f"queue {self.queue} of {self.server.label()}"

    def aside(self) -> str:
        return f"queue {self.poison()}"

    def poison(self) -> str:
        return self.dead_letter or f"{self.queue}-poison"
