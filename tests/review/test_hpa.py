"""The HPA that a ScaledObject gets, field by field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import tidegate
from parts.decisions import scaled_object
from tidegate.api.hpa import decode_hpa_spec
from tidegate.base.errors import Misconfigured
from tidegate.kit.reading import Sources
from tidegate.review.hpa import hpa_name, wanted_hpa
from tidegate.review.manifest import review

WORKLOAD = {"type": "kubernetes-workload", "metadata": {"podSelector": "app=load", "value": "2.5"}}
REDIS = {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs"}}
CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
MEMORY = {
    "type": "memory",
    "metricType": "AverageValue",
    "metadata": {"value": "512Mi", "containerName": "worker"},
}


def hpa(
    annotations: dict[str, str] | None = None, labels: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    object = scaled_object(annotations, **{"triggers": [WORKLOAD], **spec})
    object = msgspec.structs.replace(
        object, metadata=msgspec.structs.replace(object.metadata, labels=labels or {})
    )
    found = review(object, lambda index: Sources(object.spec.triggers[index].metadata))
    return wanted_hpa(object, found.triggers)


def test_the_whole_body() -> None:
    assert hpa({"note": "x"}, {"team": "a"}) == {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": "keda-hpa-web",
            "namespace": "shop",
            "labels": {
                "app.kubernetes.io/name": "keda-hpa-web",
                "app.kubernetes.io/version": tidegate.__version__,
                "app.kubernetes.io/part-of": "web",
                "app.kubernetes.io/managed-by": "keda-operator",
                "team": "a",
            },
            "annotations": {"note": "x"},
            "ownerReferences": [
                {
                    "apiVersion": "keda.sh/v1alpha1",
                    "kind": "ScaledObject",
                    "name": "web",
                    "uid": "u-web",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 100,
            "metrics": [
                {
                    "type": "External",
                    "external": {
                        "metric": {
                            "name": "s0-workload-shop",
                            "selector": {"matchLabels": {"scaledobject.keda.sh/name": "web"}},
                        },
                        "target": {"type": "AverageValue", "averageValue": "2500m"},
                    },
                }
            ],
        },
    }


@pytest.mark.parametrize(
    ("spec", "bounds"),
    [
        ({}, (1, 100)),
        ({"minReplicaCount": 0}, (1, 100)),
        ({"minReplicaCount": 2}, (2, 100)),
        ({"maxReplicaCount": 10}, (1, 10)),
        ({"idleReplicaCount": 1, "minReplicaCount": 5, "maxReplicaCount": 10}, (5, 10)),
    ],
)
def test_bounds(spec: dict[str, Any], bounds: tuple[int, int]) -> None:
    body = hpa(**spec)
    assert (body["spec"]["minReplicas"], body["spec"]["maxReplicas"]) == bounds


@pytest.mark.parametrize(
    ("written", "wanted"), [({}, "Value"), ({"metricType": "AverageValue"}, "AverageValue")]
)
def test_a_trigger_may_mean_another_metric_type_where_none_is_written(
    written: dict[str, str], wanted: str
) -> None:
    metadata = {"query": "q", "duration": "10", "queryAggregator": "max", "targetValue": "5"}
    trigger = {"type": "splunk-observability", "metadata": metadata, **written}
    object = scaled_object(triggers=[trigger])
    sources = Sources(metadata, auth={"accessToken": "t", "realm": "us1"})
    (metric,) = wanted_hpa(object, review(object, lambda _: sources).triggers)["spec"]["metrics"]
    assert metric["external"]["target"]["type"] == wanted


def test_metrics_are_sorted_by_type_and_keep_the_triggers_order() -> None:
    body = hpa(triggers=[CPU, REDIS, MEMORY, {**WORKLOAD, "metricType": "Value"}])
    metrics = body["spec"]["metrics"]
    assert [metric["type"] for metric in metrics] == ["ContainerResource", "External", "External", "Resource"]
    assert metrics[0]["containerResource"] == {
        "name": "memory",
        "container": "worker",
        "target": {"type": "AverageValue", "averageValue": "512Mi"},
    }
    assert [metric["external"]["metric"]["name"] for metric in metrics[1:3]] == [
        "s1-redis-jobs",
        "s3-workload-shop",
    ]
    assert metrics[1]["external"]["target"] == {"type": "AverageValue", "averageValue": "5"}
    assert metrics[2]["external"]["target"] == {"type": "Value", "value": "2500m"}
    assert metrics[3]["resource"] == {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 50},
    }
    assert len(decode_hpa_spec(body["spec"]).metrics) == 4


def test_the_target_and_the_name_may_be_chosen() -> None:
    target = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "blue"}
    body = hpa(scaleTargetRef=target, advanced={"horizontalPodAutoscalerConfig": {"name": "mine"}})
    assert body["spec"]["scaleTargetRef"] == target
    assert body["metadata"]["name"] == "mine"
    assert hpa_name(scaled_object()) == "keda-hpa-web"


def test_labels_are_copied_but_for_the_excluded_ones_and_win() -> None:
    labels = {"team": "a", "secret": "b", "app.kubernetes.io/managed-by": "me"}
    body = hpa({"scaledobject.keda.sh/hpa-excluded-labels": "secret,other"}, labels)
    assert body["metadata"]["labels"]["team"] == "a"
    assert "secret" not in body["metadata"]["labels"]
    assert body["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "me"


def test_a_long_name_is_cut_to_a_label() -> None:
    name = "a" * 62 + "-" + "b" * 10
    body = hpa(advanced={"horizontalPodAutoscalerConfig": {"name": name}})
    assert body["metadata"]["labels"]["app.kubernetes.io/name"] == "a" * 62


IN, OUT = "autoscaling.keda.sh/paused-scale-in", "autoscaling.keda.sh/paused-scale-out"
RULES = {
    "scaleDown": {
        "stabilizationWindowSeconds": 60,
        "selectPolicy": "Min",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 30}],
    },
    "scaleUp": {"tolerance": "50m"},
}


@pytest.mark.parametrize(
    ("annotations", "rules", "expected"),
    [
        ({}, None, None),
        ({}, RULES, RULES),
        ({IN: "true"}, None, {"scaleDown": {"selectPolicy": "Disabled"}}),
        (
            {IN: "true"},
            RULES,
            {**RULES, "scaleDown": {**RULES["scaleDown"], "selectPolicy": "Disabled"}},
        ),
        ({OUT: "true"}, RULES, {**RULES, "scaleUp": {"tolerance": "50m", "selectPolicy": "Disabled"}}),
        (
            {IN: "", OUT: "1"},
            None,
            {"scaleDown": {"selectPolicy": "Disabled"}, "scaleUp": {"selectPolicy": "Disabled"}},
        ),
        ({IN: "false"}, None, None),
    ],
)
def test_behaviour_is_passed_on_and_paused_directions_are_disabled(
    annotations: dict[str, str], rules: Any, expected: Any
) -> None:
    config = {"advanced": {"horizontalPodAutoscalerConfig": {"behavior": rules}}} if rules else {}
    assert hpa(annotations, **config)["spec"].get("behavior") == expected


def test_without_any_metric_there_is_no_hpa() -> None:
    with pytest.raises(
        Misconfigured, match="no metric specs returned from scalers for ScaledObject shop/web"
    ):
        hpa(triggers=[{"type": "unheard-of", "metadata": {}}])
