"""`tidegate metrics-apiserver`: the external metrics API behind the aggregator, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from tidegate.cli.wiring.metrics_apiserver_settings import MetricsApiserverSettings
from tidegate.cli.wiring.metrics_page import METRICS, as_page, metrics_page
from tidegate.cli.wiring.probe_site import plain_site
from tidegate.cli.wiring.program_run import until_stopped
from tidegate.cli.wiring.tls_settings import service_rules
from tidegate.kube import config
from tidegate.kube.client import Client
from tidegate.metricsapi.figures import Figures
from tidegate.metricsapi.program import Places, Program
from tidegate.runtime.clock import SystemClock
from tidegate.runtime.settings import Listen

log = logging.getLogger(__name__)


async def serve(settings: MetricsApiserverSettings) -> None:
    """Works until SIGTERM or SIGINT, or until a part that must not end has ended: its error is raised."""
    await until_stopped("metrics API server", running(settings))


@asynccontextmanager
async def running(settings: MetricsApiserverSettings) -> AsyncIterator[asyncio.Task[None]]:
    """Its work, as a task that ends by an error alone."""
    clock = SystemClock()
    client = Client(config.load(settings.kubeconfig or None), clock=clock)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        program = Program(client, places(settings), clock, service_rules(settings))
        if settings.port:
            told = metrics_page(Figures(program.link, program.site))
            pages = {METRICS: partial(as_page, told)}
            await stack.enter_async_context(plain_site(Listen(settings.host, settings.port), pages))
        work = asyncio.create_task(program.run(), name="metrics API server")
        try:
            yield work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


def places(settings: MetricsApiserverSettings) -> Places:
    """Where we listen, where the operator is, and which files we read."""
    operator = f"keda-operator.{settings.own_namespace}.svc.cluster.local:9666"
    return Places(
        operator=settings.operator or operator,
        authority=settings.authority,
        certificates=Path(settings.certificates),
        host=settings.host,
        port=settings.secure_port,
        certificate=Path(settings.certificate) if settings.certificate else None,
        key=Path(settings.key) if settings.key else None,
        clients=Path(settings.clients) if settings.clients else None,
    )
