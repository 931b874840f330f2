"""Beside KEDA: the API server's own log says that a shadow writes events and its Lease, and nothing else."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from click.testing import CliRunner

from parts.keda_cluster import SHADOW, KedaCluster
from parts.loopback import free_port
from parts.real_cluster import GROUP
from parts.waiting import wait_until
from tidegate.cli.main import tidegate
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    EVENTS,
    LEASES,
    SCALED_JOBS,
    SCALED_OBJECTS,
    TRIGGER_AUTHENTICATIONS,
)

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]

USER = "tidegate-shadow"
LEASE = "shadow.tidegate.dev"
WRITES = {("create", "events"), ("patch", "events"), ("create", "leases"), ("update", "leases")}
# Two polls of each side, and the slack.
PATIENCE_S = 60.0
KINDS = (SCALED_OBJECTS, SCALED_JOBS, TRIGGER_AUTHENTICATIONS, CLUSTER_TRIGGER_AUTHENTICATIONS)


def versions(keda: KedaCluster) -> dict[tuple[str, str], str]:
    return {
        (kind.plural, name): one["metadata"]["resourceVersion"]
        for kind in KINDS
        for name, one in keda.listed(kind).items()
    }


def report(url: str, *words: str) -> Any:
    return CliRunner().invoke(tidegate, ["shadow", "report", "--url", url, *words])


def differing(url: str) -> dict[str, dict[str, Any]]:
    """Of each object that differs, its differences by aspect."""
    said = report(url, "-o", "json")
    found = json.loads(said.output)["objects"] if said.output else []
    return {one["name"]: {each["aspect"]: each for each in one["differences"]} for one in found}


def test_a_shadow_tells_what_differs_and_writes_nothing_but_events_and_its_lease(keda: KedaCluster) -> None:
    """Nobody does KEDA's part here: what it would do and does not is what the shadow finds."""
    before, shown = versions(keda), keda.shown()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    flags = (
        f"--metrics-service-bind-address=127.0.0.1:{free_port()}",
        "--leader-election-id=operator.keda.sh",
        "--enable-cert-rotation=true",
    )
    shadow = keda.operator(USER, SHADOW, "--shadow", f"--shadow-bind-address=127.0.0.1:{port}", *flags)
    shadow.start()
    wait_until(lambda: len(differing(url)) == len(scaled(keda)), "it has looked at every object", PATIENCE_S)
    keda.redis.call("RPUSH", "quiet", "one")
    keda.redis.call("RPUSH", "crunch", "four")

    def is_found() -> bool:
        found = differing(url)
        return "replicas" in found["quiet"] and "jobs" in found["crunch"]

    wait_until(is_found, "what lasts is told", PATIENCE_S)
    found = differing(url)
    assert (found["quiet"]["replicas"]["tidegate"], found["quiet"]["replicas"]["keda"]) == ("1", "0")
    assert found["crunch"]["jobs"]["tidegate"] == "1 more Job"
    # Where KEDA and we come to the same there is nothing.
    assert [name for name in ("orders", "combined", "daily", "named", "held", "web") if found[name]] == []
    assert report(url).exit_code == 1
    words = ["shadow", "explain", "so/quiet", "-n", "shop", "--url", url]
    explained = CliRunner().invoke(tidegate, words)
    assert "  replicas: 1, and in KEDA 0, since" in explained.output
    with urllib.request.urlopen(f"http://127.0.0.1:{shadow.metrics}/metrics") as page:
        lines = page.read().decode().splitlines()
    labels = 'namespace="shop",name="quiet",kind="ScaledObject",aspect="replicas"'
    assert f"tidegate_shadow_differs{{{labels}}} 1" in lines

    deeds = keda.deeds(USER)
    assert {(one.verb, one.resource) for one in deeds} <= WRITES
    assert [one for one in deeds if one.code >= 400] == []
    assert {one.name for one in deeds if one.resource == "leases" and one.verb == "update"} == {LEASE}
    assert versions(keda) == before
    assert keda.shown() == shown
    told = [one for one in keda.listed(EVENTS).values() if one["reason"] == "ShadowDiffers"]
    assert {one["source"]["component"] for one in told} == {"tidegate-shadow"}
    assert {one["involvedObject"]["name"] for one in told} >= {"quiet", "crunch"}
    leases = keda.ask(lambda client: client.list(LEASES, "keda")).items
    assert [one["metadata"]["name"] for one in leases] == [LEASE], "KEDA's Lease is KEDA's"


def scaled(keda: KedaCluster) -> set[str]:
    return {*keda.listed(SCALED_OBJECTS), *keda.listed(SCALED_JOBS)}
