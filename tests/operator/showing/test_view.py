"""What the dashboard is told of an operator, and what that costs the API server."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest

from parts import virtualtime
from parts.cluster import Cluster, operated, redis, running
from parts.memory_client import MemoryClient
from parts.memory_objects import MemoryObjects
from tidegate.kube.resource import DEPLOYMENTS, PODS, SECRETS, TRIGGER_AUTHENTICATIONS, ApiError
from tidegate.operator.showing import pods
from tidegate.operator.showing.view import OperatorView

WEB = ("scaledobjects", "shop", "web")


class CountingClient(MemoryClient):
    """`asked` are the requests that read, but for those that follow a kind."""

    def __init__(self, clock: Any) -> None:
        super().__init__(MemoryObjects(clock), clock)
        self.asked: list[str] = []

    async def get(self, resource: Any, *words: Any, **more: Any) -> Any:
        self.asked.append(f"get {resource.plural}")
        return await super().get(resource, *words, **more)

    async def list(self, resource: Any, *words: Any, **more: Any) -> Any:
        self.asked.append(f"list {resource.plural}")
        return await super().list(resource, *words, **more)


def counting(story: Callable[[Any, Cluster, CountingClient], Awaitable[None]]) -> Callable[[], None]:
    """A story of a cluster whose requests are counted."""

    def test() -> None:
        async def whole(clock: Any) -> None:
            client = CountingClient(clock)
            cluster = Cluster(clock, client)
            async with running(cluster.operator):
                await story(clock, cluster, client)

        virtualtime.run(whole)

    return test


@operated(jobs=3)
async def test_each_state_is_one_word_with_its_cause(clock: Any, cluster: Cluster) -> None:
    cluster.redis.unreachable.add("down:6379")
    for name in ("web", "idle", "mailer", "held"):
        await cluster.deployment(name, 1)
    await cluster.scaled_object("web")
    await cluster.scaled_object("idle", redis("empty"), cooldownPeriod=0)
    await cluster.scaled_object("mailer", redis("mails", address="down:6379"))
    await cluster.scaled_object("held", metadata={"annotations": {"autoscaling.keda.sh/paused": "true"}})
    await cluster.scaled_object("orphan")
    await cluster.scaled_job("crunch")
    await clock.sleep(40)
    view = OperatorView(cluster.operator)
    assert view.lacks() == ["the objects are being read"]
    await view.look()
    assert view.lacks() == []
    found = {one["name"]: (one["state"], one["why"]) for one in view.entries()}
    assert {name: state for name, (state, _) in found.items()} == {
        "crunch": "active",
        "held": "paused",
        "idle": "idle",
        "mailer": "failing",
        "orphan": "wrong",
        "web": "active",
    }
    assert "connection refused" in found["mailer"][1]
    assert "there is no Deployment shop/orphan" in found["orphan"][1]


def test_what_nothing_was_decided_about_is_new_and_draws_nothing() -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        await cluster.scaled_object("web")
        view = OperatorView(cluster.operator)
        waiting = asyncio.create_task(cluster.operator.run(leads=asyncio.Event().wait))
        await clock.sleep(5)
        await view.look()
        found = await view.object(*WEB)
        assert (found["glance"]["state"], found["curves"], found["explanation"]) == ("new", {}, None)
        assert "was not looked at yet" in found["problem"]
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    virtualtime.run(story)


@operated(jobs=3)
async def test_an_object_that_cannot_be_read_is_there_and_says_why(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_object("web", maxReplicaCount="many")
    await clock.sleep(5)
    view = OperatorView(cluster.operator)
    await view.look()
    [web] = view.entries()
    assert (web["state"], "maxReplicaCount" in web["why"]) == ("wrong", True)
    found = await view.object(*WEB)
    assert (found["glance"]["state"], bool(found["explanation"] or found["problem"])) == ("wrong", True)


@operated(jobs=3)
async def test_numbers_become_curves(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 2)
    await cluster.scaled_object("web", pollingInterval=5)
    await cluster.patch(DEPLOYMENTS, "web", {"status": {"readyReplicas": 1}}, "status")
    await clock.sleep(8)
    view = OperatorView(cluster.operator)
    looking = asyncio.create_task(view.run())
    await clock.sleep(20)
    cluster.redis.lists["jobs"] = 9
    await clock.sleep(20)
    cluster.redis.unreachable.add("redis:6379")
    await clock.sleep(20)
    found = await view.object(*WEB)
    curves = found["curves"]
    assert [value for _, value in curves["metric:s0-redis-jobs"]] == [3, 9, None]
    assert [value for _, value in curves["ready"]] == [1]
    assert curves["replicas"][0][0] <= found["at"]
    assert view.spark(view.entries()[0]) == curves["replicas"]
    looking.cancel()


@counting
async def test_looking_at_hundreds_of_objects_asks_nothing_of_the_api_server(
    clock: Any, cluster: Cluster, client: CountingClient
) -> None:
    for number in range(200):
        await cluster.scaled_object(f"w{number}", redis(f"l{number}"))
    await clock.sleep(60)
    view = OperatorView(cluster.operator)
    client.asked.clear()
    for _ in range(10):
        await view.look()
    assert (len(view.entries()), client.asked) == (200, [])


@counting
async def test_one_object_that_is_shown_costs_the_lists_of_its_own_pods(
    clock: Any, cluster: Cluster, client: CountingClient
) -> None:
    labels = {"matchLabels": {"app": "web"}}
    await cluster.create(DEPLOYMENTS, "web", spec={"replicas": 2, "selector": labels, "template": {}})
    await cluster.scaled_object("web")
    await cluster.scaled_job("crunch")
    await clock.sleep(8)
    view = OperatorView(cluster.operator)
    client.asked.clear()
    for place in (WEB, ("scaledjobs", "shop", "crunch")):
        await view.object(*place)
        await view.pods(*place)
    assert client.asked == ["list pods"] * 4


@operated()
async def test_what_is_not_there_is_told_as_explain_tells_it(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_object("web")
    await clock.sleep(5)
    view = OperatorView(cluster.operator)
    for ask in (view.object, view.pods):
        with pytest.raises(ApiError, match="did you mean web"):
            await ask("scaledobjects", "shop", "wbe")
    for name in ("crunch", "a,b!=c", "../../secrets"):
        with pytest.raises(ApiError, match="there is no ScaledJob"):
            await view.pods("scaledjobs", "shop", name)
    with pytest.raises(ApiError, match="explain takes scaledobjects or scaledjobs"):
        await view.pods("secrets", "shop", "web")


@operated(jobs=3)
async def test_no_secret_is_told(clock: Any, cluster: Cluster) -> None:
    cluster.redis.password = "right"
    encoded = base64.b64encode(b"p4ssw0rd").decode()
    await cluster.create(SECRETS, "login", data={"password": encoded})
    wanted = [{"parameter": "password", "name": "login", "key": "password"}]
    await cluster.create(TRIGGER_AUTHENTICATIONS, "login", spec={"secretTargetRef": wanted})
    await cluster.deployment("web", 1)
    await cluster.scaled_object("web", {**redis(), "authenticationRef": {"name": "login"}})
    await clock.sleep(40)
    view = OperatorView(cluster.operator)
    await view.look()
    told = msgspec.json.encode([view.entries(), await view.object(*WEB)]).decode()
    assert "wrong password" in told
    assert "p4ssw0rd" not in told
    assert encoded not in told


@operated()
async def test_the_pods_of_an_object_are_told_with_their_containers(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job("crunch")
    await cluster.create(
        PODS,
        "crunch-1",
        metadata={"labels": {"scaledjob.keda.sh/name": "crunch"}},
        spec={"initContainers": [{"name": "first"}], "containers": [{"name": "main"}]},
        status={
            "phase": "Running",
            "containerStatuses": [
                {
                    "name": "main",
                    "restartCount": 2,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 3}},
                }
            ],
        },
    )
    await clock.sleep(5)
    found = await OperatorView(cluster.operator).pods("scaledjobs", "shop", "crunch")
    assert found["total"] == 1
    [one] = found["pods"]
    assert (one["name"], one["isReady"], one["restarts"]) == ("crunch-1", False, 2)
    assert one["why"] == "CrashLoopBackOff: exit code 3, 2 restarts"
    assert [(each["name"], each["hasBegun"], each["hasEnded"]) for each in one["containers"]] == [
        ("first", False, False),
        ("main", True, True),
    ]


def test_of_many_pods_those_that_run_come_first_and_the_newest_follow() -> None:
    def pod(number: int, phase: str) -> dict[str, Any]:
        moment = f"2026-01-02T03:{number // 60:02}:{number % 60:02}Z"
        return {
            "metadata": {"name": f"p{number}", "creationTimestamp": moment},
            "status": {"phase": phase},
        }

    made = [pod(0, "Running"), *(pod(number, "Succeeded") for number in range(1, 200))]
    found = pods.told(made)
    assert (found["total"], len(found["pods"])) == (200, pods.SHOWN)
    assert [one["name"] for one in found["pods"][:3]] == ["p0", "p199", "p198"]


class Written:
    """A client whose log is these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.taken = 0

    async def stream(self, path: str, *, query: Mapping[str, str], **how: Any) -> AsyncGenerator[bytes]:
        self.asked.append((path, query))
        for piece in self.pieces:
            self.taken += len(piece)
            yield piece


async def test_a_log_is_its_last_lines_and_never_more_than_a_page_bears() -> None:
    client: Any = Written(b"one\nt", b"wo\n", b"\xff\n")
    text = await pods.log_of(client, "shop", "worker-1", "main", is_previous=True)
    assert text == "one\ntwo\n�\n"
    assert client.asked == [
        (
            "/api/v1/namespaces/shop/pods/worker-1/log",
            {"container": "main", "tailLines": "500", "previous": "true"},
        )
    ]
    lines = b"".join(b"%05d %s\n" % (number, b"x" * 93) for number in range(4000))
    client = Written(*(lines[at : at + 65536] for at in range(0, len(lines), 65536)))
    text = await pods.log_of(client, "shop", "worker-1", "main", is_previous=False)
    assert pods.KEPT_BYTES - 200 < len(text) <= pods.KEPT_BYTES
    assert text.endswith("03999 " + "x" * 93 + "\n")
    assert text[5] == " "


async def test_a_log_without_end_is_left_in_its_middle() -> None:
    client: Any = Written(*[b"x" * (1024 * 1024)] * 100)
    text = await pods.log_of(client, "shop", "worker-1", "main", is_previous=False)
    assert text == "x" * pods.KEPT_BYTES, "a line without an end is shown by its last part"
    assert client.taken <= pods.MOST_BYTES + 2 * 1024 * 1024
