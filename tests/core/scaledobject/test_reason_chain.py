"""The chain of reasons in words: with numbers and moments that stay true, and nothing that is not so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from parts.decisions import BROKEN, at, cpu, job, scaled_job, scaled_object, trigger
from tidegate.base.errors import Failure
from tidegate.core.formula import Formula, compile_formula
from tidegate.core.scaledjob.decide import decide_scaled_job
from tidegate.core.scaledobject.decide import decide_scaled_object
from tidegate.core.triggers.scaling_modifiers import Composite
from tidegate.core.values import (
    ExternalMetric,
    HpaView,
    JobView,
    Memory,
    Reason,
    ResourceUse,
    Seen,
    TriggerView,
)

ACTIVE = Memory(last_active=at(1000), is_active=True)
COOLING = Memory(last_active=at(900), is_active=False)
NEVER = Memory(is_active=False)
FALLBACK = {"failureThreshold": 3, "replicas": 4}
HPA = HpaView("keda-hpa-web")


def chain(
    current: Any, *views: TriggerView, memory: Memory = ACTIVE, pauses: str = "", **more: Any
) -> tuple[Reason, ...]:
    """`pauses` names annotations; `more` are parts of Seen, `composite`, and fields of the spec."""
    annotations = {f"autoscaling.keda.sh/{name}": "true" for name in pauses.split()}
    seen = Seen(current, more.pop("hpa", HPA), more.pop("check", None), more.pop("ready", None))
    seen = replace(seen, hpa_before=more.pop("hpa_before", None))
    composite = more.pop("composite", None)
    object = scaled_object(annotations, **more)
    return decide_scaled_object(object, seen, views, memory, at(1000), composite).reasons


def texts(reasons: tuple[Reason, ...]) -> list[str]:
    return [one.text for one in reasons]


def count(value: Any, index: int = 0, **more: Any) -> TriggerView:
    return trigger(value, index, when=at(999), **more)


@pytest.mark.parametrize(
    ("current", "views", "more", "expected"),
    [
        (
            3,
            (count(23.0),),
            {},
            [
                "s0-redis above activation",
                "s0-redis: 23 at 5 per replica asks for 5 replicas",
                "3 replicas: the HPA decides between its bounds",
            ],
        ),
        (
            3,
            (count(16.0), count(50.5, 1)),
            {"maxReplicaCount": 6},
            [
                "s0-redis;s1-redis above activation",
                "s0-redis: 16 at 5 per replica asks for 3 replicas, within the tolerance",
                "s1-redis: 50.5 at 5 per replica asks for 11 replicas",
                "s1-redis asks for most: 11 replicas",
                "6 instead of 11: the maximum",
                "3 replicas: the HPA decides between its bounds",
            ],
        ),
        (
            4,
            (count(8.0, target_type="Value"),),
            {"ready": 3},
            [
                "s0-redis above activation",
                "s0-redis: 8 for a target of 5 with 3 ready asks for 5 replicas",
                "4 replicas: the HPA decides between its bounds",
            ],
        ),
        (
            4,
            (cpu(),),
            {"hpa": HpaView("h", None, (ResourceUse("cpu", "Utilization", 50.0, 80.0),))},
            [
                "only cpu and memory triggers: always active",
                "cpu: 80 % on average for a target of 50 % with 4 ready asks for 7 replicas",
                "4 replicas: the HPA decides between its bounds",
            ],
        ),
        (
            2,
            (count(0.0),),
            {"pauses": "force-activation"},
            [
                "activation is forced by annotation",
                "s0-redis: 0 at 5 per replica asks for 0 replicas",
                "1 instead of 0: the minimum",
                "2 replicas: the HPA decides between its bounds",
            ],
        ),
        # a scaler's own verdict is compared with nothing
        (0, (count(3.0, active=True),), {}, ["s0-redis active", "raised from 0 to 1"]),
        # cpu, which the HPA has not told of, may ask for more
        (
            3,
            (count(90.0), cpu(1)),
            {"maxReplicaCount": 6},
            [
                "s0-redis above activation",
                "s0-redis: 90 at 5 per replica asks for 18 replicas",
                "3 replicas: the HPA decides between its bounds",
            ],
        ),
        # the fallback's value was never measured
        (
            4,
            (replace(count(BROKEN), failed_polls=4),),
            {"fallback": FALLBACK},
            [
                "s0-redis failed more than 3 times: 4 replicas by the fallback (static)",
                "4 replicas: the HPA decides between its bounds",
            ],
        ),
    ],
)
def test_what_each_metric_asks_for_stands_before_what_is_left_to_the_hpa(
    current: int, views: tuple[TriggerView, ...], more: dict[str, Any], expected: list[str]
) -> None:
    assert texts(chain(current, *views, **more)) == expected


def test_without_an_hpa_nobody_is_said_to_decide() -> None:
    refused = Failure("Denied", "spec.behavior: Invalid value")
    alone = texts(chain(3, count(23.0), hpa=refused, check=refused))
    assert alone == [
        "s0-redis above activation",
        "3 replicas kept: it is active, and there is no HPA to decide from 1 on",
    ]
    assert texts(chain(3, count(23.0), hpa=None, check=refused)) == alone
    stands = texts(chain(3, count(23.0), hpa=refused, check=refused, hpa_before=HPA))
    assert stands[-1] == "3 replicas: the HPA decides between its bounds"


def test_a_target_that_is_missing_is_told_without_the_stages_of_a_condition() -> None:
    stages = "ScaledObject doesn't have correct scaleTargetRef specification: Target resource doesn't exist"
    missing = Failure("Misconfigured", f"{stages}: there is no Deployment shop/web; create it")
    assert texts(chain(missing, count(5.0), check=missing))[-1] == (
        "the replica count of the target cannot be read: there is no Deployment shop/web; create it"
    )


@pytest.mark.parametrize(
    ("current", "value", "pauses", "expected"),
    [
        (3, 23.0, "paused-scale-out", "the HPA raises nothing: scale-out is paused by annotation"),
        (3, 23.0, "paused-scale-in", "the HPA lowers nothing: scale-in is paused by annotation"),
        (0, 23.0, "paused-scale-out", "0 replicas kept: scale-out is paused by annotation"),
        (3, 0.0, "paused-scale-in", "3 replicas kept: scale-in is paused by annotation"),
    ],
)
def test_a_pause_of_one_half_is_told_once_wherever_the_count_is(
    current: int, value: float, pauses: str, expected: str
) -> None:
    told = texts(chain(current, count(value), memory=NEVER, pauses=pauses))
    assert [text for text in told if "paused" in text] == [expected]


@pytest.mark.parametrize(
    ("memory", "spec", "expected"),
    [
        (
            COOLING,
            {"cooldownPeriod": 600},
            "3 replicas kept: last active at 2026-03-02T08:15:00Z, cooldownPeriod 600 s: "
            "until 2026-03-02T08:25:00Z",
        ),
        (
            NEVER,
            {"initialCooldownPeriod": 1200},
            "3 replicas kept: never active since it was made at 2026-03-02T08:00:00Z, "
            "initialCooldownPeriod 1200 s: until 2026-03-02T08:20:00Z",
        ),
        (
            COOLING,
            {"cooldownPeriod": 60},
            "lowered from 3 to 0: last active at 2026-03-02T08:15:00Z, cooldownPeriod 60 s is over",
        ),
        (
            NEVER,
            {},
            "lowered from 3 to 0: never active since it was made at 2026-03-02T08:00:00Z, "
            "initialCooldownPeriod 0 s is over",
        ),
        (
            COOLING,
            {"cooldownPeriod": 60, "minReplicaCount": 2, "idleReplicaCount": 1},
            "lowered from 3 to 1 (idleReplicaCount): last active at 2026-03-02T08:15:00Z, "
            "cooldownPeriod 60 s is over",
        ),
    ],
)
def test_a_cooldown_is_told_by_its_moments_and_its_field(
    memory: Memory, spec: dict[str, Any], expected: str
) -> None:
    reasons = chain(3, count(0.0), memory=memory, **spec)
    assert texts(reasons) == ["s0-redis is 0, not above its activation 0", "no trigger is active", expected]
    assert {"idle_s", "age_s"} & dict(reasons[-1].numbers).keys(), "a number for programs"


@pytest.mark.parametrize(
    ("current", "spec", "expected"),
    [
        (0, {}, "0 replicas while nothing is active: minReplicaCount is 0"),
        (2, {"minReplicaCount": 2}, "2 replicas while nothing is active: minReplicaCount is 2"),
        (
            5,
            {"minReplicaCount": 2},
            "5 replicas while nothing is active: "
            "the HPA lowers them to minReplicaCount 2 as its metrics allow",
        ),
        (
            0,
            {"minReplicaCount": 2, "idleReplicaCount": 0},
            "0 replicas while nothing is active: idleReplicaCount",
        ),
        (
            0,
            {"minReplicaCount": 2, "idleReplicaCount": 1},
            "0 replicas while nothing is active: idleReplicaCount is 1",
        ),
    ],
)
def test_the_count_at_rest_names_its_field(current: int, spec: dict[str, Any], expected: str) -> None:
    assert texts(chain(current, count(0.0), memory=NEVER, **spec))[-1] == expected


@pytest.mark.parametrize(
    ("current", "views", "expected"),
    [
        (
            0,
            (count(BROKEN),),
            "the only trigger cannot be read: 0 replicas kept, nothing is raised or lowered",
        ),
        (
            3,
            (count(BROKEN), count(BROKEN, 1)),
            "all 2 triggers cannot be read: 3 replicas kept, nothing is raised or lowered",
        ),
        # the HPA may still raise by the other
        (
            3,
            (count(BROKEN), count(0.0, 1)),
            "1 of 2 triggers cannot be read: 3 replicas kept, nothing is lowered",
        ),
        (0, (count(None),), "the only trigger is not measured yet: 0 replicas kept"),
    ],
)
def test_what_is_unknown_is_told_with_the_number_that_is_kept(
    current: int, views: tuple[TriggerView, ...], expected: str
) -> None:
    assert texts(chain(current, *views, memory=NEVER))[-1] == expected


@pytest.mark.parametrize(
    ("spec", "then"),
    [
        ({"fallback": FALLBACK}, "4 replicas by the fallback"),
        ({"fallback": FALLBACK, "maxReplicaCount": 2}, "2 replicas by the fallback"),
        ({"fallback": {**FALLBACK, "behavior": "currentReplicas"}}, "6 replicas by the fallback"),
    ],
)
def test_a_fallback_to_come_is_told_with_its_moment_and_its_count(spec: dict[str, Any], then: str) -> None:
    told = texts(chain(6, replace(count(BROKEN), failed_polls=1), **spec))
    assert told[0] == (
        f"s0-redis failed 1 time; after 3 more failed polls, at about 2026-03-02T08:18:09Z: {then}"
    )


def test_a_formula_that_is_not_above_its_activation_does_not_blame_its_triggers() -> None:
    compiled = compile_formula("a + b", ("a", "b"))
    assert isinstance(compiled, Formula)
    metric = ExternalMetric("composite-metric", 2.0)
    composite = Composite(metric, compiled, frozenset(compiled.uses), 20.0)
    modifiers = {"formula": "a + b", "target": "2", "activationTarget": "20"}
    views = (replace(count(12.0), name="a"), replace(count(4.0, 1), name="b"))
    advanced = {"scalingModifiers": modifiers}
    assert texts(chain(0, *views, memory=NEVER, composite=composite, advanced=advanced)) == [
        "the formula gives 16 (a = 12, b = 4), active above 20",
        "the formula's 16 is not above its activationTarget 20",
        "0 replicas while nothing is active: minReplicaCount is 0",
    ]


def test_a_formula_without_a_value_names_the_source_that_fails() -> None:
    compiled = compile_formula("a + b", ("a", "b"))
    assert isinstance(compiled, Formula)
    composite = Composite(ExternalMetric("composite-metric", 2.0), compiled, frozenset(compiled.uses))
    views = (replace(count(BROKEN), name="a"), replace(count(4.0, 1), name="b"))
    advanced = {"scalingModifiers": {"formula": "a + b", "target": "2"}}
    assert texts(chain(5, *views, composite=composite, advanced=advanced)) == [
        "the formula has no value: a cannot be read",
        "composite-metric is unknown: 5 replicas kept",
    ]


# --- rounds of Jobs


def running(count: int, pending: int = 0) -> tuple[JobView, ...]:
    return tuple(job(f"job-{number}", is_pending=number < pending) for number in range(count))


def ended(*failed: bool) -> tuple[JobView, ...]:
    """Finished Jobs, the latest last."""
    return tuple(
        job(f"ended-{number}", is_finished=True, is_failed=one, created_at=at(number))
        for number, one in enumerate(failed)
    )


def rounds(jobs: tuple[JobView, ...], *views: TriggerView, **spec: Any) -> list[str]:
    asked = tuple(
        replace(view, reading=replace(view.reading, snapshot=jobs)) if view.reading else view
        for view in views
    )
    return texts(decide_scaled_job(scaled_job(**spec), jobs, asked, Memory(), at(1000)).reasons)


@pytest.mark.parametrize(
    ("jobs", "views", "spec", "expected"),
    [
        (
            running(1),
            (count(9.0),),
            {},
            ["s0-redis: 9 at 5 per Job, 2 Jobs wanted", "1 Job: 2 wanted, 1 unfinished"],
        ),
        (
            running(2),
            (count(9.0),),
            {},
            ["s0-redis: 9 at 5 per Job, 2 Jobs wanted", "no Job is created: 2 wanted, 2 unfinished"],
        ),
        # a Job for each message at most
        (
            (),
            (count(4.0, target=0.5),),
            {},
            ["s0-redis: 4 at 0.5 per Job, 4 Jobs wanted", "4 Jobs: 4 wanted, 0 unfinished"],
        ),
        (
            running(3),
            (count(50.0, target=1.0),),
            {"maxReplicaCount": 1},
            [
                "s0-redis: 50 at 1 per Job, 50 Jobs wanted",
                "50 wanted, at most 1 by maxReplicaCount, 3 unfinished: none until 3 have ended",
                "no Job is created: 50 wanted, 3 unfinished",
            ],
        ),
        (
            running(3),
            (count(50.0, target=1.0),),
            {"maxReplicaCount": 5},
            [
                "s0-redis: 50 at 1 per Job, 50 Jobs wanted",
                "50 wanted, at most 5 by maxReplicaCount, 3 unfinished: 2 now",
                "2 Jobs: 50 wanted, 3 unfinished",
            ],
        ),
        (
            running(100),
            (count(500.0, target=1.0),),
            {},
            [
                "s0-redis: 500 at 1 per Job, 500 Jobs wanted",
                "500 wanted, at most 100 by default, 100 unfinished: none until 1 has ended",
                "no Job is created: 500 wanted, 100 unfinished",
            ],
        ),
        (
            running(1),
            (count(5.0, target=5.0),),
            {"minReplicaCount": 1},
            [
                "s0-redis: 5 at 5 per Job, 1 Job wanted",
                "1 Job: 1 wanted beside the minimum of 1, 1 unfinished",
            ],
        ),
        (
            running(1),
            (count(5.0, target=1.0), count(7.0, 1, target=2.0)),
            {"scalingStrategy": {"multipleScalersCalculation": "sum"}},
            ["sum of 2 metrics: a queue of 12, 9 Jobs wanted", "8 Jobs: 9 wanted, 1 unfinished"],
        ),
        (
            running(4, pending=2),
            (count(5.0, target=1.0),),
            {"maxReplicaCount": 10, "scalingStrategy": {"strategy": "accurate"}},
            [
                "s0-redis: 5 at 1 per Job, 5 Jobs wanted",
                "accurate: 5 wanted less 2 pending, 6 of 10 places free",
                "2 unfinished Jobs pending, which accurate subtracts",
                "3 Jobs: 4 unfinished",
            ],
        ),
        (
            running(4, pending=2),
            (count(5.0, target=1.0),),
            {"maxReplicaCount": 10, "scalingStrategy": {"strategy": "eager"}},
            [
                "s0-redis: 5 at 1 per Job, 5 Jobs wanted",
                "eager: 5 wanted, 10 places less 4 unfinished and 2 pending are 4",
                "2 unfinished Jobs pending, which eager subtracts",
                "4 Jobs: 4 unfinished",
            ],
        ),
        (
            running(4),
            (count(50.0, target=1.0),),
            {
                "scalingStrategy": {
                    "strategy": "custom",
                    "customScalingQueueLengthDeduction": 1,
                    "customScalingRunningJobPercentage": "0.5",
                }
            },
            [
                "s0-redis: 50 at 1 per Job, 50 Jobs wanted",
                "custom: 50 wanted less 1 by deduction and 2 for 4 unfinished at 0.5 each",
                "47 Jobs: 4 unfinished",
            ],
        ),
    ],
)
def test_the_numbers_of_a_round_add_up(
    jobs: tuple[JobView, ...], views: tuple[TriggerView, ...], spec: dict[str, Any], expected: list[str]
) -> None:
    told = rounds(jobs, *views, **spec)
    assert told[0].endswith("above activation")
    assert told[1:] == expected


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        (
            (count(BROKEN),),
            [
                "the only trigger cannot be read: the queue is unknown",
                "no Job is created while the queue is unknown (2 unfinished)",
            ],
        ),
        (
            (count(BROKEN), count(0.0, 1)),
            [
                "1 of 2 triggers cannot be read: the queue is unknown",
                "no Job is created while the queue is unknown (2 unfinished)",
            ],
        ),
        (
            (count(4.0, activation=10.0),),
            [
                "s0-redis is 4, not above its activation 10",
                "no trigger is active",
                "no Job is created: 0 wanted, 2 unfinished",
            ],
        ),
        (
            (count(None),),
            [
                "the only trigger is not measured yet: no Job is created for a queue before",
                "no Job is created: 0 wanted, 2 unfinished",
            ],
        ),
    ],
)
def test_an_unknown_queue_is_no_empty_one(views: tuple[TriggerView, ...], expected: list[str]) -> None:
    assert rounds(running(2), *views) == expected


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ((), []),
        ((True, False), []),
        ((False, True), ["the last Job that ended failed"]),
        ((True, False, True, True), ["the last 2 Jobs that ended failed"]),
    ],
)
def test_jobs_that_keep_failing_are_a_reason(failed: tuple[bool, ...], expected: list[str]) -> None:
    assert [text for text in rounds(ended(*failed), count(5.0)) if "failed" in text] == expected
