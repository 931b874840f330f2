"""`tidegate operator`: the operator against the cluster it runs in, with its probes, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tidegate import __version__
from tidegate.auth.files import ParameterFiles
from tidegate.auth.resolve import Options
from tidegate.cli.wiring.operator_settings import OperatorSettings
from tidegate.cli.wiring.probe_site import Answer, Page, plain_site
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.kube import config
from tidegate.kube.client import Client
from tidegate.operator.operator import Operator
from tidegate.runtime.clock import SystemClock
from tidegate.runtime.loop import stop_signals
from tidegate.runtime.proxies import environment_proxy

log = logging.getLogger(__name__)


async def serve(settings: OperatorSettings, notices: Sequence[str]) -> None:
    """Works until SIGTERM or SIGINT, or until a part that must not end has ended: its error is raised."""
    stopping = stop_signals()
    log.info("operator starts", extra={"version": __version__})
    for notice in notices:
        log.warning("setting without effect", extra={"notice": notice})
    async with running(settings, os.environ) as work:
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait([stopped, work], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if work.done():
            work.result()
    log.info("operator stopped")


@asynccontextmanager
async def running(
    settings: OperatorSettings, environment: Mapping[str, str]
) -> AsyncIterator[asyncio.Task[None]]:
    """The operator's work, as a task that ends by an error alone."""
    clock = SystemClock()
    client = Client(config.load(settings.kubeconfig or None, environ=environment), clock=clock)
    operator = Operator(
        client,
        clock,
        Surroundings(
            policy=AddressPolicy.on_a_cluster(settings.allowed_addresses),
            proxy_of=environment_proxy(environment),
        ),
        options(settings),
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        if settings.is_metrics_served:
            await stack.enter_async_context(plain_site(settings.metrics_address, metrics_pages()))
        await stack.enter_async_context(plain_site(settings.probe_address, probe_pages(operator)))
        work = asyncio.create_task(operator.run(), name="operator")
        try:
            yield work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


def options(settings: OperatorSettings) -> Options:
    """What resolving parameters depends on."""
    return Options(
        cluster_namespace=settings.cluster_object_namespace or settings.own_namespace,
        files=ParameterFiles(Path(settings.parameter_files)) if settings.parameter_files else None,
    )


def metrics_pages() -> Mapping[str, Answer]:
    return {}


def probe_pages(operator: Operator) -> Mapping[str, Answer]:
    """Alive: the loop turns. Ready: the cluster has been listed."""
    return {"/healthz": lambda accept: Page(b"ok"), "/readyz": lambda accept: Page(b"ok")}
