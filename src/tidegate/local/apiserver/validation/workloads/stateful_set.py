"""Validation of StatefulSets and of the revisions that they keep."""

from __future__ import annotations

from typing import Any

from tidegate.local.apiserver.validation import names
from tidegate.local.apiserver.validation.rules import (
    Problems,
    at_least,
    count_or_share,
    forbidden,
    one_of,
    required,
    wrong,
    wrongs,
)
from tidegate.local.apiserver.validation.storage import claim_spec_problems
from tidegate.local.apiserver.validation.workloads.replicated import selected_template_problems
from tidegate.local.objects import Object

_RETENTION = ("Retain", "Delete")
_UNLIMITED = "activeDeadlineSeconds in {} is not Supported"


def stateful_set_problems(body: Object) -> Problems:
    spec = body["spec"]
    policy = spec["podManagementPolicy"]
    if policy not in ("OrderedReady", "Parallel"):
        yield wrong("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    yield from _strategy(spec["updateStrategy"])
    for field, kept in spec["persistentVolumeClaimRetentionPolicy"].items():
        yield from one_of(f"spec.persistentVolumeClaimRetentionPolicy.{field}", kept, _RETENTION)
    for index, template in enumerate(spec.get("volumeClaimTemplates") or ()):
        yield from claim_spec_problems(f"spec.volumeClaimTemplates[{index}].spec", template["spec"])
    yield from at_least("spec.minReadySeconds", spec.get("minReadySeconds"), 0)
    yield from at_least("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"), 0)
    if service := spec.get("serviceName"):
        yield from wrongs("spec.serviceName", service, names.label(service))
    yield from selected_template_problems({**spec, "template": _as_it_runs(spec)}, "statefulset")
    yield from unlimited("StatefulSet", spec["template"]["spec"])


def unlimited(kind: str, pod: dict[str, Any]) -> Problems:
    """Pods that are replaced whenever they end have no deadline."""
    if pod.get("activeDeadlineSeconds") is not None:
        yield forbidden("spec.template.spec.activeDeadlineSeconds", _UNLIMITED.format(kind))


def _strategy(strategy: dict[str, Any]) -> Problems:
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] not in ("RollingUpdate", "OnDelete"):
        yield wrong("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'")
    elif strategy["type"] == "OnDelete" and rolling is not None:
        told = "only allowed for updateStrategy 'RollingUpdate'"
        yield wrong("spec.updateStrategy.rollingUpdate", rolling, told)
    elif rolling is not None:
        where = "spec.updateStrategy.rollingUpdate"
        yield from at_least(f"{where}.partition", rolling.get("partition"), 0)
        if rolling.get("maxUnavailable") is not None:
            yield from count_or_share(f"{where}.maxUnavailable", rolling["maxUnavailable"])


def _as_it_runs(spec: dict[str, Any]) -> dict[str, Any]:
    """The template with the volumes of the claims, and without the names that each Pod gets its own of."""
    template = spec["template"]
    pod = {
        field: value for field, value in template["spec"].items() if field not in ("hostname", "subdomain")
    }
    claimed = [str(one["metadata"].get("name")) for one in spec.get("volumeClaimTemplates") or ()]
    if claimed:
        others = [one for one in pod.get("volumes") or () if one.get("name") not in claimed]
        claims = ({"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claimed)
        pod["volumes"] = [*claims, *others]
    return {**template, "spec": pod}


def controller_revision_problems(body: Object) -> Problems:
    content = body.get("data")
    if content is None:
        yield required("data", "data is mandatory")
    elif not isinstance(content, dict):
        yield required("data", "data must be a valid JSON object")
    yield from at_least("revision", body.get("revision"), 0)
