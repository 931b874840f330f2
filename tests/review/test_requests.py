"""A Utilization is a share of what containers request: who requests nothing is refused, in KEDA's words."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.review.requests import request_problems, utilization_of

Object = dict[str, Any]


def metric(type: str = "cpu", **settings: Any) -> Object:
    return {"type": type, "metricType": "Utilization", "metadata": {"value": "50", **settings}}


def scaled(*triggers: Object) -> ScaledObject:
    object = decode(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"scaleTargetRef": {"name": "web"}, "minReplicaCount": 1, "triggers": list(triggers)},
        }
    )
    assert isinstance(object, ScaledObject)
    return object


def pods(*containers: Object) -> Object:
    return {"spec": {"containers": list(containers)}}


def box(name: str, **resources: Any) -> Object:
    return {"name": name, "resources": resources}


def limit_range(type: str = "Container", **defaults: Any) -> Object:
    return {"spec": {"limits": [{"type": type, **defaults}]}}


BOTH = {"cpu": "100m", "memory": "64Mi"}


@pytest.mark.parametrize(
    ("triggers", "template", "limit_ranges", "lacking"),
    [
        ([metric(), metric("memory")], pods(box("a", requests=BOTH)), [], []),
        ([metric(), metric("memory")], pods(box("a", requests={"memory": "1Gi"})), [], ["cpu"]),
        ([metric(), metric("memory")], pods(box("a", requests={"cpu": "1"})), [], ["memory"]),
        # A limit acts as a request.
        ([metric()], pods(box("a", limits={"cpu": "50m"})), [], []),
        ([metric("memory")], pods(box("a", limits={"memory": "1Gi"})), [], []),
        ([metric()], pods(box("a", requests={"cpu": "0"}, limits={"cpu": "0"})), [], ["cpu"]),
        # Every container is asked, or the one that is named.
        ([metric()], pods(box("a", requests=BOTH), box("b")), [], ["cpu"]),
        ([metric(containerName="a")], pods(box("a", requests=BOTH), box("b")), [], []),
        ([metric(containerName="b")], pods(box("a", requests=BOTH), box("b")), [], ["cpu"]),
        # A LimitRange of containers gives what is missing.
        ([metric()], pods(box("a")), [limit_range(defaultRequest={"cpu": "10m"})], []),
        ([metric()], pods(box("a")), [limit_range(default={"cpu": "10m"})], []),
        ([metric()], pods(box("a")), [limit_range(defaultRequest={"memory": "1Mi"})], ["cpu"]),
        ([metric()], pods(box("a")), [limit_range("Pod", defaultRequest={"cpu": "10m"})], ["cpu"]),
        ([metric()], pods(box("a")), [limit_range(defaultRequest={"cpu": "0"})], ["cpu"]),
        ([metric()], pods(box("a")), [limit_range(max={"cpu": "2"}), {"spec": None}, {}], ["cpu"]),
        # An AverageValue needs no request.
        ([{**metric(), "metricType": "AverageValue"}], pods(box("a")), [], []),
        ([metric()], {}, [], []),
    ],
)
def test_who_requests_nothing_is_named(
    triggers: list[Object], template: Object, limit_ranges: list[Object], lacking: list[str]
) -> None:
    found = list(request_problems(utilization_of(scaled(*triggers)), template, limit_ranges))
    assert [one.message.split(" has a ")[1].split(" ")[0] for one in found] == lacking


def test_the_words_are_kedas() -> None:
    found = request_problems(utilization_of(scaled(metric("memory"))), pods(box("work")), [])
    assert [one.message for one in found] == [
        "the scaledobject has a memory trigger but the container work doesn't have the memory request defined"
    ]
