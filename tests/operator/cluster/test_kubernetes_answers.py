"""What objects of the cluster keep, as answers: found, missing, unreadable, forbidden."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from parts.cluster import Cluster, operated
from tidegate.auth.resolve import Options
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError
from tidegate.kit.picking.gjson import Json
from tidegate.kit.picking.pick import Pick, Text
from tidegate.kit.picking.yamlpath import Yaml
from tidegate.kit.systems.kubernetes import Endpoint, ServiceEndpoints, StoredValue
from tidegate.kube.resource import CONFIG_MAPS, ENDPOINT_SLICES, SCALED_OBJECTS, SECRETS, Resource
from tidegate.operator.cluster.informers import SliceMark
from tidegate.operator.cluster.kubernetes_answers import (
    LARGE_CHARACTERS,
    SERVICE_NAME,
    KubernetesAnswers,
    endpoints,
    stored_value,
)

Object = dict[str, Any]
PLAIN = Options(cluster_namespace="keda")


class Kept:
    """A ConfigMap and a Secret."""

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        data = {
            "n": "5",
            "json": '{"a": {"b": 7}}',
            "deep": "[" * 100,
            "yaml": "a: [1, 2]",
            "large": "1" + " " * LARGE_CHARACTERS,
        }
        if (namespace, name) != ("shop", "forecast"):
            return None
        if resource == CONFIG_MAPS:
            return {"data": data}
        assert resource == SECRETS
        return {"data": {"n": base64.b64encode(b"6").decode(), "bad": base64.b64encode(b"\xff").decode()}}


def asked(key: str, pick: Pick | None = None, kind: Any = "ConfigMap", name: str = "forecast") -> StoredValue:
    return StoredValue("shop", kind, name, key, pick or Text())


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (asked("n"), "5"),
        (asked("n", kind="Secret"), "6"),
        (asked("json", Json("a.b")), 7),
        (asked("json", Json("a.c")), None),
        (asked("yaml", Yaml("a.1")), 2),
    ],
)
async def test_a_key_is_answered_with_what_is_wanted_of_it(question: StoredValue, answer: Any) -> None:
    assert await stored_value(Kept(), question, PLAIN) == answer


@pytest.mark.parametrize(
    ("question", "kind", "words"),
    [
        (asked("gone"), Misconfigured, "it has no such key"),
        (asked("n", name="gone"), Misconfigured, "there is no such object"),
        (asked("bad", kind="Secret"), Malformed, "not UTF-8"),
        (asked("n", Json("a")), None, "-"),
        (asked("yaml", Json("a")), Malformed, "cannot read key"),
        (asked("deep", Json("a")), Malformed, "cannot read key"),
    ],
)
async def test_what_cannot_be_read_says_which_object_and_key(
    question: StoredValue, kind: type[TidegateError] | None, words: str
) -> None:
    if kind is None:
        assert await stored_value(Kept(), question, PLAIN) is None
        return
    with pytest.raises(kind, match=words) as caught:
        await stored_value(Kept(), question, PLAIN)
    assert question.key in str(caught.value)


async def test_a_large_text_is_read_too() -> None:
    assert (await stored_value(Kept(), asked("large", Text(1 << 20)), PLAIN)).strip() == "1"


async def test_where_secrets_are_restricted_they_are_read_in_one_namespace_alone() -> None:
    restricted = Options(cluster_namespace="keda", is_secret_access_restricted=True)
    with pytest.raises(Denied, match="namespace keda alone"):
        await stored_value(Kept(), asked("n", kind="Secret"), restricted)
    assert await stored_value(Kept(), asked("n"), restricted) == "5"


def trigger(**metadata: str) -> Object:
    base = {"resourceKind": "ConfigMap", "resourceName": "forecast", "key": "n", "targetValue": "1"}
    return {"type": "kubernetes-resource", "metadata": {**base, **metadata}}


@operated()
async def test_a_config_map_scales_and_a_missing_one_never_to_zero(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment(replicas=2)
    await cluster.scaled_object("web", trigger(), pollingInterval=5, cooldownPeriod=1)
    await clock.sleep(30)
    assert cluster.replicas() == 2
    assert "forecast" in cluster.condition(SCALED_OBJECTS, "web", "Ready")[2]
    await cluster.create(CONFIG_MAPS, "forecast", data={"n": "0"})
    await clock.sleep(30)
    assert cluster.replicas() == 0
    await cluster.patch(CONFIG_MAPS, "forecast", {"data": {"n": "3"}})
    await clock.sleep(10)
    assert cluster.replicas() == 1


# --- endpoints of a Service


def slice_of(service: str, *endpoints: Object, ports: tuple[int, ...] = (8080,)) -> Object:
    return {
        "metadata": {"name": f"{service}-{id(endpoints)}", "labels": {SERVICE_NAME: service}},
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [{"name": f"p{port}", "port": port} for port in ports],
    }


def test_ready_endpoints_of_the_service_are_told_each_once() -> None:
    ready, unready, silent = {"ready": True}, {"ready": False}, {"ready": None}
    slices = [
        slice_of(
            "shop",
            {"addresses": ["10.0.0.1"], "conditions": ready},
            {"addresses": ["10.0.0.2"], "conditions": unready},
            {"addresses": ["10.0.0.3"], "conditions": silent},
            {"addresses": ["10.0.0.4"]},
            {"addresses": []},
        ),
        slice_of("shop", {"addresses": ["10.0.0.1"]}, {"addresses": ["fd00::1"]}, ports=(9090, 9091)),
        slice_of("other", {"addresses": ["10.0.0.9"]}),
        {"metadata": {"name": "bare"}, "endpoints": None, "ports": None},
    ]
    marks = [msgspec.json.decode(msgspec.json.encode(one), type=SliceMark) for one in slices]
    assert endpoints(marks, ServiceEndpoints("default", "shop")) == (
        Endpoint("10.0.0.1", (8080,)),
        Endpoint("10.0.0.3", (8080,)),
        Endpoint("10.0.0.4", (8080,)),
        Endpoint("fd00::1", (9090, 9091)),
    )
    assert endpoints(marks, ServiceEndpoints("default", "nobody")) == ()


@operated()
async def test_endpoints_are_read_from_a_watch_and_follow_the_cluster(clock: Any, cluster: Cluster) -> None:
    question = ServiceEndpoints("default", "shop")
    answers = KubernetesAnswers(cluster.operator.informers, PLAIN)
    assert await answers.answer(question) == ()
    body = slice_of("shop", {"addresses": ["10.0.0.1"]})
    body["metadata"] = {"namespace": "default", "labels": {SERVICE_NAME: "shop"}}
    await cluster.create(ENDPOINT_SLICES, "shop-1", **body)
    await clock.sleep(1)
    assert await answers.answer(question) == (Endpoint("10.0.0.1", (8080,)),)
