"""Defaults of what makes Pods of a template: one function per kind, in place, pure."""

from __future__ import annotations

from typing import Any

from tidegate.base.quantity import canonical
from tidegate.local.apiserver.defaulting.pod_spec import fill, pod_spec
from tidegate.local.apiserver.validation import rules
from tidegate.local.objects import TEMPLATE_GENERATION, Object

_CONTROLLER_UID, _JOB_NAME = "controller-uid", "job-name"
_PREFIX = "batch.kubernetes.io/"


def _template(spec: dict[str, Any]) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    pod_spec(template.setdefault("spec", {}))


def deployment(body: Object) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    _template(spec)
    body.setdefault("status", {})


def replica_set(body: Object) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    _template(spec)
    body.setdefault("status", {}).setdefault("replicas", 0)


def job(body: Object) -> None:
    spec = body.setdefault("spec", {})
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 2**31 - 1 if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")
    spec.setdefault("manualSelector", False)
    _failure_patterns(spec)
    _template(spec)
    if not body["metadata"].get("labels") and spec["template"]["metadata"].get("labels"):
        body["metadata"]["labels"] = dict(spec["template"]["metadata"]["labels"])
    body.setdefault("status", {})


def new_job(body: Object) -> None:
    meta, spec = body["metadata"], body["spec"]
    if spec["manualSelector"] is True:
        return
    labels = spec["template"]["metadata"].setdefault("labels", {})
    for prefix in ("", _PREFIX):
        labels.setdefault(prefix + _CONTROLLER_UID, meta["uid"])
        labels.setdefault(prefix + _JOB_NAME, meta["name"])
    spec.setdefault("selector", {"matchLabels": {_PREFIX + _CONTROLLER_UID: meta["uid"]}})
    if not meta.get("labels"):
        meta["labels"] = dict(labels)


def _failure_patterns(spec: dict[str, Any]) -> None:
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            fill(pattern, "status", "True")


def stateful_set(body: Object) -> None:
    spec = body.setdefault("spec", {})
    fill(spec, "podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        strategy["rollingUpdate"].setdefault("partition", 0)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    fill(retention, "whenDeleted", "Retain")
    fill(retention, "whenScaled", "Retain")
    spec.setdefault("replicas", 1)
    spec.setdefault("serviceName", "")
    spec.setdefault("revisionHistoryLimit", 10)
    for claim in spec.get("volumeClaimTemplates") or ():
        claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
        claim.setdefault("metadata", {})
        claim_spec(claim.setdefault("spec", {}))
        claim["status"] = {"phase": "Pending"}
    _template(spec)
    status = body.setdefault("status", {})
    status.setdefault("replicas", 0)
    status.setdefault("availableReplicas", 0)


def daemon_set(body: Object) -> None:
    spec = body.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    _template(spec)
    status = body.setdefault("status", {})
    for field in ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"):
        status.setdefault(field, 0)


def new_daemon_set(body: Object) -> None:
    notes = body["metadata"].get("annotations") or {}
    body["metadata"]["annotations"] = {**notes, TEMPLATE_GENERATION: "1"}


def cron_job(body: Object) -> None:
    spec = body.setdefault("spec", {})
    fill(spec, "concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    job = spec.setdefault("jobTemplate", {})
    job.setdefault("metadata", {})
    # The Job itself gets the other defaults of a Job when it is made.
    _failure_patterns(job.setdefault("spec", {}))
    _template(job["spec"])
    body.setdefault("status", {})


def claim_spec(spec: dict[str, Any]) -> None:
    """What a claim asks for, wherever it stands."""
    spec.setdefault("volumeMode", "Filesystem")
    for amounts in (spec.get("resources") or {}).values():
        canonical_quantities(amounts, "storage")


def canonical_quantities(part: Object, *names: str) -> None:
    """Quantities as Kubernetes stores them; what is none is left to the checks."""
    for name in names:
        text = part.get(name)
        if text is not None and rules.amount(text) is not None:
            part[name] = canonical(str(text))
