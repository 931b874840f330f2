"""All problems of a manifest in one answer, each with its path; healthy triggers stay healthy."""

from __future__ import annotations

from typing import Any

import pytest

from parts.decisions import BROKEN, scaled_job, scaled_object
from tidegate.core.values import ExternalMetric, ResourceMetric
from tidegate.kit.identity import Identity
from tidegate.kit.reading import Sources
from tidegate.review.manifest import Review, review

WORKLOAD = {"type": "kubernetes-workload", "metadata": {"podSelector": "app=load", "value": "2.5"}}
REDIS = {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs", "listLength": "7"}}
CRON = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 18 * * *", "desiredReplicas": "4"},
}
CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}


def reviewed(object: Any, **env: str) -> Review:
    return review(object, lambda index: Sources(object.spec.triggers[index].metadata, env))


def told(found: Review) -> list[str]:
    return [str(problem) for problem in found.problems]


def test_a_right_manifest_has_a_plan_for_each_trigger() -> None:
    found = reviewed(scaled_object(triggers=[REDIS, WORKLOAD, CPU, {**CRON, "metricType": "Value"}]))
    assert found.problems == ()
    assert [plan.metrics for plan in found.triggers] == [
        (ExternalMetric("s0-redis-jobs", 7.0),),
        (ExternalMetric("s1-workload-shop", 2.5),),
        (),
        (ExternalMetric("s3-cron-UTC-08xxx-018xxx", 1.0, "Value"),),
    ]
    assert found.triggers[2].resource == ResourceMetric("cpu", "50", "Utilization")


def test_activation_comes_with_the_plan() -> None:
    activation = {**WORKLOAD, "metadata": {**WORKLOAD["metadata"], "activationValue": "3.5"}}  # type: ignore[dict-item]
    assert reviewed(scaled_object(triggers=[activation])).triggers[0].activation == 3.5


def test_all_mistakes_come_in_one_answer_and_the_healthy_trigger_stays() -> None:
    wrong = {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs", "listLength": "ten"}}
    found = reviewed(
        scaled_object(
            minReplicaCount=7,
            maxReplicaCount=5,
            triggers=[WORKLOAD, wrong, {"type": "rediss", "metadata": {}}, {**REDIS, "metricType": "Sum"}],
        )
    )
    assert told(found) == [
        "spec.minReplicaCount: MinReplicaCount=7 must be less than MaxReplicaCount=5",
        'spec.triggers[1].metadata.listLength: "ten" is not a number',
        "spec.triggers[2].type: no scaler found for type: rediss",
        "spec.triggers[3].metricType: unknown metric type: Sum, allowed values are 'Value' or 'AverageValue'",
    ]
    assert [plan.scaler is not None for plan in found.triggers] == [True, False, False, False]
    assert found.triggers[0].metrics == (ExternalMetric("s0-workload-shop", 2.5),)


@pytest.mark.parametrize(
    ("trigger", "path", "text"),
    [
        ({**REDIS, "metricType": "Utilization"}, "metricType", "'Utilization' metric type is unsupported"),
        ({**CPU, "metricType": "Value"}, "metricType", "allowed values are 'Utilization' or 'AverageValue'"),
        ({"type": "cpu", "metadata": {"value": "50"}}, "metricType", "metric type is not set,"),
        ({**CPU, "useCachedMetrics": True}, "useCachedMetrics", 'is not supported for "cpu" scaler'),
        ({**CRON, "useCachedMetrics": True}, "useCachedMetrics", 'is not supported for "cron" scaler'),
        ({"type": "redis", "metadata": {"listName": "a"}}, "metadata.address", "address"),
    ],
)
def test_a_triggers_mistake_names_its_field(trigger: dict[str, Any], path: str, text: str) -> None:
    problems = reviewed(scaled_object(triggers=[WORKLOAD, trigger])).problems
    assert problems[0].path == f"spec.triggers[1].{path}"
    assert text in problems[0].message


@pytest.mark.parametrize(
    ("kind", "metadata", "setting"),
    [
        ("redis-streams", {"streamLength": "-5"}, "streamLength"),
        ("redis-streams", {"consumerGroup": "g", "lagCount": "-5"}, "lagCount"),
        ("redis-streams", {"consumerGroup": "g", "pendingEntriesCount": "-5"}, "pendingEntriesCount"),
        ("rabbitmq", {"queueLength": "-5"}, "queueLength"),
        ("rabbitmq", {"mode": "QueueLength", "value": "-5"}, "value"),
    ],
)
def test_a_target_is_told_by_the_setting_that_it_comes_from(
    kind: str, metadata: dict[str, str], setting: str
) -> None:
    places = {"address": "redis:6379", "stream": "s", "host": "amqp://mq", "queueName": "q"}
    trigger = {"type": kind, "metadata": {**places, **metadata}}
    found = reviewed(scaled_object(triggers=[trigger]))
    assert told(found) == [f'spec.triggers[0].metadata.{setting}: "-5" is not above 0, as a target must be']


@pytest.mark.parametrize("make", [scaled_object, scaled_job])
@pytest.mark.parametrize(
    ("trigger", "path", "told_of_it"),
    [
        ({"listLength": "0"}, "listLength", '"0" is not above 0, as a target must be'),
        ({"listLength": "-5"}, "listLength", '"-5" is not above 0, as a target must be'),
        ({"listLength": "1", "activationListLength": "-5"}, None, None),
        ({"value": "0.0001"}, "value", '"0.0001" is below 0.001, the least that a target can be'),
        ({"value": "0.001"}, None, None),
        ({"value": "1e300"}, None, None),
    ],
)
def test_a_target_that_nothing_can_be_divided_by_is_its_triggers_problem(
    make: Any, trigger: dict[str, str], path: str | None, told_of_it: str | None
) -> None:
    base = WORKLOAD if "value" in trigger else REDIS
    triggers = [{**base, "metadata": {**base["metadata"], **trigger}}, WORKLOAD if base is REDIS else REDIS]  # type: ignore[dict-item]
    found = reviewed(make(triggers=triggers))
    assert told(found) == ([f"spec.triggers[0].metadata.{path}: {told_of_it}"] if path else [])
    assert [plan.scaler is not None for plan in found.triggers] == [path is None, True]


def test_what_a_formula_reads_may_have_any_target_but_the_hpas_own_metrics_may_not() -> None:
    source = {**REDIS, "name": "jobs", "metadata": {**REDIS["metadata"], "listLength": "0"}}  # type: ignore[dict-item]
    nothing = {**CPU, "metadata": {"value": "0"}}
    modifiers = {"formula": "jobs * 2", "target": "3"}
    object = scaled_object(triggers=[source, nothing], advanced={"scalingModifiers": modifiers})
    assert told(reviewed(object)) == [
        'spec.triggers[1].metadata.value: "0" is not above 0, as a target must be'
    ]


@pytest.mark.parametrize(
    ("minimum", "idle", "maximum", "path"),
    [
        (1, None, 5, None),
        (1, 0, 5, None),
        (0, 0, 5, None),
        (2, None, 1, "spec.minReplicaCount"),
        (101, None, None, "spec.minReplicaCount"),
        (1, 1, 5, "spec.idleReplicaCount"),
        (1, 2, 5, "spec.idleReplicaCount"),
        (None, 0, 5, "spec.idleReplicaCount"),
        (None, 10, 5, "spec.idleReplicaCount"),
    ],
)
def test_replica_bounds(minimum: Any, idle: Any, maximum: Any, path: str | None) -> None:
    given = {"minReplicaCount": minimum, "idleReplicaCount": idle, "maxReplicaCount": maximum}
    spec = {key: value for key, value in given.items() if value is not None}
    found = reviewed(scaled_object(triggers=[WORKLOAD], **spec))
    assert [problem.path for problem in found.problems] == ([path] if path else [])


def test_a_trigger_name_is_given_once() -> None:
    twins = [{**WORKLOAD, "name": "load"}, {**REDIS, "name": "load"}]
    for object in (scaled_object(triggers=twins), scaled_job(triggers=twins)):
        found = reviewed(object)
        assert [problem.path for problem in found.problems] == ["spec.triggers[1].name"]
        assert all(plan.scaler is not None for plan in found.triggers)


def test_what_a_scaled_job_cannot_have_is_told_and_the_rest_is_measured() -> None:
    found = reviewed(scaled_job(triggers=[{**REDIS, "metricType": "Value"}, CPU, WORKLOAD]))
    assert told(found)[:2] == [
        "spec.triggers[0].metricType: Cannot set metricType in ScaledJob triggers",
        "spec.triggers[1].metricType: Cannot set metricType in ScaledJob triggers",
    ]
    assert told(found)[2] == "spec.triggers[1].type: cpu is read by an HPA, and a ScaledJob has none"
    assert [len(plan.metrics) for plan in found.triggers] == [1, 0, 1]
    # a Value target would ask for no Job at all
    assert found.triggers[0].metrics[0].target_type == "AverageValue"


def test_parameters_that_cannot_be_fetched_are_a_failure_of_their_trigger_alone() -> None:
    object = scaled_object(triggers=[REDIS, WORKLOAD])
    found = review(
        object, lambda index: BROKEN if index == 0 else Sources(object.spec.triggers[index].metadata)
    )
    assert found.problems == ()
    assert found.triggers[0].failure == BROKEN
    assert found.triggers[0].scaler is None
    assert found.triggers[1].scaler is not None


def test_what_has_no_effect_is_a_notice_and_no_problem() -> None:
    misspelt = {**WORKLOAD, "metadata": {**WORKLOAD["metadata"], "valeu": "3"}}  # type: ignore[dict-item]
    found = reviewed(scaled_object(triggers=[misspelt], fallback={"failureThreshold": 3, "replicas": 2}))
    assert found.problems == ()
    assert [notice.path for notice in found.notices] == ["spec.triggers[0].metadata.valeu"]
    cached = reviewed(scaled_job(triggers=[{**WORKLOAD, "useCachedMetrics": True}]))
    assert cached.problems == ()
    assert [notice.path for notice in cached.notices] == ["spec.triggers[0].useCachedMetrics"]


def test_an_identity_that_a_trigger_does_not_use_is_told() -> None:
    object = scaled_object(triggers=[REDIS])
    sources = Sources(object.spec.triggers[0].metadata, identity=Identity("aws", role_arn="arn:x"))
    assert [str(notice) for notice in review(object, lambda _: sources).notices] == [
        "spec.triggers[0].authenticationRef: redis triggers do not use the aws identity arn:x it names"
    ]


def test_a_scaler_knows_how_often_it_is_asked() -> None:
    for object in (scaled_object(triggers=[REDIS], pollingInterval=7), scaled_job(triggers=[REDIS])):
        (plan,) = reviewed(object).triggers
        assert plan.scaler is not None
        assert plan.scaler.scope.interval_s == object.spec.polling_s
