from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.apiserver.kinds import BUILT_IN
from tidegate.local.apiserver.writing.unhonoured import warnings


def kind(name: str) -> Any:
    return next(one for one in BUILT_IN if one.resource.kind == name)


@pytest.mark.parametrize(
    ("rolling", "count"), [(None, 0), ({}, 0), ({"maxUnavailable": 1}, 0), ({"maxUnavailable": 2}, 1)]
)
def test_a_stateful_set_updates_one_pod_at_a_time_whatever_it_asks_for(rolling, count):
    body = {"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}}
    assert len(warnings(kind("StatefulSet"), body)) == count


@pytest.mark.parametrize(
    "name",
    ["Ingress", "NetworkPolicy", "StorageClass", "PriorityClass", "LimitRange", "ResourceQuota"],
)
def test_what_is_only_stored_says_so(name):
    assert len(warnings(kind(name), {"spec": {}})) == 1


@pytest.mark.parametrize("name", ["ConfigMap", "Deployment", "DaemonSet", "CronJob"])
def test_what_is_honoured_says_nothing(name):
    assert warnings(kind(name), {"spec": {}}) == []


@pytest.mark.parametrize(
    ("empty", "count"), [({}, 0), ({"sizeLimit": "1Mi"}, 1), ({"sizeLimit": "1Mi", "medium": "Memory"}, 2)]
)
@pytest.mark.parametrize("name", ["Pod", "Deployment", "CronJob"])
def test_what_a_folder_is_not_kept_to_is_told(name, empty, count):
    pod = {"volumes": [{"name": "v", "emptyDir": empty}]}
    template = {"template": {"spec": pod}}
    specs = {"Pod": pod, "Deployment": template, "CronJob": {"jobTemplate": {"spec": template}}}
    assert len(warnings(kind(name), {"spec": specs[name]})) == count
