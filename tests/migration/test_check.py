"""`tidegate migrate check` on the state that KEDA has left, by somebody who may only read."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from parts.keda_cluster import READ, KedaCluster
from parts.real_cluster import GROUP
from tidegate.cli.main import tidegate

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]

USER = "reader"
DIFFERS = {
    ("ScaledObject shop/combined", "spec.advanced.scalingModifiers.formula"),
    ("ScaledObject shop/fallen", "spec.fallback.failureThreshold"),
    ("ScaledObject shop/fallen", "spec.triggers[0].metadata.ignoreNullValues"),
    ("ScaledObject shop/restored", "spec.advanced.restoreToOriginalReplicaCount"),
    ("ScaledJob shop/crunch", "spec.maxReplicaCount"),
    ("ScaledJob shop/crunch", "spec.rollout.strategy"),
    ("ScaledJob shop/stopped", "spec.rollout.strategy"),
}


def test_what_differs_is_told_of_each_object_and_nothing_is_written(keda: KedaCluster) -> None:
    kubeconfig = keda.user(USER, [{"apiGroups": ["*"], "resources": ["*"], "verbs": READ}])
    words = ["migrate", "check", "-o", "json", "--kubeconfig", str(kubeconfig)]
    said = CliRunner().invoke(tidegate, words)
    found = json.loads(said.stdout)["findings"]
    assert {(one["object"], one["field"]) for one in found if one["level"] == "differs"} == DIFFERS
    assert [one for one in found if one["level"] == "fails"] == []
    assert said.exit_code == 3
    assert "open-sesame" not in said.output
    assert keda.deeds(USER) == []
