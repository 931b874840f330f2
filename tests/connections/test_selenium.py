"""The selenium-grid trigger against a real grid, whose browsers are a driver of ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from parts.one_round import one_round
from parts.selenium_server import SeleniumHub
from parts.waiting import wait_until
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("selenium")]


def build(hub: SeleniumHub, **metadata: str) -> Any:
    kind = scalers.find("selenium-grid")
    assert kind is not None
    texts = {"url": f"http://{hub.address}/graphql", "browserName": "chrome", **metadata}
    return reading.build(kind, Trigger(type="selenium-grid", metadata=texts), Sources(texts), Scope("shop"))


async def values(hub: SeleniumHub) -> list[Any]:
    kinds = ({"platformName": "linux"}, {"platformName": "windows 11"}, {"browserName": "firefox"})
    return (await one_round([build(hub, **one) for one in kinds])).values


async def until(hub: SeleniumHub, wanted: list[Any]) -> None:
    told: list[Any] = []
    async with asyncio.timeout(90):
        while told != wanted:
            told = await values(hub)
            await asyncio.sleep(0.2)


async def test_what_waits_needs_nodes_and_what_runs_keeps_them() -> None:
    with SeleniumHub() as hub:
        assert await values(hub) == [0, 0, 0]
        for _ in range(2):
            hub.ask_for_session(browserName="chrome", platformName="linux")
        await until(hub, [2, 0, 0])
        hub.add_node()
        await asyncio.to_thread(wait_until, lambda: hub.sessions() == 1, "a session runs", 90)
        # One of the two runs on the node now, the other still needs one.
        await until(hub, [2, 0, 0])
        hub.ask_for_session(browserName="firefox")
        await until(hub, [2, 0, 1])
        hub.kill()
        assert "connection refused" in (await values(hub))[0]
