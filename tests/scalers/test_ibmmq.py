"""The ibmmq trigger against a fake of the MQSC endpoint: depths, refusals, listings.

Source: https://www.ibm.com/docs/en/ibm-mq/9.4?topic=adminactionqmgrqmgrnamemqsc-post (`runCommandJSON`)
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import Answer, answering
from parts.http_trigger import SECRET, HttpCase, build
from parts.one_round import one_round
from tidegate.connections.adapter import Surroundings
from tidegate.connections.ibmmq import connect
from tidegate.kit.systems.ibmmq import MqServer, QueueDepth, combined
from tidegate.testing.sheets import Sample

SAMPLES = {"ibmmq": Sample()}

BASE = {"queueName": "ORDERS"}
AUTH = {"username": "u", "password": SECRET}
PATH = "/ibmmq/rest/v2/admin/action/qmgr/QM1/mqsc"
DEPTHS = {"ORDERS": 7, "EMPTY": 0, "A": 1, "B": 2, **{f"Q{n}": 7 for n in range(200)}}


def element(queue: str, **parameters: Any) -> dict[str, Any]:
    return {"completionCode": 0, "reasonCode": 0, "parameters": {"queue": queue, **parameters}}


def manager(may_list: bool = True, hidden: frozenset[str] = frozenset()) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path != PATH:
            return web.json_response({"error": [{"message": "never shown"}]}, status=404)
        assert request.headers["ibm-mq-rest-csrf-token"]
        asked = json.loads(await request.read())
        assert (asked["command"], asked["qualifier"]) == ("display", "qlocal")
        name = asked["name"]
        if name == "*":
            if not may_list:
                return web.json_response({"error": []}, status=403)
            found = [element(queue, curdepth=depth) for queue, depth in DEPTHS.items() if queue not in hidden]
        elif name in DEPTHS:
            found = [element(name, curdepth=DEPTHS[name])]
        elif name == "NODEPTH":
            found = [element(name)]
        else:
            text = "AMQ8147E: IBM MQ object never shown not found."
            found = [{"completionCode": 2, "reasonCode": 2085, "message": [text]}]
        body = {"commandResponse": found, "overallCompletionCode": 0, "overallReasonCode": 0}
        return web.json_response(body)

    return answer


HTTP = HttpCase(
    "ibmmq",
    {**BASE, "host": f"{{origin}}{PATH}"},
    manager(),
    7,
    AUTH,
    another=lambda n: {"queueName": f"Q{n}"},
    apart=1,
)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({}, 7),
        ({"queueName": "EMPTY"}, 0),
        ({"queueName": "A,B"}, 2),
        ({"queueName": "A, B", "operation": "sum"}, 3),
        ({"queueNames": "A,B", "queueName": "", "operation": "avg"}, 1),
        (
            {"queueName": "A,GONE"},
            "the queue manager refused it for queue GONE (AMQ8147E); check `queueName`",
        ),
        ({"queueName": "NODEPTH"}, "failed to get the current queue depth parameter for queue NODEPTH"),
        ({"queueName": 'X", "y'}, "the queue manager refused it"),
    ],
)
async def test_depths_become_one_number(metadata: dict[str, str], said: Any) -> None:
    async with answering(manager()) as fake:
        (value,) = (
            await one_round([build("ibmmq", {**BASE, "host": fake.origin + PATH, **metadata}, AUTH)])
        ).values
        assert value == said or str(said) in str(value)
        assert "never shown" not in str(value)


async def test_a_few_queues_are_asked_for_one_by_one() -> None:
    async with answering(manager()) as fake:
        triggers = [
            build("ibmmq", {"queueName": f"Q{n}", "host": fake.origin + PATH}, AUTH) for n in range(7)
        ]
        assert (await one_round(triggers)).values == [7] * 7
        assert sorted(json.loads(body)["name"] for body in fake.bodies) == [f"Q{n}" for n in range(7)]


async def test_what_a_listing_does_not_show_is_asked_for_alone() -> None:
    async with answering(manager(hidden=frozenset({"Q3"}))) as fake:
        names = [*(f"Q{n}" for n in range(10)), "GONE"]
        triggers = [build("ibmmq", {"queueName": one, "host": fake.origin + PATH}, AUTH) for one in names]
        *values, gone = (await one_round(triggers)).values
        assert values == [7] * 10
        assert "AMQ8147E" in gone
        assert sorted(json.loads(body)["name"] for body in fake.bodies) == ["*", "GONE", "Q3"]


async def test_who_may_not_list_asks_for_each_from_then_on() -> None:
    async with answering(manager(may_list=False)) as fake:
        server = MqServer(fake.origin, PATH, "u", "p")
        questions = [QueueDepth(server, f"Q{n}") for n in range(10)]
        adapter = connect(server, Surroundings(timeout_s=10))
        assert list(await adapter.answer(questions)) == [7] * 10
        assert len(fake.requests) == 11
        assert list(await adapter.answer(questions)) == [7] * 10
        assert len(fake.requests) == 21
        await adapter.close()


def test_depths_are_combined_as_whole_numbers() -> None:
    assert [combined((1, 2, 6), how) for how in ("max", "sum", "avg")] == [6, 9, 3]
    assert combined((1, 2), "avg") == 1


@pytest.mark.parametrize(
    ("metadata", "auth", "path"),
    [
        ({"host": "mq"}, {}, "host"),
        ({"queueName": "A,"}, {}, "queueName"),
        ({"operation": "min"}, {}, "operation"),
        ({}, {"cert": "c"}, "key"),
        ({}, {"password": ""}, "password"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], auth: dict[str, str], path: str) -> None:
    problems = build("ibmmq", {**BASE, "host": "https://h/m", **metadata}, {**AUTH, **auth})
    assert [one.path for one in problems] == [path]


def test_the_metric_is_called_after_the_first_queue() -> None:
    made = build("ibmmq", {"queueName": "DEV.QUEUE.1,B", "host": "https://h/m"}, AUTH)
    assert made.metric_name() == "ibmmq-DEV-QUEUE-1"
