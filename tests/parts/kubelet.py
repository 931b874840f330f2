"""Local mode's node as the kubelet of a cluster without nodes: a real API server judges what it says.

A process of its own, which serves one namespace, or all: it registers the node `local`, binds their Pods to
it, and runs them in networks of their own (an API server takes no addresses of loopback in Endpoints).

    kubelet = Kubelet(kubeconfig, "some-namespace", tmp_path / "kubelet")
    kubelet.start()
    kubelet.kubectl("rollout", "status", "deployment/web", "-n", "some-namespace")
    kubelet.end()
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from parts.cluster_objects import ClusterObjects
from parts.loopback import missing
from parts.up import Up
from tidegate.base.times import format_time
from tidegate.kube import config
from tidegate.kube.client import Client
from tidegate.kube.resource import (
    CLAIMS,
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    LEASES,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    VOLUMES,
    ApiError,
    Resource,
)
from tidegate.local.nodes.context import NODE
from tidegate.local.nodes.heartbeat import LEASES_HOME
from tidegate.local.nodes.images.program import ImageMap
from tidegate.local.nodes.network.own_networks import Unavailable, open_networks
from tidegate.local.nodes.network.pod_networks import PodNetwork
from tidegate.local.nodes.node import Node
from tidegate.local.nodes.processes.machine_view import Host
from tidegate.local.objects import Change, Object
from tidegate.runtime.clock import SystemClock

NAMESPACED = (PODS, SERVICES, ENDPOINT_SLICES, CONFIG_MAPS, SECRETS, CLAIMS, SERVICE_ACCOUNTS)
SCHEDULER = "default-scheduler"
END_S, TOKEN_S = 30.0, 10.0
READY, NO_NETWORK = "ready", "no network: "


def kinds(namespace: str) -> dict[Resource, str]:
    """What the node reads, narrowed to a namespace."""
    return {**dict.fromkeys(NAMESPACED, namespace), NODES: "", VOLUMES: "", LEASES: LEASES_HOME}


@dataclass(frozen=True, slots=True)
class TokenRequests:
    """Tokens of the cluster's own, as a kubelet asks for them."""

    settings: config.Config
    context: ssl.SSLContext
    network: PodNetwork

    @property
    def address(self) -> tuple[str, int]:
        return self.network.host, urlsplit(self.settings.server).port or 443

    def token(self, pod: Object, audience: str, life_s: int) -> str:
        meta = pod["metadata"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        spec: Object = {"expirationSeconds": life_s, "boundObjectRef": bound}
        if audience:
            spec["audiences"] = [audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        account = pod["spec"].get("serviceAccountName") or "default"
        path = SERVICE_ACCOUNTS.path(meta["namespace"], account, "token")
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.settings.token}"}
        request = urllib.request.Request(self.settings.server + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=TOKEN_S, context=self.context) as answer:
                return str(json.load(answer)["status"]["token"])
        except urllib.error.HTTPError as error:
            status = json.loads(error.read())
            raise ApiError(error.code, status["reason"], status["message"]) from error


class Scheduler:
    """Binds what waits in the namespace to the node."""

    def __init__(self, client: Client, objects: ClusterObjects) -> None:
        self._client = client
        self._objects = objects
        self._bound: set[str] = set()
        self._due: asyncio.Queue[Object] = asyncio.Queue()

    async def run(self) -> None:
        self._objects.subscribe([PODS], self._on_change)
        for pod in self._objects.list(PODS):
            self._look(pod)
        while True:
            pod = await self._due.get()
            meta = pod["metadata"]
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            body = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": meta["name"]},
                "target": target,
            }
            path = PODS.path(meta["namespace"], meta["name"], "binding")
            with suppress(ApiError):  # gone meanwhile
                await self._client.request("POST", path, body=body)
                told = f"Successfully assigned {meta['namespace']}/{meta['name']} to {NODE}"
                await self._objects.event(pod, "Normal", "Scheduled", told, SCHEDULER)

    def _on_change(self, change: Change) -> None:
        if change.type != "DELETED":
            self._look(change.object)

    def _look(self, pod: Object) -> None:
        meta, spec = pod["metadata"], pod["spec"]
        is_held = spec.get("nodeName") or spec.get("schedulingGates") or meta.get("deletionTimestamp")
        if not is_held and meta["uid"] not in self._bound:
            self._bound.add(meta["uid"])
            self._due.put_nowait(pod)


async def register(client: Client) -> None:
    """The node as a kubelet registers it; the taint of a node that is not ready yet is taken off."""
    moment = format_time(client.clock.now())
    capacity = {"cpu": str(os.cpu_count() or 1), "memory": "4Gi", "pods": "110"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the node runs pods"}
    status = {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [{**ready, "lastHeartbeatTime": moment, "lastTransitionTime": moment}],
        "addresses": [{"type": "Hostname", "address": NODE}],
    }
    with suppress(ApiError):  # left by one that was killed
        await client.delete(NODES, "", NODE)
    await client.create(NODES, "", {"metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}})
    await client.patch(NODES, "", NODE, {"spec": {"taints": None}})
    await client.patch(NODES, "", NODE, {"status": status}, subresource="status")


async def serve(kubeconfig: Path, namespace: str, folder: Path, table: Path | None = None) -> None:
    """Runs pods until SIGTERM; then no process of theirs is left, nor the node."""
    try:
        network = await asyncio.to_thread(open_networks, folder)
    except Unavailable as error:
        print(NO_NETWORK + str(error), flush=True)
        return
    clock, settings = SystemClock(), config.load(kubeconfig)
    client = Client(settings, clock=clock)
    objects = ClusterObjects(client, kinds(namespace))
    images = ImageMap(table) if table is not None else None
    node = Node(objects, folder, clock, images, host=Host(hidden=(folder,)), network=network)
    context = ssl.create_default_context(cadata=settings.authority.decode())
    node.let_in(TokenRequests(settings, context, network))
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await register(client)
    works = [asyncio.create_task(objects.run())]
    await objects.synced()
    works += [asyncio.create_task(work) for work in (node.run(), Scheduler(client, objects).run())]
    print(READY, network.host, flush=True)
    ended = asyncio.create_task(stopped.wait())
    await asyncio.wait([ended, *works], return_when=asyncio.FIRST_COMPLETED)
    for work in works:
        if work.done():
            work.result()
    await node.stop(kill_pods=True)
    for work in works:
        work.cancel()
    await asyncio.gather(*works, return_exceptions=True)
    with suppress(ApiError):
        await client.delete(NODES, "", NODE)
    await client.close()


class Kubelet(Up):
    """The process, its namespace, and kubectl against the cluster. The kubeconfig's user has a token.

    `images` is a table of what images stand for, before the node's own; `is_alone` on its cluster it runs the
    pods of all namespaces.
    """

    def __init__(
        self,
        kubeconfig: Path,
        namespace: str,
        folder: Path,
        images: Path | None = None,
        *,
        is_alone: bool = False,
    ) -> None:
        super().__init__(folder)
        self._images = images
        self._served = "" if is_alone else namespace
        self._kubeconfig = kubeconfig
        self.namespace = namespace

    @property
    def kubeconfig(self) -> Path:
        return self._kubeconfig

    def start(self) -> None:
        """Returns when it serves; the namespace is there."""
        self.folder.mkdir(mode=0o700)
        self.kubectl("create", "namespace", self.namespace)
        words = [str(self.kubeconfig), self._served, str(self.folder / "node")]
        words += [str(self._images)] if self._images is not None else []
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "parts.kubelet", *words],
                stdout=out,
                stderr=out,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            )
        self.until("the kubelet serves", lambda: _says(self.output, READY, NO_NETWORK))
        if NO_NETWORK in self.output.read_text():
            missing(f"pods get no networks of their own here: {self.tail()}")

    @property
    def host(self) -> str:
        """What pods call this machine's loopback."""
        (line,) = (line for line in self.output.read_text().splitlines() if line.startswith(READY))
        return line.removeprefix(READY).strip()

    def log(self, uid: str) -> str:
        """What the containers of a pod wrote."""
        files = sorted((self.folder / "node" / "pods" / uid).rglob("log"))
        return "\n".join(f"{file.parent.name}: {file.read_text()}" for file in files)

    def end(self) -> None:
        """Deletes the namespace, which takes a kubelet, and stops."""
        try:
            self.kubectl("delete", "namespace", self.namespace, "--timeout", f"{END_S:g}s")
        finally:
            self.stop()
        left = self.processes()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert left == {}, "processes outlived their pods"


def _says(file: Path, *words: str) -> bool:
    said = file.read_text()
    return any(word in said for word in words)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2], *map(Path, sys.argv[3:])))
