"""Every manifest under examples/ is one that the API takes and that nothing need be said about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidegate.api.decode import KINDS, decode
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.problems import problems
from tidegate.cli.manifests.admission import admit, remarks
from tidegate.cli.manifests.files import load
from tidegate.cli.wiring.local.parts import definitions
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.local.apiserver.writing.verbs import Options, Target
from tidegate.runtime.clock import SystemClock

EXAMPLES = Path(__file__).parents[2] / "examples"
CHARTS = EXAMPLES / "charts"
# Charts are no manifests before Helm has made some of them: tests/e2e/test_helm.py.
FILES = sorted(
    str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.yaml") if CHARTS not in path.parents
)


# Written as people write it and upstream refuses it: what is told of that, and nothing else.
TOLD = {
    "rabbitmq-jobs/04-scaling.yaml": [
        "spec.triggers[0].metadata.host: host has no scheme: amqp:// is assumed; write it in front",
        'spec.jobTargetRef.name: the Job "rabbitmq-consumer-job" is the template: '
        "KEDA refuses that and takes a template written under spec.jobTargetRef alone",
    ],
    "task-processor/03-scaledjob.yaml": [
        "spec.minReplicas: taken for minReplicaCount: write that, KEDA does not know minReplicas",
        "spec.maxReplicas: taken for maxReplicaCount: write that, KEDA does not know maxReplicas",
        'spec.triggers[0].type: "azurestoragequeue" is taken for azure-queue: write that, '
        "KEDA does not know azurestoragequeue",
    ],
    "rabbitmq-workers/with-cpu/scaling.yaml": [
        "spec.triggers[1].metadata.type: write it as metricType, beside type and metadata: "
        "KEDA refuses it here since v2.18"
    ],
}


def objects(file: str) -> list[dict[str, Any]]:
    found = [document.body for document in load((str(EXAMPLES / file),))]
    assert found, "a manifest without an object"
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_user_may_open_the_ports_of_an_example(file: str) -> None:
    ports = [
        port["port"] for body in objects(file) if body["kind"] == "Service" for port in body["spec"]["ports"]
    ]
    assert [port for port in ports if port < 1024] == []


def test_the_readme_has_a_line_for_each_example() -> None:
    text = (EXAMPLES.parent / "README.md").read_text()
    folders = {Path(file).parts[0] for file in FILES}
    assert [name for name in sorted(folders) if f"| [`{name}`](examples/{name}) |" not in text] == []


def test_there_are_examples() -> None:
    kinds = {body["kind"] for file in FILES for body in objects(file)}
    assert {"ScaledObject", "ScaledJob", "Deployment"} <= kinds


@pytest.mark.parametrize("file", FILES)
def test_nothing_need_be_said_about_an_example(file: str) -> None:
    for body in objects(file):
        if body["kind"] not in KINDS:
            continue
        assert problems(body) == []
        object = decode(body)
        if isinstance(object, ScaledObject | ScaledJob):
            assert [str(one) for one in remarks(object)] == TOLD.get(file, [])


async def test_a_strict_server_takes_every_example_without_a_warning(tmp_path: Path) -> None:
    """A variant of an object takes its place, as `kubectl apply` would have it."""
    plane = await open_plane(tmp_path, SystemClock(), admissions=[admit])
    try:
        await plane.keep(definitions())
        for file in FILES:
            for body in objects(file):
                kind = plane.kinds.named(body["apiVersion"], body["kind"])
                assert kind is not None, f"{file}: {body['kind']} is not served"
                namespace = "default" if kind.resource.is_namespaced else ""
                name = body["metadata"].get("name", "")
                if name and "/with-" in file:
                    await plane.verbs.delete(Target(kind, namespace, name))
                written = await plane.verbs.create(
                    Target(kind, namespace, "", ""), body, Options(field_validation="Strict")
                )
                is_scaled = body["kind"] in ("ScaledObject", "ScaledJob")
                assert list(written.warnings) == (TOLD.get(file, []) if is_scaled else []), file
    finally:
        await plane.close()
