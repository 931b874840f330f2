"""CloudWatch: the window, the metric or the expression, no data, and the mistakes that are told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.aws import Statistic
from tidegate.kit.systems.aws_windows import window_end_s
from tidegate.testing.sheets import Sample

SAMPLES = {"aws-cloudwatch": Sample(may_be_negative=True, zeros=(None,))}

NOW = datetime(2026, 3, 4, 15, 4, 5, 999_000, tzinfo=UTC)
METRIC = {
    "namespace": "AWS/SQS",
    "metricName": "Age",
    "dimensionName": "QueueName;Zone",
    "dimensionValue": "a,b; eu",
    "targetMetricValue": "30",
    "minMetricValue": "-2",
    "awsRegion": "eu-west-1",
}
KEYS = {"awsAccessKeyID": "AKIA", "awsSecretAccessKey": "hunter2"}


def build(**metadata: str) -> Any:
    found = scalers.find("aws-cloudwatch")
    assert found is not None
    texts = {key: text for key, text in {**METRIC, **metadata}.items() if text}
    trigger = Trigger(type="aws-cloudwatch", metadata=texts)
    return reading.build(found, trigger, Sources(texts, {}, KEYS), Scope("shop"))


def asked(answer: Any, **metadata: str) -> tuple[Any, float]:
    questions: list[Any] = []

    def told(question: Any) -> Any:
        questions.append(question)
        return answer

    value = drive(build(**metadata).measure(ASK, NOW), told)
    (question,) = questions
    return question, value


def at(text: str) -> int:
    return int(datetime.fromisoformat(f"2026-03-04T{text}+00:00").timestamp())


@pytest.mark.parametrize(
    ("period", "offset", "end"),
    [
        (60, 30, "15:03:00"),
        (60, 0, "15:04:00"),
        (300, 0, "15:00:00"),
        (1, 0, "15:04:05"),
        (30, 10, "15:03:30"),
        (420, 0, "15:00:00"),
    ],
)
def test_the_window_ends_at_the_last_whole_period(period: int, offset: int, end: str) -> None:
    assert window_end_s(NOW, period, offset) == at(end)


def test_a_metric_is_asked_for_with_all_that_names_it() -> None:
    question, value = asked(5.5, metricStatPeriod="60", metricCollectionTime="120", awsAccountId="42")
    dimensions = (("QueueName", "a,b"), ("Zone", "eu"))
    assert question.what == Statistic("AWS/SQS", "Age", dimensions, "Average")
    assert (question.period_s, question.end_s, question.length_s) == (60, at("15:04:00"), 120)
    assert (question.account, value) == ("42", 5.5)


def test_an_expression_needs_no_metric() -> None:
    nothing = dict.fromkeys(("namespace", "metricName", "dimensionName", "dimensionValue"), "")
    question, _ = asked(1.0, **nothing, expression="SELECT MAX(Age) FROM SQS", metricUnit="nonsense")
    assert question.what == "SELECT MAX(Age) FROM SQS"


def test_no_point_is_the_least_value_or_a_failure() -> None:
    assert asked(None)[1] == -2
    with pytest.raises(Malformed, match="no point"):
        asked(None, ignoreNullValues="false")


@pytest.mark.parametrize(
    ("metadata", "paths"),
    [
        ({"namespace": "", "metricName": ""}, ["namespace", "metricName"]),
        ({"dimensionName": ""}, ["dimensionName"]),
        ({"dimensionValue": "a"}, ["dimensionValue"]),
        ({"metricUnit": "Parsec"}, ["metricUnit"]),
        ({"metricUnit": "Bytes/Second"}, []),
        ({"metricStatPeriod": "0"}, ["metricStatPeriod"]),
        ({"metricStatPeriod": "45"}, ["metricStatPeriod"]),
        ({"metricStatPeriod": "90"}, ["metricStatPeriod"]),
        ({"metricStatPeriod": "60", "metricCollectionTime": "90"}, ["metricCollectionTime"]),
        ({"metricCollectionTime": "0"}, ["metricCollectionTime"]),
        ({"targetMetricValue": "", "minMetricValue": ""}, ["minMetricValue", "targetMetricValue"]),
        ({"metricStatPeriod": "10", "metricCollectionTime": "30"}, []),
    ],
)
def test_all_mistakes_are_told_at_once(metadata: dict[str, str], paths: list[str]) -> None:
    built = build(**metadata)
    assert (sorted(problem.path for problem in built) if isinstance(built, tuple) else []) == sorted(paths)
