"""The solace-direct-messaging trigger against a fake of SEMP v1: clients, their queues, four metrics.

Source: https://docs.solace.com/Admin/SEMP/SEMP-v1-Guide.htm (`rpc-reply`, `execute-result`) and the fields of
`show client`.
"""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from parts.http_server import Answer, answering, says
from parts.http_trigger import SECRET, HttpCase, build
from parts.one_round import one_round
from tidegate.kit.systems.solace import Sums
from tidegate.testing.sheets import Sample

SAMPLES = {"solace-direct-messaging": Sample(lambda _: Sums(7, 0, 0, 0, 0, 0), is_active=True)}

BASE = {"messageVpn": "shop", "clientNamePattern": "worker", "aggregatedClientTxMsgRateTarget": "600"}
AUTH = {"username": "u", "password": SECRET}
ALL = {
    "aggregatedClientTxByteRateTarget": "1",
    "aggregatedClientAverageTxByteRateTarget": "2",
    "aggregatedClientTxMsgRateTarget": "3",
    "aggregatedClientAverageTxMsgRateTarget": "4",
}


def client(vpn: str = "shop", rates: tuple[Any, ...] = (1, 2, 30, 40), queues: str = "") -> str:
    names = ("rate-per-second", "rate-per-minute", "byte-rate-per-second", "byte-rate-per-minute")
    kinds = ("current-egress", "average-egress", "current-egress", "average-egress")
    stats = "".join(
        f"<{kind}-{name}>{rate}</{kind}-{name}>" for kind, name, rate in zip(kinds, names, rates, strict=True)
    )
    parts = f"<name>worker-1</name><message-vpn>{vpn}</message-vpn><stats>{stats}</stats>{queues}"
    return f"<client>{parts}</client>"


def queue(priority: str, messages: Any, work: Any) -> str:
    counts = f"<length-msgs>{messages}</length-msgs><length-work>{work}</length-work>"
    return f"<client-queue><queue-priority>{priority}</queue-priority>{counts}</client-queue>"


def reply(*clients: str, code: str = "ok", more: str = "") -> str:
    inner = f"<primary-virtual-router>{''.join(clients)}</primary-virtual-router>"
    shown = f"<rpc><show><client>{inner}</client></show></rpc>{more}"
    return f'<rpc-reply semp-version="soltr/9_13">{shown}<execute-result code="{code}"/></rpc-reply>'


def broker(text: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path != "/SEMP" or request.method != "POST":
            return web.Response(status=404)
        return web.Response(text=text, content_type="application/xml")

    return answer


HTTP = HttpCase(
    "solace-direct-messaging",
    {**BASE, "solaceSempBaseURL": "{origin}"},
    broker(reply(client(rates=(7, 0, 0, 0)))),
    7,
    AUTH,
    another=lambda n: {"clientNamePattern": f"w{n}"},
)


async def values(text: str, **metadata: str) -> Any:
    async with answering(broker(text)) as fake:
        made = build("solace-direct-messaging", {**BASE, "solaceSempBaseURL": fake.origin, **metadata}, AUTH)
        (reading,) = (await one_round([made])).readings
        return reading.failure.message if reading.failure else (reading.values, reading.active)


async def test_rates_of_all_clients_are_added_with_what_waits() -> None:
    queues = queue("D-1", 2, 5) + queue("G-1", 100, 100)
    text = reply(client(queues=queues), client(), client("other", (1000, 1000, 1000, 1000)))
    work = 5 * 3 * 2048
    assert await values(text, **ALL) == ((60 + work, 80 + work, 2 + 6, 4 + 6), True)
    work = 5 * 2048
    assert await values(text, **ALL, queuedMessagesFactor="1") == ((60 + work, 80 + work, 4, 6), True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (reply(), ((0,), True)),
        (reply(client("other")), ((0,), True)),
        (reply(client(rates=(0, 0, 0, 0))), ((0,), True)),
        (reply(client(), code="fail"), "the broker refused the command"),
        (reply(client()).replace('<execute-result code="ok"/>', ""), "the broker refused the command"),
        (reply(client(), more="<more-cookie><rpc/></more-cookie>"), "the answer is not whole"),
        (reply(client(rates=("many", 0, 0, 0))), "a count of the answer is no whole number"),
        (reply(client(queues=queue("D-1", "", 1))), "a count of the answer is no whole number"),
        (reply(client())[:-5], "the answer is not XML"),
        ("<html/>", "the answer is no reply of SEMP"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><rpc-reply/>', "has a DTD or entities"),
    ],
)
async def test_only_a_whole_answer_counts(text: str, said: Any) -> None:
    found = await values(text)
    assert found == said if isinstance(said, tuple) else said in found


async def test_a_pattern_is_escaped_and_the_next_broker_asked() -> None:
    async with answering(says("x", 503)) as bad, answering(broker(reply(client()))) as fake:
        urls = f"{bad.origin},{fake.origin}"
        made = build(
            "solace-direct-messaging", {**BASE, "solaceSempBaseURL": urls, "clientNamePattern": "a<&"}, AUTH
        )
        assert (await one_round([made])).values == [1]
        assert b"<name>*a&lt;&amp;*</name>" in fake.bodies[0]


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"aggregatedClientTxMsgRateTarget": "0"}, "aggregatedClientTxMsgRateTarget"),
        ({"clientNamePattern": "a*"}, "clientNamePattern"),
        ({"queuedMessagesFactor": "0"}, "queuedMessagesFactor"),
        ({"queuedMessagesFactor": "101"}, "queuedMessagesFactor"),
        ({"solaceSempBaseURL": ",https://h"}, "solaceSempBaseURL"),
        ({"activationAggregatedClientTxMsgRateTarget": "x"}, "activationAggregatedClientTxMsgRateTarget"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str) -> None:
    problems = build("solace-direct-messaging", {**BASE, "solaceSempBaseURL": "https://h", **metadata}, AUTH)
    assert [one.path for one in problems] == [path]


def test_metrics_are_called_after_their_targets() -> None:
    made = build("solace-direct-messaging", {**BASE, "solaceSempBaseURL": "https://h", **ALL}, AUTH)
    assert [(one.name, one.target) for one in made.metric_specs()] == [
        (f"solace-dm-worker-{name}", float(target)) for name, target in ALL.items()
    ]
