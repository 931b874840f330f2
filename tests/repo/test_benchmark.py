"""The benchmark's bars hold on either side: one that nobody who does nothing can break proves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench import claimed
from bench.families import FAMILIES, TRIGGERS, Family, figures
from bench.load import VALUE, Load
from bench.pod_networks import many_figures, traffic_figures
from bench.sqs import ACCOUNT, REGION, asked, sqs_server
from tidegate.base.errors import Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws import connect
from tidegate.kit.identity import AwsKeys
from tidegate.kit.systems.aws import AwsServer, SqsCounts, SqsQueue

LOAD = Load("any", {}, interval_s=5)
SECONDS = ("late_p50_s", "late_p99_s", "stall_own_s", "cpu_s", "rss_mb")


def window(family: Family, rounds: int) -> Mapping[str, float]:
    """What is found in 30 s and 20 s of waking in which each trigger is measured so often."""
    sent = {
        "questions": rounds * family.different,
        "round_trips": rounds * family.per_round,
        "values_least": rounds,
        "dialled": 1,
        "window_s": 30.0,
    }
    woken = {
        "woken_s": 20.0,
        "wake_gap_s": 5.0,
        "woken_round_trips": min(rounds, 4) * family.per_round,
    }
    return sent | woken | dict.fromkeys(SECONDS, 1.0)


def broken(family: Family, found: Mapping[str, float]) -> set[str]:
    counted = {name: limit.value for name, limit in family.limits.items()}
    return {one.name for one in figures(family, LOAD, found, counted) if one.is_broken}


families: Any = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


@families
@pytest.mark.parametrize("rounds", [5, 6, 7])
def test_a_window_with_a_round_in_each_interval_keeps_all_bars(family: Family, rounds: int) -> None:
    assert broken(family, window(family, rounds)) == set()


@families
def test_a_window_in_which_nothing_is_asked_breaks_each_bar_on_what_is_asked(family: Family) -> None:
    assert broken(family, window(family, 0)) == {
        "questions",
        "round trips",
        "values of a trigger, fewest",
        "round trips, woken",
    }


@families
def test_a_single_trigger_that_is_left_out_breaks_the_bar(family: Family) -> None:
    found = {**window(family, 6), "values_least": 0}
    assert broken(family, found) == {"values of a trigger, fewest"}


@families
def test_a_round_too_many_for_each_interval_breaks_the_bars(family: Family) -> None:
    assert {"questions", "round trips"} <= broken(family, window(family, 12))


def test_sqs_is_asked_for_as_many_queues_as_there_are_triggers() -> None:
    assert (FAMILIES["sqs"].different, FAMILIES["sqs"].per_round) == (TRIGGERS, TRIGGERS)


@pytest.mark.real
async def test_the_sqs_of_the_benchmark_answers_as_sqs_does_and_counts_the_queues_it_is_asked_for() -> None:
    with sqs_server(3) as address:
        server = AwsServer("sqs", REGION, AwsKeys("bench", "bench"), address)
        urls = [f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/q{number:05d}" for number in (0, 2, 3)]
        adapter = connect(server, Surroundings())
        try:
            first, second, missing = await adapter.answer([SqsQueue(server, url) for url in urls])
        finally:
            await adapter.close()
        assert [first, second] == [SqsCounts(VALUE, 0, 0)] * 2
        assert isinstance(missing, Misconfigured)
        assert "QueueDoesNotExist" in str(missing)
        assert asked(address) == {"queues": 2, "refused": 1}


PODS_FOUND: Mapping[str, float] = {
    **dict.fromkeys(("all_run_s", "plane_mb", "router_mb", "plane_cpu_s", "router_cpu_s", "all_gone_s"), 1.0),
    **dict.fromkeys(("running", "addresses", "gone"), 300),
    **dict.fromkeys(("processes_left", "links_left"), 0),
}
TRAFFIC_FOUND: Mapping[str, float] = {
    **dict.fromkeys(("bytes_s", "trip_p50_s", "trip_p99_s"), 1.0),
    "whole": 3,
    "trips": 3_000,
    "made": 50,
    "answered": 50,
}


@pytest.mark.parametrize(
    ("found", "broken_bars"),
    [
        ({}, []),
        ({"running": 299}, ["pods that run"]),
        ({"addresses": 299}, ["different addresses of them"]),
        ({"gone": 299}, ["pods gone after deletion"]),
        ({"processes_left": 1}, ["processes left"]),
        ({"links_left": 1}, ["network links left"]),
    ],
)
def test_a_pod_that_does_not_run_or_leaves_something_behind_breaks_its_bar(
    found: Mapping[str, float], broken_bars: list[str]
) -> None:
    figures = many_figures(300, 30, {**PODS_FOUND, **found})
    assert [one.name.partition(": ")[2] for one in figures if one.is_broken] == broken_bars


@pytest.mark.parametrize(
    ("found", "broken_bars"),
    [
        ({}, []),
        ({"whole": 2}, ["streams whole"]),
        ({"trips": 2_999}, ["round trips"]),
        ({"answered": 49}, ["connections answered"]),
        ({"made": 0, "answered": 0}, ["connections answered"]),
    ],
)
def test_traffic_that_is_lost_breaks_its_bar(found: Mapping[str, float], broken_bars: list[str]) -> None:
    figures = traffic_figures("Service", 3, 1_000, {**TRAFFIC_FOUND, **found})
    assert [one.name.partition(": ")[2] for one in figures if one.is_broken] == broken_bars


JOBS_FOUND: Mapping[str, float] = {"jobs": 200, "dead": 0, "created_s": 1.0, "done_s": 2.0}
SIZE = claimed.Size(claims=1_000, lease_s=30, window_s=30.0)
HELD_FOUND: Mapping[str, float] = {
    **dict.fromkeys(("lost", "failed"), 0),
    "held": 1_000,
    "renewed": 3_000,
    "turns": 6,
    "connections": 2,
    "started_s": 5.0,
    "cpu_s": 0.5,
    "window_s": 30.0,
}


@pytest.mark.parametrize(
    ("found", "broken_bars"),
    [({}, []), ({"jobs": 199}, ["Jobs"]), ({"jobs": 201}, ["Jobs"]), ({"dead": 1}, ["dead letters"])],
)
def test_a_message_without_a_job_of_its_own_breaks_the_bar(
    found: Mapping[str, float], broken_bars: list[str]
) -> None:
    figures = claimed.jobs_figures(200, {**JOBS_FOUND, **found})
    assert [one.name for one in figures if one.is_broken] == broken_bars


@pytest.mark.parametrize(
    ("found", "broken_bars"),
    [
        ({}, []),
        ({"held": 999, "lost": 1}, ["claims", "lost or failed"]),
        ({"failed": 1}, ["lost or failed"]),
        ({"renewed": 0}, ["renewals"]),
        ({"renewed": 6_000}, ["renewals"]),
        ({"turns": 3_000}, ["round trips"]),
        ({"connections": 1_000}, ["connections"]),
    ],
)
def test_claims_that_are_not_renewed_together_break_their_bars(
    found: Mapping[str, float], broken_bars: list[str]
) -> None:
    figures = claimed.held_figures("redis", SIZE, {**HELD_FOUND, **found})
    assert [one.name for one in figures if one.is_broken] == broken_bars


@pytest.mark.real
def test_claims_are_measured_as_they_are_held(tmp_path: Path) -> None:
    figures = claimed.held(tmp_path, "redis", claims=30, window_s=3.0, lease_s=3)
    assert [str(one) for one in figures if one.is_broken] == []
    (renewals,) = (one.value for one in figures if one.name == "renewals")
    assert renewals >= 30
