"""The solace-event-queue trigger against a fake of SEMP v2: three metrics, pairs of brokers, refusals.

Source: https://docs.solace.com/API-Developer-Online-Ref-Documentation/swagger-ui/software-broker/monitor/index.html
"""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from parts.decisions import scaled_object
from parts.http_server import Answer, answering, says
from parts.http_trigger import SECRET, HttpCase, build
from parts.one_round import one_round
from tidegate.base.errors import Failure
from tidegate.kit.reading import Sources
from tidegate.kit.systems.solace import SempFields
from tidegate.review.hpa import wanted_hpa
from tidegate.review.manifest import review
from tidegate.testing.sheets import Sample


def sample(question: Any) -> Any:
    assert isinstance(question.pick, SempFields)
    return ("up",) if len(question.pick.paths) == 1 else (7, 0, 0)


SAMPLES = {"solace-event-queue": Sample(sample, is_active=True)}

BASE = {"messageVpn": "shop", "queueName": "orders", "messageCountTarget": "20"}
AUTH = {"username": "u", "password": SECRET}
NO_SUCH = {
    "meta": {"responseCode": 400, "error": {"code": 6, "description": "never shown", "status": "NOT_FOUND"}}
}


def broker(state: str = "up", count: Any = 7, spool: Any = 3 << 20, rate: Any = 2) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if path == "/SEMP/v2/monitor/msgVpns/shop":
            assert request.query["select"] == "state"
            return web.json_response({"data": {"state": state}, "meta": {"responseCode": 200}})
        if not path.startswith("/SEMP/v2/monitor/msgVpns/shop/queues/") or path.endswith("/gone"):
            return web.json_response(NO_SUCH, status=400)
        body: dict[str, Any] = {
            "collections": {"msgs": {"count": count}},
            "data": {"msgSpoolUsage": spool, "averageRxMsgRate": rate},
            "meta": {"responseCode": 200},
        }
        return web.json_response(body)

    return answer


HTTP = HttpCase(
    "solace-event-queue",
    {**BASE, "solaceSempBaseURL": "{origin}"},
    broker(),
    7,
    AUTH,
    requests=2,
    another=lambda n: {"queueName": f"q{n}"},
    apart=201,
)


async def test_each_target_is_a_metric_in_one_order() -> None:
    async with answering(broker()) as fake:
        targets = {"messageSpoolUsageTarget": "1", "messageReceiveRateTarget": "5"}
        made = build("solace-event-queue", {**BASE, "solaceSempBaseURL": fake.origin, **targets}, AUTH)
        (reading,) = (await one_round([made])).readings
        assert reading.values == (7, 3 << 20, 2)
        assert [(one.name, one.target) for one in made.metric_specs()] == [
            ("solace-orders-msgcount", 20),
            ("solace-orders-msgspoolusage", 1 << 20),
            ("solace-orders-msgrcvrate", 5),
        ]
        assert len(fake.requests) == 2


def test_the_hpa_gets_all_of_them() -> None:
    metadata = {**BASE, "solaceSempBaseURL": "https://h", "messageReceiveRateTarget": "5"}
    object = scaled_object(triggers=[{"type": "solace-event-queue", "metadata": metadata}])
    found = review(object, lambda _: Sources(metadata, auth=AUTH))
    metrics = wanted_hpa(object, found.triggers)["spec"]["metrics"]
    assert [one["external"]["metric"]["name"] for one in metrics] == [
        "s0-solace-orders-msgcount",
        "s0-solace-orders-msgrcvrate",
    ]


@pytest.mark.parametrize(
    ("counts", "activation", "is_active"),
    [
        ((0, 0, 0), {}, False),
        ((1, 0, 0), {}, True),
        ((0, 1, 0), {}, True),
        ((0, 0, 1), {}, True),
        ((5, 0, 0), {"activationMessageCountTarget": "5"}, False),
        ((0, 1 << 20, 0), {"activationMessageSpoolUsageTarget": "1"}, False),
        ((0, (1 << 20) + 1, 0), {"activationMessageSpoolUsageTarget": "1"}, True),
        ((0, 0, 3), {"activationMessageReceiveRateTarget": "3"}, False),
    ],
)
async def test_any_of_the_three_activates(
    counts: tuple[int, int, int], activation: dict[str, str], is_active: bool
) -> None:
    async with answering(broker("up", *counts)) as fake:
        made = build("solace-event-queue", {**BASE, "solaceSempBaseURL": fake.origin, **activation}, AUTH)
        (reading,) = (await one_round([made])).readings
        assert (reading.values, reading.active) == ((counts[0],), is_active)


async def test_the_broker_that_is_active_is_asked() -> None:
    async with answering(broker("down")) as standby, answering(broker()) as active:
        async with answering(broker()) as gone:
            dead = gone.origin
        for urls in (
            f"{standby.origin},{active.origin}",
            f"{dead},{active.origin}",
            f"{dead},{standby.origin},{active.origin}",
            f"{active.origin},{dead}",
        ):
            made = build("solace-event-queue", {**BASE, "solaceSempBaseURL": urls}, AUTH)
            assert (await one_round([made])).values == [7]
        assert all("queues" not in one.path for one in standby.requests)


@pytest.mark.parametrize(
    ("answer", "metadata", "said"),
    [
        (broker("down"), {}, "cannot find the message VPN on Solace"),
        (broker(), {"queueName": "gone"}, "cannot read the queue on Solace"),
        (broker(), {"messageVpn": "gone"}, "cannot find the message VPN on Solace"),
        (broker(count=None), {}, "the answer lacks what was asked for"),
        (broker(count="7"), {}, "something else than was asked for"),
        (broker(count=7.5), {}, "something else than was asked for"),
        (broker(rate=-1), {}, "something else than was asked for"),
        (says({"data": {"state": "up"}}), {}, "the answer does not say that it is good"),
        (says({"data": {"state": "up"}, "meta": {"responseCode": 500}}), {}, "does not say that it is good"),
    ],
)
async def test_what_is_no_count_is_told(answer: Answer, metadata: dict[str, str], said: str) -> None:
    async with answering(answer) as fake:
        made = build("solace-event-queue", {**BASE, "solaceSempBaseURL": fake.origin, **metadata}, AUTH)
        (reading,) = (await one_round([made])).readings
        assert isinstance(reading.failure, Failure)
        assert said in reading.failure.message
        assert "never shown" not in reading.failure.message


async def test_names_are_encoded() -> None:
    async with answering(broker()) as fake:
        made = build(
            "solace-event-queue", {**BASE, "solaceSempBaseURL": fake.origin, "queueName": "a/b c"}, AUTH
        )
        assert (await one_round([made])).values == [7]
        assert any(
            one.raw_path.startswith("/SEMP/v2/monitor/msgVpns/shop/queues/a%2Fb%20c?")
            for one in fake.requests
        )


@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        ({"messageCountTarget": "0"}, "messageCountTarget", "no target value found"),
        ({"messageCountTarget": "1.5"}, "messageCountTarget", "is not a whole number"),
        ({"solaceSempBaseURL": "https://h,"}, "solaceSempBaseURL", "Url[1]: ''"),
        ({"solaceSempBaseURL": "h:943"}, "solaceSempBaseURL", "is not an absolute URL"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str, message: str) -> None:
    (problem,) = build("solace-event-queue", {**BASE, "solaceSempBaseURL": "https://h", **metadata}, AUTH)
    assert problem.path == path
    assert message in problem.message
