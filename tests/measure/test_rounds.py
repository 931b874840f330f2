"""Rounds on a loop whose clock jumps: who is asked, when, how often, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from parts import virtualtime
from parts.fakeservers import Basket, Chain, Count, Hourly, Raw, Shop, Stock, measuring
from parts.virtualtime import START
from tidegate.base.errors import Denied, Failure, Misconfigured, Unreachable, Unsupported
from tidegate.kit.scaler import Measured
from tidegate.measure.schedule import next_aligned, origin_s

HERE = Shop()
SEEDS = range(3)

PAST_THE_POLL_S = origin_s(HERE) + 60
"""For triggers with an interval of an hour: their one poll lies behind, the next far ahead."""


@pytest.fixture(params=SEEDS, ids=lambda seed: f"seed{seed}")
def tell(request):
    """Runs a story in an order drawn from a seed."""
    return lambda story: virtualtime.run(story, seed=request.param)


# --- coalescing


def test_all_questions_for_one_server_travel_together(tell):
    async def story(clock):
        async with measuring(clock, a=1, b=2, c=3) as (rounds, world):
            for n, article in enumerate("abc"):
                rounds.follow((article, n), Count(article), interval_s=10)
            await clock.sleep(0.3)
            assert [sorted(call.articles) for call in world.calls] == [["a", "b", "c"]]
            assert [rounds.latest((a, n)).values for n, a in enumerate("abc")] == [(1.0,), (2.0,), (3.0,)]
            assert len(world.adapters) == 1

    tell(story)


def test_equal_questions_are_asked_once_however_many_want_the_answer(tell):
    async def story(clock):
        async with measuring(clock, a=7) as (rounds, world):
            for n in range(10_000):
                rounds.follow((f"u{n}", 0), Count("a"), interval_s=10)
            await clock.sleep(10.5)
            assert set(world.articles()) == {"a"}
            assert len(world.calls) == 2
            assert all(rounds.latest((f"u{n}", 0)).values == (7.0,) for n in range(10_000))

    tell(story)


def test_thousands_of_questions_take_one_call_per_thousand_spread_over_the_interval(tell):
    async def story(clock):
        async with measuring(clock, **{f"a{n}": n for n in range(4_200)}) as (rounds, world):
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

    tell(story)


def test_a_server_that_asks_for_rest_is_left_alone_for_as_long_and_what_it_answered_counts(tell):
    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, world):
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


def test_when_triggers_leave_the_rest_moves_together_and_nobody_waits_longer_than_an_interval(tell):
    async def story(clock):
        async with measuring(clock, **{f"a{n}": n for n in range(1_500)}) as (rounds, world):
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

    tell(story)


def test_a_server_with_a_small_batch_gets_several_calls_one_after_the_other(tell):
    async def story(clock):
        async with measuring(clock, **{f"a{n}": n for n in range(7)}) as (rounds, world):
            world.batch = 3
            for n in range(7):
                rounds.follow((f"u{n}", 0), Count(f"a{n}"), interval_s=10)
            await clock.sleep(0.5)
            assert sorted(len(call.articles) for call in world.calls) == [1, 3, 3]
            assert world.most_under_way == 1
            assert [rounds.latest((f"u{n}", 0)).values for n in range(7)] == [(float(n),) for n in range(7)]

    tell(story)


def test_a_measurement_may_take_several_waves_over_several_servers(tell):
    other = Shop("other")
    stops = (Stock(HERE, "a"), Stock(other, "b"), Stock(other, "a"), Stock(HERE, "b"))

    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, world):
            for n in range(5):
                rounds.follow((f"u{n}", 0), Chain(stops), interval_s=10)
            await clock.sleep(0.5)
            assert rounds.latest(("u0", 0)).values == (6.0,)
            assert [(call.shop, call.articles) for call in world.calls] == [
                (stop.server, (stop.article,)) for stop in stops
            ]

    tell(story)


def test_questions_asked_at_once_come_back_in_their_order_even_if_some_are_equal(tell):
    stocks = (Stock(HERE, "b"), Stock(Shop("other"), "a"), Stock(HERE, "b"), Stock(HERE, "a"))

    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, world):
            rounds.follow(("u", 0), Basket(stocks), interval_s=10)
            await clock.sleep(0.5)
            assert rounds.latest(("u", 0)).values == (2.0, 1.0, 2.0, 1.0)
            assert sorted(world.articles()) == ["a", "a", "b"]

    tell(story)


# --- time


def test_polls_are_one_interval_apart_and_aligned_to_the_server(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=10)
            await clock.sleep(65)
            polls = [call.at for call in world.calls[1:]]
            assert len(polls) in (6, 7)
            assert all(b - a == pytest.approx(10) for a, b in pairwise(polls))
            assert polls[0] == pytest.approx(next_aligned(polls[0] - 0.1, origin_s(HERE), 10))

    tell(story)


def test_a_new_trigger_is_measured_within_a_slot_and_not_only_at_the_next_poll(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, _):
            await clock.sleep(3)
            rounds.follow(("u", 0), Count("a"), interval_s=3_600)
            await clock.sleep(0.3)
            assert rounds.latest(("u", 0)).values == (1.0,)

    tell(story)


def test_intervals_of_one_server_meet_in_one_call(tell):
    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=10)
            rounds.follow(("v", 0), Count("b"), interval_s=30)
            await clock.sleep(60.5)
            assert sum("b" in call.articles for call in world.calls) == 3
            assert all("a" in call.articles for call in world.calls)

    tell(story)


def test_a_slow_server_is_asked_again_only_after_it_has_answered(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            world.delay_s = 2.5
            rounds.follow(("u", 0), Count("a"), interval_s=1)
            await clock.sleep(20)
            assert world.most_under_way == 1
            assert len(world.calls) in range(5, 9)

    tell(story)


def test_following_again_with_an_equal_scaler_changes_nothing(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=10)
            await clock.sleep(1)
            reading, calls = rounds.latest(("u", 0)), len(world.calls)
            for _ in range(5):
                rounds.follow(("u", 0), Count("a"), interval_s=10)
                assert rounds.latest(("u", 0)) is reading
            await clock.sleep(0.3)
            assert len(world.calls) == calls

    tell(story)


def test_another_scaler_under_the_same_key_is_measured_at_once_and_never_shows_the_old_value(tell):
    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, world):
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

    tell(story)


def test_another_interval_keeps_the_reading_and_takes_effect(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=3_600)
            await clock.sleep(1)
            rounds.follow(("u", 0), Count("a"), interval_s=5)
            assert rounds.latest(("u", 0)).values == (1.0,)
            before = len(world.calls)
            await clock.sleep(20)
            assert len(world.calls) - before == 4

    tell(story)


def test_what_is_forgotten_is_not_asked_any_more_and_its_connection_closes(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
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

    tell(story)


def test_a_server_met_only_in_later_waves_keeps_its_connection_between_polls(tell):
    stops = (Stock(HERE, "a"), Stock(Shop("other"), "b"))

    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, world):
            rounds.follow(("u", 0), Chain(stops), interval_s=300)
            await clock.sleep(1_000)
            assert len(world.calls) >= 8
            assert len(world.adapters) == 2
            rounds.forget(("u", 0))
            await clock.sleep(1_000)
            assert all(adapter.is_closed for adapter in world.adapters)

    tell(story)


# --- wake-ups


def test_a_wake_up_joins_the_next_slot_and_a_storm_of_them_asks_four_times_a_second(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=3_600)
            await clock.sleep(1)
            start = clock.monotonic()
            for _ in range(1_000):
                rounds.wake([("u", 0)])
                await clock.sleep(0.01)
            calls = [call.at for call in world.between(start, start + 11)]
            assert all(b - a > 0.24 for a, b in pairwise(calls))
            assert len(calls) in (40, 41)

    tell(story)


def test_a_wake_up_while_the_question_is_under_way_asks_again(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=3_600)
            await clock.sleep(1)
            world.delay_s = 0.6
            rounds.wake([("u", 0)])
            await clock.sleep(0.4)
            asked = len(world.calls)
            rounds.wake([("u", 0)])
            await clock.sleep(3)
            assert len(world.calls) == asked + 1

    tell(story)


def test_a_wake_up_during_a_later_wave_asks_again_from_the_beginning(tell):
    other = Shop("other")

    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, world):
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

    tell(story)


def test_a_poll_that_finds_an_unreported_measurement_under_way_reports_it(tell):
    other = Shop("other")

    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, world):
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

    tell(story)


def test_a_metered_server_is_woken_no_more_often_than_it_says(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
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

    tell(story)


def test_waking_who_is_not_followed_does_nothing(tell):
    async def story(clock):
        async with measuring(clock) as (rounds, world):
            rounds.wake([("nobody", 3)])
            await clock.sleep(1)
            assert world.calls == []

    tell(story)


# --- readings


def test_a_reading_is_reported_when_it_is_news_and_only_then(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=1)
            await clock.sleep(5)
            world.stock["a"] = 2
            await clock.sleep(5)
            assert [reading.values for _, _, reading in world.readings] == [(1.0,), (2.0,)]
            age = clock.now() - rounds.latest(("u", 0)).at
            assert age < timedelta(seconds=1.1)

    tell(story)


def test_a_reading_with_a_snapshot_is_always_reported(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=1, snapshot=lambda: ("job",))
            await clock.sleep(5.5)
            assert len(world.readings) in (6, 7)

    tell(story)


def test_the_snapshot_is_taken_before_the_question_and_not_when_the_answer_comes(tell):
    async def story(clock):
        async with measuring(clock, a=1, b=1) as (rounds, world):
            world.delay_s = 3.0
            stops = (Stock(HERE, "a"), Stock(HERE, "b"))
            rounds.follow(("u", 0), Chain(stops), interval_s=3_600, snapshot=clock.monotonic)
            await clock.sleep(10)
            first = world.calls[0]
            reading = rounds.latest(("u", 0))
            assert reading.snapshot == pytest.approx(first.at)
            assert (reading.at - START).total_seconds() == pytest.approx(first.at)

    tell(story)


def test_a_question_that_waits_behind_a_slow_one_takes_its_snapshot_when_it_is_sent(tell):
    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, world):
            world.delay_s = 3.0
            rounds.follow(("u", 0), Count("a"), interval_s=3_600)
            await clock.sleep(0.3)
            rounds.follow(("v", 0), Count("b"), interval_s=3_600, snapshot=clock.monotonic)
            await clock.sleep(10)
            assert rounds.latest(("v", 0)).snapshot == pytest.approx(world.calls[1].at)

    tell(story)


def test_a_snapshot_that_breaks_makes_a_failure_and_never_a_value(tell):
    def broken():
        raise LookupError("secret text")

    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, _):
            rounds.follow(("u", 0), Count("a"), interval_s=10, snapshot=broken)
            rounds.follow(("v", 0), Count("b"), interval_s=10)
            await clock.sleep(1)
            failure = rounds.latest(("u", 0)).failure
            assert failure is not None
            assert failure.kind == "Malformed"
            assert "secret" not in failure.message
            assert rounds.latest(("v", 0)).values == (2.0,)

    tell(story)


async def _sleeps(ask, now):
    await asyncio.sleep(1)


async def _raises(ask, now):
    raise ZeroDivisionError("password=hunter2")


async def _asks_forever(ask, now):
    while True:
        await ask(Stock(HERE, "a"))


async def _asks_nonsense(ask, now):
    return await ask("how are you?")


async def _says(value):
    return value


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (_raises, "Malformed"),
        (_sleeps, "Malformed"),
        (_asks_forever, "Malformed"),
        (_asks_nonsense, "Malformed"),
        (lambda ask, now: _says(math.nan), "Malformed"),
        (lambda ask, now: _says(math.inf), "Malformed"),
        (lambda ask, now: _says(None), "Malformed"),
        (lambda ask, now: _says("5"), "Malformed"),
        (lambda ask, now: _says(10**400), "Malformed"),
        (lambda ask, now: _says(Measured((1.0, -math.inf))), "Malformed"),
        (lambda ask, now: ask(Stock(HERE, "missing")), "Malformed"),
    ],
)
def test_what_goes_wrong_in_one_scaler_is_a_failure_of_that_trigger_alone(body, kind):
    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, world):
            rounds.follow(("bad", 0), Raw(body), interval_s=1)
            rounds.follow(("good", 0), Count("b"), interval_s=1)
            await clock.sleep(5)
            failure = rounds.latest(("bad", 0)).failure
            assert failure is not None
            assert failure.kind == kind
            assert "hunter2" not in failure.message
            assert rounds.latest(("bad", 0)).values == ()
            assert rounds.latest(("good", 0)).values == (2.0,)
            assert [key for _, key, _ in world.readings].count(("bad", 0)) == 1
            assert world.news == []

    virtualtime.run(story)


def test_a_defect_is_logged_once(caplog):
    async def story(clock):
        async with measuring(clock) as (rounds, _):
            rounds.follow(("bad", 0), Raw(_raises), interval_s=1)
            await clock.sleep(10)

    virtualtime.run(story)
    assert [record.message for record in caplog.records] == ["measuring failed unexpectedly"]


def test_a_scaler_that_asks_nothing_is_still_measured_at_its_interval(tell):
    async def minute(ask, now):
        return (now - START).total_seconds()

    async def story(clock):
        async with measuring(clock) as (rounds, world):
            rounds.follow(("u", 0), Raw(minute), interval_s=10)
            await clock.sleep(35)
            assert len(world.readings) in (4, 5)

    tell(story)


# --- the HPA's questions


def test_a_young_reading_is_answered_without_asking(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=3_600)
            await clock.sleep(1)
            calls = len(world.calls)
            assert (await rounds.fresh(("u", 0), 15)).values == (1.0,)
            assert len(world.calls) == calls

    tell(story)


def test_the_age_of_a_reading_counts_from_the_moment_of_the_question(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=3_600)
            await clock.sleep(PAST_THE_POLL_S)
            await rounds.fresh(("u", 0), 0)
            calls, asked = len(world.calls), world.calls[-1].at
            await clock.sleep(asked + 5 - clock.monotonic())
            await rounds.fresh(("u", 0), 5.1)
            assert len(world.calls) == calls
            await rounds.fresh(("u", 0), 4.9)
            assert len(world.calls) == calls + 1

    tell(story)


def test_an_old_reading_is_replaced_by_one_round_that_all_askers_share_and_that_reports_nothing(tell):
    async def story(clock):
        async with measuring(clock, a=1, b=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=3_600)
            rounds.follow(("v", 0), Count("b"), interval_s=3_600)
            await clock.sleep(PAST_THE_POLL_S)
            world.stock.update(a=5, b=6)
            calls, told = len(world.calls), len(world.readings)
            keys = [("u", 0), ("v", 0)] * 10
            answers = await asyncio.gather(*(rounds.fresh(key, 15) for key in keys))
            assert [answer.values for answer in answers] == [(5.0,), (6.0,)] * 10
            assert len(world.calls) == calls + 1
            assert len(world.readings) == told
            rounds.wake([("u", 0)])
            await clock.sleep(1)
            assert [reading.values for _, _, reading in world.readings[told:]] == [(5.0,)]

    tell(story)


def test_what_an_hpa_asks_in_between_answers_it_and_decides_nothing(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=3_600)
            await clock.sleep(PAST_THE_POLL_S)
            told = len(world.readings)
            world.stock.update(a=5)
            assert (await rounds.fresh(("u", 0), 15)).values == (5.0,)
            assert rounds.latest(("u", 0)).values == (5.0,)
            assert rounds.polled(("u", 0)).values == (1.0,)
            await clock.sleep(1)
            assert (await rounds.decisive(("u", 0), 15)).values == (5.0,)
            assert rounds.polled(("u", 0)).values == (5.0,)
            assert len(world.readings) == told
            world.stock.update(a=1)
            rounds.wake([("u", 0)])
            await clock.sleep(1)
            assert rounds.polled(("u", 0)).values == (1.0,)
            assert [reading.values for _, _, reading in world.readings[told:]] == [(1.0,)], "news again"

    tell(story)


def test_a_fresh_reading_of_nobody_or_of_somebody_who_leaves_is_a_failure_and_not_a_wait(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, _):
            assert (await rounds.fresh(("u", 0), 15)).failure is not None
            rounds.follow(("u", 0), Count("a"), interval_s=10)
            asker = asyncio.create_task(rounds.fresh(("u", 0), 15))
            await asyncio.sleep(0)
            rounds.forget(("u", 0))
            assert (await asker).failure is not None

    tell(story)


def test_an_asker_before_the_first_reading_gets_the_first_reading(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            rounds.follow(("u", 0), Count("a"), interval_s=10)
            assert (await rounds.fresh(("u", 0), 15)).values == (1.0,)
            assert len(world.calls) == 1
            assert len(world.readings) == 1

    tell(story)


# --- clock triggers


def test_a_clock_trigger_is_computed_at_its_changes_and_never_polled(tell):
    async def story(clock):
        async with measuring(clock) as (rounds, world):
            rounds.follow(("u", 0), Hourly(), interval_s=1)
            await clock.sleep(0.1)
            assert rounds.latest(("u", 0)).values == (1.0,)
            await clock.sleep(3 * 3_600)
            moments = [(round(at / 3_600, 3), reading.values[0]) for at, _, reading in world.readings]
            assert moments == [(0, 1.0), (1, 0.0), (2, 1.0), (3, 0.0)]
            assert rounds.counters.readings == 4
            assert world.calls == []

    tell(story)


def test_a_clock_trigger_notices_that_the_wall_clock_was_set(tell):
    async def story(clock):
        async with measuring(clock) as (rounds, _):
            rounds.follow(("u", 0), Hourly(), interval_s=1)
            await clock.sleep(60)
            clock.shift = timedelta(hours=1)
            await clock.sleep(61)
            assert rounds.latest(("u", 0)).values == (0.0,)

    tell(story)


def test_a_clock_trigger_notices_that_the_wall_clock_was_set_back_over_an_edge(tell):
    async def story(clock):
        async with measuring(clock) as (rounds, _):
            clock.shift = timedelta(hours=1)
            rounds.follow(("u", 0), Hourly(), interval_s=1)
            await clock.sleep(60)
            assert rounds.latest(("u", 0)).values == (0.0,)
            clock.shift = timedelta(0)
            await clock.sleep(61)
            assert rounds.latest(("u", 0)).values == (1.0,)

    tell(story)


def test_a_woken_clock_trigger_reports_its_snapshot(tell):
    async def story(clock):
        async with measuring(clock) as (rounds, world):
            rounds.follow(("u", 0), Hourly(), interval_s=1, snapshot=clock.monotonic)
            await clock.sleep(10)
            rounds.wake([("u", 0)])
            await clock.sleep(0.3)
            assert [round(reading.snapshot) for _, _, reading in world.readings] == [0, 10]
            assert (await rounds.fresh(("u", 0), 15)).values == (1.0,)

    tell(story)


# --- a server that fails


def test_a_dead_server_is_one_problem_and_everybody_elses_rounds_go_on(tell):
    dead = Shop("dead")

    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
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

    tell(story)


def test_a_dead_server_is_tried_less_and_less_but_once_per_interval_and_heals_within_one(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
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

    tell(story)


def test_a_refused_login_is_not_repeated_soon_but_another_password_is_tried_at_once(tell):
    wrong, right = Shop(password="old"), Shop(password="new")

    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            world.trouble[wrong] = Denied("log in", on="shop")
            rounds.follow(("u", 0), Count("a", wrong), interval_s=1)
            await clock.sleep(9)
            assert len(world.calls) == 1
            assert rounds.latest(("u", 0)).failure.kind == "Denied"
            rounds.follow(("u", 0), Count("a", right), interval_s=1)
            await clock.sleep(0.3)
            assert rounds.latest(("u", 0)).values == (1.0,)
            assert all("old" not in label and "new" not in label for label, _ in world.news)

    tell(story)


def test_another_kind_of_failure_is_news_and_the_same_kind_is_not(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            world.trouble[HERE] = Unreachable("connect", on="shop", answer="refused")
            rounds.follow(("u", 0), Count("a"), interval_s=1)
            await clock.sleep(5)
            world.trouble[HERE] = Unreachable("connect", on="shop", answer="timed out")
            await clock.sleep(5)
            world.trouble[HERE] = Denied("log in", on="shop")
            await clock.sleep(5)
            assert [failure.kind for _, failure in world.news] == ["Unreachable", "Denied"]

    tell(story)


def test_the_next_poll_is_told_ahead_and_so_is_the_rest_of_a_server_that_failed(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
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

    tell(story)


def test_a_failure_counts_once_per_interval_however_often_it_is_asked(tell):
    async def story(clock):
        async with measuring(clock) as (rounds, _):
            rounds.follow(("u", 0), Count("missing"), interval_s=10)
            for _ in range(150):
                await clock.sleep(0.2)
                rounds.wake([("u", 0)])
                await rounds.fresh(("u", 0), 0)
            assert rounds.failed_polls(("u", 0)) in (3, 4)

    tell(story)


def test_failed_polls_go_on_counting_while_the_server_is_left_alone_and_end_with_a_value(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            world.trouble[HERE] = Denied("log in", on="shop")
            rounds.follow(("u", 0), Count("a"), interval_s=1)
            await clock.sleep(9.5)
            assert len(world.calls) == 1
            assert rounds.failed_polls(("u", 0)) in (9, 10, 11)
            world.trouble.clear()
            await clock.sleep(5)
            assert rounds.failed_polls(("u", 0)) == 0

    tell(story)


def test_while_a_server_is_left_alone_wake_ups_and_askers_get_its_failure_with_a_new_snapshot(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            world.trouble[HERE] = Denied("log in", on="shop")
            rounds.follow(("u", 0), Count("a"), interval_s=3_600, snapshot=clock.monotonic)
            await clock.sleep(2)
            rounds.wake([("u", 0)])
            await clock.sleep(0.3)
            assert [round(reading.snapshot) for _, _, reading in world.readings] in ([0, 2], [0, 2, 2])
            assert (await rounds.fresh(("u", 0), 0)).failure.kind == "Denied"
            assert len(world.calls) == 1

    tell(story)


def test_a_dead_server_of_a_later_wave_fails_only_who_needs_it(tell):
    dead = Shop("dead")

    async def story(clock):
        async with measuring(clock, a=1, b=2) as (rounds, world):
            world.trouble[dead] = Unreachable("connect", on="dead")
            rounds.follow(("u", 0), Chain((Stock(HERE, "a"), Stock(dead, "b"))), interval_s=2)
            rounds.follow(("v", 0), Count("a"), interval_s=2)
            await clock.sleep(20)
            assert rounds.latest(("u", 0)).failure.kind == "Unreachable"
            assert rounds.latest(("v", 0)).values == (1.0,)
            world.trouble.clear()
            await clock.sleep(70)
            assert rounds.latest(("u", 0)).values == (3.0,)

    tell(story)


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


def test_a_server_that_never_answers_is_given_up_and_gets_a_new_connection(tell):
    async def story(clock):
        async with measuring(clock, a=1) as (rounds, world):
            world.delay_s = 1e6
            rounds.follow(("u", 0), Count("a"), interval_s=5)
            await clock.sleep(10.5)
            assert rounds.latest(("u", 0)).failure.kind == "Unreachable"
            world.delay_s = 0.01
            await clock.sleep(30)
            assert rounds.latest(("u", 0)).values == (1.0,)
            assert [adapter.is_closed for adapter in world.adapters] == [True, False]

    tell(story)


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
