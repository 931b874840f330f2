"""All controllers of the local cluster, running together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from tidegate.kube.resource import Resource
from tidegate.local.controllers.cluster.garbage_collection import Garbage
from tidegate.local.controllers.cluster.namespaces import Namespaces
from tidegate.local.controllers.cluster.role_aggregation import RoleAggregation
from tidegate.local.controllers.cluster.scheduler import Scheduler
from tidegate.local.controllers.cluster.volume_claims import Claims
from tidegate.local.controllers.controller import Controller, Reconciler
from tidegate.local.controllers.hpa.hpas import INTERVAL_S, Hpas
from tidegate.local.controllers.hpa.metric_samples import ExternalMetric, ResourceMetric, Samples
from tidegate.local.controllers.jobs.cron_jobs import CronJobs
from tidegate.local.controllers.jobs.jobs import Jobs
from tidegate.local.controllers.services.mirroring import Mirroring
from tidegate.local.controllers.services.services import Services
from tidegate.local.controllers.workloads.daemonsets import DaemonSets
from tidegate.local.controllers.workloads.deployments import Deployments
from tidegate.local.controllers.workloads.disruption_budgets import DisruptionBudgets
from tidegate.local.controllers.workloads.replicasets import ReplicaSets
from tidegate.local.controllers.workloads.statefulsets import StatefulSets
from tidegate.local.objects import Objects
from tidegate.runtime.clock import Clock


def reconcilers(
    objects: Objects,
    clock: Clock,
    kinds: Callable[[], Iterable[Resource]],
    samples: Samples,
    *,
    hpa_interval_s: float = INTERVAL_S,
) -> list[Reconciler[Any]]:
    """One of each."""
    return [
        Namespaces(objects, kinds),
        RoleAggregation(objects),
        Garbage(objects, clock, kinds),
        Scheduler(objects, clock),
        CronJobs(objects, clock),
        Jobs(objects, clock),
        Deployments(objects, clock),
        ReplicaSets(objects, clock),
        StatefulSets(objects, clock),
        DaemonSets(objects, clock),
        DisruptionBudgets(objects, clock, kinds),
        Services(objects),
        Mirroring(objects),
        Claims(objects, clock),
        Hpas(objects, clock, samples, kinds, interval_s=hpa_interval_s),
    ]


async def run_controllers(
    objects: Objects,
    clock: Clock,
    kinds: Callable[[], Iterable[Resource]],
    external_metric: ExternalMetric,
    resource_metric: ResourceMetric,
    *,
    hpa_interval_s: float = INTERVAL_S,
) -> None:
    """Works until cancelled.

    `kinds()` lists the served kinds, each in its stored version only, and may answer differently
    whenever it is called. Start this before the API is opened to users: a Pod that ended while nobody
    looked is counted before anybody can delete it.
    """
    samples = Samples(external_metric, resource_metric)
    async with asyncio.TaskGroup() as group:
        for reconciler in reconcilers(objects, clock, kinds, samples, hpa_interval_s=hpa_interval_s):
            group.create_task(Controller(reconciler, objects, clock).run(), name=type(reconciler).__name__)
