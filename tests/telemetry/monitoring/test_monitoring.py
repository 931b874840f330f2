"""The dashboard and the alert rules speak of metrics that are told, and Prometheus understands them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from parts.monitoring import FOLDER, dashboard, labels_in, names_in, panel_queries, rules
from parts.servers import program
from tidegate.telemetry.metrics.catalogue import FAMILIES, OLD
from tidegate.telemetry.metrics.process import ProcessMetrics

STORIES = Path(__file__).with_name("alerts.test.yaml")
# What Prometheus itself puts on a series, and a histogram's own.
_ALWAYS = {"instance", "job", "le"}
QUERIES = [*panel_queries(), *((rule["alert"], rule["expr"]) for rule in rules())]


def known() -> dict[str, set[str]]:
    """The labels of every metric by the names of its series."""
    told = {one.name: set(one.labels) for one in FAMILIES if one not in OLD}
    told |= {metric.family.name: set(metric.family.labels) for metric in ProcessMetrics().metrics()}
    for one in FAMILIES:
        if one.type == "histogram":
            told |= {f"{one.name}_{part}": set(one.labels) for part in ("bucket", "sum", "count")}
    return told


@pytest.mark.parametrize(("where", "query"), QUERIES)
def test_a_query_speaks_of_metrics_and_labels_that_are_told(where: str, query: str) -> None:
    told = known()
    names = names_in(query)
    assert names
    assert names <= told.keys()
    assert labels_in(query) <= _ALWAYS.union(*(told[name] for name in names))


def test_the_lists_of_the_dashboard_come_from_metrics_that_are_told() -> None:
    told = known()
    for variable in dashboard()["templating"]["list"][1:]:
        query = variable["query"]["query"].removeprefix("label_values(").removesuffix(")")
        selector, _, label = query.rpartition(", ")
        (name,) = names_in(selector)
        assert label in told[name]


@pytest.mark.real
@pytest.mark.parametrize(
    "words", [("check", "rules", str(FOLDER / "alerts.yaml")), ("test", "rules", str(STORIES))]
)
def test_promtool_takes_the_rules_and_every_story_comes_out(words: tuple[str, ...]) -> None:
    run = subprocess.run(
        [str(program("prometheus", "promtool")), *words], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_alert_has_a_story_in_which_it_stands_and_one_in_which_it_does_not() -> None:
    stories = yaml.safe_load(STORIES.read_text())["tests"]
    tests = [one for story in stories for one in story["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}
    assert {one["alertname"] for one in tests if one["exp_alerts"]} == names
    assert {one["alertname"] for one in tests if not one["exp_alerts"]} == names
