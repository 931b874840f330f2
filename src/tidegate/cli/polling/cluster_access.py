"""What `tidegate poll` reaches through the cluster of a kubeconfig: objects, pods, Services by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.connections.adapter import Surroundings
    from tidegate.kube.client import Client
    from tidegate.kube.resource import Resource


@dataclass(slots=True)
class ClusterAccess:
    """`client` is None without a kubeconfig: then names are what this machine makes of them."""

    client: Client | None
    surroundings: Surroundings

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
    from tidegate.connections.adapter import Surroundings
    from tidegate.kube import config
    from tidegate.kube.client import Client

    if not kubeconfig:
        yield ClusterAccess(None, Surroundings(objects=_no_pods))
        return
    client = Client(config.load(kubeconfig))
    try:
        names = await _services(client)

        def resolve(host: str) -> str:
            from tidegate.local.nodes.network.host_names import find

            return find(host, "default", names) or host

        async def count(question: Any) -> Any:
            return await _pods(client, question)

        yield ClusterAccess(client, Surroundings(resolve=resolve, objects=count))
    finally:
        await client.close()


async def _services(client: Client) -> dict[tuple[str, str], Any]:
    """Services of a local cluster. Those of others have addresses that only their nodes reach."""
    from tidegate.kube.resource import SERVICES, ApiError
    from tidegate.local.nodes.network.host_names import Named
    from tidegate.local.nodes.network.pod_addresses import is_local

    try:
        found = (await client.list(SERVICES)).items
    except ApiError:
        return {}
    names = {}
    for one in found:
        address, metadata = one["spec"].get("clusterIP", ""), one["metadata"]
        if is_local(address):
            place = (metadata["namespace"], metadata["name"])
            names[place] = Named(*place, (address,))
    return names


async def _no_pods(question: Any) -> Any:
    from tidegate.base.errors import Misconfigured

    raise Misconfigured(
        "count pods",
        answer="kubernetes-workload needs a cluster",
        next_step="name a kubeconfig with --kubeconfig",
    )


async def _pods(client: Client, question: Any) -> Any:
    import msgspec

    from tidegate.base.errors import Denied
    from tidegate.kube.resource import PODS, ApiError
    from tidegate.operator.cluster.informers import PodMark
    from tidegate.operator.cluster.pod_counts import counted, pod_count

    checked = pod_count(question)
    try:
        listed = await client.list(PODS, checked.namespace)
    except ApiError as error:
        raise Denied("list pods", on=client.config.server, answer=str(error)) from error
    return counted([msgspec.convert(one, PodMark) for one in listed.items], checked)
