"""Every manifest under examples/ is one that the API takes and that nothing need be said about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidegate.api.decode import KINDS, decode
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.problems import problems
from tidegate.cli.manifests.admission import admit
from tidegate.cli.manifests.files import load
from tidegate.cli.wiring.local_cluster import define
from tidegate.kit.reading import Sources
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.local.apiserver.writing.verbs import Options, Target
from tidegate.review.manifest import review
from tidegate.runtime.clock import SystemClock

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.yaml"))


def objects(file: str) -> list[dict[str, Any]]:
    found = [document.body for document in load((str(EXAMPLES / file),))]
    assert found, "a manifest without an object"
    return found


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
            triggers = object.spec.triggers
            reviewed = review(object, lambda index: Sources(triggers[index].metadata))  # noqa: B023
            assert reviewed.problems == ()
            assert reviewed.notices == ()


async def test_a_strict_server_takes_every_example_without_a_warning(tmp_path: Path) -> None:
    plane = await open_plane(tmp_path, SystemClock(), admissions=[admit])
    try:
        await define(plane.objects)
        for file in FILES:
            for body in objects(file):
                kind = plane.kinds.named(body["apiVersion"], body["kind"])
                assert kind is not None, f"{file}: {body['kind']} is not served"
                namespace = "default" if kind.resource.is_namespaced else ""
                written = await plane.verbs.create(
                    Target(kind, namespace, "", ""), body, Options(field_validation="Strict")
                )
                assert written.warnings == (), file
    finally:
        await plane.close()
