"""What each metric is called in OpenTelemetry: KEDA's instruments with its attributes, ours after them.

Source: KEDA's documentation, "Integrate with OpenTelemetry Collector", and its sources of 2.20.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tidegate.telemetry.metrics import catalogue as known
from tidegate.telemetry.metrics.families import Family, Labels

Kind = Literal["gauge", "counter", "updown", "histogram"]
Attributes = dict[str, str | bool]


@dataclass(frozen=True, slots=True)
class Instrument:
    """`factor` of its units are one of the family's. `attributes` makes those of a sample of its labels."""

    name: str
    kind: Kind
    family: Family
    attributes: Callable[[Family, Labels], Attributes]
    unit: str = ""
    factor: float = 1.0


def _same(family: Family, labels: Labels) -> Attributes:
    return dict(zip(family.labels, labels, strict=True))


def _renamed(**names: str) -> Callable[[Family, Labels], Attributes]:
    """The labels, some of them under another name."""

    def attributes(family: Family, labels: Labels) -> Attributes:
        return {names.get(name, name): value for name, value in zip(family.labels, labels, strict=True)}

    return attributes


def _scaler(family: Family, labels: Labels) -> Attributes:
    """A ScaledJob is called so here, and its trigger's index otherwise than that of a ScaledObject."""
    namespace, metric, name, scaler, index, type = labels
    is_job = type == "scaledjob"
    return {
        "namespace": namespace,
        "scaledJob" if is_job else "scaledObject": name,
        "scaler": scaler,
        "triggerIndex" if is_job else "scalerIndex": index,
        "metric": metric,
    }


def _empty(family: Family, labels: Labels) -> Attributes:
    """Truth values instead of the kind and of a text."""
    told: Attributes = dict(zip(family.labels, labels, strict=True))
    told["isScaledObject"] = told.pop("resourceType") == "ScaledObject"
    told["ignoreNullValues"] = told["ignoreNullValues"] != "false"
    return told


def _own(family: Family) -> Instrument:
    """`tidegate_server_calls_total` → `tidegate.server.calls`."""
    kind: Kind = family.type
    unit = "s" if family.name.endswith("_seconds") else ""
    return Instrument(family.name.removesuffix("_total").replace("_", "."), kind, family, _same, unit)


_LOOP = _renamed(resource="name")
_HTTP_SECONDS = "keda.scaler.http.request.duration.seconds"
_EVENT = _renamed(cloudeventsource="cloudEventSource")
INSTRUMENTS = (
    Instrument("keda.build.info", "gauge", known.BUILD_INFO, _same),
    Instrument("keda.scaler.metrics.value", "gauge", known.SCALER_VALUE, _scaler),
    Instrument("keda.scaler.metrics.latency.seconds", "gauge", known.SCALER_LATENCY, _scaler, "s"),
    Instrument("keda.scaler.active", "gauge", known.SCALER_ACTIVE, _scaler),
    Instrument("keda.scaler.errors", "counter", known.SCALER_ERRORS, _scaler),
    Instrument("keda.scaledobject.errors", "counter", known.OBJECT_ERRORS, _same),
    Instrument("keda.scaledjob.errors", "counter", known.JOB_ERRORS, _same),
    Instrument("keda.scaled.object.paused", "gauge", known.OBJECT_PAUSED, _same),
    Instrument("keda.internal.scale.loop.latency.seconds", "gauge", known.LOOP_LATENCY, _LOOP, "s"),
    Instrument("keda.trigger.registered.count", "updown", known.TRIGGERS, _same),
    Instrument("keda.resource.registered.count", "updown", known.RESOURCES, _same),
    Instrument("keda.cloudeventsource.events.emitted.count", "counter", known.EVENTS_EMITTED, _EVENT),
    Instrument("keda.cloudeventsource.events.queued", "gauge", known.EVENTS_QUEUED, _same),
    Instrument("keda.scaler.empty.upstream.responses", "counter", known.EMPTY_RESPONSES, _empty),
    Instrument("keda.scaler.http.requests.count", "counter", known.HTTP_REQUESTS, _same),
    # The one or the other has samples: by the setting for labels.
    Instrument(_HTTP_SECONDS, "histogram", known.HTTP_DURATION, _same, "s"),
    Instrument(_HTTP_SECONDS, "histogram", known.HTTP_DURATION_DETAILED, _same, "s"),
    # KEDA calls these deprecated, and goes on sending them.
    Instrument("keda.scaler.metrics.latency", "gauge", known.SCALER_LATENCY, _scaler, factor=1_000.0),
    Instrument("keda.internal.scale.loop.latency", "gauge", known.LOOP_LATENCY, _LOOP, factor=1_000.0),
    Instrument("keda.trigger.totals", "updown", known.TRIGGERS, _same),
    Instrument("keda.resource.totals", "updown", known.RESOURCES, _same),
    *(_own(family) for family in known.OURS),
)
