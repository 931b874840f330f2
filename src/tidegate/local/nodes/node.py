"""The node: Pods bound to it become processes, Services get listeners, and both survive the server."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidegate.base.errors import Failure
from tidegate.kube.resource import (
    CLAIMS,
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    PODS,
    SECRETS,
    SERVICES,
    VOLUMES,
    ApiError,
)
from tidegate.local.api_access import ApiAccess
from tidegate.local.nodes.built_in import BuiltInPods
from tidegate.local.nodes.container_logs import LogClock
from tidegate.local.nodes.context import NODE, SOURCE, NodeContext
from tidegate.local.nodes.foresight import Machine
from tidegate.local.nodes.heartbeat import Heartbeat
from tidegate.local.nodes.images.machine_python import cache_of, find_python
from tidegate.local.nodes.images.program import ImageMap
from tidegate.local.nodes.network import host_names, names
from tidegate.local.nodes.network.names import Named
from tidegate.local.nodes.network.pod_addresses import Addresses
from tidegate.local.nodes.network.pod_networks import PodNetwork, SharedNetwork
from tidegate.local.nodes.network.service_proxies import Proxies
from tidegate.local.nodes.places import network_report
from tidegate.local.nodes.pod_streams import Streams
from tidegate.local.nodes.pod_usage import MemoryWatch, Meter, Uses
from tidegate.local.nodes.pods.pod_worker import PodTask
from tidegate.local.nodes.pods.status_reports import FINISHED
from tidegate.local.nodes.processes.machine_view import Host, condition, told
from tidegate.local.nodes.processes.process import (
    ROLE_VARIABLE,
    UID_VARIABLE,
    Sweeper,
    node_identity,
    sweep,
)
from tidegate.local.nodes.processes.volumes import remove
from tidegate.local.nodes.runtimes.choice import Runtimes
from tidegate.local.objects import VOLUME_DRIVER, Change, Objects
from tidegate.local.streams import PodStreams
from tidegate.runtime.clock import Clock
from tidegate.telemetry.recent import RecentLines

log = logging.getLogger(__name__)

LEAVE_S = 8.0
RECONNECT_S, MOST_RECONNECT_S = 0.5, 30.0
WATCHED = (PODS, SERVICES, ENDPOINT_SLICES, CONFIG_MAPS, SECRETS, CLAIMS, VOLUMES)


class Node:
    """Runs the Pods whose nodeName is `local`, in `folder` (created, mode 0700).

    `images` defaults to the built-in table after `<folder>/images.yaml`; of the environment in `host` pods
    may see PATH, HOME, LANG and TMPDIR; `network` defaults to the machine's, which all pods share.
    """

    def __init__(
        self,
        objects: Objects,
        folder: Path,
        clock: Clock,
        images: ImageMap | None = None,
        host: Host | None = None,
        network: PodNetwork | None = None,
    ) -> None:
        folder, self._host = folder.resolve(), host or Host()
        for place in (folder, folder / "pods", folder / "volumes"):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        node_id = node_identity(folder)
        network = network or SharedNetwork()
        self._services: dict[tuple[str, str], Named] = {}
        self._context = NodeContext(
            objects=objects,
            clock=clock,
            folder=folder,
            node_id=node_id,
            images=images or ImageMap(folder / "images.yaml"),
            inherited=self._host.environment,
            services=self._services,
            sweeper=(sweeper := Sweeper(node_id)),
            runtimes=Runtimes(sweeper, clock, folder, node_id, self._host.environment, self._host.runtime),
            network=network,
            addresses=Addresses(network.pods),
            hidden=(folder, *(place.resolve() for place in self._host.hidden)),
        )
        self._objects = objects
        self._pods: dict[str, PodTask] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._doomed: dict[str, tuple[str, str]] = {}
        self._cut_off: set[str] = set()
        self._reconnecting: asyncio.Task[None] | None = None
        self._is_open = self._is_stopping = self._has_looked = False
        # A network that is being made is not left half-made behind by who stops meanwhile.
        self._network_turn = asyncio.Lock()
        self._proxies = Proxies(self._services, self._on_names, self._tell_service, network)
        self._log_clock = LogClock(self._context.clock)
        self._meter = Meter(objects, self._pods, clock)
        self._built_in = BuiltInPods(objects, clock)
        self._streams = Streams(objects, self._pods, self._context, self._built_in)

    @property
    def streams(self) -> PodStreams:
        return self._streams

    def let_in(self, access: ApiAccess) -> None:
        """Gives pods that start from now on an identity at the API."""
        self._context.access = access

    def tell_of(self, unhonoured: Callable[[dict[str, Any]], Sequence[str]]) -> None:
        """Says from now on in an event of each pod what of it the API server stores and nobody honours."""
        self._context.unhonoured = unhonoured

    @property
    def machine(self) -> Machine | None:
        """What there is for pods that come; None until that was found out."""
        if not self._has_looked:
            return None
        context = self._context
        path = context.python.path(context.inherited.get("PATH", os.defpath))
        has_copies = context.view.kind in ("whole", "places")
        is_shared = context.network.ranges is None
        return Machine(
            context.images,
            path=path,
            refused=context.refused,
            is_shared=is_shared,
            has_copies=has_copies,
            runtime=context.runtimes.default,
            engine_path=context.inherited.get("PATH", os.defpath),
        )

    def show(self, logs: Mapping[str, RecentLines]) -> None:
        """Pods that show parts of this program have these logs; nothing of them is started."""
        self._built_in.logs = logs

    async def engine_problem(self) -> str:
        """Why the engine that pods run in cannot be used, in its own words; "" for nothing, and for none."""
        engine = self._context.runtimes.engine
        return "" if engine is None else await engine.engine.problem()

    @property
    def lacks(self) -> str:
        """What pods have less of than on a cluster because this machine does not allow it; "" for nothing."""
        return network_report.told(self._context.network)

    def resolve(self, host: str, namespace: str = "default") -> str:
        """The address of a Service named as pods name it; any other host as it is."""
        return host_names.from_machine(host, namespace, self._services, self._context.network.from_machine)

    def names(self) -> dict[str, Any]:
        """What programs of this machine may call Services, as `names.from_json` reads it."""
        way_to = self._context.network.from_machine
        return names.to_object(names.for_machine(self._services.values(), way_to, host_names.LOOPBACK))

    async def usage(
        self, namespace: str, selector: str, resource: str, container: str = ""
    ) -> dict[str, float] | Failure:
        """`cpu` (cores) or `memory` (bytes) by pod name; see `Meter.usage`."""
        return await self._meter.usage(namespace, selector, resource, container)

    async def uses(self) -> Uses:
        """What pods and the machine use now."""
        return await self._meter.uses()

    @property
    def clock(self) -> Clock:
        return self._context.clock

    async def run(self) -> None:
        """Adopts what an earlier server left, then keeps pods and Services as the objects say."""
        self._objects.subscribe(WATCHED, self._on_change)
        environment = self._host.environment
        self._context.view, self._context.python = await asyncio.gather(
            asyncio.to_thread(self._host.view, self._context.folder),
            asyncio.to_thread(find_python, environment, cache_of(environment)),
        )
        self._has_looked = True
        if lacks := told(self._context.view):
            log.warning(lacks)
        self._context.groups = await asyncio.to_thread(self._host.groups, self._context.node_id)
        if self._context.groups is not None:
            self._context.groups.clear(self._is_group_known)
        for service in self._objects.list(SERVICES):
            self._proxies.on_service(service, False)
        for one in self._objects.list(ENDPOINT_SLICES):
            self._proxies.on_slice(one, False)
        for pod in self._objects.list(PODS):
            if pod["spec"].get("nodeName") == NODE and not _is_finished(pod):
                address = (pod.get("status") or {}).get("podIP", "")
                self._context.addresses.keep(pod["metadata"]["uid"], address)
        self._proxies.reconcile()
        self._cut_off = await self._connect()
        if self._is_stopping:
            return
        # From here on changes are followed: what came meanwhile is on this list.
        self._is_open = True
        mine = [pod for pod in self._objects.list(PODS) if pod["spec"].get("nodeName") == NODE]
        for pod in mine:
            self._follow(pod)
        await self._clear_orphans({pod["metadata"]["uid"] for pod in mine})
        network, runtimes = self._context.network, self._context.runtimes
        engines = runtimes.used()
        conditions = [condition(self._context.view), network_report.condition(network)]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._proxies.run())
            group.create_task(self._log_clock.run(self._pods))
            group.create_task(MemoryWatch(self._context, self._pods).run())
            for engine in engines:
                group.create_task(engine.look())
            group.create_task(Heartbeat(self._objects, self._context.clock, conditions, runtimes.told).run())

    def _is_group_known(self, name: str) -> bool:
        return self._context.pods.joinpath(*name.rsplit(".", 2)).exists()

    async def _connect(self) -> set[str]:
        """Goes on with the pods' networks; the uids of those whose network is gone."""
        addresses, pause_s = self._context.addresses.held(), RECONNECT_S
        while True:
            try:
                async with self._network_turn:
                    if self._is_stopping:
                        return set()
                    found = await self._context.network.adopt(addresses, self._on_network_lost)
                return addresses.keys() - found
            except OSError as error:
                log.error("the pods' network cannot be made; it is tried again", extra={"error": str(error)})
                await self._context.clock.sleep(pause_s)
                pause_s = min(MOST_RECONNECT_S, 2 * pause_s)

    def _on_network_lost(self) -> None:
        if self._is_open:
            self._reconnecting = asyncio.create_task(self._reconnect())

    async def _reconnect(self) -> None:
        """Pods whose network is gone start anew in another; the others did not notice."""
        log.warning("the pods' network has ended and is made again")
        cut_off = await self._connect()
        for uid, pod in self._pods.items():
            if uid in cut_off:
                pod.cut_off()
        self._proxies.publish_again()

    async def stop(self, kill_pods: bool = False) -> None:
        """Lets go of the pods, which live on; with `kill_pods` their processes end, the Pods stay.

        A later server starts what was killed anew, without counting it as a failure.
        """
        self._is_open, self._is_stopping = False, True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        if kill_pods:
            for pod in self._pods.values():
                pod.end_with_node()
            if self._running:
                await asyncio.wait(self._running.values(), timeout=LEAVE_S)
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if kill_pods:
            await asyncio.to_thread(sweep, self._context.node_id, lambda marks: ROLE_VARIABLE not in marks)
        async with self._network_turn:
            await self._context.network.close(ends_pods=kill_pods)
        if kill_pods:
            await asyncio.to_thread(sweep, self._context.node_id, lambda _: True)

    def _on_change(self, change: Change) -> None:
        metadata, is_gone = change.object["metadata"], change.type == "DELETED"
        if change.resource == SERVICES:
            self._proxies.on_service(change.object, is_gone)
            self._proxies.reconcile()
        elif change.resource == ENDPOINT_SLICES:
            self._proxies.on_slice(change.object, is_gone)
            self._proxies.reconcile()
        elif change.resource == PODS:
            if change.object["spec"].get("nodeName") == NODE and self._is_open:
                self._follow(change.object, is_gone)
        elif change.resource == VOLUMES:
            if is_gone:
                self._take_leave(change.object)
        else:
            for pod in self._pods.values():
                if pod.namespace == metadata["namespace"]:
                    pod.refresh(metadata["name"])

    def _follow(self, pod: Mapping[str, Any], is_gone: bool = False) -> None:
        metadata = pod["metadata"]
        uid = metadata["uid"]
        if self._built_in.lines_of(pod) is not None:
            if not is_gone:
                self._built_in.follow(pod)
        elif uid in self._pods:
            self._pods[uid].wake()
        elif is_gone and not self._context.pod_folder(uid).exists():
            return
        elif is_gone or metadata.get("deletionGracePeriodSeconds") or not _is_finished(pod):
            self._begin(PodTask(self._context, metadata["namespace"], metadata["name"], uid))

    def _begin(self, pod: PodTask) -> None:
        self._pods[pod.uid] = pod
        if pod.uid in self._cut_off:
            self._cut_off.discard(pod.uid)
            pod.cut_off()
        task = asyncio.create_task(pod.run(), name=f"pod {pod.namespace}/{pod.name}")
        self._running[pod.uid] = task

        def done(_: asyncio.Task[None]) -> None:
            self._pods.pop(pod.uid, None)
            self._running.pop(pod.uid, None)
            self._look_again(pod)
            self._remove_volumes()

        task.add_done_callback(done)

    def _look_again(self, pod: PodTask) -> None:
        """A change that came while the task was ending must not be lost."""
        if not self._is_open:
            return
        current = self._objects.get(PODS, pod.namespace, pod.name)
        if current is not None and current["metadata"]["uid"] == pod.uid:
            self._follow(current)
        elif not pod.is_cleared and self._context.pod_folder(pod.uid).exists():
            self._begin(PodTask(self._context, pod.namespace, pod.name, pod.uid))

    async def _clear_orphans(self, known: set[str]) -> None:
        """Directories and processes of Pods that are no more."""
        for uid in set(os.listdir(self._context.pods)) - known:
            self._begin(PodTask(self._context, "", "", uid))

        def is_orphan(marks: Mapping[str, str]) -> bool:
            # Asked of the disk as it is then: a pod that comes meanwhile has its directory first.
            return not self._context.pod_folder(marks.get(UID_VARIABLE, "")).exists()

        left = await asyncio.to_thread(sweep, self._context.node_id, is_orphan)
        if left:
            log.warning("processes of removed pods could not be ended", extra={"count": left})

    def _take_leave(self, volume: Mapping[str, Any]) -> None:
        """A volume that is gone takes its directory along, unless its policy says to keep it."""
        spec = volume["spec"]
        driver, ref = spec.get("csi") or {}, spec.get("claimRef") or {}
        if driver.get("driver") == VOLUME_DRIVER and spec.get("persistentVolumeReclaimPolicy") == "Delete":
            self._doomed[str(driver["volumeHandle"])] = (str(ref.get("namespace")), str(ref.get("name")))
            self._remove_volumes()

    def _remove_volumes(self) -> None:
        """Directories of deleted volumes, once no pod runs on them."""
        for uid, (namespace, name) in list(self._doomed.items()):
            pods = [pod for pod in self._objects.list(PODS, namespace) if not _is_finished(pod)]
            volumes = [volume for pod in pods for volume in pod["spec"].get("volumes") or []]
            claims = [volume.get("persistentVolumeClaim") or {} for volume in volumes]
            if all(claim.get("claimName") != name for claim in claims):
                del self._doomed[uid]
                asyncio.get_running_loop().run_in_executor(None, remove, self._context.claims / uid)

    def _on_names(self) -> None:
        for pod in self._pods.values():
            pod.write_hosts()

    async def _tell_service(self, service: Mapping[str, Any], message: str) -> None:
        with suppress(ApiError):
            await self._objects.event(dict(service), "Warning", "FailedToListen", message, SOURCE)


def _is_finished(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") in FINISHED
