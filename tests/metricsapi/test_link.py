"""The stream from end to end: an operator with its rounds, a link, and the questions of HPAs."""

from __future__ import annotations

import asyncio
from typing import Any

from parts.cluster import Cluster, operated, redis
from parts.metric_streams import Leader, linked
from tidegate.api.metric_stream import Metric
from tidegate.base.errors import Failure, Unreachable
from tidegate.kube.resource import SCALED_OBJECTS
from tidegate.metricsapi.link import Link
from tidegate.runtime.clock import Clock

METRIC = Metric("shop", "web", "s0-redis-jobs")


async def value(link: Link, metric: Metric = METRIC) -> float:
    told = await link.answer(metric)
    assert not isinstance(told, Failure), told.message
    [one] = told.values
    return one


async def failure(link: Link, metric: Metric = METRIC) -> Failure:
    told = await link.answer(metric)
    assert isinstance(told, Failure)
    return told


@operated(jobs=7)
async def test_the_first_question_is_asked_and_the_next_are_answered_from_memory(
    clock: Clock, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", pollingInterval=10)
    async with linked(clock, Leader(clock, cluster.operator.external_metrics)) as link:
        for _ in range(8):
            assert await value(link) == 7.0
            await asyncio.sleep(1)
        assert (link.questions, link.answers_from_memory) == (1, 7)


@operated(jobs=7)
async def test_a_value_that_changes_is_told_unasked(clock: Clock, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", pollingInterval=5)
    async with linked(clock, Leader(clock, cluster.operator.external_metrics)) as link:
        assert await value(link) == 7.0
        cluster.redis.lists["jobs"] = 9
        await asyncio.sleep(6)
        assert await value(link) == 9.0
        assert link.questions == 1


@operated(jobs=7)
async def test_an_hpa_that_asks_every_15_s_never_waits_though_polls_are_rarer(
    clock: Clock, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", pollingInterval=300)
    async with linked(clock, Leader(clock, cluster.operator.external_metrics)) as link:
        asked = 40
        for number in range(asked):
            cluster.redis.lists["jobs"] = number
            told = await link.answer(METRIC)
            assert not isinstance(told, Failure)
            assert clock.monotonic() - told.measured_s <= 15
            await asyncio.sleep(15)
        assert link.questions <= 3
        # Little more than an autoscaler that measures at each question and at each poll.
        assert cluster.operator.rounds.counters.readings <= asked * 15 / 13 + 3


@operated(jobs=7)
async def test_what_no_hpa_asks_for_is_measured_by_polls_alone_and_forgotten(
    clock: Clock, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", pollingInterval=60)
    leader = Leader(clock, cluster.operator.external_metrics)
    async with linked(clock, leader) as link:
        await value(link)
        await asyncio.sleep(90)
        before = cluster.operator.rounds.counters.readings
        await asyncio.sleep(360)
        assert cluster.operator.rounds.counters.readings - before == 6
        told = len(leader.told)
        await asyncio.sleep(600)
        assert len(leader.told) == told


@operated(jobs=7)
async def test_the_operator_learns_that_an_hpa_asks_in_few_messages(clock: Clock, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", pollingInterval=10)
    leader = Leader(clock, cluster.operator.external_metrics)
    async with linked(clock, leader) as link:
        await value(link)
        leader.asked.clear()
        for _ in range(60):
            await value(link)
            await asyncio.sleep(1)
        assert len(leader.asked) <= 12
        [tracked] = cluster.operator.steps.tracker.by_key.values()
        assert tracked.hpa_asked is not None
        assert (clock.now() - tracked.hpa_asked).total_seconds() <= 6


@operated()
async def test_a_thousand_values_at_rest_cost_a_message_per_round_and_two_per_report(
    clock: Clock, cluster: Cluster
) -> None:
    names = [f"web{number}" for number in range(100)]
    for name in names:
        await cluster.deployment(name)
        await cluster.scaled_object(name, pollingInterval=10)
    leader = Leader(clock, cluster.operator.external_metrics)
    async with linked(clock, leader) as link:
        await asyncio.sleep(20)
        metrics = [Metric("shop", name, "s0-redis-jobs") for name in names]
        await asyncio.gather(*(link.answer(metric) for metric in metrics))
        leader.told.clear()
        leader.asked.clear()
        for _ in range(4):
            await asyncio.sleep(15)
            await asyncio.gather(*(link.answer(metric) for metric in metrics))
        assert len(leader.told) <= 20
        assert len(leader.asked) <= 12


@operated(jobs=7)
async def test_equal_questions_in_flight_are_one(clock: Clock, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web")
    async with linked(clock, Leader(clock, cluster.operator.external_metrics)) as link:
        answers = await asyncio.gather(*(value(link) for _ in range(20)))
        assert set(answers) == {7.0}
        assert link.questions == 1


@operated(jobs=7)
async def test_a_value_too_old_is_not_told_while_the_operator_is_away(clock: Clock, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", pollingInterval=10)
    leader = Leader(clock, cluster.operator.external_metrics)
    async with linked(clock, leader) as link:
        await value(link)
        await asyncio.sleep(1)
        leader.leave()
        await asyncio.sleep(5)
        assert await value(link) == 7.0
        await asyncio.sleep(15)
        told = await failure(link)
        assert told.kind == "Unreachable"
        assert told.message == (
            "cannot ask the operator for s0-redis-jobs of ScaledObject shop/web on operator:9666: it is away "
            "since 20 s: connection refused; the last value is 21 s old and counts for 10 s"
        )


@operated(jobs=7)
async def test_an_operator_that_comes_back_is_found_and_followed_again(
    clock: Clock, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", pollingInterval=10)
    metrics = cluster.operator.external_metrics
    leader = Leader(clock, metrics)
    async with linked(clock, leader) as link:
        await value(link)
        leader.leave()
        await asyncio.sleep(60)
        assert "away" in (await failure(link)).message
        leader.metrics = metrics
        cluster.redis.lists["jobs"] = 9
        await asyncio.sleep(11)
        assert await value(link) == 9.0
        cluster.redis.lists["jobs"] = 11
        await asyncio.sleep(11)
        assert await value(link) == 11.0
        assert leader.streams == 2


@operated(jobs=7)
async def test_a_question_under_way_fails_in_words_when_the_stream_ends(
    clock: Clock, cluster: Cluster
) -> None:
    cluster.redis.delay_s = 9.0
    await cluster.deployment()
    await cluster.scaled_object("web")
    leader = Leader(clock, cluster.operator.external_metrics)
    async with linked(clock, leader) as link:
        asking = asyncio.create_task(failure(link))
        await asyncio.sleep(3)
        leader.leave()
        assert "the stream ended before it answered" in (await asking).message


@operated(jobs=7)
async def test_a_stream_that_is_cut_is_opened_again_and_nothing_is_asked_twice(
    clock: Clock, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", pollingInterval=10)
    leader = Leader(clock, cluster.operator.external_metrics)
    async with linked(clock, leader) as link:
        await value(link)
        leader.cut()
        assert await value(link) == 7.0
        await asyncio.sleep(1)
        # What is kept is told at once, and the new stream asked to follow it.
        assert await value(link) == 7.0
        await asyncio.sleep(12)
        assert await value(link) == 7.0
        assert (leader.streams, link.questions) == (2, 2)


@operated(jobs=7)
async def test_a_failing_trigger_is_told_in_its_own_words_and_never_kept(
    clock: Clock, cluster: Cluster
) -> None:
    await cluster.deployment(replicas=1)
    cluster.redis.trouble = Unreachable("connect", on="redis:6379", answer="connection refused")
    await cluster.scaled_object("web", pollingInterval=10)
    leader = Leader(clock, cluster.operator.external_metrics)
    async with linked(clock, leader) as link:
        assert "connection refused" in (await failure(link)).message
        cluster.redis.trouble = None
        await asyncio.sleep(15)
        assert await value(link) == 7.0


@operated(jobs=7)
async def test_a_trigger_that_begins_to_fail_is_not_told_as_before(clock: Clock, cluster: Cluster) -> None:
    await cluster.deployment(replicas=1)
    await cluster.scaled_object("web", pollingInterval=10)
    async with linked(clock, Leader(clock, cluster.operator.external_metrics)) as link:
        await value(link)
        cluster.redis.trouble = Unreachable("connect", on="redis:6379", answer="connection refused")
        await asyncio.sleep(11)
        assert "connection refused" in (await failure(link)).message


@operated(jobs=7, mails=2)
async def test_an_edited_formula_is_told_though_no_reading_is_another(clock: Clock, cluster: Cluster) -> None:
    def formula(text: str) -> dict[str, Any]:
        return {"scalingModifiers": {"formula": text, "target": "5"}}

    await cluster.deployment()
    named = [{**redis(name), "name": name} for name in ("jobs", "mails")]
    await cluster.scaled_object("web", *named, pollingInterval=10, advanced=formula("jobs + mails"))
    metric = Metric("shop", "web", "composite-metric")
    async with linked(clock, Leader(clock, cluster.operator.external_metrics)) as link:
        assert await value(link, metric) == 9.0
        await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"advanced": formula("jobs * mails")}})
        await asyncio.sleep(1)
        assert await value(link, metric) == 14.0
        assert link.questions == 1


@operated()
async def test_an_object_that_is_not_there_is_told_and_not_followed(clock: Clock, cluster: Cluster) -> None:
    leader = Leader(clock, cluster.operator.external_metrics)
    async with linked(clock, leader) as link:
        await asyncio.sleep(1)
        told = await failure(link, Metric("shop", "none", "s0-x"))
        assert told == Failure("Misconfigured", "there is no ScaledObject shop/none")
        await asyncio.sleep(10)
        assert b'"dropped"' in leader.asked[-1]


@operated(jobs=7)
async def test_before_the_operator_was_ever_reached_an_asker_waits_a_little(
    clock: Clock, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web")
    leader = Leader(clock, None)
    async with linked(clock, leader) as link:
        asking = asyncio.create_task(value(link))
        await asyncio.sleep(1)
        leader.metrics = cluster.operator.external_metrics
        assert await asking == 7.0
