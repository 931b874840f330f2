"""What to write instead of a value that is refused."""

from __future__ import annotations

import copy

import pytest

from tidegate.api.validation.advice import advice, unknown_field
from tidegate.api.validation.problems import problems


def put(body, path, value):
    body = copy.deepcopy(body)
    *above, last = path
    place = body
    for step in above:
        place = place[step]
    place[last] = value
    return body


@pytest.mark.parametrize(
    ("path", "value", "written", "told"),
    [
        (("spec", "triggers", 0, "metadata"), {"listLength": 5}, "5", 'write it in quotes: "5"'),
        (("spec", "triggers", 0, "metadata"), {"listLength": 8}, "010", 'write it in quotes: "010"'),
        (
            ("spec", "triggers", 0, "metadata"),
            {"enableTLS": True},
            "yes",
            'yes is true in YAML: write "true" if it is meant, "yes" for the text',
        ),
        (("spec", "triggers", 0, "metadata"), {"enableTLS": True}, "true", 'write it in quotes: "true"'),
        (("spec", "minReplicaCount"), "1", "1", "write it without quotes: 1"),
        (("spec", "cooldownPeriod"), "5m", "5m", "it counts seconds: write 300"),
        (("spec", "cooldownPeriod"), "ten", "ten", None),
        (("spec", "minReplicaCount"), "<no value>", "", "Helm writes for a value that is not set"),
        (("spec", "triggers"), {"type": "redis"}, "", "as an item of a list"),
        (("spec", "scaleTargetRef"), "web", "web", "write {name: web}"),
        (("metadata", "labels"), {"a": 1}, "1", 'write it in quotes: "1"'),
        (("kind",), "scaledobject", "", 'did you mean "ScaledObject"?'),
        (("spec", "fallback"), {"failureThreshold": 1, "replicas": 1, "behavior": "Static"}, "", '"static"?'),
    ],
)
def test_a_refused_value_comes_with_its_next_step(scaled_object, path, value, written, told):
    body = put(scaled_object(), path, value)
    advised = [advice(body, one, written) for one in problems(body)]
    assert any(told in one for one in advised) if told else advised == [""]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("spec.maxReplicaCuont", 'unknown field; did you mean "maxReplicaCount"?'),
        ("spec.triggers[0].metadta", 'unknown field; did you mean "metadata"?'),
        ("spec.annotations", "unknown field; it belongs under metadata"),
        ("metadata.lables", 'unknown field; did you mean "labels"?'),
        ("spec.colour", "unknown field"),
    ],
)
def test_an_unknown_field_comes_with_the_nearest(scaled_object, path, told):
    assert unknown_field(scaled_object(), path).message == told
