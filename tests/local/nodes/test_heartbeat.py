"""What `kubectl describe node` shows of the node's life."""

from __future__ import annotations

import asyncio
from typing import Any

from parts.memory_objects import MemoryObjects
from parts.virtualtime import VirtualClock, run
from tidegate.base.times import format_time
from tidegate.kube.resource import LEASES, NODES
from tidegate.local.nodes.heartbeat import BEAT_S, Heartbeat

READY = {
    "type": "Ready",
    "status": "True",
    "lastHeartbeatTime": "2020-01-01T00:00:00Z",
    "lastTransitionTime": "2020-01-01T00:00:00Z",
}
OTHER = {"type": "DiskPressure", "status": "False", "lastHeartbeatTime": "2020-01-01T00:00:00Z"}


def beating(story: Any) -> None:
    async def whole(clock: VirtualClock) -> None:
        objects = MemoryObjects(clock)
        task = asyncio.create_task(Heartbeat(objects, clock).run())
        await story(objects, clock)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(whole)


def test_the_ready_condition_and_the_lease_are_renewed() -> None:
    async def story(objects: MemoryObjects, clock: VirtualClock) -> None:
        node = await objects.create(
            NODES, {"metadata": {"name": "local"}, "status": {"conditions": [READY, OTHER]}}
        )
        seen = []
        for _ in range(3):
            await clock.sleep(BEAT_S + 1)
            found = objects.get(NODES, "", "local")
            lease = objects.get(LEASES, "kube-node-lease", "local")
            assert found is not None
            assert lease is not None
            ready, other = found["status"]["conditions"]
            assert other == OTHER
            assert ready == {**READY, "lastHeartbeatTime": ready["lastHeartbeatTime"]}
            assert lease["spec"]["holderIdentity"] == "local"
            assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]
            assert lease["spec"]["renewTime"][:19] == ready["lastHeartbeatTime"][:19]
            seen.append(ready["lastHeartbeatTime"])
        assert len(set(seen)) == 3

    beating(story)


def test_a_limit_is_told_with_the_moment_since_which_it_is_there() -> None:
    async def story(clock: VirtualClock) -> None:
        objects = MemoryObjects(clock)
        old = {
            "type": "Slow",
            "status": "False",
            "reason": "Fast",
            "lastTransitionTime": "2020-01-01T00:00:00Z",
        }
        await objects.create(
            NODES, {"metadata": {"name": "local"}, "status": {"conditions": [OTHER, old, READY]}}
        )
        since = old["lastTransitionTime"]
        for status in ("False", "True", "True"):
            is_new = status != old["status"]
            since = format_time(clock.now()) if is_new else since
            limit = {"type": "Slow", "status": status, "reason": "Disk", "message": "it is"}
            task = asyncio.create_task(Heartbeat(objects, clock, [limit]).run())
            await clock.sleep(BEAT_S + 1)
            found = objects.get(NODES, "", "local")
            assert found is not None
            ready, other, old = found["status"]["conditions"]
            assert (ready["type"], other) == ("Ready", OTHER)
            assert old == {
                **limit,
                "lastHeartbeatTime": old["lastHeartbeatTime"],
                "lastTransitionTime": since,
            }
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(story)


def test_without_a_node_nothing_is_told() -> None:
    async def story(objects: MemoryObjects, clock: VirtualClock) -> None:
        await clock.sleep(3 * BEAT_S)
        assert objects.list(LEASES) == []

    beating(story)
