"""Forgejo runners against a fake of its API: scopes, labels, answers, logins.

Source: the API's own description of `…/actions/runners/jobs`, which answers with a list of jobs.
"""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering, says
from parts.one_round import one_round
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.testing.sheets import Sample

JOB = {"id": 1, "repo_id": 2, "name": "build", "runs_on": ["docker"], "status": "waiting", "task_id": 0}
SAMPLES = {"forgejo-runner": Sample(lambda _: [JOB] * 7, zeros=(None, []))}


def build(address: str = "https://forgejo.example.com/", token: str = "hunter2", **metadata: str) -> Any:
    kind = scalers.find("forgejo-runner")
    assert kind is not None
    texts = {"address": address, "labels": "docker,big one", **metadata}
    sources = Sources(texts, {}, {"token": token} if token else {})
    return reading.build(kind, Trigger(type="forgejo-runner", metadata=texts), sources, Scope("shop"))


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        (
            {"owner": "a b", "repo": "web", "org": "o", "global": "true"},
            "repos/a%20b/web/actions/runners/jobs",
        ),
        ({"org": "o/p", "global": "true"}, "orgs/o%2Fp/actions/runners/jobs"),
        ({"global": "true"}, "admin/runners/jobs"),
        ({}, "user/actions/runners/jobs"),
        ({"owner": "alone"}, "user/actions/runners/jobs"),
    ],
)
async def test_the_scope_says_where_jobs_are_listed(metadata: dict[str, str], path: str) -> None:
    async with answering(says([JOB, JOB])) as fake:
        round = await one_round([build(f"{fake.origin}/git/", **metadata)])
        (request,) = fake.requests
    assert round.values == [2]
    assert request.raw_path == f"/git/api/v1/{path}?labels=docker,big%20one"
    assert request.headers["Authorization"] == "token hunter2"


@pytest.mark.parametrize(
    ("body", "status", "value"),
    [
        ([], 200, 0),
        (None, 200, 0),
        ([JOB] * 3, 200, 3),
        ({"jobs": []}, 200, "a dict where a list of jobs was expected"),
        ("no json", 200, "the answer is not JSON"),
        ("", 200, "the answer is empty"),
        ([JOB], 201, "201 Created"),
        ({"message": "hunter2"}, 401, "401 Unauthorized"),
        ({"message": "x"}, 404, "404 Not Found"),
        ("", 302, "302 Found"),
    ],
)
async def test_a_list_is_counted_and_everything_else_is_a_failure(body: Any, status: int, value: Any) -> None:
    async with answering(says(body, status, Location="/login")) as fake:
        (told,) = (await one_round([build(fake.origin)])).values
    if isinstance(value, str):
        assert value in told
        assert "hunter2" not in told
    else:
        assert told == value


async def test_a_thousand_triggers_ask_once_for_each_scope_and_set_of_labels() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response([JOB] * len(request.query["labels"]))

    async with answering(answer) as fake:
        labels = [{"labels": "x" * (1 + number % 10)} for number in range(1000)]
        round = await one_round([build(fake.origin, **one) for one in labels])
        assert len(fake.requests) == 10
        assert fake.most <= 16
    assert round.values == [float(1 + number % 10) for number in range(1000)]


@pytest.mark.parametrize(
    ("metadata", "paths"),
    [
        ({"token": ""}, ["token"]),
        ({"address": "forgejo"}, ["address"]),
        ({"labels": ""}, ["labels"]),
        ({"global": "perhaps"}, ["global"]),
    ],
)
def test_mistakes_are_told_by_their_setting(metadata: dict[str, str], paths: list[str]) -> None:
    assert [problem.path for problem in build(**metadata)] == paths


def test_half_a_repository_is_told_to_count_for_nothing() -> None:
    assert [notice.path for notice in build(owner="a").notices()] == ["owner"]
    assert [notice.path for notice in build(repo="a", org="o").notices()] == ["repo"]
    assert build().metric_name() == "forgejo"
