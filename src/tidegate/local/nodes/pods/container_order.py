"""In which order the containers of a pod start and end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tidegate.local.nodes.pods.container import Container


def startable(containers: Sequence[Container], policy: str) -> list[Container]:
    """What is to run and does not: init containers one after the other, then all the others.

    A sidecar holds up what comes after it until it has started, for the first time only. Nothing starts
    after a container whose `postStart` has not come to an end, or beside main ones that are done.
    """
    mains = [one for one in containers if one.role == "main"]
    has_begun = any(one.seen is not None and one.seen.state != "lost" for one in mains)
    if has_begun and not any(one.is_alive or one.restarts(policy) for one in mains):
        return []
    due = []
    for container in containers:
        if has_begun and container.role == "init":
            continue
        if container.restarts(policy):
            due.append(container)
        view = container.view(False)
        if container.role == "init" and (container.is_alive or view.exit_code != 0):
            break
        if container.role == "sidecar" and not view.is_started and not has_begun:
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
