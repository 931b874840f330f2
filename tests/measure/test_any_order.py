"""Whatever callers do in whatever order, the rounds keep their promises."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from parts import virtualtime
from parts.fakeservers import Basket, Chain, Count, Shop, Stock, measuring
from tidegate.base.errors import Denied, Unreachable

SHOPS = (Shop("one"), Shop("two"))
ARTICLES = "abc"
STOCKS = [Stock(shop, article) for shop in SHOPS for article in ARTICLES]
KEYS = [(uid, index) for uid in "xyz" for index in range(2)]

scalers = st.one_of(
    st.builds(Count, st.sampled_from(ARTICLES), st.sampled_from(SHOPS)),
    st.builds(Chain, st.lists(st.sampled_from(STOCKS), min_size=1, max_size=4).map(tuple)),
    st.builds(Basket, st.lists(st.sampled_from(STOCKS), min_size=1, max_size=4).map(tuple)),
)
steps = st.one_of(
    st.tuples(st.just("follow"), st.sampled_from(KEYS), scalers, st.sampled_from([1, 2, 10, 60])),
    st.tuples(st.just("forget"), st.sampled_from(KEYS)),
    st.tuples(st.just("wake"), st.sampled_from(KEYS)),
    st.tuples(st.just("fresh"), st.sampled_from(KEYS), st.sampled_from([0.0, 5.0])),
    st.tuples(st.just("break"), st.sampled_from(SHOPS), st.sampled_from([Unreachable, Denied])),
    st.tuples(st.just("mend"), st.sampled_from(SHOPS)),
    st.tuples(st.just("pass"), st.sampled_from([0.0, 0.01, 0.2, 0.9, 30.0])),
    st.tuples(st.just("slow"), st.sampled_from([0.0, 0.01, 0.7])),
)


def expected(scaler, stock) -> tuple[float, ...]:
    if isinstance(scaler, Count):
        return (float(stock[scaler.article]),)
    if isinstance(scaler, Chain):
        return (float(sum(stock[stop.article] for stop in scaler.stops)),)
    return tuple(float(stock[one.article]) for one in scaler.stocks)


async def _fresh(rounds, clock, key, max_age_s):
    start = clock.monotonic()
    reading = await rounds.fresh(key, max_age_s)
    assert reading is not None
    return clock.monotonic() - start


@settings(max_examples=60)
@given(steps=st.lists(steps, max_size=30), seed=st.integers(0, 1_000))
def test_in_the_end_every_followed_trigger_reads_the_truth_and_nobody_was_asked_twice_at_once(steps, seed):
    async def story(clock):
        stock = {"a": 1, "b": 20, "c": 300}
        async with measuring(clock, **stock) as (rounds, world):
            followed, askers = {}, []
            for verb, *details in steps:
                match verb, details:
                    case "follow", [key, scaler, interval_s]:
                        followed[key] = scaler
                        rounds.follow(key, scaler, interval_s=interval_s)
                    case "forget", [key]:
                        followed.pop(key, None)
                        rounds.forget(key)
                    case "wake", [key]:
                        rounds.wake([key])
                    case "fresh", [key, max_age_s]:
                        askers.append(asyncio.create_task(_fresh(rounds, clock, key, max_age_s)))
                    case "break", [shop, error]:
                        world.trouble[shop] = error("connect", on=shop.name)
                    case "mend", [shop]:
                        world.trouble.pop(shop, None)
                    case "pass", [seconds]:
                        await clock.sleep(seconds)
                    case "slow", [seconds]:
                        world.delay_s = seconds
            world.trouble.clear()
            world.delay_s = 0.01
            await clock.sleep(125)
            for waited_s in await asyncio.gather(*askers):
                assert waited_s < 60
            for key in KEYS:
                reading = rounds.latest(key)
                if key in followed:
                    assert reading is not None
                    assert reading.failure is None
                    assert reading.values == expected(followed[key], stock)
                else:
                    assert reading is None
            assert world.most_under_way <= 1
            assert all(max(Counter(call.articles).values()) == 1 for call in world.calls)
            told = defaultdict(list)
            for _, key, reading in world.readings:
                told[key].append((reading.values, reading.failure))
            for key, scaler in followed.items():
                assert told[key][-1] == (expected(scaler, stock), None)

    virtualtime.run(story, seed=seed)
