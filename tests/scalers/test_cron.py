"""The cron window: what is inside, where its edges are, which mistakes are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Clocked, Measured, Scaler, Scope
from tidegate.scalers.cron import is_open

WORK = {"timezone": "Etc/UTC", "start": "0 8 * * *", "end": "0 18 * * *", "desiredReplicas": "10"}


def build(metadata: dict[str, str]) -> Scaler | tuple[Problem, ...]:
    found = scalers.find("cron")
    assert found is not None
    return reading.build(found, Trigger(type="cron", metadata=metadata), Sources(metadata), Scope("shop"))


def window(**metadata: str) -> Clocked:
    scaler = build({**WORK, **metadata})
    assert isinstance(scaler, Clocked), scaler
    return scaler


def measured(scaler: Clocked, moment: datetime) -> Measured:
    outcome = drive(scaler.measure(ASK, moment), lambda question: pytest.fail(f"asked {question}"))
    assert isinstance(outcome, Measured)
    return outcome


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "value", "change"),
    [
        ("2026-03-04T07:59:59Z", 0, "2026-03-04T08:00:00Z"),
        ("2026-03-04T08:00:00Z", 10, "2026-03-04T18:00:00Z"),
        ("2026-03-04T17:59:59.9Z", 10, "2026-03-04T18:00:00Z"),
        ("2026-03-04T18:00:00Z", 0, "2026-03-05T08:00:00Z"),
    ],
)
def test_the_opening_instant_is_inside_and_the_closing_one_is_not(
    moment: str, value: int, change: str
) -> None:
    scaler = window()
    assert measured(scaler, at(moment)) == Measured((float(value),), value > 0)
    assert scaler.next_change(at(moment)) == at(change)


def test_a_window_may_span_midnight() -> None:
    scaler = window(start="0 22 * * *", end="0 6 * * *")
    moments = [at(f"2026-03-04T{hour}:30:00Z") for hour in ("21", "22", "05", "06")]
    assert [measured(scaler, moment).active for moment in moments] == [False, True, True, False]


@pytest.mark.parametrize(
    ("zone", "start", "moment"),
    [
        ("Europe/Berlin", "0 8 * * *", "2026-01-15T07:00:00Z"),
        ("Europe/Berlin", "0 8 * * *", "2026-07-15T06:00:00Z"),
        ("Europe/Berlin", "TZ=Asia/Tokyo 0 8 * * *", "2026-07-14T23:00:00Z"),
        ("Local", "0 8 * * *", "2026-07-15T08:00:00Z"),
    ],
)
def test_the_expressions_are_read_in_the_zone(zone: str, start: str, moment: str) -> None:
    scaler = window(timezone=zone, start=start)
    assert scaler.next_change(at(moment) - timedelta(seconds=1)) == at(moment)


def test_between_two_edges_nothing_changes_over_a_change_of_summer_time() -> None:
    scaler = window(timezone="Europe/Berlin", start="30 2 * * *", end="15 3 * * *")
    moment, values = at("2026-03-28T00:00:00Z"), []
    while moment < at("2026-03-31T00:00:00Z"):
        change = scaler.next_change(moment)
        assert change is not None
        steps = [moment + (change - moment) * part / 7 for part in range(7)]
        (value,) = {measured(scaler, step) for step in steps}
        values.append(value.active)
        moment = change
    # 02:30 does not exist on the 29th: from the closing on the 28th the next edge is another closing,
    # which counts as open, as in KEDA.
    assert values == [False, True, True, False, True, False]


@pytest.mark.parametrize(
    ("opens", "closes", "inside"),
    [(5, 9, False), (9, 5, True), (5, 5, True), (None, 5, True), (5, None, False), (None, None, True)],
)
def test_it_is_open_if_it_closes_before_it_opens_again(
    opens: int | None, closes: int | None, inside: bool
) -> None:
    first = at("2026-03-04T00:00:00Z")
    edges = [first + timedelta(hours=hour) if hour is not None else None for hour in (opens, closes)]
    assert is_open(*edges) is inside


def test_an_expression_that_never_fires_leaves_nothing_to_wait_for() -> None:
    scaler = window(start="0 0 30 2 *")
    assert measured(scaler, at("2026-03-04T00:00:00Z")).active is True
    assert scaler.next_change(at("2026-03-04T00:00:00Z")) is None


def test_negative_replicas_are_active() -> None:
    assert measured(window(desiredReplicas="-1"), at("2026-03-04T12:00:00Z")) == Measured((-1.0,), True)


@pytest.mark.parametrize(
    ("zone", "start", "end", "name"),
    [
        ("Etc/UTC", "0 0 * * Thu", "59 23 * * Thu", "cron-Etc-UTC-00xxThu-5923xxThu"),
        ("Etc/UTC", "0 */2 * * *", "1-23/2 * * * *", "cron-Etc-UTC-0xSl2xxx-1-23Sl2xxxx"),
        ("Etc/UTC", "0,30 * * * *", "15,45 ? * * *", "cron-Etc-UTC-0Cm30xxxx-15Cm45Qmxxx"),
    ],
)
def test_the_metric_is_named_after_the_window(zone: str, start: str, end: str, name: str) -> None:
    scaler = window(timezone=zone, start=start, end=end)
    assert scaler.metric_name() == name
    assert scaler.metric_target() == 1


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"start": "0 0 * * 7"}, {"start": 'error parsing start schedule: day of week "7"'}),
        ({"end": "@daily"}, {"end": "error parsing end schedule: expected 5 fields"}),
        ({"end": " 0 8 * * * "}, {"end": "start and end can not have exactly same time input"}),
        ({"desiredReplicas": "0"}, {"desiredReplicas": '"0" counts as no desiredReplicas specified'}),
        ({"desiredReplicas": "1.5"}, {"desiredReplicas": '"1.5" is not a whole number'}),
        ({"timezone": "Mars/Olympus"}, {"timezone": 'unknown time zone "Mars/Olympus"'}),
        (
            {"start": "x", "desiredReplicas": "ten"},
            {"desiredReplicas": '"ten" is not a number', "start": "error parsing start schedule"},
        ),
    ],
)
def test_mistakes_are_told(metadata: dict[str, str], told: dict[str, str]) -> None:
    problems = build({**WORK, **metadata})
    assert isinstance(problems, tuple)
    assert [problem.path for problem in problems] == list(told)
    assert all(told[problem.path] in problem.message for problem in problems)


def test_people_are_told_the_window_as_they_wrote_it() -> None:
    scaler = window(timezone="Europe/Berlin", start="0 8 * * 1-5", desiredReplicas="3")
    assert scaler.summary() == "0 8 * * 1-5 to 0 18 * * * Europe/Berlin, 3 replicas"
