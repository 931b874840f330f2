"""What the Jobs of a ScaledJob are made from: a template that is written, or the Job that is named."""

from __future__ import annotations

from typing import Any

import pytest

from parts.cluster import Cluster, operated
from tidegate.kube.resource import JOBS, SCALED_JOBS

HOUR_S = 3_600
MODEL = {"apiVersion": "batch/v1", "kind": "Job", "name": "model"}


@operated(jobs=1)
async def test_a_job_named_as_template_is_waited_for_and_used_at_once(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job(jobTargetRef=MODEL, pollingInterval=HOUR_S)
    await clock.sleep(2)
    status, reason, message = cluster.condition(SCALED_JOBS, "crunch", "Ready")
    assert (status, reason) == ("False", "ScaledJobCheckFailed")
    assert "names the Job shop/model, which does not exist" in message
    template = {"metadata": {"labels": {"job-name": "model", "a": "b"}}, "spec": {"containers": []}}
    await cluster.create(JOBS, "model", spec={"suspend": True, "template": template})
    await clock.sleep(2)
    assert cluster.condition(SCALED_JOBS, "crunch", "Ready")[0] == "True"
    (job,) = cluster.jobs()
    spec = (cluster.objects.get(JOBS, "shop", job) or {})["spec"]
    assert "suspend" not in spec
    labels = {"a": "b", "scaledjob.keda.sh/name": "crunch"}
    assert spec["template"]["metadata"]["labels"] == labels


def model(image: str) -> dict[str, Any]:
    container = {"name": "c", "image": image, "env": [{"name": "ADDRESS", "value": "redis:6379"}]}
    return {"suspend": True, "template": {"spec": {"containers": [container]}}}


@operated(jobs=2)
async def test_a_named_template_that_goes_stops_creation_alone_and_is_the_only_cause_that_is_told(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.create(JOBS, "model", spec=model("i"))
    metadata = {"addressFromEnv": "ADDRESS", "listName": "jobs", "listLength": "1"}
    load = {"type": "redis", "metadata": metadata}
    await cluster.scaled_job(
        "crunch", load, jobTargetRef=MODEL, pollingInterval=5, successfulJobsHistoryLimit=0
    )
    await clock.sleep(10)
    assert len(cluster.unfinished()) == 2
    await cluster.objects.delete(JOBS, "shop", "model")
    await clock.sleep(10)
    missing = "jobTargetRef names the Job shop/model, which does not exist"
    status, reason, message = cluster.condition(SCALED_JOBS, "crunch", "Ready")
    assert (status, reason) == ("False", "ScaledJobCheckFailed")
    assert message.startswith(missing)
    active = cluster.condition(SCALED_JOBS, "crunch", "Active")
    assert active == ("Unknown", "UnknownState", "ScaledJob check failed")
    (failed,) = [one[2] for one in cluster.events("crunch") if one[1] == "KEDAScalerFailed"]
    assert failed.startswith(f"cannot read the environment of the pods: {missing}")
    told = [one[2] for one in cluster.events("crunch") if one[1] == "KEDAScalerInfo"]
    assert [one.partition(":")[0] for one in told] == ["spec.jobTargetRef.name"], "nothing else is wrong"
    for job in cluster.unfinished():
        await cluster.finish(job)
    await clock.sleep(10)
    assert cluster.jobs() == [], "the history is trimmed"
    await cluster.create(JOBS, "model", spec=model("i"))
    await clock.sleep(2)
    assert len(cluster.unfinished()) == 2
    assert cluster.condition(SCALED_JOBS, "crunch", "Active")[0] == "True"


@pytest.mark.parametrize("strategy", ["gradual", "immediate"])
@operated(jobs=2)
async def test_a_named_template_that_is_replaced_is_rolled_out_where_the_manifest_says_so(
    clock: Any, cluster: Cluster, strategy: str
) -> None:
    # copied from a Job of the object, with all its labels
    metadata = {"labels": {"scaledjob.keda.sh/name": "crunch"}}
    await cluster.create(JOBS, "model", metadata=metadata, spec=model("i"))
    await cluster.scaled_job(
        jobTargetRef=MODEL, pollingInterval=5, maxReplicaCount=2, rollout={"strategy": strategy}
    )
    await clock.sleep(10)
    before = [one for one in cluster.unfinished() if one != "model"]
    assert len(before) == 2, "the template itself is none of them"
    await cluster.objects.delete(JOBS, "shop", "model")
    await clock.sleep(10)
    assert [one for one in cluster.unfinished() if one != "model"] == before
    await cluster.create(JOBS, "model", metadata=metadata, spec=model("j"))
    await clock.sleep(10)
    after = [one for one in cluster.unfinished() if one != "model"]
    assert len(after) == 2
    assert (after == before) is (strategy == "gradual")
    images = {
        (cluster.objects.get(JOBS, "shop", one) or {})["spec"]["template"]["spec"]["containers"][0]["image"]
        for one in after
    }
    assert images == {"i" if strategy == "gradual" else "j"}
    assert "model" in cluster.jobs()


@operated(jobs=1)
async def test_a_template_wins_over_a_name_beside_it(clock: Any, cluster: Cluster) -> None:
    template = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    await cluster.scaled_job(jobTargetRef={"name": "model", "template": template}, pollingInterval=5)
    await clock.sleep(10)
    assert len(cluster.jobs()) == 1
    assert cluster.condition(SCALED_JOBS, "crunch", "Ready")[0] == "True"
    (told,) = [one[2] for one in cluster.events("crunch") if one[1] == "KEDAScalerInfo"]
    assert told.startswith('spec.jobTargetRef.name: "model" has no effect')
