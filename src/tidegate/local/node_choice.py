"""Whether a node is one that a pod asks for: by `nodeSelector` and what `nodeAffinity` requires. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.base.selectors import from_label_selector

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def is_chosen(pod: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """By the spec of a pod, or of its template."""
    required = ((pod.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED)
    return has_labels(pod.get("nodeSelector") or {}, node) and is_one_of(required or {}, node)


def has_labels(selector: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    return selector.items() <= _labels(node).items()


def is_one_of(required: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Whether one of the terms matches; one that names nodes is left to who names them."""
    terms = required.get("nodeSelectorTerms")
    return terms is None or any(_matches(term, _labels(node)) for term in terms)


def _labels(node: Mapping[str, Any]) -> Mapping[str, str]:
    return node["metadata"].get("labels") or {}


def _matches(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Gt and Lt compare numbers; the others are those of label selectors."""
    asked = term.get("matchExpressions") or []
    compared = [one for one in asked if one.get("operator") in ("Gt", "Lt")]
    plain = [one for one in asked if one not in compared]
    return from_label_selector({"matchExpressions": plain}).matches(labels) and all(
        _compares(one, labels.get(one["key"], "")) for one in compared
    )


def _compares(one: Mapping[str, Any], label: str) -> bool:
    limit = (one.get("values") or [""])[0]
    if not (label.isdecimal() and limit.isdecimal()):
        return False
    return int(label) > int(limit) if one["operator"] == "Gt" else int(label) < int(limit)
