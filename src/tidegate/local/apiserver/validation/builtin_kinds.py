"""Validation of the built-in kinds: what users get wrong, all of it at once, each with its path.

Pure. The objects are well-typed and defaulted. What the schemas call required is not repeated here:
there it means "always written by Go", not "must be given".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from tidegate.base.problems import Problem
from tidegate.base.selectors import from_label_selector
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.validation.crd import crd_problems
from tidegate.local.apiserver.validation.endpoints import (
    ENDPOINTS,
    SLICES,
    endpoints_problems,
    slice_problems,
)
from tidegate.local.apiserver.validation.hpa import hpa_problems
from tidegate.local.apiserver.validation.job import job_problems
from tidegate.local.apiserver.validation.object_metadata import metadata_problems
from tidegate.local.apiserver.validation.pod_spec import pod_spec_problems
from tidegate.local.apiserver.validation.rules import (
    Problems,
    at_least,
    content_keys,
    content_size,
    count_or_percent,
    duplicate,
    forbidden,
    label_name,
    label_selector,
    labels,
    one_of,
    port,
    port_or_name,
    quantity,
    required,
    wrong,
)
from tidegate.local.objects import Object

_ACCESS_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_HPA = "horizontalpodautoscalers.autoscaling"
_SERVICE_TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")


def problems(kind: Kind, body: Object, old: Object | None = None) -> list[Problem]:
    """Everything wrong with a built-in object; `old` is what it was before the write."""
    found = list(metadata_problems(kind, body["metadata"]))
    if kind.key == _HPA:
        # The one kind whose rules know what stood there: what older servers took may stay.
        return [*found, *hpa_problems(body, old)]
    check = _BY_KEY.get(kind.key)
    if check is not None:
        found += check(body)
    return found


def _pod(body: Object) -> Problems:
    yield from pod_spec_problems("spec", body["spec"])


def _template(spec: dict[str, Any], restarts: tuple[str, ...]) -> Problems:
    yield from labels("spec.template.metadata.labels", spec["template"]["metadata"].get("labels"))
    yield from pod_spec_problems("spec.template.spec", spec["template"]["spec"], restarts)


def _selected_template(spec: dict[str, Any]) -> Problems:
    """A workload that finds its pods by a selector."""
    yield from at_least("spec.replicas", spec.get("replicas"), 0)
    selector = spec.get("selector")
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield required("spec.selector", "must be given and may not be empty")
    else:
        bad = list(label_selector("spec.selector", selector))
        yield from bad
        template_labels = spec["template"]["metadata"].get("labels") or {}
        if not bad and not from_label_selector(selector).matches(template_labels):
            yield wrong(
                "spec.template.metadata.labels",
                template_labels,
                "`selector` does not match template `labels`",
            )
    yield from _template(spec, ("Always",))


def _deployment(body: Object) -> Problems:
    spec = body["spec"]
    yield from _selected_template(spec)
    for field in ("minReadySeconds", "revisionHistoryLimit"):
        yield from at_least(f"spec.{field}", spec.get(field), 0)
    strategy = spec["strategy"]
    yield from one_of("spec.strategy.type", strategy["type"], ("Recreate", "RollingUpdate"))
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate" and rolling:
        yield forbidden(
            "spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"
        )
    elif rolling:
        for field in ("maxSurge", "maxUnavailable"):
            yield from count_or_percent(f"spec.strategy.rollingUpdate.{field}", rolling[field])
        if str(rolling["maxSurge"]).rstrip("%") == str(rolling["maxUnavailable"]).rstrip("%") == "0":
            yield wrong(
                "spec.strategy.rollingUpdate.maxUnavailable",
                rolling["maxUnavailable"],
                "may not be 0 when `maxSurge` is 0",
            )


def _replica_set(body: Object) -> Problems:
    yield from _selected_template(body["spec"])
    yield from at_least("spec.minReadySeconds", body["spec"].get("minReadySeconds"), 0)


def _job(body: Object) -> Problems:
    yield from job_problems(body)
    yield from _template(body["spec"], ("Never", "OnFailure"))


def _service(body: Object) -> Problems:
    spec = body["spec"]
    yield from one_of("spec.type", spec["type"], _SERVICE_TYPES)
    yield from one_of("spec.sessionAffinity", spec["sessionAffinity"], ("None", "ClientIP"))
    yield from labels("spec.selector", spec.get("selector"))
    address = spec.get("clusterIP")
    if address and address != "None":
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield wrong("spec.clusterIP", address, "must be an IP address, empty or None")
    ports = spec.get("ports") or []
    if spec["type"] == "ExternalName":
        if not spec.get("externalName"):
            yield required("spec.externalName")
    elif not ports and address != "None":
        yield required("spec.ports")
    names: set[str] = set()
    for index, entry in enumerate(ports):
        where, name = f"spec.ports[{index}]", entry.get("name")
        yield from port(f"{where}.port", entry.get("port"))
        if entry.get("targetPort") is not None:
            yield from port_or_name(f"{where}.targetPort", entry["targetPort"])
        yield from one_of(f"{where}.protocol", entry["protocol"], ("TCP", "UDP", "SCTP"))
        if len(ports) > 1 or name:
            yield from label_name(f"{where}.name", name)
        if name and name in names:
            yield duplicate(f"{where}.name", name)
        names.add(name or "")


def _secret(body: Object) -> Problems:
    if body.get("type") == "kubernetes.io/service-account-token":
        name = "kubernetes.io/service-account.name"
        if not (body["metadata"].get("annotations") or {}).get(name):
            yield required(f"metadata.annotations[{name}]")
    data = body.get("data") or {}
    yield from content_keys("data", data)
    yield from content_size(map(_decoded_size, data.values()))


def _config_map(body: Object) -> Problems:
    plain, binary = body.get("data") or {}, body.get("binaryData") or {}
    yield from content_keys("data", plain)
    yield from content_keys("binaryData", binary)
    for key in sorted(plain.keys() & binary.keys()):
        yield wrong(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from content_size(
        [*(len(text.encode()) for text in plain.values()), *map(_decoded_size, binary.values())]
    )


def _decoded_size(text: str) -> int:
    """Bytes in well-formed base64."""
    return len(text) // 4 * 3 - text.count("=", -2)


def _access(spec: dict[str, Any]) -> Problems:
    modes = spec.get("accessModes") or []
    if not modes:
        yield required("spec.accessModes", "at least one access mode is required")
    for index, mode in enumerate(modes):
        yield from one_of(f"spec.accessModes[{index}]", mode, _ACCESS_MODES)


def _claim(body: Object) -> Problems:
    spec = body["spec"]
    yield from _access(spec)
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        yield required("spec.resources.requests.storage")
    else:
        yield from quantity("spec.resources.requests.storage", storage, 1)
    if spec.get("selector"):
        yield from label_selector("spec.selector", spec["selector"])


def _volume(body: Object) -> Problems:
    spec = body["spec"]
    yield from _access(spec)
    storage = (spec.get("capacity") or {}).get("storage")
    if storage is None:
        yield required("spec.capacity.storage")
    else:
        yield from quantity("spec.capacity.storage", storage, 1)


def _event(body: Object) -> Problems:
    about = body.get("involvedObject") or {}
    namespace = body["metadata"].get("namespace")
    if (about.get("namespace") or "default") != namespace:
        yield wrong(
            "involvedObject.namespace", about.get("namespace") or "", "does not match event.namespace"
        )


def _lease(body: Object) -> Problems:
    spec = body.get("spec") or {}
    yield from at_least("spec.leaseDurationSeconds", spec.get("leaseDurationSeconds"), 1)
    yield from at_least("spec.leaseTransitions", spec.get("leaseTransitions"), 0)


def _binding(body: Object) -> Problems:
    for field in ("kind", "name"):
        if not (body.get("roleRef") or {}).get(field):
            yield required(f"roleRef.{field}")
    for index, subject in enumerate(body.get("subjects") or ()):
        for field in ("kind", "name"):
            if not subject.get(field):
                yield required(f"subjects[{index}].{field}")


_BY_KEY: dict[str, Callable[[Object], Problems]] = {
    "pods": _pod,
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "jobs.batch": _job,
    "services": _service,
    ENDPOINTS: endpoints_problems,
    SLICES: slice_problems,
    "secrets": _secret,
    "configmaps": _config_map,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "events": _event,
    "leases.coordination.k8s.io": _lease,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "customresourcedefinitions.apiextensions.k8s.io": crd_problems,
}
