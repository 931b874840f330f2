"""The example `kafka-lag` as a user runs it: Kafka in a pod, consumers from zero to one per partition."""

from __future__ import annotations

import json

import pytest

from parts.servers import installed
from parts.up import ROOT, Up

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.xdist_group("kafka")]
EXAMPLE = ROOT / "examples" / "kafka-lag"


def replicas(up: Up) -> int:
    return int(up.get("deployment", "shipper")["spec"].get("replicas", 1))


def test_consumers_follow_the_lag_up_to_the_partitions(up: Up) -> None:
    installed("kafka")
    up.kubectl("apply", "-f", str(EXAMPLE))
    up.kubectl("wait", "--for=condition=Complete", "job/create-orders", "--timeout=120s")
    up.kubectl("wait", "--for=condition=Ready", "scaledobject/shipper", "--timeout=60s")
    told = up.kubectl("describe", "scaledobject", "shipper")
    assert "the proper spelling of this mechanism is scram_sha512" in told

    # A group that never committed is woken once, so that it commits.
    def metric() -> tuple[float | None, str]:
        scaling = str(EXAMPLE / "04-scaling.yaml")
        polled = up.tidegate("poll", "-f", scaling, "--kubeconfig", str(up.kubeconfig), "-o", "json")
        [answer] = json.loads(polled)
        assert answer["metric"] == "s0-kafka-orders"
        return answer["value"], answer["failure"]

    up.until("the group has committed", lambda: metric() == (0, ""), 120)
    up.until("nobody is needed", lambda: replicas(up) == 0, 120)

    up.kubectl("create", "-f", str(EXAMPLE / "load" / "produce-orders.yaml"))
    up.until("one for each partition", lambda: replicas(up) == 3, 120)
    value, failure = metric()
    assert value is not None
    assert value <= 1500  # capped at the partitions, whatever there is
    assert failure == ""
    up.until("drained and back to zero", lambda: replicas(up) == 0, 240)
    assert metric() == (0, "")
