"""The example of ordinary manifests on a real control plane with our node: kubectl shows the same."""

from __future__ import annotations

import json
from typing import Any

from parts.looks import Sides, compare, events, printed, status
from parts.up import ROOT

FLAGS = ("--hpa-interval", "1")
EXAMPLE = ROOT / "examples" / "web-and-worker"
WANTED = {"web": 3, "web-worker": 3, "web-redis": 1}
OBJECTS = "deployments,replicasets,pods,services"
# A real control plane has nobody who makes volumes: an administrator has made one.
VOLUME: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "web-redis"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "100Mi"},
        "claimRef": {"namespace": "compared", "name": "web-redis"},
        "hostPath": {"path": ""},
    },
}


def begin(sides: Sides) -> None:
    VOLUME["spec"]["hostPath"]["path"] = str(sides[1].cluster.folder_for("web-redis"))
    sides[1].cluster.kubectl("apply", "-f", "-", stdin=json.dumps(VOLUME))
    for side in sides:
        side.kubectl("apply", "-f", str(EXAMPLE))
    for side in sides:
        for name in WANTED:
            side.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")


def end(sides: Sides) -> None:
    sides[1].cluster.kubectl("delete", "pv", "web-redis", "--wait=false", check=False)


def test_what_kubectl_shows_of_it(sides: Sides) -> None:
    compare(
        sides,
        *(status("deployment", name) for name in WANTED),
        printed("get", "all", "-o", "wide"),
        printed("get", f"{OBJECTS},endpoints,endpointslices,configmaps", "-o", "wide"),
        printed("describe", OBJECTS),
        printed("describe", "endpoints,endpointslices"),
        printed("rollout", "history", "deployment/web", "--revision=1"),
        printed("rollout", "status", "deployment/web"),
        printed("events", "--for", "deployment/web"),
        events("web"),
    )


def test_replicas_are_reached_and_work_is_done(sides: Sides) -> None:
    for load in ("ask-web", "sixty-jobs"):
        for side in sides:
            side.kubectl("create", "-f", str(EXAMPLE / "load" / f"{load}.yaml"))
    for side in sides:
        side.kubectl("wait", "--for=condition=complete", "job", "--all", "--timeout=90s")
    compare(
        sides,
        printed("get", "jobs,pods", "-o", "wide"),
        printed("describe", "jobs"),
        events("ask-web", "sixty-jobs"),
    )


def test_an_update_pauses_goes_back_and_starts_again(sides: Sides) -> None:
    web = "deployment/web"

    def alike(*words: str) -> None:
        compare_said(sides, *words)

    def settled(count: int = 3) -> None:
        for side in sides:
            side.kubectl("rollout", "status", web, "--timeout=120s")
            side.until(
                "the old ones are gone",
                "pods",
                "-l",
                "app=web",
                holds=lambda pods: len(pods["items"]) == count,
            )
        compare(
            sides,
            status("deployment", "web"),
            printed("get", "deployments,replicasets,pods", "-l", "app=web"),
            printed("describe", "replicasets", "-l", "app=web"),
            printed("rollout", "history", web),
        )

    alike("set", "env", web, "VERSION=2")
    settled()
    alike("annotate", web, "kubernetes.io/change-cause=a second version")
    alike("rollout", "undo", web)
    settled()
    alike("rollout", "pause", web)
    alike("rollout", "pause", web)
    alike("set", "image", web, "web=python:3.11")
    alike("rollout", "status", web, "--watch=false")
    alike("rollout", "restart", web)
    alike("rollout", "undo", web)
    alike("rollout", "resume", web)
    alike("rollout", "resume", web)
    settled()
    alike("rollout", "undo", web, "--to-revision=77")
    alike("rollout", "history", web, "--revision=77")
    alike("scale", web, "--replicas=5")
    settled(5)
    alike("scale", web, "--replicas=2")
    settled(2)
    alike("rollout", "restart", web)
    settled(2)
    found = [side.numbers("deployment", "web") for side in sides]
    assert found[0] == found[1]


def compare_said(sides: Sides, *words: str) -> None:
    ours, right = (side.said(*words) for side in sides)
    assert ours == right
