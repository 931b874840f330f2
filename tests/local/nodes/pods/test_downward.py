"""What pods are told of themselves, in variables, in files that follow, and as host names."""

from __future__ import annotations

import os
from typing import Any

import pytest

from parts.doomed import Doomed
from parts.kept_objects import KeptObjects
from parts.machine import Machine, pod, until
from tidegate.kube.resource import CONFIG_MAPS, EVENTS, PODS
from tidegate.local.nodes.processes.environment import field_value
from tidegate.local.nodes.processes.pod_naming import PodNames, Unnameable, pod_names


def field(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def resource(name: str, wanted: str, **more: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": wanted, **more}}}


async def test_every_field_that_a_variable_may_hold(machine: Machine) -> None:
    env = [
        field("A", "metadata.name"),
        field("B", "metadata.namespace"),
        field("C", "metadata.uid"),
        field("D", "spec.nodeName"),
        field("E", "spec.serviceAccountName"),
        field("F", "status.podIP"),
        field("G", "status.podIPs"),
        field("H", "status.hostIP"),
        field("I", "status.hostIPs"),
        field("J", "metadata.labels['app']"),
        resource("K", "limits.cpu", divisor="1m"),
        resource("L", "requests.memory", divisor="1Mi"),
        resource("M", "limits.cpu"),
        resource("N", "requests.ephemeral-storage"),
    ]
    resources = {"limits": {"cpu": "1500m"}, "requests": {"memory": "100Mi"}}
    shows = "for v in A B C D E F G H I J K L M N; do eval echo \\$$$$v; done"
    uid = await machine.apply("a", "sh", "-c", shows, container={"env": env, "resources": resources})
    await machine.phase("a", "Succeeded")
    address, host = machine.pod("a")["status"]["podIP"], machine.pod("a")["status"]["hostIP"]
    assert (await machine.log("a")).split() == [
        "a", "default", uid, "local", "default", address, address, host, host, "a", "1500", "100", "2", "0",
    ]  # fmt: skip


FILES: dict[str, Any] = {
    "items": [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "deep/one", "fieldRef": {"fieldPath": "metadata.annotations['one']"}},
        {"path": "cpu", "resourceFieldRef": {"containerName": "i", "resource": "limits.cpu"}, "mode": 0o400},
    ]
}


def reading(is_projected: bool = False) -> dict[str, Any]:
    """A pod with these files, which waits until a label has come."""
    source = {"downwardAPI": FILES}
    volume = {"name": "v", **({"projected": {"sources": [source]}} if is_projected else source)}
    init = {"name": "i", "image": "x", "command": ["true"], "resources": {"limits": {"cpu": "3"}}}
    # The files are written one after the other.
    is_new = 'grep -q \'added="a\\\\"b"\' /f/labels && grep -q two /f/deep/one'
    waits = f"until {is_new}; do sleep 0.02; done; cat /f/labels /f/deep/one /f/cpu"
    mounts = [{"name": "v", "mountPath": "/f"}]
    return pod(
        "a", "sh", "-c", waits, container={"volumeMounts": mounts}, volumes=[volume], initContainers=[init]
    )


EXPECTED = 'added="a\\"b"\napp="a"two3'
CHANGE = {"metadata": {"labels": {"added": 'a"b'}, "annotations": {"one": "two"}}}


@pytest.mark.parametrize("is_projected", [False, True])
async def test_files_follow_labels_and_annotations(machine: Machine, is_projected: bool) -> None:
    uid = (await machine.objects.create(PODS, reading(is_projected)))["metadata"]["uid"]
    await machine.phase("a", "Running")
    await machine.objects.patch(PODS, "default", "a", CHANGE)
    await machine.phase("a", "Succeeded")
    assert await machine.log("a") == EXPECTED
    file = machine.folder / "pods" / uid / ".volumes" / "v" / "cpu"
    assert os.stat(file).st_mode & 0o777 == 0o400


async def test_files_follow_what_changed_while_no_server_ran(doomed: Doomed) -> None:
    await doomed.create(reading())
    doomed.serve()
    await until(lambda: doomed.is_running("a"))
    await doomed.kill()
    doomed.change("a", CHANGE)
    machine = doomed.again()
    await machine.phase("a", "Succeeded")
    assert await machine.log("a") == EXPECTED


@pytest.mark.parametrize(
    ("name", "spec", "expected"),
    [
        ("web", {}, PodNames("web", "", "web")),
        ("web", {"hostname": "h"}, PodNames("h", "", "h")),
        ("w" * 62 + ".x", {}, PodNames("w" * 62, "", "w" * 62)),
        ("web", {"subdomain": "s"}, PodNames("web", "s.shop.svc.cluster.local", "web")),
        (
            "web",
            {"hostname": "h", "subdomain": "s", "setHostnameAsFQDN": True},
            PodNames("h", "s.shop.svc.cluster.local", "h.s.shop.svc.cluster.local"),
        ),
        ("web", {"setHostnameAsFQDN": True}, PodNames("web", "", "web")),
    ],
)
def test_a_pod_is_called_as_its_manifest_says(name: str, spec: dict[str, Any], expected: PodNames) -> None:
    assert pod_names({"metadata": {"name": name, "namespace": "shop"}, "spec": spec}) == expected


def test_a_full_name_that_is_too_long_is_none() -> None:
    spec = {"subdomain": "s" * 40, "setHostnameAsFQDN": True}
    with pytest.raises(
        Unnameable, match=r"is too long \(64 characters is the max, 67 characters requested\)"
    ):
        pod_names({"metadata": {"name": "web", "namespace": "shop"}, "spec": spec})


async def test_the_host_name_is_what_the_kernel_the_hosts_file_and_the_variable_say(machine: Machine) -> None:
    spec = {"hostname": "h", "subdomain": "s", "setHostnameAsFQDN": True}
    shows = "hostname; echo $HOSTNAME; grep '\\sh$' /etc/hosts"
    await machine.apply("a", "sh", "-c", shows, **spec)
    await machine.phase("a", "Succeeded")
    full = "h.s.default.svc.cluster.local"
    address = machine.pod("a")["status"]["podIP"]
    assert (await machine.log("a")).split() == [full, full, address, full, "h"]


async def test_a_variable_of_that_name_changes_no_host_name(machine: Machine) -> None:
    env = [{"name": "HOSTNAME", "value": "mine"}]
    await machine.apply("a", "sh", "-c", "hostname; echo $HOSTNAME", container={"env": env})
    await machine.phase("a", "Succeeded")
    assert (await machine.log("a")).split() == ["a", "mine"]


async def test_a_pod_that_cannot_be_called_so_waits_and_says_why(machine: Machine) -> None:
    await machine.apply("a", "true", subdomain="s" * 50, setHostnameAsFQDN=True)
    await until(lambda: [e for e in machine.objects.list(EVENTS) if e["reason"] == "FailedCreatePodSandBox"])
    assert machine.container("a")["state"]["waiting"]["reason"] == "ContainerCreating"


def test_texts_are_quoted_as_go_does() -> None:
    body = {"metadata": {"annotations": {"k": 'a\\"\n\t\x01é\u200b'}}, "spec": {}}
    assert field_value(body, "metadata.annotations") == 'k="a\\\\\\"\\n\\t\\x01é\\u200b"'


async def test_files_of_config_maps_follow_too(doomed: Doomed) -> None:
    objects = KeptObjects(doomed.file)
    metadata = {"name": "cfg", "namespace": "default"}
    await objects.create(CONFIG_MAPS, {"metadata": metadata, "data": {"k": "old"}})
    waits = "until grep -q new /cfg/k; do sleep 0.02; done"
    container = {"volumeMounts": [{"name": "v", "mountPath": "/cfg"}]}
    volumes = [{"name": "v", "configMap": {"name": "cfg"}}]
    await doomed.create(pod("a", "sh", "-c", waits, container=container, volumes=volumes))
    doomed.serve()
    await until(lambda: doomed.is_running("a"))
    await doomed.kill()
    await KeptObjects(doomed.file).patch(CONFIG_MAPS, "default", "cfg", {"data": {"k": "new"}})
    machine = doomed.again()
    await machine.phase("a", "Succeeded")
