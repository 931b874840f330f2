"""The input and output of a container's own process, for somebody who attaches to it."""

from __future__ import annotations

from tidegate.local.nodes import container_logs
from tidegate.local.nodes.processes.instance import Instance
from tidegate.local.streams import Command, LogOptions
from tidegate.runtime.clock import Clock


async def attach(instance: Instance, command: Command, clock: Clock) -> int:
    """0 when the process has ended. What it has written before stays its log's."""
    async for chunk in container_logs.read(instance, LogOptions(follow=True, tail_lines=0), clock):
        await command.stdout(chunk)
    return 0
