"""The secure port: what is answered, to whom, and in which shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import pytest

from parts.reviewing import Rights
from parts.tls_parts import Maker, held, trusting
from tidegate.api.metric_stream import Metric
from tidegate.base.errors import Failure, Unreachable
from tidegate.kube.resource import ApiError
from tidegate.kube.spoken_for import DEFAULT_HEADERS
from tidegate.metricsapi.site import Site
from tidegate.metricsapi.told import Told
from tidegate.metricsapi.trust import Authorities, Trust
from tidegate.runtime.clock import SystemClock

ROOT = "/apis/external.metrics.k8s.io/v1beta1"
OWNED = "labelSelector=scaledobject.keda.sh/name%3Dweb"
PATH = f"{ROOT}/namespaces/shop/s0-redis-Jobs?{OWNED}"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList,application/json"
HPAS = {"X-Remote-User": "hpas", "X-Remote-Group": "system:authenticated"}


class Kept:
    """Answers by metric; the rest is unknown."""

    def __init__(self) -> None:
        self.values: dict[Metric, tuple[float, ...]] = {}
        self.asked: list[Metric] = []

    async def answer(self, metric: Metric) -> Told | Failure:
        self.asked.append(metric)
        values = self.values.get(metric)
        if values is None:
            return Failure("Misconfigured", "no matching metrics found")
        now_s = asyncio.get_running_loop().time()
        return Told(values, now_s - 60, 15.0, now_s)


async def explain(path: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """A leader that lets nobody see but hpas."""
    if ("X-Remote-User", "hpas") not in headers:
        raise ApiError(403, "Forbidden", "scaledobjects.keda.sh is forbidden")
    if path != "/explain/scaledobjects/shop/web":
        raise Unreachable("ask", on="operator:9666", answer="connection refused")
    return b'{"replicas":3}'


@dataclass
class Port:
    """A site, an authority of front proxies and one of clients."""

    site: Site
    kept: Kept
    rights: Rights
    ours: Maker
    proxies: Maker
    clients: Maker
    trust: Trust

    async def get(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        pair: tuple[Maker, str] | None = None,
        method: str = "GET",
    ) -> tuple[int, Any, Mapping[str, str]]:
        context = trusting(self.ours.trust)
        if pair is not None:
            maker, name = pair
            context = held(self.ours.trust, maker.pair(name)).client_context()
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method,
                f"https://127.0.0.1:{self.site.port}{path}",
                ssl=context,
                server_hostname="metrics",
                headers=headers or {},
            ) as response,
        ):
            text = await response.text()
            body = json.loads(text) if "json" in response.headers.get("Content-Type", "") and text else text
            return response.status, body, response.headers

    async def asked_by_proxy(self, path: str, **headers: str) -> tuple[int, Any, Mapping[str, str]]:
        return await self.get(path, {**HPAS, **headers}, (self.proxies, "front-proxy-client"))


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    ours, proxies, clients, rights, kept = Maker(), Maker(), Maker(), Rights(), Kept()
    trust = Trust(
        Authorities.of(proxies.trust), Authorities.of(clients.trust), ("front-proxy-client",), DEFAULT_HEADERS
    )
    rights.allowed = {("hpas", "list", "*"), ("hpas", "get", "*")}
    rights.tokens = {"good": "hpas", "other": "joe"}
    kept.values[Metric("shop", "web", "s0-redis-jobs")] = (2.5, 4.0)
    clock = SystemClock()
    made = Port(
        Site(kept, rights.reviewer(clock), lambda: made.trust, clock, explain),
        kept,
        rights,
        ours,
        proxies,
        clients,
        trust,
    )
    context = held(trust.pem, ours.pair("metrics")).listening_context(asks_client=True)
    await made.site.start("127.0.0.1", 0, context)
    made.site.is_ready = True
    yield made
    await made.site.stop()
    await made.site.stop()


async def test_an_hpa_gets_each_value_as_a_quantity_under_the_name_it_asked_for(port: Port) -> None:
    status, body, _ = await port.asked_by_proxy(PATH)
    assert status == 200
    assert (body["kind"], body["apiVersion"]) == (
        "ExternalMetricValueList",
        "external.metrics.k8s.io/v1beta1",
    )
    assert body["metadata"] == {}
    shown = [(one["metricName"], one["metricLabels"], one["value"]) for one in body["items"]]
    assert shown == [("s0-redis-Jobs", None, "2500m"), ("s0-redis-Jobs", None, "4")]
    assert list(body["items"][0]) == ["metricName", "metricLabels", "timestamp", "value"]


async def test_the_moment_is_that_of_the_measurement(port: Port) -> None:
    _, body, _ = await port.asked_by_proxy(PATH)
    age = SystemClock().now() - datetime.fromisoformat(body["items"][0]["timestamp"])
    assert 59 <= age.total_seconds() <= 62


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ("", 500, "scaledObject name is not specified"),
        ("labelSelector=app%3Dweb", 500, "scaledObject name is not specified"),
        ("labelSelector=scaledobject.keda.sh/name%20in%20(a,b)", 500, "is no equality"),
        ("labelSelector=scaledobject.keda.sh/name!%3Dweb", 500, "is no equality"),
        ("labelSelector=a%3D%3D%3D", 400, "labelSelector"),
        ("labelSelector=scaledobject.keda.sh/name%3Dnone", 500, "no matching metrics found"),
    ],
)
async def test_what_names_no_metric_is_refused_in_words(port: Port, query: str, code: int, text: str) -> None:
    status, body, _ = await port.asked_by_proxy(f"{ROOT}/namespaces/shop/s0-redis-jobs?{query}")
    assert (status, body["kind"], body["code"]) == (code, "Status", code)
    assert text in body["message"]


async def test_other_labels_and_a_doubled_sign_do_not_matter(port: Port) -> None:
    query = "labelSelector=team%3Dx,scaledobject.keda.sh/name%3D%3Dweb"
    status, _, _ = await port.asked_by_proxy(f"{ROOT}/namespaces/shop/s0-redis-jobs?{query}")
    assert status == 200


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
async def test_the_aggregator_finds_the_group(port: Port, version: str) -> None:
    status, body, headers = await port.asked_by_proxy("/apis", Accept=DISCOVERY.format(version))
    assert status == 200
    assert body["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    assert headers["Content-Type"].startswith("application/json;g=apidiscovery.k8s.io")
    item, explained = body["items"]
    assert explained["metadata"]["name"] == "explain.tidegate.dev"
    assert item["metadata"]["name"] == "external.metrics.k8s.io"
    assert item["versions"][0]["resources"][0]["responseKind"]["kind"] == "ExternalMetricValueList"


async def test_who_knows_older_discovery_finds_it_too(port: Port) -> None:
    _, groups, _ = await port.asked_by_proxy("/apis")
    assert [one["name"] for one in groups["groups"]] == ["external.metrics.k8s.io", "explain.tidegate.dev"]
    _, group, _ = await port.asked_by_proxy("/apis/external.metrics.k8s.io")
    assert group["preferredVersion"]["groupVersion"] == "external.metrics.k8s.io/v1beta1"
    _, listed, headers = await port.asked_by_proxy(ROOT)
    assert [one["name"] for one in listed["resources"]] == ["externalmetrics"]
    status, _, _ = await port.asked_by_proxy(ROOT, **{"If-None-Match": headers["ETag"]})
    assert status == 304


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3", f"/openapi/v3{ROOT}", "/version"])
async def test_documents_are_served(port: Port, path: str) -> None:
    assert (await port.asked_by_proxy(path))[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/api", f"{ROOT}/namespaces/shop", f"{ROOT}/s0-redis-jobs", f"{ROOT}/namespaces/shop/a/b"]
)
async def test_other_paths_are_not_there(port: Port, path: str) -> None:
    status, body, _ = await port.asked_by_proxy(path)
    assert (status, body["reason"]) == (404, "NotFound")


async def test_nothing_is_written_here(port: Port) -> None:
    port.rights.allowed.add(("hpas", "post", "*"))
    pair = (port.proxies, "front-proxy-client")
    assert (await port.get(PATH, HPAS, pair, "POST"))[0] == 405
    assert (await port.get("/apis", HPAS, pair, "POST"))[0] == 405


async def test_probes_are_for_everybody(port: Port) -> None:
    for path in ("/healthz", "/livez", "/readyz"):
        assert (await port.get(path))[:2] == (200, "ok")
    assert "check passed" in (await port.get("/readyz?verbose"))[1]
    assert port.rights.reviews == []


async def test_without_certificate_and_token_one_is_anonymous(port: Port) -> None:
    status, body, _ = await port.get(PATH, HPAS)
    assert (status, body["reason"]) == (403, "Forbidden")
    assert 'User "system:anonymous" cannot list resource "s0-redis-Jobs"' in body["message"]
    assert port.kept.asked == []


async def test_a_proxy_under_another_name_speaks_for_nobody(port: Port) -> None:
    status, body, _ = await port.get(PATH, HPAS, (port.proxies, "somebody"))
    assert (status, body["reason"]) == (401, "Unauthorized")


async def test_a_client_is_itself_whatever_its_headers_say(port: Port) -> None:
    status, body, _ = await port.get(PATH, HPAS, (port.clients, "front-proxy-client"))
    assert status == 403
    assert 'User "front-proxy-client"' in body["message"]
    status, _, _ = await port.get(PATH, {}, (port.clients, "hpas"))
    assert status == 200


async def test_a_certificate_of_nobody_ends_the_handshake(port: Port) -> None:
    with pytest.raises(aiohttp.ClientError):
        await port.get(PATH, HPAS, (Maker(), "front-proxy-client"))


async def test_authorities_that_are_not_trusted_any_more_count_at_once(port: Port) -> None:
    assert (await port.asked_by_proxy(PATH))[0] == 200
    port.trust = Trust()
    status, body, _ = await port.asked_by_proxy(PATH)
    assert status == 403
    assert "system:anonymous" in body["message"]


@pytest.mark.parametrize(("token", "status"), [("good", 200), ("other", 403), ("stolen", 401)])
async def test_a_bearer_is_who_the_api_server_says(port: Port, token: str, status: int) -> None:
    assert (await port.get(PATH, {"Authorization": f"Bearer {token}"}))[0] == status


async def test_rights_to_all_metrics_are_asked_once_for_a_thousand_questions(port: Port) -> None:
    for number in range(50):
        await port.asked_by_proxy(f"{ROOT}/namespaces/shop/s{number}-x?{OWNED}")
    assert len(port.rights.reviews) == 1


EXPLAINED = "/apis/explain.tidegate.dev/v1alpha1/namespaces/shop/explainedscaledobjects"


async def test_an_explanation_is_an_object_that_kubectl_can_show(port: Port) -> None:
    status, body, _ = await port.asked_by_proxy(f"{EXPLAINED}/web")
    assert status == 200
    assert body == {
        "apiVersion": "explain.tidegate.dev/v1alpha1",
        "kind": "ExplainedScaledObject",
        "metadata": {"namespace": "shop", "name": "web"},
        "explanation": {"replicas": 3},
    }


async def test_the_leader_says_who_may_see_an_explanation(port: Port) -> None:
    status, body, _ = await port.asked_by_proxy(f"{EXPLAINED}/web", **{"X-Remote-User": "joe"})
    assert (status, body["message"]) == (403, "scaledobjects.keda.sh is forbidden")
    assert (await port.get(f"{EXPLAINED}/web", HPAS))[0] == 403


async def test_a_leader_that_is_away_is_told_to_who_wants_an_explanation(port: Port) -> None:
    status, body, _ = await port.asked_by_proxy(f"{EXPLAINED}/other")
    assert (status, body["reason"]) == (503, "ServiceUnavailable")
    assert "operator:9666: connection refused" in body["message"]
    assert (await port.asked_by_proxy("/apis/explain.tidegate.dev/v1alpha1/namespaces/shop/pods/web"))[
        0
    ] == 404


async def test_a_server_that_knows_nobody_yet_is_not_ready(port: Port) -> None:
    port.site.is_ready = False
    assert (await port.get("/readyz"))[0] == 500
    assert (await port.get("/livez"))[0] == 200


async def test_groups_and_extras_reach_the_review(port: Port) -> None:
    await port.asked_by_proxy(PATH, **{"X-Remote-Extra-Scopes": "a%2Fb", "X-Remote-Uid": "7"})
    [review] = port.rights.reviews
    spec = review["spec"]
    assert spec["groups"] == ["system:authenticated"]
    assert spec["extra"] == {"scopes": ["a%2Fb"]}
    assert spec["uid"] == "7"
    assert spec["resourceAttributes"] == {
        "verb": "list",
        "group": "external.metrics.k8s.io",
        "version": "v1beta1",
        "resource": "*",
    }


async def test_an_api_server_that_cannot_review_lets_nobody_in(port: Port) -> None:
    port.rights.trouble = ApiError(500, "InternalError", "etcd is away")
    status, body, _ = await port.asked_by_proxy(PATH)
    assert (status, body["message"]) == (500, "etcd is away")
    assert port.kept.asked == []
