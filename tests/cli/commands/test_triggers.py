"""`tidegate triggers`: the list, a page, and names that are none."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tidegate import scalers
from tidegate.base.errors import Misconfigured
from tidegate.cli.commands.triggers import command
from tidegate.scalers.spellings import meant


def said(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(("output", "shows_costs"), [("text", False), ("wide", True)])
def test_every_type_has_a_line_with_what_it_measures_and_if_wide_costs(
    output: str, shows_costs: bool
) -> None:
    head, *lines = said("-o", output).splitlines()
    assert head.split("  ")[0] == "TYPE"
    assert ("A ROUND COSTS" in head) is shows_costs
    assert [line.split()[0] for line in lines] == list(scalers.types())
    postgresql = next(line for line in lines if line.startswith("postgresql "))
    assert ("one flight" in postgresql) is shows_costs
    if not shows_costs:
        assert max(map(len, lines)) <= 140, "a list for people fits a screen"


def test_the_list_is_there_for_programs() -> None:
    listed = json.loads(said("-o", "json"))
    assert [one["type"] for one in listed] == list(scalers.types())
    assert all(one["measures"] and one["cost"] and one["tested_against"] for one in listed)


def test_a_page_has_its_example_its_settings_with_defaults_and_its_cost() -> None:
    page = said("redis")
    assert "- type: redis\n" in page
    assert "- type: redis-cluster\n" not in page, "examples of other types of the module stay away"
    (line,) = [line for line in page.splitlines() if line.startswith("listLength ")]
    assert line.split()[:4] == ["listLength", "5", "metadata", "integer"]
    assert "A round costs: one round trip" in page


@pytest.mark.parametrize("trigger_type", scalers.types())
def test_every_page_is_there_for_people_and_programs(trigger_type: str) -> None:
    assert said(trigger_type).startswith(f"{trigger_type}\n")
    told = json.loads(said(trigger_type, "-o", "json"))
    assert told["summary"]["type"] == trigger_type
    assert told["examples"]
    assert {"names", "type", "sources", "default", "is_required", "is_secret", "meaning"} == set(
        told["settings"][0]
    )


def test_a_type_that_there_is_not_is_an_error_with_a_next_step() -> None:
    with pytest.raises(Misconfigured, match='there is no trigger type "rediss"; did you mean "redis"'):
        said("rediss")


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("rediss", '; did you mean "redis"?'),
        ("Redis", '; did you mean "redis"?'),
        ("redis_cluster", '; did you mean "redis-cluster"?'),
        ("redis-list", '; did you mean "redis"?'),
        ("workload", '; did you mean "kubernetes-workload"?'),
        ("carrier-pigeon", "; `tidegate triggers` lists the types that there are"),
        ("", "; `tidegate triggers` lists the types that there are"),
        ("x" * 10_000, "; `tidegate triggers` lists the types that there are"),
    ],
)
def test_what_was_meant_is_guessed_where_it_is_plain(written: str, hint: str) -> None:
    assert meant(written) == hint


@pytest.mark.parametrize(
    ("arguments", "row"),
    [
        (("aws-cloudwatch", "--count", "1200", "--interval", "1m"), "1,200 60s 3 4,320 $17.28"),
        (("aws-sqs-queue", "--count", "100"), "100 30s 100 288,000 $0.12"),
        (("datadog", "--count", "51"), "51 30s 2 5,760"),
        (("azure-monitor", "--count", "20", "--interval", "300s"), "20 300s 1 288"),
        (("redis", "--count", "1000", "--interval", "10s"), "1,000 10s 1 8,640"),
        (("redis", "--count", "1000", "--interval", "10"), "1,000 10s 1 8,640"),
    ],
)
def test_the_calls_of_a_day_are_told_at_an_interval_with_their_price_where_one_is_published(
    arguments: tuple[str, ...], row: str
) -> None:
    lines = said(*arguments).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("TRIGGERS"))
    assert lines[start + 1].split() == row.split()
    assert ("A DAY COSTS" in lines[start]) is ("$" in row)
    assert any(line.startswith("Price: ") and "https://" in line for line in lines) is ("$" in row)


def test_the_calls_of_a_day_are_there_for_programs() -> None:
    told = json.loads(said("aws-cloudwatch", "-o", "json", "--interval", "60s", "--count", "600"))["calls"]
    assert (told["together"], told["each"]) == (500, 1)
    (row,) = told["spending"]
    assert row["calls_per_day"] == 2880
    assert row["dollars_per_day"] == pytest.approx(8.64)
    assert told["price"]["where"].startswith("https://aws.amazon.com/")
    assert json.loads(said("cron", "-o", "json"))["calls"] is None
    assert json.loads(said("kubernetes-workload", "-o", "json"))["calls"] is None


@pytest.mark.parametrize("interval", ["0", "-30s", "soon", ""])
def test_an_interval_that_is_none_is_refused(interval: str) -> None:
    with pytest.raises(Misconfigured, match="--interval"):
        said("redis", "--interval", interval)
