"""The operator's TLS port: who is let in where, and what a replica says that does not lead."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from parts.reviewing import Rights
from parts.tls_parts import Maker, held, trusting
from parts.waiting import until
from tidegate.api.metric_stream import Metric
from tidegate.base.errors import Failure
from tidegate.kube.resource import ApiError, Resource
from tidegate.metricsapi.connecting import Operator
from tidegate.metricsapi.link import Link
from tidegate.operator.scaledobject.external_metrics import Answered, OnChange
from tidegate.operator.serving.site import LeaderSite, Leading, Listen
from tidegate.runtime.clock import SystemClock

SERVICE = "keda-operator.keda.svc"
CLIENT = "keda-metrics-apiserver.keda.svc"
METRIC = Metric("shop", "web", "s0-redis-jobs")
PATIENCE_S = 0.5
PATH = "/explain/scaledobjects/shop/web"


class OneValue:
    """An operator for which everything is 7."""

    async def renew(self, metric: Metric, spare_s: float) -> None: ...

    async def after_first_look(self, metric: Metric) -> Answered:
        return Answered((7.0,), asyncio.get_running_loop().time(), 15.0, 30.0)

    def kept(self, metric: Metric, before: Answered | None = None) -> Answered:
        return Answered((7.0,))

    def heard(self, metric: Metric) -> None: ...

    def on_change(self, listener: OnChange) -> None: ...

    def forget(self, listener: OnChange) -> None: ...


async def explain(resource: Resource, namespace: str, name: str) -> dict[str, Any]:
    if name != "web":
        raise ApiError(404, "NotFound", f"there is no {resource.kind} {namespace}/{name}")
    return {"kind": resource.kind, "name": name}


@dataclass
class Port:
    """A listening operator, and callers of it."""

    site: LeaderSite
    rights: Rights
    ours: Maker
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.site.port}"

    def link(self, maker: Maker, name: str = CLIENT, authority: str = SERVICE) -> Link:
        """A link with a certificate that `maker` has signed for `name`; it trusts ours."""
        certificates = held(self.ours.trust, maker.pair(name))
        operator = Operator(self.address, certificates.client_context, authority)
        link = Link(operator.stream, SystemClock(), self.address, patience_s=PATIENCE_S)
        self.tasks.append(asyncio.create_task(link.run()))
        return link

    async def get(
        self, path: str, context: ssl.SSLContext | None = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                f"https://{self.address}{path}",
                ssl=context or trusting(self.ours.trust),
                server_hostname=SERVICE,
                headers=named,
            ) as response,
        ):
            return response.status, await response.json()


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    rights, ours = Rights(), Maker()
    rights.tokens = {"good": "jane", "other": "joe"}
    rights.allowed = {("jane", "get", "scaledobjects")}
    context = held(ours.trust, ours.pair(SERVICE)).listening_context(asks_client=True)
    site = LeaderSite(
        Listen(CLIENT, port=0, host="127.0.0.1"),
        context,
        rights.reviewer(SystemClock()),
        SystemClock(),
        lambda: "this replica stands by: keda-operator-a leads",
    )
    await site.start()
    site.leading = Leading(OneValue(), explain)
    made = Port(site, rights, ours)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    await site.stop()
    await site.stop()


async def said(link: Link) -> str:
    told = await link.answer(METRIC)
    assert isinstance(told, Failure)
    return told.message


async def test_a_metrics_api_server_follows_values_with_its_certificate(port: Port) -> None:
    told = await port.link(port.ours).answer(METRIC)
    assert not isinstance(told, Failure), told.message
    assert told.values == (7.0,)


async def test_a_certificate_of_our_authority_for_another_service_is_refused(port: Port) -> None:
    told = await said(port.link(port.ours, "keda-admission-webhooks.keda.svc"))
    assert f"the client certificate is not for {CLIENT}" in told


async def test_a_certificate_of_another_authority_is_refused(port: Port) -> None:
    link = port.link(Maker())
    assert "it is away since" in await said(link)
    assert not link.is_open


async def test_whoever_shows_no_certificate_follows_nothing(port: Port) -> None:
    status, body = await port.get("/stream")
    assert (status, body["reason"]) == (401, "Unauthorized")
    assert "a client certificate is needed here" in body["message"]


async def test_an_operator_under_another_name_is_not_believed(port: Port) -> None:
    link = port.link(port.ours, authority="keda-operator.elsewhere.svc")
    assert "keda-operator.elsewhere.svc" in await said(link)


async def test_a_replica_that_does_not_lead_says_who_does(port: Port) -> None:
    port.site.leading = None
    assert "this replica stands by: keda-operator-a leads" in await said(port.link(port.ours))
    status, body = await port.get(PATH, Authorization="Bearer good")
    assert (status, body["message"]) == (503, "this replica stands by: keda-operator-a leads")


async def test_a_leader_that_ends_closes_its_streams(port: Port) -> None:
    link = port.link(port.ours)
    assert not isinstance(await link.answer(METRIC), Failure)
    await port.site.stop()
    await until(lambda: not link.is_open, 5)


async def test_what_is_no_message_ends_the_stream_of_who_sent_it_alone(port: Port) -> None:
    link = port.link(port.ours)
    await link.answer(METRIC)
    other = Operator(port.address, held(port.ours.trust, port.ours.pair(CLIENT)).client_context, SERVICE)
    async with other.stream() as socket:
        assert await socket.receive() is not None
        await socket.send(b'{"type":"questions","questions":7}')
        assert await socket.receive() is None
    assert link.is_open


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({"Authorization": "Bearer good"}, 200, None),
        ({"Authorization": "Bearer other"}, 403, 'User "joe" cannot get resource "scaledobjects"'),
        ({"Authorization": "Bearer stolen"}, 401, "the bearer token is not good"),
        ({"Authorization": "Basic YTpi"}, 401, "a bearer token of this cluster is needed"),
        ({}, 401, "a bearer token of this cluster is needed"),
        # Anybody can write headers; they count from the metrics API server alone.
        ({"X_Remote_User": "jane"}, 401, "a client certificate is needed here"),
    ],
)
async def test_explained_is_what_the_caller_may_get(
    port: Port, headers: dict[str, str], status: int, message: str | None
) -> None:
    found, body = await port.get(PATH, **headers)
    assert found == status, body
    if message is None:
        assert body == {"kind": "ScaledObject", "name": "web"}
    else:
        assert message in body["message"]


@pytest.mark.parametrize(("user", "status"), [("jane", 200), ("joe", 403)])
async def test_a_metrics_api_server_asks_for_its_callers(port: Port, user: str, status: int) -> None:
    context = held(port.ours.trust, port.ours.pair(CLIENT)).client_context()
    found, _ = await port.get(PATH, context, X_Remote_User=user)
    assert found == status


async def test_an_object_that_is_not_there_and_a_path_that_is_none(port: Port) -> None:
    good = {"Authorization": "Bearer good"}
    status, body = await port.get("/explain/scaledobjects/shop/none", **good)
    assert (status, body["message"]) == (404, "there is no ScaledObject shop/none")
    assert (await port.get("/explain/secrets/shop/web", **good))[0] == 404
    assert (await port.get("/elsewhere", **good))[0] == 404
