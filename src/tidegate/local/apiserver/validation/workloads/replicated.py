"""Validation of Deployments and ReplicaSets, and of what they share with others that choose their Pods."""

from __future__ import annotations

from typing import Any

from tidegate.base.selectors import from_label_selector
from tidegate.local.apiserver.validation.pods.specification import pod_spec_problems
from tidegate.local.apiserver.validation.rules import (
    Problems,
    at_least,
    count_or_percent,
    count_or_share,
    forbidden,
    label_selector,
    labels,
    one_of,
    required,
    wrong,
)
from tidegate.local.objects import Object


def template_problems(spec: dict[str, Any], restarts: tuple[str, ...] = ("Always",)) -> Problems:
    yield from labels("spec.template.metadata.labels", spec["template"]["metadata"].get("labels"))
    yield from pod_spec_problems("spec.template.spec", spec["template"]["spec"], restarts)


def _selects(selector: dict[str, Any], template_labels: dict[str, str]) -> bool:
    return from_label_selector(selector).matches(template_labels)


def selected_template_problems(spec: dict[str, Any], kind: str) -> Problems:
    """A workload that finds its pods by a selector."""
    yield from at_least("spec.replicas", spec.get("replicas"), 0)
    selector = spec.get("selector")
    bad = list(label_selector("spec.selector", selector))
    yield from bad
    if selector is None:
        yield required("spec.selector")
    elif not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield wrong("spec.selector", selector, f"empty selector is invalid for {kind}")
    elif bad:
        yield wrong("spec.selector", selector, "invalid label selector")
    template_labels = spec["template"]["metadata"].get("labels")
    if not bad and selector != {} and not (selector and _selects(selector, template_labels or {})):
        told = "`selector` does not match template `labels`"
        yield wrong("spec.template.metadata.labels", template_labels, told)
    yield from template_problems(spec)


def deployment_problems(body: Object) -> Problems:
    spec = body["spec"]
    yield from selected_template_problems(spec, "deployment")
    for field in ("minReadySeconds", "revisionHistoryLimit"):
        yield from at_least(f"spec.{field}", spec.get(field), 0)
    strategy = spec["strategy"]
    yield from one_of("spec.strategy.type", strategy["type"], ("Recreate", "RollingUpdate"))
    if spec.get("progressDeadlineSeconds") is not None:
        yield from at_least("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], 0)
        if spec["progressDeadlineSeconds"] <= (spec.get("minReadySeconds") or 0):
            told = "must be greater than minReadySeconds"
            yield wrong("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], told)
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate" and rolling:
        yield forbidden(
            "spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"
        )
    elif rolling:
        yield from count_or_percent("spec.strategy.rollingUpdate.maxSurge", rolling["maxSurge"])
        unavailable = rolling["maxUnavailable"]
        yield from count_or_share("spec.strategy.rollingUpdate.maxUnavailable", unavailable)
        if str(rolling["maxSurge"]).rstrip("%") == str(rolling["maxUnavailable"]).rstrip("%") == "0":
            yield wrong(
                "spec.strategy.rollingUpdate.maxUnavailable",
                rolling["maxUnavailable"],
                "may not be 0 when `maxSurge` is 0",
            )


def replica_set_problems(body: Object) -> Problems:
    yield from selected_template_problems(body["spec"], "replicaset")
    yield from at_least("spec.minReadySeconds", body["spec"].get("minReadySeconds"), 0)
