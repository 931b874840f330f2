"""The opened control plane: one data directory's kinds, reads, verbs and in-process objects together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tidegate import __version__
from tidegate.base.times import format_time
from tidegate.kube.resource import NAMESPACES, NODES
from tidegate.local.apiserver.defaulting.server_fields import Completion
from tidegate.local.apiserver.defaulting.service_addresses import ON_LOOPBACK, ServiceNetwork
from tidegate.local.apiserver.in_process import LocalObjects
from tidegate.local.apiserver.kinds import Kinds
from tidegate.local.apiserver.reads import Reads
from tidegate.local.apiserver.storage.database import Database
from tidegate.local.apiserver.storage.directory_lock import Hold
from tidegate.local.apiserver.storage.store import Store
from tidegate.local.apiserver.writing.admission import Admission
from tidegate.local.apiserver.writing.upkeep import Upkeep
from tidegate.local.apiserver.writing.verbs import Verbs
from tidegate.local.objects import Objects
from tidegate.runtime.clock import Clock

DATABASE_FILE = "state.db"
NODE_NAME = "local"
_READY = {
    "type": "Ready",
    "status": "True",
    "reason": "TidegateReady",
    "message": "pods run as processes of this machine",
}
_NAMESPACE_NAMES = ("default", "kube-system", "kube-public", "kube-node-lease")


@dataclass(slots=True)
class Plane:
    """What the HTTP surface (`kinds`, `reads`, `verbs`), controllers and nodes (`objects`) are given."""

    kinds: Kinds
    reads: Reads
    verbs: Verbs
    objects: Objects
    upkeep: Upkeep
    store: Store
    hold: Hold

    async def run(self) -> None:
        """Upkeep until cancelled: expires events, empties deleted custom resource definitions."""
        await self.upkeep.run()

    async def close(self) -> None:
        """Commits what is under way, closes the database and lets go of the directory."""
        await self.store.close()
        self.hold.release()


async def open_plane(
    directory: Path,
    clock: Clock,
    *,
    is_durable: bool = False,
    admissions: Sequence[Admission] = (),
    services: ServiceNetwork = ON_LOOPBACK,
) -> Plane:
    """Opens (or makes) the state in `directory` with its default objects.

    Misconfigured when another process holds the directory or the database cannot be read.
    `admissions` are asked about every write, in order. Services with addresses of another network than
    `services` have new ones when this returns.
    """
    hold = Hold(directory)
    try:
        database = Database(directory / DATABASE_FILE, is_durable=is_durable)
        try:
            store = Store(database)
        except BaseException:
            database.close()
            raise
    except BaseException:
        hold.release()
        raise
    kinds = Kinds()
    completion = Completion(store, directory, services)
    verbs = Verbs(store, clock, admissions, completion)
    plane = Plane(
        kinds,
        Reads(store),
        verbs,
        LocalObjects(store, kinds, verbs, clock),
        Upkeep(store, kinds, verbs, clock),
        store,
        hold,
    )
    try:
        await completion.readdress()
        await _furnish(plane.objects, clock.now())
    except BaseException:
        await plane.close()
        raise
    return plane


async def _furnish(objects: Objects, now: datetime) -> None:
    """The objects every cluster has; the node tells of the machine and the version as they are now."""
    for name in _NAMESPACE_NAMES:
        if objects.get(NAMESPACES, "", name) is None:
            await objects.create(NAMESPACES, {"metadata": {"name": name}})
    node, found = _node(), objects.get(NODES, "", NODE_NAME)
    if found is None:
        found = await objects.create(NODES, node)
    known = (found.get("status") or {}).get("conditions") or []
    before: dict[str, Any] = next((one for one in known if one.get("type") == "Ready"), {})
    moment = format_time(now)
    since = before.get("lastTransitionTime") if before.get("status") == "True" else None
    ready = {**_READY, "lastHeartbeatTime": moment, "lastTransitionTime": since or moment}
    conditions = [*(one for one in known if one.get("type") != "Ready"), ready]
    await objects.patch(
        NODES, "", NODE_NAME, {"status": {**node["status"], "conditions": conditions}}, "status"
    )


def _node() -> dict[str, Any]:
    machine = os.uname()
    labels = {
        "kubernetes.io/hostname": NODE_NAME,
        "kubernetes.io/os": machine.sysname.lower(),
        "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine.machine, machine.machine),
    }
    memory_kib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    capacity = {"cpu": str(os.cpu_count() or 1), "memory": f"{memory_kib}Ki", "pods": "10000"}
    return {
        "metadata": {"name": NODE_NAME, "labels": labels},
        "spec": {},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "nodeInfo": {
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
                "kernelVersion": machine.release,
                "osImage": machine.sysname,
                "operatingSystem": labels["kubernetes.io/os"],
                "architecture": labels["kubernetes.io/arch"],
                "containerRuntimeVersion": "processes",
                "kubeletVersion": f"tidegate-{__version__}",
                "kubeProxyVersion": "",
            },
            # The address that pods have as their host's, and where node ports listen.
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": NODE_NAME},
            ],
        },
    }
