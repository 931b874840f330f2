"""Warnings at admission of edits that change no spec."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.kinds import API_VERSION
from tidegate.cli.manifests.admission import admit

Object = dict[str, Any]
KIND: Any = None
PAUSED, TYPO = "autoscaling.keda.sh/paused", "autoscaling.keda.sh/pausd"


def scaled_object(annotations: Object, **spec: Any) -> Object:
    trigger = {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs", "listLength": "5"}}
    return {
        "apiVersion": API_VERSION,
        "kind": "ScaledObject",
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": [trigger], **spec},
    }


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {PAUSED: "true"}, 0),
        ({}, {TYPO: "true"}, 1),
        ({TYPO: "true"}, {TYPO: "false"}, 1),
        # what was told before is not told again
        ({TYPO: "true"}, {TYPO: "true", PAUSED: "true"}, 0),
        ({TYPO: "true"}, {}, 0),
    ],
)
def test_an_annotation_that_nobody_reads_is_told_when_it_is_set(
    before: Object, after: Object, told: int
) -> None:
    problems, warnings = admit("UPDATE", KIND, scaled_object(after), scaled_object(before))
    assert not problems
    assert [f'metadata.annotations.{TYPO}: nothing reads this annotation; did you mean "paused"?'] * told == [
        *warnings
    ]


def test_metadata_of_a_broken_object_can_be_changed() -> None:
    broken = scaled_object({}, triggers="none")
    assert admit("UPDATE", KIND, {**broken, "metadata": {"annotations": {TYPO: "1"}}}, broken) == ((), [])


def test_what_no_authentication_can_give_is_missing_although_the_trigger_has_one() -> None:
    reference = {"authenticationRef": {"name": "login"}}
    metadata = {"serverAddress": "http://graphite:8080", "authMode": "basic", "threshold": "many"}
    trigger = {"type": "graphite", "metadata": metadata, **reference}
    problems, warnings = admit("CREATE", KIND, scaled_object({}, triggers=[trigger]), None)
    assert not problems
    assert sorted(one.partition(":")[0] for one in warnings) == [
        "spec.triggers[0].metadata.query",
        "spec.triggers[0].metadata.queryTime",
        "spec.triggers[0].metadata.threshold",
    ]


def test_a_behavior_that_no_hpa_can_have_is_warned_of() -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 3700}}
    object = scaled_object({}, advanced={"horizontalPodAutoscalerConfig": {"behavior": behavior}})
    problems, warnings = admit("CREATE", KIND, object, None)
    assert not problems
    (warning,) = (one for one in warnings if "stabilizationWindowSeconds" in one)
    assert warning.startswith(
        "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds: "
    )
    assert warning.endswith("; the HPA would be refused")
