"""A DaemonSet on a real control plane with our node, and in local mode: kubectl shows the same."""

from __future__ import annotations

from parts.looks import Sides, compare, events, printed, status

FLAGS = ("--hpa-interval", "1")
SET = "daemonset/agent"
MANIFEST = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {name: c, image: busybox, command: [sh, -c, "trap exit TERM; while :; do sleep 0.2; done"]}
"""


def begin(sides: Sides) -> None:
    for side in sides:
        side.cluster.kubectl("apply", "-n", "compared", "-f", "-", stdin=MANIFEST)
    settled(sides)


def end(sides: Sides) -> None:
    """Nothing of it is outside the namespace."""


def settled(sides: Sides) -> None:
    for side in sides:
        side.kubectl("rollout", "status", SET, "--timeout=60s")
        side.until("one pod", "pods", "-l", "app=agent", holds=lambda pods: len(pods["items"]) == 1)


def said(sides: Sides, *words: str) -> None:
    ours, right = (side.said(*words) for side in sides)
    assert ours == right


def test_what_kubectl_shows_of_it_and_of_its_updates(sides: Sides) -> None:
    tolerations = "custom-columns=T:.spec.tolerations,A:.spec.affinity"
    looks = (
        status("daemonset", "agent"),
        printed("get", "daemonsets,pods,controllerrevisions", "-o", "wide"),
        printed("describe", "daemonsets"),
        printed("get", "pods", "-o", tolerations),
        printed("rollout", "history", SET),
        events("agent"),
    )
    compare(sides, *looks)
    said(sides, "set", "env", SET, "VERSION=2")
    settled(sides)
    compare(sides, *looks)
    said(sides, "rollout", "undo", SET)
    settled(sides)
    said(sides, "rollout", "history", SET, "--revision=3")
    for side in sides:
        surge = '{"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}}'
        side.kubectl("patch", SET, "-p", surge)
    said(sides, "rollout", "restart", SET)
    settled(sides)
    compare(sides, *looks)
    found = [side.numbers("daemonset", "agent") for side in sides]
    assert found[0] == found[1]
    said(sides, "delete", SET)
    compare(sides, printed("get", "daemonsets,pods,controllerrevisions"))
