"""What `tidegate poll` reaches through the cluster of a kubeconfig: objects, pods, Services by name."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.cli.manifests.lookup import ManifestLookup
    from tidegate.connections.adapter import Surroundings
    from tidegate.kube.client import Client
    from tidegate.kube.resource import Resource


@dataclass(slots=True)
class ClusterAccess:
    """`client` is None without a kubeconfig: then names are what this machine makes of them."""

    client: Client | None
    surroundings: Surroundings

    def with_files(self, lookup: ManifestLookup) -> Surroundings:
        """The same, where what ConfigMaps and Secrets keep is looked for in the files first."""
        from tidegate.auth.resolve import Options
        from tidegate.kit.systems.kubernetes import StoredValue
        from tidegate.operator.cluster.kubernetes_answers import KINDS, stored_value

        others = self.surroundings.objects
        assert others is not None

        async def objects(question: Any) -> Any:
            if not isinstance(question, StoredValue):
                return await others(question)
            place = KINDS[question.kind], question.namespace, question.name
            if lookup.get(*place) is None:
                lookup.keep(*place, await self.get(*place))
            return await stored_value(lookup, question, Options())

        return replace(self.surroundings, objects=objects)

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, None where there is none (or no cluster)."""
        from tidegate.kube.resource import ApiError

        if self.client is None:
            return None
        try:
            return await self.client.get(resource, namespace, name)
        except ApiError as error:
            if error.code != 404:
                raise
            return None


@asynccontextmanager
async def cluster_access(kubeconfig: str) -> AsyncIterator[ClusterAccess]:
    """Open while the block is. `Unreachable` where the cluster does not answer."""
    from tidegate.cli.cluster.identities import with_identities
    from tidegate.connections.adapter import Surroundings
    from tidegate.kube import config
    from tidegate.kube.client import Client
    from tidegate.runtime.proxies import environment_proxy

    proxy_of = environment_proxy(os.environ)
    if not kubeconfig:
        plain = Surroundings(objects=_no_cluster, proxy_of=proxy_of)
        async with with_identities(plain, os.environ, None) as surroundings:
            yield ClusterAccess(None, surroundings)
        return
    client = Client(config.load(kubeconfig))
    try:
        resolve = await _resolve(client)

        async def objects(question: Any) -> Any:
            return await _answer(client, question)

        plain = Surroundings(resolve=resolve, objects=objects, proxy_of=proxy_of)
        async with with_identities(plain, os.environ, client) as surroundings:
            yield ClusterAccess(client, surroundings)
    finally:
        await client.close()


async def _resolve(client: Client) -> Callable[[str], str]:
    """What a local cluster calls its Services. Those of others have addresses that only their nodes reach."""
    from tidegate.kube.resource import ApiError
    from tidegate.local.nodes.network import host_names, names

    try:
        known = names.from_json(await client.request("GET", "/names")).by_name
    except (ApiError, ValueError):
        return str
    return lambda host: host_names.from_machine(host, "default", known, str)


async def _no_cluster(question: Any) -> Any:
    from tidegate.base.errors import Misconfigured
    from tidegate.kit.systems.kubernetes import PodCount

    is_count = isinstance(question, PodCount)
    raise Misconfigured(
        "count pods" if is_count else "read what the cluster keeps",
        answer=f"{'kubernetes-workload' if is_count else 'this trigger'} needs a cluster",
        next_step="name a kubeconfig with --kubeconfig",
    )


async def _answer(client: Client, question: Any) -> Any:
    import msgspec

    from tidegate.base.errors import Denied
    from tidegate.kit.systems.kubernetes import PodCount, ServiceEndpoints
    from tidegate.kube.resource import ENDPOINT_SLICES, PODS, ApiError
    from tidegate.operator.cluster.informers import PodMark, SliceMark
    from tidegate.operator.cluster.kubernetes_answers import counted, endpoints, unknown

    if not isinstance(question, PodCount | ServiceEndpoints):
        raise unknown(question)
    resource = PODS if isinstance(question, PodCount) else ENDPOINT_SLICES
    try:
        listed = (await client.list(resource, question.namespace)).items
    except ApiError as error:
        raise Denied(f"list {resource.plural}", on=client.config.server, answer=str(error)) from error
    if isinstance(question, PodCount):
        return counted([msgspec.convert(one, PodMark) for one in listed], question)
    return endpoints([msgspec.convert(one, SliceMark) for one in listed], question)
