"""What is fetched is fetched once, before it ends, and serves to its end; told on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from parts import virtualtime
from parts.fetching import Drawer, Safe, Safes, holds
from tidegate.base.errors import Denied, Failure, Misconfigured, Unreachable
from tidegate.kit.fetched import Fetched
from tidegate.measure.fetching import KEPT_S, LOOK_S, Fetching

SAFE = Safe()
HOUR_S = 3_600.0
Q = Drawer(SAFE, "a")


def story(tell: Callable[..., Awaitable[None]]):
    """Makes a test of a story with a keeper over empty safes; `news` are the questions that changed."""

    def test() -> None:
        async def whole(clock):
            async with keeping(clock) as (fetching, safes, news):
                await tell(clock, fetching, safes, news)

        virtualtime.run(whole)

    test.__name__, test.__doc__ = tell.__name__, tell.__doc__
    return test


@asynccontextmanager
async def keeping(clock):
    safes, news = Safes(clock), []
    fetching = Fetching(clock, safes.connect, lambda question: news.append(question.path))
    task = asyncio.create_task(fetching.run())
    try:
        yield fetching, safes, news
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()
        assert all(one.is_closed for one in safes.adapters)


@story
async def test_a_value_is_not_known_before_its_source_has_answered(clock, fetching, safes, news):
    safes.drawers["a"] = holds(key="x")
    assert fetching.held(Q) is None
    fetching.want("one", frozenset({Q}))
    assert fetching.held(Q) is None
    await clock.sleep(1)
    assert fetching.held(Q) == holds(key="x")
    assert news == ["a"]


@story
async def test_a_thousand_who_want_the_same_cost_one_question(clock, fetching, safes, news):
    safes.drawers["a"] = holds(key="x")
    for owner in range(1_000):
        fetching.want(owner, frozenset({Drawer(Safe(), "a")}))
    await clock.sleep(HOUR_S - 1)
    assert len(safes.paths) == HOUR_S / LOOK_S
    assert news == ["a"]


@story
async def test_what_one_server_keeps_is_asked_in_one_list(clock, fetching, safes, news):
    questions = frozenset(Drawer(SAFE, str(n)) for n in range(50))
    safes.drawers = {one.path: holds(k=one.path) for one in questions}
    for place, one in enumerate(sorted(questions, key=lambda one: int(one.path))):
        fetching.want(place, frozenset({one}))
        await clock.sleep(0.1)
    asked = len(safes.calls)
    await clock.sleep(HOUR_S - 6)
    assert len(safes.calls) - asked <= HOUR_S / (LOOK_S - 15)
    assert all(len(paths) == 50 for _, _, paths in safes.calls[asked + 1 :])


@story
async def test_a_list_is_no_longer_than_the_adapter_takes(clock, fetching, safes, news):
    safes.batch = 20
    questions = frozenset(Drawer(SAFE, str(n)) for n in range(50))
    safes.drawers = {one.path: holds(k="v") for one in questions}
    fetching.want("one", questions)
    await clock.sleep(1)
    assert [len(paths) for _, _, paths in safes.calls] == [20, 20, 10]


@pytest.mark.parametrize(("life_s", "asked_at"), [(None, 300), (7_200, 6_900), (400, 200), (60, 30)])
def test_a_value_is_fetched_again_before_it_ends(life_s, asked_at):
    async def whole(clock):
        async with keeping(clock) as (fetching, safes, _):
            safes.drawers["a"] = holds(life_s, key="x")
            fetching.want("one", frozenset({Q}))
            await clock.sleep(asked_at + 5)
            assert [round(at) for at, _, _ in safes.calls] == [0, asked_at]

    virtualtime.run(whole)


@story
async def test_a_source_may_want_to_be_looked_at_sooner(clock, fetching, safes, news):
    safes.drawers["a"] = Fetched({"key": "x"}, 7_200, look_s=60)
    fetching.want("one", frozenset({Q}))
    await clock.sleep(65)
    assert len(safes.calls) == 2


@story
async def test_a_changed_value_is_news_and_an_equal_one_is_not(clock, fetching, safes, news):
    safes.drawers["a"] = holds(key="x")
    fetching.want("one", frozenset({Q}))
    await clock.sleep(LOOK_S * 3)
    assert news == ["a"]
    safes.drawers["a"] = holds(key="y")
    await clock.sleep(LOOK_S)
    assert news == ["a", "a"]
    assert fetching.held(Q) == holds(key="y")


@story
async def test_a_value_that_cannot_be_renewed_serves_to_its_end_and_says_so(clock, fetching, safes, news):
    safes.drawers["a"] = holds(1_000, key="x")
    fetching.want("one", frozenset({Q}))
    await clock.sleep(100)
    safes.trouble = Unreachable("connect", on="safe", answer="connection refused")
    await clock.sleep(850)
    held = fetching.held(Q)
    assert isinstance(held, Fetched)
    assert held.values == {"key": "x"}
    assert "connection refused" in held.complaint
    assert news == ["a", "a"]
    await clock.sleep(60)
    held = fetching.held(Q)
    assert isinstance(held, Failure)
    assert held.kind == "Unreachable"
    assert news == ["a", "a", "a"]


@story
async def test_a_value_without_an_end_outlives_an_outage_of_its_source(clock, fetching, safes, news):
    safes.drawers["a"] = holds(key="x")
    fetching.want("one", frozenset({Q}))
    await clock.sleep(1)
    safes.trouble = Unreachable("connect", on="safe", answer="connection refused")
    await clock.sleep(KEPT_S - 10)
    assert isinstance(fetching.held(Q), Fetched)
    await clock.sleep(20)
    assert isinstance(fetching.held(Q), Failure)


@story
async def test_it_heals_when_its_source_does(clock, fetching, safes, news):
    safes.drawers["a"] = holds(key="x")
    safes.trouble = Unreachable("connect", on="safe", answer="connection refused")
    fetching.want("one", frozenset({Q}))
    await clock.sleep(600)
    assert isinstance(fetching.held(Q), Failure)
    safes.trouble = None
    await clock.sleep(61)
    assert fetching.held(Q) == holds(key="x")
    assert news == ["a", "a"]


@story
async def test_a_server_that_fails_is_left_alone_for_longer_and_longer(clock, fetching, safes, news):
    safes.trouble = Denied("log in", on="safe", answer="permission denied")
    fetching.want("one", frozenset({Q}))
    await clock.sleep(HOUR_S)
    assert 60 <= len(safes.calls) <= 64
    assert news == ["a"]


@story
async def test_who_comes_while_a_server_is_left_alone_is_told_why(clock, fetching, safes, news):
    safes.trouble = Denied("log in", on="safe", answer="permission denied")
    fetching.want("one", frozenset({Q}))
    await clock.sleep(100)
    asked = len(safes.calls)
    fetching.want("two", frozenset({Drawer(SAFE, "b")}))
    await clock.sleep(0.5)
    assert isinstance(fetching.held(Drawer(SAFE, "b")), Failure)
    assert len(safes.calls) == asked


@story
async def test_a_server_that_names_its_time_is_left_alone_for_it(clock, fetching, safes, news):
    busy = Unreachable("read", on="safe", answer="429", retry_after_s=500)
    safes.drawers = {"a": busy, "b": holds(key="x")}
    fetching.want("one", frozenset({Q, Drawer(SAFE, "b")}))
    await clock.sleep(499)
    assert len(safes.calls) == 1
    assert fetching.held(Drawer(SAFE, "b")) == holds(key="x")
    safes.drawers["a"] = holds(key="y")
    await clock.sleep(5)
    assert fetching.held(Q) == holds(key="y")


@story
async def test_a_bad_question_fails_alone_and_is_asked_again_alone(clock, fetching, safes, news):
    safes.drawers = {"a": Misconfigured("read a", answer="no such drawer"), "b": holds(key="x")}
    fetching.want("one", frozenset({Q, Drawer(SAFE, "b")}))
    await clock.sleep(200)
    held = fetching.held(Q)
    assert isinstance(held, Failure)
    assert held.kind == "Misconfigured"
    assert fetching.held(Drawer(SAFE, "b")) == holds(key="x")
    assert all(paths == ("a",) for _, _, paths in safes.calls[1:])


@story
async def test_what_nobody_wants_is_forgotten_and_its_connection_closed(clock, fetching, safes, news):
    safes.drawers["a"] = holds(key="x")
    fetching.want("one", frozenset({Q}))
    fetching.want("two", frozenset({Q}))
    await clock.sleep(1)
    fetching.want("one", frozenset())
    await clock.sleep(1)
    assert fetching.held(Q) == holds(key="x")
    fetching.want("two", frozenset())
    await clock.sleep(1)
    assert fetching.held(Q) is None
    assert len(fetching) == 0
    assert all(one.is_closed for one in safes.adapters)
    await clock.sleep(HOUR_S)
    assert len(safes.calls) == 1


@story
async def test_who_comes_back_is_fetched_for_anew(clock, fetching, safes, news):
    safes.drawers["a"] = holds(key="x")
    fetching.want("one", frozenset({Q}))
    await clock.sleep(1)
    fetching.want("one", frozenset())
    fetching.want("one", frozenset({Q}))
    assert fetching.held(Q) is None
    await clock.sleep(1)
    assert fetching.held(Q) == holds(key="x")
    assert len(safes.calls) == 2


@story
async def test_a_value_that_is_refused_where_it_is_used_is_looked_at_again_soon(clock, fetching, safes, news):
    safes.drawers["a"] = holds(key="x")
    fetching.want("one", frozenset({Q}))
    await clock.sleep(100)
    safes.drawers["a"] = holds(key="y")
    fetching.hurry({Q})
    await clock.sleep(1)
    assert fetching.held(Q) == holds(key="y")
    assert len(safes.calls) == 2


@story
async def test_a_refusal_that_lasts_costs_less_and_less(clock, fetching, safes, news):
    safes.drawers["a"] = holds(key="x")
    fetching.want("one", frozenset({Q}))
    for _ in range(360):
        await clock.sleep(10)
        fetching.hurry({Q})
    assert len(safes.calls) <= 3_600 / LOOK_S + 5


@story
async def test_a_value_that_hardly_lives_is_not_fetched_all_the_time(clock, fetching, safes, news):
    safes.drawers["a"] = holds(0.5, key="x")
    fetching.want("one", frozenset({Q}))
    await clock.sleep(60)
    assert len(safes.calls) <= 13


@story
async def test_nothing_that_is_kept_shows_its_texts(clock, fetching, safes, news):
    safes.drawers["a"] = holds(key="x-marks-the-spot")
    fetching.want("one", frozenset({Q}))
    await clock.sleep(1)
    assert "x-marks-the-spot" not in repr(fetching.held(Q))
