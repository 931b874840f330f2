import copy

import pytest

SCALED_OBJECT = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "scaleTargetRef": {"name": "web"},
        "triggers": [{"type": "kubernetes-workload", "metadata": {"podSelector": "app=load", "value": "1"}}],
    },
}
SCALED_JOB = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledJob",
    "metadata": {"name": "worker", "namespace": "shop"},
    "spec": {
        "jobTargetRef": {"template": {"spec": {"containers": [{"name": "w", "image": "busybox"}]}}},
        "triggers": [{"type": "kubernetes-workload", "metadata": {"podSelector": "app=load", "value": "1"}}],
    },
}
TRIGGER_AUTHENTICATION = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "TriggerAuthentication",
    "metadata": {"name": "redis", "namespace": "shop"},
    "spec": {"secretTargetRef": [{"parameter": "password", "name": "redis", "key": "password"}]},
}


def put(body, path, value):
    """A copy of `body` with `value` at the dotted path; a number is an index."""
    body = copy.deepcopy(body)
    *way, last = path.split(".")
    place = body
    for step in way:
        place = place[int(step)] if step.isdigit() else place.setdefault(step, {})
    place[int(last) if last.isdigit() else last] = value
    return body


@pytest.fixture
def scaled_object():
    return lambda **changes: _changed(SCALED_OBJECT, changes)


@pytest.fixture
def scaled_job():
    return lambda **changes: _changed(SCALED_JOB, changes)


@pytest.fixture
def trigger_authentication():
    return lambda **changes: _changed(TRIGGER_AUTHENTICATION, changes)


def _changed(body, changes):
    """`spec__minReplicaCount=3` sets that field."""
    body = copy.deepcopy(body)
    for path, value in changes.items():
        body = put(body, path.replace("__", "."), value)
    return body
