"""What an operator tells of an object: from its last decision, its HPA and what is seen now."""

from __future__ import annotations

from typing import Any

import pytest

from parts.cluster import Cluster, operated, redis
from parts.memory_client import Write
from tidegate.base.errors import Denied
from tidegate.kube.resource import (
    DEPLOYMENTS,
    HPAS,
    JOBS,
    PODS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    ApiError,
)
from tidegate.operator.explain.hpa import plain

Object = dict[str, Any]
CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
LIMITED = {
    "type": "ScalingLimited",
    "status": "True",
    "reason": "TooManyReplicas",
    "message": "the desired replica count is more than the maximum replica count",
}


async def told(cluster: Cluster, name: str = "web") -> Object:
    return await cluster.operator.explain(SCALED_OBJECTS, "shop", name)


async def says(cluster: Cluster, **status: Any) -> None:
    """The HPA of web has looked."""
    await cluster.patch(HPAS, "keda-hpa-web", {"status": status}, "status")


@operated(jobs=50)
async def test_the_hpa_speaks_for_the_count_between_the_bounds(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 0)
    await cluster.scaled_object("web", maxReplicaCount=10)
    await clock.sleep(2)
    await says(cluster, currentReplicas=1, desiredReplicas=10, conditions=[LIMITED])
    await clock.sleep(2)
    found = await told(cluster)
    assert found["hpa"] == {
        "name": "keda-hpa-web",
        "state": "current",
        "currentReplicas": 1,
        "desiredReplicas": 10,
        "lookedAt": "2026-01-05T08:00:02Z",
        "leading": "s0-redis-jobs",
        "conditions": [LIMITED],
    }
    assert [one["code"] for one in found["reasons"]] == [
        "Active",
        "Asked",
        "CappedAtMaximum",
        "LeftToHpa",
    ]


@operated(jobs=3)
async def test_a_scaled_job_whose_jobs_are_refused_says_so_and_by_whom(clock: Any, cluster: Cluster) -> None:
    async def refuse(write: Write) -> None:
        if write.verb == "create" and write.resource == JOBS:
            raise ApiError(403, "Forbidden", f'jobs.batch "{write.name}" is forbidden: exceeded quota')

    cluster.client.before = refuse
    await cluster.scaled_job(pollingInterval=10)
    for rest_s in (5, 30):  # of the first round, and of one that is refused as the one before
        await clock.sleep(rest_s)
        found = await cluster.operator.explain(SCALED_JOBS, "shop", "crunch")
        assert found["reasons"][-1] == {
            "code": "JobsRefused",
            "text": "the API server refused 3 Jobs of the last round: "
            'jobs.batch "crunch-" is forbidden: exceeded quota',
            "numbers": {"refused": 3, "refusal": 'jobs.batch "crunch-" is forbidden: exceeded quota'},
        }
        assert "EnoughJobs" not in [one["code"] for one in found["reasons"]]
        assert found["jobs"]["running"] == 0
    creations = [one for one in cluster.client.writes if one.verb == "create" and one.resource == JOBS]
    assert len(creations) == 4 * 3, "no oftener than it is read"


@operated(jobs=3)
async def test_an_hpa_that_has_not_looked_since_a_change_is_behind_and_at_zero_it_rests(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment("web", 0)
    await cluster.scaled_object("web", cooldownPeriod=5, pollingInterval=5)
    await clock.sleep(2)
    assert (await told(cluster))["hpa"]["state"] == "behind", "it has no status yet"
    await says(cluster, currentReplicas=1, desiredReplicas=1)
    await clock.sleep(1)
    assert (await told(cluster))["hpa"]["state"] == "current"
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 4}}, "scale")
    await clock.sleep(1)
    assert (await told(cluster))["hpa"]["state"] == "behind"
    cluster.redis.lists["jobs"] = 0
    await clock.sleep(30)
    found = await told(cluster)
    assert (found["replicas"], found["hpa"]["state"]) == (0, "resting")


@operated(jobs=3)
async def test_cpu_is_told_as_the_hpa_read_it_with_what_each_metric_asks_for(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment("web", 2)
    await cluster.scaled_object("web", CPU, redis())
    await clock.sleep(2)
    read = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 100}}}
    await says(cluster, currentReplicas=2, desiredReplicas=4, currentMetrics=[read])
    await clock.sleep(6)
    found = await told(cluster)
    cpu, jobs = found["triggers"]
    assert cpu["metrics"] == [
        {
            "name": "cpu",
            "container": None,
            "value": 100,
            "target": 50.0,
            "targetType": "Utilization",
            "replicas": 4,
        }
    ]
    assert cpu["state"] == "native"
    assert cpu["readAt"] == "2026-01-05T08:00:02Z"
    assert cpu["activation"] is None
    assert jobs["metrics"][0]["replicas"] == 3
    assert found["hpa"]["leading"] == "cpu"
    [raising] = [one["text"] for one in found["outlook"] if one["code"] == "Raising"]
    assert raising.startswith("cpu asks for 4 replicas now (100): raised")


@operated(jobs=3)
async def test_pods_that_do_not_run_are_counted_with_their_cause(clock: Any, cluster: Cluster) -> None:
    await cluster.create(
        DEPLOYMENTS, "web", spec={"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}
    )
    await cluster.scaled_object("web")
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    states = {
        "web-1": {"phase": "Pending", "containerStatuses": [{"name": "c", "state": pulling}]},
        "web-2": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        "other": {"phase": "Pending"},
    }
    for name, status in states.items():
        app = name.partition("-")[0]
        await cluster.create(PODS, name, metadata={"labels": {"app": app}}, spec={}, status=status)
    await clock.sleep(2)
    found = await told(cluster)
    assert (found["replicas"], found["ready"]) == (2, 1)
    assert found["notReady"] == [{"pods": 1, "why": "ImagePullBackOff: no such image"}]
    assert not cluster.operator.informers.has_listed(PODS), "pods are not followed for it"
    cluster.client.unlisted.add(PODS)
    found = await told(cluster)
    assert (found["ready"], found["notReady"]) == (None, [])
    assert found["unseen"] == "the pods cannot be listed: pods is forbidden"


@operated(jobs=3)
async def test_a_deployment_whose_pods_are_refused_says_so(clock: Any, cluster: Cluster) -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    await cluster.create(
        DEPLOYMENTS,
        "web",
        spec={"replicas": 2, "selector": {"matchLabels": {"app": "web"}}},
        status={"conditions": [refused]},
    )
    await cluster.scaled_object("web")
    await clock.sleep(2)
    assert (await told(cluster))["notReady"] == [{"pods": 0, "why": "pods cannot be made: exceeded quota"}]


@operated(jobs=4)
async def test_jobs_are_counted_by_what_became_of_them_and_a_row_of_failures_has_its_cause(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job("crunch", maxReplicaCount=4)
    await clock.sleep(2)
    cluster.redis.lists["jobs"] = 0
    done, first, last, running = cluster.jobs()
    for second, (name, how) in enumerate([(done, "Complete"), (first, "Failed"), (last, "Failed")]):
        ended = {"type": how, "status": "True", "lastTransitionTime": f"2026-01-01T00:00:0{second}Z"}
        await cluster.patch(JOBS, name, {"status": {"conditions": [ended]}}, "status")
    start = {"exitCode": 128, "reason": "StartError", "message": "exec: no such file"}
    for job, status in (
        (last, {"phase": "Failed", "containerStatuses": [{"state": {"terminated": start}}]}),
        (running, {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}),
    ):
        labels = {"scaledjob.keda.sh/name": "crunch", "job-name": job}
        await cluster.create(PODS, job, metadata={"labels": labels}, spec={}, status=status)
    await clock.sleep(2)
    found = await cluster.operator.explain(SCALED_JOBS, "shop", "crunch")
    assert found["jobs"] == {"running": 1, "pending": 0, "succeeded": 1, "failed": 2}
    assert found["failing"] == {"jobs": 2, "why": "StartError: exec: no such file"}
    assert found["hpa"] is None
    await cluster.objects.delete(PODS, "shop", running)
    found = await cluster.operator.explain(SCALED_JOBS, "shop", "crunch")
    assert found["jobs"] == {"running": 0, "pending": 1, "succeeded": 1, "failed": 2}


@operated(jobs=23)
async def test_while_paused_the_last_value_is_told_with_its_moment(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 0)
    await cluster.scaled_object("web", pollingInterval=60)
    await clock.sleep(5)
    pause = {"autoscaling.keda.sh/paused-replicas": "2"}
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": pause}})
    await clock.sleep(300)
    found = await told(cluster)
    [trigger] = found["triggers"]
    assert (found["paused"], found["annotations"]) == (True, pause)
    assert (trigger["state"], trigger["metrics"][0]["value"]) == ("paused", 23.0)
    assert trigger["readAt"] is not None
    assert trigger["age_s"] > 290
    assert (trigger["nextPoll"], trigger["metrics"][0]["replicas"]) == (None, None)
    assert found["hpa"] is None
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": [redis("more")]}})
    await clock.sleep(2)
    [trigger] = (await told(cluster))["triggers"]
    assert (trigger["readAt"], trigger["metrics"][0]["value"]) == (None, None), "of another list"


@operated()
async def test_a_trigger_that_cannot_be_asked_has_no_age_and_no_next_poll(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment("web", 0)
    await cluster.scaled_object("web", redis(listLength="five"), redis("more", lenght="5"))
    await clock.sleep(2)
    broken, right = (await told(cluster))["triggers"]
    assert (broken["isAsked"], broken["age_s"], broken["readAt"]) == (False, None, None)
    assert (broken["nextPoll"], broken["pollingInterval"]) == (None, None)
    assert "listLength" in broken["failure"]
    assert (right["isAsked"], right["pollingInterval"]) == (True, 30)
    assert right["notices"] == ["metadata.lenght: no setting of redis triggers has this name; it is ignored"]
    assert right["nextPoll"] > "2026-01-05T08:00:02Z"


@operated(jobs=3)
async def test_a_password_from_a_variable_that_is_not_set_is_told_and_nobody_is_asked(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment("web", 0)
    await cluster.scaled_object("web", redis(passwordFromEnv="NOPE"))
    await clock.sleep(2)
    [trigger] = (await told(cluster))["triggers"]
    text = 'spec.triggers[0].metadata.passwordFromEnv: variable "NOPE" is not set in container c'
    assert (trigger["isAsked"], trigger["failure"], trigger["notices"]) == (False, text, [])
    assert cluster.replicas() == 0
    status, _, message = cluster.condition(SCALED_OBJECTS, "web", "Ready")
    assert (status, text in message) == ("False", True)
    set_there = [{"name": "NOPE", "value": "s3cret"}]
    container = {"name": "c", "image": "i", "env": set_there}
    template = {"spec": {"containers": [container]}}
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"template": template}})
    await clock.sleep(2)
    assert cluster.replicas() == 1, "it heals as soon as the variable is there"


@operated()
async def test_failures_are_counted_and_the_rest_of_their_server_is_told(
    clock: Any, cluster: Cluster
) -> None:
    cluster.redis.trouble = Denied("log in", on="Redis", answer="wrong password")
    await cluster.deployment("web", 0)
    await cluster.scaled_object("web", pollingInterval=5)
    await clock.sleep(60)
    [trigger] = (await told(cluster))["triggers"]
    assert trigger["failedPolls"] >= 10
    assert trigger["isHeld"]


@operated(a=30, b=12)
async def test_sources_of_a_formula_have_no_target_of_their_own(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 1)
    modifiers = {"formula": "a + b", "target": "10", "activationTarget": "20"}
    first, second = {**redis("a"), "name": "a"}, {**redis("b"), "name": "b"}
    await cluster.scaled_object("web", first, second, advanced={"scalingModifiers": modifiers})
    await clock.sleep(3)
    found = await told(cluster)
    for trigger in found["triggers"]:
        assert trigger["activation"] is None
        assert [one["target"] for one in trigger["metrics"]] == [None]
    assert found["formula"] == {
        "name": "composite-metric",
        "formula": "a + b",
        "value": 42.0,
        "target": 10.0,
        "targetType": "AverageValue",
        "activation": 20.0,
        "replicas": 5,
        "failure": None,
    }


@operated(jobs=3)
async def test_an_hpa_of_somebody_else_on_the_same_target_is_a_rival(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 1)
    await cluster.scaled_object("web")
    for name, kind, target in (
        ("web", "Deployment", "web"),
        ("api", "Deployment", "api"),
        ("db", "StatefulSet", "web"),
    ):
        reference = {"apiVersion": "apps/v1", "kind": kind, "name": target}
        await cluster.create(HPAS, name, spec={"scaleTargetRef": reference, "maxReplicas": 5})
    await clock.sleep(3)
    assert (await told(cluster))["rivals"] == [{"kind": "HorizontalPodAutoscaler", "name": "web"}]


@operated(jobs=1)
async def test_a_scaled_job_has_no_hpa_to_tell_of(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job("crunch")
    await clock.sleep(2)
    assert (await cluster.operator.explain(SCALED_JOBS, "shop", "crunch"))["hpa"] is None


@operated(jobs=9)
async def test_a_scaled_job_at_its_maximum_waits_for_a_job_to_end(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job("crunch", maxReplicaCount=2)
    await clock.sleep(2)
    found = await cluster.operator.explain(SCALED_JOBS, "shop", "crunch")
    assert [one["text"] for one in found["outlook"]] == [
        "a Job that ends makes room, at once if it succeeds: 2 of 2 are unfinished"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "unable to get external metric shop/s0-redis-jobs/&LabelSelector{MatchLabels:map[string]string{"
            "scaledobject.keda.sh/name: web,},MatchExpressions:[]LabelSelectorRequirement{},}: refused",
            "unable to get external metric s0-redis-jobs: refused",
        ),
        (
            "from external metric s0-redis-jobs(&LabelSelector{MatchLabels:map[string]string{"
            "scaledobject.keda.sh/name: web,},MatchExpressions:[]LabelSelectorRequirement{},})",
            "from external metric s0-redis-jobs",
        ),
        ("missing request for cpu", "missing request for cpu"),
    ],
)
def test_a_metric_is_called_by_its_name_alone(text: str, told: str) -> None:
    assert plain(text) == told


@operated()
async def test_a_window_tells_when_it_closes_and_what_is_left_then(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 3)
    times = {"timezone": "Europe/Berlin", "start": "0 8 * * *", "end": "0 18 * * *"}
    window = {"type": "cron", "metadata": {**times, "desiredReplicas": "3"}}
    await cluster.scaled_object("web", window, cooldownPeriod=60)
    await clock.sleep(2)
    found = await told(cluster)
    own = found["outlook"][-1]
    assert own["code"] == "Closes"
    assert own["text"].endswith(
        ": the window closes at 2026-01-05T17:00:00Z (18:00 Europe/Berlin): 0 asked; 0 replicas 60 s later"
    )
    assert own["at"] == found["due"] == "2026-01-05T17:00:00Z"


@operated()
async def test_an_annotation_that_does_nothing_is_told_when_it_is_set_and_no_more_when_it_is_gone(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment("web", 0)
    await cluster.scaled_object("web")
    await clock.sleep(5)
    assert (await told(cluster))["notices"] == []
    key = "autoscaling.keda.sh/paused-scale-up"
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": {key: "true"}}})
    await clock.sleep(5)
    [notice] = (await told(cluster))["notices"]
    assert 'did you mean "paused-scale-out"?' in notice
    assert any(notice in text for _, _, text, _ in cluster.events("web"))
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": {key: None}}})
    await clock.sleep(5)
    assert (await told(cluster))["notices"] == []
