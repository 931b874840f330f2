"""Rounds on a loop whose clock jumps: who is asked, when and how often."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from itertools import pairwise

import pytest

from parts import virtualtime
from parts.fakeservers import Basket, Chain, Count, Shop, Stock, lived, measuring
from tidegate.base.errors import Unreachable
from tidegate.measure.schedule import GRID_S, next_aligned, origin_s
from tidegate.measure.serving import EARLY_S

HERE = Shop()

PAST_THE_POLL_S = origin_s(HERE) + 60
"""For triggers with an interval of an hour: their one poll lies behind, the next far ahead."""


# --- coalescing


@lived(a=1, b=2, c=3)
async def test_all_questions_for_one_server_travel_together(clock, rounds, world):
    for n, article in enumerate("abc"):
        rounds.follow((article, n), Count(article), interval_s=10)
    await clock.sleep(0.3)
    assert [sorted(call.articles) for call in world.calls] == [["a", "b", "c"]]
    assert [rounds.latest((a, n)).values for n, a in enumerate("abc")] == [(1.0,), (2.0,), (3.0,)]
    assert len(world.adapters) == 1


def test_a_question_at_the_very_moment_of_a_slot_joins_what_is_about_to_be_sent():
    """Timers of one moment fire in any order, and tasks begin after them: none of it is a second question."""

    async def story(clock):
        async with measuring(clock, a=7) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=3600)
            asked = []
            slot_s = next_aligned(clock.monotonic(), origin_s(HERE), GRID_S)

            def ask():
                asked.append(asyncio.ensure_future(rounds.fresh(("u", 0), 3600)))

            for late_s in (0, EARLY_S / 2, EARLY_S):
                asyncio.get_running_loop().call_at(slot_s - late_s, ask)
            await clock.sleep(2)
            assert [one.result().values for one in asked] == [(7.0,)] * 3
            assert len(world.calls) == 1

    for seed in range(30):
        virtualtime.run(story, seed=seed)


@lived(a=7)
async def test_equal_questions_are_asked_once_however_many_want_the_answer(clock, rounds, world):
    for n in range(10_000):
        rounds.follow((f"u{n}", 0), Count("a"), interval_s=10)
    await clock.sleep(10.5)
    assert set(world.articles()) == {"a"}
    assert len(world.calls) == 2
    assert all(rounds.latest((f"u{n}", 0)).values == (7.0,) for n in range(10_000))


@lived(**{f"a{n}": n for n in range(4_200)})
async def test_thousands_of_questions_take_one_call_per_thousand_spread_over_the_interval(
    clock, rounds, world
):
    for n in range(4_200):
        rounds.follow((f"u{n}", 0), Count(f"a{n}"), interval_s=10)
    await clock.sleep(1)
    start = clock.monotonic()
    await clock.sleep(10)
    calls = world.between(start, start + 10)
    assert len(calls) == 5
    assert max(len(call.articles) for call in calls) <= 1_000
    assert Counter(a for call in calls for a in call.articles) == Counter(world.stock.keys())
    assert min(b.at - a.at for a, b in pairwise(calls)) > 1
    assert rounds.counters.lateness.max_s < 0.1


@lived(a=1, b=2)
async def test_a_server_that_asks_for_rest_is_left_alone_for_as_long_and_what_it_answered_counts(
    clock, rounds, world
):
    for n, article in enumerate("ab"):
        rounds.follow((article, n), Count(article), interval_s=10)
    await clock.sleep(1)
    world.stock["b"] = Unreachable("count", answer="429 Too Many Requests", retry_after_s=200)
    await clock.sleep(10)
    start = clock.monotonic()
    assert rounds.latest(("b", 1)).failure.message == "cannot count: 429 Too Many Requests"
    world.stock["b"] = 3
    await clock.sleep(180)
    assert world.between(start, math.inf) == []
    assert "429" in rounds.latest(("a", 0)).failure.message
    await clock.sleep(20)
    assert (rounds.latest(("a", 0)).values, rounds.latest(("b", 1)).values) == ((1.0,), (3.0,))


def test_an_adapter_may_ask_for_more_time_than_the_usual_bound(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            world.delay_s = 25
            rounds.follow(("a", 0), Count("a"), interval_s=300)
            await clock.sleep(40)
            assert "no answer within 10 s" in rounds.latest(("a", 0)).failure.message
        async with measuring(clock, a=1) as (rounds, world):
            world.delay_s, world.patience_s = 25, 30
            rounds.follow(("a", 0), Count("a"), interval_s=300)
            await clock.sleep(40)
            assert rounds.latest(("a", 0)).values == (1.0,)

    tell(story)


def test_what_still_waits_for_a_server_that_asks_for_rest_is_not_sent(tell):
    async def story(clock):
        stock = {f"a{n}": n for n in range(30)}
        async with measuring(clock, **stock) as (rounds, world):
            world.batch = 10
            world.stock["a3"] = Unreachable("count", answer="busy", retry_after_s=200)
            for n in range(30):
                rounds.follow((f"u{n}", 0), Count(f"a{n}"), interval_s=10)
            await clock.sleep(5)
            assert len(world.articles()) == 10
            readings = [rounds.latest((f"u{n}", 0)) for n in range(30)]
            assert sum(one.failure is None for one in readings) == 9

    tell(story)


@lived(**{f"a{n}": n for n in range(1_500)})
async def test_when_triggers_leave_the_rest_moves_together_and_nobody_waits_longer_than_an_interval(
    clock, rounds, world
):
    for n in range(1_500):
        rounds.follow((f"u{n}", 0), Count(f"a{n}"), interval_s=10)
    await clock.sleep(15)
    for n in range(0, 1_500, 2):
        rounds.forget((f"u{n}", 0))
    start = clock.monotonic()
    await clock.sleep(60)
    asked = [call.at for call in world.between(start, math.inf) if "a1" in call.articles]
    assert all(b - a < 10.1 for a, b in pairwise([start, *asked, clock.monotonic()]))
    late = world.between(start + 30, start + 60)
    assert [len(call.articles) for call in late] == [750] * 3


@lived(**{f"a{n}": n for n in range(7)})
async def test_a_server_with_a_small_batch_gets_several_calls_one_after_the_other(clock, rounds, world):
    world.batch = 3
    for n in range(7):
        rounds.follow((f"u{n}", 0), Count(f"a{n}"), interval_s=10)
    await clock.sleep(0.5)
    assert sorted(len(call.articles) for call in world.calls) == [1, 3, 3]
    assert world.most_under_way == 1
    assert [rounds.latest((f"u{n}", 0)).values for n in range(7)] == [(float(n),) for n in range(7)]


@lived(a=1, b=2)
async def test_a_measurement_may_take_several_waves_over_several_servers(clock, rounds, world):
    other = Shop("other")
    stops = (Stock(HERE, "a"), Stock(other, "b"), Stock(other, "a"), Stock(HERE, "b"))
    for n in range(5):
        rounds.follow((f"u{n}", 0), Chain(stops), interval_s=10)
    await clock.sleep(0.5)
    assert rounds.latest(("u0", 0)).values == (6.0,)
    assert [(call.shop, call.articles) for call in world.calls] == [
        (stop.server, (stop.article,)) for stop in stops
    ]


@lived(a=1, b=2)
async def test_questions_asked_at_once_come_back_in_their_order_even_if_some_are_equal(clock, rounds, world):
    stocks = (Stock(HERE, "b"), Stock(Shop("other"), "a"), Stock(HERE, "b"), Stock(HERE, "a"))
    rounds.follow(("u", 0), Basket(stocks), interval_s=10)
    await clock.sleep(0.5)
    assert rounds.latest(("u", 0)).values == (2.0, 1.0, 2.0, 1.0)
    assert sorted(world.articles()) == ["a", "a", "b"]


# --- time


@lived(a=1)
async def test_polls_are_one_interval_apart_and_aligned_to_the_server(clock, rounds, world):
    rounds.follow(("u", 0), Count("a"), interval_s=10)
    await clock.sleep(65)
    polls = [call.at for call in world.calls[1:]]
    assert len(polls) in (6, 7)
    assert all(b - a == pytest.approx(10) for a, b in pairwise(polls))
    assert polls[0] == pytest.approx(next_aligned(polls[0] - 0.1, origin_s(HERE), 10))


@lived(a=1)
async def test_a_new_trigger_is_measured_within_a_slot_and_not_only_at_the_next_poll(clock, rounds, world):
    await clock.sleep(3)
    rounds.follow(("u", 0), Count("a"), interval_s=3_600)
    await clock.sleep(0.3)
    assert rounds.latest(("u", 0)).values == (1.0,)


@lived(a=1, b=2)
async def test_intervals_of_one_server_meet_in_one_call(clock, rounds, world):
    rounds.follow(("u", 0), Count("a"), interval_s=10)
    rounds.follow(("v", 0), Count("b"), interval_s=30)
    await clock.sleep(60.5)
    assert sum("b" in call.articles for call in world.calls) == 3
    assert all("a" in call.articles for call in world.calls)


@lived(a=1)
async def test_a_slow_server_is_asked_again_only_after_it_has_answered(clock, rounds, world):
    world.delay_s = 2.5
    rounds.follow(("u", 0), Count("a"), interval_s=1)
    await clock.sleep(20)
    assert world.most_under_way == 1
    assert len(world.calls) in range(5, 9)


@lived(a=1)
async def test_following_again_with_an_equal_scaler_changes_nothing(clock, rounds, world):
    rounds.follow(("u", 0), Count("a"), interval_s=10)
    await clock.sleep(1)
    reading, calls = rounds.latest(("u", 0)), len(world.calls)
    for _ in range(5):
        rounds.follow(("u", 0), Count("a"), interval_s=10)
        assert rounds.latest(("u", 0)) is reading
    await clock.sleep(0.3)
    assert len(world.calls) == calls


@lived(a=1, b=2)
async def test_another_scaler_under_the_same_key_is_measured_at_once_and_never_shows_the_old_value(
    clock, rounds, world
):
    rounds.follow(("u", 0), Count("a"), interval_s=3_600)
    await clock.sleep(1)
    world.delay_s = 0.5
    rounds.wake([("u", 0)])
    await clock.sleep(0.3)  # the question of the old scaler is under way
    rounds.follow(("u", 0), Count("b"), interval_s=3_600)
    assert rounds.latest(("u", 0)) is None
    await clock.sleep(2)
    assert rounds.latest(("u", 0)).values == (2.0,)
    assert [reading.values for _, _, reading in world.readings] == [(1.0,), (2.0,)]


@lived(a=1)
async def test_another_interval_keeps_the_reading_and_takes_effect(clock, rounds, world):
    rounds.follow(("u", 0), Count("a"), interval_s=3_600)
    await clock.sleep(1)
    rounds.follow(("u", 0), Count("a"), interval_s=5)
    assert rounds.latest(("u", 0)).values == (1.0,)
    before = len(world.calls)
    await clock.sleep(20)
    assert len(world.calls) - before == 4


@lived(a=1)
async def test_what_is_forgotten_is_not_asked_any_more_and_its_connection_closes(clock, rounds, world):
    rounds.follow(("u", 0), Count("a"), interval_s=10)
    await clock.sleep(1)
    rounds.forget(("u", 0))
    assert rounds.latest(("u", 0)) is None
    calls = len(world.calls)
    await clock.sleep(200)
    assert len(world.calls) == calls
    assert [adapter.is_closed for adapter in world.adapters] == [True]
    rounds.follow(("u", 0), Count("a"), interval_s=10)
    await clock.sleep(1)
    assert rounds.latest(("u", 0)).values == (1.0,)


@lived(a=1, b=2)
async def test_a_server_met_only_in_later_waves_keeps_its_connection_between_polls(clock, rounds, world):
    stops = (Stock(HERE, "a"), Stock(Shop("other"), "b"))
    rounds.follow(("u", 0), Chain(stops), interval_s=300)
    await clock.sleep(1_000)
    assert len(world.calls) >= 8
    assert len(world.adapters) == 2
    rounds.forget(("u", 0))
    await clock.sleep(1_000)
    assert all(adapter.is_closed for adapter in world.adapters)


# --- wake-ups


@lived(a=1)
async def test_a_wake_up_joins_the_next_slot_and_a_storm_of_them_asks_four_times_a_second(
    clock, rounds, world
):
    rounds.follow(("u", 0), Count("a"), interval_s=3_600)
    await clock.sleep(1)
    start = clock.monotonic()
    for _ in range(1_000):
        rounds.wake([("u", 0)])
        await clock.sleep(0.01)
    calls = [call.at for call in world.between(start, start + 11)]
    assert all(b - a > 0.24 for a, b in pairwise(calls))
    assert len(calls) in (40, 41)


@lived(a=1)
async def test_a_wake_up_while_the_question_is_under_way_asks_again(clock, rounds, world):
    rounds.follow(("u", 0), Count("a"), interval_s=3_600)
    await clock.sleep(1)
    world.delay_s = 0.6
    rounds.wake([("u", 0)])
    await clock.sleep(0.4)
    asked = len(world.calls)
    rounds.wake([("u", 0)])
    await clock.sleep(3)
    assert len(world.calls) == asked + 1


@lived(a=1, b=2)
async def test_a_wake_up_during_a_later_wave_asks_again_from_the_beginning(clock, rounds, world):
    other = Shop("other")
    stops = (Stock(HERE, "a"), Stock(other, "b"))
    rounds.follow(("u", 0), Chain(stops), interval_s=3_600, snapshot=clock.monotonic)
    await clock.sleep(PAST_THE_POLL_S)
    world.delay_s = 1.0
    rounds.wake([("u", 0)])
    await clock.sleep(1.6)
    assert world.calls[-1].shop == other
    woken = clock.monotonic()
    rounds.wake([("u", 0)])
    await clock.sleep(5)
    assert rounds.latest(("u", 0)).snapshot > woken
    assert len(world.between(woken, math.inf)) == 2


@lived(a=1, b=2)
async def test_a_poll_that_finds_an_unreported_measurement_under_way_reports_it(clock, rounds, world):
    other = Shop("other")
    stops = (Stock(HERE, "a"), Stock(other, "b"))
    rounds.follow(("u", 0), Chain(stops), interval_s=3_600)
    await clock.sleep(PAST_THE_POLL_S + 3_600 - 61.2)
    calls = len(world.calls)
    world.stock["a"] = 10
    world.delay_s = 1.0
    assert (await rounds.fresh(("u", 0), 1)).values == (12.0,)
    await clock.sleep(2)
    assert len(world.calls) == calls + 2
    assert world.readings[-1][2].values == (12.0,)


@lived(a=1)
async def test_a_metered_server_is_woken_no_more_often_than_it_says(clock, rounds, world):
    world.wake_gap_s = 20
    rounds.follow(("u", 0), Count("a"), interval_s=3_600)
    await clock.sleep(PAST_THE_POLL_S)
    start = clock.monotonic()
    for _ in range(100):
        rounds.wake([("u", 0)])
        await rounds.fresh(("u", 0), 0.1)
        await clock.sleep(1)
    calls = world.between(start, math.inf)
    assert len(calls) in (5, 6)
    assert all(b.at - a.at >= 19.9 for a, b in pairwise(calls))


@lived(a=7, b=3)
async def test_a_poll_serves_the_wake_ups_that_wait_for_a_metered_server(clock, rounds, world):
    world.wake_gap_s = 7
    for index, name in enumerate("ab"):
        rounds.follow(("u", index), Count(name), interval_s=5)
    await clock.sleep(PAST_THE_POLL_S)
    start = clock.monotonic()
    for _ in range(40):
        rounds.wake([("u", 0), ("u", 1)])
        await clock.sleep(0.5)
    calls = world.between(start, math.inf)
    assert all(b.at - a.at >= 4.9 for a, b in pairwise(calls))
    assert [set(call.articles) for call in calls] == [{"a", "b"}] * len(calls)


@lived(a=7)
async def test_a_wake_up_during_a_call_of_a_metered_server_waits_for_the_gap_after_it(clock, rounds, world):
    world.wake_gap_s = 5.1
    world.delay_s = 1
    rounds.follow(("u", 0), Count("a"), interval_s=5)
    await clock.sleep(PAST_THE_POLL_S)
    start = clock.monotonic()
    for _ in range(80):
        rounds.wake([("u", 0)])
        await clock.sleep(0.25)
    calls = world.between(start, math.inf)
    assert len(calls) in (4, 5)
    assert all(b.at - a.at >= 4.9 for a, b in pairwise(calls))


@lived(a=7, b=3)
async def test_polls_of_others_keep_no_wake_up_of_a_metered_server_waiting(clock, rounds, world):
    world.wake_gap_s = 7
    rounds.follow(("u", 0), Count("a"), interval_s=5)
    rounds.follow(("u", 1), Count("b"), interval_s=3_600)
    await clock.sleep(PAST_THE_POLL_S)
    start = clock.monotonic()
    rounds.wake([("u", 1)])
    await clock.sleep(8)
    assert [call.articles for call in world.between(start, math.inf) if "b" in call.articles] != []


@lived()
async def test_waking_who_is_not_followed_does_nothing(clock, rounds, world):
    rounds.wake([("nobody", 3)])
    await clock.sleep(1)
    assert world.calls == []


# --- the end


def test_stopping_in_the_middle_of_a_call_closes_everything_and_lets_no_asker_hang():
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            world.delay_s = 5.0
            rounds.follow(("u", 0), Count("a"), interval_s=5, snapshot=lambda: 1)
            asker = asyncio.create_task(rounds.fresh(("u", 0), 1))
            await clock.sleep(1)
            assert len(world.calls) == 1
        assert (await asker).failure is not None
        assert world.readings == []

    virtualtime.run(story)


def test_when_nothing_is_followed_nothing_wakes():
    async def story(clock):
        async with measuring(clock):
            await asyncio.Event().wait()

    with pytest.raises(virtualtime.Stuck):
        virtualtime.run(story)
