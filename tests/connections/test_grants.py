"""What is given for a while is fetched once, renewed ahead, and served to its end."""

from __future__ import annotations

import asyncio

import pytest

from parts.virtualtime import VirtualClock, run
from tidegate.base.errors import Denied, Unreachable
from tidegate.connections.grants import Granted, Grants


class Giver:
    """Gives numbered grants; `refuses` is raised instead where it is set."""

    def __init__(self, life_s: float = 3600.0) -> None:
        self.life_s = life_s
        self.refuses: Exception | None = None
        self.given = 0
        self.slowness_s = 1.0

    async def __call__(self, key: str) -> Granted[str]:
        await asyncio.sleep(self.slowness_s)
        if self.refuses is not None:
            raise self.refuses
        self.given += 1
        return Granted(f"{key}-{self.given}", self.life_s)


def test_a_thousand_that_wait_make_one_fetch() -> None:
    async def scenario(clock: VirtualClock) -> None:
        grants = Grants(Giver())
        assert set(await asyncio.gather(*(grants.get("a") for _ in range(1000)))) == {"a-1"}
        assert grants.fetches == 1

    run(scenario)


def test_whoever_stops_waiting_does_not_end_it() -> None:
    async def scenario(clock: VirtualClock) -> None:
        grants = Grants(Giver())
        impatient = asyncio.create_task(grants.get("a"))
        patient = asyncio.create_task(grants.get("a"))
        await asyncio.sleep(0.5)
        impatient.cancel()
        assert await patient == "a-1"

    run(scenario)


@pytest.mark.parametrize(
    ("life_s", "after_s", "served", "then"),
    [
        (3600.0, 3200.0, "a-1", "a-1"),
        (3600.0, 3310.0, "a-1", "a-2"),
        (100.0, 40.0, "a-1", "a-1"),
        (100.0, 60.0, "a-1", "a-2"),
        (100.0, 100.0, "a-2", "a-2"),
    ],
)
def test_it_is_renewed_ahead_while_the_old_one_serves(
    life_s: float, after_s: float, served: str, then: str
) -> None:
    async def scenario(clock: VirtualClock) -> None:
        grants = Grants(Giver(life_s))
        await grants.get("a")
        await asyncio.sleep(after_s)
        assert await grants.get("a") == served
        await asyncio.sleep(2)
        assert await grants.get("a") == then

    run(scenario)


def test_while_it_cannot_be_renewed_the_old_one_serves_to_its_end() -> None:
    async def scenario(clock: VirtualClock) -> None:
        giver = Giver(3600.0)
        grants = Grants(giver)
        await grants.get("a")
        giver.refuses = Unreachable("get a token")
        await asyncio.sleep(3400)
        for _ in range(15):
            assert await grants.get("a") == "a-1"
            await asyncio.sleep(10)
        assert grants.fetches <= 17
        await asyncio.sleep(100)
        with pytest.raises(Unreachable):
            await grants.get("a")
        giver.refuses = None
        await asyncio.sleep(2)
        assert await grants.get("a") == "a-2"

    run(scenario)


def test_a_refusal_answers_everybody_for_a_while() -> None:
    async def scenario(clock: VirtualClock) -> None:
        giver = Giver()
        giver.refuses = Denied("get a token")
        grants = Grants(giver)
        for _ in range(100):
            with pytest.raises(Denied):
                await grants.get("a")
        assert grants.fetches == 1
        giver.refuses = None
        await asyncio.sleep(11)
        assert await grants.get("a") == "a-1"

    run(scenario)


def test_a_throttled_giver_is_left_alone_for_as_long_as_it_says() -> None:
    async def scenario(clock: VirtualClock) -> None:
        giver = Giver()
        giver.refuses = Unreachable("get a token", retry_after_s=60)
        grants = Grants(giver)
        for _ in range(5):
            with pytest.raises(Unreachable):
                await grants.get("a")
            await asyncio.sleep(10)
        assert grants.fetches == 1

    run(scenario)


def test_what_a_server_refused_is_fetched_anew_once() -> None:
    async def scenario(clock: VirtualClock) -> None:
        grants = Grants(Giver())
        first = await grants.get("a")
        grants.forget("a", first)
        assert await grants.get("a") == "a-2"
        grants.forget("a", first)
        assert await grants.get("a") == "a-2"

    run(scenario)


def test_a_second_refusal_within_moments_brings_no_third() -> None:
    async def scenario(clock: VirtualClock) -> None:
        grants = Grants(Giver())
        first = await grants.get("a")
        assert all(grants.forget("a", first) for _ in range(100))
        second = await grants.get("a")
        for _ in range(100):
            assert not grants.forget("a", second)
        assert await grants.get("a") == "a-2"
        await asyncio.sleep(10)
        assert grants.forget("a", second)
        assert await grants.get("a") == "a-3"

    run(scenario)


def test_keys_that_nobody_asks_for_any_more_are_forgotten_though_nothing_is_given() -> None:
    async def scenario(clock: VirtualClock) -> None:
        giver = Giver(life_s=100.0)
        grants = Grants(giver)
        for number in range(50):
            grants.forget(f"key-{number}", await grants.get(f"key-{number}"))
        giver.refuses = Denied("log in")
        await asyncio.sleep(1000.0)
        with pytest.raises(Denied):
            await grants.get("other")
        assert len(grants) == 1

    run(scenario)


def test_nothing_shows_what_was_given() -> None:
    assert "s3cret" not in repr(Granted("s3cret", 1.0))
