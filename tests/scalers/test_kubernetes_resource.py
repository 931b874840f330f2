"""A number in a ConfigMap or Secret: what is asked, how texts become numbers, which mistakes are told."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed
from tidegate.kit import reading
from tidegate.kit.picking.gjson import Json
from tidegate.kit.picking.pick import Text
from tidegate.kit.picking.yamlpath import Yaml
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.kubernetes import StoredValue
from tidegate.testing.sheets import Sample

SAMPLES = {"kubernetes-resource": Sample(may_be_negative=True)}

BASE = {"resourceKind": "ConfigMap", "resourceName": "forecast", "key": "replicas", "targetValue": "1"}


def build(*, is_metric_source: bool = False, **metadata: str) -> Any:
    found = scalers.find("kubernetes-resource")
    assert found is not None
    texts = {key: text for key, text in {**BASE, **metadata}.items() if text}
    trigger = Trigger(type="kubernetes-resource", metadata=texts)
    return reading.build(found, trigger, Sources(texts), Scope("shop", is_metric_source))


def value(answer: Any, **metadata: str) -> Any:
    return drive(build(**metadata).measure(ASK, None), lambda _: answer)


@pytest.mark.parametrize(
    ("metadata", "pick"),
    [
        ({}, Text()),
        ({"format": "json", "valueLocation": "a.b"}, Json("a.b")),
        ({"format": "yaml", "valueLocation": "a.0"}, Yaml("a.0")),
    ],
)
def test_the_key_is_asked_for_with_what_is_wanted_of_it(metadata: dict[str, str], pick: Any) -> None:
    asked: list[Any] = []

    def answer(question: Any) -> int:
        asked.append(question)
        return 3

    drive(build(**metadata).measure(ASK, None), answer)
    assert asked == [StoredValue("shop", "ConfigMap", "forecast", "replicas", pick)]


JSON = {"format": "json", "valueLocation": "x"}
YAML = {"format": "yaml", "valueLocation": "x"}


@pytest.mark.parametrize(
    ("metadata", "answer", "number"),
    [
        ({}, "42", 42),
        ({}, " 1e3\n", 1000),
        ({}, "-4.5", -4.5),
        ({}, "+7", 7),
        ({}, ".5", 0.5),
        ({"valueType": "int64"}, "42.7", 42),
        ({"valueType": "int64"}, "-42.7", -42),
        ({"valueType": "quantity"}, "500m\n", 0.5),
        ({"valueType": "quantity"}, "512Mi", 536870912),
        (JSON, 12, 12),
        (JSON, 1.5, 1.5),
        (JSON, "2k", 2000),
        (JSON | {"valueType": "int64"}, 3.9, 3),
        (JSON | {"valueType": "quantity"}, "1Gi", 1 << 30),
        (YAML, 12, 12),
        (YAML, "12.5", 12.5),
        (YAML | {"valueType": "int64"}, 3.9, 3),
        (YAML | {"valueType": "quantity"}, "100m", 0.1),
    ],
)
def test_texts_and_numbers_are_read_as_their_format_and_type_say(
    metadata: dict[str, str], answer: Any, number: float
) -> None:
    assert value(answer, **metadata) == number


@pytest.mark.parametrize(
    ("metadata", "answer"),
    [
        ({}, "42abc"),
        ({}, "10k"),
        ({}, "nan"),
        ({}, "inf"),
        ({}, "1e999"),
        ({}, ""),
        ({}, "1_000"),
        (JSON, None),
        (JSON, True),
        (JSON, [1]),
        (JSON, "many"),
        (JSON | {"valueType": "int64"}, "3"),
        (YAML, {"a": 1}),
        (YAML, "yes"),
    ],
)
def test_what_is_no_number_is_malformed_and_never_a_zero(metadata: dict[str, str], answer: Any) -> None:
    with pytest.raises(Malformed, match="cannot read key replicas of ConfigMap shop/forecast on"):
        value(answer, **metadata)


@pytest.mark.parametrize(
    ("metadata", "paths"),
    [
        ({"resourceKind": "configmap"}, ["resourceKind"]),
        ({"format": "xml", "valueType": "int"}, ["format", "valueType"]),
        ({"targetValue": "0"}, ["targetValue"]),
        ({"targetValue": ""}, ["targetValue"]),
        ({"valueLocation": "a"}, ["valueLocation"]),
        ({"format": "json"}, ["valueLocation"]),
        ({"format": "yaml", "targetValue": "-1"}, ["targetValue", "valueLocation"]),
        ({"format": "json", "valueLocation": "#(a"}, ["valueLocation"]),
    ],
)
def test_all_mistakes_are_told_at_once(metadata: dict[str, str], paths: list[str]) -> None:
    assert [problem.path for problem in build(**metadata)] == paths


def test_a_metric_source_may_have_any_target() -> None:
    assert build(is_metric_source=True, targetValue="0").metric_target() == 0


def test_the_metric_is_named_after_kind_object_and_key() -> None:
    assert build(key="queue.length").metric_name() == "configmap-forecast-queue-length"
