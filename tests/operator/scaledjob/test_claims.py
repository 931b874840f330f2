"""Claimed work from end to end, in virtual time: one Job for one message, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import virtualtime
from parts.claim_broker import ClaimBroker, ClaimCluster, ReceiptBroker, claiming
from parts.cluster import redis
from tidegate.base.errors import Denied, Unreachable
from tidegate.cli.output.explanation import lines
from tidegate.core.claims.values import Acknowledge, GiveBack, Renew, Take
from tidegate.kit.systems.claims import Command
from tidegate.kit.systems.redis import RedisServer
from tidegate.kit.systems.sql_claims import TableSource
from tidegate.kube.resource import JOBS, SCALED_JOBS
from tidegate.operator.scaledjob.claims.claiming import EVERYWHERE, MayClaim

# All entries of a stream count, and nothing takes them away.
STREAM = {
    "type": "redis-streams",
    "metadata": {"address": "redis:6379", "stream": "jobs", "streamLength": "1"},
}
Story = Callable[[Any, ClaimCluster], Awaitable[None]]


def claimed(may: MayClaim | None = None) -> Callable[[Story], Callable[[], None]]:
    """Makes a test of a story of a cluster that claims."""

    def as_test(story: Story) -> Callable[[], None]:
        def test() -> None:
            async def whole(clock: Any) -> None:
                async with claiming(clock, may) as cluster:
                    await story(clock, cluster)

            virtualtime.run(whole)

        test.__name__, test.__doc__ = story.__name__, story.__doc__
        return test

    return as_test


def guarded(cluster: ClaimCluster) -> list[str]:
    return [one["metadata"]["name"] for one in cluster.found() if one["metadata"].get("finalizers")]


@claimed()
async def test_each_message_gets_a_job_of_its_own_that_carries_it(clock: Any, cluster: ClaimCluster) -> None:
    cluster.push("a", "b", "c", "d", "e")
    await cluster.claiming_job()
    await clock.sleep(10)
    assert cluster.carried() == ["a", "b", "c"], "at most maxReplicaCount"
    assert cluster.broker.queue == [b"d", b"e"]
    first = cluster.found()[0]
    environment = cluster.environment(first)
    assert environment["KEDA_TASK_ATTEMPT"] == "1"
    assert json.loads(environment["KEDA_TASK_ATTRIBUTES"]) == {}
    labels = first["metadata"]["labels"]
    assert (labels["tidegate.dev/message"], labels["tidegate.dev/attempt"]) == (
        environment["KEDA_TASK_ID"],
        "1",
    )
    assert first["metadata"]["finalizers"] == ["tidegate.dev/claim"]
    await clock.sleep(60)
    assert len(cluster.found()) == 3
    assert cluster.broker.done == []


@claimed()
async def test_success_is_acknowledged_and_only_then_the_job_may_go(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("a", "b", "c", "d", "e")
    await cluster.claiming_job()
    await clock.sleep(10)
    cluster.broker.is_down = True
    await cluster.work()
    await clock.sleep(20)
    assert cluster.broker.done == []
    assert len(guarded(cluster)) == 3
    cluster.broker.is_down = False
    await clock.sleep(40)
    assert sorted(cluster.broker.done) == [b"a", b"b", b"c"]
    assert cluster.carried() == ["d", "e"]
    await cluster.work()
    await clock.sleep(10)
    assert sorted(cluster.broker.done) == [b"a", b"b", b"c", b"d", b"e"]
    assert not guarded(cluster)
    assert not cluster.broker.claimed


@claimed()
async def test_failure_is_tried_again_later_and_ends_as_a_dead_letter(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("poison")
    await cluster.claiming_job(annotations={"tidegate.dev/claim-attempts": "3"})
    attempts = []
    for _ in range(60):
        await clock.sleep(2)
        attempts += [
            cluster.environment(one)["KEDA_TASK_ATTEMPT"]
            for one in cluster.found()
            if not (one.get("status") or {}).get("conditions")
        ]
        await cluster.work(fails=lambda body: True)
    assert attempts == ["1", "2", "3"]
    assert cluster.broker.dead == [b"poison"]
    assert not cluster.broker.claimed
    assert not guarded(cluster)
    reasons = cluster.reasons("crunch")
    assert (reasons.count("ClaimReleased"), reasons.count("ClaimDeadLettered")) == (2, 1)


@pytest.mark.parametrize(
    ("may", "annotations", "told"),
    [
        (MayClaim(), {}, "--allow-claims"),
        (MayClaim(frozenset({"other"})), {}, "--allow-claims"),
        (None, {"tidegate.dev/claim": "yes"}, 'say "true" or "false"'),
    ],
)
def test_who_may_not_claim_is_told_what_is_missing_and_nothing_is_started(
    may: MayClaim | None, annotations: dict[str, str], told: str
) -> None:
    async def story(clock: Any) -> None:
        async with claiming(clock, may) as cluster:
            cluster.push("a")
            await cluster.claiming_job(annotations=annotations)
            await clock.sleep(60)
            assert cluster.broker.commands == []
            assert cluster.found() == []
            status, reason, message = cluster.condition(SCALED_JOBS, "crunch", "Ready")
            assert (status, reason) == ("False", "ScaledJobCheckFailed")
            assert told in message
            assert any(told in text for _, _, text, _ in cluster.events("crunch"))

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("triggers", "template", "told"),
    [
        ((redis(), redis("more")), None, "there are 2 triggers"),
        (({"type": "cron", "metadata": {"timezone": "UTC", "start": "0 0 * * *", "end": "1 0 * * *",
                                        "desiredReplicas": "1"}},), None, "cron cannot be claimed from"),
        ((STREAM,), None, "cannot claim messages: entries are claimed for a group, and none is named"),
        ((redis(),), ["sh", "-c", "work $(KEDA_TASK_DATA)"], "let the shell read it"),
    ],
)  # fmt: skip
def test_what_cannot_be_claimed_is_told_at_once(triggers: Any, template: Any, told: str) -> None:
    async def story(clock: Any) -> None:
        async with claiming(clock) as cluster:
            cluster.push("a")
            container = {"name": "c", "image": "i", **({"command": template} if template else {})}
            target = {"template": {"spec": {"containers": [container]}}}
            await cluster.claiming_job(*triggers, jobTargetRef=target)
            await clock.sleep(60)
            assert cluster.broker.commands == []
            assert cluster.found() == []
            assert told in cluster.condition(SCALED_JOBS, "crunch", "Ready")[2]

    virtualtime.run(story)


@pytest.mark.parametrize("annotations", [{}, {"tidegate.dev/claim": "false"}])
def test_a_scaled_job_that_does_not_claim_asks_and_writes_as_before(annotations: dict[str, str]) -> None:
    async def story(clock: Any) -> None:
        async with claiming(clock) as cluster:
            cluster.push("a", "b")
            await cluster.scaled_job(pollingInterval=5, metadata={"annotations": annotations})
            await clock.sleep(60)
            assert cluster.broker.batches == 0
            assert [one["metadata"].get("finalizers") for one in cluster.found()] == [None, None]
            kinds = [(one.verb, one.resource.plural, one.subresource) for one in cluster.client.writes]
            assert [one for one in kinds if one[1] != "events"] == [
                ("patch", "scaledjobs", ""),
                ("patch", "scaledjobs", ""),
                ("create", "jobs", ""),
                ("create", "jobs", ""),
                ("patch", "scaledjobs", "status"),
            ]

    virtualtime.run(story)


@claimed(EVERYWHERE)
async def test_locally_a_template_that_mentions_the_message_asks_for_it(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("a")
    container = {"name": "c", "image": "i", "command": ["sh", "-c", 'work "$KEDA_TASK_DATA"']}
    target = {"template": {"spec": {"containers": [container]}}}
    await cluster.scaled_job(pollingInterval=5, jobTargetRef=target)
    await clock.sleep(10)
    assert cluster.carried() == ["a"]


@claimed(EVERYWHERE)
async def test_locally_what_cannot_be_claimed_is_counted_as_before_and_told(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("a")
    container = {"name": "c", "image": "i", "command": ["sh", "-c", 'work "$KEDA_TASK_DATA"']}
    target = {"template": {"spec": {"containers": [container]}}}
    await cluster.scaled_job("crunch", STREAM, pollingInterval=5, jobTargetRef=target)
    await clock.sleep(10)
    assert len(cluster.found()) == 1
    assert cluster.broker.commands == []
    assert any("KEDA_TASK_DATA stays empty" in text for _, _, text, _ in cluster.events("crunch"))


@claimed()
async def test_explain_and_metrics_tell_what_is_held(clock: Any, cluster: ClaimCluster) -> None:
    cluster.push("a", "b", "c", "d")
    await cluster.claiming_job()
    await clock.sleep(10)
    await cluster.finish(cluster.found()[0]["metadata"]["name"])
    await clock.sleep(30)
    found = await cluster.operator.explain(SCALED_JOBS, "shop", "crunch")
    claims = found["claims"]
    assert (claims["source"], claims["held"]) == ("list jobs of Redis redis:6379", 3)
    names = {one["metadata"]["name"] for one in cluster.found()}
    assert all(
        one["attempt"] == 1 and one["job"] in names and one["age_s"] > 20 for one in claims["messages"]
    )
    assert found["outlook"] == []
    text = "\n".join(lines(found, has_history=False))
    assert "claimed from list jobs of Redis redis:6379: 3 messages" in text
    assert f"{claims['messages'][0]['id']}: Job " in text
    told = {one.family.name: one.samples for one in await cluster.operator.figures().gather()}
    assert told["tidegate_claims_held"] == {("shop", "crunch"): 3.0}
    assert told["tidegate_claims_total"]["shop", "crunch", "claimed"] == 4.0
    assert told["tidegate_claims_total"]["shop", "crunch", "acknowledged"] == 1.0


@claimed()
async def test_on_a_cluster_a_template_alone_claims_nothing(clock: Any, cluster: ClaimCluster) -> None:
    cluster.push("a")
    container = {"name": "c", "image": "i", "command": ["sh", "-c", 'work "$KEDA_TASK_DATA"']}
    target = {"template": {"spec": {"containers": [container]}}}
    await cluster.scaled_job(pollingInterval=5, jobTargetRef=target)
    await clock.sleep(10)
    assert cluster.broker.commands == []


HOSTILE = [
    "$(PATH)", "$$(KEDA_TASK_ID)", "$(KEDA_TASK_DATA)", "'; rm -rf / #", '"$(reboot)"', "`reboot`", "a\nb",
    "{}", "ü" * 1000, "", "$", "$$$", "x" * (32 * 1024),
]  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE)
def test_a_body_is_data_whatever_it_says(body: str) -> None:
    async def story(clock: Any) -> None:
        async with claiming(clock) as cluster:
            cluster.push(body)
            await cluster.claiming_job()
            await clock.sleep(10)
            (job,) = cluster.found()
            value = cluster.environment(job)["KEDA_TASK_DATA"]
            # What Kubernetes makes of it: every pair of dollars is one.
            assert value.replace("$$", "$") == body
            assert len(value) == len(body) + body.count("$")
            template = job["spec"]["template"]["spec"]
            assert "volumes" not in template
            assert "command" not in template["containers"][0]

    virtualtime.run(story)


@pytest.mark.parametrize("body", [b"a\x00b", b"\xff\xfe", b"x" * (32 * 1024 + 1), b"asked"])
def test_what_no_variable_can_hold_comes_as_a_file(body: bytes) -> None:
    async def story(clock: Any) -> None:
        async with claiming(clock) as cluster:
            cluster.push(body)
            wish = {"tidegate.dev/claim-by": "file"} if body == b"asked" else {}
            await cluster.claiming_job(annotations=wish)
            await clock.sleep(10)
            (job,) = cluster.found()
            name = job["metadata"]["name"]
            environment = cluster.environment(job)
            assert "KEDA_TASK_DATA" not in environment
            assert environment["KEDA_TASK_FILE"] == "/var/run/tidegate/task/data"
            (secret,) = [one.body for one in cluster.client.writes if one.resource.plural == "secrets"]
            assert secret["metadata"]["name"] == name
            assert secret["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
            assert base64.b64decode(secret["data"]["data"]) == body

    virtualtime.run(story)


@claimed()
async def test_a_body_of_more_than_a_mebibyte_comes_by_its_identity(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("x" * (2**20 + 1))
    await cluster.claiming_job()
    await clock.sleep(10)
    (job,) = cluster.found()
    environment = cluster.environment(job)
    assert set(environment) == {"KEDA_TASK_ID", "KEDA_TASK_ATTEMPT", "KEDA_TASK_ATTRIBUTES"}


@claimed()
async def test_leases_are_renewed_together_and_seldom(clock: Any, cluster: ClaimCluster) -> None:
    cluster.push("a", "b", "c")
    await cluster.claiming_job(annotations={"tidegate.dev/claim-lease": "30"})
    await clock.sleep(5)
    before = cluster.broker.batches
    await clock.sleep(60)
    renewals = [one.ask for one in cluster.broker.commands if isinstance(one.ask, Renew)]
    assert all(len(one.ids) == 3 for one in renewals)
    assert 4 <= len(renewals) <= 7
    # Nothing else is asked of the broker while every place is taken.
    assert cluster.broker.batches - before == len(renewals)


@claimed()
async def test_pausing_claims_nothing_more_and_keeps_what_is_held(clock: Any, cluster: ClaimCluster) -> None:
    cluster.push("a", "b", "c", "d")
    await cluster.claiming_job(annotations={"tidegate.dev/claim-lease": "30"})
    await clock.sleep(10)
    pause = {"metadata": {"annotations": {"autoscaling.keda.sh/paused": "true"}}}
    await cluster.patch(SCALED_JOBS, "crunch", pause)
    await clock.sleep(5)
    await cluster.work()
    await clock.sleep(120)
    assert sorted(cluster.broker.done) == [b"a", b"b", b"c"]
    assert cluster.broker.queue == [b"d"]
    assert not guarded(cluster)
    await cluster.patch(
        SCALED_JOBS, "crunch", {"metadata": {"annotations": {"autoscaling.keda.sh/paused": None}}}
    )
    await clock.sleep(10)
    assert cluster.carried() == ["d"]


@claimed()
async def test_a_deleted_scaled_job_waits_for_its_jobs_and_leaves_nothing_claimed(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("a", "b", "c", "d")
    await cluster.claiming_job()
    await clock.sleep(10)
    await cluster.objects.delete(SCALED_JOBS, "shop", "crunch")
    await clock.sleep(60)
    assert cluster.objects.get(SCALED_JOBS, "shop", "crunch") is not None
    assert len(cluster.carried()) == 3
    await cluster.work(fails=lambda body: body == "b")
    await clock.sleep(30)
    assert cluster.objects.get(SCALED_JOBS, "shop", "crunch") is None
    assert sorted(cluster.broker.done) == [b"a", b"c"]
    assert sorted(cluster.broker.queue) == [b"b", b"d"]
    assert not cluster.broker.claimed
    assert not guarded(cluster)


@claimed()
async def test_a_broker_that_never_answers_cannot_hold_a_namespace_for_ever(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("a")
    await cluster.claiming_job()
    await clock.sleep(10)
    cluster.broker.is_down = True
    await cluster.work()
    await cluster.objects.delete(SCALED_JOBS, "shop", "crunch")
    await clock.sleep(300)
    assert cluster.objects.get(SCALED_JOBS, "shop", "crunch") is not None
    await clock.sleep(400)
    assert cluster.objects.get(SCALED_JOBS, "shop", "crunch") is None
    assert not guarded(cluster)
    assert "ClaimUnanswered" in cluster.reasons("crunch")


@claimed()
async def test_claiming_that_is_switched_off_ends_and_counting_begins(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("a", "b", "c", "d")
    await cluster.claiming_job()
    await clock.sleep(10)
    await cluster.patch(SCALED_JOBS, "crunch", {"metadata": {"annotations": {"tidegate.dev/claim": "false"}}})
    await clock.sleep(30)
    assert len(cluster.found()) == 3, "not before the last claimed Job has ended"
    await cluster.work()
    await clock.sleep(30)
    assert sorted(cluster.broker.done) == [b"a", b"b", b"c"]
    found = cluster.objects.get(SCALED_JOBS, "shop", "crunch")
    assert found is not None
    assert "tidegate.dev/claims" not in found["metadata"]["annotations"]
    counted = [one for one in cluster.found() if "tidegate.dev/round" in one["metadata"]["annotations"]]
    assert len(counted) == 1


ROWS = {
    "type": "postgresql",
    "metadata": {
        "host": "db", "port": "5432", "userName": "me", "dbName": "shop", "sslmode": "disable",
        "query": "SELECT count(*) FROM orders WHERE state = 'waiting'", "targetQueryValue": "1",
    },
}  # fmt: skip
STATEMENTS = {
    "tidegate.dev/claim-table": "orders_claims",
    "tidegate.dev/claim-take": "UPDATE orders SET state = 'claimed' WHERE id IN (SELECT id FROM orders"
    " WHERE state = 'waiting' LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING id, payload AS body",
    "tidegate.dev/claim-done": "DELETE FROM orders WHERE id = :id",
    "tidegate.dev/claim-failed": "UPDATE orders SET state = 'failed' WHERE id = :id",
    "tidegate.dev/claim-back": "UPDATE orders SET state = 'waiting' WHERE id = :id",
}


@claimed()
async def test_a_statement_that_is_corrected_is_the_one_that_ends_what_is_claimed(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("a")
    await cluster.claiming_job(ROWS, annotations=STATEMENTS)
    await clock.sleep(10)
    (job,) = cluster.found()
    right = "UPDATE orders SET state = 'done' WHERE id = :id"
    await cluster.patch(
        SCALED_JOBS, "crunch", {"metadata": {"annotations": {"tidegate.dev/claim-done": right}}}
    )
    await clock.sleep(10)
    await cluster.finish(job["metadata"]["name"])
    await clock.sleep(10)
    assert cluster.broker.done == [b"a"]
    sent = {type(one.ask): one.source for one in cluster.broker.commands}
    assert GiveBack not in sent
    assert isinstance(sent[Acknowledge], TableSource)
    assert sent[Acknowledge].statements.done == right


@claimed()
async def test_claims_go_on_when_the_login_is_changed(clock: Any, cluster: ClaimCluster) -> None:
    cluster.push("a")
    await cluster.claiming_job()
    await clock.sleep(10)
    (job,) = cluster.found()
    secured = redis(enableTLS="true", unsafeSsl="true")
    await cluster.patch(SCALED_JOBS, "crunch", {"spec": {"triggers": [secured]}})
    await clock.sleep(10)
    cluster.push("b")
    await clock.sleep(70)
    # What is new is not kept waiting for what runs.
    assert cluster.carried() == ["a", "b"]
    await cluster.finish(job["metadata"]["name"])
    await clock.sleep(10)
    assert cluster.broker.done == [b"a"]
    assert GiveBack not in {type(one.ask) for one in cluster.broker.commands}
    server = cluster.broker.commands[-1].source.server
    assert isinstance(server, RedisServer)
    assert server.tls is not None


@claimed()
async def test_a_statement_that_cannot_be_right_claims_nothing_and_is_told(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("a")
    await cluster.claiming_job(
        ROWS, annotations=STATEMENTS | {"tidegate.dev/claim-done": "DELETE FROM orders"}
    )
    await clock.sleep(30)
    assert (cluster.broker.commands, cluster.found()) == ([], [])
    status, _, message = cluster.condition(SCALED_JOBS, "crunch", "Ready")
    assert status == "False"
    assert "tidegate.dev/claim-done: it does not mention :id" in message


@pytest.mark.parametrize("hangs_s", [0.0, 60.0], ids=["fails", "hangs"])
def test_a_command_that_takes_its_whole_exchange_with_it_costs_no_lease(hangs_s: float) -> None:
    async def whole(clock: Any) -> None:
        async def before(command: Command) -> None:
            if isinstance(command.ask, Acknowledge):
                await clock.sleep(hangs_s)
                raise Unreachable("acknowledge a message", on="Redis redis:6379", answer="it hung up")

        async with claiming(clock) as cluster:
            cluster.broker.before = before
            cluster.push("done", "busy")
            await cluster.claiming_job(annotations={"tidegate.dev/claim-lease": "30"})
            await clock.sleep(10)
            done = next(
                one for one in cluster.found() if cluster.environment(one)["KEDA_TASK_DATA"] == "done"
            )
            await cluster.finish(done["metadata"]["name"], "Complete")
            for _ in range(300):
                await clock.sleep(1)
                left = [one.at_s - clock.monotonic() for one in cluster.broker.claimed.values()]
                assert min(left) > 0, "a lease has ended"
            cluster.broker.before = None
            await clock.sleep(35)
            assert cluster.broker.done == [b"done"]

    virtualtime.run(whole)


@claimed()
async def test_what_is_acknowledged_at_the_moment_of_a_renewal_is_not_lost(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("a", "b", "c")
    await cluster.claiming_job(annotations={"tidegate.dev/claim-lease": "30"})
    await clock.sleep(5)
    cluster.broker.is_down = True
    await cluster.finish(cluster.found()[0]["metadata"]["name"])
    await clock.sleep(12)
    cluster.broker.is_down = False
    await clock.sleep(60)
    assert len(cluster.broker.done) == 1
    assert any(isinstance(one.ask, Renew) for one in cluster.broker.commands)
    assert "ClaimLost" not in cluster.reasons("crunch")


@claimed()
async def test_a_job_deleted_by_hand_is_an_attempt_and_loses_nothing(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push("a")
    await cluster.claiming_job()
    await clock.sleep(10)
    (job,) = cluster.found()
    await cluster.objects.delete(JOBS, "shop", job["metadata"]["name"])
    await clock.sleep(5)
    assert cluster.found() == []
    await clock.sleep(20)
    assert cluster.found() == [], "its pods may take as long to stop"
    await clock.sleep(20)
    (again,) = cluster.found()
    assert cluster.environment(again)["KEDA_TASK_ATTEMPT"] == "2"
    await cluster.work()
    await clock.sleep(5)
    assert cluster.broker.done == [b"a"]


@claimed()
async def test_a_broker_that_refuses_new_messages_is_asked_seldom_and_told_once(
    clock: Any, cluster: ClaimCluster
) -> None:
    asked: list[float] = []

    async def refuse(command: Any) -> None:
        if isinstance(command.ask, Take) and command.ask.maximum:
            asked.append(clock.monotonic())
            raise Denied("claim messages", on="Redis redis:6379", answer="the user may not")

    cluster.push("a")
    cluster.broker.before = refuse
    await cluster.claiming_job()
    await clock.sleep(300)
    assert 5 <= len(asked) <= 16
    assert cluster.broker.batches <= 40
    told = [count for _, reason, _, count in cluster.events("crunch") if reason == "ClaimingRests"]
    assert told == [1]
    cluster.broker.before = None
    await clock.sleep(40)
    assert len(cluster.found()) == 1


@claimed()
async def test_what_somebody_should_know_of_a_source_is_told_once(clock: Any, cluster: ClaimCluster) -> None:
    cluster.broker.told = "queue jobs takes a message away after 2 receives"
    cluster.push("a", "b", "c", "d", "e")
    await cluster.claiming_job()
    await clock.sleep(10)
    await cluster.work()
    await clock.sleep(120)
    told = [
        (message, count)
        for _, reason, message, count in cluster.events("crunch")
        if reason == "ClaimsCutShort"
    ]
    assert told == [(cluster.broker.told, 1)]


@claimed()
async def test_jobs_that_fail_at_once_make_claiming_rest_and_it_is_told(
    clock: Any, cluster: ClaimCluster
) -> None:
    cluster.push(*(f"m{number}" for number in range(50)))
    await cluster.claiming_job()
    for _ in range(30):
        await clock.sleep(1)
        await cluster.work(fails=lambda body: True)
    assert len(cluster.found()) <= 8
    told = [text for _, reason, text, _ in cluster.events("crunch") if reason == "ClaimingRests"]
    assert len(told) == 1
    assert "failed within 10 s" in told[0]


@claimed()
async def test_a_thousand_messages_ask_little_of_their_broker(clock: Any, cluster: ClaimCluster) -> None:
    cluster.push(*(f"m{number}" for number in range(1000)))
    await cluster.claiming_job(maxReplicaCount=100)
    for _ in range(60):
        await clock.sleep(2)
        await cluster.work()
    assert len(cluster.broker.done) == 1000
    asks = [type(one.ask) for one in cluster.broker.commands]
    assert asks.count(Acknowledge) == 1000
    assert asks.count(Take) <= 40
    assert cluster.broker.batches <= 80


WORDS = ["a", "b", "poison", "c"]


async def lived(clock: Any, cluster: ClaimCluster, dies_at: int, *, is_done: bool) -> int:
    """A whole life whose operator dies at its n-th step (each command of the broker, each write), before it
    is carried out or after it; how many steps there were.
    """
    steps = 0
    dead = asyncio.Event()

    async def step(_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == dies_at:
            dead.set()
            # Whoever asked never hears of it.
            await asyncio.Event().wait()

    def is_lost(_: Any) -> bool:
        nonlocal steps
        steps += 1
        if steps == dies_at:
            dead.set()
        return steps == dies_at

    if is_done:
        cluster.client.lost, cluster.broker.after = is_lost, step
    else:
        cluster.client.before, cluster.broker.before = step, step
    task = asyncio.create_task(cluster.operator.run())
    cluster.push(*WORDS)
    lease_s = 12 if isinstance(cluster.broker, ReceiptBroker) else 60
    annotations = {"tidegate.dev/claim-attempts": "2", "tidegate.dev/claim-lease": str(lease_s)}
    await cluster.claiming_job(annotations=annotations)
    running: dict[str, list[str]] = {}
    for _ in range(45):
        if dead.is_set() and not task.cancelled():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            task = asyncio.create_task(cluster.new_operator().run())
        await clock.sleep(2)
        now: dict[str, list[str]] = {}
        for job in cluster.found():
            if not (job.get("status") or {}).get("conditions"):
                now.setdefault(cluster.environment(job)["KEDA_TASK_DATA"], []).append(job["metadata"]["name"])
        assert all(len(names) == 1 for names in now.values()), now
        for body, names in now.items():
            running.setdefault(body, [])
            running[body] += [name for name in names if name not in running[body]]
        await cluster.work(fails=lambda body: body == "poison")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert sorted(cluster.broker.done) == [b"a", b"b", b"c"]
    assert cluster.broker.dead == [b"poison"]
    assert {body: len(names) for body, names in running.items()} == {"a": 1, "b": 1, "c": 1, "poison": 2}
    assert not cluster.broker.claimed
    assert not guarded(cluster)
    return steps


# What a broker keeps of a claim: all of it; identity and receipt alone.
BROKERS = [pytest.param(ClaimBroker, id="keeps-all"), pytest.param(ReceiptBroker, id="gives-receipts")]


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("dies_at", range(1, 41))
def test_a_process_that_dies_at_any_step_loses_and_doubles_nothing(
    dies_at: int, is_done: bool, broker: type[ClaimBroker]
) -> None:
    async def story(clock: Any) -> None:
        await lived(clock, ClaimCluster(clock, broker=broker), dies_at, is_done=is_done)

    virtualtime.run(story)


@pytest.mark.parametrize("broker", BROKERS)
def test_forty_steps_are_a_whole_life(broker: type[ClaimBroker]) -> None:
    async def story(clock: Any) -> None:
        assert 25 < await lived(clock, ClaimCluster(clock, broker=broker), 0, is_done=False) <= 40

    virtualtime.run(story)


def test_receipts_stand_on_jobs_and_a_restart_goes_on_with_them() -> None:
    async def story(clock: Any) -> None:
        cluster = ClaimCluster(clock, broker=ReceiptBroker)
        task = asyncio.create_task(cluster.operator.run())
        cluster.push("a", "b")
        await cluster.claiming_job(annotations={"tidegate.dev/claim-lease": "30"})
        await clock.sleep(10)

        def written() -> dict[str, str]:
            found = (one["metadata"]["annotations"] for one in cluster.found())
            return {one["tidegate.dev/message-id"]: one["tidegate.dev/claim-receipt"] for one in found}

        def given() -> dict[str, str]:
            return {id: one.receipt for id, one in cluster.broker.claimed.items()}

        first = written()
        assert first == given()
        await clock.sleep(30)
        assert written() == given()
        assert not first.items() & written().items(), "renewed, and written down"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        task = asyncio.create_task(cluster.new_operator().run())
        await clock.sleep(60)
        assert written() == given()
        assert len(cluster.found()) == 2
        assert all(one.at_s > clock.monotonic() for one in cluster.broker.claimed.values())
        await cluster.work()
        await clock.sleep(10)
        assert sorted(cluster.broker.done) == [b"a", b"b"]
        assert not guarded(cluster)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtualtime.run(story)


def test_a_job_whose_file_a_crash_kept_from_being_made_goes_and_its_message_comes_again() -> None:
    async def story(clock: Any) -> None:
        cluster = ClaimCluster(clock, broker=ReceiptBroker)
        died = asyncio.Event()

        async def before(write: Any) -> None:
            if write.resource.plural == "secrets":
                died.set()
                await asyncio.Event().wait()

        async def passes(_: Any) -> None:
            pass

        cluster.client.before = before
        task = asyncio.create_task(cluster.operator.run())
        cluster.push(b"\xff")
        await cluster.claiming_job(annotations={"tidegate.dev/claim-lease": "30"}, maxReplicaCount=1)
        await asyncio.wait_for(died.wait(), 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        cluster.client.before = passes
        (unfiled,) = cluster.found()
        task = asyncio.create_task(cluster.new_operator().run())
        await clock.sleep(90)
        (job,) = cluster.found()
        assert job["metadata"]["uid"] != unfiled["metadata"]["uid"]
        assert cluster.environment(job)["KEDA_TASK_ATTEMPT"] == "1"
        files = [one.body for one in cluster.client.writes if one.resource.plural == "secrets"]
        assert base64.b64decode(files[-1]["data"]["data"]) == b"\xff"
        assert files[-1]["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("body", "text"), [("aGVsbG8=", "hello"), ("aGVs\nbG8=", "hello"), ("hello!", "hello!"), ("", "")]
)
def test_a_body_in_base64_is_what_it_stands_for_where_that_was_asked_for(body: str, text: str) -> None:
    async def story(clock: Any) -> None:
        async with claiming(clock) as cluster:
            cluster.push(body)
            await cluster.claiming_job(annotations={"tidegate.dev/claim-encoding": "base64"})
            await clock.sleep(10)
            assert cluster.carried() == [text]

    virtualtime.run(story)
