"""A budget of calls: no minute has more of them, everybody gets a turn, and intervals say what they are."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parts import virtualtime
from parts.fakeservers import Basket, Chain, Count, Fake, Shop, Stock, measuring
from tidegate.base.errors import Unreachable
from tidegate.kit.systems.calls import Calls, calls_of
from tidegate.measure.budget import Purse, Stretch, budget_of

SHOP = Shop()


@dataclass(frozen=True)
class Packed(Stock):
    calls: ClassVar[Calls] = Calls(together=50)


@dataclass(frozen=True)
class PackedCount(Fake):
    article: str
    shop: Shop = field(default=SHOP)

    async def measure(self, ask, now):
        return await ask(Packed(self.shop, self.article))


def articles(count):
    return [f"a{number}" for number in range(count)]


def lived(story, stock, budgets, seed=1):
    """Lets `story` go on with rounds that have these budgets."""

    async def whole(clock):
        async with measuring(clock, **stock) as (rounds, world):
            paced = []
            rounds.limit(budgets, paced.append)
            await story(clock, rounds, world, paced)

    virtualtime.run(whole, seed=seed)


def sent(world, kind=Stock):
    """(moment, calls) of each time that the shop was asked, by the rule of the questions."""
    return [(call.at, calls_of(kind(call.shop, one) for one in call.articles)) for call in world.calls]


def most_in_a_minute(moments):
    return max(sum(calls for at, calls in moments if start <= at < start + 59.999) for start, _ in moments)


def follow(rounds, names, interval_s, kind=Count):
    for name in names:
        rounds.follow((name, 0), kind(name), interval_s=interval_s)


@settings(max_examples=25, deadline=None)
@given(
    per_minute=st.integers(1, 300),
    lanes=st.lists(st.tuples(st.integers(1, 40), st.sampled_from([1, 10, 30, 300])), min_size=1, max_size=3),
    wakes=st.lists(st.tuples(st.floats(0.1, 40), st.integers(0, 39)), max_size=15),
    seed=st.integers(0, 1000),
)
def test_no_minute_has_more_calls_than_the_budget_and_every_trigger_gets_its_turn(
    per_minute, lanes, wakes, seed
):
    names = {
        (lane, number): f"l{lane}n{number}" for lane, (many, _) in enumerate(lanes) for number in range(many)
    }
    longest_s = max(interval_s for _, interval_s in lanes)
    around_s = len(names) * 60 / per_minute

    async def story(clock, rounds, world, paced):
        for lane, (many, interval_s) in enumerate(lanes):
            follow(rounds, [names[lane, number] for number in range(many)], interval_s)
        for pause_s, number in wakes:
            await clock.sleep(pause_s)
            rounds.wake([(list(names.values())[number % len(names)], 0)])
        await clock.sleep(3 * (around_s + longest_s) + 60)
        assert most_in_a_minute(sent(world)) <= per_minute
        for name in names.values():
            stretch = rounds.stretch((name, 0))
            asked = [call.at for call in world.calls if name in call.articles]
            assert asked[0] <= around_s + 2
            gaps = [after - before for before, after in itertools.pairwise(asked)]
            # A row as long as everybody, and the interval as it is told.
            assert max(gaps, default=0.0) <= stretch.is_s + around_s + 2
            assert rounds.latest((name, 0)).values == (7.0,)

    lived(story, dict.fromkeys(names.values(), 7.0), {"shop": per_minute}, seed)


def test_all_intervals_are_stretched_by_the_same_factor():
    async def story(clock, rounds, world, paced):
        follow(rounds, ["a", "b"], 10)
        follow(rounds, ["c", "d", "e"], 30)
        await clock.sleep(2)
        # 2 × 6 and 3 × 2 calls in a minute are wanted, 6 are allowed.
        assert rounds.stretch(("a", 0)) == Stretch(10, 30, 18, 6)
        assert rounds.stretch(("c", 0)) == Stretch(30, 90, 18, 6)
        await clock.sleep(600)
        world.calls.clear()
        await clock.sleep(900)
        counts = {name: world.articles().count(name) for name in "abcde"}
        # All that the budget allows; a poll that is due while the one before still waits is the same one.
        assert 86 <= sum(counts.values()) <= 90
        assert all(26 <= counts[name] <= 30 for name in "ab")
        assert all(9 <= counts[name] <= 10 for name in "cde")

    lived(story, dict.fromkeys("abcde", 1), {"shop": 6})


def test_within_the_budget_intervals_are_as_they_are_written():
    async def story(clock, rounds, world, paced):
        follow(rounds, ["a", "b"], 30)
        await clock.sleep(300)
        stretch = rounds.stretch(("a", 0))
        assert (stretch.is_s, stretch.is_stretched) == (30, False)
        assert paced == []
        assert 20 <= len(world.articles()) <= 22

    lived(story, {"a": 1, "b": 2}, {"shop": 100})


def test_a_server_of_another_system_has_no_budget_and_is_asked_as_ever():
    def counts(budgets):
        found = []

        async def story(clock, rounds, world, paced):
            follow(rounds, articles(40), 10)
            rounds.follow(("chain", 0), Chain((Stock(SHOP, "a1"), Stock(SHOP, "a2"))), interval_s=10)
            await clock.sleep(65)
            assert rounds.stretch(("a1", 0)) is None
            found.extend((call.at, call.articles) for call in world.calls)

        lived(story, dict.fromkeys(articles(40), 1), budgets)
        return found

    assert counts({}) == counts({"market": 1})


def test_each_server_value_has_a_budget_of_its_own():
    async def story(clock, rounds, world, paced):
        for name in ("one", "two"):
            for article in articles(10):
                rounds.follow((name + article, 0), Count(article, Shop(name)), interval_s=30)
        await clock.sleep(59)
        for name in ("one", "two"):
            assert len([call for call in world.calls if call.shop.name == name]) == 10

    lived(story, dict.fromkeys(articles(10), 1), {"shop": 10})


def test_a_start_is_spread_over_the_budget():
    async def story(clock, rounds, world, paced):
        follow(rounds, articles(30), 30)
        await clock.sleep(29.9)
        assert len(world.articles()) in (15, 16)
        await clock.sleep(31)
        assert set(world.articles()) == set(articles(30))

    lived(story, dict.fromkeys(articles(30), 1), {"shop": 30})


def test_what_travels_in_one_call_is_asked_together_and_paid_once():
    async def story(clock, rounds, world, paced):
        follow(rounds, articles(120), 30, PackedCount)
        await clock.sleep(600)
        # 120 questions are three calls, and six in a minute are what is wanted.
        assert rounds.stretch(("a1", 0)).is_s == 60
        assert most_in_a_minute(sent(world, Packed)) <= 3
        assert {len(call.articles) for call in world.calls} == {50, 20}

    lived(story, dict.fromkeys(articles(120), 1), {"shop": 3})


def test_a_trigger_with_more_questions_than_a_portion_is_asked_in_several_calls():
    async def story(clock, rounds, world, paced):
        rounds.follow(("many", 0), Basket(tuple(Stock(SHOP, one) for one in articles(30))), interval_s=30)
        await clock.sleep(130)
        assert most_in_a_minute(sent(world)) <= 20
        assert rounds.latest(("many", 0)).values == (1.0,) * 30
        assert rounds.stretch(("many", 0)).is_s == 90

    lived(story, dict.fromkeys(articles(30), 1), {"shop": 20})


def test_a_wake_up_pays_and_stands_at_the_end_of_the_row_once():
    async def story(clock, rounds, world, paced):
        follow(rounds, articles(10), 600)
        await clock.sleep(700)
        world.calls.clear()
        for _ in range(20):
            rounds.wake([("a3", 0)])
            await clock.sleep(1)
        assert world.articles().count("a3") <= 3
        assert most_in_a_minute(sent(world)) <= 6

    lived(story, dict.fromkeys(articles(10), 1), {"shop": 6})


def test_an_hpa_causes_no_call_and_gets_the_value_of_the_last_poll():
    async def story(clock, rounds, world, paced):
        follow(rounds, articles(10), 10)
        await clock.sleep(300)
        before = len(world.calls)
        readings = [await rounds.fresh((one, 0), 10) for one in articles(10)]
        await clock.sleep(0.3)
        assert all(one.failure is None for one in readings)
        assert len(world.calls) - before <= 1

    lived(story, dict.fromkeys(articles(10), 1), {"shop": 6})


def test_who_waits_for_a_first_reading_is_told_so_instead_of_waiting_for_minutes():
    async def story(clock, rounds, world, paced):
        follow(rounds, articles(10), 30)
        await clock.sleep(1)
        start = clock.monotonic()
        reading = await rounds.fresh(("a9", 0), 10)
        assert clock.monotonic() == start
        assert "the budget of its server's calls" in reading.failure.message
        assert rounds.failed_polls(("a9", 0)) == 0
        await clock.sleep(60)
        assert rounds.latest(("a9", 0)).values == (1.0,)

    lived(story, dict.fromkeys(articles(10), 1), {"shop": 10})


def test_failures_are_counted_by_stretched_polls_and_deferring_is_none():
    async def story(clock, rounds, world, paced):
        follow(rounds, articles(10), 10)
        await clock.sleep(200)
        for one in articles(10):
            del world.stock[one]
        asked = len(world.calls)
        await clock.sleep(250)
        polls = len(world.calls) - asked
        counted = sum(rounds.failed_polls((one, 0)) for one in articles(10))
        assert polls - 1 <= counted <= polls
        # Two or three polls each, where an interval of ten seconds would have had 25.
        assert all(2 <= rounds.failed_polls((one, 0)) <= 3 for one in articles(10))

    lived(story, dict.fromkeys(articles(10), 1), {"shop": 6})


def test_a_server_that_is_down_is_tried_within_the_budget_and_heals_for_all():
    async def story(clock, rounds, world, paced):
        follow(rounds, articles(20), 30)
        world.trouble[SHOP] = Unreachable("connect", on="shop")
        await clock.sleep(300)
        assert most_in_a_minute(sent(world)) <= 10
        assert all(rounds.latest((one, 0)).failure is not None for one in articles(20))
        world.trouble.clear()
        await clock.sleep(200)
        assert all(rounds.latest((one, 0)).failure is None for one in articles(20))
        assert most_in_a_minute(sent(world)) <= 10

    lived(story, dict.fromkeys(articles(20), 1), {"shop": 10})


def test_who_is_stretched_is_told_once_and_again_when_it_is_over():
    async def story(clock, rounds, world, paced):
        follow(rounds, articles(10), 30)
        await clock.sleep(300)
        assert sorted(paced) == sorted((one, 0) for one in articles(10))
        paced.clear()
        for one in articles(10)[2:]:
            rounds.forget((one, 0))
        await clock.sleep(2)
        assert paced == [("a0", 0), ("a1", 0)]
        assert rounds.stretch(("a0", 0)).is_stretched is False

    lived(story, dict.fromkeys(articles(10), 1), {"shop": 10})


def test_the_next_poll_is_told_as_it_will_be():
    async def story(clock, rounds, world, paced):
        follow(rounds, articles(10), 10)
        await clock.sleep(500)
        for one in articles(10):
            due_s = clock.monotonic() + rounds.next_poll((one, 0)).rest_s
            world.calls.clear()
            await clock.sleep(due_s - clock.monotonic() + 101)
            asked = [call.at for call in world.calls if one in call.articles]
            # Everybody is due at once, and the row is a hundred seconds long.
            assert due_s - 0.5 <= asked[0] <= due_s + 101

    lived(story, dict.fromkeys(articles(10), 1), {"shop": 6})


def test_no_trigger_is_asked_after_it_is_forgotten_in_the_row():
    async def story(clock, rounds, world, paced):
        follow(rounds, articles(10), 30)
        await clock.sleep(1)
        waiting = asyncio.create_task(rounds.fresh(("a1", 0), 0))
        for one in articles(10)[1:]:
            rounds.forget((one, 0))
        await clock.sleep(120)
        assert set(world.articles()) == {"a0"}
        assert waiting.done()

    lived(story, dict.fromkeys(articles(10), 1), {"shop": 60})


def test_what_an_adapter_counts_itself_is_booked_instead_of_the_rule():
    purse = Purse(60)
    purse.pay(100.0, 1)
    assert purse.ready_at(100.0, 1) == pytest.approx(101)
    assert purse.correct(100.0, 1, 4)
    assert purse.ready_at(100.0, 1) == pytest.approx(104)
    assert purse.calls == 4
    purse.look([(30.0, 20)])
    # The rule says 40 calls in a minute, and each is really four.
    assert (purse.wanted, purse.factor) == (160, pytest.approx(160 / 60))
    purse.pay(110.0, 4)
    assert purse.correct(110.0, 4, 0)
    assert purse.ready_at(110.0, 1) == pytest.approx(110)


def test_what_calls_really_are_is_known_by_the_last_of_them():
    purse = Purse(60)
    for round in range(10_000):
        purse.pay(60.0 * round, 1)
        purse.correct(60.0 * round, 1, 1)
    purse.look([(60.0, 60)])
    assert purse.factor == 1
    # The listing has grown to ten pages.
    for round in range(10_000, 10_600):
        purse.pay(60.0 * round, 1)
        purse.correct(60.0 * round, 1, 10)
    purse.look([(60.0, 60)])
    assert purse.factor == pytest.approx(10, rel=0.1)
    assert purse.calls == 16_000


def test_a_question_that_alone_is_more_than_the_budget_has_a_minute_for_itself():
    purse = Purse(2)
    assert purse.ready_at(0.0, 5) == 0.0
    purse.pay(0.0, 5)
    assert purse.ready_at(1.0, 5) == 150.0


@pytest.mark.parametrize(
    ("budgets", "expected"),
    [({}, None), ({"shop": 5}, 5), ({"shop.till": 7, "shop": 5}, 7), ({"shop.other": 7}, None)],
)
def test_a_budget_is_by_service_or_else_by_system(budgets, expected):
    @dataclass(frozen=True)
    class Till(Shop):
        service: str = "till"

    assert budget_of(Till(), budgets) == expected
