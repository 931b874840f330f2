"""Watches: what a server pushes makes the poll come now, and no more than that."""

from __future__ import annotations

from itertools import pairwise

from parts.fakeservers import Count, Shop, Watched, lived
from tidegate.base.errors import Unreachable, Unsupported

SHOP = Shop()
HOUR_S = 3600


@lived(a=1)
async def test_a_push_makes_the_poll_come_now_and_is_believed_no_further(clock, rounds, world):
    rounds.follow(("u", 0), Watched("a"), interval_s=HOUR_S)
    await clock.sleep(1)
    asked = len(world.calls)
    world.open_watches["a"]()
    world.stock["a"] = 5
    await clock.sleep(0.3)
    assert rounds.polled(("u", 0)).values == (5.0,)
    assert len(world.calls) == asked + 1


@lived(a=1)
async def test_equal_watches_are_kept_open_once_and_wake_all_who_share_them(clock, rounds, world):
    for n in range(1000):
        rounds.follow((f"u{n}", 0), Watched("a"), interval_s=HOUR_S)
    await clock.sleep(1)
    world.stock["a"] = 2
    world.open_watches["a"]()
    await clock.sleep(0.5)
    assert len(world.watches) == 1
    assert all(rounds.polled((f"u{n}", 0)).values == (2.0,) for n in range(1000))


@lived(a=1)
async def test_a_burst_of_pushes_is_one_poll(clock, rounds, world):
    rounds.follow(("u", 0), Watched("a"), interval_s=HOUR_S)
    await clock.sleep(1)
    asked = len(world.calls)
    for _ in range(50):
        world.open_watches["a"]()
    await clock.sleep(0.5)
    assert len(world.calls) == asked + 1


@lived(a=1)
async def test_a_watch_that_is_lost_is_opened_again_later_and_later(clock, rounds, world):
    rounds.follow(("u", 0), Watched("a"), interval_s=10)
    await clock.sleep(0.5)
    for _ in range(8):
        while "a" not in world.open_watches:
            await clock.sleep(0.1)
        world.ends["a"].set_exception(Unreachable("watch"))
        await clock.sleep(0.05)
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(world.watches)]
    assert gaps[:5] == sorted(gaps[:5])
    assert gaps[0] < 3 < 50 < gaps[-1] < 61
    assert rounds.polled(("u", 0)).values == (1.0,), "polling goes on meanwhile"


@lived(a=1)
async def test_whether_a_server_tells_of_changes_is_known_at_each_moment(clock, rounds, world):
    rounds.follow(("u", 0), Watched("a"), interval_s=HOUR_S)
    rounds.follow(("v", 0), Count("a"), interval_s=HOUR_S)
    await clock.sleep(0.5)
    assert rounds.is_watched(("u", 0))
    assert not rounds.is_watched(("v", 0))
    assert not rounds.is_watched(("nobody", 0))
    world.ends["a"].set_exception(Unreachable("watch"))
    await clock.sleep(0.05)
    assert not rounds.is_watched(("u", 0))
    await clock.sleep(3)
    assert rounds.is_watched(("u", 0))
    world.ends["a"].set_exception(Unsupported("watch"))
    await clock.sleep(60)
    assert not rounds.is_watched(("u", 0))


@lived(a=1)
async def test_a_server_that_does_not_answer_is_not_said_to_tell_of_changes(clock, rounds, world):
    rounds.follow(("u", 0), Watched("a"), interval_s=10)
    await clock.sleep(0.5)
    assert rounds.is_watched(("u", 0))
    world.trouble[SHOP] = Unreachable("ask", on="a")
    await clock.sleep(20)
    assert rounds.latest(("u", 0)).failure is not None
    assert not rounds.is_watched(("u", 0))
    del world.trouble[SHOP]
    await clock.sleep(60)
    assert rounds.is_watched(("u", 0))


@lived(a=1)
async def test_a_watch_whose_connection_was_closed_under_it_comes_back(clock, rounds, world):
    rounds.follow(("u", 0), Watched("a"), interval_s=HOUR_S)
    await clock.sleep(0.5)
    world.ends["a"].cancel()
    await clock.sleep(0.05)
    assert rounds.why_unwatched(("u", 0)) == "the watch was given up inside the client"
    await clock.sleep(3)
    assert rounds.is_watched(("u", 0))
    rounds.forget(("u", 0))
    await clock.sleep(10)
    assert not world.open_watches


@lived(a=1)
async def test_a_watch_that_has_worked_comes_back_soon(clock, rounds, world):
    rounds.follow(("u", 0), Watched("a"), interval_s=HOUR_S)
    await clock.sleep(0.5)
    for _ in range(6):
        world.open_watches["a"]()
        world.ends["a"].set_exception(Unreachable("watch"))
        await clock.sleep(3)
    assert len(world.watches) == 7


@lived(a=1)
async def test_a_server_that_offers_no_watch_is_asked_for_it_seldom(clock, rounds, world):
    rounds.follow(("u", 0), Watched("a"), interval_s=10)
    await clock.sleep(0.5)
    for asked in range(1, 7):
        world.ends["a"].set_exception(Unsupported("watch"))
        await clock.sleep(440)
        assert len(world.watches) == asked
        assert rounds.why_unwatched(("u", 0)) == "cannot watch"
        await clock.sleep(170)
    assert len(world.watches) == 7
    assert rounds.is_watched(("u", 0)), "somebody has switched it on"
    assert rounds.why_unwatched(("u", 0)) == ""
    assert len(world.calls) > 300, "polling goes on meanwhile"


@lived(a=1)
async def test_a_busy_server_wakes_once_a_second_and_the_last_push_is_not_lost(clock, rounds, world):
    rounds.follow(("u", 0), Watched("a"), interval_s=HOUR_S)
    await clock.sleep(2)
    asked = len(world.calls)
    for _ in range(1000):
        world.open_watches["a"]()
        await clock.sleep(0.01)
    world.stock["a"] = 7
    world.open_watches["a"]()
    await clock.sleep(1.1)
    assert rounds.polled(("u", 0)).values == (7.0,)
    assert 10 <= len(world.calls) - asked <= 12


@lived(a=1, b=1)
async def test_a_push_to_a_quiet_server_does_not_wait_for_the_grid(clock, rounds, world):
    for n, article in enumerate("ab"):
        rounds.follow(("u", n), Watched(article), interval_s=HOUR_S)
    await clock.sleep(2.1)
    pushed_at = clock.monotonic()
    world.open_watches["a"]()
    await clock.sleep(0.05)
    world.open_watches["b"]()
    await clock.sleep(0.5)
    waits = [call.at - pushed_at for call in world.calls if call.at >= pushed_at]
    assert waits[0] < 0.01
    assert 0.249 < waits[1] < 0.27, "four calls a second at most"
    assert len(waits) == 2


@lived(a=1)
async def test_a_push_does_not_shorten_the_rest_of_a_metered_server(clock, rounds, world):
    world.wake_gap_s = 20.0
    rounds.follow(("u", 0), Watched("a"), interval_s=HOUR_S)
    await clock.sleep(5)
    asked_at = world.calls[-1].at
    world.open_watches["a"]()
    await clock.sleep(30)
    assert len(world.calls) == 2
    assert world.calls[-1].at - asked_at >= 20.0


@lived(a=1)
async def test_a_watch_closes_with_the_last_who_wants_it(clock, rounds, world):
    rounds.follow(("u", 0), Watched("a"), interval_s=HOUR_S)
    rounds.follow(("v", 0), Watched("a"), interval_s=HOUR_S)
    await clock.sleep(1)
    rounds.forget(("u", 0))
    await clock.sleep(1)
    assert "a" in world.open_watches
    rounds.follow(("v", 0), Count("a"), interval_s=HOUR_S)
    await clock.sleep(1)
    assert world.open_watches == {}


@lived(a=1)
async def test_an_edit_that_keeps_the_watch_does_not_open_it_anew(clock, rounds, world):
    rounds.follow(("u", 0), Watched("a"), interval_s=HOUR_S)
    rounds.follow(("v", 0), Watched("a"), interval_s=HOUR_S)
    await clock.sleep(1)
    rounds.forget(("u", 0))
    rounds.follow(("u", 0), Watched("a"), interval_s=HOUR_S)
    await clock.sleep(1)
    assert len(world.watches) == 1
