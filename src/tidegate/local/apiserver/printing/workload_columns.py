"""The columns of what makes Pods of a template."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.local.apiserver.printing import workload_cells
from tidegate.local.apiserver.printing.columns import (
    AGE,
    NAME,
    NONE,
    Column,
    at,
    containers,
    count,
    fraction,
    joined_mapping,
    number,
    selector,
    since,
)

_TEMPLATE = ("spec", "template", "spec", "containers")
WIDE = (
    Column("Containers", containers("name", *_TEMPLATE), priority=1),
    Column("Images", containers("image", *_TEMPLATE), priority=1),
)
SELECTOR = Column("Selector", selector("spec", "selector"), priority=1)
_JOB_TEMPLATE = ("spec", "jobTemplate", *_TEMPLATE)


def _suspended(body: dict[str, Any], now: datetime) -> str:
    return str(bool((body.get("spec") or {}).get("suspend")))


def _controller(body: dict[str, Any], now: datetime) -> str:
    """`statefulset.apps/web`."""
    owners = (body.get("metadata") or {}).get("ownerReferences") or ()
    for one in owners:
        if one.get("controller"):
            group = str(one.get("apiVersion", "")).rpartition("/")[0]
            kind = str(one.get("kind", "")).lower()
            return f"{kind}.{group}/{one.get('name')}" if group else f"{kind}/{one.get('name')}"
    return NONE


WORKLOADS: dict[tuple[str, str], tuple[Column, ...]] = {
    ("apps", "Deployment"): (
        NAME,
        Column(
            "Ready", fraction(at("status", "readyReplicas", default=0), at("spec", "replicas", default=0))
        ),
        Column("Up-to-date", at("status", "updatedReplicas", default=0)),
        Column("Available", at("status", "availableReplicas", default=0)),
        AGE,
        *WIDE,
        SELECTOR,
    ),
    ("apps", "ReplicaSet"): (
        NAME,
        number("Desired", "spec", "replicas"),
        number("Current", "status", "replicas"),
        number("Ready", "status", "readyReplicas"),
        AGE,
        *WIDE,
        SELECTOR,
    ),
    ("batch", "Job"): (
        NAME,
        Column("Status", workload_cells.job_status),
        Column("Completions", workload_cells.job_completions),
        Column("Duration", workload_cells.job_duration),
        AGE,
        *WIDE,
        SELECTOR,
    ),
    ("apps", "StatefulSet"): (
        NAME,
        Column(
            "Ready", fraction(at("status", "readyReplicas", default=0), at("spec", "replicas", default=0))
        ),
        AGE,
        *WIDE,
    ),
    ("apps", "DaemonSet"): (
        NAME,
        number("Desired", "status", "desiredNumberScheduled"),
        number("Current", "status", "currentNumberScheduled"),
        number("Ready", "status", "numberReady"),
        number("Up-to-date", "status", "updatedNumberScheduled"),
        number("Available", "status", "numberAvailable"),
        Column("Node Selector", joined_mapping("spec", "template", "spec", "nodeSelector")),
        AGE,
        *WIDE,
        SELECTOR,
    ),
    ("apps", "ControllerRevision"): (
        NAME,
        Column("Controller", _controller),
        Column("Revision", at("revision", default=0)),
        AGE,
    ),
    ("batch", "CronJob"): (
        NAME,
        Column("Schedule", at("spec", "schedule")),
        Column("Timezone", at("spec", "timeZone", default=NONE)),
        Column("Suspend", _suspended),
        Column("Active", count("status", "active"), type="integer"),
        Column("Last Schedule", since("status", "lastScheduleTime", default=NONE)),
        AGE,
        Column("Containers", containers("name", *_JOB_TEMPLATE), priority=1),
        Column("Images", containers("image", *_JOB_TEMPLATE), priority=1),
        Column("Selector", selector("spec", "jobTemplate", "spec", "selector"), priority=1),
    ),
}
