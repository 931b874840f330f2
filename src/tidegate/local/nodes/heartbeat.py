"""The node says that it lives and how: its conditions and its Lease, which `kubectl describe node` shows."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tidegate.base.times import format_micro_time, format_time
from tidegate.kube.resource import LEASES, NODES, ApiError
from tidegate.local.nodes.context import NODE
from tidegate.local.objects import Object, Objects
from tidegate.runtime.clock import Clock

# One node, in the same process as its server: nobody waits for it, people look at it.
BEAT_S = 300.0
LEASES_HOME = "kube-node-lease"

log = logging.getLogger(__name__)


class Heartbeat:
    """`conditions` are those that the node has besides Ready: their type, status, reason and message;
    `runtime` is what runs its containers.
    """

    def __init__(
        self,
        objects: Objects,
        clock: Clock,
        conditions: Sequence[Mapping[str, str]] = (),
        runtime: str = "processes",
    ) -> None:
        self._runtime = {"containerRuntimeVersion": runtime}
        self._objects = objects
        self._clock = clock
        self._conditions = {one["type"]: one for one in conditions}

    async def run(self) -> None:
        """Tells until cancelled. What cannot be told is told the next time."""
        while True:
            try:
                await self._beat(self._clock.now())
            except ApiError as error:
                log.debug("the node could not tell that it lives", extra={"error": str(error)})
            await self._clock.sleep(BEAT_S)

    async def _beat(self, now: datetime) -> None:
        node = self._objects.get(NODES, "", NODE)
        if node is None:
            return
        moment = format_time(now)
        known = {one["type"]: one for one in (node.get("status") or {}).get("conditions") or []}
        beaten = [one for name, one in known.items() if name not in ("Ready", *self._conditions)]
        for name, own in self._conditions.items():
            before = known.get(name, {})
            since = before["lastTransitionTime"] if before.get("status") == own["status"] else moment
            beaten.append({**own, "lastHeartbeatTime": moment, "lastTransitionTime": since})
        if "Ready" in known:
            beaten.insert(0, {**known["Ready"], "lastHeartbeatTime": moment})
        status = {"conditions": beaten, "nodeInfo": self._runtime}
        await self._objects.patch(NODES, "", NODE, {"status": status}, "status")
        await self._renew(node, now)

    async def _renew(self, node: Object, now: datetime) -> None:
        spec: dict[str, Any] = {
            "holderIdentity": NODE,
            "leaseDurationSeconds": int(2 * BEAT_S),
            "renewTime": format_micro_time(now),
        }
        if self._objects.get(LEASES, LEASES_HOME, NODE) is not None:
            await self._objects.patch(LEASES, LEASES_HOME, NODE, {"spec": spec})
            return
        owner = {"apiVersion": NODES.api_version, "kind": NODES.kind, "name": NODE}
        metadata = {
            "name": NODE,
            "namespace": LEASES_HOME,
            "ownerReferences": [{**owner, "uid": node["metadata"]["uid"]}],
        }
        await self._objects.create(LEASES, {"metadata": metadata, "spec": spec})
