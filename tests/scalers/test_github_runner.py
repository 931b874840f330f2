"""GitHub runners against a fake of the REST API: crawl, labels, ETags, Apps, limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.github_server import INSTALLATION, TOKEN, FakeGithub
from parts.http_server import HttpFake, answering
from parts.one_round import one_round
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.github.connection import GithubConnection
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.github import GithubApp, GithubJob, GithubJobs, GithubServer, Runner
from tidegate.testing.sheets import Sample

GPU = GithubJob(("self-hosted", "GPU"))
SAMPLES = {
    "github-runner": Sample(lambda _: (GPU, GPU, GithubJob(("gpu", "arm64"))), values=(2,), is_active=True)
}

LINUX = ["self-hosted", "linux", "x64"]


def build(api: str = "https://api.github.com", auth: dict[str, str] | None = None, **metadata: str) -> Any:
    kind = scalers.find("github-runner")
    assert kind is not None
    texts = {"githubApiURL": api, "owner": "shop", "runnerScope": "repo", **metadata}
    sources = Sources(texts, {}, {"personalAccessToken": TOKEN} if auth is None else auth)
    return reading.build(kind, Trigger(type="github-runner", metadata=texts), sources, Scope("shop"))


@pytest.mark.parametrize(
    ("labels", "more", "job", "fits"),
    [
        ((), {}, LINUX, True),
        ((), {}, ["Self-Hosted", "LINUX"], True),
        ((), {}, ["gpu"], False),
        (("gpu",), {}, ["gpu", "x64"], True),
        (("gpu",), {"has_defaults": False}, ["gpu", "x64"], False),
        (("GPU",), {"has_defaults": False}, ["gpu"], True),
        (("gpu",), {}, [], True),
        (("gpu",), {"is_strict": True}, [], False),
        ((), {"is_strict": True}, [], True),
    ],
)
def test_a_runner_takes_jobs_all_of_whose_labels_it_has(
    labels: tuple[str, ...], more: dict[str, bool], job: list[str], fits: bool
) -> None:
    assert Runner(labels, **more).count([GithubJob(tuple(job))]) == int(fits)


@asynccontextmanager
async def github(**fields: Any) -> AsyncIterator[tuple[FakeGithub, HttpFake]]:
    hub = FakeGithub(**fields)
    async with answering(hub.answer) as fake:
        yield hub, fake


def two_repositories() -> dict[str, Any]:
    waiting, running, done = ("queued", LINUX), ("in_progress", LINUX), ("completed", LINUX)
    return {
        "repositories": {"shop": ["web", "api"]},
        "runs": {
            "shop/web": {1: ("queued", [waiting, waiting, done]), 2: ("in_progress", [running])},
            "shop/api": {3: ("queued", [("queued", ["gpu"])]), 4: ("completed", [waiting])},
        },
    }


async def test_waiting_and_running_jobs_of_all_repositories_count_by_their_labels() -> None:
    async with github(**two_repositories()) as (_hub, fake):
        round = await one_round(
            [
                build(fake.origin),
                build(fake.origin, labels="gpu"),
                build(fake.origin, repos="api", labels="gpu"),
            ]
        )
        assert round.values == [3, 4, 1]
        # One list of repositories, two of runs for each, one of jobs for each run under way.
        assert len(fake.requests) == 1 + 2 * 2 + 3
        assert {one.headers["Authorization"] for one in fake.requests} == {f"Bearer {TOKEN}"}
        assert {one.headers["X-GitHub-Api-Version"] for one in fake.requests} == {"2022-11-28"}


async def test_a_thousand_triggers_of_a_login_are_one_crawl() -> None:
    async with github(**two_repositories()) as (_hub, fake):
        round = await one_round([build(fake.origin, labels=f"l{number}") for number in range(1000)])
        assert round.values == [3] * 1000
        assert len(fake.requests) == 8
        assert fake.most <= 16


async def test_what_has_not_changed_costs_nothing_of_the_limit() -> None:
    async with github(**two_repositories()) as (hub, fake):
        adapter = GithubConnection(GithubServer(fake.origin, TOKEN), Surroundings())
        question = GithubJobs(GithubServer(fake.origin, TOKEN), "shop", "repo")
        first = await adapter.answer([question])
        remaining = hub.remaining
        assert await adapter.answer([question]) == first
        assert (hub.remaining, hub.unchanged) == (remaining, 8)
        hub.runs["shop/web"][2] = ("completed", [])
        (jobs,) = await adapter.answer([question])
        assert len(jobs) == 3
        assert remaining - hub.remaining == 1, "only the list that changed"
        await adapter.close()
        await adapter.close()


async def test_repositories_and_runs_are_listed_to_their_last_page() -> None:
    names = [f"r{number}" for number in range(61)]
    many = {number: ("queued", [("queued", ["gpu"])]) for number in range(150)}
    async with github(repositories={"shop": names}, runs={"shop/r60": many}) as (_hub, fake):
        round = await one_round([build(fake.origin, runnerScope="org", labels="gpu")])
        assert round.values == [150]
        assert [path for path in fake.paths() if path.startswith("/orgs/")] == [
            f"/orgs/shop/repos?page={page}" for page in (1, 2, 3)
        ]


async def test_a_list_that_does_not_end_is_a_failure_and_not_counted_in_part() -> None:
    names = [f"r{number}" for number in range(50 * 30)]
    async with github(repositories={"shop": names}, runs={}) as (_hub, fake):
        (told,) = (await one_round([build(fake.origin, runnerScope="org")])).values
        assert len(fake.requests) == 50
    assert "cannot list the repositories of shop" in told
    assert "its page 50 is full still" in told
    assert "name fewer repositories, in `repos`" in told


async def test_a_run_that_changes_its_state_in_between_counts_once() -> None:
    async with github(**two_repositories()) as (hub, fake):
        server = GithubServer(fake.origin, TOKEN)
        adapter = GithubConnection(server, Surroundings())
        real = hub._document

        def document(request: Any) -> Any:
            found = real(request)
            if request.query.get("status") == "queued":
                hub.runs["shop/web"][1] = ("in_progress", hub.runs["shop/web"][1][1])
            return found

        hub._document = document  # type: ignore[method-assign]
        (jobs,) = await adapter.answer([GithubJobs(server, "shop", "repo", ("web",))])
        assert len(jobs) == 3
        await adapter.close()


async def test_a_repository_that_is_not_there_has_no_jobs_and_an_owner_that_is_not_is_an_error() -> None:
    async with github(**two_repositories()) as (_hub, fake):
        (without,) = (await one_round([build(fake.origin, repos="web")])).values
        (value,) = (await one_round([build(fake.origin, repos="gone,web")])).values
        (none,) = (await one_round([build(fake.origin, repos="gone,away")])).values
        (told,) = (await one_round([build(fake.origin, owner="nobody")])).values
    assert value == without
    assert "404 Not Found for shop/gone, shop/away; check `owner` and `repos`" in none
    assert "cannot list the repositories of nobody" in told


async def test_active_from_the_target_on() -> None:
    async with github(**two_repositories()) as (_hub, fake):
        triggers = [build(fake.origin, targetWorkflowQueueLength=str(number)) for number in (0, 3, 4)]
        readings = (await one_round(triggers)).readings
    assert [one.active for one in readings] == [True, True, False]


# --- limits


async def test_a_limit_that_is_used_up_is_unknown_until_its_reset_and_asks_nothing() -> None:
    async with github(**two_repositories(), remaining=3, reset_s=int(time.time()) + 1000) as (_hub, fake):
        server = GithubServer(fake.origin, TOKEN)
        adapter = GithubConnection(server, Surroundings())
        question = GithubJobs(server, "shop", "repo")
        with pytest.raises(Unreachable, match="rate limit exceeded") as caught:
            await adapter.answer([question])
        assert caught.value.retry_after_s is not None
        assert 900 < caught.value.retry_after_s <= 1000
        asked = len(fake.requests)
        with pytest.raises(Unreachable, match="rate limit"):
            await adapter.answer([question])
        assert len(fake.requests) == asked
        await adapter.close()


async def test_a_secondary_limit_is_obeyed() -> None:
    hub = FakeGithub(**two_repositories())

    async def answer(request: Any) -> Any:
        from aiohttp import web

        return web.json_response({}, status=429, headers={"Retry-After": "77"})

    async with answering(answer) as fake:
        adapter = GithubConnection(GithubServer(fake.origin, TOKEN), Surroundings())
        with pytest.raises(Unreachable) as caught:
            await adapter.answer([GithubJobs(GithubServer(fake.origin, TOKEN), "shop", "repo")])
        assert caught.value.retry_after_s == pytest.approx(77, abs=2)
        await adapter.close()
    assert hub.remaining == 5000


# --- logins


def app(hub: FakeGithub, **more: str) -> dict[str, str]:
    return {"appKey": hub.app_key_text(), **more}


async def test_an_app_gets_one_token_for_all_and_another_before_it_ends() -> None:
    async with github(**two_repositories()) as (hub, fake):
        ids = {"applicationID": "42", "installationID": str(INSTALLATION)}
        round = await one_round([build(fake.origin, app(hub), **ids, labels=f"l{n}") for n in range(50)])
        assert round.values == [3] * 50
        assert hub.given == 1
        hub.token_life_s = 30
        server = build(fake.origin, app(hub), **ids).server()
        adapter = GithubConnection(server, Surroundings())
        for _ in range(2):
            await adapter.answer([GithubJobs(server, "shop", "repo", ("web",))])
        await adapter.close()
        assert hub.given > 2, "a token with half a minute left is replaced before it is used up"


@pytest.mark.parametrize("key", ["no PEM", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----"])
async def test_an_apps_key_that_cannot_be_read_is_told_without_it(key: str) -> None:
    server = GithubServer("http://127.0.0.1:1", app=GithubApp(42, INSTALLATION, key))
    adapter = GithubConnection(server, Surroundings())
    (error,) = await adapter.answer([GithubJobs(server, "shop", "repo")])
    assert isinstance(error, Misconfigured)
    assert "hunter2" not in str(error)
    await adapter.close()


async def test_a_wrong_token_is_denied_for_all_and_never_shown() -> None:
    async with github(**two_repositories()) as (_hub, fake):
        server = GithubServer(fake.origin, "ghp_wrong_hunter2")
        adapter = GithubConnection(server, Surroundings())
        with pytest.raises(Denied, match="401 Unauthorized") as caught:
            await adapter.answer(
                [GithubJobs(server, "shop", "repo"), GithubJobs(server, "shop", "repo", ("web",))]
            )
        await adapter.close()
    assert "hunter2" not in str(caught.value) + caught.value.excerpt


# --- faults


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_server_is_unreachable_as_a_whole(fault: Any) -> None:
    async with fault() as bad:
        server = GithubServer(f"http://{bad.address}", TOKEN)
        adapter = GithubConnection(server, Surroundings(timeout_s=0.5))
        try:
            (error,) = await adapter.answer([GithubJobs(server, "shop", "repo", ("web",))])
        except Unreachable as raised:
            error = raised
        await adapter.close()
    assert isinstance(error, Unreachable | Malformed)
    assert TOKEN not in str(error)


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_in_trouble_is_unreachable_and_never_a_zero(status: int) -> None:
    async with github(**two_repositories(), status=status) as (_hub, fake):
        (told,) = (await one_round([build(fake.origin)])).values
    assert str(status) in told
    assert TOKEN not in told


@pytest.mark.parametrize("body", [b"", b"no json", b"{}", b'{"workflow_runs": 5}', b'{"workflow_runs": [5]}'])
async def test_an_answer_of_another_shape_is_malformed(body: bytes) -> None:
    async with faults.answering(body) as bad:
        server = GithubServer(f"http://{bad.address}", TOKEN)
        adapter = GithubConnection(server, Surroundings())
        (error,) = await adapter.answer([GithubJobs(server, "shop", "repo", ("web",))])
        await adapter.close()
    assert isinstance(error, Malformed)


async def test_one_list_that_fails_ends_the_others_of_its_repository() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.query["status"])
        if request.query["status"] == "queued":
            return web.Response(status=500)
        await asyncio.sleep(60)
        return web.json_response({"workflow_runs": []})

    async with answering(answer) as fake:
        server = GithubServer(fake.origin, TOKEN)
        adapter = GithubConnection(server, Surroundings(timeout_s=5))
        with pytest.raises(Unreachable, match="500"):
            await adapter.answer([GithubJobs(server, "shop", "repo", ("web",))])
        await adapter.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [one for one in others if "_runs" in repr(one)]
    assert sorted(asked) == ["in_progress", "queued"]


# --- settings


@pytest.mark.parametrize(
    ("auth", "metadata", "paths"),
    [
        ({}, {}, ["personalAccessToken"]),
        ({"appKey": "k"}, {}, ["applicationID", "installationID"]),
        ({"personalAccessToken": "t"}, {"applicationID": "1"}, ["installationID", "appKey"]),
        (None, {"runnerScope": "team"}, ["runnerScope"]),
        (None, {"owner": "", "runnerScope": ""}, ["owner", "runnerScope"]),
        (None, {"githubApiURL": "github.com"}, ["githubApiURL"]),
        (None, {"targetWorkflowQueueLength": "x"}, ["targetWorkflowQueueLength"]),
    ],
)
def test_all_mistakes_are_told_at_once(
    auth: dict[str, str] | None, metadata: dict[str, str], paths: list[str]
) -> None:
    assert [problem.path for problem in build(auth=auth, **metadata)] == paths
