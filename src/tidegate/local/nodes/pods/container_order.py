"""In which order the containers of a pod start and end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tidegate.local.nodes.pods.container import Container


def startable(containers: Sequence[Container], policy: str) -> list[Container]:
    """What is to run and does not: init containers one after the other, then all the others.

    Nothing starts after a container whose `postStart` has not come to an end.
    """
    due = []
    for container in containers:
        if container.restarts(policy):
            due.append(container)
        view = container.view(False)
        if container.role == "init" and (container.is_alive or view.exit_code != 0):
            break
        if container.role == "sidecar" and not view.is_started:
            break
        if container.is_held_by_hook:
            break
    return due


def turn(container: Container, containers: Sequence[Container]) -> Callable[[], Awaitable[Any]] | None:
    """What a sidecar waits for before it is told to end: the main ones, and the sidecars after it."""
    if container.role != "sidecar":
        return None
    later = containers[containers.index(container) + 1 :]
    before = [one for one in later if one.role != "init"]

    async def wait() -> None:
        for one in before:
            await one.over.wait()

    return wait
