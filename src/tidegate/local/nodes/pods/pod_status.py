"""A Pod's status as a function of what its containers are doing. Pure: the moment is passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from tidegate.base.times import format_time
from tidegate.local.nodes.processes.instance import Seen

BACKOFF_FIRST_S, BACKOFF_MAX_S, BACKOFF_RESET_S = 10.0, 300.0, 600.0
Role = Literal["init", "sidecar", "main"]


@dataclass(frozen=True, slots=True)
class ContainerView:
    """One container as the status shows it. `state` and `last` are Kubernetes' one-key objects."""

    name: str
    image: str
    role: Role
    state: Mapping[str, Any]
    last: Mapping[str, Any] = field(default_factory=dict)
    restarts: int = 0
    is_ready: bool = False
    is_started: bool = False
    container_id: str = ""

    @property
    def is_running(self) -> bool:
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """The code of a container that has ended, also while it waits to be started again."""
        for state in (self.state, self.last):
            if "terminated" in state:
                return int(state["terminated"]["exitCode"])
            if "running" in state:
                return None
        return None

    def status(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "containerID": self.container_id,
            "state": dict(self.state),
            "lastState": dict(self.last),
            "restartCount": self.restarts,
            "ready": self.is_ready,
            "started": self.is_started,
        }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message} if message else {"reason": reason}}


def running(started_at: float) -> dict[str, Any]:
    return {"running": {"startedAt": stamp(started_at)}}


def terminated(
    code: int,
    started_at: float,
    finished_at: float,
    failure: tuple[str, str] | None = None,
    is_oom: bool = False,
) -> dict[str, Any]:
    """`failure` is the (reason, message) of a command that never ran."""
    reason, message = failure or ("OOMKilled" if is_oom else "Completed" if code == 0 else "Error", "")
    state: dict[str, Any] = {
        "exitCode": code,
        "reason": reason,
        "startedAt": stamp(started_at),
        "finishedAt": stamp(finished_at),
    }
    if message:
        state["message"] = message
    if code > 128 and failure is None:
        state["signal"] = code - 128
    return {"terminated": state}


def ended(seen: Seen, container_id: str, words: str) -> dict[str, Any]:
    """The state of an instance that has ended, with what its program left to be told; {} for others."""
    if seen.state != "ended":
        return {}
    began = seen.claim.at if seen.claim else seen.finished_at
    state = terminated(seen.code, began, max(began, seen.finished_at), seen.failure, seen.is_oom)
    state["terminated"]["containerID"] = container_id
    if words:
        state["terminated"]["message"] = words
    return state


def stamp(epoch_s: float) -> str:
    return format_time(datetime.fromtimestamp(epoch_s, UTC))


def next_delay(restarts: int, delay_s: float, ran_s: float) -> float:
    """The delay before the restart of a run that ended: none for the first, then 10 s doubling to 300 s.

    `restarts` and `delay_s` are those of the run; ten minutes of running forget the delay.
    """
    if restarts == 0 or ran_s >= BACKOFF_RESET_S:
        return 0.0
    return BACKOFF_FIRST_S if delay_s == 0 else min(BACKOFF_MAX_S, 2 * delay_s)


def restarts_after(policy: str, role: Role, code: int) -> bool:
    """Whether a container that ended with `code` is started again."""
    if role == "sidecar":
        return True
    if role == "init":
        return code != 0 and policy != "Never"
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def phase(policy: str, views: Sequence[ContainerView]) -> str:
    """Source: Kubernetes documentation, "Pod Lifecycle", pod phase."""
    inits = [view for view in views if view.role == "init"]
    if policy == "Never" and any(view.exit_code for view in inits):
        return "Failed"
    if not is_initialized(views):
        return "Pending"
    mains = [view for view in views if view.role == "main"]
    if any(not view.is_running and view.exit_code is None for view in mains):
        return "Pending"
    if any(view.is_running for view in mains) or policy == "Always":
        return "Running"
    if all(view.exit_code == 0 for view in mains):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def last_phase(views: Sequence[ContainerView]) -> str:
    """The phase of a pod that was ended: nothing of it runs, and nothing is started again."""
    ended = all(view.exit_code == 0 for view in views if view.role == "main")
    return "Succeeded" if ended and phase("Never", views) == "Succeeded" else "Failed"


def is_initialized(views: Sequence[ContainerView]) -> bool:
    """For the phase: init containers have completed, sidecars have started or ended."""
    return all(
        view.exit_code == 0 if view.role == "init" else view.is_started or view.exit_code is not None
        for view in views
        if view.role != "main"
    )


def conditions(
    pod: Mapping[str, Any], views: Sequence[ContainerView], phase: str, now: datetime
) -> list[dict[str, Any]]:
    """Ours, beside the ones that others wrote; a transition time moves only with the status."""
    present = {c["type"]: c for c in pod.get("status", {}).get("conditions") or []}
    unready = [view.name for view in views if view.role != "init" and not view.is_ready]
    is_over = phase in ("Succeeded", "Failed")
    reason, message = "", ""
    if is_over:
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
    elif unready:
        reason, message = "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    not_ready = is_over or bool(unready)
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
    closed = [gate for gate in gates if present.get(gate, {}).get("status") != "True"]
    wanted: dict[str, tuple[bool, str, str]] = {
        # It has an address; there is nothing else that containers would have to wait for.
        "PodReadyToStartContainers": (not is_over, "", ""),
        "Initialized": _initialized(views, phase),
        "Ready": (not not_ready and not closed, reason, message),
        "ContainersReady": (not not_ready, reason, message),
    }
    if closed and not not_ready:
        wanted["Ready"] = (False, "ReadinessGatesNotReady", f"readiness gates not ready: {' '.join(closed)}")
    result = [
        _condition(present.pop(kind, {}), kind, is_true, (why, told), now)
        for kind, (is_true, why, told) in wanted.items()
    ]
    return result + list(present.values())


def _initialized(views: Sequence[ContainerView], phase: str) -> tuple[bool, str, str]:
    """A pod whose main containers have begun has been initialized, whatever its sidecars do since."""
    if phase == "Succeeded":
        return True, "PodCompleted", ""
    has_begun = any(view.is_running or view.exit_code is not None for view in views if view.role == "main")
    names = [view.name for view in views if not _is_done_starting(view)]
    if has_begun or not names:
        return True, "", ""
    return False, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(names)}]"


def _is_done_starting(view: ContainerView) -> bool:
    if view.role == "sidecar":
        return view.is_started
    return view.role == "main" or view.exit_code == 0


def _condition(
    before: Mapping[str, Any], kind: str, is_true: bool, why: tuple[str, str], now: datetime
) -> dict[str, Any]:
    status = "True" if is_true else "False"
    moment = before.get("lastTransitionTime") if before.get("status") == status else None
    condition: dict[str, Any] = {
        "type": kind,
        "status": status,
        "lastTransitionTime": moment or format_time(now),
    }
    if why[0]:
        condition["reason"] = why[0]
    if why[1]:
        condition["message"] = why[1]
    return condition


def pod_status(
    pod: Mapping[str, Any],
    views: Sequence[ContainerView],
    ip: str,
    now: datetime,
    failure: tuple[str, str] | None = None,
    is_ending: bool = False,
) -> dict[str, Any]:
    """The whole status. `failure` (reason, message) ends the pod as Failed whatever its containers did.

    While it `is_ending` it keeps the phase it had: it has not ended before the last process has.
    """
    policy = pod["spec"].get("restartPolicy", "Always")
    current = "Failed" if failure else phase(policy, views)
    before = pod.get("status") or {}
    if is_ending:
        current = before.get("phase") or "Pending"
    if current == "Pending" and before.get("phase") == "Running":
        current = "Running"  # a container being started anew after the machine was lost
    reason, message = failure or (None, None)
    status: dict[str, Any] = {
        "phase": current,
        "reason": reason,
        "message": message,
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": before.get("startTime") or format_time(now),
        "conditions": conditions(pod, views, current, now),
        "containerStatuses": [view.status() for view in views if view.role == "main"],
    }
    before_main = [view.status() for view in views if view.role != "main"]
    if before_main:
        status["initContainerStatuses"] = before_main
    return status
