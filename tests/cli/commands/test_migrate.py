"""`tidegate migrate`: what would differ for the objects of a cluster, and who would delete KEDA's kinds."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import yaml

from tests.cli.conftest import Cli
from tidegate.cli.migration.definitions import KEEP, NAMESPACE, RELEASE
from tidegate.kube.resource import (
    CRDS,
    DEPLOYMENTS,
    HPAS,
    NAMESPACES,
    SCALED_JOBS,
    SCALED_OBJECTS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
    Resource,
)

Object = dict[str, Any]
REDIS = {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs"}}


def put(cli: Cli, resource: Resource, name: str, **fields: Any) -> None:
    metadata = {"name": name, **fields.pop("metadata", {})}
    namespace = "default" if resource.is_namespaced else ""
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}
    cli.client(lambda client: client.create(resource, namespace, body))


def scaled_object(cli: Cli, name: str, *triggers: Object, **spec: Any) -> None:
    body = {"scaleTargetRef": {"name": name}, "triggers": list(triggers or (REDIS,)), **spec}
    put(cli, SCALED_OBJECTS, name, spec=body)


def check(cli: Cli, code: int, *words: str) -> list[Object]:
    """What is found where the command ends with that code."""
    said = cli("migrate", "check", "-o", "json", *words, code=code)
    found: list[Object] = json.loads(said.stdout)["findings"]
    return found


def told(findings: list[Object]) -> set[tuple[str, str, str]]:
    return {(one["level"], one["object"], one["field"]) for one in findings}


def test_where_nothing_differs_it_ends_with_0(cli: Cli) -> None:
    scaled_object(cli, "web")
    assert check(cli, 0) == []


def test_a_deviation_that_touches_an_object_is_told_with_its_line(cli: Cli) -> None:
    trigger = {
        "type": "prometheus",
        "metadata": {"serverAddress": "http://p", "query": "up", "threshold": "1"},
    }
    scaled_object(cli, "web", trigger)
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    put(cli, SCALED_JOBS, "crunch", spec={"jobTargetRef": {"template": template}, "triggers": [REDIS]})
    findings = check(cli, 3)
    assert told(findings) == {
        ("differs", "ScaledObject default/web", "spec.triggers[0].metadata.ignoreNullValues"),
        ("differs", "ScaledJob default/crunch", "spec.rollout.strategy"),
    }
    lines = {one["deviation"] for one in findings}
    assert "Rollout is gradual unless the manifest says `immediate`." in lines


def test_what_would_not_work_ends_with_4(cli: Cli) -> None:
    scaled_object(cli, "web", {"type": "nothing-we-know", "metadata": {}})
    put(cli, TRIGGER_AUTHENTICATIONS, "cloud", spec={"podIdentity": {"provider": "aws"}})
    scaled_object(cli, "api", {**REDIS, "authenticationRef": {"name": "cloud"}})
    queue = {"queueURL": "https://sqs.eu-west-1.amazonaws.com/1/jobs", "awsRegion": "eu-west-1"}
    scaled_object(
        cli,
        "worker",
        {"type": "aws-sqs-queue", "metadata": queue, "authenticationRef": {"name": "cloud"}},
    )
    findings = check(cli, 4)
    assert ("fails", "ScaledObject default/web", "spec.triggers[0].type") in told(findings)
    assert ("no effect", "ScaledObject default/api", "spec.triggers[0].authenticationRef") in told(findings)
    assert ("differs", "ScaledObject default/worker", "spec.triggers[0].authenticationRef") in told(findings)


def test_a_secret_that_a_trigger_uses_is_read_and_its_value_is_never_told(cli: Cli) -> None:
    data = {"password": base64.b64encode(b"open-sesame").decode()}
    reference = {"secretTargetRef": [{"parameter": "password", "name": "redis", "key": "password"}]}
    put(cli, TRIGGER_AUTHENTICATIONS, "redis", spec=reference)
    scaled_object(cli, "web", {**REDIS, "authenticationRef": {"name": "redis"}})
    findings = check(cli, 4)
    assert "there is no Secret default/redis" in findings[0]["text"]
    put(cli, SECRETS, "redis", data=data)
    said = cli("migrate", "check")
    assert "open-sesame" not in said.output


def test_an_hpa_of_somebody_else_that_has_the_name_is_told(cli: Cli) -> None:
    scaled_object(cli, "web")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}
    put(cli, HPAS, "keda-hpa-web", spec={"scaleTargetRef": target, "maxReplicas": 3})
    findings = check(cli, 4)
    assert "scales the Deployment other" in findings[0]["text"]


def test_a_setting_without_effect_alone_is_no_reason_to_wait(cli: Cli) -> None:
    scaled_object(cli, "web", {**REDIS, "metadata": {**REDIS["metadata"], "listLenght": "3"}})
    assert [one["level"] for one in check(cli, 0)] == ["no effect"]


def test_people_get_a_table_and_programs_json_or_yaml(cli: Cli) -> None:
    scaled_object(cli, "web", fallback={"failureThreshold": 3, "replicas": 0})
    said = cli("migrate", "check", code=3)
    head, *rows = said.stdout.splitlines()
    assert head.split() == ["LEVEL", "OBJECT", "FIELD", "WHAT"]
    assert [row.split()[0] for row in rows] == ["differs", "differs", "no"]
    assert "1 object looked at: 0 fails, 2 differs, 1 no effect." in said.stderr
    assert yaml.safe_load(cli("migrate", "check", "-o", "yaml", code=3).stdout)["summary"]["differs"] == 2


def kedas(image: str, *args: str, **env: str) -> Object:
    variables = [{"name": name, "value": value} for name, value in env.items()]
    container = {"name": "keda", "image": image, "args": list(args), "env": variables}
    labels = {"app": "keda"}
    return {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }


def test_flags_and_variables_of_kedas_own_programs_are_looked_at(cli: Cli) -> None:
    image = "ghcr.io/kedacore/keda:2.21.0@sha256:00"
    flags = ("--leader-elect", "--zap-log-level=info", "--kube-api-qps=20")
    put(cli, DEPLOYMENTS, "keda-operator", spec=kedas(image, *flags, WATCH_NAMESPACE="shop"))
    put(cli, DEPLOYMENTS, "other", spec=kedas("example.com/app:1", "--whatever=1"))
    findings = check(cli, 3, "--keda-namespace", "default")
    assert told(findings) >= {
        ("no effect", "Deployment default/keda-operator", "--kube-api-qps"),
        ("differs", "Deployment default/keda-operator", "WATCH_NAMESPACE"),
    }
    assert {one["object"] for one in findings} == {"Deployment default/keda-operator"}
    cli.client(lambda client: client.delete(DEPLOYMENTS, "default", "keda-operator"))
    put(cli, DEPLOYMENTS, "keda-operator", spec=kedas(image, "--no-such-flag=1"))
    findings = check(cli, 4, "--keda-namespace", "default")
    assert told(findings) == {("fails", "Deployment default/keda-operator", "--no-such-flag=1")}


# --- definitions


def release(cli: Cli, name: str, version: int, *manifests: Object) -> None:
    """What helm stores of a release."""
    manifest = yaml.safe_dump_all(manifests)
    packed = gzip.compress(json.dumps({"name": name, "manifest": manifest}).encode())
    inner = base64.b64encode(packed)
    body = {
        "metadata": {
            "name": f"sh.helm.release.v1.{name}.v{version}",
            "labels": {"owner": "helm", "name": name, "version": str(version)},
        },
        "type": "helm.sh/release.v1",
        "data": {"release": base64.b64encode(inner).decode()},
    }
    cli.client(lambda client: client.create(SECRETS, "keda", body))


def definition(name: str, **annotations: str) -> Object:
    return {
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"group": "keda.sh"},
    }


def annotations(cli: Cli) -> list[Object]:
    found = cli.client(lambda client: client.list(CRDS)).items
    return [one["metadata"].get("annotations") or {} for one in found]


def test_adopting_is_shown_first_and_done_when_asked_for(cli: Cli) -> None:
    said = cli("migrate", "adopt-crds", code=3)
    assert "Nothing was written; --apply does it." in said.output
    assert annotations(cli) == [{}] * 6
    cli("migrate", "adopt-crds", "--apply")
    wanted = {KEEP: "keep", RELEASE: "tidegate", NAMESPACE: "keda"}
    assert annotations(cli) == [wanted] * 6
    cli("migrate", "adopt-crds")


def test_a_release_whose_end_would_still_delete_them_is_told_with_what_to_do(cli: Cli) -> None:
    cli.client(lambda client: client.create(NAMESPACES, "", {"metadata": {"name": "keda"}}))
    release(cli, "keda", 1, definition("scaledobjects.keda.sh"), definition("scaledjobs.keda.sh"))
    said = cli("migrate", "adopt-crds", "--apply", code=3)
    assert "helm uninstall of keda/keda would still delete 2 definitions." in said.output
    assert "--set crds.install=false" in said.output
    # The newest revision counts, and one that says it keeps them is no danger.
    release(cli, "keda", 2, definition("scaledobjects.keda.sh", **{KEEP: "keep"}))
    cli("migrate", "adopt-crds")
