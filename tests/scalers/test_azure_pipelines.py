"""Azure Pipelines against a fake of its REST API: pools, queued jobs, demands, parents.

The jobs have the shape of `distributedtask/pools/{id}/jobrequests`.
Source: https://learn.microsoft.com/en-us/rest/api/azure/devops/distributedtask/
"""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from parts.http_server import HttpFake, answering, says
from parts.one_round import one_round
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.core.values import MetricSpec
from tidegate.kit import reading
from tidegate.kit.identity import Identity
from tidegate.kit.picking.gjson import Json
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.azure_devops import Demands, Job
from tidegate.testing.sheets import Sample


def well(question: Any) -> Any:
    return (
        [7] if isinstance(question.pick, Json) else (Job(("maven",)), Job(("maven", "docker")), Job(("go",)))
    )


SAMPLES = {"azure-pipelines": Sample(well, values=(2,), zeros=((),))}

AGENTS = [{"name": "big"}, {"name": "small"}]
TAKEN = {"requestId": 3, "receiveTime": "2026-03-04T12:00:00Z", "demands": ["maven"]}
ENDED = {"requestId": 4, "result": "succeeded", "demands": ["maven"]}


def job(*demands: str, **more: Any) -> dict[str, Any]:
    return {"requestId": 1, "queueTime": "2026-03-04T12:00:00Z", "demands": list(demands), **more}


def build(
    url: str = "https://dev.azure.com/shop",
    auth: dict[str, str] | None = None,
    identity: Identity | None = None,
    **metadata: str,
) -> Any:
    kind = scalers.find("azure-pipelines")
    assert kind is not None
    texts = {"organizationURL": url, "poolID": "7", **metadata}
    sources = Sources(
        texts, {}, {"personalAccessToken": "hunter2\n"} if auth is None else auth, identity=identity
    )
    return reading.build(kind, Trigger(type="azure-pipelines", metadata=texts), sources, Scope("shop"))


async def polled(fake: HttpFake, *triggers: dict[str, str]) -> list[Any]:
    built = [build(f"{fake.origin}/shop", **metadata) for metadata in triggers]
    return (await one_round(built)).values


@pytest.mark.parametrize(
    ("ours", "how", "theirs", "is_met"),
    [
        (("maven", "docker"), {}, ("maven",), True),
        (("maven",), {}, ("maven", "docker"), False),
        (("maven",), {}, (), True),
        (("maven",), {}, ("Agent.Version -gtVersion 2", "maven"), True),
        (("Maven",), {}, ("maven",), False),
        (("Maven",), {"ignores_case": True}, ("maven",), True),
        (("maven", " docker"), {}, ("docker",), False),
        (("maven",), {"are_all": True}, ("maven",), True),
        (("maven", "docker"), {"are_all": True}, ("maven",), False),
        (("maven",), {"are_all": True}, ("maven", "docker"), False),
        (("maven",), {"are_ours": True}, ("maven", "docker"), True),
        (("maven", "docker"), {"are_ours": True}, ("maven",), False),
        (("maven",), {"are_all": True, "are_ours": True}, ("maven", "docker"), False),
    ],
)
def test_demands_are_compared_as_the_settings_say(
    ours: tuple[str, ...], how: dict[str, bool], theirs: tuple[str, ...], is_met: bool
) -> None:
    assert Demands(ours, **how).are_met(Job(theirs)) == is_met


async def test_triggers_of_a_pool_share_one_answer_and_count_their_own_jobs() -> None:
    jobs = [job("maven"), job("maven", "docker"), job("go"), job(), TAKEN, ENDED]
    async with answering(says({"count": 6, "value": jobs})) as fake:
        values = await polled(
            fake,
            {},
            {"demands": "maven"},
            {"demands": "maven,docker"},
            {"demands": "go", "requireAllDemands": "true"},
        )
        assert values == [4, 2, 3, 1]
        assert fake.paths() == ["/shop/_apis/distributedtask/pools/7/jobrequests?$top=250"]
        assert fake.requests[0].headers["Authorization"] == "Basic Omh1bnRlcjI="


@pytest.mark.parametrize(
    ("metadata", "query"),
    [
        ({}, "?$top=250"),
        ({"jobsToFetch": "20"}, "?$top=20"),
        ({"fetchUnfinishedJobsOnly": "true"}, "?completedRequestCount=0"),
        ({"fetchUnfinishedJobsOnly": "true", "parent": "big"}, "?completedRequestCount=0"),
        ({"parent": "big"}, ""),
    ],
)
async def test_how_many_jobs_are_fetched(metadata: dict[str, str], query: str) -> None:
    async with answering(says({"value": [job(matchedAgents=AGENTS), job("x")]})) as fake:
        (value,) = await polled(fake, metadata)
        assert fake.paths() == [f"/shop/_apis/distributedtask/pools/7/jobrequests{query}"]
    assert value == (1 if "parent" in metadata else 2)


async def test_a_pool_is_found_by_its_name_and_its_number_names_the_metric() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("poolName") == "my builders":
            return web.json_response({"value": [{"id": 12, "name": "my builders"}]})
        return web.json_response({"value": [job()]})

    async with answering(answer) as fake:
        built = build(f"{fake.origin}/shop", poolName="my builders", targetPipelinesQueueLength="3")
        (reading_,) = (await one_round([built])).readings
    assert reading_.values == (1.0,)
    assert reading_.specs == (MetricSpec("azure-pipelines-12", 3.0),)
    assert fake.paths()[1] == "/shop/_apis/distributedtask/pools/12/jobrequests?$top=250"


@pytest.mark.parametrize("pools", [[], [{"id": 1}, {"id": 2}]])
async def test_a_name_that_is_not_one_pools_is_told(pools: list[Any]) -> None:
    async with answering(says({"value": pools})) as fake:
        (told,) = await polled(fake, {"poolName": "builders"})
    assert f"{len(pools)} agent pools have the name builders" in told


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("<html>Sign in</html>", 203, "203"),
        ({"message": "hunter2"}, 401, "401 Unauthorized"),
        ({"value": None}, 200, "no list of jobs"),
        ({"value": ["x"]}, 200, "no object"),
        ({"value": [{"demands": "maven"}]}, 200, "no lists"),
        ("", 200, "the answer is empty"),
        ({}, 500, "500"),
    ],
)
async def test_anything_else_is_a_failure_and_never_a_zero(body: Any, status: int, words: str) -> None:
    async with answering(says(body, status)) as fake:
        (told,) = await polled(fake, {})
    assert words in str(told)
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"url": "https://dev.azure.com/"}, ["organizationURL"]),
        ({"url": "dev.azure.com/shop"}, ["organizationURL"]),
        ({"auth": {}}, ["personalAccessToken"]),
        ({"poolID": ""}, ["poolName"]),
        ({"poolID": "seven"}, ["poolID"]),
        ({"jobsToFetch": "5", "parent": "big"}, ["jobsToFetch"]),
        ({"jobsToFetch": "5", "fetchUnfinishedJobsOnly": "false"}, ["jobsToFetch"]),
        ({"jobsToFetch": "5", "fetchUnfinishedJobsOnly": "true", "parent": "b"}, ["jobsToFetch"] * 2),
    ],
)
def test_mistakes_are_told_by_their_setting(given: dict[str, Any], paths: list[str]) -> None:
    assert [problem.path for problem in build(**given)] == paths


def test_a_token_comes_before_an_identity() -> None:
    azure = Identity("azure-workload")
    assert build(identity=azure).asks_as() is None
    assert build(auth={}, identity=azure).asks_as() == azure
