"""The local cluster and the autoscaler, joined: control plane, controllers, node, HTTP, operator.

The operator talks HTTP to the local API as it would to any cluster; only addresses of Services and
the HPA's questions pass between the two in process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tidegate.auth.files import ParameterFiles
from tidegate.auth.lending import EVERYONE
from tidegate.auth.resolve import Options
from tidegate.base.errors import Failure
from tidegate.base.quantity import metric_quantity
from tidegate.base.selectors import parse_selector
from tidegate.base.times import format_time
from tidegate.cli.cluster.identities import with_identities
from tidegate.cli.cluster.vault_defaults import vault_defaults
from tidegate.cli.manifests.admission import admit
from tidegate.cli.manifests.workload_owners import Neighbours
from tidegate.cli.wiring.dashboard.local import local_dashboard
from tidegate.cli.wiring.local import part_logs, parts
from tidegate.cli.wiring.local.foretold import Foretold
from tidegate.cli.wiring.local.pod_network import (
    Kind,
    api_endpoint,
    open_network,
    serve_pods,
    service_network,
)
from tidegate.cli.wiring.local.resource_metrics import ResourceMetrics
from tidegate.cli.wiring.metrics_page import METRICS, as_page, metrics_page
from tidegate.cli.wiring.probe_site import plain_site
from tidegate.connections.adapter import Surroundings
from tidegate.kube import config
from tidegate.kube.client import Client
from tidegate.kube.resource import ApiError, Resource
from tidegate.local.apiserver.authentication.pod_access import PodAccess
from tidegate.local.apiserver.control_plane import Plane, open_plane
from tidegate.local.apiserver.http.server import Listen, Server
from tidegate.local.apiserver.storage.directory_lock import Hold
from tidegate.local.apiserver.writing.admission import Admission
from tidegate.local.controllers.cluster.account_secrets import AccountSecrets
from tidegate.local.controllers.cluster.root_authority import RootAuthority
from tidegate.local.controllers.controller import Controller
from tidegate.local.controllers.hpa.metric_samples import Usage
from tidegate.local.controllers.run import run_controllers
from tidegate.local.controllers.services.api_service import PORT as API_PORT
from tidegate.local.controllers.services.api_service import ApiService, api_address
from tidegate.local.nodes.images.program import ADDED, ImageMap
from tidegate.local.nodes.network.pod_networks import PodNetwork
from tidegate.local.nodes.node import Node
from tidegate.local.nodes.processes.machine_view import Host, own_places
from tidegate.operator.explain.asked import asked
from tidegate.operator.operator import Operator, Stance
from tidegate.operator.scaledjob.claims.claiming import EVERYWHERE
from tidegate.runtime.clock import Clock, SystemClock
from tidegate.runtime.proxies import environment_proxy
from tidegate.runtime.settings import Listen as PlainListen

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Settings:
    """What `tidegate up` was told. `hpa_interval_s` is the HPA controller's period, `files` the folder of
    parameter files. `metrics_port` is where `/metrics` is served without TLS or token, too, `dashboard_port`
    where the dashboard is (None: nowhere). `shows_parts`: the namespace `keda` shows the parts of
    this program, with logs in `log_format`. `budgets` are calls a minute by system;
    `runtime` is what runs containers.
    """

    data_dir: Path
    port: int = 7443
    is_durable: bool = False
    leaves_pods: bool = False
    hpa_interval_s: float = 15.0
    images: Path | None = None
    files: Path | None = None
    pod_network: Kind = "shared"
    metrics_port: int | None = None
    has_old_metric_names: bool = False
    dashboard_port: int | None = None
    shows_parts: bool = True
    log_format: str = "text"
    budgets: Mapping[str, float] = field(default_factory=dict)
    runtime: str = "process"


@dataclass(slots=True)
class Local:
    """A running local cluster with its autoscaler. `dashboard` is the link to it, "" where there is none."""

    settings: Settings
    plane: Plane
    node: Node
    server: Server
    operator: Operator
    kubeconfig: Path
    tasks: Sequence[asyncio.Task[None]]
    dashboard: str = ""


@asynccontextmanager
async def started(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Local]:
    """A local cluster that serves; everything ends, in order, when the block is left."""
    clock = clock or SystemClock()
    neighbours, foretold = Neighbours(), Foretold()
    network, plane = await _opened(settings, clock, [partial(admit, neighbours=neighbours), foretold])
    stack = AsyncExitStack()
    try:
        logs = stack.enter_context(part_logs.recorded(clock, settings.log_format))
        await _show_parts(plane, settings)
        neighbours.follow(plane.objects)
        node = _node(plane, settings, clock, network)
        foretold.join(node, plane.objects)
        node.show(logs if settings.shows_parts else {})
        metrics = Metrics()
        server = Server(
            plane,
            node.streams,
            settings.data_dir,
            clock,
            Listen(settings.port, names=(await api_address(plane.objects, API_PORT),)),
            metrics.as_list,
        )
        kubeconfig = await server.start()
        node.let_in(PodAccess(plane.objects, plane.tokens, server.url))
        client = Client(config.load(kubeconfig), clock=clock)
        plain = Surroundings(resolve=node.resolve, proxy_of=environment_proxy(os.environ))
        operator = Operator(
            client,
            clock,
            await stack.enter_async_context(with_identities(plain, os.environ, client)),
            _options(settings),
            stance=Stance(settings.data_dir / "history", claims=EVERYWHERE, budgets=settings.budgets),
        )
        metrics.operator, metrics.node = operator, node
        server.serve_resource_metrics(ResourceMetrics(node).answer)
        server.serve("explain", partial(explain, operator))
        server.serve("names", partial(names, node))
        metrics_of = metrics_page(operator.figures(has_old_names=settings.has_old_metric_names))
        server.serve_page(METRICS, metrics_of)
        works: dict[str, Coroutine[Any, Any, None]] = {
            "upkeep": plane.run(),
            "api for pods": serve_pods(network, server.listen_also),
            "node": node.run(),
            "controllers": _controllers(plane, api_endpoint(network, server.url), clock, metrics, settings),
            "operator": operator.run(),
        }
        tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
        try:
            listen = PlainListen(LOOPBACK, settings.metrics_port)
            pages = plain_site(listen, {METRICS: partial(as_page, metrics_of)})
            async with pages, local_dashboard(operator, settings.data_dir, settings.dashboard_port) as link:
                yield Local(settings, plane, node, server, operator, kubeconfig, tasks, link)
        finally:
            await _end(tasks, node, server, client, kill_pods=not settings.leaves_pods)
    finally:
        await stack.aclose()
        await network.close(ends_pods=False)
        await plane.close()


def _options(settings: Settings) -> Options:
    files = ParameterFiles(settings.files) if settings.files is not None else None
    return Options(
        cluster_namespace="default",
        files=files,
        lends_identity=(EVERYONE,),
        vault=vault_defaults(os.environ),
    )


async def _opened(
    settings: Settings, clock: Clock, admissions: Sequence[Admission]
) -> tuple[PodNetwork, Plane]:
    """The network comes first: it says which addresses Services have."""
    hold = Hold(settings.data_dir)
    try:
        network = await open_network(settings.pod_network, settings.data_dir / "node")
    except BaseException:
        hold.release()
        raise
    try:
        plane = await open_plane(
            settings.data_dir,
            clock,
            is_durable=settings.is_durable,
            admissions=_refusing(settings, admissions),
            hold=hold,
            services=service_network(network),
        )
    except BaseException:
        await network.close(ends_pods=False)
        raise
    return network, plane


def _refusing(settings: Settings, admissions: Sequence[Admission]) -> list[Admission]:
    """These, and who keeps the parts of this program from being scaled; what is refused stands in a log."""
    judged = [part_logs.refusals_told(one) for one in admissions]
    return [*judged, parts.refusal] if settings.shows_parts else judged


def _node(plane: Plane, settings: Settings, clock: Clock, network: PodNetwork) -> Node:
    folder = settings.data_dir / "node"
    images = ImageMap(settings.images, folder / ADDED) if settings.images else None
    hidden = own_places(settings.data_dir, [Path.cwd(), Path.home(), Path(sys.prefix)])
    host = Host(hidden=hidden, runtime=settings.runtime)
    return Node(plane.objects, folder, clock, images, host, network)


async def _controllers(
    plane: Plane, endpoint: tuple[str, int], clock: Clock, metrics: Metrics, settings: Settings
) -> None:
    api = ApiService(plane.objects, *endpoint)
    async with asyncio.TaskGroup() as group:
        group.create_task(Controller(api, plane.objects, clock).run())
        trust = RootAuthority(plane.objects, plane.authority)
        group.create_task(Controller(trust, plane.objects, clock).run())
        secrets = AccountSecrets(plane.objects, plane.tokens.of_secret, plane.authority)
        group.create_task(Controller(secrets, plane.objects, clock).run())
        group.create_task(
            run_controllers(
                plane.objects,
                clock,
                lambda: stored_kinds(plane),
                metrics.values,
                metrics.usage,
                hpa_interval_s=settings.hpa_interval_s,
            )
        )


def stored_kinds(plane: Plane) -> list[Resource]:
    """Every served kind once, in the version its objects are stored in."""
    return [
        kind.resource
        for kind in plane.kinds.all()
        if kind.storage_version in ("", kind.resource.version) and "list" in kind.verbs
    ]


async def _end(
    tasks: Sequence[asyncio.Task[None]], node: Node, server: Server, client: Client, *, kill_pods: bool
) -> None:
    """First nobody decides any more, then pods end, then the API goes."""
    by_name = {task.get_name(): task for task in tasks}
    for name in ("operator", "controllers"):
        by_name[name].cancel()
    await asyncio.gather(by_name["operator"], by_name["controllers"], return_exceptions=True)
    await node.stop(kill_pods=kill_pods)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()
    await server.stop()


async def _show_parts(plane: Plane, settings: Settings) -> None:
    """KEDA's kinds exist from the start, in the shape of this version, and the parts of this program."""
    await plane.keep([*parts.definitions(), *(parts.shown() if settings.shows_parts else ())])
    if settings.shows_parts:
        part_logs.tell_events(plane.objects)
        part_logs.introduce()
    else:
        await parts.remove(plane.objects)


async def explain(operator: Operator, path: tuple[str, ...]) -> dict[str, Any]:
    """`/explain/<plural>/<namespace>/<name>`."""
    return await operator.explain(*asked(path))


async def names(node: Node, path: tuple[str, ...]) -> dict[str, Any]:
    """`/names`: how other programs of this machine reach Services."""
    if path:
        raise ApiError(404, "NotFound", "names takes nothing more")
    return node.names()


class Metrics:
    """The HPA's questions on their way to the operator and the node."""

    def __init__(self) -> None:
        self.operator: Operator | None = None
        self.node: Node | None = None

    async def values(
        self, namespace: str, name: str, labels: Mapping[str, str]
    ) -> tuple[float, ...] | Failure:
        """For the HPA controller."""
        if self.operator is None:
            return Failure("Unreachable", "the autoscaler is starting")
        return await self.operator.external_metric(namespace, name, labels)

    async def usage(
        self, namespace: str, selector: str, resource: str, container: str
    ) -> tuple[Usage, ...] | Failure:
        """cpu (cores) and memory (bytes) of pods, as the node measures their processes."""
        if self.node is None:
            return Failure("Unreachable", "the node is starting")
        if resource not in ("cpu", "memory"):
            return Failure("Unsupported", f"cannot measure {resource} of pods: only cpu and memory are")
        used = await self.node.usage(namespace, selector, resource, container)
        if isinstance(used, Failure):
            return used
        return tuple(Usage(pod, amount) for pod, amount in used.items())

    async def as_list(self, namespace: str, name: str, selector: str) -> dict[str, Any]:
        """For `kubectl get --raw /apis/external.metrics.k8s.io/…`: an ExternalMetricValueList."""
        labels = dict(part.split("=", 1) for part in selector.split(",") if "=" in part)
        parse_selector(selector)
        answer = await self.values(namespace, name, labels)
        if isinstance(answer, Failure):
            raise ApiError(500, "InternalError", answer.message)
        assert self.operator is not None
        moment = format_time(self.operator.clock.now())
        items = [
            {
                "metricName": name,
                "metricLabels": None,
                "timestamp": moment,
                "value": metric_quantity(value),
            }
            for value in answer
        ]
        return {
            "kind": "ExternalMetricValueList",
            "apiVersion": "external.metrics.k8s.io/v1beta1",
            "metadata": {},
            "items": items,
        }
