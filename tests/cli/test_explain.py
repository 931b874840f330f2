"""`tidegate explain`: the texts, from a server's answer."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.cli.explain import lines

FOUND: dict[str, Any] = {
    "kind": "ScaledObject",
    "namespace": "default",
    "name": "worker",
    "at": "2026-01-02T03:04:05Z",
    "decidedAt": "2026-01-02T03:04:00Z",
    "replicas": 3,
    "minimum": 0,
    "maximum": 10,
    "triggers": [
        {
            "index": 0,
            "type": "redis",
            "name": "jobs",
            "state": "inactive",
            "activation": 2.0,
            "metrics": [{"name": "s0-redis-jobs", "value": 1.0, "target": 5.0, "targetType": "AverageValue"}],
            "age_s": 0.4,
            "failure": None,
        },
        {
            "index": 1,
            "type": "redis",
            "name": None,
            "state": "unknown",
            "activation": 0.0,
            "metrics": [{"name": "s1-redis-b", "value": None, "target": 5.0, "targetType": "Value"}],
            "age_s": None,
            "failure": "connection refused",
        },
    ],
    "reasons": [{"code": "Cooldown", "text": "3 kept", "numbers": {}}],
    "hpa": {
        "name": "keda-hpa-worker",
        "currentReplicas": 3,
        "desiredReplicas": 3,
        "conditions": [
            {"type": "AbleToScale", "status": "True", "reason": "ScaleDownStabilized", "message": "recent"},
            {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "valid"},
            {"type": "ScalingLimited", "status": "True", "reason": "ScaleUpLimit", "message": "too fast"},
        ],
    },
    "outlook": [
        {
            "code": "CooledDown",
            "text": "at 2026-01-02T03:09:00Z: 0 replicas",
            "numbers": {},
            "at": "2026-01-02T03:09:00Z",
        }
    ],
    "due": "2026-01-02T03:09:00Z",
    "history": [
        {
            "at": "2026-01-02T03:00:00Z",
            "what": "0 → 1 replica",
            "reasons": [{"code": "Activated", "text": "raised"}],
        }
    ],
}


def test_a_person_sees_what_was_read_why_and_what_would_change_it() -> None:
    text = "\n".join(lines(FOUND, has_history=False))
    assert "ScaledObject default/worker, 3 replicas (minimum 0, maximum 10)" in text
    assert "0: redis jobs: inactive, read 0.4 s ago" in text
    assert "s0-redis-jobs: 1 (target 5 per replica, active above 2)" in text
    assert "1: redis: unknown, not measured yet" in text
    assert "connection refused" in text
    assert "1. 3 kept  [Cooldown]" in text
    assert text.count("2026-01-02T03:09:00Z") == 1, "a moment is told once"
    assert "history" not in text


def test_what_limits_the_hpa_is_told_and_what_is_usual_is_not() -> None:
    text = "\n".join(lines(FOUND, has_history=False))
    assert "the HPA keda-hpa-worker wants 3 replicas:" in text
    assert "- AbleToScale is True (ScaleDownStabilized): recent" in text
    assert "- ScalingLimited is True (ScaleUpLimit): too fast" in text
    assert "ScalingActive" not in text
    idle = {"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled", "message": "at zero"}
    resting = {**FOUND["hpa"], "conditions": [idle, FOUND["hpa"]["conditions"][2]]}
    text = "\n".join(lines({**FOUND, "hpa": resting}, has_history=False))
    assert "at zero" in text
    assert "too fast" not in text, "from before"
    usual = {**FOUND["hpa"], "conditions": FOUND["hpa"]["conditions"][1:2], "desiredReplicas": None}
    assert "the HPA keda-hpa-worker" in list(lines({**FOUND, "hpa": usual}, has_history=False))
    without = "\n".join(lines({**FOUND, "hpa": None}, has_history=False))
    assert "HPA" not in without


def test_history_is_told_on_request_with_reasons() -> None:
    text = "\n".join(lines(FOUND, has_history=True))
    assert "2026-01-02T03:00:00Z  0 → 1 replica: raised" in text


@pytest.mark.parametrize(
    "words", [("so", "worker"), ("so/worker",), ("scaledobject", "worker"), ("ScaledObject/worker",)]
)
def test_an_object_is_named_as_kubectl_names_it(cli, words: tuple[str, ...]) -> None:
    """The server of this test explains nothing, which is told once the object is understood."""
    told = cli("explain", *words, code=1).stderr
    assert "this API server is not one that `tidegate up` serves" in told


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), '"" names no object'),
        (("so",), '"so" names no object'),
        (("so", "a", "b"), '"so a b" names 2 objects, and one is explained'),
        (("so/a", "b"), "write TYPE NAME… or TYPE/NAME…"),
        (("so/",), "write TYPE NAME… or TYPE/NAME…"),
        (("deployment", "web"), "nothing decides about deployments"),
        (("nonsense", "web"), "the server does not serve 'nonsense'"),
    ],
)
def test_what_names_no_object_is_told_with_the_form_that_does(
    cli, words: tuple[str, ...], complaint: str
) -> None:
    told = cli("explain", *words, code=1).stderr
    assert complaint in told
    assert told.count("\n") == 1
