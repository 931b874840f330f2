"""Where a pod is in the network: its address, and the network that has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.network.pod_networks import Joined


def has_network(context: NodeContext, pod: Mapping[str, Any]) -> bool:
    """Whether the pod gets one of its own: not where none does, nor where it asks for the machine's, nor
    where its containers run in an engine that cannot bring them there.
    """
    is_own = context.network.ranges is not None and not pod["spec"].get("hostNetwork")
    return is_own and context.runtimes.joins(pod)


class PodPlace:
    def __init__(self, context: NodeContext, uid: str) -> None:
        self._network = context.network
        self._addresses = context.addresses
        self._context = context
        self._uid = uid

    def is_kept(self, pod: Mapping[str, Any]) -> bool:
        """Whether the pod has an address, and may go on with it."""
        address = str((pod.get("status") or {}).get("podIP", ""))
        if self._is_host(pod):
            return address == self._network.host
        return self._addresses.keep(self._uid, address)

    def take(self, pod: Mapping[str, Any]) -> str:
        """An address; pods in the machine's network all have the machine's."""
        return self._network.host if self._is_host(pod) else self._addresses.take(self._uid)

    async def join(self, pod: Mapping[str, Any]) -> Joined:
        """OSError where the pod's network cannot be made."""
        if not has_network(self._context, pod):
            return Joined()
        return await self._network.join(pod["status"]["podIP"])

    async def release(self) -> None:
        """Gives the network back, and then the address; safe twice."""
        address = self._addresses.held().get(self._uid)
        if address is not None:
            await self._network.leave(address)
        self._addresses.release(self._uid)

    def on_host(self, status: Mapping[str, Any]) -> dict[str, Any]:
        """The status with the machine's address as the pod knows it."""
        return {**status, "hostIP": self._network.host, "hostIPs": [{"ip": self._network.host}]}

    def _is_host(self, pod: Mapping[str, Any]) -> bool:
        return self._network.ranges is not None and not has_network(self._context, pod)
