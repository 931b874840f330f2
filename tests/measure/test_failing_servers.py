"""A server that fails as a whole: held, told once, healed; and what its triggers get meanwhile."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from itertools import pairwise

import pytest

from parts import virtualtime
from parts.fakeservers import Chain, Count, Hourly, Shop, Stock, lived, measuring
from tidegate.base.errors import Denied, Failure, Misconfigured, Unreachable, Unsupported

HERE = Shop()


@lived(a=1)
async def test_a_dead_server_is_one_problem_and_everybody_elses_rounds_go_on(clock, rounds, world):
    dead = Shop("dead")
    world.trouble[dead] = Unreachable("connect", on="dead")
    for n in range(500):
        rounds.follow((f"dead{n}", 0), Count(f"a{n}", dead), interval_s=10)
    rounds.follow(("alive", 0), Count("a"), interval_s=1)
    await clock.sleep(60)
    failures = {rounds.latest((f"dead{n}", 0)).failure for n in range(500)}
    assert failures == {Failure.of(world.trouble[dead])}
    assert world.news == [("dead", failures.pop())]
    assert world.trouble[dead].__traceback__ is None, "one error for many must not grow"
    assert sum(call.shop == HERE for call in world.calls) in (60, 61, 62)
    assert len([1 for _, key, _ in world.readings if key[0].startswith("dead")]) == 500


@lived(a=1)
async def test_a_dead_server_is_tried_less_and_less_but_once_per_interval_and_heals_within_one(
    clock, rounds, world
):
    world.trouble[HERE] = Unreachable("connect", on="shop")
    rounds.follow(("u", 0), Count("a"), interval_s=10)
    await clock.sleep(100)
    tries = [call.at for call in world.calls]
    gaps = [b - a for a, b in pairwise(tries)]
    assert gaps[0] < 1.5
    assert all(gap < 10.6 for gap in gaps)
    assert len(tries) < 18
    world.trouble.clear()
    await clock.sleep(10.6)
    assert rounds.latest(("u", 0)).values == (1.0,)
    assert [failure is None for _, failure in world.news] == [False, True]
    world.trouble[HERE] = Unreachable("connect", on="shop")
    broken = clock.monotonic()
    await clock.sleep(16)
    assert len(world.between(broken, math.inf)) >= 3, "what is over does not count any more"


@lived(a=1)
async def test_wake_ups_of_a_metered_server_that_is_left_alone_wait_quietly(clock, rounds, world):
    world.wake_gap_s = 7
    rounds.follow(("u", 0), Count("a"), interval_s=10)
    await clock.sleep(12)
    world.trouble[HERE] = Unreachable("ask", on="shop", retry_after_s=60)
    broken = clock.monotonic()
    for _ in range(120):
        rounds.wake([("u", 0)])
        await clock.sleep(0.5)
    assert len(world.between(broken, math.inf)) in (1, 2)
    assert rounds.latest(("u", 0)).failure.kind == "Unreachable"
    world.trouble.clear()
    await clock.sleep(15)
    assert rounds.latest(("u", 0)).values == (1.0,)


@lived(a=1)
async def test_a_refused_login_is_not_repeated_soon_but_another_password_is_tried_at_once(
    clock, rounds, world
):
    wrong, right = Shop(password="old"), Shop(password="new")
    world.trouble[wrong] = Denied("log in", on="shop")
    rounds.follow(("u", 0), Count("a", wrong), interval_s=1)
    await clock.sleep(9)
    assert len(world.calls) == 1
    assert rounds.latest(("u", 0)).failure.kind == "Denied"
    rounds.follow(("u", 0), Count("a", right), interval_s=1)
    await clock.sleep(0.3)
    assert rounds.latest(("u", 0)).values == (1.0,)
    assert all("old" not in label and "new" not in label for label, _ in world.news)


@lived(a=1)
async def test_another_kind_of_failure_is_news_and_the_same_kind_is_not(clock, rounds, world):
    world.trouble[HERE] = Unreachable("connect", on="shop", answer="refused")
    rounds.follow(("u", 0), Count("a"), interval_s=1)
    await clock.sleep(5)
    world.trouble[HERE] = Unreachable("connect", on="shop", answer="timed out")
    await clock.sleep(5)
    world.trouble[HERE] = Denied("log in", on="shop")
    await clock.sleep(5)
    assert [failure.kind for _, failure in world.news] == ["Unreachable", "Denied"]


@lived(a=1)
async def test_the_next_poll_is_told_ahead_and_so_is_the_rest_of_a_server_that_failed(clock, rounds, world):
    assert rounds.next_poll(("u", 0)) is None
    rounds.follow(("u", 0), Count("a"), interval_s=10)
    rounds.follow(("clock", 0), Hourly(), interval_s=10)
    await clock.sleep(11)
    due = rounds.next_poll(("u", 0))
    assert not due.is_held
    calls = len(world.calls)
    await clock.sleep(due.rest_s - 0.1)
    assert len(world.calls) == calls
    await clock.sleep(0.2)
    assert len(world.calls) == calls + 1
    world.trouble[HERE] = Denied("log in")
    await clock.sleep(31)
    due, calls = rounds.next_poll(("u", 0)), len(world.calls)
    assert due.is_held
    assert due.rest_s > 1
    await clock.sleep(due.rest_s - 0.1)
    assert len(world.calls) == calls
    await clock.sleep(0.2)
    assert len(world.calls) == calls + 1
    edge_s = rounds.next_poll(("clock", 0)).rest_s
    assert (clock.now() + timedelta(seconds=edge_s)).replace(microsecond=0).minute == 0
    rounds.forget(("u", 0))
    assert rounds.next_poll(("u", 0)) is None


@lived()
async def test_a_failure_counts_once_per_interval_however_often_it_is_asked(clock, rounds, world):
    rounds.follow(("u", 0), Count("missing"), interval_s=10)
    for _ in range(150):
        await clock.sleep(0.2)
        rounds.wake([("u", 0)])
        await rounds.fresh(("u", 0), 0)
    assert rounds.failed_polls(("u", 0)) in (3, 4)


@lived(a=1)
async def test_failed_polls_go_on_counting_while_the_server_is_left_alone_and_end_with_a_value(
    clock, rounds, world
):
    world.trouble[HERE] = Denied("log in", on="shop")
    rounds.follow(("u", 0), Count("a"), interval_s=1)
    await clock.sleep(9.5)
    assert len(world.calls) == 1
    assert rounds.failed_polls(("u", 0)) in (9, 10, 11)
    world.trouble.clear()
    await clock.sleep(5)
    assert rounds.failed_polls(("u", 0)) == 0


@lived(a=1)
async def test_while_a_server_is_left_alone_wake_ups_and_askers_get_its_failure_with_a_new_snapshot(
    clock, rounds, world
):
    world.trouble[HERE] = Denied("log in", on="shop")
    rounds.follow(("u", 0), Count("a"), interval_s=3_600, snapshot=clock.monotonic)
    await clock.sleep(2)
    rounds.wake([("u", 0)])
    await clock.sleep(0.3)
    assert [round(reading.snapshot) for _, _, reading in world.readings] in ([0, 2], [0, 2, 2])
    assert (await rounds.fresh(("u", 0), 0)).failure.kind == "Denied"
    assert len(world.calls) == 1


@lived(a=1, b=2)
async def test_a_dead_server_of_a_later_wave_fails_only_who_needs_it(clock, rounds, world):
    dead = Shop("dead")
    world.trouble[dead] = Unreachable("connect", on="dead")
    rounds.follow(("u", 0), Chain((Stock(HERE, "a"), Stock(dead, "b"))), interval_s=2)
    rounds.follow(("v", 0), Count("a"), interval_s=2)
    await clock.sleep(20)
    assert rounds.latest(("u", 0)).failure.kind == "Unreachable"
    assert rounds.latest(("v", 0)).values == (1.0,)
    world.trouble.clear()
    await clock.sleep(70)
    assert rounds.latest(("u", 0)).values == (3.0,)


@pytest.mark.parametrize(
    "trouble",
    [
        RuntimeError("password=hunter2"),
        TimeoutError(),
        asyncio.CancelledError(),
        Misconfigured("connect"),
    ],
    ids=repr,
)
def test_whatever_an_adapter_throws_becomes_a_failure_of_its_server_and_it_heals(trouble):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            world.trouble[HERE] = trouble
            rounds.follow(("u", 0), Count("a"), interval_s=5)
            await clock.sleep(3)
            failure = rounds.latest(("u", 0)).failure
            assert failure is not None
            assert "hunter2" not in failure.message
            world.trouble.clear()
            await clock.sleep(30)
            assert rounds.latest(("u", 0)).values == (1.0,)

    virtualtime.run(story)


@lived(a=1)
async def test_a_server_that_never_answers_is_given_up_and_gets_a_new_connection(clock, rounds, world):
    world.delay_s = 1e6
    rounds.follow(("u", 0), Count("a"), interval_s=5)
    await clock.sleep(10.5)
    assert rounds.latest(("u", 0)).failure.kind == "Unreachable"
    world.delay_s = 0.01
    await clock.sleep(30)
    assert rounds.latest(("u", 0)).values == (1.0,)
    assert [adapter.is_closed for adapter in world.adapters] == [True, False]


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [(Unsupported("open a connection"), "Unsupported"), (ImportError("hunter2"), "Malformed")],
)
def test_an_adapter_that_cannot_be_made_is_a_failure_of_its_server(tell, refusal, kind):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            world.refusal = refusal
            rounds.follow(("u", 0), Count("a"), interval_s=5)
            await clock.sleep(1)
            failure = rounds.latest(("u", 0)).failure
            assert failure is not None
            assert failure.kind == kind
            assert "hunter2" not in failure.message
            assert [news for _, news in world.news] == [failure]
            world.refusal = None
            await clock.sleep(30)
            assert rounds.latest(("u", 0)).values == (1.0,)

    tell(story)
