"""What each Pod of a StatefulSet is: its ordinal, its names and its claims. Pure.

All names follow from the set's and the ordinal, so that a repeated create meets itself.
"""

from __future__ import annotations

import re
from typing import Any

from tidegate.kube.resource import CLAIMS, STATEFUL_SETS
from tidegate.local.controllers import pod_control
from tidegate.local.controllers.owner_references import reference
from tidegate.local.controllers.workloads.revisions import ON_POD
from tidegate.local.objects import Object

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
_NUMBERED = re.compile(r"(.*)-([0-9]{1,10})")


def ordinal_of(found: Object, pod: Object) -> int | None:
    """Which Pod of the set it is by its name; None when it is none."""
    match = _NUMBERED.fullmatch(pod["metadata"]["name"])
    return int(match[2]) if match and match[1] == found["metadata"]["name"] else None


def ordinals(found: Object) -> range:
    """Of the Pods that there should be."""
    start = int((found["spec"].get("ordinals") or {}).get("start", 0))
    return range(start, start + int(found["spec"].get("replicas", 1)))


def revision_of(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(ON_POD, ""))


def pod_of(found: Object, ordinal: int, template: dict[str, Any], revision: str) -> Object:
    """The Pod of that ordinal, from the template of that revision."""
    metadata = found["metadata"]
    name = f"{metadata['name']}-{ordinal}"
    pod = pod_control.from_template(template, metadata["namespace"], name, reference(STATEFUL_SETS, found))
    pod["metadata"]["labels"] |= {**identity(name, ordinal), ON_POD: revision}
    spec = pod["spec"]
    spec["hostname"] = name
    spec["subdomain"] = found["spec"].get("serviceName") or ""
    spec["volumes"] = _volumes(found, ordinal, spec.get("volumes") or [])
    return pod


def identity(name: str, ordinal: int) -> dict[str, str]:
    """The labels that say which Pod it is."""
    return {POD_NAME: name, POD_INDEX: str(ordinal)}


def _volumes(found: Object, ordinal: int, others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the claims, then those of the template that no claim has the name of."""
    names = claim_names(found, ordinal)
    claimed = [{"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim in names.items()]
    return [*claimed, *(one for one in others if one["name"] not in names)]


def claim_names(found: Object, ordinal: int) -> dict[str, str]:
    """The names of the claims of one Pod, by the volume that each is."""
    name = found["metadata"]["name"]
    templates = (str(one["metadata"]["name"]) for one in found["spec"].get("volumeClaimTemplates") or ())
    return {template: f"{template}-{name}-{ordinal}" for template in templates}


def claims_of(found: Object, ordinal: int) -> list[Object]:
    """The claims that one Pod should have."""
    names = claim_names(found, ordinal)
    chosen = (found["spec"].get("selector") or {}).get("matchLabels") or {}
    return [
        {
            "apiVersion": CLAIMS.api_version,
            "kind": CLAIMS.kind,
            "metadata": {
                **template["metadata"],
                "name": names[template["metadata"]["name"]],
                "namespace": found["metadata"]["namespace"],
                "labels": {**(template["metadata"].get("labels") or {}), **chosen},
            },
            "spec": template["spec"],
        }
        for template in found["spec"].get("volumeClaimTemplates") or ()
    ]
