"""The Jobs of a ScaledJob as they are created, and how a Job's end is read."""

from __future__ import annotations

from typing import Any

import pytest

from parts.cluster import Cluster, operated
from tidegate import __version__
from tidegate.api.decode import decode
from tidegate.api.scaledjob import ScaledJob
from tidegate.kube.resource import EVENTS, JOBS, SCALED_JOBS
from tidegate.operator.cluster.job_result import finished_as
from tidegate.operator.scaledjob import job_body

Object = dict[str, Any]


def owner(template: Object | None = None, **metadata: Any) -> ScaledJob:
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledJob",
        "metadata": {"name": "crunch", "namespace": "shop", "uid": "u-1", "generation": 7, **metadata},
        "spec": {
            "jobTargetRef": {
                "backoffLimit": 2,
                "template": template or {"spec": {"containers": [{"name": "c", "image": "i"}]}},
            },
            "triggers": [{"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs"}}],
        },
    }
    decoded = decode(body)
    assert isinstance(decoded, ScaledJob)
    return decoded


def created(template: Object | None = None, **metadata: Any) -> Object:
    object = owner(template, **metadata)
    (body,) = job_body.bodies(object, object.spec.job_target_ref.job_spec(), 3, 1)
    return body


def test_a_job_carries_the_labels_and_annotations_of_its_scaled_job_and_of_its_round() -> None:
    last_applied = "kubectl.kubernetes.io/last-applied-configuration"
    metadata = created(labels={"team": "data"}, annotations={"note": "n", last_applied: "{}"})["metadata"]
    assert metadata["labels"] == {
        "app.kubernetes.io/name": "crunch",
        "app.kubernetes.io/version": __version__,
        "app.kubernetes.io/part-of": "crunch",
        "app.kubernetes.io/managed-by": "keda-operator",
        "scaledjob.keda.sh/name": "crunch",
        "team": "data",
    }
    assert metadata["annotations"] == {
        "note": "n",
        "scaledjob.keda.sh/generation": "7",
        "tidegate.dev/round": "3",
        "tidegate.dev/ordinal": "0",
    }
    (reference,) = metadata["ownerReferences"]
    assert (reference["kind"], reference["name"], reference["uid"]) == ("ScaledJob", "crunch", "u-1")
    assert reference["controller"] is True
    assert reference["blockOwnerDeletion"] is True


def test_a_label_of_the_scaled_job_may_stand_in_place_of_the_usual_one_but_not_of_its_name() -> None:
    wanted = {"app.kubernetes.io/name": "other", "scaledjob.keda.sh/name": "other"}
    labels = created(labels=wanted)["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "other"
    assert labels["scaledjob.keda.sh/name"] == "crunch"


@pytest.mark.parametrize("text", ["team,tier", "team, tier"])
def test_excluded_labels_stay_with_the_scaled_job(text: str) -> None:
    body = created(
        labels={"team": "data", "tier": "back", "kept": "yes"},
        annotations={"scaledjob.keda.sh/job-excluded-labels": text},
    )
    assert {"team", "tier"}.isdisjoint(body["metadata"]["labels"])
    assert body["metadata"]["labels"]["kept"] == "yes"


def test_a_job_lies_beside_its_scaled_job_and_keeps_the_job_spec() -> None:
    body = created()
    assert body["metadata"]["namespace"] == "shop"
    assert body["spec"]["backoffLimit"] == 2
    assert body["spec"]["template"]["metadata"]["labels"] == {"scaledjob.keda.sh/name": "crunch"}


@pytest.mark.parametrize(("written", "used"), [(None, "OnFailure"), ("", "OnFailure"), ("Never", "Never")])
def test_pods_restart_on_failure_where_nothing_is_written(written: str | None, used: str) -> None:
    pod: Object = {"containers": [{"name": "c", "image": "i"}]}
    if written is not None:
        pod["restartPolicy"] = written
    template = {"metadata": {"labels": {"own": "label"}}, "spec": pod}
    made = created(template)["spec"]["template"]
    assert made["spec"]["restartPolicy"] == used
    assert made["metadata"]["labels"] == {"own": "label", "scaledjob.keda.sh/name": "crunch"}


TRUE, FALSE = "True", "False"


@pytest.mark.parametrize(
    ("conditions", "end"),
    [
        ((), ""),
        ((("Complete", TRUE),), "Complete"),
        ((("Failed", TRUE),), "Failed"),
        ((("Complete", FALSE), ("Failed", "Unknown")), ""),
        ((("Suspended", TRUE), ("FailureTarget", TRUE), ("SuccessCriteriaMet", TRUE)), ""),
        ((("Failed", FALSE), ("Complete", TRUE)), "Complete"),
        ((("Failed", TRUE), ("Complete", TRUE)), "Failed"),
        ((("Complete", TRUE), ("Failed", TRUE)), "Complete"),
    ],
)
def test_the_first_true_one_of_complete_and_failed_says_how_a_job_ended(
    conditions: tuple[tuple[str, str], ...], end: str
) -> None:
    told = [{"type": type, "status": status} for type, status in conditions]
    assert finished_as({"status": {"conditions": told}}) == end


@pytest.mark.parametrize("job", [None, {}, {"status": None}, {"status": {"active": 1}}])
def test_a_job_that_tells_nothing_has_not_ended(job: Object | None) -> None:
    assert finished_as(job) == ""


@operated(jobs=0)
async def test_a_new_scaled_job_tells_what_was_started_and_that_it_is_ready(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job()
    await clock.sleep(2)
    told = [one[:3] for one in cluster.events("crunch") if one[1] != "ScaledJobInactive"]
    assert sorted(told) == [
        ("Normal", "KEDAScalersStarted", "Scaler redis is built"),
        ("Normal", "KEDAScalersStarted", "Started scalers watch"),
        ("Normal", "ScaledJobReady", "ScaledJob is ready for scaling"),
    ]


@operated(jobs=0)
async def test_the_end_of_a_scaled_job_is_told_in_its_namespace(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job()
    await clock.sleep(2)
    await cluster.objects.delete(SCALED_JOBS, "shop", "crunch")
    await clock.sleep(2)
    assert cluster.objects.get(SCALED_JOBS, "shop", "crunch") is None
    told = [one for one in cluster.objects.list(EVENTS) if one["reason"] == "ScaledJobDeleted"]
    assert [one["metadata"]["namespace"] for one in told] == ["shop"]
    assert [(one["type"], one["message"]) for one in told] == [("Warning", "ScaledJob was deleted")]


def activity(cluster: Cluster) -> Object:
    status = (cluster.objects.get(SCALED_JOBS, "shop", "crunch") or {})["status"]
    return dict(status.get("triggersActivity") or {})


@operated(jobs=0)
async def test_the_status_shows_which_metrics_of_a_scaled_job_are_active(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job(pollingInterval=5)
    await clock.sleep(2)
    assert activity(cluster) == {"s0-redis-jobs": {"isActive": False}}
    cluster.redis.lists["jobs"] = 1
    await clock.sleep(6)
    assert activity(cluster) == {"s0-redis-jobs": {"isActive": True}}
    assert len(cluster.objects.list(JOBS)) == 1
