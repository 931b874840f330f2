"""Selenium Grid: which requests are a browser's, and how many nodes they need."""

from __future__ import annotations

import json
from typing import Any

import pytest

from parts.http_server import answering, says
from parts.one_round import one_round
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.selenium import BODY, DOWNLOADS, Browser, Grid, GridState, Node
from tidegate.kit.systems.selenium_platforms import is_same_platform
from tidegate.testing.sheets import Sample

CHROME = {"browserName": "chrome", "platformName": "Linux"}
SAMPLES = {"selenium-grid": Sample(lambda _: Grid(requests=(CHROME,) * 7))}


def build(url: str = "http://hub:4444/graphql", auth: dict[str, str] | None = None, **metadata: str) -> Any:
    kind = scalers.find("selenium-grid")
    assert kind is not None
    texts = {"url": url, "browserName": "chrome", "platformName": "linux", **metadata}
    sources = Sources(texts, {}, auth or {})
    return reading.build(kind, Trigger(type="selenium-grid", metadata=texts), sources, Scope("shop"))


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Linux", "linux", True),
        ("linux", "bsd", True),
        ("Windows 10", "windows 11", True),
        ("windows 10", "windows", False),
        ("win10", "Windows Server 2012", True),
        ("macos 15.0", "sequoia", True),
        ("macos", "darwin", True),
        ("macos", "macos 15.0", False),
        ("", "ANY", True),
        ("", "linux", False),
        ("amiga", "Amiga", True),
    ],
)
def test_platforms_are_the_same_by_name_or_by_family(one: str, other: str, is_same: bool) -> None:
    assert is_same_platform(one, other) == is_same


@pytest.mark.parametrize(
    ("browser", "request_", "fits"),
    [
        ({}, {}, True),
        ({"name": "chrome"}, {"browserName": "Chrome"}, True),
        ({"name": "chrome"}, {"browserName": "firefox"}, False),
        ({"name": "chrome"}, {}, False),
        ({"version": "131.0"}, {"browserVersion": "131"}, True),
        ({"version": "131.0"}, {"browserVersion": "130"}, False),
        ({"version": "131.0"}, {}, False),
        ({}, {"browserVersion": "131"}, False),
        ({"platform": "linux"}, {"platformName": "any"}, False),
        ({}, {"platformName": "any"}, True),
        ({"has_downloads": False}, {DOWNLOADS: True}, False),
        ({"has_downloads": True}, {DOWNLOADS: True}, True),
        ({"has_downloads": False}, {DOWNLOADS: False}, True),
        ({"others": (("app", "shop"),)}, {"app": "shop"}, True),
        ({"others": (("app", "shop"),)}, {"app": "bank"}, False),
        ({"others": (("app", "shop"),)}, {}, False),
        ({"others": (("goog:x", 1), ("se:y", 2))}, {}, True),
        ({}, {"browserName": 5}, False),
        ({}, {"browserName": ["chrome"]}, False),
    ],
)
def test_a_request_fits_a_browser(browser: dict[str, Any], request_: dict[str, Any], fits: bool) -> None:
    made = Browser(**browser)
    assert made.fits(request_, made.name) == fits


def node(running: int = 0, *, most: int = 1, slots: int | None = None, is_up: bool = True) -> Node:
    stereotypes = ((most if slots is None else slots, CHROME),)
    return Node(is_up, running, most, stereotypes, (CHROME,) * running)


@pytest.mark.parametrize(
    ("nodes", "waiting", "sessions_max", "needed"),
    [
        ([], 0, 1, 0),
        ([], 3, 1, 3),
        ([], 3, 2, 2),
        ([], 4, 2, 2),
        ([], 200, 1, 200),
        ([node(1)], 0, 1, 1),
        ([node(1)], 2, 1, 3),
        ([node(0)], 1, 1, 0),
        ([node(0)], 2, 1, 1),
        ([node(1, most=4)], 2, 4, 1),
        ([node(1, most=4)], 5, 4, 2),
        ([node(0, is_up=False)], 1, 1, 1),
        ([node(1, is_up=False)], 0, 1, 1),
        ([node(0, most=4, slots=0)], 1, 4, 1),
        ([node(0), node(0)], 3, 1, 1),
    ],
)
def test_each_request_takes_a_free_slot_or_needs_a_node(
    nodes: list[Node], waiting: int, sessions_max: int, needed: int
) -> None:
    browser = Browser("chrome", "chrome", platform="linux", sessions_max=sessions_max)
    others = ({"browserName": "firefox", "platformName": "linux"},) * 3
    assert browser.needed(Grid(tuple(nodes), (CHROME,) * waiting + others)) == needed


def test_a_running_session_may_have_another_name() -> None:
    edge = {"browserName": "msedge", "platformName": "linux"}
    busy = Node(True, 1, 1, ((1, edge),), (edge,))
    assert Browser("MicrosoftEdge", "msedge", platform="linux").needed(Grid((busy,))) == 1


STATE = {
    "data": {
        "grid": {"sessionCount": 1, "maxSession": 2, "totalSlots": 2},
        "nodesInfo": {
            "nodes": [
                {
                    "id": "n1",
                    "status": "UP",
                    "sessionCount": 1,
                    "maxSession": 2,
                    "slotCount": 2,
                    "stereotypes": json.dumps([{"slots": 2, "stereotype": CHROME}]),
                    "sessions": [
                        {
                            "id": "s",
                            "capabilities": "{}",
                            "slot": {"id": "x", "stereotype": json.dumps(CHROME)},
                        }
                    ],
                }
            ]
        },
        "sessionsInfo": {"sessionQueueRequests": [json.dumps(CHROME), json.dumps(CHROME), "no json", "[]"]},
    }
}


async def test_all_triggers_of_a_grid_share_one_request() -> None:
    async with answering(says(STATE)) as fake:
        url = f"{fake.origin}/graphql"
        kinds = [{}, {"browserName": "firefox"}, {"nodeMaxSessions": "2"}]
        round = await one_round([build(url, **kinds[number % 3]) for number in range(999)])
        assert round.values == [2, 0, 2] * 333
        assert len(fake.requests) == 1
        assert (fake.requests[0].method, fake.bodies[0]) == ("POST", BODY)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "no data"),
        (b'{"errors": [{"message": "x"}], "data": null}', "no data"),
        (b'{"data": {}}', "shape"),
        (b'{"data": {"nodesInfo": {"nodes": [5]}, "sessionsInfo": {"sessionQueueRequests": []}}}', "shape"),
        (b'{"data": {"nodesInfo": {"nodes": []}, "sessionsInfo": {"sessionQueueRequests": 5}}}', "shape"),
        (b"<html>", "not JSON"),
        (b"", "empty"),
    ],
)
def test_anything_else_than_a_state_is_a_failure_and_never_a_zero(body: bytes, words: str) -> None:
    with pytest.raises(Unpicked, match=words):
        GridState.read(body)


def test_an_empty_grid_needs_nothing() -> None:
    body = b'{"data": {"nodesInfo": {"nodes": []}, "sessionsInfo": {"sessionQueueRequests": []}}}'
    assert Browser().needed(GridState.read(body)) == 0


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({}, None),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({"authType": "BASIC", "username": "u", "password": "p"}, "Basic dTpw"),
        ({"authType": "Bearer", "accessToken": "t"}, "Bearer t"),
        ({"accessToken": "t"}, "Bearer t"),
        ({"authType": "Basic", "accessToken": "t"}, None),
        ({"authType": "OAuth2", "accessToken": "t", "username": "u", "password": "p"}, "OAuth2 t"),
    ],
)
async def test_logins(auth: dict[str, str], header: str | None) -> None:
    async with answering(says(STATE)) as fake:
        await one_round([build(f"{fake.origin}/graphql", auth)])
        assert fake.requests[0].headers.get("Authorization") == header


@pytest.mark.parametrize(
    ("metadata", "paths"),
    [
        ({"url": "hub"}, ["url"]),
        ({"capabilities": "{"}, ["capabilities"]),
        ({"capabilities": "[]"}, ["capabilities"]),
        ({"nodeMaxSessions": "0"}, ["nodeMaxSessions"]),
        ({"nodeMaxSessions": "x", "activationThreshold": "y"}, ["activationThreshold", "nodeMaxSessions"]),
    ],
)
def test_mistakes_are_told_by_their_setting(metadata: dict[str, str], paths: list[str]) -> None:
    assert [problem.path for problem in build(**metadata)] == paths


def test_the_metric_has_the_parts_that_are_given() -> None:
    assert build(browserVersion="131.0").metric_name() == "selenium-grid-chrome-131-0-linux"
    assert build(browserName="", platformName="").metric_name() == "selenium-grid"
