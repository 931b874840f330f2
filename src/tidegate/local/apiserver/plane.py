"""The opened control plane: one data directory's kinds, reads, verbs and in-process objects together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tidegate.local.apiserver.kinds import Kinds
from tidegate.local.apiserver.reads import Reads
from tidegate.local.apiserver.verbs import Verbs
from tidegate.local.objects import Objects
from tidegate.runtime.clock import Clock


@dataclass(slots=True)
class Plane:
    """What the HTTP surface (`kinds`, `reads`, `verbs`), controllers and nodes (`objects`) are given."""

    kinds: Kinds
    reads: Reads
    verbs: Verbs
    objects: Objects

    async def run(self) -> None:
        """Upkeep until cancelled: expires events, empties deleted custom resource definitions."""
        raise NotImplementedError

    async def close(self) -> None:
        """Commits what is under way, closes the database and lets go of the directory."""
        raise NotImplementedError


async def open_plane(directory: Path, clock: Clock, *, is_durable: bool = False) -> Plane:
    """Opens (or makes) the state in `directory` with its default objects.

    Misconfigured when another process holds the directory or the database cannot be read.
    """
    raise NotImplementedError
