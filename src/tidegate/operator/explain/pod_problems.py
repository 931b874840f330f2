"""Why pods do not run, in a few words of their own statuses: what one reads `kubectl describe pod` for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tidegate.base.sentences import counted

Object = dict[str, Any]
# Waiting for these is how every pod begins.
BEGINNINGS = ("ContainerCreating", "PodInitializing")


def is_ready(pod: Object) -> bool:
    """Running, with condition Ready True, and not about to go."""
    conditions = _status(pod).get("conditions") or ()
    is_told = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return is_told and _status(pod).get("phase") == "Running" and not is_leaving(pod)


def is_leaving(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def counts(pods: Iterable[Object]) -> list[tuple[int, str]]:
    """How many pods have which problem, the most frequent first; pods that run well have none."""
    found = Counter(text for pod in pods if (text := problem_of(pod)))
    return [(count, text) for text, count in found.most_common()]


def problem_of(pod: Object) -> str:
    """Why the pod is not ready, or why it failed: `ImagePullBackOff: …`; "" for one that is fine or done."""
    if is_ready(pod) or is_leaving(pod) or _status(pod).get("phase") == "Succeeded":
        return ""
    told = next(_told(pod), "")
    return told or "not ready yet"


def _told(pod: Object) -> Iterator[str]:
    """What the pod says of itself, the nearest cause first."""
    status = _status(pod)
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if text := _container(one):
            yield text
    if status.get("phase") == "Failed":
        yield _joined(status.get("reason") or "Failed", status.get("message") or "")
    for one in status.get("conditions") or ():
        if one.get("status") == "False" and one.get("type") == "PodScheduled":
            yield _joined(one.get("reason") or "not scheduled", one.get("message") or "")
    for one in status.get("conditions") or ():
        if one.get("status") == "False" and one.get("type") == "Ready" and one.get("message"):
            yield _joined(one.get("reason") or "not ready", one["message"])


def _container(status: Object) -> str:
    """What a container says: why it waits, or how it ended."""
    state = status.get("state") or {}
    waiting, ended = state.get("waiting"), state.get("terminated")
    last = (status.get("lastState") or {}).get("terminated")
    if ended is not None:
        return "" if ended.get("exitCode") == 0 else _joined(ended.get("reason") or "Error", _end(ended))
    if waiting is None or waiting.get("reason") in BEGINNINGS:
        return ""
    cause = waiting.get("message") or ""
    if last is not None:
        cause = f"{_end(last)}, {counted(status.get('restartCount') or 0, 'restart')}"
    return _joined(waiting.get("reason") or "waiting", cause)


def _end(ended: Object) -> str:
    """How a container ended: its message, else its exit code."""
    message = " ".join(str(ended.get("message") or "").split())
    return message or f"exit code {ended.get('exitCode')}"


def _joined(reason: str, cause: str) -> str:
    return f"{reason}: {cause}" if cause else reason


def _status(pod: Object) -> Object:
    status: Object = pod.get("status") or {}
    return status
