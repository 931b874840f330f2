"""A workload belongs to one ScaledObject, and its HPA to nobody else: what the local API refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tidegate.cli.manifests.admission import admit
from tidegate.cli.manifests.workload_owners import Neighbours
from tidegate.cli.wiring.local.parts import definitions
from tidegate.kube.resource import HPAS, NAMESPACES, SCALED_OBJECTS, ApiError
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.local.objects import Objects
from tidegate.runtime.clock import SystemClock

Object = dict[str, Any]
CLOCK = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *", "desiredReplicas": "2"},
}


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[Objects]:
    neighbours = Neighbours()
    plane = await open_plane(tmp_path, SystemClock(), admissions=[partial(admit, neighbours=neighbours)])
    await plane.keep(definitions())
    neighbours.follow(plane.objects)
    await plane.objects.create(NAMESPACES, {"metadata": {"name": "other"}})
    yield plane.objects
    await plane.close()


def scaled_object(
    name: str, target: str, *, namespace: str = "default", hpa: str = "", **metadata: Any
) -> Object:
    advanced = {"horizontalPodAutoscalerConfig": {"name": hpa}} if hpa else {}
    return {
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"scaleTargetRef": {"name": target}, "triggers": [CLOCK], "advanced": advanced},
    }


def hpa(name: str, target: str, *owners: Object) -> Object:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    metadata = {"name": name, "namespace": "default", "ownerReferences": list(owners)}
    return {"metadata": metadata, "spec": {"scaleTargetRef": ref, "maxReplicas": 3}}


def owner(object: Object) -> Object:
    metadata = object["metadata"]
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


async def test_a_second_scaled_object_of_a_workload_is_refused(objects: Objects) -> None:
    await objects.create(SCALED_OBJECTS, scaled_object("first", "web"))
    with pytest.raises(ApiError) as refused:
        await objects.create(SCALED_OBJECTS, scaled_object("second", "web"))
    text = "the workload 'web' of type 'apps/v1.Deployment' is already managed by the ScaledObject 'first'"
    assert refused.value.code == 422
    assert text in refused.value.message
    await objects.create(SCALED_OBJECTS, scaled_object("second", "web", namespace="other"))
    await objects.create(SCALED_OBJECTS, scaled_object("third", "worker"))


async def test_an_edit_onto_a_workload_of_another_is_refused_and_other_edits_are_not(
    objects: Objects,
) -> None:
    await objects.create(SCALED_OBJECTS, scaled_object("first", "web"))
    await objects.create(SCALED_OBJECTS, scaled_object("second", "worker"))
    aside = {"spec": {"scaleTargetRef": {"name": "web"}}}
    with pytest.raises(ApiError, match="already managed by the ScaledObject 'first'"):
        await objects.patch(SCALED_OBJECTS, "default", "second", aside)
    await objects.patch(SCALED_OBJECTS, "default", "second", {"spec": {"maxReplicaCount": 7}})
    await objects.delete(SCALED_OBJECTS, "default", "first")
    await objects.patch(SCALED_OBJECTS, "default", "second", aside)


async def test_an_hpa_name_belongs_to_one_scaled_object(objects: Objects) -> None:
    await objects.create(SCALED_OBJECTS, scaled_object("first", "web"))
    with pytest.raises(ApiError, match="the HPA 'keda-hpa-first' is already managed by the ScaledObject"):
        await objects.create(SCALED_OBJECTS, scaled_object("second", "worker", hpa="keda-hpa-first"))


async def test_a_foreign_hpa_keeps_its_workload_until_it_is_handed_over_by_name(objects: Objects) -> None:
    await objects.create(HPAS, hpa("theirs", "web"))
    with pytest.raises(ApiError, match="is already managed by the hpa 'theirs'"):
        await objects.create(SCALED_OBJECTS, scaled_object("first", "web"))
    transfer = {"annotations": {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}}
    with pytest.raises(ApiError, match="must be specified by name in advanced settings"):
        await objects.create(SCALED_OBJECTS, scaled_object("first", "web", **transfer))
    await objects.create(SCALED_OBJECTS, scaled_object("first", "web", hpa="theirs", **transfer))


async def test_the_hpa_of_a_scaled_object_that_is_gone_is_in_nobodys_way(objects: Objects) -> None:
    first = await objects.create(SCALED_OBJECTS, scaled_object("first", "web"))
    await objects.create(HPAS, hpa("keda-hpa-first", "web", owner(first)))
    await objects.delete(SCALED_OBJECTS, "default", "first")
    await objects.create(SCALED_OBJECTS, scaled_object("second", "web"))


async def test_what_is_there_at_the_start_counts(tmp_path: Path) -> None:
    plane = await open_plane(tmp_path, SystemClock())
    await plane.keep(definitions())
    await plane.objects.create(SCALED_OBJECTS, scaled_object("first", "web"))
    await plane.close()
    neighbours = Neighbours()
    plane = await open_plane(tmp_path, SystemClock(), admissions=[partial(admit, neighbours=neighbours)])
    neighbours.follow(plane.objects)
    with pytest.raises(ApiError, match="already managed by the ScaledObject 'first'"):
        await plane.objects.create(SCALED_OBJECTS, scaled_object("second", "web"))
    await plane.close()
