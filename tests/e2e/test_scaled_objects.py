"""ScaledObjects end to end where no broker is needed: pods as the measure, formulas, fallback."""

from __future__ import annotations

import pytest

from parts.manifests import sleepers
from parts.up import Up

pytestmark = [pytest.mark.e2e, pytest.mark.real]

SCALED = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: target}}
spec:
  scaleTargetRef: {{name: target}}
  pollingInterval: 1
  cooldownPeriod: 1
  maxReplicaCount: 10
{more}
  triggers:
    - type: kubernetes-workload
      name: load
      metadata: {{podSelector: "app=load", value: "2"}}
{triggers}
"""
QUICK_DOWN = """  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {scaleDown: {stabilizationWindowSeconds: 0}}
"""


def replicas(up: Up) -> int:
    return int(up.get("deployment", "target")["spec"].get("replicas", 1))


def apply(up: Up, load: int, more: str = "", triggers: str = "") -> None:
    up.kubectl("apply", "-f", "-", stdin=sleepers("load", load))
    up.kubectl("apply", "-f", "-", stdin=sleepers("target", 0))
    up.kubectl("apply", "-f", "-", stdin=SCALED.format(more=more, triggers=triggers))


@pytest.mark.xdist_group("workload")
def test_pods_are_counted_up_and_down_to_zero(up: Up) -> None:
    apply(up, 4, QUICK_DOWN)
    up.until("two replicas for four pods", lambda: replicas(up) == 2)
    up.kubectl("scale", "deployment/load", "--replicas=8")
    up.until("four for eight", lambda: replicas(up) == 4)
    told = up.tidegate("explain", "so/target", "--history")
    assert "s0-workload-default: 8 (target 2 per replica, active above 0)" in told
    assert "the HPA decides between its bounds" in told
    assert "0 → 1 replica: s0-workload-default above activation" in told
    up.kubectl("scale", "deployment/load", "--replicas=0")
    up.until("none for none", lambda: replicas(up) == 0)


@pytest.mark.xdist_group("workload")
def test_a_formula_makes_one_metric_of_several_triggers(up: Up) -> None:
    modifiers = '    scalingModifiers: {formula: "load * 2 + 1", target: "3", activationTarget: "3"}\n'
    apply(up, 4, QUICK_DOWN + modifiers)
    up.until("(4 × 2 + 1) / 3 replicas", lambda: replicas(up) == 3)
    [metric] = up.get("hpa", "keda-hpa-target")["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == "composite-metric"
    up.kubectl("scale", "deployment/load", "--replicas=1")
    up.until("1 × 2 + 1 is not above the activation target", lambda: replicas(up) == 0)


@pytest.mark.xdist_group("workload")
def test_a_failing_trigger_falls_back_to_the_count_of_the_manifest(up: Up) -> None:
    broken = """    - type: redis
      metadata: {address: "127.0.0.1:1", listName: jobs, listLength: "5"}
"""
    apply(up, 0, "  fallback: {failureThreshold: 2, replicas: 6}\n", broken)
    up.until("six replicas", lambda: replicas(up) == 6)
    conditions = {one["type"]: one for one in up.get("scaledobject", "target")["status"]["conditions"]}
    assert (conditions["Fallback"]["status"], conditions["Fallback"]["reason"]) == ("True", "FallbackExists")
    assert "ScaledObjectFallbackActivated" in up.kubectl("describe", "scaledobject", "target")
