"""The rows of the live view."""

from __future__ import annotations

from typing import Any

from parts.cluster import Cluster, operated, redis
from tidegate.kube.resource import DEPLOYMENTS, HPAS


@operated(jobs=3)
async def test_a_row_has_the_metrics_of_polls_and_of_the_hpa_and_the_pods_that_are_ready(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment("web", 2)
    cpu = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
    await cluster.scaled_object("web", redis(), cpu)
    await cluster.scaled_job("crunch")
    await cluster.patch(DEPLOYMENTS, "web", {"status": {"readyReplicas": 1}}, "status")
    await clock.sleep(2)
    usage = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40}}}
    status = {"currentReplicas": 2, "desiredReplicas": 2, "currentMetrics": [usage]}
    await cluster.patch(HPAS, "keda-hpa-web", {"status": status}, "status")
    await clock.sleep(2)
    job, web = cluster.operator.rows()
    assert (job.name, web.name) == ("crunch", "web")
    assert web.metrics == (("s0-redis-jobs", 3.0, 1.0), ("cpu %", 40, 50.0))
    assert (web.replicas, web.ready) == (2, 1)
    assert (job.replicas, job.ready) == (None, None)
