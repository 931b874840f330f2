"""The JSON of `explain`, field by field: programs count on it, and docs/explain.md names each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from parts.cluster import Cluster, operated, redis
from tidegate.kube.resource import DEPLOYMENTS, HPAS, SCALED_JOBS, SCALED_OBJECTS

Object = dict[str, Any]
PAGE = Path(__file__).parents[3] / "docs" / "explain.md"
NUMBER, TEXT, TRUTH = "number", "text", "truth"
METRIC = {"name": TEXT, "value": NUMBER, "target": NUMBER, "targetType": TEXT, "replicas": NUMBER}
TRIGGER = {
    "index": NUMBER,
    "type": TEXT,
    "name": TEXT,
    "summary": TEXT,
    "state": TEXT,
    "isAsked": TRUTH,
    "isFallback": TRUTH,
    "activation": NUMBER,
    "metrics": [METRIC],
    "readAt": TEXT,
    "age_s": NUMBER,
    "failure": None,
    "failedPolls": NUMBER,
    "pollingInterval": NUMBER,
    "nextPoll": TEXT,
    "stretched": None,
    "isHeld": TRUTH,
    "isPushed": TRUTH,
    "whyNotPushed": None,
    "notices": [],
}
CRON = {**TRIGGER, "pollingInterval": None, "name": None}
CPU = {
    **TRIGGER,
    "name": None,
    "summary": None,
    "activation": None,
    "metrics": [{**METRIC, "container": None}],
    "age_s": None,
    "pollingInterval": None,
    "nextPoll": None,
}
LINE = {"at": TEXT, "since": TEXT, "count": NUMBER, "code": TEXT, "what": TEXT}
OBJECT = {
    "kind": TEXT,
    "namespace": TEXT,
    "name": TEXT,
    "at": TEXT,
    "decidedAt": TEXT,
    "replicas": NUMBER,
    "ready": NUMBER,
    "jobs": None,
    "notReady": [],
    "failing": None,
    "unseen": None,
    "minimum": NUMBER,
    "maximum": NUMBER,
    "paused": TRUTH,
    "annotations": {"autoscaling.keda.sh/paused-scale-in": TEXT},
    "triggers": [{**TRIGGER, "summary": None}, CRON, CPU],
    "formula": None,
    "notices": [],
    "hpa": {
        "name": TEXT,
        "state": TEXT,
        "currentReplicas": NUMBER,
        "desiredReplicas": NUMBER,
        "lookedAt": TEXT,
        "leading": TEXT,
        "conditions": [{"type": TEXT, "status": TEXT, "reason": TEXT, "message": TEXT}],
    },
    "claims": None,
    "rivals": [{"kind": TEXT, "name": TEXT}],
    "due": TEXT,
    "history": [{**LINE, "reasons": []}],
}
JOBS = {"running": NUMBER, "pending": NUMBER, "succeeded": NUMBER, "failed": NUMBER}


def shape(value: Any) -> Any:
    """What kind of JSON it is, all the way down."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    if value is None:
        return None
    return TRUTH if isinstance(value, bool) else NUMBER if isinstance(value, int | float) else TEXT


def without(found: Object, *names: str) -> Object:
    return {key: value for key, value in found.items() if key not in names}


def decoded(found: Object) -> Object:
    """As it travels."""
    read: Object = msgspec.json.decode(msgspec.json.encode(found))
    return read


@operated(jobs=3)
async def test_the_fields_of_a_scaled_object(clock: Any, cluster: Cluster) -> None:
    selector = {"matchLabels": {"app": "web"}}
    await cluster.create(DEPLOYMENTS, "web", spec={"replicas": 1, "selector": selector})
    window = {"timezone": "UTC", "start": "0 6 * * *", "end": "0 20 * * *", "desiredReplicas": "1"}
    cpu = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
    await cluster.scaled_object(
        "web",
        {**redis(), "name": "jobs"},
        {"type": "cron", "metadata": window},
        cpu,
        metadata={"annotations": {"autoscaling.keda.sh/paused-scale-in": "true"}},
    )
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    # After ours is there: an older one would keep the object from acting.
    await clock.sleep(2)
    await cluster.create(HPAS, "other", spec={"scaleTargetRef": reference, "maxReplicas": 5})
    await clock.sleep(2)
    usage = {"name": "cpu", "current": {"averageUtilization": 40}}
    limited = {"type": "ScalingLimited", "status": "True", "reason": "r", "message": "m"}
    status = {
        "currentReplicas": 1,
        "desiredReplicas": 3,
        "currentMetrics": [{"type": "Resource", "resource": usage}],
        "conditions": [limited],
    }
    await cluster.patch(HPAS, "keda-hpa-web", {"status": status}, "status")
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 3}}, "scale")
    await clock.sleep(2)
    found = decoded(await cluster.operator.explain(SCALED_OBJECTS, "shop", "web"))
    assert shape(without(found, "reasons", "outlook")) == OBJECT
    assert found["reasons"]
    assert all(one.keys() == {"code", "text", "numbers"} for one in found["reasons"])
    assert all(one.keys() == {"code", "text", "numbers", "at"} for one in found["outlook"])


@operated(jobs=3)
async def test_the_fields_of_a_scaled_job(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job("crunch", maxReplicaCount=2)
    await clock.sleep(2)
    found = decoded(await cluster.operator.explain(SCALED_JOBS, "shop", "crunch"))
    assert found.keys() == OBJECT.keys() | {"reasons", "outlook"}
    assert shape(found["jobs"]) == JOBS
    for name in ("replicas", "ready", "hpa", "formula"):
        assert found[name] is None


def test_the_page_names_every_field() -> None:
    named = set(re.findall(r"`([A-Za-z_]+)(?:\[\])?`", PAGE.read_text()))
    fields = {*OBJECT, "reasons", "outlook", *TRIGGER, *METRIC, *JOBS, *LINE, "container"}
    fields |= {*OBJECT["hpa"], "pods", "why", "text", "numbers"}  # type: ignore[misc]
    assert fields - named == set()
