"""Cells of the kinds whose text is worked out: Pods, Jobs, autoscalers, Events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.base import quantity, times

Body = dict[str, Any]
NONE = "<none>"
UNKNOWN = "<unknown>"
TARGETS_SHOWN = 2


@dataclass(slots=True)
class PodState:
    """What a Pod's row tells. `last_restart` is when the latest ended instance ended."""

    status: str
    ready: int = 0
    total: int = 0
    restarts: int = 0
    last_restart: datetime | None = None

    @property
    def ready_text(self) -> str:
        return f"{self.ready}/{self.total}"

    def count_restarts(self, container: Body) -> None:
        self.restarts += int(container.get("restartCount") or 0)
        ended = _moment(_at(container, "lastState", "terminated", "finishedAt"))
        if ended is not None and (self.last_restart is None or ended > self.last_restart):
            self.last_restart = ended


def pod_state(pod: Body) -> PodState:
    """The state `kubectl get pods` shows: the most telling reason, not merely the phase."""
    status = pod.get("status") or {}
    spec = pod.get("spec") or {}
    sidecars = {
        item.get("name") for item in spec.get("initContainers") or () if item.get("restartPolicy") == "Always"
    }
    state = PodState(str(status.get("reason") or status.get("phase") or ""))
    if any(item.get("reason") == "SchedulingGated" for item in status.get("conditions") or ()):
        state.status = "SchedulingGated"
    state.total = len(spec.get("containers") or ()) + len(sidecars)
    if not _init_state(pod, sidecars, state) or _has_condition(status, "Initialized"):
        _container_state(status, state)
    is_over = status.get("phase") in ("Succeeded", "Failed")
    if (pod.get("metadata") or {}).get("deletionTimestamp") and not is_over:
        state.status = "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return state


def _init_state(pod: Body, sidecars: set[Any], state: PodState) -> bool:
    """Whether init containers still hold the pod back; then `state.status` says which."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    total = len(spec.get("initContainers") or ())
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        state.count_restarts(container)
        now = container.get("state") or {}
        terminated, waiting = now.get("terminated"), now.get("waiting")
        if terminated and not terminated.get("exitCode"):
            continue
        if container.get("name") in sidecars and container.get("started"):
            state.ready += bool(container.get("ready"))
            continue
        if terminated:
            state.status = f"Init:{_ending(terminated)}"
        elif waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            state.status = f"Init:{waiting['reason']}"
        else:
            state.status = f"Init:{index}/{total}"
        return True
    return False


def _container_state(status: Body, state: PodState) -> None:
    is_running = False
    for container in reversed(status.get("containerStatuses") or ()):
        state.count_restarts(container)
        now = container.get("state") or {}
        terminated, waiting = now.get("terminated"), now.get("waiting")
        if waiting and waiting.get("reason"):
            state.status = str(waiting["reason"])
        elif terminated:
            state.status = _ending(terminated)
        elif container.get("ready") and now.get("running") is not None:
            is_running = True
            state.ready += 1
    if state.status == "Completed" and is_running:
        state.status = "Running" if _has_condition(status, "Ready") else "NotReady"


def _ending(terminated: Body) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def restarts_text(state: PodState, now: datetime) -> str:
    if not state.restarts or state.last_restart is None:
        return str(state.restarts)
    return f"{state.restarts} ({times.age(max(0.0, (now - state.last_restart).total_seconds()))} ago)"


def readiness_gates(pod: Body, now: datetime) -> str:
    gates = _at(pod, "spec", "readinessGates") or ()
    if not gates:
        return NONE
    met = sum(_has_condition(pod.get("status") or {}, gate.get("conditionType")) for gate in gates)
    return f"{met}/{len(gates)}"


def job_status(job: Body, now: datetime) -> str:
    status = job.get("status") or {}
    for condition in ("Complete", "Failed"):
        if _has_condition(status, condition):
            return condition
    if (job.get("metadata") or {}).get("deletionTimestamp"):
        return "Terminating"
    for condition in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if _has_condition(status, condition):
            return condition
    return "Running"


def job_completions(job: Body, now: datetime) -> str:
    succeeded = _at(job, "status", "succeeded") or 0
    completions = _at(job, "spec", "completions")
    if completions is not None:
        return f"{succeeded}/{completions}"
    parallelism = _at(job, "spec", "parallelism") or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def job_duration(job: Body, now: datetime) -> str:
    """How long the Job has run, or ran until it completed or failed."""
    status = job.get("status") or {}
    started = _moment(status.get("startTime"))
    if started is None:
        return ""
    failed = next(
        (
            item.get("lastTransitionTime")
            for item in status.get("conditions") or ()
            if item.get("type") == "Failed" and item.get("status") == "True"
        ),
        None,
    )
    ended = _moment(status.get("completionTime") or failed) or now
    return times.age(max(0.0, (ended - started).total_seconds()))


def hpa_reference(hpa: Body, now: datetime) -> str:
    target = _at(hpa, "spec", "scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def hpa_targets(hpa: Body, now: datetime) -> str:
    """`3/5 (avg)`, `cpu: 12%/80%`: current and target of the first metrics, and how many more."""
    specs = _at(hpa, "spec", "metrics") or ()
    if not specs:
        return NONE
    currents = _at(hpa, "status", "currentMetrics") or ()
    texts = [
        _metric_text(spec, currents[index] if index < len(currents) else {})
        for index, spec in enumerate(specs[:TARGETS_SHOWN])
    ]
    text = ", ".join(texts)
    return f"{text} + {len(specs) - TARGETS_SHOWN} more..." if len(specs) > TARGETS_SHOWN else text


_SOURCES = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _metric_text(spec: Body, current: Body) -> str:
    kind = str(spec.get("type"))
    field = _SOURCES.get(kind)
    if field is None:
        return "<unknown type>"
    source = spec.get(field) or {}
    target = source.get("target") or {}
    value = (current.get(field) or {}).get("current") or {}
    is_usage = kind in ("Resource", "ContainerResource")
    prefix = f"{source.get('name')}: " if is_usage else ""
    if is_usage and target.get("averageValue") is None:
        utilization = value.get("averageUtilization")
        seen = UNKNOWN if utilization is None else f"{utilization}%"
        return f"{prefix}{seen}/{target.get('averageUtilization', '<auto>')}%"
    if target.get("averageValue") is not None:
        mark = " (avg)" if kind in ("External", "Object") else ""
        return f"{prefix}{_amount(value.get('averageValue'))}/{_amount(target['averageValue'])}{mark}"
    return f"{prefix}{_amount(value.get('value'))}/{_amount(target.get('value'))}"


def _amount(text: Any) -> str:
    """A quantity in its canonical form."""
    if text is None:
        return UNKNOWN
    try:
        return quantity.canonical(str(text))
    except ValueError:
        return str(text)


def event_object(event: Body, now: datetime) -> str:
    about = event.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def event_source(event: Body, now: datetime) -> str:
    source = event.get("source") or {}
    parts = (
        source.get("component") or event.get("reportingComponent"),
        source.get("host") or event.get("reportingInstance"),
    )
    return ", ".join(str(part) for part in parts if part)


def event_first_seen(event: Body, now: datetime) -> str:
    return _age(event.get("firstTimestamp") or event.get("eventTime"), now)


def event_last_seen(event: Body, now: datetime) -> str:
    observed = _at(event, "series", "lastObservedTime")
    latest = observed or event.get("lastTimestamp") or event.get("firstTimestamp") or event.get("eventTime")
    return _age(latest, now)


def event_count(event: Body, now: datetime) -> int:
    return int(_at(event, "series", "count") or event.get("count") or 1)


def _age(text: Any, now: datetime) -> str:
    moment = _moment(text)
    return UNKNOWN if moment is None else times.age(max(0.0, (now - moment).total_seconds()))


def _moment(text: Any) -> datetime | None:
    if not text:
        return None
    try:
        return times.parse_time(str(text))
    except ValueError:
        return None


def _has_condition(status: Body, kind: Any) -> bool:
    return any(
        item.get("type") == kind and item.get("status") == "True" for item in status.get("conditions") or ()
    )


def _at(body: Any, *path: str) -> Any:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body
