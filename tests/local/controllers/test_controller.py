from __future__ import annotations

import logging
from collections.abc import Iterable

import pytest

from parts.world import World
from tidegate.kube.resource import CONFIG_MAPS, ApiError, Resource
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.owner_references import key_of
from tidegate.local.objects import Change, Object

ENDING = {"causes": [{"reason": "NamespaceTerminating"}]}


class Notes:
    """A reconciler that notes when it looked, and ends each look as the test has laid out."""

    def __init__(self) -> None:
        self.looks: list[tuple[str, float]] = []
        self.ends: list[ApiError | float | None] = []
        self.clock = None

    def team(self, objects, clock):
        self.clock = clock
        return [self]

    def resources(self) -> Iterable[Resource]:
        return (CONFIG_MAPS,)

    def keys(self, change: Change) -> Iterable[Name]:
        return [key_of(change.object)]

    async def reconcile(self, key: Name) -> float | None:
        assert self.clock is not None
        self.looks.append((key[1], round(self.clock.monotonic(), 1)))
        end = self.ends.pop(0) if self.ends else None
        if isinstance(end, ApiError):
            raise end
        return end

    @property
    def moments(self) -> list[float]:
        return [at for _, at in self.looks]


def named(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}}


def test_what_was_there_before_is_looked_at_too(live):
    notes = Notes()

    async def scenario(world: World) -> None:
        await world.kill()
        await world.objects.create(CONFIG_MAPS, named("early"))
        await world.pass_s(5)
        assert notes.looks == []
        world.start()
        await world.pass_s(5)
        assert notes.looks == [("early", 5.0)]

    live(scenario, notes.team)


def test_a_look_is_repeated_when_it_says_so_and_no_more_often(live):
    notes = Notes()
    notes.ends = [10.0, 20.0, None]

    async def scenario(world: World) -> None:
        await world.objects.create(CONFIG_MAPS, named("a"))
        await world.pass_s(100)
        assert notes.moments == [0.0, 10.0, 30.0]

    live(scenario, notes.team)


@pytest.mark.parametrize(
    ("error", "again", "is_told"),
    [
        (ApiError(409, "Conflict", "modified"), [0.0, 0.1, 0.1], False),
        (ApiError(404, "NotFound", "gone"), [0.0, 1.0, 2.0], False),
        (ApiError(403, "Forbidden", "ending", ENDING), [0.0, 1.0, 2.0], False),
        (ApiError(403, "Forbidden", "quota"), [0.0, 0.1, 0.3], True),
        (ApiError(500, "InternalError", "disk full"), [0.0, 0.1, 0.3], True),
    ],
)
def test_a_look_that_fails_is_repeated_and_told_when_somebody_should_know(
    live, caplog: pytest.LogCaptureFixture, error: ApiError, again: list[float], is_told: bool
):
    notes = Notes()
    notes.ends = [error, error]

    async def scenario(world: World) -> None:
        await world.objects.create(CONFIG_MAPS, named("a"))
        await world.pass_s(100)
        assert notes.moments == pytest.approx(again, abs=0.051)

    with caplog.at_level(logging.WARNING):
        live(scenario, notes.team)
    assert len(caplog.records) == (1 if is_told else 0)


def test_a_controller_that_was_stopped_takes_no_more_news(live):
    notes = Notes()

    async def scenario(world: World) -> None:
        await world.kill()
        await world.objects.create(CONFIG_MAPS, named("late"))
        await world.pass_s(5)
        assert notes.looks == []

    live(scenario, notes.team)
