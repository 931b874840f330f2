"""`tidegate operator`: the operator against the cluster it runs in, with its probes, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from tidegate.auth.files import ParameterFiles
from tidegate.auth.resolve import Options
from tidegate.base.errors import TidegateError
from tidegate.cli.cluster.identities import with_identities
from tidegate.cli.cluster.vault_defaults import vault_defaults
from tidegate.cli.wiring.dashboard.of_operator import operator_dashboard
from tidegate.cli.wiring.installation.authorities import authorities
from tidegate.cli.wiring.installation.budgets import budgets_of
from tidegate.cli.wiring.installation.client_libraries import missing_libraries
from tidegate.cli.wiring.installation.extensions import bring_extensions
from tidegate.cli.wiring.leader_port import LeaderPort
from tidegate.cli.wiring.operator_metrics import telling
from tidegate.cli.wiring.operator_settings import KEDA_LEASE, OperatorSettings
from tidegate.cli.wiring.probe_site import Answer, Page, plain_site
from tidegate.cli.wiring.program_run import until_stopped
from tidegate.cli.wiring.shadow.site import shadow_site
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.tls_policy import USUAL, TlsPolicy
from tidegate.kube import config
from tidegate.kube.client import Client
from tidegate.kube.discovery import LEAST_MINOR, server_version
from tidegate.kube.lease import Lease, LeaseTimes
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    CONFIG_MAPS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
    ApiError,
    Resource,
)
from tidegate.kube.transport import always
from tidegate.operator.certificates.rotation import Rotation
from tidegate.operator.cluster.informers import Reach
from tidegate.operator.operator import Operator, Stance
from tidegate.operator.scaledjob.claims.claiming import MayClaim
from tidegate.runtime.clock import SystemClock
from tidegate.runtime.proxies import environment_proxy

log = logging.getLogger(__name__)

# Of a database's query: counting takes long.
QUERIES = 3
SHADOW_LEASE = "shadow.tidegate.dev"


async def serve(settings: OperatorSettings) -> None:
    """Works until SIGTERM or SIGINT, or until a part that must not end has ended: its error is raised."""
    bring_extensions(settings)
    lacking = missing_libraries()
    if lacking:
        packages = ", ".join(one for found in lacking.values() for one in found)
        install = f"pip install 'tidegate[{','.join(lacking)}]'"
        log.warning("client libraries are missing", extra={"packages": packages, "install": install})
    await until_stopped("operator", running(settings, os.environ))


@asynccontextmanager
async def running(
    settings: OperatorSettings, environment: Mapping[str, str]
) -> AsyncIterator[asyncio.Task[None]]:
    """The operator's work, as a task that ends by an error alone."""
    clock = SystemClock()
    cluster = config.load(settings.kubeconfig or None, environ=environment)
    async with AsyncExitStack() as stack:
        lease = None
        unguarded = Client(cluster, clock=clock)
        stack.push_async_callback(unguarded.close)
        if settings.is_leader_elected:
            lease = Lease(
                unguarded, (settings.own_namespace, lease_name(settings)), identity(), times(settings)
            )
        client = Client(cluster, clock=clock, may_write=lease.check if lease is not None else always)
        stack.push_async_callback(client.close)
        operator = Operator(
            client,
            clock,
            await stack.enter_async_context(
                with_identities(surroundings(settings, environment), environment, client)
            ),
            replace(options(settings), vault=vault_defaults(environment)),
            stance=Stance(
                is_shadow=settings.is_shadow,
                reach=reach(settings),
                cluster_name=settings.cluster_name,
                claims=MayClaim(frozenset(settings.claim_namespaces)),
                budgets=budgets_of(settings.budgets),
            ),
        )
        await stack.enter_async_context(telling(operator, settings, lease, environment))
        pages = probe_pages(operator, lease)
        await stack.enter_async_context(plain_site(settings.probe_address, pages))
        if operator.shadow is not None:
            await stack.enter_async_context(shadow_site(settings.shadow_address, operator, operator.shadow))
        await stack.enter_async_context(operator_dashboard(settings, operator, partial(unseen, lease)))
        port = LeaderPort(settings, unguarded, clock, partial(standby, lease))
        # In shadow mode the certificates are those of the KEDA beside us.
        rotation = None if settings.is_shadow else port.rotation(client)
        work = asyncio.create_task(_work(operator, port, lease, rotation), name="operator")
        try:
            yield work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            if lease is not None:
                # Nothing acts any more: the next one need not wait.
                await lease.release()


async def _work(operator: Operator, port: LeaderPort, lease: Lease | None, rotation: Rotation | None) -> None:
    """Follows the cluster at once, and acts as the leader alone: who takes over knows it already."""
    leads = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(port.run())
        tasks.create_task(tell_version(operator.informers.client))
        if lease is None:
            port.lead(operator)
            if rotation is not None:
                tasks.create_task(rotation.run())
            await operator.run()
            return
        tasks.create_task(operator.run(leads.wait))
        await lease.acquire()
        log.info("leads", extra={"lease": f"{lease.namespace}/{lease.name}", "identity": lease.identity})
        leads.set()
        port.lead(operator)
        if rotation is not None:
            tasks.create_task(rotation.run())
        await lease.keep()


async def tell_version(client: Client) -> None:
    """Says once which Kubernetes this is, and what one that is too old cannot do; waits for nobody."""
    try:
        version = await server_version(client)
    except (ApiError, TidegateError, ValueError):
        log.debug("the API server's version is not known", exc_info=True)
        return
    log.info("connected", extra={"kubernetes": version.text})
    if version.is_too_old:
        needed = f"v1.{LEAST_MINOR}"
        answer = "it has no autoscaling/v2: ScaledObjects get no HPA, ScaledJobs work"
        log.warning(
            "Kubernetes is too old", extra={"kubernetes": version.text, "needed": needed, "failure": answer}
        )


def standby(lease: Lease | None) -> str:
    """What this replica says while it does not lead."""
    if lease is None:
        return "this operator is starting"
    leader = lease.holder or "nobody yet"
    return f"this replica stands by, and {leader} leads: connect again"


def unseen(lease: Lease | None) -> str:
    """Why this replica has nothing to show, "" where it leads: only the leader knows."""
    if lease is None or lease.is_held:
        return ""
    leader = lease.holder.partition("_")[0] or "nobody yet"
    return f"this replica stands by, and {leader} leads: forward the port of that pod"


def identity() -> str:
    """As client-go makes it: the pod's name, and something that no restart has again."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


def times(settings: OperatorSettings) -> LeaseTimes:
    return LeaseTimes(settings.lease_duration_s, settings.lease_deadline_s, settings.lease_retry_s)


def surroundings(settings: OperatorSettings, environment: Mapping[str, str]) -> Surroundings:
    """What triggers may ask, and how."""
    ciphers, texts = ":".join(settings.http_tls_ciphers), authorities(settings.authorities)
    return Surroundings(
        timeout_s=settings.timeout_s,
        queries_s=QUERIES * settings.timeout_s,
        policy=AddressPolicy.on_a_cluster(settings.allowed_addresses),
        proxy_of=environment_proxy(environment),
        tls=TlsPolicy(settings.http_tls_version or USUAL.least, ciphers, texts),
        keeps_alive=not settings.has_no_keep_alive,
    )


def options(settings: OperatorSettings) -> Options:
    """What resolving parameters depends on."""
    return Options(
        cluster_namespace=settings.cluster_namespace,
        is_secret_access_restricted=settings.is_secret_access_restricted,
        files=ParameterFiles(Path(settings.parameter_files)) if settings.parameter_files else None,
        lends_identity=settings.lends_identity,
        token_life_s=int(settings.token_life_s),
    )


def reach(settings: OperatorSettings) -> Reach:
    """Which objects are followed; what ClusterTriggerAuthentications refer to has a namespace of its own."""
    places: dict[Resource, tuple[str, ...]] = {}
    if settings.namespaces:
        both = tuple(dict.fromkeys((*settings.namespaces, settings.cluster_namespace)))
        places = {SECRETS: both, CONFIG_MAPS: both}
    if settings.is_secret_access_restricted:
        places[SECRETS] = (settings.cluster_namespace,)
    labels = {
        **dict.fromkeys((SCALED_OBJECTS, SCALED_JOBS), settings.object_labels),
        **dict.fromkeys(
            (TRIGGER_AUTHENTICATIONS, CLUSTER_TRIGGER_AUTHENTICATIONS), settings.authentication_labels
        ),
    }
    return Reach(settings.namespaces, labels, places)


def lease_name(settings: OperatorSettings) -> str:
    """The Lease to hold. Beside KEDA it is never KEDA's, also where its flags were copied."""
    return SHADOW_LEASE if settings.is_shadow and settings.lease_name == KEDA_LEASE else settings.lease_name


def probe_pages(operator: Operator, lease: Lease | None) -> Mapping[str, Answer]:
    """Alive: the loop turns. Ready: what is there was listed, and the lease is ours or known to be another's:
    a replica that waits is ready, or no rollout could ever end.
    """

    def ready(headers: Mapping[str, str]) -> Page:
        lacks = list(operator.lacks())
        if lease is not None and (lease.complaint or not lease.is_heard):
            why = lease.complaint or "it was not read yet"
            lacks.append(f"the lease {lease.namespace}/{lease.name}: {why}")
        return Page("\n".join(lacks).encode(), 503) if lacks else Page(b"ok")

    return {"/healthz": lambda headers: Page(b"ok"), "/readyz": ready}
