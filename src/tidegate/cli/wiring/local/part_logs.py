"""What the parts that local mode shows have in their logs: our own records, and what the operator tells."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tidegate import __version__
from tidegate.cli.wiring.local.parts import ADMISSION, METRICS, NAMES, OPERATOR
from tidegate.kube.resource import EVENTS
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.writing.admission import Admission, Operation, Reviewed
from tidegate.local.objects import Change, Object, Objects
from tidegate.runtime.clock import Clock
from tidegate.telemetry.logs import formatter
from tidegate.telemetry.recent import Recent, RecentLines

OURS = "tidegate"
# Who writes for the parts that are no programs of their own here.
operator_log = logging.getLogger("tidegate.operator.local")
metrics_log = logging.getLogger("tidegate.metricsapi.local")
admission_log = logging.getLogger("tidegate.admission.local")
_TELLER = "keda-operator"
_ROOMS = (("tidegate.metricsapi", METRICS), ("tidegate.admission", ADMISSION), ("tidegate.local", ""))


@contextmanager
def recorded(clock: Clock, form: str) -> Iterator[Mapping[str, RecentLines]]:
    """The newest records of each part by its Deployment's name, from `info` up, while the block lasts."""
    lines = {part: RecentLines() for part in (OPERATOR, METRICS, ADMISSION)}

    def choose(logger: str) -> RecentLines | None:
        room = next((part for name, part in _ROOMS if f"{logger}.".startswith(f"{name}.")), OPERATOR)
        return lines.get(room)

    ours, recent = logging.getLogger(OURS), Recent(choose, clock.now, formatter(form))
    before = ours.level
    ours.addHandler(recent)
    ours.setLevel(min(logging.INFO, ours.getEffectiveLevel()))
    try:
        yield {name: lines[part] for name, part in NAMES.items()}
    finally:
        ours.removeHandler(recent)
        ours.setLevel(before)


def introduce() -> None:
    """The first line of each."""
    operator_log.info("started", extra={"version": __version__, "mode": "local"})
    metrics_log.info("external metrics are answered by the API server itself", extra={"version": __version__})
    admission_log.info("objects are judged by the API server itself", extra={"version": __version__})


def tell_events(objects: Objects) -> None:
    """What the operator tells as an event stands in its log, too; a warning that is repeated, once."""

    def on_change(change: Change) -> None:
        event = change.object
        if (event.get("source") or {}).get("component") != _TELLER or change.type == "DELETED":
            return
        if event.get("type") == "Warning" and change.type != "ADDED":
            return
        about = event.get("involvedObject") or {}
        said = {
            "type": event.get("type"),
            "reason": event.get("reason"),
            "kind": about.get("kind"),
            "object": f"{about.get('namespace', '')}/{about.get('name', '')}",
            "said": event.get("message"),
        }
        operator_log.info("event", extra=said)

    objects.subscribe([EVENTS], on_change)


def refusals_told(admission: Admission) -> Admission:
    """As the webhooks tell on a cluster what they refuse."""

    def judged(operation: Operation, kind: Kind, new: Object | None, old: Object | None) -> Reviewed:
        problems, warnings = admission(operation, kind, new, old)
        if problems and new is not None:
            meta = new["metadata"]
            admission_log.info(
                "refused",
                extra={
                    "kind": kind.resource.kind,
                    "object": f"{meta.get('namespace', '')}/{meta.get('name', '')}",
                    "problems": len(problems),
                },
            )
        return problems, warnings

    return judged
