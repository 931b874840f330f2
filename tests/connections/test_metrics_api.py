"""The metrics-api trigger against pages of real servers and of our own: formats, logins, counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import faults
from parts.etcd_server import EtcdServer
from parts.http_server import answering, says
from parts.one_round import one_round
from parts.prometheus_server import PrometheusServer
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.kubernetes import Endpoint, ServiceEndpoints
from tidegate.scalers.metrics_api import MetricsApi

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("prometheus")]

ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def prometheus(servers: Servers) -> PrometheusServer:
    return servers.get(PrometheusServer)


@pytest.fixture(scope="module")
def etcd(servers: Servers) -> EtcdServer:
    return servers.get(EtcdServer)


def build(url: str, location: str, *, auth: Any = None, **more: str) -> MetricsApi:
    texts = {"url": url, "valueLocation": location, "targetValue": "5", **more}
    trigger = Trigger(type="metrics-api", metadata=texts)
    made = reading.build(MetricsApi, trigger, Sources(texts, {}, auth or {}), Scope("s"))
    assert isinstance(made, MetricsApi), made
    return made


async def test_numbers_of_real_pages_are_found(prometheus: PrometheusServer, etcd: EtcdServer) -> None:
    pages = f"http://{prometheus.address}/metrics"
    ready = 'prometheus_ready{job!="x"}'
    triggers = [
        build(pages, ready, format="prometheus"),
        build(pages, 'prometheus_http_requests_total{code="200",handler="/-/ready"}', format="prometheus"),
        build(f"http://{etcd.address}/metrics", "etcd_server_has_leader", format="prometheus"),
        build(f"http://{prometheus.address}/api/v1/query?query=vector(7)", "data.result.0.value.1"),
        build(f"http://{prometheus.address}/api/v1/query?query=vector(7)", "data.result.#"),
    ]
    ready_value, requests, leader, seven, one = (await one_round(triggers)).values
    assert (ready_value, leader, seven, one) == (1, 1, 7, 1)
    assert requests >= 1


async def test_a_thousand_triggers_of_a_page_are_one_request(
    prometheus: PrometheusServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(prometheus.port)
    page = f"http://{proxy.address}/metrics"
    triggers = [
        build(page, f'prometheus_ready{{job!="{n}"}}', format="prometheus", targetValue=str(n + 1))
        for n in range(1000)
    ]
    round = await one_round(triggers)
    assert round.values == [1] * 1000
    assert proxy.requests == ["GET /metrics"]


async def test_every_ready_endpoint_is_asked_with_the_login() -> None:
    async with answering(says({"n": 3})) as fake, answering(says("busy", 500), port=0) as bad:
        good = Endpoint("127.0.0.1", (fake.port,))
        endpoints = {
            "good": (good, Endpoint("127.0.0.2", (fake.port,))),
            "mixed": (good, Endpoint("127.0.0.1", (bad.port,))),
        }

        async def objects(question: Any) -> Any:
            assert isinstance(question, ServiceEndpoints)
            return endpoints[question.service]

        def trigger(service: str, how: str) -> MetricsApi:
            return build(
                f"http://{service}.shop:80/stats",
                "n",
                auth={"token": "hunter2"},
                authModes="bearer",
                aggregateFromKubeServiceEndpoints="true",
                aggregationType=how,
            )

        round = await one_round(
            [trigger("mixed", "average"), trigger("mixed", "sum"), trigger("good", "sum")], objects=objects
        )
        average, total, refused = round.values
        assert average == 3
        assert "500 Internal Server Error" in total
        assert "connection refused" in refused
        assert {one.headers["Authorization"] for one in fake.requests} == {"Bearer hunter2"}


@pytest.mark.parametrize(
    ("auth", "modes", "header"),
    [
        ({"apiKey": "hunter2"}, "apiKey", "X-API-KEY"),
        ({"apiKey": "hunter2", "keyParamName": "X-Shop"}, "apiKey", "X-Shop"),
        ({"token": "hunter2"}, "bearer", "Authorization"),
        ({"username": "u", "password": "hunter2"}, "basic", "Authorization"),
        ({"customAuthHeader": "X-Custom", "customAuthValue": "hunter2"}, "custom", "X-Custom"),
    ],
)
async def test_each_login_goes_out(auth: dict[str, str], modes: str, header: str) -> None:
    async with answering(says({"n": 3})) as fake:
        round = await one_round([build(f"{fake.origin}/x", "n", auth=auth, authModes=modes)])
        assert round.values == [3]
        assert header in fake.requests[0].headers


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any) -> None:
    async with fault() as bad:
        (one,) = (await one_round([build(f"http://{bad.address}/", "n")], timeout_s=0.3)).readings
    assert one.failure is not None
    assert one.failure.kind == "Unreachable"
    assert bad.address in one.failure.message


@pytest.mark.parametrize("format", ["json", "yaml", "xml", "prometheus"])
@pytest.mark.parametrize("status", ["200 OK", "201 Created", "404 Not Found", "500 X"])
async def test_no_other_answer_is_a_number_or_shown(format: str, status: str) -> None:
    async with faults.answering(b"<hunter2>", status) as bad:
        address = f"http://{bad.address}/x?token=hunter2"
        (one,) = (await one_round([build(address, "n", format=format)])).readings
    assert one.failure is not None
    assert "hunter2" not in one.failure.message


async def test_ten_megabytes_are_not_read() -> None:
    async with faults.huge() as bad:
        (said,) = (await one_round([build(f"http://{bad.address}/", "n")])).values
        assert "larger than 4 MiB" in said
