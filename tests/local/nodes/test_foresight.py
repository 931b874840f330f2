"""What a machine cannot do for an object is told before it is tried, by the code that would try it."""

from __future__ import annotations

import os
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tidegate.local.apiserver.honoured.table import rows
from tidegate.local.nodes.foresight import Machine, foresee
from tidegate.local.nodes.images.program import ImageMap


def machine(**given: Any) -> Machine:
    """One that has everything."""
    plenty: dict[str, Any] = {
        "images": ImageMap(),
        "me": 0,
        "path": os.environ.get("PATH", os.defpath),
        "is_shared": False,
        "cpu": Decimal(4),
        "memory_bytes": 2**33,
        "has_grpc": True,
        "has_copies": True,
    }
    return Machine(**{**plenty, **given})


CONTAINER = {"name": "c", "image": "acme/none", "command": ["sh", "-c", "true"]}


def pod(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    spec["containers"] = [{**CONTAINER, **(container or {})}]
    return {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": spec}


def told(body: dict[str, Any], key: str = "pods", is_idle: bool = False, **given: Any) -> list[str]:
    return [one.field for one in foresee(key, body, machine(**given), is_idle=is_idle)]


@pytest.mark.parametrize(
    ("replicas", "container", "is_shared", "is_told"),
    [
        (2, {}, True, True),
        (2, {}, False, False),
        (1, {}, True, False),
        (None, {}, True, False),
        (2, {"image": "redis", "command": None}, True, False),
        (2, {"image": "redis"}, True, True),
        (2, {"ports": []}, True, False),
    ],
)
def test_replicas_of_one_port_are_told_where_pods_share_the_network(replicas, container, is_shared, is_told):
    template = pod({"ports": [{"containerPort": 18080}], **container})
    body = {**template, "spec": {"replicas": replicas, "template": template}}
    found = told(body, "deployments.apps", is_shared=is_shared)
    place = "spec.template.spec.containers[0].ports[0].containerPort"
    assert found == ([place] if is_told else [])


def test_what_a_machine_has_is_nothing_to_tell():
    assert told(pod()) == []
    assert told(pod(), is_shared=True, me=1000) == []


@pytest.mark.parametrize(
    ("container", "field"),
    [
        ({"command": None, "args": None}, "image"),
        ({"command": ["/srv/acme/worker"]}, "command"),
        ({"command": ["acme-worker"]}, "command"),
        ({"command": ["./worker"], "workingDir": "/srv/acme"}, "command"),
        ({"command": None, "args": ["acme-worker"], "image": "busybox"}, "args"),
    ],
)
def test_a_program_that_this_machine_lacks_is_told(container, field):
    assert told(pod(container)) == [f"spec.containers[0].{field}"]


@pytest.mark.parametrize(
    "container",
    [
        {"command": ["/srv/acme/worker"], "volumeMounts": [{"name": "v", "mountPath": "/srv/acme"}]},
        {"command": ["$(WORKER)"]},
        {"command": ["$(WORKER)", "1"], "env": [{"name": "WORKER", "value": "sleep"}]},
        {"command": ["worker"], "env": [{"name": "PATH", "value": "/srv/acme"}]},
        {"command": None, "args": ["sleep", "1"], "image": "busybox"},
    ],
)
def test_a_program_that_may_be_there_is_not_told(container):
    assert told(pod(container)) == []


def test_a_way_out_of_an_unknown_image_is_named():
    (one,) = foresee("pods", pod({"command": None}), machine(), is_idle=False)
    assert not one.runs
    assert "tidegate images add acme/none --" in one.instead
    assert len(str(one)) < 120


@pytest.mark.parametrize(
    ("container", "is_told"),
    [
        ({"command": ["python3", "manage.py", "migrate"]}, True),
        ({"command": ["python3", "-u"], "args": ["manage.py"]}, True),
        ({"command": ["sh", "/srv/acme/start.sh"]}, True),
        ({"command": ["/bin/sh", "./start.sh"], "workingDir": "/srv/acme"}, True),
        ({"command": ["sh", "/srv/acme/start.sh"], "volumeMounts": [{"mountPath": "/srv/acme"}]}, False),
        ({"command": ["sh", "-c", "manage.py"]}, False),
        ({"command": ["python3", "-m", "manage.py"]}, False),
        ({"command": ["python3", "$(SCRIPT).py"]}, False),
        ({"command": ["echo", "manage.py"]}, False),
        ({"command": ["python3", __file__]}, False),
        ({"command": ["python3", "manage.py"], "image": "python:3.11"}, False),
    ],
)
def test_a_script_of_an_image_that_nobody_knows_is_told(container, is_told):
    assert told(pod(container)) == (["spec.containers[0].image"] if is_told else [])


def test_a_way_out_of_a_script_that_is_not_here_is_named():
    body = pod({"image": "registry.example:5000/acme/web:3", "command": ["python3", "manage.py"]})
    (one,) = foresee("pods", body, machine(), is_idle=False)
    assert (one.runs, '"manage.py"' in one.told) == (False, True)
    assert one.instead.startswith("tidegate images add acme/web --dockerfile Dockerfile")


def test_a_template_is_looked_at_where_it_stands():
    template = {"template": {"spec": pod({"command": None})["spec"]}}
    cron = {"spec": {"jobTemplate": {"spec": template}}}
    assert told(cron, "cronjobs.batch") == ["spec.jobTemplate.spec.template.spec.containers[0].image"]
    scaled = {"spec": {"jobTargetRef": template}}
    assert told(scaled, "scaledjobs.keda.sh") == ["spec.jobTargetRef.template.spec.containers[0].image"]


@pytest.mark.parametrize("spec", [[], {"containers": 3}, {"containers": [None]}, {"volumes": {"a": 1}}])
def test_values_of_a_wrong_type_are_left_to_others(spec):
    assert told({"spec": spec}) == []


@pytest.mark.parametrize(
    ("path", "kind", "is_told"),
    [("{}", "", False), ("{}/none", "", True), ("{}/none", "DirectoryOrCreate", False), ("{}", "File", True)],
)
def test_a_host_path_that_is_not_there_is_told_and_not_made(path, kind, is_told, tmp_path):
    source = {"path": path.format(tmp_path), "type": kind}
    found = told(pod(volumes=[{"name": "v", "hostPath": source}]))
    assert found == (["spec.volumes[0].hostPath.path"] if is_told else [])
    assert list(tmp_path.iterdir()) == []


def test_an_ordinary_user_is_told_what_only_root_can_do_once_for_a_pod():
    body = pod({"securityContext": {"runAsUser": 7}}, securityContext={"fsGroup": 5, "runAsGroup": 6})
    body["spec"]["initContainers"] = [{**CONTAINER, "name": "i"}]
    wanted = ["fsGroup", "runAsGroup"]
    assert told(body) == []
    found = told(body, me=1000)
    assert sorted(found[:2]) == [f"spec.securityContext.{name}" for name in wanted]
    assert found[2:] == ["spec.containers[0].securityContext.runAsUser"]


def test_root_that_is_forbidden_is_told():
    body = pod(securityContext={"runAsUser": 0, "runAsNonRoot": True})
    (one,) = foresee("pods", body, machine(), is_idle=False)
    assert (one.field, one.runs) == ("spec.securityContext.runAsUser", False)


def test_a_port_is_told_that_somebody_has_or_that_is_closed():
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        number = other.getsockname()[1]
        body = pod({"ports": [{"containerPort": number}]})
        place = ["spec.containers[0].ports[0].containerPort"]
        assert told(body, is_idle=True, is_shared=True) == place
        assert told(body, is_idle=True) == []
        assert told(body, is_shared=True) == []
    assert told(body, is_idle=True, is_shared=True) == []


def poor(path: Path) -> Machine:
    return machine(
        me=1000,
        is_shared=True,
        cpu=Decimal(0),
        memory_bytes=0,
        has_grpc=False,
        has_copies=False,
        refused="no",
        path="/none",
    )


# An object with each field that the node may not be able to honour.
RICH = pod(
    {
        "command": None,
        "resources": {"requests": {"cpu": "1", "memory": "1Mi"}},
        "readinessProbe": {"grpc": {"port": 1}},
        "securityContext": {"runAsUser": 7, "runAsGroup": 7, "readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    },
    dnsPolicy="None",
    dnsConfig={"nameservers": ["1.1.1.1"]},
    securityContext={"fsGroup": 5, "supplementalGroups": [6]},
    volumes=[{"name": "v", "hostPath": {"path": "/none/such"}}],
)
SERVICE = {
    "spec": {
        "sessionAffinity": "ClientIP",
        "externalName": "example.org",
        "ports": [{"port": 1, "protocol": "SCTP"}],
    }
}
# What is told with another field than itself.
TOLD_BY = {
    "nameservers": "dnsConfig", "searches": "dnsConfig", "name": "dnsConfig", "value": "dnsConfig",
    "port": "grpc", "timeoutSeconds": "sessionAffinity", "requests[cpu]": "cpu", "requests[memory]": "memory",
}  # fmt: skip


def test_each_field_that_depends_on_the_machine_is_told_by_a_poor_one(tmp_path):
    taken = pod({"ports": [{"containerPort": 1}]})
    found = {
        one.field.rpartition(".")[2]
        for key, body in (("pods", RICH), ("services", SERVICE), ("pods", taken))
        for one in foresee(key, body, poor(tmp_path), is_idle=False)
    }
    found |= {one.rpartition(".")[2] for one in told(taken, is_idle=True, is_shared=True, me=1)}
    wanted = {row.name for one in rows().values() for row in one if row.verdict == "node"}
    lacking = {name for name in wanted if TOLD_BY.get(name, name) not in found}
    assert lacking <= ({"containerPort"} if closed() == 0 else set())


def closed() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
