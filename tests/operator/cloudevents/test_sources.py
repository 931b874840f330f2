"""Sources send to a real receiver: what they get, what they leave out, and how they heal."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from parts.cluster import Cluster, redis, running
from parts.event_receiver import EventReceiver
from parts.fetching import holds
from parts.loopback import free_port
from tidegate.api.eventing.cloudeventsource import EventType
from tidegate.kube.resource import (
    CLOUD_EVENT_SOURCES,
    CLUSTER_CLOUD_EVENT_SOURCES,
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    DEPLOYMENTS,
    SCALED_OBJECTS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
)
from tidegate.operator.cloudevents.event_types import TYPES
from tidegate.runtime.clock import SystemClock
from tidegate.telemetry.metrics.exposition import lines

pytestmark = pytest.mark.real
Object = dict[str, Any]
LOGIN = {"env": [{"parameter": "username", "name": "USER"}]}


@asynccontextmanager
async def world() -> AsyncIterator[tuple[Cluster, EventReceiver]]:
    """A cluster whose operator runs, and a receiver."""
    cluster = Cluster(SystemClock())
    async with EventReceiver().serving() as receiver, running(cluster.operator):
        yield cluster, receiver


async def source(cluster: Cluster, uri: str, name: str = "events", **spec: Any) -> None:
    body = {"destination": {"http": {"uri": uri}}, **spec}
    await cluster.create(CLOUD_EVENT_SOURCES, name, spec=body)
    await until(lambda: active(cluster, name)[0] != "")


async def until(is_so: Any, within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0.01)


def active(cluster: Cluster, name: str = "events") -> tuple[str, str, str]:
    return cluster.condition(CLOUD_EVENT_SOURCES, name, "Active")


async def web(cluster: Cluster, name: str = "web", namespace: str = "shop") -> None:
    """A ScaledObject whose target is there."""
    metadata = {"namespace": namespace}
    spec = {"replicas": 1, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}
    await cluster.create(DEPLOYMENTS, name, metadata=metadata, spec=spec)
    body = {"scaleTargetRef": {"name": name}, "triggers": [redis()]}
    await cluster.create(SCALED_OBJECTS, name, metadata=metadata, spec=body)


async def figures(cluster: Cluster) -> dict[str, str]:
    told = lines(await cluster.operator.figures().gather())
    return dict(line.strip().rsplit(" ", 1) for line in told if line.startswith("keda_cloudeventsource"))


def emitted(state: str, sink: str = "http") -> str:
    labels = f'namespace="shop",cloudeventsource="events",eventsink="{sink}",state="{state}"'
    return f"keda_cloudeventsource_events_emitted_total{{{labels}}}"


async def test_a_ready_object_is_told_as_keda_tells_it() -> None:
    async with world() as (cluster, receiver):
        await source(cluster, f"{receiver.url}/hook?team=a%20b", clusterName="my cluster")
        assert active(cluster) == (
            "True",
            "CloudEventSourceActive",
            "Is configured to send events to the configured destination",
        )
        await web(cluster)
        (sent,) = await receiver.until(1)
        headers = {key: value for key, value in sent.headers.items() if key.startswith(("ce-", "Content-T"))}
        assert re.fullmatch("[0-9a-f-]{36}", headers.pop("ce-id"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", headers.pop("ce-time"))
        assert headers == {
            "Content-Type": "application/json",
            "ce-specversion": "1.0",
            "ce-source": "/my%20cluster/keda/keda",
            "ce-type": "keda.scaledobject.ready.v1",
            "ce-subject": "/my%20cluster/shop/scaledobject/web",
        }
        assert sent.path == "/hook?team=a%20b"
        assert sent.data == {"reason": "ScaledObjectReady", "message": "ScaledObject is ready for scaling"}
        told = await figures(cluster)
        assert told[emitted("emitted")] == "1"
        assert told[emitted("failed")] == "0"
        assert told['keda_cloudeventsource_events_queued{namespace="shop"}'] == "0"


async def test_a_life_is_told_from_failed_to_removed() -> None:
    async with world() as (cluster, receiver):
        await source(cluster, receiver.url)
        await cluster.scaled_object("web")
        await receiver.until(1)
        await cluster.deployment("web", 1)
        await receiver.until(2)
        annotations = {"autoscaling.keda.sh/paused": "true"}
        await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": annotations}})
        await receiver.until(3)
        annotations = {"autoscaling.keda.sh/paused": None}
        await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": annotations}})
        await receiver.until(4)
        await cluster.create(
            TRIGGER_AUTHENTICATIONS, "login", spec={"env": [{"parameter": "a", "name": "A"}]}
        )
        await receiver.until(5)
        await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
        await receiver.until(6)
        assert [one.type.removeprefix("keda.") for one in receiver.taken] == [
            "scaledobject.failed.v1",
            "scaledobject.ready.v1",
            "scaledobject.paused.v1",
            "scaledobject.unpaused.v1",
            "authentication.triggerauthentication.created.v1",
            "scaledobject.removed.v1",
        ]
        assert receiver.taken[0].subject == "/kubernetes-default/shop/scaledobject/web"
        assert receiver.taken[4].subject == "/kubernetes-default/shop/triggerauthentication/login"


async def test_a_source_hears_of_its_own_namespace_and_a_cluster_source_of_all() -> None:
    async with world() as (cluster, receiver), EventReceiver().serving() as everything:
        await source(cluster, receiver.url)
        spec = {"destination": {"http": {"uri": everything.url}}}
        await cluster.objects.create(CLUSTER_CLOUD_EVENT_SOURCES, {"metadata": {"name": "all"}, "spec": spec})
        await until(lambda: "status" in (cluster.objects.get(CLUSTER_CLOUD_EVENT_SOURCES, "", "all") or {}))
        await web(cluster, "elsewhere", "office")
        await everything.until(1)
        spec = {"env": [{"parameter": "a", "name": "A"}]}
        await cluster.objects.create(
            CLUSTER_TRIGGER_AUTHENTICATIONS, {"metadata": {"name": "ours"}, "spec": spec}
        )
        await everything.until(2)
        await web(cluster)
        await everything.until(3)
        await receiver.until(1)
        assert [one.subject for one in receiver.requests] == ["/kubernetes-default/shop/scaledobject/web"]
        assert [one.subject for one in everything.requests] == [
            "/kubernetes-default/office/scaledobject/elsewhere",
            "/kubernetes-default//clustertriggerauthentication/ours",
            "/kubernetes-default/shop/scaledobject/web",
        ]


async def test_each_source_has_its_own_filter() -> None:
    async with world() as (cluster, receiver):
        ready, removed = "keda.scaledobject.ready.v1", "keda.scaledobject.removed.v1"
        await source(cluster, f"{receiver.url}/a", "a", eventSubscription={"includedEventTypes": [removed]})
        await source(cluster, f"{receiver.url}/b", "b", eventSubscription={"excludedEventTypes": [removed]})
        await source(cluster, f"{receiver.url}/c", "c")
        await web(cluster)
        await receiver.until(2)
        await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
        await receiver.until(4)
        assert sorted((one.path, one.type) for one in receiver.taken) == [
            ("/a", removed),
            ("/b", ready),
            ("/c", ready),
            ("/c", removed),
        ]


async def test_what_a_sink_did_not_take_it_gets_again_under_the_same_id() -> None:
    async with world() as (cluster, receiver):
        await source(cluster, receiver.url)
        receiver.status = 503
        await web(cluster)
        await until(lambda: len(receiver.requests) >= 2)
        receiver.status = 200
        (sent,) = await receiver.until(1)
        assert {one.headers["ce-id"] for one in receiver.requests} == {sent.headers["ce-id"]}


async def test_a_sink_that_fails_is_told_without_secrets_and_heals_by_itself() -> None:
    async with world() as (cluster, receiver):
        await source(cluster, f"http://team:s3cret@127.0.0.1:{receiver.port}/hook/t0ken?key=k3y")
        receiver.status = 401
        await web(cluster)
        await until(lambda: active(cluster)[0] == "False", 20)
        status, reason, message = active(cluster)
        assert (status, reason) == ("False", "CloudEventSourceFailed")
        assert message.startswith("Failed to send events to the configured destination: ")
        assert "401 Unauthorized" in message
        assert receiver.requests[0].headers["Authorization"].startswith("Basic ")
        assert not [secret for secret in ("s3cret", "t0ken", "k3y", "own words") if secret in message]
        assert float((await figures(cluster))[emitted("failed")]) >= 5
        assert "CloudEventSourceFailed" in cluster.reasons("events")
        receiver.status = 200
        await until(lambda: active(cluster)[0] == "True", 30)
        await receiver.until(1)


async def test_a_sink_that_is_not_there_yet_gets_everything_later() -> None:
    async with world() as (cluster, _):
        port = free_port()
        await source(cluster, f"http://127.0.0.1:{port}")
        await web(cluster)
        await until(lambda: "ScaledObjectReady" in cluster.reasons("web"))
        await asyncio.sleep(0.5)
        async with EventReceiver().serving(port) as late:
            (sent,) = await late.until(1)
        assert sent.type == "keda.scaledobject.ready.v1"


async def test_an_edit_takes_what_waits_to_the_new_address() -> None:
    async with world() as (cluster, receiver):
        await source(cluster, f"http://127.0.0.1:{free_port()}")
        await web(cluster)
        await until(lambda: active(cluster)[0] == "False", 20)
        edit = {"spec": {"destination": {"http": {"uri": receiver.url}}}}
        await cluster.patch(CLOUD_EVENT_SOURCES, "events", edit)
        await receiver.until(1)
        await until(lambda: active(cluster)[0] == "True")


async def test_a_source_that_is_gone_sends_nothing_more_and_has_no_series() -> None:
    async with world() as (cluster, receiver):
        await source(cluster, receiver.url)
        await cluster.patch(
            CLOUD_EVENT_SOURCES, "events", {"metadata": {"finalizers": ["finalizer.keda.sh"]}}
        )
        await cluster.objects.delete(CLOUD_EVENT_SOURCES, "shop", "events")
        await until(lambda: cluster.objects.get(CLOUD_EVENT_SOURCES, "shop", "events") is None)
        await web(cluster)
        await until(lambda: "ScaledObjectReady" in cluster.reasons("web"))
        await asyncio.sleep(0.2)
        assert receiver.requests == []
        assert await figures(cluster) == {}


async def test_event_grid_gets_a_batch_with_the_key_of_the_authentication_and_another_key_at_once() -> None:
    async with world() as (cluster, receiver):
        grid = {"azureEventGridTopic": {"endpoint": f"{receiver.url}/api/events"}}
        spec = {"destination": grid, "authenticationRef": {"name": "grid"}}
        await cluster.create(CLOUD_EVENT_SOURCES, "events", spec=spec)
        await until(lambda: active(cluster)[0] == "False")
        assert 'TriggerAuthentication "grid"' in active(cluster)[2] or "grid" in active(cluster)[2]
        ref = [{"parameter": "accessKey", "name": "topic", "key": "key"}]
        await cluster.create(TRIGGER_AUTHENTICATIONS, "grid", spec={"secretTargetRef": ref})
        await cluster.create(SECRETS, "topic", data={"key": base64.b64encode(b"s3cret").decode()})
        await until(lambda: active(cluster)[0] == "True")
        await web(cluster)
        # The authentication itself was told before the source could send; what comes now is the object.
        sent = next(one for one in await receiver.until(1) if b"scaledobject" in one.body)
        assert sent.path == "/api/events?api-version=2018-01-01"
        assert sent.headers["aeg-sas-key"] == "s3cret"
        assert sent.headers["Content-Type"] == "application/cloudevents-batch+json; charset=utf-8"
        (event,) = sent.data
        assert event["type"] == "keda.scaledobject.ready.v1"
        assert event["data"]["reason"] == "ScaledObjectReady"
        await cluster.patch(SECRETS, "topic", {"data": {"key": base64.b64encode(b"another").decode()}})
        await asyncio.sleep(0.5)
        count = len(receiver.taken)
        await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
        assert (await receiver.until(count + 1))[-1].headers["aeg-sas-key"] == "another"
        assert (await figures(cluster))[emitted("failed", "azureEventGridTopic")] == "0"


async def test_a_key_that_a_vault_keeps_is_waited_for_and_used_when_it_comes() -> None:
    path = "secret/data/grid"
    vault = {
        "address": "http://vault:8200",
        "authentication": "token",
        "credential": {"token": "t"},
        "secrets": [{"parameter": "accessKey", "path": path, "key": "key"}],
    }
    async with world() as (cluster, receiver):
        cluster.safes.delay_s = 0.5
        cluster.safes.drawers[path] = holds(key="s3cret")
        await cluster.create(TRIGGER_AUTHENTICATIONS, "grid", spec={"hashiCorpVault": vault})
        grid = {"azureEventGridTopic": {"endpoint": f"{receiver.url}/api/events"}}
        spec = {"destination": grid, "authenticationRef": {"name": "grid"}}
        await cluster.create(CLOUD_EVENT_SOURCES, "events", spec=spec)
        await until(lambda: bool(cluster.safes.calls))
        assert active(cluster)[0] == ""
        await until(lambda: active(cluster)[0] == "True")
        await web(cluster)
        assert (await receiver.until(1))[0].headers["aeg-sas-key"] == "s3cret"
        await cluster.objects.delete(CLOUD_EVENT_SOURCES, "shop", "events")
        await until(lambda: len(cluster.operator.fetching) == 0)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"destination": {}}, "no destination is named"),
        ({"destination": {"http": {"uri": "nonsense"}}}, "is not an absolute URL"),
        (
            {
                "destination": {
                    "azureEventGridTopic": {"endpoint": "https://t.eventgrid.azure.net/api/events"}
                }
            },
            "no azure event grid access key provided",
        ),
        (
            {
                "destination": {"http": {"uri": "http://sink"}},
                "eventSubscription": {
                    "includedEventTypes": ["keda.scaledjob.ready.v1"],
                    "excludedEventTypes": ["keda.scaledjob.ready.v1"],
                },
            },
            "setting included types and excluded types at the same time is not supported",
        ),
    ],
)
async def test_a_source_that_cannot_send_says_why(spec: Object, says: str) -> None:
    async with world() as (cluster, _):
        await cluster.create(CLOUD_EVENT_SOURCES, "events", spec=spec)
        await until(lambda: active(cluster)[0] == "False")
        assert active(cluster)[1] == "CloudEventSourceFailed"
        assert says in active(cluster)[2]


def test_every_type_that_keda_knows_is_told() -> None:
    assert set(TYPES.values()) == set(EventType.__args__)  # type: ignore[attr-defined]
