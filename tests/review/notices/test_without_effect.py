"""Fields that do nothing are named with their value and the reason, and only those."""

from __future__ import annotations

from typing import Any

import pytest

from parts.decisions import scaled_job, scaled_object
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggerauthentication import TriggerAuthentication
from tidegate.api.triggers import Trigger
from tidegate.api.wire import convert
from tidegate.kit.reading import Sources
from tidegate.review.manifest import review
from tidegate.review.notices.unread_parameters import unread_parameters

LOAD = {"podSelector": "app=load", "value": "2"}
WORKLOAD: dict[str, Any] = {"type": "kubernetes-workload", "metadata": LOAD}
CPU: dict[str, Any] = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
ROLLOUT = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"}
FALLBACK = {"failureThreshold": 3, "replicas": 2}
POLLING, COOLDOWN = "spec.pollingInterval", "spec.cooldownPeriod"
PAUSED = "autoscaling.keda.sh/paused-replicas"


def cron(start: str = "0 8 * * *", end: str = "0 18 * * *", wanted: str = "4", **more: str) -> dict[str, Any]:
    metadata = {"timezone": "UTC", "start": start, "end": end, "desiredReplicas": wanted}
    return {"type": "cron", "metadata": metadata, **more}


def active(value: str, **more: Any) -> dict[str, Any]:
    return {**WORKLOAD, "metadata": {**LOAD, "activationValue": value}, **more}


def told(object: ScaledObject | ScaledJob, template: dict[str, Any] | None = None) -> dict[str, str]:
    """What the review says beside problems, by path."""
    triggers = object.spec.triggers
    found = review(object, lambda index: Sources(triggers[index].metadata), template)
    assert len({notice.path for notice in found.notices}) == len(found.notices)
    return {notice.path: notice.message for notice in found.notices}


def of_object(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, str]:
    return told(scaled_object(annotations, **{"triggers": [WORKLOAD], **spec}))


def of_job(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, str]:
    return told(scaled_job(annotations, **{"triggers": [WORKLOAD], **spec}))


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        ({"pollingInterval": 5, "minReplicaCount": 1}, [POLLING]),
        ({"cooldownPeriod": 5, "minReplicaCount": 1}, [COOLDOWN]),
        ({"cooldownPeriod": 0, "minReplicaCount": 1}, [COOLDOWN]),
        ({"pollingInterval": 5, "cooldownPeriod": 5, "minReplicaCount": 1}, [POLLING, COOLDOWN]),
        ({"pollingInterval": 5, "cooldownPeriod": 5, "minReplicaCount": 2, "idleReplicaCount": 0}, []),
        ({"pollingInterval": 5, "minReplicaCount": 1, "fallback": FALLBACK}, []),
        (
            {
                "pollingInterval": 5,
                "minReplicaCount": 2,
                "triggers": [{**WORKLOAD, "useCachedMetrics": True}],
            },
            [],
        ),
        ({"pollingInterval": 5, "cooldownPeriod": 5}, []),
        ({"minReplicaCount": 2}, []),
        ({"minReplicaCount": 1, "initialCooldownPeriod": 9}, ["spec.initialCooldownPeriod"]),
        ({"initialCooldownPeriod": 9}, []),
    ],
)
def test_intervals_matter_only_to_an_object_that_may_rest(spec: dict[str, Any], paths: list[str]) -> None:
    found = of_object(**spec)
    assert list(found) == paths
    for path in paths:
        value = spec[path.removeprefix("spec.")]
        assert found[path].startswith(f"{value} has no effect: ")


def test_the_webhooks_sentences_are_said_in_its_words() -> None:
    found = of_object(pollingInterval=5, cooldownPeriod=7, minReplicaCount=1)
    assert (
        "PollingInterval is only relevant when minReplicaCount = 0, idleReplicaCount is set" in found[POLLING]
    )
    assert "CooldownPeriod is only relevant when minReplicaCount = 0" in found[COOLDOWN]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"minReplicaCount": 2, "idleReplicaCount": 1}, "the HPA lifts 1 to minReplicaCount at once"),
        ({"triggers": [CPU], "minReplicaCount": 1, "idleReplicaCount": 0}, "0 has no effect: with only cpu"),
        ({"triggers": [CPU, WORKLOAD], "minReplicaCount": 1, "idleReplicaCount": 0}, ""),
    ],
)
def test_an_idle_count_that_is_never_kept(spec: dict[str, Any], text: str) -> None:
    found = of_object(**spec).get("spec.idleReplicaCount", "")
    assert text in found
    assert bool(text) == bool(found)


def test_only_cpu_and_memory_never_reach_zero() -> None:
    [(path, text)] = of_object(triggers=[CPU], scaleTargetRef=ROLLOUT).items()
    assert (path, text.partition(":")[0]) == ("spec.minReplicaCount", "0 is never reached")
    assert of_object(triggers=[CPU, WORKLOAD], scaleTargetRef=ROLLOUT) == {}


@pytest.mark.parametrize(
    ("fallback", "spec", "text"),
    [
        (FALLBACK, {}, ""),
        (FALLBACK, {"triggers": [cron()]}, "failureThreshold 3 is never passed: cron triggers never fail"),
        (FALLBACK, {"triggers": [cron(), CPU]}, "cron, cpu triggers never fail"),
        (FALLBACK, {"triggers": [cron(), WORKLOAD]}, ""),
        ({**FALLBACK, "replicas": 9}, {"maxReplicaCount": 5}, "9 is more than maxReplicaCount 5"),
        ({**FALLBACK, "replicas": 0}, {}, "0 is not reached: a fallback counts as active"),
        (
            FALLBACK,
            {"minReplicaCount": 3},
            "2 is not reached: a fallback counts as active, and the HPA keeps",
        ),
        ({**FALLBACK, "behavior": "currentReplicasIfHigher"}, {"minReplicaCount": 3}, ""),
        ({**FALLBACK, "replicas": 9, "behavior": "currentReplicas"}, {"maxReplicaCount": 5}, ""),
    ],
)
def test_a_fallback_that_cannot_hold_what_it_says(
    fallback: dict[str, Any], spec: dict[str, Any], text: str
) -> None:
    found = " ".join(of_object(fallback=fallback, **spec).values())
    assert text in found
    assert bool(text) == bool(found)


@pytest.mark.parametrize(
    ("trigger", "spec", "path", "text"),
    [
        (cron(wanted="3"), {"minReplicaCount": 3}, "metadata.desiredReplicas", "3 has no effect"),
        (cron(wanted="2"), {"minReplicaCount": 3}, "metadata.desiredReplicas", "minReplicaCount is 3 anyway"),
        (cron(wanted="3"), {"minReplicaCount": 3, "idleReplicaCount": 0}, "", ""),
        (cron(wanted="9"), {"maxReplicaCount": 5}, "metadata.desiredReplicas", "9 is more than maxReplica"),
        (cron(wanted="-2"), {}, "metadata.desiredReplicas", "-2 asks for nothing"),
        (cron(wanted="²"), {"minReplicaCount": 3}, "", ""),
        (cron(wanted="9" * 5000), {}, "", ""),
        (cron(metricType="Value"), {}, "metricType", '"Value" makes the HPA multiply'),
        (cron(start="0 0 30 2 *"), {}, "metadata.start", '"0 0 30 2 *" is a moment that never comes'),
        (
            cron(end="0 0 31 4,6 *"),
            {},
            "metadata.end",
            "counts as never open, and the trigger never activates",
        ),
        (cron(end="0 0 29 2 *"), {}, "", ""),
        (cron(end="0 8  * * *"), {}, "metadata.end", "the same moments as the start"),
        (cron(start="0 25 * * *"), {}, "", ""),
        (cron(), {}, "", ""),
    ],
)
def test_a_window_that_does_less_than_it_says(
    trigger: dict[str, Any], spec: dict[str, Any], path: str, text: str
) -> None:
    found = of_object(triggers=[trigger], **spec)
    assert list(found) == ([f"spec.triggers[0].{path}"] if path else [])
    assert text in "".join(found.values())


def test_jobs_of_a_window_come_on_top_of_the_minimum() -> None:
    assert of_job(triggers=[cron(wanted="3")], minReplicaCount=3) == {}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"minReplicaCount": 1},
            '"5" has no effect on replicas: with minReplicaCount 1 nothing starts from zero',
        ),
        ({"minReplicaCount": 1, "idleReplicaCount": 0}, ""),
        ({}, ""),
    ],
)
def test_an_activation_value_needs_a_zero(spec: dict[str, Any], text: str) -> None:
    found = of_object(triggers=[active("5")], **spec)
    assert found == ({"spec.triggers[0].metadata.activationValue": text} if text else {})


def test_what_a_formula_leaves_out_has_no_effect() -> None:
    modifiers = {"formula": "a", "target": "1", "activationTarget": "2"}
    found = of_object(
        minReplicaCount=1,
        advanced={"scalingModifiers": modifiers},
        triggers=[active("5", name="a", metricType="Value"), {**WORKLOAD, "name": "b"}],
    )
    assert {path: text.partition(":")[0] for path, text in found.items()} == {
        "spec.triggers[0].metricType": '"Value" has no effect',
        "spec.triggers[1].name": 'the formula does not read "b"',
        "spec.advanced.scalingModifiers.activationTarget": '"2" has no effect on replicas',
        "spec.triggers[0].metadata.activationValue": '"5" has no effect on replicas',
    }


def test_a_container_whose_environment_nothing_reads() -> None:
    target = {"name": "web", "envSourceContainerName": "side"}
    found = of_object(scaleTargetRef=target)
    assert found["spec.scaleTargetRef.envSourceContainerName"].startswith('"side" has no effect')
    redis = {"type": "redis", "metadata": {"addressFromEnv": "REDIS", "listName": "jobs"}}
    assert of_object(scaleTargetRef=target, triggers=[redis]) == {}
    referring = {**WORKLOAD, "authenticationRef": {"name": "a"}}
    assert of_object(scaleTargetRef=target, triggers=[referring]) == {}
    assert "spec.envSourceContainerName" in of_job(envSourceContainerName="side")


def test_annotations_that_do_nothing_or_no_good() -> None:
    assert "is no count" in of_object({PAUSED: "many"})[f"metadata.annotations.{PAUSED}"]
    assert of_object({PAUSED: "3"}) == {}
    found = of_job({PAUSED: "3", "autoscaling.keda.sh/paused": "true"})
    assert found == {f"metadata.annotations.{PAUSED}": '"3" has no effect on a ScaledJob'}


def test_a_name_beside_a_template_of_jobs() -> None:
    text = '"model" has no effect: Jobs are made from the template beside it'
    assert of_job(jobTargetRef={"name": "model", "template": {}}) == {"spec.jobTargetRef.name": text}
    told = of_job(jobTargetRef={"name": "model"})
    assert "takes a template written under spec.jobTargetRef alone" in told["spec.jobTargetRef.name"]


def test_a_minimum_of_jobs_above_the_maximum() -> None:
    assert of_job(minReplicaCount=7, maxReplicaCount=5)["spec.minReplicaCount"].startswith("7 is more than")


def pods(*containers: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers)}}


def box(name: str, **resources: Any) -> dict[str, Any]:
    return {"name": name, "resources": resources}


@pytest.mark.parametrize(
    ("trigger", "template", "text"),
    [
        (CPU, pods(box("a", requests={"cpu": "100m"}), box("b", limits={"cpu": 1})), ""),
        (CPU, pods(box("a", requests={"memory": "1Gi"})), 'sets no resources.requests.cpu for container "a"'),
        (CPU, pods(box("a", requests={"cpu": "0"})), 'container "a"'),
        (CPU, pods(box("a", requests={"cpu": "some"})), 'container "a"'),
        (CPU, pods({"name": "a"}, {"name": "b", "resources": None}), 'container "a", "b"'),
        (CPU, pods({"name": "a"}, "nonsense"), 'container "a", ""'),
        (CPU, {}, ""),
        (CPU, None, ""),
        ({**CPU, "metricType": "AverageValue"}, pods({"name": "a"}), ""),
        (
            {**CPU, "metadata": {"value": "50", "containerName": "b"}},
            pods({"name": "a"}, box("b", requests={"cpu": "1"})),
            "",
        ),
        (
            {**CPU, "metadata": {"value": "50", "containerName": "c"}},
            pods({"name": "a"}),
            '"c": Deployment/web has no container of this name',
        ),
    ],
)
def test_utilization_needs_requests(trigger: dict[str, Any], template: Any, text: str) -> None:
    found = " ".join(told(scaled_object(triggers=[trigger], minReplicaCount=1), template).values())
    assert text in found
    assert bool(text) == bool(found)


@pytest.mark.parametrize(
    ("parameters", "types", "told"),
    [
        (["password", "username"], ["redis"], []),
        (
            ["pasword"],
            ["redis"],
            ['"pasword" has no effect: no redis trigger reads it; did you mean "password"?'],
        ),
        (["sentinelPassword"], ["redis", "redis-sentinel"], []),
        (["x"], ["cron", "cpu"], ['"x" has no effect: no cron, cpu trigger reads it']),
        (["x"], ["unheard-of"], []),
        (["x"], [], []),
    ],
)
def test_a_parameter_that_no_trigger_reads(parameters: list[str], types: list[str], told: list[str]) -> None:
    refs = [{"parameter": one, "name": "s", "key": "k"} for one in parameters]
    object = convert({"metadata": {"name": "a"}, "spec": {"secretTargetRef": refs}}, TriggerAuthentication)
    found = list(unread_parameters(object, [Trigger(one, {}) for one in types]))
    assert [problem.message for problem in found] == told
    assert [problem.path for problem in found] == ["spec.secretTargetRef[0].parameter"] * len(told)
