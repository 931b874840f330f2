"""`tidegate explain`: the texts, from a server's answer."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.cli.output.explanation import lines

FOUND: dict[str, Any] = {
    "kind": "ScaledObject",
    "namespace": "default",
    "name": "worker",
    "at": "2026-01-02T03:04:05Z",
    "decidedAt": "2026-01-02T03:04:00Z",
    "replicas": 3,
    "ready": 0,
    "jobs": None,
    "notReady": [{"pods": 3, "why": "ImagePullBackOff: no such image"}],
    "failing": None,
    "unseen": None,
    "minimum": 0,
    "maximum": 10,
    "paused": False,
    "annotations": {},
    "triggers": [
        {
            "index": 0,
            "type": "redis",
            "name": "jobs",
            "summary": None,
            "state": "inactive",
            "isAsked": True,
            "isFallback": False,
            "activation": 2.0,
            "metrics": [
                {
                    "name": "s0-redis-jobs",
                    "value": 1.0,
                    "target": 5.0,
                    "targetType": "AverageValue",
                    "replicas": 1,
                }
            ],
            "readAt": "2026-01-02T03:04:04Z",
            "age_s": 0.4,
            "failure": None,
            "failedPolls": 0,
            "pollingInterval": 30,
            "nextPoll": "2026-01-02T03:04:17Z",
            "isHeld": False,
            "notices": ["metadata.lenght: no setting of redis triggers has this name; it is ignored"],
        },
        {
            "index": 1,
            "type": "redis",
            "name": None,
            "summary": None,
            "state": "unknown",
            "isAsked": True,
            "isFallback": False,
            "activation": 0.0,
            "metrics": [
                {
                    "name": "s1-redis-b",
                    "value": None,
                    "target": 5.0,
                    "targetType": "Value",
                    "replicas": None,
                }
            ],
            "readAt": "2026-01-02T03:04:01Z",
            "age_s": 4.0,
            "failure": "connection refused",
            "failedPolls": 12,
            "pollingInterval": 30,
            "nextPoll": "2026-01-02T03:04:25Z",
            "isHeld": True,
            "notices": [],
        },
    ],
    "formula": None,
    "notices": [],
    "reasons": [{"code": "Cooldown", "text": "3 kept", "numbers": {}}],
    "hpa": {
        "name": "keda-hpa-worker",
        "state": "current",
        "currentReplicas": 3,
        "desiredReplicas": 3,
        "lookedAt": "2026-01-02T03:03:59Z",
        "leading": "s0-redis-jobs",
        "conditions": [
            {"type": "AbleToScale", "status": "True", "reason": "ScaleDownStabilized", "message": "recent"},
            {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "valid"},
            {"type": "ScalingLimited", "status": "True", "reason": "ScaleUpLimit", "message": "too fast"},
        ],
    },
    "rivals": [],
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
            "since": "2026-01-02T03:00:00Z",
            "count": 1,
            "code": "Scaled",
            "what": "0 → 1 replica",
            "reasons": [{"code": "Activated", "text": "raised", "numbers": {}}],
        }
    ],
}


def told(*, has_history: bool = False, **changed: Any) -> str:
    return "\n".join(lines({**FOUND, **changed}, has_history=has_history))


def trigger(**changed: Any) -> dict[str, Any]:
    return {**FOUND["triggers"][0], "notices": [], **changed}


def hpa(**changed: Any) -> dict[str, Any]:
    return {**FOUND["hpa"], **changed}


def test_a_person_sees_what_was_read_why_and_what_would_change_it() -> None:
    text = told()
    assert text.startswith(
        "ScaledObject default/worker, 3 replicas, 0 ready (minimum 0, maximum 10)\n"
        "  3 pods not ready: ImagePullBackOff: no such image\n"
    )
    assert "0: redis jobs: inactive, read 0.4 s ago, next poll in 12 s (every 30 s)\n" in text
    assert "s0-redis-jobs: 1 (target 5 per replica, active above 2): asks for 1 replica\n" in text
    assert "     metadata.lenght: no setting of redis triggers has this name; it is ignored\n" in text
    assert "1: redis: unknown, failed 4 s ago for the 12th poll in a row, tried again in 20 s\n" in text
    assert "connection refused" in text
    assert "why, decided at 2026-01-02T03:04:00Z (5 s ago):\n  1. 3 kept  [Cooldown]" in text
    assert text.count("2026-01-02T03:09:00Z (in 5 min)") == 1, "a moment is told once"
    assert "history" not in text


def test_the_target_of_a_scaled_job_is_one_for_each_job() -> None:
    text = told(kind="ScaledJob", replicas=None)
    assert "s0-redis-jobs: 1 (target 5 per Job, active above 2)" in text


def test_what_limits_the_hpa_is_told_and_what_is_usual_is_not() -> None:
    text = told()
    assert (
        "the HPA keda-hpa-worker wants 3 replicas, s0-redis-jobs asks for the most (looked 6 s ago):" in text
    )
    assert "- AbleToScale is True (ScaleDownStabilized): recent" in text
    assert "- ScalingLimited is True (ScaleUpLimit): too fast" in text
    assert "ScalingActive" not in text
    failing = {"type": "ScalingActive", "status": "False", "reason": "FailedGet", "message": "no metric"}
    text = told(hpa=hpa(conditions=[failing, FOUND["hpa"]["conditions"][2]]))
    assert (
        "the HPA keda-hpa-worker (looked 6 s ago):\n  - ScalingActive is False (FailedGet): no metric" in text
    )
    assert "too fast" not in text, "from before"
    usual = hpa(conditions=FOUND["hpa"]["conditions"][1:2], desiredReplicas=None, lookedAt=None)
    assert "\nthe HPA keda-hpa-worker\n" in told(hpa=usual)
    assert "HPA" not in told(hpa=None)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("resting", "rests: it looks at nothing while there are 0 replicas"),
        ("behind", "has not looked since"),
    ],
)
def test_an_hpa_that_has_not_looked_is_not_quoted(state: str, said: str) -> None:
    text = told(hpa=hpa(state=state))
    assert f"the HPA keda-hpa-worker {said}" in text
    assert "too fast" not in text
    assert "wants" not in text


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (
            {"name": "cpu", "container": None, "value": 794, "target": 5000.0, "targetType": "Utilization"},
            "cpu: 794 % of requests (target 5000 %): asks for 2 replicas",
        ),
        (
            {"name": "memory", "container": "c", "value": 3145728.0, "target": 1048576.0}
            | {"targetType": "AverageValue"},
            "memory of container c: 3Mi per pod (target 1Mi): asks for 2 replicas",
        ),
        (
            {"name": "cpu", "container": None, "value": 0.25, "target": 2.0, "targetType": "AverageValue"},
            "cpu: 250m per pod (target 2): asks for 2 replicas",
        ),
    ],
)
def test_cpu_and_memory_are_told_in_their_units(metric: dict[str, Any], said: str) -> None:
    native = trigger(
        type="cpu",
        name=None,
        state="native",
        activation=None,
        metrics=[{**metric, "replicas": 2}],
        age_s=None,
        readAt="2026-01-02T03:03:59Z",
        pollingInterval=None,
        nextPoll=None,
    )
    assert f"0: cpu: told by the HPA 6 s ago\n     {said}\n" in told(triggers=[native])
    long = {**native, "readAt": "2026-01-02T03:00:00Z"}
    assert "unchanged since 2026-01-02T03:00:00Z (4 min ago)" in told(triggers=[long])
    nothing = {**native, "metrics": [{**metric, "value": None, "replicas": None}]}
    assert "read by the HPA, nothing told yet\n" in told(triggers=[nothing])
    assert "which rests at 0 replicas" in told(triggers=[nothing], hpa=hpa(state="resting"))


def test_a_trigger_that_must_be_corrected_is_neither_old_nor_due() -> None:
    broken = trigger(
        state="unknown", isAsked=False, age_s=None, nextPoll=None, failure='"five" is not a number'
    )
    text = told(triggers=[{**broken, "metrics": []}])
    assert (
        '0: redis jobs: unknown, not asked: it must be corrected first\n     "five" is not a number\n' in text
    )


def test_a_pause_is_told_with_its_annotation_and_the_last_value() -> None:
    annotations = {"autoscaling.keda.sh/paused": "true"}
    resting = trigger(state="paused", readAt="2026-01-02T02:54:05Z", age_s=600.0)
    text = told(paused=True, annotations=annotations, triggers=[resting], hpa=None)
    assert '\nannotation autoscaling.keda.sh/paused: "true"\n' in text
    assert (
        "0: redis jobs: not measured while paused\n     s0-redis-jobs: 1 at 2026-01-02T02:54:05Z (10 min ago)"
        in text
    )
    jobs = {"running": 2, "pending": 0, "succeeded": 5, "failed": 54}
    failing = {"jobs": 54, "why": "StartError: no such file"}
    text = told(
        kind="ScaledJob", replicas=None, jobs=jobs, annotations=annotations, failing=failing, notReady=[]
    )
    assert "worker, Jobs: 2 running, 0 pending, 5 succeeded, 54 failed (minimum 0, maximum 10)" in text
    assert 'paused: "true"; Jobs that run go on' in text
    assert "the last 54 Jobs failed: StartError: no such file" in text


def test_a_trigger_whose_server_tells_of_changes_is_called_so() -> None:
    assert ", read 0.4 s ago, woken by its server, next poll in " in told(triggers=[trigger(isPushed=True)])
    assert "woken" not in told(triggers=[trigger(isPushed=False)])


def test_an_interval_that_a_budget_stretches_says_why() -> None:
    stretched = {"every_s": 60.0, "wanted": 120.0, "budget": 60.0}
    text = told(triggers=[trigger(stretched=stretched)])
    budget = "its server's budget is 60 calls a minute, 120 are wanted"
    assert f"(every 60 s instead of 30 s: {budget})" in text
    assert "budget" not in told(triggers=[trigger(stretched=None)])
    assert "woken" not in told(triggers=[trigger()])


def test_a_trigger_whose_server_could_tell_of_changes_says_why_it_does_not() -> None:
    why = "cannot watch keys on Redis redis:6379: it may not"
    assert f"\n     only polled: {why}\n" in told(triggers=[trigger(whyNotPushed=why)])
    failed = trigger(whyNotPushed=why, failure="cannot connect", state="unknown")
    assert "only polled" not in told(triggers=[failed])
    assert "only polled" not in told(triggers=[trigger(whyNotPushed=None)])


def test_an_old_reading_has_its_age_in_minutes() -> None:
    assert "inactive, read 10 min ago," in told(triggers=[trigger(age_s=591.0)])


def test_a_window_is_told_as_it_was_written_and_when_it_changes() -> None:
    clock = trigger(type="cron", summary="0 8 * * * to 0 18 * * * UTC, 3 replicas", pollingInterval=None)
    text = told(triggers=[clock])
    assert "0: cron jobs: inactive, changes at 2026-01-02T03:04:17Z (in 12 s)" in text
    assert "     0 8 * * * to 0 18 * * * UTC, 3 replicas\n" in text


def test_sources_of_a_formula_are_told_without_targets() -> None:
    source = {"name": "s0-redis-a", "value": 30.0, "target": None, "targetType": None, "replicas": None}
    formula = {
        "name": "composite-metric",
        "formula": "a + b",
        "value": 42.0,
        "target": 10.0,
        "targetType": "AverageValue",
        "activation": 20.0,
        "replicas": 5,
        "failure": None,
    }
    text = told(triggers=[trigger(metrics=[source], activation=None)], formula=formula)
    assert "     s0-redis-a: 30\n" in text
    assert (
        "composite-metric: 42 = a + b (target 10 per replica, active above 20): asks for 5 replicas" in text
    )


def test_who_else_scales_the_target_is_told() -> None:
    text = told(rivals=[{"kind": "HorizontalPodAutoscaler", "name": "web"}])
    assert "the HorizontalPodAutoscaler web scales the same target" in text


def test_history_is_told_on_request_with_reasons() -> None:
    assert "2026-01-02T03:00:00Z (4 min ago)  0 → 1 replica: raised" in told(has_history=True)
    assert told(has_history=True, history=[]).endswith("\nhistory: none yet")
    again = {**FOUND["history"][0], "what": "2 Jobs created", "count": 12, "reasons": []}
    text = told(has_history=True, history=[again])
    assert text.endswith("(4 min ago)  2 Jobs created × 12 since 2026-01-02T03:00:00Z (4 min ago)")


@pytest.mark.parametrize(
    "words", [("so", "worker"), ("so/worker",), ("scaledobject", "worker"), ("ScaledObject/worker",)]
)
def test_an_object_is_named_as_kubectl_names_it(cli, words: tuple[str, ...]) -> None:
    """The server of this test explains nothing, which is told once the object is understood."""
    told = cli("explain", *words, code=1).stderr
    assert "this API server has no group explain.tidegate.dev" in told


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), '"" names no object'),
        (("so",), "default has no ScaledObject and no ScaledJob so, and none that scales it"),
        (("so", "a", "b"), '"so a b" names 2 objects, and one is explained'),
        (("so/a", "b"), "write TYPE NAME… or TYPE/NAME…"),
        (("so/",), "write TYPE NAME… or TYPE/NAME…"),
        (("deployment", "web"), "no ScaledObject of default scales Deployment web"),
        (("nonsense", "web"), "the server does not serve 'nonsense'"),
    ],
)
def test_what_names_no_object_is_told_with_the_form_that_does(
    cli, words: tuple[str, ...], complaint: str
) -> None:
    told = cli("explain", *words, code=1).stderr
    assert complaint in told
    assert told.count("\n") == 1
