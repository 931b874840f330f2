"""The objects that show the operator and its neighbours in local mode, under the names that KEDA gives them.

Its chart and the files of its releases call some parts otherwise: all names are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate import __version__
from tidegate.admission import webhooks
from tidegate.api.schema.crds import crds
from tidegate.base.problems import Problem
from tidegate.kube.resource import (
    API_SERVICES,
    CRDS,
    DEPLOYMENTS,
    NAMESPACES,
    SERVICES,
    VALIDATING_WEBHOOKS,
    Resource,
)
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.writing.admission import Operation, Reviewed
from tidegate.local.apiserver.writing.parts import SHOWN
from tidegate.local.nodes.built_in import NAMESPACE
from tidegate.local.objects import BUILT_IN, NODE, PART, Object, Objects

OPERATOR, METRICS, ADMISSION = "operator", "metrics", "admission"
NAMES: Mapping[str, str] = {
    "keda-operator": OPERATOR,
    "keda-operator-metrics-apiserver": METRICS,
    "keda-metrics-apiserver": METRICS,
    "keda-admission-webhooks": ADMISSION,
    "keda-admission": ADMISSION,
}
"""The Deployments, and which part of the program each shows."""

_METRICS_SERVICE = "keda-operator-metrics-apiserver"
_API = "v1beta1.external.metrics.k8s.io"
# Both Deployments of the webhooks have pods that their one Service finds.
_APPS = {"keda-admission": "keda-admission-webhooks"}
_SERVICES: Mapping[str, Mapping[str, int]] = {
    "keda-operator": {"metricsservice": 9666, "metrics": 8080},
    _METRICS_SERVICE: {"https": 443, "metrics": 8080},
    "keda-metrics-apiserver": {"https": 443, "metrics": 8080},
    "keda-admission-webhooks": {"https": 443, "metrics": 8080},
}
# Pods that only mirror what runs anyway: `kubectl drain` leaves them alone.
_MIRROR = "kubernetes.io/config.mirror"
_SCALED = ("scaledobjects.keda.sh", "horizontalpodautoscalers.autoscaling")
Made = tuple[Resource, Object]


def definitions() -> list[Made]:
    """KEDA's kinds, in the shape of this version."""
    return [(CRDS, _marked(crd)) for crd in crds()]


def shown() -> list[Made]:
    """What the namespace `keda` shows, and what leads there; each before those that live in it."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    registered = webhooks.configuration(namespace=NAMESPACE)
    return [
        (NAMESPACES, _marked(namespace)),
        *((SERVICES, _marked(_service(name, ports))) for name, ports in _SERVICES.items()),
        *((DEPLOYMENTS, _marked(_deployment(name))) for name in NAMES),
        (API_SERVICES, _marked(_api_service())),
        (VALIDATING_WEBHOOKS, _marked(registered)),
    ]


async def remove(objects: Objects) -> None:
    """Takes away what an earlier start has shown; the namespace stays, with what others put into it."""
    for resource, body in shown():
        meta = body["metadata"]
        found = objects.get(resource, meta.get("namespace", ""), meta["name"])
        if (
            resource != NAMESPACES
            and found is not None
            and BUILT_IN in (found["metadata"].get("labels") or {})
        ):
            await objects.delete(resource, meta.get("namespace", ""), meta["name"])


def refusal(operation: Operation, kind: Kind, new: Object | None, old: Object | None) -> Reviewed:
    """Nobody scales a part of this program."""
    if new is None or kind.key not in _SCALED or new["metadata"].get("namespace") != NAMESPACE:
        return (), ()
    spec = new.get("spec")
    target = spec.get("scaleTargetRef") if isinstance(spec, dict) else None
    if not isinstance(target, dict) or target.get("kind", "Deployment") != "Deployment":
        return (), ()
    name = target.get("name")
    if not isinstance(name, str) or name not in NAMES:
        return (), ()
    why = f'Invalid value: "{name}": it shows a part of this program, which runs once and is never scaled'
    return (Problem("spec.scaleTargetRef.name", why),), ()


def _marked(body: Object) -> Object:
    body["metadata"]["labels"] = {**(body["metadata"].get("labels") or {}), BUILT_IN: SHOWN}
    return body


def _labels(name: str) -> dict[str, str]:
    app = _APPS.get(name, name)
    return {"app": app, "app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "keda-operator"}


def _deployment(name: str) -> Object:
    labels = _labels(name)
    pod: dict[str, Any] = {
        "nodeName": NODE,
        "automountServiceAccountToken": False,
        "containers": [{"name": labels["app"], "image": f"tidegate:{__version__}"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": 1,
            # Two Deployments have the same app; `kubectl logs deployment/…` goes by the selector.
            "selector": {"matchLabels": {"app": labels["app"], PART: name}},
            "template": {
                "metadata": {
                    "labels": {**labels, "name": labels["app"], PART: name},
                    "annotations": {_MIRROR: "tidegate"},
                },
                "spec": pod,
            },
        },
    }


def _service(name: str, ports: Mapping[str, int]) -> Object:
    """Without an address: nothing listens for it, and no port of the machine is taken."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": _labels(name)},
        "spec": {
            "clusterIP": "None",
            "selector": {"app": name},
            "ports": [{"name": port, "port": number} for port, number in ports.items()],
        },
    }


def _api_service() -> Object:
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": _API, "labels": {"app.kubernetes.io/part-of": "keda-operator"}},
        "spec": {
            "group": "external.metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {"name": _METRICS_SERVICE, "namespace": NAMESPACE, "port": 443},
        },
    }
