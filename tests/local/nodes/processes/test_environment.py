from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.local.nodes.processes.environment import Incomplete, Refers, command_line, environment, expand

POD: dict[str, Any] = {
    "metadata": {
        "name": "web-1",
        "namespace": "shop",
        "uid": "u-1",
        "labels": {"app": "web", "job-name": "j"},
        "annotations": {"a/b": "x"},
    },
    "spec": {
        "nodeName": "local",
        "containers": [
            {
                "name": "c",
                "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "1"}},
            }
        ],
    },
    "status": {"podIP": "127.96.0.7", "hostIP": "127.0.0.1"},
}
CONFIG_MAPS = {"cfg": {"data": {"mode": "fast", "both": "cm"}, "binaryData": {"bin": "/w=="}}}
SECRETS = {
    "sec": {"data": {"password": base64.b64encode(b"s3cret").decode(), "both": "c2Vj"}},
    "bad": {"data": {"k": "%"}},
}
REFERS = Refers(CONFIG_MAPS.get, SECRETS.get, cpu=Decimal(4), memory_bytes=8 << 30)
SERVER = {
    "PATH": "/bin",
    "HOME": "/root",
    "LANG": "C",
    "TMPDIR": "/tmp",
    "AWS_SECRET": "x",
    "KUBECONFIG": "y",
}


def variables(**container: Any) -> dict[str, str]:
    return environment(POD, {"name": "c", **container}, REFERS, SERVER)


def from_field(path: str) -> dict[str, Any]:
    return {"name": "V", "valueFrom": {"fieldRef": {"fieldPath": path}}}


def from_resource(resource: str, divisor: str = "") -> dict[str, Any]:
    wanted = {"resource": resource, "divisor": divisor, "containerName": "c"}
    return {"name": "V", "valueFrom": {"resourceFieldRef": wanted}}


def from_key(kind: str, name: str, key: str, optional: bool = False) -> dict[str, Any]:
    return {"name": "V", "valueFrom": {kind: {"name": name, "key": key, "optional": optional}}}


def test_only_four_variables_of_the_server_are_passed_on() -> None:
    assert variables() == {
        "PATH": "/bin",
        "HOME": "/root",
        "LANG": "C",
        "TMPDIR": "/tmp",
        "HOSTNAME": "web-1",
    }


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ({"name": "V", "value": "plain"}, "plain"),
        ({"name": "V"}, ""),
        ({"name": "V", "value": "$(HOSTNAME)/$(NOT_THERE)/$$(HOME)"}, "web-1/$(NOT_THERE)/$(HOME)"),
        (from_field("metadata.name"), "web-1"),
        (from_field("metadata.namespace"), "shop"),
        (from_field("metadata.uid"), "u-1"),
        (from_field("metadata.labels['job-name']"), "j"),
        (from_field("metadata.labels['none']"), ""),
        (from_field("metadata.annotations['a/b']"), "x"),
        (from_field("metadata.labels"), 'app="web"\njob-name="j"'),
        (from_field("spec.nodeName"), "local"),
        (from_field("spec.serviceAccountName"), "default"),
        (from_field("status.podIP"), "127.96.0.7"),
        (from_field("status.hostIP"), "127.0.0.1"),
        (from_resource("limits.cpu"), "2"),
        (from_resource("limits.cpu", "1m"), "1500"),
        (from_resource("limits.memory", "1Mi"), "64"),
        (from_resource("requests.cpu"), "1"),
        (from_resource("requests.memory"), str(64 << 20)),
        (from_key("configMapKeyRef", "cfg", "mode"), "fast"),
        (from_key("secretKeyRef", "sec", "password"), "s3cret"),
    ],
)
def test_a_variable_has_the_value_it_is_declared_with(entry: dict[str, Any], value: str) -> None:
    assert variables(env=[entry])["V"] == value


def test_a_resource_without_a_limit_is_as_large_as_the_machine() -> None:
    pod = {**POD, "spec": {"containers": [{"name": "c"}]}}
    wanted = {"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Gi"}}}
    assert environment(pod, {"name": "c", "env": [wanted]}, REFERS, {})["V"] == "8"


@pytest.mark.parametrize(
    ("container", "told"),
    [
        ({"env": [from_key("secretKeyRef", "gone", "k")]}, 'secret "gone" not found'),
        ({"env": [from_key("configMapKeyRef", "gone", "k")]}, 'configmap "gone" not found'),
        ({"env": [from_key("secretKeyRef", "sec", "k")]}, "couldn't find key k in secret sec"),
        ({"env": [from_key("secretKeyRef", "bad", "k")]}, 'Secret "bad": the value of k is not base64'),
        (
            {"env": [from_key("configMapKeyRef", "cfg", "bin")]},
            'configmap "cfg": the value of bin is not text',
        ),
        ({"envFrom": [{"secretRef": {"name": "gone"}}]}, 'secret "gone" not found'),
        ({"envFrom": [{"configMapRef": {"name": "gone"}}]}, 'configmap "gone" not found'),
        ({"env": [from_field("status.phase")]}, "fieldRef status.phase: no such field"),
    ],
)
def test_what_is_missing_is_named(container: dict[str, Any], told: str) -> None:
    with pytest.raises(Incomplete, match=told.replace("(", r"\(")):
        variables(**container)


@pytest.mark.parametrize(
    "container",
    [
        {"env": [from_key("secretKeyRef", "gone", "k", optional=True)]},
        {"env": [from_key("secretKeyRef", "sec", "k", optional=True)]},
        {"envFrom": [{"secretRef": {"name": "gone", "optional": True}}]},
    ],
)
def test_what_is_optional_may_be_missing(container: dict[str, Any]) -> None:
    assert "V" not in variables(**container)


def test_later_sources_win_and_env_wins_over_them() -> None:
    sources = [
        {"configMapRef": {"name": "cfg2"}},
        {"secretRef": {"name": "sec"}, "prefix": "P_"},
        {"secretRef": {"name": "sec"}},
    ]
    refers = Refers({"cfg2": {"data": {"both": "cm", "only": "cm"}}}.get, SECRETS.get)
    env = [
        {"name": "password", "value": "own"},
        {"name": "URL", "value": "redis://$(password)@$(both)/$(LATER)"},
    ]
    env.append({"name": "LATER", "value": "1"})
    found = environment(POD, {"name": "c", "envFrom": sources, "env": env}, refers, {})
    assert (found["both"], found["only"], found["P_password"]) == ("sec", "cm", "s3cret")
    assert found["URL"] == "redis://own@sec/$(LATER)"


def test_a_pod_on_the_machines_network_is_told_where_the_api_listens_unless_it_says_so_itself() -> None:
    host = {"name": "KUBERNETES_SERVICE_HOST", "value": "api.example"}
    url = {"name": "URL", "value": "https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)"}
    at = ("127.0.0.1", 7443)
    found = environment(POD, {"name": "c", "env": [url]}, REFERS, {}, at)
    assert found["URL"] == "https://127.0.0.1:7443"
    found = environment(POD, {"name": "c", "env": [host, url]}, REFERS, {}, at)
    assert found["URL"] == "https://api.example:7443"
    assert "KUBERNETES_SERVICE_HOST" not in environment(POD, {"name": "c"}, REFERS, {})


def test_command_and_args_are_expanded() -> None:
    container = {"command": ["run", "$(A)"], "args": ["--p=$(B)", "$$(A)", "$A"]}
    assert command_line(container, {"A": "1", "B": "2"}) == (["run", "1"], ["--p=2", "$(A)", "$A"])


@given(st.text(alphabet="ab$()", max_size=30))
def test_text_without_references_to_known_names_changes_only_its_doubled_dollars(text: str) -> None:
    assert expand(text.replace("$", "$$"), {"a": "never"}) == text
