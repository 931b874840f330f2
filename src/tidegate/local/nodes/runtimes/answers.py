"""What engines answer, read. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_TOLD = 400
_ABSENT = ("no such", "not found", "no container", "does not exist", "image not known")


@dataclass(frozen=True, slots=True)
class State:
    """Of a container. `has_begun` is False for one that was created and never ran."""

    is_running: bool
    has_begun: bool
    code: int = 0
    is_oom: bool = False
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Image:
    """`user` is the image's own, "" for root; `stop_signal` what ends its program."""

    id: str
    user: str = ""
    stop_signal: str = "SIGTERM"


def state(text: str) -> State:
    """Of `inspect --format '{{json .State}}'`. ValueError for anything else."""
    found = _object(text)
    status = str(found.get("Status") or "").lower()
    # nerdctl does not tell when a container began.
    has_begun = status not in ("created", "initialized", "configured", "unknown", "")
    return State(
        is_running=bool(found.get("Running")) or status in ("running", "paused", "stopping"),
        has_begun=has_begun,
        code=int(found.get("ExitCode") or 0),
        is_oom=bool(found.get("OOMKilled")),
        pid=int(found.get("Pid") or 0),
    )


def image(text: str) -> Image:
    """Of `image inspect --format '{{json .}}'`. ValueError for anything else."""
    found = _object(text)
    config = found.get("Config") or {}
    return Image(
        str(found.get("Id") or ""), str(config.get("User") or ""), str(config.get("StopSignal") or "SIGTERM")
    )


def _object(text: str) -> Mapping[str, Any]:
    found = json.loads(text)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, Mapping):
        raise ValueError("no JSON object")
    return found


def is_absent(error: str) -> bool:
    """Whether an engine that works says that there is no such container or image."""
    return any(word in error.lower() for word in _ABSENT)


def told(error: str) -> str:
    """The line of an engine's error output that says why: the last one."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error: ")[:MOST_TOLD] if lines else "it said nothing"
