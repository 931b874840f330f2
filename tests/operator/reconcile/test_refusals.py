"""Whatever the API server refuses of our writes stands in a condition, in its words, until it is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from parts.cluster import Cluster, operated, redis
from parts.memory_client import Write
from tidegate.kube.resource import HPAS, JOBS, SCALED_JOBS, SCALED_OBJECTS, ApiError, Resource

LONG = "w" * 64
SAID = f'metadata.labels: Invalid value: "{LONG}": must be no more than 63 characters'


def refusing(
    cluster: Cluster, is_refused: Callable[[Write], bool], said: str = SAID, code: int = 422
) -> list[Write]:
    """The server refuses these writes; the list of them."""
    met: list[Write] = []

    async def refuse(write: Write) -> None:
        if is_refused(write):
            met.append(write)
            raise ApiError(code, "Invalid" if code == 422 else "Forbidden", said)

    cluster.client.before = refuse
    return met


def ready(cluster: Cluster, resource: Resource = SCALED_OBJECTS, name: str = "web") -> tuple[str, str, str]:
    return cluster.condition(resource, name, "Ready")


def tellings(cluster: Cluster) -> int:
    """How often conditions were written."""
    return sum("conditions" in one.body["status"] for one in cluster.status_writes())


def failed_checks(cluster: Cluster, name: str) -> list[str]:
    return [one[2] for one in cluster.events(name) if one[1].endswith("CheckFailed")]


@operated(jobs=3)
async def test_a_scaled_object_whose_labels_are_refused_says_so_once_and_heals(
    clock: Any, cluster: Cluster
) -> None:
    refusing(cluster, lambda write: write.name == LONG and not write.subresource)
    await cluster.deployment(LONG)
    await cluster.scaled_object(LONG)
    await clock.sleep(300)
    status, reason, text = ready(cluster, name=LONG)
    assert (status, reason) == ("False", "ScaledObjectCheckFailed")
    assert SAID in text
    assert failed_checks(cluster, LONG) == [text]
    assert cluster.operator.steps.writer.status_writes == 1
    refusing(cluster, lambda write: False)
    await clock.sleep(400)
    assert ready(cluster, name=LONG)[0] == "True"


@pytest.mark.parametrize(
    "is_refused",
    [
        lambda write: write.subresource == "scale",
        lambda write: write.resource == HPAS and write.verb == "create",
    ],
    ids=["the count", "the HPA"],
)
@operated(jobs=3)
async def test_a_refused_write_of_a_scaled_object_stands_in_ready_until_it_is_taken(
    clock: Any, cluster: Cluster, is_refused: Callable[[Write], bool]
) -> None:
    said = "exceeded quota: none is left"
    met = refusing(cluster, is_refused, said, 403)
    await cluster.deployment()
    await cluster.scaled_object()
    await clock.sleep(200)
    assert met
    assert ready(cluster)[:2] == ("False", "ScaledObjectCheckFailed")
    assert said in ready(cluster)[2]
    assert failed_checks(cluster, "web") == [ready(cluster)[2]]
    before = tellings(cluster)
    await clock.sleep(200)
    assert tellings(cluster) == before, "it does not change to and fro"
    refusing(cluster, lambda write: False)
    await clock.sleep(400)
    assert ready(cluster)[0] == "True"
    assert cluster.replicas() == 1
    assert cluster.hpa() is not None


@operated(jobs=3)
async def test_a_refused_status_is_told_by_an_event(clock: Any, cluster: Cluster) -> None:
    said = "scaledobjects/status is forbidden"
    refusing(cluster, lambda write: write.subresource == "status", said, 403)
    await cluster.deployment()
    await cluster.scaled_object()
    await clock.sleep(30)
    told = [one for one in cluster.events("web") if one[1] == "ScaledObjectUpdateFailed"]
    assert [one[2] for one in told] == [f"the status was not written: {said}"]
    assert cluster.replicas() == 1


def creates_a_job(write: Write) -> bool:
    return write.verb == "create" and write.resource == JOBS


@operated(jobs=2)
async def test_jobs_that_are_refused_as_they_are_written_leave_ready_false_until_an_edit(
    clock: Any, cluster: Cluster
) -> None:
    said = "spec.template.spec.containers[0].image: Required value"
    refusing(cluster, creates_a_job, said)
    await cluster.scaled_job(pollingInterval=10)
    await clock.sleep(60)
    status, reason, text = ready(cluster, SCALED_JOBS, "crunch")
    assert (status, reason) == ("False", "ScaledJobCheckFailed")
    assert text == f"Failed to create job crunch-: {said}"
    assert failed_checks(cluster, "crunch") == [text]
    assert "ScaledJobReady" not in cluster.reasons("crunch"), "it never was"
    explained = await cluster.operator.explain(SCALED_JOBS, "shop", "crunch")
    assert any(text in one["text"] for one in explained["outlook"])
    cluster.redis.lists.clear()
    await clock.sleep(60)
    assert ready(cluster, SCALED_JOBS, "crunch")[0] == "False", "the next one would be refused too"
    await cluster.patch(SCALED_JOBS, "crunch", {"spec": {"pollingInterval": 5}})
    await clock.sleep(10)
    assert ready(cluster, SCALED_JOBS, "crunch")[0] == "True", "an edit may have mended it"


@operated(jobs=2)
async def test_a_quota_that_refuses_jobs_is_told_while_jobs_are_asked_for(
    clock: Any, cluster: Cluster
) -> None:
    refusing(cluster, creates_a_job, "exceeded quota: none is left", 403)
    await cluster.scaled_job(pollingInterval=10)
    await clock.sleep(60)
    assert "exceeded quota" in ready(cluster, SCALED_JOBS, "crunch")[2]
    refusing(cluster, lambda write: False)
    await clock.sleep(20)
    assert len(cluster.jobs()) == 2
    assert ready(cluster, SCALED_JOBS, "crunch")[0] == "True"

    refusing(cluster, creates_a_job, "exceeded quota: none is left", 403)
    cluster.redis.lists["jobs"] = 4
    await clock.sleep(20)
    assert ready(cluster, SCALED_JOBS, "crunch")[0] == "False"
    cluster.redis.lists.clear()
    await clock.sleep(20)
    assert ready(cluster, SCALED_JOBS, "crunch")[0] == "True"


@operated(jobs=0)
async def test_a_scaled_job_whose_name_no_job_can_carry_is_not_ready_before_the_first(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job(LONG, redis())
    await clock.sleep(60)
    status, reason, text = ready(cluster, SCALED_JOBS, LONG)
    assert (status, reason) == ("False", "ScaledJobCheckFailed")
    assert f'metadata.name: Invalid value: "{LONG}": must be no more than 63 characters' in text
