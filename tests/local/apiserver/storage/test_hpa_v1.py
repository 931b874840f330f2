"""autoscaling/v1: the same objects, in the form that `kubectl autoscale` up to 1.32 writes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.cli.manifests.builtin_checks import builtin_problems
from tidegate.kube.resource import HPAS, Resource
from tidegate.local.apiserver.discovery import api_groups
from tidegate.local.apiserver.discovery.openapi import document
from tidegate.local.apiserver.printing.tables import Renderer, Shape
from tidegate.local.apiserver.storage.hpa_v1 import from_v1, to_v1

V1 = Resource("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
REFERENCE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
}
MEMORY = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
}
CONTAINER = {
    "type": "ContainerResource",
    "containerResource": {
        "name": "cpu",
        "container": "c",
        "target": {"type": "Utilization", "averageUtilization": 9},
    },
}
QUEUE = {
    "type": "External",
    "external": {
        "metric": {"name": "s0-redis", "selector": {"matchLabels": {"a": "b"}}},
        "target": {"type": "AverageValue", "averageValue": "5"},
    },
}
TOTAL = {"type": "External", "external": {"metric": {"name": "t"}, "target": {"type": "Value", "value": "5"}}}
PODS = {
    "type": "Pods",
    "pods": {"metric": {"name": "p"}, "target": {"type": "AverageValue", "averageValue": "2"}},
}
OBJECT = {
    "type": "Object",
    "object": {
        "describedObject": REFERENCE,
        "metric": {"name": "o"},
        "target": {"type": "AverageValue", "averageValue": "2"},
    },
}
STATUS = {
    "currentReplicas": 2,
    "desiredReplicas": 3,
    "currentMetrics": [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40}}},
        {"type": "External", "external": {"metric": {"name": "t"}, "current": {"value": "7"}}},
    ],
    "conditions": [{"type": "AbleToScale", "status": "True"}],
}


def hpa(*metrics: Any, **parts: Any) -> dict[str, Any]:
    spec = {"scaleTargetRef": REFERENCE, "maxReplicas": 4, "metrics": list(metrics)}
    metadata = {"name": "web", "annotations": {"mine": "kept"}}
    return {"apiVersion": "autoscaling/v2", "kind": HPAS.kind, "metadata": metadata, "spec": spec, **parts}


@pytest.mark.parametrize(
    "body",
    [
        hpa(CPU),
        hpa(MEMORY),
        hpa(CPU, MEMORY, CONTAINER, QUEUE, TOTAL, PODS, OBJECT),
        hpa(CPU, status=STATUS),
        hpa(CPU, status={"currentReplicas": 0, "desiredReplicas": 0}),
        {**hpa(QUEUE), "spec": {**hpa(QUEUE)["spec"], "behavior": {"scaleDown": {"selectPolicy": "Max"}}}},
        {"metadata": {"name": "bare"}, "apiVersion": "autoscaling/v2", "spec": {"maxReplicas": 1}},
    ],
)
def test_nothing_is_lost_on_the_way_there_and_back(body: dict[str, Any]) -> None:
    before = json.dumps(body)
    assert from_v1(to_v1(body)) == body
    assert json.dumps(body) == before


def test_cpu_has_a_field_of_its_own_and_the_rest_stands_in_annotations() -> None:
    shown = to_v1(hpa(QUEUE, CPU, status=STATUS))
    assert shown["apiVersion"] == "autoscaling/v1"
    assert shown["spec"] == {
        "scaleTargetRef": REFERENCE, "maxReplicas": 4, "targetCPUUtilizationPercentage": 50,
    }  # fmt: skip
    assert shown["status"] == {
        "currentReplicas": 2, "desiredReplicas": 3, "currentCPUUtilizationPercentage": 40,
    }  # fmt: skip
    annotations = shown["metadata"]["annotations"]
    (metric,) = json.loads(annotations["autoscaling.alpha.kubernetes.io/metrics"])
    selector = {"matchLabels": {"a": "b"}}
    external = {"metricName": "s0-redis", "metricSelector": selector, "targetAverageValue": "5"}
    assert metric == {"type": "External", "external": external}
    assert json.loads(annotations["autoscaling.alpha.kubernetes.io/conditions"]) == STATUS["conditions"]
    assert annotations["mine"] == "kept"


def plain(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"scaleTargetRef": REFERENCE, "maxReplicas": 3, **spec}}


async def test_what_is_written_as_v1_is_stored_as_v2_with_its_defaults(api: Any) -> None:
    made = await api.create(V1, plain(targetCPUUtilizationPercentage=70))
    assert made["apiVersion"] == "autoscaling/v1"
    assert made["spec"]["targetCPUUtilizationPercentage"] == 70
    assert made["spec"]["minReplicas"] == 1
    stored = api.get(HPAS, "web")
    assert stored["apiVersion"] == "autoscaling/v2"
    target = {"type": "Utilization", "averageUtilization": 70}
    assert stored["spec"]["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    assert (await api.create(V1, plain("silent")))["spec"]["targetCPUUtilizationPercentage"] == 80


async def test_a_second_one_is_told_that_there_is_one(api: Any) -> None:
    await api.create(HPAS, plain())
    refused = await api.refusal(api.create(V1, plain()))
    assert (refused.code, refused.reason) == (409, "AlreadyExists")
    assert refused.message == 'horizontalpodautoscalers.autoscaling "web" already exists'


async def test_a_patch_in_v1_leaves_what_v1_cannot_say(api: Any) -> None:
    await api.create(HPAS, hpa(QUEUE))
    target = api.target(V1, "web")
    await api.plane.verbs.patch(target, "merge", {"spec": {"maxReplicas": 9}})
    stored = api.get(HPAS, "web")
    assert stored["spec"]["maxReplicas"] == 9
    assert stored["spec"]["metrics"] == [QUEUE]
    assert stored["metadata"]["annotations"] == {"mine": "kept"}
    await api.plane.verbs.patch(target, "strategic", {"spec": {"targetCPUUtilizationPercentage": 50}})
    assert api.get(HPAS, "web")["spec"]["metrics"] == [CPU, QUEUE]
    version = api.plane.reads.version
    await api.plane.verbs.patch(target, "merge", {"spec": {"maxReplicas": 9}})
    assert api.plane.reads.version == version, "a write that changes nothing writes nothing"


async def test_v1_has_its_own_fields_and_v2s_rules(api: Any) -> None:
    refused = await api.refusal(api.create(V1, plain(metrics=[CPU])))
    assert 'unknown field "spec.metrics"' in refused.message
    refused = await api.refusal(api.create(V1, plain(targetCPUUtilizationPercentage=0)))
    assert refused.code == 422
    body = plain()
    for text, code in (("{", 400), ('[{"type": "Nonsense"}]', 422), ("[5]", 422), ('{"a": 1}', 422)):
        body["metadata"]["annotations"] = {"autoscaling.alpha.kubernetes.io/metrics": text}
        assert (await api.refusal(api.create(V1, body))).code == code, text


async def test_tables_and_discovery_tell_of_both_versions(api: Any) -> None:
    await api.create(HPAS, hpa(CPU, TOTAL))
    await api.plane.objects.patch(HPAS, "default", "web", {"status": STATUS}, "status")
    shown = []
    for resource in (HPAS, V1):
        kind = api.kind(resource)
        renderer = Renderer(api.plane.reads, kind, Shape("Table", "Object"))
        found = api.plane.reads.get(kind, "default", "web")
        row = json.loads(renderer.one(found, datetime.now(UTC)))["rows"][0]
        assert row["object"]["apiVersion"] == resource.api_version
        shown.append(row["cells"])
    assert "cpu: 40%/50%, 7/5" in shown[0]
    assert shown[0] == shown[1], "what is printed does not depend on the version"
    group = api_groups.group(api.plane.kinds.all(), "autoscaling")
    assert group is not None
    assert [one["version"] for one in group["versions"]] == ["v2", "v1"]
    assert group["preferredVersion"]["version"] == "v2"
    assert "targetCPUUtilizationPercentage" in json.dumps(document([api.kind(V1)]))


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        ({"targetCPUUtilizationPercentage": 50}, []),
        ({"targetCPUUtilizationPercentage": 0}, ["spec.metrics[0].resource.target.averageUtilization"]),
        ({"metrics": []}, ["spec.metrics"]),
    ],
)
def test_validate_reads_v1_by_its_own_fields(spec: dict[str, Any], paths: list[str]) -> None:
    body = plain(**spec) | {"apiVersion": "autoscaling/v1", "kind": V1.kind}
    assert [problem.path for problem in builtin_problems(body)] == paths
