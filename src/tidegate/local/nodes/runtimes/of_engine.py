"""Containers in the user's engine.

The launcher of an instance becomes the engine's `start --attach`: its output is the instance's log, its exit
code the container's, and it lives on when the server is killed, as the container does. So an instance is
adopted as a process is. What is left is in the engine's hands: the container itself, found by its name, which
follows from the instance, and by labels, which name the directory it belongs to.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from signal import SIGTERM, Signals

from tidegate.local.nodes.processes import last_words
from tidegate.local.nodes.processes.exec import Inside
from tidegate.local.nodes.processes.instance import Instance, Seen, instances
from tidegate.local.nodes.processes.process import UID_VARIABLE, Sweeper, Watch, variables_of
from tidegate.local.nodes.runtimes import answers
from tidegate.local.nodes.runtimes.creation import Wanted, container_name
from tidegate.local.nodes.runtimes.dialect import exec_words
from tidegate.local.nodes.runtimes.engine import Engine, EngineError
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)

STOP_VARIABLE = "TIDEGATE_STOP_SIGNAL"
# A file of the instance: the first process of its container, as this machine counts.
MAIN = "main"
CANNOT_START = 128
KILL_S = 10.0
LOOK_AGAIN_S = 15.0
_FIRST_LOOK_S, _LAST_LOOK_S, _SIGNAL_AGAIN_S = 0.05, 1.0, 0.2
_TAIL_BYTES = 4096


class Engines:
    """Implements `Runtime` with one engine. `pods` is the folder of all pods."""

    def __init__(self, engine: Engine, sweeper: Sweeper, clock: Clock, pods: Path) -> None:
        self.engine = engine
        self._sweeper = sweeper
        self._clock = clock
        self._pods = pods
        self._made: set[str] = set()
        # Held while a name is given back, so that it is not taken at the same time.
        self._naming = asyncio.Lock()
        # What earlier servers left; None until the engine has said so.
        self._left: set[str] | None = None
        self._signals: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        return self.engine.dialect.name

    @property
    def joins(self) -> bool:
        """Whether its containers can be in a pod's own network."""
        return self.engine.dialect.joins == "root" and os.geteuid() == 0

    def name_of(self, instance: Instance) -> str:
        container = instance.path.parent
        return container_name(self.engine.node_id, container.parent.name, container.name, instance.number)

    async def look(self) -> None:
        """Removes what no pod owns any more; tried again until the engine answers."""
        while True:
            try:
                found = await self.engine.names()
                known = await asyncio.to_thread(self._known)
                for name in found - known:
                    async with self._naming:
                        if name not in self._made:
                            await self.engine.remove(name)
                self._left = (found & known) - self._made
                return
            except EngineError as error:
                log.warning("the engine is asked again for containers", extra={"error": str(error)})
            await self._clock.sleep(LOOK_AGAIN_S)

    def _known(self) -> set[str]:
        found = set()
        with suppress(FileNotFoundError):
            for pod in self._pods.iterdir():
                for container in pod.iterdir():
                    if container.is_dir() and not container.name.startswith("."):
                        found |= {self.name_of(one) for one in instances(container)}
        return found

    async def create(self, wanted: Wanted) -> None:
        async with self._naming:
            self._made.add(wanted.name)
        await self.engine.create(wanted)

    async def begun(self, instance: Instance) -> bool:
        pause_s = _FIRST_LOOK_S
        while instance.inspect().state == "alive":
            with suppress(EngineError):
                state = await self.engine.state(self.name_of(instance))
                if state is not None and state.has_begun:
                    _write(instance, MAIN, str(state.pid))
                    return True
            await self._clock.sleep(pause_s)
            pause_s = min(_LAST_LOOK_S, 2 * pause_s)
        return False

    def signal(self, instance: Instance, watch: Watch, number: Signals) -> None:
        task = asyncio.create_task(self._signal(instance, number))
        self._signals.add(task)
        task.add_done_callback(self._signals.discard)

    async def _signal(self, instance: Instance, number: Signals) -> None:
        """One that has not begun yet gets it when it has."""
        word = number.name
        if number == SIGTERM:
            word = instance.record().env.get(STOP_VARIABLE) or word
        while instance.inspect().state == "alive":
            with suppress(EngineError):
                if await self.engine.signal(self.name_of(instance), word):
                    return
            await self._clock.sleep(_SIGNAL_AGAIN_S)

    async def end(self, uid: str, instance: Instance) -> None:
        with suppress(EngineError):  # else it is removed when its command has ended
            await self.engine.signal(self.name_of(instance), "SIGKILL")
            until = self._clock.monotonic() + KILL_S
            while instance.inspect().state == "alive" and self._clock.monotonic() < until:
                await self._clock.sleep(_FIRST_LOOK_S)
        await self._sweeper.sweep(uid, instance.name)

    def is_left(self, instance: Instance) -> bool:
        return self._left is None or self.name_of(instance) in self._left

    async def note_end(self, instance: Instance) -> None:
        seen = instance.inspect()
        if seen.state != "ended":
            return
        state = await self.engine.state(self.name_of(instance))
        with suppress(OSError):
            shutil.copyfile(words_of(instance.path), instance.path / last_words.FILE)
        if state is None or state.is_running:
            return  # the command was killed alone, and the container follows it
        if not state.has_begun:
            _write(instance, "failed", f"StartError\0{answers.told(_tail(instance.log))}")
            _write(instance, "exit", f"{CANNOT_START}\n")
            return
        if state.is_oom:
            instance.mark_out_of_memory()
        if state.code != seen.code:
            _write(instance, "exit", f"{state.code}\n")

    async def drop(self, uid: str, instance: Instance) -> None:
        name = self.name_of(instance)
        await self.engine.remove(name)
        await self._sweeper.sweep(uid, instance.name)
        self._made.discard(name)
        words_of(instance.path).unlink(missing_ok=True)
        if self._left is not None:
            self._left.discard(name)

    async def clear(self, uid: str) -> None:
        for name in await self.engine.names_of_pod(uid):
            await self.engine.remove(name)

    def inside(self, instance: Instance, seen: Seen) -> Inside | None:
        if seen.claim is None:
            return None
        words = partial(_inside_words, self, self.name_of(instance))
        return Inside(seen.claim.pid, "/", instance.record().env, through=words)


def words_of(instance: Path) -> Path:
    """Where the program leaves its last words: the container is made before its instance is."""
    return instance.parent.parent / f".words-{instance.parent.name}-{instance.name}"


def session_of(instance: Instance) -> int | None:
    """The session of the container's first process; None where it runs on another machine than this."""
    with suppress(OSError, ValueError):
        pid = int((instance.path / MAIN).read_text())
        mark = f"{UID_VARIABLE}={instance.path.parent.parent.name}".encode()
        return os.getsid(pid) if mark in variables_of(pid).split(b"\0") else None
    return None


def _inside_words(of: Engines, name: str, command: Sequence[str], has_tty: bool) -> list[str]:
    return exec_words(of.engine.dialect, name, command, has_tty=has_tty)


def _write(instance: Instance, name: str, text: str) -> None:
    fresh = instance.path / f"{name}.new"
    fresh.write_text(text)
    os.replace(fresh, instance.path / name)


def _tail(file: Path) -> str:
    with suppress(OSError), file.open("rb") as one:
        one.seek(max(0, one.seek(0, os.SEEK_END) - _TAIL_BYTES))
        return one.read().decode("utf-8", "replace")
    return ""
