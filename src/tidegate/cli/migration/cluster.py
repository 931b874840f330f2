"""A cluster's objects of KEDA's kinds, and what they refer to: all by reading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from tidegate.api.decode import decode
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.auth.lending import EVERYONE
from tidegate.auth.resolve import Options
from tidegate.base.errors import Failure
from tidegate.cli.manifests.lookup import ManifestLookup
from tidegate.cli.migration.findings import (
    Finding,
    Object,
    dropped,
    name_of,
    of_others,
    of_scaled,
    unreadable,
)
from tidegate.kube.client import Client
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    DEPLOYMENTS,
    HPAS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    STATEFUL_SETS,
    TRIGGER_AUTHENTICATIONS,
    ApiError,
    Resource,
)
from tidegate.operator.reconcile.trigger_plan import Plan, plan

_EVENTING = "eventing.keda.sh"
KINDS = (
    SCALED_OBJECTS,
    SCALED_JOBS,
    TRIGGER_AUTHENTICATIONS,
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    Resource(_EVENTING, "v1alpha1", "cloudeventsources", "CloudEventSource"),
    Resource(
        _EVENTING, "v1alpha1", "clustercloudeventsources", "ClusterCloudEventSource", is_namespaced=False
    ),
)


async def check(
    client: Client, namespace: str, keda_namespace: str
) -> AsyncIterator[tuple[str, list[Finding]]]:
    """Each object's name with what is to be said of it; of a namespace, or with "" of all.

    `keda_namespace` is where KEDA looks for what ClusterTriggerAuthentications refer to.
    """
    lookup, hpas = ManifestLookup(()), dict[str, list[Object]]()
    options = Options(cluster_namespace=keda_namespace, lends_identity=(EVERYONE,))
    for resource in KINDS:
        for body in await _listed(client, resource, namespace if resource.is_namespaced else ""):
            found = unreadable(body)
            if found:
                yield name_of(body), found
            elif resource in (SCALED_OBJECTS, SCALED_JOBS):
                place = body["metadata"]["namespace"]
                if place not in hpas:
                    hpas[place] = (await client.list(HPAS, place)).items
                made = await _planned(body, lookup, client, options)
                yield name_of(body), [*dropped(body), *of_scaled(body, made, hpas[place])]
            else:
                yield name_of(body), [*dropped(body), *of_others(body)]


async def _listed(client: Client, resource: Resource, namespace: str) -> list[Object]:
    """None where the cluster does not know the kind: an older KEDA has no event sources."""
    try:
        return (await client.list(resource, namespace)).items
    except ApiError as error:
        if error.code == 404 and resource.group == _EVENTING:
            return []
        raise


async def _planned(body: Object, lookup: ManifestLookup, client: Client, options: Options) -> Plan:
    object = decode(body)
    assert isinstance(object, ScaledObject | ScaledJob)
    made = _plan(object, lookup, options)
    # What was fetched may name what is missing next: an authentication its Secret.
    while lookup.missing:
        missing, lookup.missing = lookup.missing, []
        for resource, place, name in missing:
            lookup.keep(resource, place, name, await _got(client, resource, place, name))
        made = _plan(object, lookup, options)
    return made


def _plan(object: ScaledObject | ScaledJob, lookup: ManifestLookup, options: Options) -> Plan:
    template: dict[str, Any] | Failure | None
    if isinstance(object, ScaledJob):
        template, container = object.spec.job_target_ref.template, object.spec.env_source_container_name
    else:
        ref = object.spec.scale_target_ref
        container, template = ref.env_source_container_name, None
        resource = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS}.get(ref.kind or "Deployment")
        if resource is not None:
            found = lookup.get(resource, object.metadata.namespace, ref.name)
            template = (found or {}).get("spec", {}).get("template")
    return plan(object, template, container, lookup, options)


async def _got(client: Client, resource: Resource, namespace: str, name: str) -> Object | None:
    try:
        return await client.get(resource, namespace, name)
    except ApiError as error:
        if error.code != 404:
            raise
        return None
