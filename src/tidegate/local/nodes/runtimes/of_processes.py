"""Containers as processes of this machine."""

from __future__ import annotations

import asyncio
from signal import Signals

from tidegate.local.nodes.processes.exec import Inside
from tidegate.local.nodes.processes.instance import Instance, Seen
from tidegate.local.nodes.processes.process import Sweeper, Watch
from tidegate.local.nodes.processes.volumes import drop
from tidegate.local.nodes.runtimes.port import PROCESS


class Processes:
    """Implements `Runtime`: the launcher becomes the command."""

    name = PROCESS

    def __init__(self, sweeper: Sweeper) -> None:
        self._sweeper = sweeper

    def begun(self, instance: Instance) -> None:
        return None

    def signal(self, instance: Instance, watch: Watch, number: Signals) -> None:
        watch.signal(number)

    async def end(self, uid: str, instance: Instance) -> None:
        await self._sweeper.sweep(uid, instance.name)

    def is_left(self, instance: Instance) -> bool:
        return instance.files.exists()

    async def note_end(self, instance: Instance) -> None:
        return None

    async def drop(self, uid: str, instance: Instance) -> None:
        await self._sweeper.sweep(uid, instance.name)
        await asyncio.to_thread(drop, instance)

    async def clear(self, uid: str) -> None:
        await self._sweeper.sweep(uid)

    def inside(self, instance: Instance, seen: Seen) -> Inside | None:
        if seen.claim is None:
            return None
        record = instance.record()
        return Inside(seen.claim.pid, record.cwd, record.env, instance.identity)
