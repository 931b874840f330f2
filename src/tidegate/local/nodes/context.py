"""What a node and its pods stand on: passed in once, shared by all pods of the node."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tidegate.kube.resource import CLAIMS, CONFIG_MAPS, SECRETS, SERVICES, VOLUMES
from tidegate.local.api_access import ApiAccess
from tidegate.local.nodes.images.machine_python import Python
from tidegate.local.nodes.images.program import ImageMap
from tidegate.local.nodes.images.versions import Versions
from tidegate.local.nodes.network.names import Named
from tidegate.local.nodes.network.pod_addresses import Addresses
from tidegate.local.nodes.network.pod_networks import PodNetwork
from tidegate.local.nodes.processes.cgroups import Groups
from tidegate.local.nodes.processes.environment import Refers
from tidegate.local.nodes.processes.instance import View
from tidegate.local.nodes.processes.process import Sweeper
from tidegate.local.nodes.processes.service_links import API_NAME, API_NAMESPACE
from tidegate.local.nodes.processes.volumes import Claimed
from tidegate.local.nodes.runtimes.choice import Runtimes
from tidegate.local.objects import VOLUME_DRIVER, Objects
from tidegate.runtime.clock import Clock

NODE = "local"
SOURCE = "kubelet"
LAUNCHES = 2 * (os.cpu_count() or 1)


@dataclass(slots=True)
class NodeContext:
    """`view` is what containers see of the machine; of `hidden` they see nothing; `python` is theirs.

    `services` are all Services by (namespace, name), kept current by the node.
    """

    objects: Objects
    clock: Clock
    folder: Path
    node_id: str
    images: ImageMap
    inherited: Mapping[str, str]
    services: Mapping[tuple[str, str], Named]
    sweeper: Sweeper
    runtimes: Runtimes
    network: PodNetwork
    addresses: Addresses
    hidden: tuple[Path, ...] = ()
    view: View = field(default_factory=View)
    # How pods talk to the API as themselves; None where nothing gives them tokens.
    access: ApiAccess | None = None
    python: Python = field(default_factory=Python)
    # Control groups for limits of memory; None where limits are watched.
    groups: Groups | None = None
    # What of a Pod the API server stores and nobody honours, as sentences.
    unhonoured: Callable[[dict[str, Any]], Sequence[str]] = lambda pod: ()
    # Images about which it was told that what runs for them is another version.
    told: set[str] = field(default_factory=set)
    versions: Versions = field(default_factory=Versions)
    # Launchers at work; more at once would only take the processors from those that run.
    launches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LAUNCHES))
    # Held by the pod that rewrites its mounted files: all at once would hold up the loop.
    refills: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def refused(self) -> str:
        """Why private mounts are not possible here, "" when they are."""
        return (self.view.why or "refused") if self.view.kind == "none" else ""

    @property
    def pods(self) -> Path:
        return self.folder / "pods"

    @property
    def claims(self) -> Path:
        return self.folder / "volumes"

    def pod_folder(self, uid: str) -> Path:
        return self.pods / uid

    def refers(self, namespace: str) -> Refers:
        return Refers(
            find_config_map=lambda name: self.objects.get(CONFIG_MAPS, namespace, name),
            find_secret=lambda name: self.objects.get(SECRETS, namespace, name),
            cpu=Decimal(os.cpu_count() or 1),
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            find_services=lambda: self._services_seen_by(namespace),
        )

    def _services_seen_by(self, namespace: str) -> list[dict[str, Any]]:
        found = self.objects.list(SERVICES, namespace)
        api = None
        if namespace != API_NAMESPACE:
            api = self.objects.get(SERVICES, API_NAMESPACE, API_NAME)
        return found if api is None else [*found, api]

    def claimed(self, namespace: str) -> Callable[[str], Claimed | None]:
        """What the claims of a namespace come to: see `Volumes`."""

        def find(name: str) -> Claimed | None:
            claim: dict[str, Any] | None = self.objects.get(CLAIMS, namespace, name)
            if claim is None:
                return None
            bound = claim["spec"].get("volumeName")
            volume = self.objects.get(VOLUMES, "", bound) if bound else None
            if volume is None:
                return str(claim["metadata"]["uid"])
            driver = volume["spec"].get("csi") or {}
            return str(driver["volumeHandle"]) if driver.get("driver") == VOLUME_DRIVER else volume["spec"]

        return find
