"""Follows the ScaledObjects and HPAs of the cluster, of each only what says what it scales."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tidegate.api.meta import ObjectMeta, OwnerReference
from tidegate.api.scaledobject import (
    Advanced,
    HorizontalPodAutoscalerConfig,
    ScaledObject,
    ScaledObjectSpec,
    ScaleTargetRef,
)
from tidegate.base.problems import Problem
from tidegate.kube.caching.caches import Cache
from tidegate.kube.client import Client
from tidegate.kube.resource import HPAS, SCALED_OBJECTS
from tidegate.review.neighbours import Neighbours, place_of
from tidegate.review.ownership import UNCHECKED

Object = dict[str, Any]


class _Config(msgspec.Struct):
    name: str | None = None


class _Advanced(msgspec.Struct, rename="camel"):
    horizontal_pod_autoscaler_config: _Config | None = None


class _Target(msgspec.Struct, rename="camel"):
    name: str = ""
    api_version: str | None = None
    kind: str | None = None


class _Spec(msgspec.Struct, rename="camel"):
    scale_target_ref: _Target = msgspec.field(default_factory=_Target)
    advanced: _Advanced | None = None


class _Meta(msgspec.Struct, rename="camel"):
    name: str
    namespace: str = ""
    uid: str = ""
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class _Stored(msgspec.Struct):
    metadata: _Meta
    spec: _Spec


_stored = msgspec.json.Decoder(_Stored)


def scaled_object(raw: bytes) -> ScaledObject:
    """A ScaledObject with its name, its target and the name of its HPA, and nothing else."""
    read = _stored.decode(raw)
    target, config = read.spec.scale_target_ref, None
    if read.spec.advanced is not None and read.spec.advanced.horizontal_pod_autoscaler_config is not None:
        config = HorizontalPodAutoscalerConfig(read.spec.advanced.horizontal_pod_autoscaler_config.name)
    metadata = read.metadata
    return ScaledObject(
        ObjectMeta(metadata.name, metadata.namespace, metadata.uid),
        ScaledObjectSpec(
            scale_target_ref=ScaleTargetRef(target.name, target.api_version, target.kind),
            triggers=(),
            advanced=Advanced(horizontal_pod_autoscaler_config=config) if config is not None else None,
        ),
    )


def hpa(raw: bytes) -> Object:
    """The body of an HPA with its name, its owners, its target and our one annotation."""
    read = _stored.decode(raw)
    metadata, target = read.metadata, read.spec.scale_target_ref
    unchecked = (metadata.annotations or {}).get(UNCHECKED)
    return {
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "annotations": {UNCHECKED: unchecked} if unchecked is not None else {},
            "ownerReferences": [
                {"kind": one.kind, "name": one.name, "uid": one.uid}
                for one in metadata.owner_references or ()
            ],
        },
        "spec": {
            "scaleTargetRef": {
                "apiVersion": target.api_version,
                "kind": target.kind,
                "name": target.name,
            }
        },
    }


class Neighbourhood:
    """Who scales what in the cluster, as far as it was heard."""

    def __init__(self, client: Client) -> None:
        self._neighbours = Neighbours()
        self._objects = Cache(client, SCALED_OBJECTS, decode=scaled_object)
        self._hpas = Cache(client, HPAS, decode=hpa)
        self._objects.subscribe(self._object_changed)
        self._hpas.subscribe(self._hpa_changed)

    async def run(self) -> None:
        """Follows both kinds until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._objects.run())
            tasks.create_task(self._hpas.run())

    async def synced(self) -> None:
        """Returns when both have been listed once."""
        await self._objects.synced()
        await self._hpas.synced()

    @property
    def lacks(self) -> list[str]:
        """What was not listed yet."""
        caches = (self._objects, self._hpas)
        return [f"{one.resource.plural} were not listed yet" for one in caches if not one.is_synced]

    def problems(self, object: ScaledObject) -> list[Problem]:
        return self._neighbours.problems(object)

    def _object_changed(self, old: ScaledObject | None, new: ScaledObject | None) -> None:
        if new is not None:
            self._neighbours.put_object(new)
        elif old is not None:
            self._neighbours.drop_object((old.metadata.namespace, old.metadata.name))

    def _hpa_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._neighbours.put_hpa(new)
        elif old is not None:
            self._neighbours.drop_hpa(place_of(old))
