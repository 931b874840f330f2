"""Which runtime a pod has: the one that its annotation names, or that of the node."""

from __future__ import annotations

from pathlib import Path

from tidegate.local.nodes.processes.process import Sweeper
from tidegate.local.nodes.runtimes.of_processes import Processes
from tidegate.local.nodes.runtimes.port import Runtime


class Runtimes:
    """Those that there are, by name."""

    def __init__(self, sweeper: Sweeper) -> None:
        self._processes = Processes(sweeper)

    def of(self, name: str) -> Runtime:
        """The one of an instance, by its record; "" was written before there were others."""
        return self._processes

    def used_by(self, folder: Path) -> list[Runtime]:
        """Those that may have run something of the pod with this folder: processes, in any case."""
        return [self._processes]
