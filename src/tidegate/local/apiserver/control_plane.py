"""The opened control plane: one data directory's kinds, reads, verbs and in-process objects together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tidegate import __version__
from tidegate.base.times import format_time
from tidegate.kube.resource import CONFIG_MAPS, NAMESPACES, NODES, SERVICE_ACCOUNTS, ApiError, Resource
from tidegate.local.apiserver.authentication.certificates import authority_pem
from tidegate.local.apiserver.authentication.tokens import Tokens
from tidegate.local.apiserver.authorization import policy as rbac
from tidegate.local.apiserver.authorization.default_roles import default_objects, reconciled
from tidegate.local.apiserver.defaulting.server_fields import Completion
from tidegate.local.apiserver.defaulting.service_addresses import ON_LOOPBACK, ServiceNetwork
from tidegate.local.apiserver.in_process import LocalObjects
from tidegate.local.apiserver.kinds import Kind, Kinds
from tidegate.local.apiserver.reads import Reads
from tidegate.local.apiserver.storage.database import Database
from tidegate.local.apiserver.storage.directory_lock import Hold
from tidegate.local.apiserver.storage.store import Store
from tidegate.local.apiserver.storage.stored_object import Entry
from tidegate.local.apiserver.writing.admission import Admission
from tidegate.local.apiserver.writing.parts import Part, Parts
from tidegate.local.apiserver.writing.upkeep import Upkeep
from tidegate.local.apiserver.writing.verbs import Verbs
from tidegate.local.objects import AUTHORITY, BUILT_IN, NODE, Object, Objects
from tidegate.runtime.clock import Clock

DATABASE_FILE = "state.db"
_READY = {
    "type": "Ready",
    "status": "True",
    "reason": "TidegateReady",
    "message": "pods run as processes of this machine",
}
_NAMESPACE_NAMES = ("default", "kube-system", "kube-public", "kube-node-lease")


@dataclass(slots=True)
class Plane:
    """What the HTTP surface (`kinds`, `reads`, `verbs`), controllers and nodes (`objects`) are given.

    `policy` follows the stored roles and bindings, `tokens` are those of ServiceAccounts, `authority`
    is the certificate (PEM) that pods trust.
    """

    kinds: Kinds
    reads: Reads
    verbs: Verbs
    objects: Objects
    upkeep: Upkeep
    store: Store
    hold: Hold
    policy: rbac.Policy
    tokens: Tokens
    authority: str

    async def run(self) -> None:
        """Upkeep until cancelled: expires events, empties deleted custom resource definitions."""
        await self.upkeep.run()

    async def keep(self, bodies: Sequence[tuple[Resource, Object]]) -> None:
        """Makes these objects what they are to be, all at once; from then on nobody else changes them.

        Each before those that live in it.
        """
        kinds = [(self.kinds.of(resource), body) for resource, body in bodies]
        self.verbs.keep(Parts(Part(kind, body) for kind, body in kinds if kind is not None))
        await asyncio.gather(*(self._made(resource, body) for resource, body in bodies))

    async def _made(self, resource: Resource, body: Object) -> None:
        meta = body["metadata"]
        found = self.objects.get(resource, meta.get("namespace", ""), meta["name"])
        if found is None:
            await self.objects.create(resource, body)
            return
        patch = {
            name: value for name, value in body.items() if name not in ("apiVersion", "kind", "metadata")
        }
        if BUILT_IN not in (found["metadata"].get("labels") or {}):
            patch["metadata"] = {"labels": meta.get("labels") or {}}
        place = resource, meta.get("namespace", ""), meta["name"]
        try:
            if patch:
                await self.objects.patch(*place, patch)
        except ApiError as error:
            if error.reason != "Invalid":
                raise
            # What never changes (a selector) is another: a new object takes the place of the old one.
            await self.objects.delete(*place)
            if self.objects.get(*place) is None:
                await self.objects.create(resource, body)

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
    hold: Hold | None = None,
) -> Plane:
    """Opens (or makes) the state in `directory` with its default objects.

    Misconfigured when another process holds the directory or the database cannot be read.
    `admissions` are asked about every write, in order. Services with addresses of another network than
    `services` have new ones when this returns. `hold` is the directory's, where the caller has it already.
    """
    hold = hold or Hold(directory)
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
    authority = authority_pem(directory, clock.now()).decode()
    verbs = Verbs(store, clock, admissions, completion, _furniture(kinds, authority))
    plane = Plane(
        kinds,
        Reads(store),
        verbs,
        LocalObjects(store, kinds, verbs, clock),
        Upkeep(store, kinds, verbs, clock),
        store,
        hold,
        _followed_policy(store),
        Tokens(directory, store, clock),
        authority,
    )
    try:
        await completion.readdress()
        await _furnish(plane.objects, clock.now())
    except BaseException:
        await plane.close()
        raise
    return plane


def _furniture(kinds: Kinds, authority: str) -> list[tuple[Kind, str, Object]]:
    """What every namespace has: an account for its pods, and what they check the API by."""
    content: dict[Resource, tuple[str, Object]] = {
        SERVICE_ACCOUNTS: ("default", {}),
        CONFIG_MAPS: (AUTHORITY, {"data": {"ca.crt": authority}}),
    }
    found = [(kinds.of(resource), *of) for resource, of in content.items()]
    return [(kind, name, body) for kind, name, body in found if kind is not None]


def _followed_policy(store: Store) -> rbac.Policy:
    """What the stored roles and bindings say, now and after each commit."""
    policy = rbac.Policy()
    for key in rbac.KEYS:
        for row in store.rows(key):
            policy.put(key, row.namespace, row.name, row.parse())

    def follow(entries: list[Entry]) -> None:
        for entry in entries:
            row = entry.row
            if entry.type == "DELETED":
                policy.drop(entry.key, row.namespace, row.name)
            else:
                policy.put(entry.key, row.namespace, row.name, row.parse())

    store.listen(rbac.KEYS, follow)
    return policy


async def _keep_roles(objects: Objects) -> None:
    """The default roles and bindings, as Kubernetes keeps them at each start."""
    writes = []
    for resource, wanted in default_objects():
        meta = wanted["metadata"]
        found = objects.get(resource, meta.get("namespace", ""), meta["name"])
        if found is None:
            writes.append(objects.create(resource, wanted))
        elif (new := reconciled(wanted, found)) is not None:
            writes.append(objects.update(resource, new))
    await asyncio.gather(*writes)


async def _furnish(objects: Objects, now: datetime) -> None:
    """The objects every cluster has; the node tells of the machine and the version as they are now."""
    for name in _NAMESPACE_NAMES:
        if objects.get(NAMESPACES, "", name) is None:
            await objects.create(NAMESPACES, {"metadata": {"name": name}})
    await _keep_roles(objects)
    node, found = this_node(), objects.get(NODES, "", NODE)
    if found is None:
        found = await objects.create(NODES, node)
    known = (found.get("status") or {}).get("conditions") or []
    before: dict[str, Any] = next((one for one in known if one.get("type") == "Ready"), {})
    moment = format_time(now)
    since = before.get("lastTransitionTime") if before.get("status") == "True" else None
    ready = {**_READY, "lastHeartbeatTime": moment, "lastTransitionTime": since or moment}
    conditions = [*(one for one in known if one.get("type") != "Ready"), ready]
    await objects.patch(NODES, "", NODE, {"status": {**node["status"], "conditions": conditions}}, "status")


def this_node() -> Object:
    """The one node as it is registered: its labels, and the size of this machine."""
    machine = os.uname()
    labels = {
        "kubernetes.io/hostname": NODE,
        "kubernetes.io/os": machine.sysname.lower(),
        "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine.machine, machine.machine),
    }
    memory_kib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    capacity = {"cpu": str(os.cpu_count() or 1), "memory": f"{memory_kib}Ki", "pods": "10000"}
    return {
        "metadata": {"name": NODE, "labels": labels},
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
                {"type": "Hostname", "address": NODE},
            ],
        },
    }
