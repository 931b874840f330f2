"""`tidegate get`, `describe` and `logs` against the embedded API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tidegate.cli.main import tidegate
from tidegate.kube.client import Client
from tidegate.kube.resource import CONFIG_MAPS, DEPLOYMENTS, EVENTS, PODS, SCALED_OBJECTS

SCALED = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "worker"},
    "spec": {
        "scaleTargetRef": {"name": "w"},
        "triggers": [{"type": "cron", "metadata": {"timezone": "UTC", "start": "0 8 * * *"}}],
    },
}


def settings(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


def pod(name: str, *containers: str, **labels: str) -> dict[str, Any]:
    specs = [{"name": one, "image": "x"} for one in containers or ("main",)]
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": specs}}


def put(cli, *bodies: dict[str, Any]) -> None:
    resources = {one.kind: one for one in (CONFIG_MAPS, DEPLOYMENTS, EVENTS, PODS, SCALED_OBJECTS)}

    async def create(client: Client) -> None:
        for body in bodies:
            namespace = body["metadata"].get("namespace", "default")
            await client.create(resources[body["kind"]], namespace, body)

    cli.client(create)


def columns(lines: list[str]) -> list[list[str]]:
    return [line.split() for line in lines]


def test_a_list_is_a_table(cli) -> None:
    put(cli, settings("a"), settings("b"))
    assert columns(cli.lines("get", "cm"))[0] == ["NAME", "DATA", "AGE"]
    assert [row[0] for row in columns(cli.lines("get", "configmap", "--no-headers"))] == ["a", "b"]
    assert [row[0] for row in columns(cli.lines("get", "ConfigMaps", "b", "a"))] == ["NAME", "b", "a"]


def test_several_types_are_several_tables_that_name_their_kinds(cli) -> None:
    put(cli, settings("a"), SCALED)
    lines = cli.lines("get", "so,cm")
    assert [row[0] if row else "" for row in columns(lines)] == [
        "NAME",
        "scaledobject.keda.sh/worker",
        "",
        "NAME",
        "configmap/a",
    ]


def test_all_namespaces_have_a_column_of_their_own(cli) -> None:
    put(cli, settings("a"), {**settings("b"), "metadata": {"name": "b", "namespace": "kube-system"}})
    rows = columns(cli.lines("get", "cm", "-A"))
    assert [row[:2] for row in rows] == [["NAMESPACE", "NAME"], ["default", "a"], ["kube-system", "b"]]


def test_labels_and_fields_select(cli) -> None:
    put(cli, settings("a", x="1"), settings("b", x="2"))
    assert cli.lines("get", "cm", "-l", "x=2", "-o", "name") == ["configmap/b"]
    assert cli.lines("get", "cm", "--field-selector", "metadata.name=a", "-o", "name") == ["configmap/a"]


def test_wide_tables_have_more_columns(cli) -> None:
    put(cli, pod("p"))
    assert "NODE" not in cli("get", "po").stdout
    assert "NODE" in cli("get", "po", "-o", "wide").stdout


def test_one_object_is_printed_as_it_is_and_several_as_a_list(cli) -> None:
    put(cli, settings("a"), settings("b"))
    one = json.loads(cli("get", "cm/a", "-o", "json").stdout)
    assert (one["kind"], one["metadata"]["name"]) == ("ConfigMap", "a")
    assert "managedFields" not in one["metadata"]
    several = yaml.safe_load(cli("get", "cm", "-o", "yaml").stdout)
    assert several["kind"] == "List"
    assert [item["metadata"]["name"] for item in several["items"]] == ["a", "b"]
    assert cli.lines("get", "cm/a", "cm/b", "-o", "name") == ["configmap/a", "configmap/b"]


def test_printed_yaml_may_be_applied_again(cli) -> None:
    put(cli, {**settings("a"), "data": {"text": "one\ntwo\n", "yes": "no", "time": "1:30", "n": "5"}})
    exported = cli("get", "cm/a", "-o", "yaml").stdout
    assert cli("apply", "-f", "-", stdin=exported).stdout.startswith("configmap/a ")
    found = cli.client(lambda client: client.get(CONFIG_MAPS, "default", "a"))
    assert found["data"] == {"text": "one\ntwo\n", "yes": "no", "time": "1:30", "n": "5"}


def test_what_is_there_is_shown_and_what_is_missing_is_an_error(cli) -> None:
    put(cli, settings("a"))
    result = cli("get", "cm", "a", "nope", code=1)
    assert [row[0] for row in columns(result.stdout.splitlines())] == ["NAME", "a"]
    assert result.stderr == 'Error from server (NotFound): configmaps "nope" not found\n'
    assert cli("get", "cm", "a", "nope", "--ignore-not-found").stderr == ""


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("get", "sj"), "No resources found in default namespace.", 0),
        (("get", "sj", "-A"), "No resources found", 0),
        (("get", "scaledjbo"), "did you mean scaledjobs", 1),
        (("get",), "give a type", 1),
        (("get", "cm/a", "-l", "x=1"), "names leave nothing to select", 1),
        (("describe", "cm", "nope"), 'configmaps "nope" not found', 1),
        (("logs", "nope"), 'pods "nope" not found', 1),
        (("logs",), "neither a pod nor -l", 1),
        (("logs", "cm/a"), "selects none", 1),
        (("logs", "p", "--since", "5"), "has no unit", 2),
    ],
)
def test_what_cannot_be_shown_is_said_on_standard_error(cli, words, said: str, code: int) -> None:
    put(cli, settings("a"))
    result = cli(*words, code=code)
    assert result.stdout == ""
    assert said in result.stderr


def test_a_watch_goes_on_with_what_changes(cli) -> None:
    put(cli, settings("a"))
    watching = subprocess.Popen(
        [sys.executable, "-m", "tidegate.cli.main", "get", "cm", "-w", "-o", "name"],
        env={**os.environ, "KUBECONFIG": str(cli.kubeconfig), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    with watching:
        try:
            assert watching.stdout.readline() == "configmap/a\n"
            put(cli, settings("b"))
            assert watching.stdout.readline() == "configmap/b\n"
        finally:
            watching.terminate()


def test_a_watched_table_has_one_head_per_kind(cli) -> None:
    put(cli, settings("a"))
    watching = subprocess.Popen(
        [sys.executable, "-m", "tidegate.cli.main", "get", "cm,so", "-w"],
        env={**os.environ, "KUBECONFIG": str(cli.kubeconfig)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    with watching:
        try:
            seen = [watching.stdout.readline() for _ in range(2)]
            for body in (settings("b"), SCALED):
                put(cli, body)
                lines = 1 if body["kind"] == "ConfigMap" else 3
                seen += [watching.stdout.readline() for _ in range(lines)]
        finally:
            watching.terminate()
    firsts = [row[0] if row else "" for row in columns(seen)]
    assert firsts == [
        "NAME", "configmap/a", "configmap/b", "", "NAME", "scaledobject.keda.sh/worker",
    ]  # fmt: skip


def test_an_object_is_described_with_its_own_events(cli) -> None:
    put(cli, SCALED)
    uid = cli.client(lambda client: client.get(SCALED_OBJECTS, "default", "worker"))["metadata"]["uid"]
    for name, about in (("mine", uid), ("of-a-namesake", "another")):
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name},
            "involvedObject": {
                "kind": "ScaledObject",
                "name": "worker",
                "namespace": "default",
                "uid": about,
            },
            "reason": name,
            "type": "Normal",
            "message": "it happened",
        }
        put(cli, event)
    text = cli("describe", "so", "work").stdout
    assert "scaleTargetRef:\n    name:  w\n" in text
    assert "mine" in text
    assert "of-a-namesake" not in text


def test_a_log_is_printed_with_what_was_asked_of_it(cli) -> None:
    put(cli, pod("p"))
    said = cli("logs", "p", "--tail", "3", "--since", "1m30s").stdout
    assert said == "default/p/main tail=3 since=90\na line in two pieces\nno newline at the end"


def test_the_logs_of_all_pods_of_a_label_are_their_last_lines(cli) -> None:
    put(cli, pod("p", app="x"), pod("q", app="x"), pod("r", app="y"))
    assert cli.lines("logs", "-l", "app=x", "--prefix") == [
        f"[pod/{pod}/main] {line}"
        for pod in ("p", "q")
        for line in (
            f"default/{pod}/main tail=10 since=None",
            "a line in two pieces",
            "no newline at the end",
        )
    ]


def test_of_several_containers_the_default_is_chosen_and_said(cli) -> None:
    put(cli, pod("p", "first", "second"))
    result = cli("logs", "p")
    assert result.stdout.startswith("default/p/first ")
    assert result.stderr == 'Defaulted container "first" out of: first, second\n'
    assert cli("logs", "p", "-c", "second").stdout.startswith("default/p/second ")
    both = cli("logs", "p", "--all-containers").stdout
    assert "default/p/first " in both
    assert "default/p/second " in both


def test_the_log_of_a_deployment_is_that_of_its_running_pod(cli) -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod("p")["spec"]},
        },
    }
    put(cli, deployment, pod("runs", app="x"), pod("waits", app="x"), pod("foreign", app="y"))
    running = {"status": {"phase": "Running"}}
    cli.client(lambda client: client.patch(PODS, "default", "runs", running, subresource="status"))
    result = cli("logs", "deploy/d")
    assert result.stdout.startswith("default/runs/main ")
    assert result.stderr == "Found 2 pods, using pod/runs\n"


def test_following_waits_for_a_container_that_has_not_started(cli) -> None:
    put(cli, pod("p"))
    waiting = 'container "main" in pod "p" is waiting to start: ContainerCreating'
    cli.pods.refusals[:] = [waiting]
    assert waiting in cli("logs", "p", code=1).stderr
    cli.pods.refusals[:] = [waiting]
    assert "a line in two pieces" in cli("logs", "-f", "p").stdout


def elsewhere(folder: Path, *words: str) -> Any:
    env = {
        "KUBECONFIG": "",
        "KUBERNETES_SERVICE_HOST": "",
        "HOME": str(folder / "home"),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    return CliRunner(env=env).invoke(tidegate, words)


def test_without_a_kubeconfig_the_next_step_is_said(tmp_path: Path) -> None:
    result = elsewhere(tmp_path, "get", "pods")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "start one with `tidegate up`" in result.stderr


def test_without_a_kubeconfig_the_local_cluster_that_is_up_is_used(cli, tmp_path: Path) -> None:
    put(cli, settings("a"))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "tidegate").symlink_to(cli.kubeconfig.parent)
    assert elsewhere(tmp_path, "get", "cm", "-o", "name").stdout == "configmap/a\n"


def test_the_kubeconfig_of_a_local_cluster_that_is_down_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "tidegate"
    folder.mkdir(parents=True)
    named = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(named))
    assert "start one with `tidegate up`" in elsewhere(tmp_path, "get", "cm").stderr


def test_a_server_that_is_down_is_one_line(tmp_path: Path) -> None:
    named = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
    }
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(named))
    result = elsewhere(tmp_path, "get", "cm", "--kubeconfig", str(file))
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "check that the API server runs" in result.stderr
