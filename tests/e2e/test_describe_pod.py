"""`kubectl describe pod` of a pod that has crashed, as a cluster shows it."""

from __future__ import annotations

import re

import pytest

from parts.up import Up

pytestmark = [pytest.mark.e2e, pytest.mark.real]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: crasher, labels: {app: c}}
spec:
  terminationGracePeriodSeconds: 1
  initContainers:
  - {name: side, image: busybox, command: [sleep, "600"], restartPolicy: Always}
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "printf 'no queue' > /dev/termination-log; exit 3"]
    resources: {limits: {cpu: 500m, memory: 64Mi}, requests: {cpu: 250m}}
    livenessProbe: {httpGet: {path: /live, port: 8080}, initialDelaySeconds: 5}
    env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
"""
# In this order; spaces of any number count as one.
SHOWN = [
    r"Name: crasher", r"Priority: 0", r"Service Account: default", r"Node: local/[\d.]+", r"Start Time: \w+",
    r"Labels: app=c", r"Status: Running", r"IP: [\d.]+", r"Init Containers:", r"side:",
    r"Container ID: process://\S+/side/0", r"State: Running", r"Ready: True", r"Restart Count: 0",
    r"Containers:", r"main:", r"Image: busybox", r"State: Waiting", r"Reason: CrashLoopBackOff",
    r"Last State: Terminated", r"Reason: Error", r"Message: no queue", r"Exit Code: 3", r"Started: \w+",
    r"Finished: \w+", r"Ready: False", r"Restart Count: 1", r"Limits:", r"cpu: 500m", r"memory: 64Mi",
    r"Requests:", r"cpu: 250m", r"memory: 64Mi",
    r"Liveness: http-get http://:8080/live delay=5s timeout=1s period=10s (#success|successThreshold)=1",
    r"Environment:", r"IP: \(v1:status.podIP\)", r"Conditions:", r"PodReadyToStartContainers True",
    r"Initialized True", r"Ready False", r"ContainersReady False", r"PodScheduled True",
    r"QoS Class: Burstable", r"Node-Selectors: <none>",
    r"Tolerations: node.kubernetes.io/not-ready:NoExecute op=Exists for 300s", r"Events:",
    r"Normal Scheduled .* default-scheduler Successfully assigned default/crasher to local",
]  # fmt: skip
EVENTS = [
    r"Normal Pulled .* kubelet Container image \"busybox\" already present on machine",
    r"Normal Created .* kubelet Created container: main",
    r"Normal Started .* kubelet Started container main",
    r"Warning BackOff .* kubelet Back-off restarting failed container main in pod crasher_default\(",
]


def test_describe_shows_what_a_cluster_shows(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=POD)
    up.until("it has crashed twice", lambda: "CrashLoopBackOff" in up.kubectl("get", "pods"))
    text = re.sub(r"[ \t]+", " ", up.kubectl("describe", "pod", "crasher"))
    place = 0
    for pattern in SHOWN:
        found = re.compile(pattern).search(text, place)
        assert found is not None, f"{pattern} after\n{text[:place]}\n----\n{text[place:]}"
        place = found.end()
    for pattern in EVENTS:
        assert re.search(pattern, text), f"{pattern} in\n{text}"
