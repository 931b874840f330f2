"""An HPA's metrics, read and turned into the samples that the arithmetic takes.

Reading is injected: external metrics come from the autoscaler, usage of Pods from the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_UP, Decimal
from typing import TypeVar

from tidegate.api.hpa import ExternalSource, HpaSpec, MetricSpec, MetricTarget
from tidegate.base.errors import Failure
from tidegate.base.quantity import parse_quantity
from tidegate.core.hpa.autoscaler import Sample
from tidegate.core.hpa.replicas import MetricKind
from tidegate.core.values import TargetType
from tidegate.local.controllers import pod_control
from tidegate.local.objects import Object

Answer = TypeVar("Answer")
_MILLI = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one Pod uses of a resource: cores or bytes, of the container that was asked for or of all."""

    pod: str
    used: float


ExternalMetric = Callable[[str, str, Mapping[str, str]], Awaitable[Sequence[float] | Failure]]
"""(namespace, name, match labels) → the values of all series, or why there are none."""
ResourceMetric = Callable[[str, str, str, str], Awaitable[Sequence[Usage] | Failure]]
"""(namespace, label selector, resource, container or "") → usage per Pod, or why it is unknown."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an HPA looks: its namespace, its target's selector as text, and the Pods it selects."""

    namespace: str
    selector: str
    pods: tuple[Object, ...]

    @property
    def ready(self) -> int:
        """What an external Value is multiplied by. A Pod that is being deleted counts while it is ready:
        Kubernetes counts so, and so does whoever divided the metric. Source: Kubernetes'
        `replica_calculator.go`, getReadyPodsCount."""
        return sum(pod_control.phase(pod) == "Running" and pod_control.is_ready(pod) for pod in self.pods)

    @property
    def active(self) -> tuple[Object, ...]:
        """Those whose usage counts."""
        return tuple(pod for pod in self.pods if pod_control.is_active(pod))


class Samples:
    """Reads metrics. A reader that fails in an unforeseen way is a failed metric, never a zero."""

    def __init__(self, external: ExternalMetric, resource: ResourceMetric) -> None:
        self.external = external
        self.resource = resource

    async def read(self, spec: HpaSpec, scope: Scope) -> tuple[Sample, ...]:
        """One sample per metric, in the order of the spec, read side by side."""
        return tuple(await asyncio.gather(*(self._one(metric, scope) for metric in spec.metrics)))

    async def _one(self, metric: MetricSpec, scope: Scope) -> Sample:
        if metric.external is not None:
            return await self._external(metric.external, scope)
        if metric.resource is not None:
            source = metric.resource
            return await self._usage("Resource", (source.name, ""), source.target, scope)
        if metric.container_resource is not None:
            inner = metric.container_resource
            return await self._usage("ContainerResource", (inner.name, inner.container), inner.target, scope)
        failure = Failure("Unsupported", f"metrics of type {metric.type} are not offered here")
        return Sample(metric.type, "AverageValue", 0.0, None, failure, namespace=scope.namespace)

    async def _external(self, source: ExternalSource, scope: Scope) -> Sample:
        labels: dict[str, str] = (source.metric.selector or {}).get("matchLabels") or {}
        answer = await _guarded(self.external(scope.namespace, source.metric.name, labels))
        value, failure = None, None
        if isinstance(answer, Failure):
            failure = answer
        elif not answer:
            failure = Failure("Unreachable", "no metrics returned from external metrics API")
        else:
            value = float(sum(answer))
        target, target_type = target_of(source.target)
        return Sample(
            source.metric.name,
            target_type,
            target,
            value,
            failure,
            scope.ready,
            namespace=scope.namespace,
            labels=tuple(sorted(labels.items())),
        )

    async def _usage(
        self, kind: MetricKind, names: tuple[str, str], wanted: MetricTarget, scope: Scope
    ) -> Sample:
        name, container = names
        target, target_type = target_of(wanted, is_resource=True)
        answer = await _guarded(self.resource(scope.namespace, scope.selector, name, container))
        result: tuple[float, int] | Failure
        if isinstance(answer, Failure):
            result = answer
        elif target_type == "Utilization":
            requests = requests_of(scope.active, name, container)
            result = (
                requests if isinstance(requests, Failure) else mean(answer, scope.active, target, requests)
            )
        else:
            result = mean(answer, scope.active, target, None)
        sample = Sample(
            name, target_type, target, None, kind=kind, namespace=scope.namespace, container=container
        )
        if isinstance(result, Failure):
            return replace(sample, failure=result)
        (value, ready), average = result, None
        if not isinstance(answer, Failure):
            used = used_by_ready(answer, scope.active).values()
            average = sum(used) / len(used)
        return replace(sample, value=value, ready=ready, average=average)


async def _guarded(reading: Awaitable[Answer | Failure]) -> Answer | Failure:
    try:
        return await reading
    except Exception as error:
        return Failure("Unreachable", f"{type(error).__name__}: {error}")


def target_of(target: MetricTarget, *, is_resource: bool = False) -> tuple[float, TargetType]:
    """The target in the metric's unit (percent for Utilization) and its type.

    In thousandths, rounded up as Kubernetes does: the smallest target is not zero. The fields decide, not
    the target's type: an average value, then a utilization where one is known, then a value.
    """
    is_average = target.average_value is not None
    if is_resource and not is_average:
        return float(target.average_utilization or 0), "Utilization"
    written = parse_quantity(str(target.average_value if is_average else target.value or 0))
    return float(written.quantize(_MILLI, ROUND_UP)), "AverageValue" if is_average else "Value"


def requests_of(pods: Sequence[Object], resource: str, container: str) -> dict[str, float] | Failure:
    """What each Pod requests of the resource, by name; a Failure names the one that requests nothing."""
    found: dict[str, float] = {}
    for pod in pods:
        name = str(pod["metadata"]["name"])
        total = 0.0
        for one in pod["spec"].get("containers") or []:
            if container and one["name"] != container:
                continue
            request = ((one.get("resources") or {}).get("requests") or {}).get(resource)
            if request is None:
                text = f"missing request for {resource} in container {one['name']} of Pod {name}"
                return Failure("Misconfigured", text)
            total += float(parse_quantity(str(request)))
        found[name] = total
    return found


def used_by_ready(usages: Sequence[Usage], pods: Sequence[Object]) -> dict[str, float]:
    """What each of the Pods uses that is ready and has a reading, by name."""
    used = {usage.pod: usage.used for usage in usages}
    ready = (str(pod["metadata"]["name"]) for pod in pods if pod_control.is_ready(pod))
    return {name: used[name] for name in ready if name in used}


def mean(
    usages: Sequence[Usage], pods: Sequence[Object], target: float, requests: Mapping[str, float] | None
) -> tuple[float, int] | Failure:
    """The mean per Pod (percent of the request with `requests`) and the number of Pods it stands for.

    Pods without a reading are taken for the case that changes least: at their target when the others
    are below theirs, idle when they are above. Pods that are not ready count as idle when the others
    are above, else not at all. The mean never crosses the target through such an assumption.
    Source: Kubernetes documentation, "Horizontal Pod Autoscaling: Algorithm details".
    """
    active = [pod for pod in pods if pod_control.is_active(pod)]
    ready = [str(pod["metadata"]["name"]) for pod in active if pod_control.is_ready(pod)]
    used = used_by_ready(usages, active)
    known = [*used]
    if not known:
        return Failure("Unreachable", "no metrics of ready pods were returned from the resource metrics API")

    def share(names: Sequence[str], total: float) -> float:
        if requests is None:
            return total / len(names)
        asked = sum(requests[name] for name in names)
        return 100.0 * total / asked if asked else 0.0

    total = sum(used[name] for name in known)
    value = share(known, total)
    if value > target:
        counted = [str(pod["metadata"]["name"]) for pod in active]
        return max(share(counted, total), target), len(counted)
    missing = [name for name in ready if name not in used]
    assumed = target * len(missing)
    if requests is not None:
        assumed = sum(requests[name] for name in missing) * target / 100.0
    return share(ready, total + assumed), len(ready)
