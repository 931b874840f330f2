"""Names of published manifests that work and are told."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.decode import decode
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.problems import problems
from tidegate.cli.manifests.admission import admit
from tidegate.review.notices.other_names import other_names


def body(kind: str = "ScaledObject", type: str = "redis", **spec: Any) -> dict[str, Any]:
    metadata = {"address": "redis:6379", "listName": "jobs"}
    target = {"scaleTargetRef": {"name": "web"}}
    if kind == "ScaledJob":
        pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
        target = {"jobTargetRef": {"template": {"spec": pod}}}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {**target, "triggers": [{"type": type, "metadata": metadata}], **spec},
    }


def read(made: dict[str, Any]) -> ScaledObject | ScaledJob:
    assert problems(made) == []
    object = decode(made)
    assert isinstance(object, ScaledObject | ScaledJob)
    return object


def told(object: ScaledObject | ScaledJob) -> dict[str, str]:
    return {one.path: one.message for one in other_names(object)}


@pytest.mark.parametrize("kind", ["ScaledObject", "ScaledJob"])
def test_bounds_by_their_other_names_are_the_bounds(kind: str) -> None:
    object = read(body(kind, minReplicas=2, maxReplicas=7))
    assert (object.spec.replicas_min, object.spec.replicas_max) == (2, 7)
    assert told(object) == {
        "spec.minReplicas": "taken for minReplicaCount: write that, KEDA does not know minReplicas",
        "spec.maxReplicas": "taken for maxReplicaCount: write that, KEDA does not know maxReplicas",
    }


@pytest.mark.parametrize("kind", ["ScaledObject", "ScaledJob"])
def test_the_proper_name_counts_where_both_are_there(kind: str) -> None:
    object = read(body(kind, minReplicas=2, minReplicaCount=1, maxReplicas=7, maxReplicaCount=7))
    assert (object.spec.replicas_min, object.spec.replicas_max) == (1, 7)
    assert told(object)["spec.minReplicas"] == "2 has no effect beside minReplicaCount 1"
    assert told(object)["spec.maxReplicas"].startswith("taken for maxReplicaCount")


def test_a_bound_by_its_proper_name_need_not_be_told() -> None:
    object = read(body(minReplicaCount=1, maxReplicaCount=7))
    assert (object.spec.replicas_min, object.spec.replicas_max) == (1, 7)
    assert told(object) == {}


@pytest.mark.parametrize(
    "spec",
    [{"minReplicas": 5, "maxReplicas": 3}, {"minReplicas": 5, "maxReplicaCount": 3}, {"minReplicas": -1}],
)
def test_bounds_by_other_names_are_checked_like_the_proper_ones(spec: dict[str, int]) -> None:
    assert problems(body(**spec)) != []


def test_the_admission_warns_of_them() -> None:
    refused, warnings = admit("CREATE", None, body(maxReplicas=7), None)  # type: ignore[arg-type]
    assert refused == ()
    assert any("taken for maxReplicaCount" in one for one in warnings)


@pytest.mark.parametrize(("alias", "proper"), sorted(scalers.ALIASES.items()))
def test_another_name_of_a_type_finds_the_type_and_is_told_where_there_is_one(
    alias: str, proper: str
) -> None:
    assert scalers.find(alias) is scalers.find(proper)
    assert alias not in scalers.types()
    is_there = scalers.find(proper) is not None
    object = decode(body(type=alias))
    assert isinstance(object, ScaledObject)
    assert ("spec.triggers[0].type" in told(object)) is is_there
