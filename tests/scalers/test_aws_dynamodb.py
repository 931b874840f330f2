"""DynamoDB queries: names and typed values, and the mistakes in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.scalers.aws_dynamodb import read_values

BASE = {
    "tableName": "tasks",
    "keyConditionExpression": "#s = :s",
    "expressionAttributeNames": '{"#s": "state"}',
    "expressionAttributeValues": '{":s": {"S": "waiting"}}',
    "targetValue": "10",
    "awsRegion": "eu-west-1",
}
KEYS = {"awsAccessKeyID": "AKIA", "awsSecretAccessKey": "hunter2"}


def build(*, is_metric_source: bool = False, **metadata: str) -> Any:
    found = scalers.find("aws-dynamodb")
    assert found is not None
    texts = {key: text for key, text in {**BASE, **metadata}.items() if text}
    trigger = Trigger(type="aws-dynamodb", metadata=texts)
    return reading.build(found, trigger, Sources(texts, {}, KEYS), Scope("shop", is_metric_source))


def test_a_query_is_asked_with_its_expressions_and_values() -> None:
    questions: list[Any] = []

    def answer(question: Any) -> int:
        questions.append(question)
        return 4

    built = build(indexName="by-state", filterExpression="#s = :s")
    assert drive(built.measure(ASK, None), answer) == 4
    (asked,) = questions
    assert (asked.table, asked.index, asked.key_condition, asked.filter) == (
        "tasks",
        "by-state",
        "#s = :s",
        "#s = :s",
    )
    assert json.loads(asked.names) == {"#s": "state"}
    assert json.loads(asked.values) == {":s": {"S": "waiting"}}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"S": "x"}, {"S": "x"}),
        ({"N": "1994"}, {"N": "1994"}),
        ({"B": "hi"}, {"B": "aGk="}),
        ({"BOOL": False}, {"BOOL": False}),
        ({"NULL": "whatever"}, {"NULL": True}),
        ({"L": [{"S": "a"}, {"N": "1"}]}, {"L": [{"S": "a"}, {"N": "1"}]}),
        ({"M": {"k": {"L": []}}}, {"M": {"k": {"L": []}}}),
    ],
)
def test_values_keep_their_type(given: Any, sent: Any) -> None:
    assert read_values(json.dumps({":v": given})) == {":v": sent}


DEEP = '{":v": ' + '{"L": [' * 40 + "]}" * 40 + "}"


@pytest.mark.parametrize(
    "values",
    [
        "no json",
        "[]",
        "5",
        '{":v": 5}',
        '{":v": {}}',
        '{":v": {"S": 1}}',
        '{":v": {"N": 1}}',
        '{":v": {"SS": ["a"]}}',
        '{":v": {"S": "a", "N": "1"}}',
        '{":v": {"BOOL": "true"}}',
        DEEP,
        "[" * 5000,
    ],
)
def test_a_value_that_the_service_would_not_take_is_told(values: str) -> None:
    paths = [problem.path for problem in build(expressionAttributeValues=values)]
    assert paths == ["expressionAttributeValues"]


@pytest.mark.parametrize("names", ["{}", '{"#s": 1}', "x", "[]"])
def test_names_that_are_none_are_told(names: str) -> None:
    assert [problem.path for problem in build(expressionAttributeNames=names)] == ["expressionAttributeNames"]


@pytest.mark.parametrize("target", ["", "-1"])
def test_a_target_is_needed_unless_a_formula_reads_the_number(target: str) -> None:
    assert [problem.path for problem in build(targetValue=target)] == ["targetValue"]
    assert build(targetValue=target, is_metric_source=True).metric_target() == 0
