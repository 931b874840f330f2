"""`tidegate apply` against the embedded API."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegate.kube.client import Client
from tidegate.kube.resource import CONFIG_MAPS, DEPLOYMENTS, ApiError

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "redis", "labels": {"app": "redis"}},
    "spec": {
        "selector": {"matchLabels": {"app": "redis"}},
        "template": {
            "metadata": {"labels": {"app": "redis"}},
            "spec": {
                "containers": [
                    {"name": "redis", "image": "redis", "env": [{"name": "A", "value": "1"}]},
                    {"name": "other", "image": "busybox"},
                ]
            },
        },
    },
}


def settings(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **more}


def manifests(*bodies: dict[str, Any]) -> str:
    return yaml.safe_dump_all(bodies)


def test_an_object_is_created_then_unchanged_then_configured(cli) -> None:
    said = []
    for body in (DEPLOYMENT, DEPLOYMENT, {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 3}}):
        said += cli("apply", "-f", "-", stdin=manifests(body)).stdout.splitlines()
    assert said == [f"deployment.apps/redis {one}" for one in ("created", "unchanged", "configured")]


def test_what_others_have_set_stays_and_what_was_dropped_goes(cli) -> None:
    first = settings("a", data={"mine": "1", "dropped": "1"})
    cli("apply", "-f", "-", stdin=manifests(first))
    cli.client(lambda client: client.patch(CONFIG_MAPS, "default", "a", {"data": {"theirs": "1"}}))
    cli("apply", "-f", "-", stdin=manifests(settings("a", data={"mine": "2"})))
    found = cli.client(lambda client: client.get(CONFIG_MAPS, "default", "a"))
    assert found["data"] == {"mine": "2", "theirs": "1"}


def test_what_was_not_applied_before_is_adopted_with_a_warning(cli) -> None:
    cli.client(lambda client: client.create(CONFIG_MAPS, "default", settings("a", data={"old": "1"})))
    result = cli("apply", "-f", "-", stdin=manifests(settings("a", data={"new": "1"})))
    assert result.stdout == "configmap/a configured\n"
    assert "Warning: configmaps/a was not made by apply" in result.stderr
    found = cli.client(lambda client: client.get(CONFIG_MAPS, "default", "a"))
    assert found["data"] == {"old": "1", "new": "1"}


def test_every_document_is_attempted_and_every_error_has_its_place(cli) -> None:
    file = cli.file(
        manifests(
            settings("fine"),
            {
                "apiVersion": "keda.sh/v1alpha1",
                "kind": "ScaledObject",
                "metadata": {"name": "so"},
                "spec": {},
            },
            {"apiVersion": "nope/v1", "kind": "Nope", "metadata": {"name": "x"}},
            settings(""),
            settings("elsewhere") | {"metadata": {"name": "elsewhere", "namespace": "absent"}},
            settings("fine-too"),
        )
    )
    result = cli("apply", "-f", file, code=1)
    assert result.stdout == "configmap/fine created\nconfigmap/fine-too created\n"
    errors = result.stderr.splitlines()
    assert [error.partition(": ")[0] for error in errors] == [f"{file}:{at}" for at in (6, 12, 17, 22)]
    assert "spec.scaleTargetRef" in errors[0]
    assert "spec.triggers" in errors[0]


def test_warnings_of_the_server_are_shown(cli) -> None:
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "so"},
        "spec": {
            "scaleTargetRef": {"name": "w"},
            "triggers": [{"type": "redis", "metadata": {"listLength": "ten"}}],
        },
    }
    result = cli("apply", "-f", "-", stdin=manifests(body))
    assert result.stdout == "scaledobject.keda.sh/so created\n"
    assert "Warning: spec.triggers[0].metadata.listLength:" in result.stderr


STRANGE = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "so"},
    "spec": {
        "scaleTargetRef": {"name": "w", "nam": "x"},
        "coolDownPeriod": 5,
        "triggers": [{"type": "redis", "metadata": {"addressFromEnv": "A", "listName": "b"}}],
    },
}


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        (STRANGE, ("spec.scaleTargetRef.nam", "spec.coolDownPeriod")),
        (
            {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replica": 3, "templat": {}}},
            ("spec.replica", "spec.templat"),
        ),
    ],
)
def test_unknown_fields_are_refused_all_at_once_unless_told_otherwise(
    cli, body: dict[str, Any], unknown: tuple[str, ...]
) -> None:
    refused = cli("apply", "-f", "-", stdin=manifests(body, settings("a")), code=1)
    assert refused.stdout == "configmap/a created\n", "the others are written"
    [line] = refused.stderr.splitlines()
    assert all(f'unknown field "{field}"' in line for field in unknown)
    assert line.startswith("standard input:1: ")
    assert "strict decoding error" in line
    assert "--validate=warn" in line
    warned = cli("apply", "--validate", "warn", "-f", "-", stdin=manifests(body))
    assert warned.stdout.endswith(" created\n")
    assert all(f'Warning: unknown field "{field}"' in warned.stderr for field in unknown)
    again = cli("apply", "--validate", "ignore", "-f", "-", stdin=manifests(body))
    assert again.stderr == ""
    cli("apply", "-f", "-", stdin=manifests(body), code=1)


def test_unknown_fields_come_in_one_answer_with_what_else_is_wrong(cli) -> None:
    body = {**STRANGE, "spec": {**STRANGE["spec"], "pollingInterval": 0}}
    [line] = cli("apply", "-f", "-", stdin=manifests(body), code=1).stderr.splitlines()
    assert "spec.pollingInterval" in line
    assert "spec.coolDownPeriod: Forbidden: unknown field" in line
    assert "--validate=warn" in line


def test_kinds_and_namespaces_of_the_same_call_may_come_last(cli) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "cats.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Cat", "plural": "cats", "singular": "cat"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }
            ],
        },
    }
    cat = {
        "apiVersion": "example.com/v1",
        "kind": "Cat",
        "metadata": {"name": "tom", "namespace": "house"},
    }
    house = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "house"}}
    result = cli("apply", "-f", "-", stdin=manifests(cat, house, definition))
    assert result.stdout.splitlines() == [
        "namespace/house created",
        "customresourcedefinition.apiextensions.k8s.io/cats.example.com created",
        "cat.example.com/tom created",
    ]
    assert cli.lines("get", "cat", "-n", "house", "-o", "name") == ["cat.example.com/tom"]


def test_a_dry_run_checks_and_stores_nothing(cli) -> None:
    result = cli("apply", "--dry-run=server", "-f", "-", stdin=manifests(settings("a")))
    assert result.stdout == "configmap/a created (server dry run)\n"
    with pytest.raises(ApiError):
        cli.client(lambda client: client.get(CONFIG_MAPS, "default", "a"))


def test_an_old_version_in_the_manifest_is_a_conflict(cli) -> None:
    cli("apply", "-f", "-", stdin=manifests(settings("a")))
    stale = settings("a", data={"x": "1"})
    stale["metadata"] = {"name": "a", "resourceVersion": "1"}
    result = cli("apply", "-f", "-", stdin=manifests(stale), code=1)
    assert result.stderr.startswith("standard input:1: ")


@pytest.mark.parametrize(
    ("words", "body", "complaint"),
    [
        (("apply",), "", "name files or folders with -f"),
        (("apply", "-f", "nowhere.yaml"), "", "nowhere.yaml"),
        (("apply", "-f", "-"), "[1]", "is not an object"),
        (("apply", "-f", "-"), "# nothing", "standard input: there is no object in it"),
        (("apply", "-f", "-"), "a: [", "standard input:1:5: did not find expected node content"),
        (("apply", "-f", "-"), manifests({**settings("a"), "metadata": "a"}), "metadata of ConfigMap is no"),
        (("apply", "-n", "other", "-f", "-"), manifests(settings("a")), "other"),
        (
            ("apply", "-n", "kube-system", "-f", "-"),
            manifests({**settings("a"), "metadata": {"name": "a", "namespace": "default"}}),
            "leave out one of the two",
        ),
        (
            ("apply", "-f", "-"),
            manifests({**settings("a"), "metadata": {"name": "a", "labels": ["x"]}}),
            "metadata.labels",
        ),
    ],
)
def test_bad_input_is_one_line(cli, words: tuple[str, ...], body: str, complaint: str) -> None:
    result = cli(*words, stdin=body, code=1)
    assert result.stderr.count("\n") == 1
    assert complaint in result.stderr


@pytest.mark.real
def test_kubectl_and_this_command_leave_each_others_work_unchanged(cli) -> None:
    kubectl = Path(sys.prefix) / "bin" / "kubectl"
    program = str(kubectl) if kubectl.exists() else shutil.which("kubectl")
    if program is None:
        missing("kubectl is missing; `make demo` installs one into .venv")
    file = cli.file(manifests(DEPLOYMENT, settings("a", data={"x": "<1>"})))

    def by_kubectl() -> list[str]:
        return subprocess.run(
            [str(program), "apply", "-f", file],
            capture_output=True,
            text=True,
            check=True,
            env={"KUBECONFIG": str(cli.kubeconfig), "HOME": str(cli.folder)},
        ).stdout.splitlines()

    unchanged = ["deployment.apps/redis unchanged", "configmap/a unchanged"]
    cli("apply", "-f", file)
    assert by_kubectl() == unchanged
    cli("delete", "-f", file)
    by_kubectl()
    assert cli.lines("apply", "-f", file) == unchanged


def test_a_controllers_write_in_between_is_not_lost(cli) -> None:
    """The list is merged anew when somebody else has changed it since it was looked at."""
    cli("apply", "-f", "-", stdin=manifests(DEPLOYMENT))

    async def add_sidecar(client: Client) -> None:
        live = await client.get(DEPLOYMENTS, "default", "redis")
        live["spec"]["template"]["spec"]["containers"].append({"name": "sidecar", "image": "s"})
        await client.replace(DEPLOYMENTS, "default", "redis", live)

    cli.client(add_sidecar)
    changed = json.loads(json.dumps(DEPLOYMENT).replace('"busybox"', '"busybox:2"'))
    cli("apply", "-f", "-", stdin=manifests(changed))
    live = cli.client(lambda client: client.get(DEPLOYMENTS, "default", "redis"))
    containers = live["spec"]["template"]["spec"]["containers"]
    assert [(one["name"], one["image"]) for one in containers] == [
        ("redis", "redis"),
        ("other", "busybox:2"),
        ("sidecar", "s"),
    ]


def missing(reason: str) -> None:
    import os

    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.parametrize("where", ["listLength", "x" * 10_000])
def test_a_warning_about_a_very_long_text_is_cut(cli, where: str) -> None:
    metadata = {"address": "r:1", "listName": "a", where: "9" * 10_000}
    body = {**STRANGE, "spec": {"scaleTargetRef": {"name": "w"}, "z" * 10_000: 1}}
    body["spec"]["triggers"] = [{"type": "redis", "metadata": metadata}]
    said = cli("apply", "--validate", "warn", "-f", "-", stdin=manifests(body))
    assert said.stdout == "scaledobject.keda.sh/so created\n"
    assert len(said.stderr.splitlines()) == 2
    assert all(len(line) < 1100 for line in said.stderr.splitlines())
