"""The loop every controller runs in: list, subscribe, reconcile one key at a time, repeat what failed.

A controller of this room is a `Reconciler`: it says which kinds concern it, whose key a change
touches, and how to bring one key to rest. It reads the world as it is, so a lost, doubled or late
change is harmless, and a process killed between any two writes goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, Protocol, TypeVar

from tidegate.kube.resource import CRDS, ApiError, Resource
from tidegate.local.controllers.events import is_ending_namespace
from tidegate.local.objects import Change, Objects
from tidegate.runtime.clock import Clock
from tidegate.runtime.queue import Queue

Key = TypeVar("Key", bound=Hashable)
Name = tuple[str, str]
"""Namespace and name: the key of every controller that follows one kind."""

# After a conflict the world has already moved on; the pause only keeps two writers from racing.
AGAIN_S = 0.05
# What vanished under our hands, or a namespace that ends, is no fault to report: try again in a while.
VANISHED_S = 1.0
# A burst of changes (ten Pods that become ready) costs one reconcile, not ten.
GAP_S = 0.02


class Reconciler(Protocol[Key]):
    """One controller's rules."""

    def resources(self) -> Iterable[Resource]:
        """The kinds whose changes concern it. Asked again when a custom kind comes or goes."""

    def keys(self, change: Change) -> Iterable[Key]:
        """Whom a change concerns. Every object that exists at the start is shown once as ADDED."""

    async def reconcile(self, key: Key) -> float | None:
        """Brings `key` to rest; seconds after which to do so again without news, None for never."""


class Controller(Generic[Key]):
    """A reconciler with its queue. `run()` works until cancelled."""

    def __init__(
        self, reconciler: Reconciler[Key], objects: Objects, clock: Clock, *, workers: int = 8
    ) -> None:
        self.reconciler = reconciler
        self.objects = objects
        self.workers = workers
        self.queue: Queue[Key] = Queue(clock, self._look, gap_s=GAP_S, retry_s=0.1)
        self._followed: set[Resource] = set()
        self._is_running = False

    async def run(self) -> None:
        self._is_running = True
        try:
            self._follow()
            await self.queue.run(self.workers)
        finally:
            self._is_running = False

    def _follow(self) -> None:
        """Subscribes before it lists: what comes in between is seen twice rather than never."""
        new = [one for one in self.reconciler.resources() if one not in self._followed]
        self._followed.update(new)
        if new:
            self.objects.subscribe(new, self._on_change)
        for resource in new:
            for found in self.objects.list(resource):
                self._enqueue(Change("ADDED", resource, found))

    def _on_change(self, change: Change) -> None:
        if not self._is_running:
            return
        self._enqueue(change)
        if change.resource == CRDS:
            self._follow()

    def _enqueue(self, change: Change) -> None:
        for key in self.reconciler.keys(change):
            self.queue.add(key)

    async def _look(self, key: Key) -> None:
        try:
            delay_s = await self.reconciler.reconcile(key)
        except ApiError as error:
            if error.reason == "Conflict":
                delay_s = AGAIN_S
            elif error.reason == "NotFound" or is_ending_namespace(error):
                delay_s = VANISHED_S
            else:
                raise
        if delay_s is not None:
            self.queue.add(key, delay_s=max(delay_s, 0.0))
