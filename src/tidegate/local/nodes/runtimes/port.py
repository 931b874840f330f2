"""What a pod's task asks of whatever runs a container: everything else is an instance's directory.

Every runtime starts the launcher with a plan, which claims the instance, writes its log and leaves its exit
code (see `processes/instance.py`). So logs, `--previous`, attaching, adoption and back-off are the same for
all, and nothing runs twice. A runtime is asked for what differs: when the command has begun, how it is
signalled and ended, what only the runtime knows of an end, and how to get inside.
"""

from __future__ import annotations

from collections.abc import Coroutine
from signal import Signals
from typing import Any, Protocol

from tidegate.local.nodes.processes.exec import Inside
from tidegate.local.nodes.processes.instance import Instance, Seen
from tidegate.local.nodes.processes.process import Watch

PROCESS = "process"
"""The runtime of pods that ask for none."""


class Runtime(Protocol):
    """Methods may raise OSError where the runtime does not answer: the pod's task tries again."""

    @property
    def name(self) -> str: ...

    def begun(self, instance: Instance) -> Coroutine[Any, Any, bool] | None:
        """Whether the command of a launched instance runs, as soon as that is certain; None: it does."""

    def signal(self, instance: Instance, watch: Watch, number: Signals) -> None:
        """Signals the command, soon."""

    async def end(self, uid: str, instance: Instance) -> None:
        """Kills all that is left of a running instance."""

    def is_left(self, instance: Instance) -> bool:
        """Whether an instance that has ended may still hold something."""

    async def note_end(self, instance: Instance) -> None:
        """Writes down beside an instance that has ended what only the runtime knows of its end."""

    async def drop(self, uid: str, instance: Instance) -> None:
        """Ends and removes what is left of an instance that has ended, but its directory."""

    async def clear(self, uid: str) -> None:
        """Ends and removes what is left of a pod without running containers."""

    def inside(self, instance: Instance, seen: Seen) -> Inside | None:
        """Where further commands run; None while the instance does not run."""
