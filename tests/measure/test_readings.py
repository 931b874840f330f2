"""What becomes of answers: readings, also of triggers that follow the clock, and what the HPA is told."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta

import pytest

from parts import virtualtime
from parts.fakeservers import Chain, Count, Hourly, Raw, Shop, Stock, lived, measuring
from parts.virtualtime import START
from tidegate.kit.scaler import Measured
from tidegate.measure.schedule import origin_s

HERE = Shop()

PAST_THE_POLL_S = origin_s(HERE) + 60
"""For triggers with an interval of an hour: their one poll lies behind, the next far ahead."""


# --- readings


@lived(a=1)
async def test_a_reading_is_reported_when_it_is_news_and_only_then(clock, rounds, world):
    rounds.follow(("u", 0), Count("a"), interval_s=1)
    await clock.sleep(5)
    world.stock["a"] = 2
    await clock.sleep(5)
    assert [reading.values for _, _, reading in world.readings] == [(1.0,), (2.0,)]
    age = clock.now() - rounds.latest(("u", 0)).at
    assert age < timedelta(seconds=1.1)


@lived(a=1)
async def test_a_reading_with_a_snapshot_is_always_reported(clock, rounds, world):
    rounds.follow(("u", 0), Count("a"), interval_s=1, snapshot=lambda: ("job",))
    await clock.sleep(5.5)
    assert len(world.readings) in (6, 7)


@lived(a=1, b=1)
async def test_the_snapshot_is_taken_before_the_question_and_not_when_the_answer_comes(clock, rounds, world):
    world.delay_s = 3.0
    stops = (Stock(HERE, "a"), Stock(HERE, "b"))
    rounds.follow(("u", 0), Chain(stops), interval_s=3_600, snapshot=clock.monotonic)
    await clock.sleep(10)
    first = world.calls[0]
    reading = rounds.latest(("u", 0))
    assert reading.snapshot == pytest.approx(first.at)
    assert (reading.at - START).total_seconds() == pytest.approx(first.at)


@lived(a=1, b=2)
async def test_a_question_that_waits_behind_a_slow_one_takes_its_snapshot_when_it_is_sent(
    clock, rounds, world
):
    world.delay_s = 3.0
    rounds.follow(("u", 0), Count("a"), interval_s=3_600)
    await clock.sleep(0.3)
    rounds.follow(("v", 0), Count("b"), interval_s=3_600, snapshot=clock.monotonic)
    await clock.sleep(10)
    assert rounds.latest(("v", 0)).snapshot == pytest.approx(world.calls[1].at)


@lived(a=1, b=2)
async def test_a_snapshot_that_breaks_makes_a_failure_and_never_a_value(clock, rounds, world):
    def broken():
        raise LookupError("secret text")

    rounds.follow(("u", 0), Count("a"), interval_s=10, snapshot=broken)
    rounds.follow(("v", 0), Count("b"), interval_s=10)
    await clock.sleep(1)
    failure = rounds.latest(("u", 0)).failure
    assert failure is not None
    assert failure.kind == "Malformed"
    assert "secret" not in failure.message
    assert rounds.latest(("v", 0)).values == (2.0,)


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


@lived()
async def test_a_scaler_that_asks_nothing_is_still_measured_at_its_interval(clock, rounds, world):
    async def minute(ask, now):
        return (now - START).total_seconds()

    rounds.follow(("u", 0), Raw(minute), interval_s=10)
    await clock.sleep(35)
    assert len(world.readings) in (4, 5)


# --- the HPA's questions


@lived(a=1)
async def test_a_young_reading_is_answered_without_asking(clock, rounds, world):
    rounds.follow(("u", 0), Count("a"), interval_s=3_600)
    await clock.sleep(1)
    calls = len(world.calls)
    assert (await rounds.fresh(("u", 0), 15)).values == (1.0,)
    assert len(world.calls) == calls


@lived(a=1)
async def test_the_age_of_a_reading_counts_from_the_moment_of_the_question(clock, rounds, world):
    rounds.follow(("u", 0), Count("a"), interval_s=3_600)
    await clock.sleep(PAST_THE_POLL_S)
    await rounds.fresh(("u", 0), 0)
    calls, asked = len(world.calls), world.calls[-1].at
    await clock.sleep(asked + 5 - clock.monotonic())
    await rounds.fresh(("u", 0), 5.1)
    assert len(world.calls) == calls
    await rounds.fresh(("u", 0), 4.9)
    assert len(world.calls) == calls + 1


@lived(a=1, b=1)
async def test_an_old_reading_is_replaced_by_one_round_that_all_askers_share_and_that_reports_nothing(
    clock, rounds, world
):
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


@lived(a=1)
async def test_what_an_hpa_asks_in_between_answers_it_and_decides_nothing(clock, rounds, world):
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


@lived(a=1)
async def test_a_fresh_reading_of_nobody_or_of_somebody_who_leaves_is_a_failure_and_not_a_wait(
    clock, rounds, world
):
    assert (await rounds.fresh(("u", 0), 15)).failure is not None
    rounds.follow(("u", 0), Count("a"), interval_s=10)
    asker = asyncio.create_task(rounds.fresh(("u", 0), 15))
    await asyncio.sleep(0)
    rounds.forget(("u", 0))
    assert (await asker).failure is not None


@lived(a=1)
async def test_an_asker_before_the_first_reading_gets_the_first_reading(clock, rounds, world):
    rounds.follow(("u", 0), Count("a"), interval_s=10)
    assert (await rounds.fresh(("u", 0), 15)).values == (1.0,)
    assert len(world.calls) == 1
    assert len(world.readings) == 1


# --- clock triggers


@lived()
async def test_a_clock_trigger_is_computed_at_its_changes_and_never_polled(clock, rounds, world):
    rounds.follow(("u", 0), Hourly(), interval_s=1)
    await clock.sleep(0.1)
    assert rounds.latest(("u", 0)).values == (1.0,)
    await clock.sleep(3 * 3_600)
    moments = [(round(at / 3_600, 3), reading.values[0]) for at, _, reading in world.readings]
    assert moments == [(0, 1.0), (1, 0.0), (2, 1.0), (3, 0.0)]
    assert rounds.counters.readings == 4
    assert world.calls == []


@lived()
async def test_a_clock_trigger_notices_that_the_wall_clock_was_set(clock, rounds, world):
    rounds.follow(("u", 0), Hourly(), interval_s=1)
    await clock.sleep(60)
    clock.shift = timedelta(hours=1)
    await clock.sleep(61)
    assert rounds.latest(("u", 0)).values == (0.0,)


@lived()
async def test_a_clock_trigger_notices_that_the_wall_clock_was_set_back_over_an_edge(clock, rounds, world):
    clock.shift = timedelta(hours=1)
    rounds.follow(("u", 0), Hourly(), interval_s=1)
    await clock.sleep(60)
    assert rounds.latest(("u", 0)).values == (0.0,)
    clock.shift = timedelta(0)
    await clock.sleep(61)
    assert rounds.latest(("u", 0)).values == (1.0,)


@lived()
async def test_a_woken_clock_trigger_reports_its_snapshot(clock, rounds, world):
    rounds.follow(("u", 0), Hourly(), interval_s=1, snapshot=clock.monotonic)
    await clock.sleep(10)
    rounds.wake([("u", 0)])
    await clock.sleep(0.3)
    assert [round(reading.snapshot) for _, _, reading in world.readings] == [0, 10]
    assert (await rounds.fresh(("u", 0), 15)).values == (1.0,)
