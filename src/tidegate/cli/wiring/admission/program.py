"""`tidegate admission-webhooks`: what the API server asks before it stores one of KEDA's kinds."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from tidegate.admission.counters import Counters
from tidegate.admission.judging import Judging
from tidegate.admission.neighbourhood import Neighbourhood
from tidegate.admission.site import serving
from tidegate.admission.workloads import Workloads
from tidegate.cli.manifests.admission import BEYOND
from tidegate.cli.wiring.admission.settings import AdmissionSettings
from tidegate.cli.wiring.installation.extensions import bring_extensions
from tidegate.cli.wiring.metrics_page import METRICS, as_page, metrics_page
from tidegate.cli.wiring.probe_site import Answer, Page, plain_site
from tidegate.cli.wiring.program_run import until_stopped
from tidegate.cli.wiring.tls_settings import service_rules
from tidegate.kube import config
from tidegate.kube.client import Client
from tidegate.review.judge import judge
from tidegate.runtime.certificate_files import Certificates, follow_folder
from tidegate.runtime.clock import SystemClock

log = logging.getLogger(__name__)


async def serve(settings: AdmissionSettings) -> None:
    """Works until SIGTERM or SIGINT, or until a part that must not end has ended: its error is raised."""
    bring_extensions(settings)
    await until_stopped("admission webhooks", running(settings, os.environ))


@asynccontextmanager
async def running(
    settings: AdmissionSettings, environment: Mapping[str, str]
) -> AsyncIterator[asyncio.Task[None]]:
    """The webhooks' work, as a task that ends by an error alone."""
    clock = SystemClock()
    certificates = Certificates(service_rules(settings))
    counters = Counters()
    async with AsyncExitStack() as stack:
        client = Client(config.load(settings.kubeconfig or None, environ=environment), clock=clock)
        stack.push_async_callback(client.close)
        neighbourhood = Neighbourhood(client)
        judging = Judging(partial(judge, beyond=BEYOND), neighbourhood, Workloads(client), counters)
        pages = probe_pages(neighbourhood, certificates)
        await stack.enter_async_context(
            plain_site(settings.metrics_address, {METRICS: partial(as_page, metrics_page(counters))})
        )
        await stack.enter_async_context(plain_site(settings.probe_address, pages))
        context = certificates.listening_context(asks_client=False)
        await stack.enter_async_context(serving(judging, counters, context, settings.host, settings.port))
        folder = Path(settings.certificates)
        work = asyncio.create_task(_work(neighbourhood, follow_folder(folder, certificates, clock)))
        try:
            yield work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


async def _work(neighbourhood: Neighbourhood, following: Coroutine[None, None, None]) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(neighbourhood.run())
        tasks.create_task(following)


def probe_pages(neighbourhood: Neighbourhood, certificates: Certificates) -> Mapping[str, Answer]:
    """Alive: the loop turns. Ready: it can be asked over TLS, and knows who scales what."""

    def ready(headers: Mapping[str, str]) -> Page:
        lacks = list(neighbourhood.lacks)
        if certificates.material is None:
            lacks.append("there is no certificate yet")
        return Page("\n".join(lacks).encode(), 503) if lacks else Page(b"ok")

    return {"/healthz": lambda headers: Page(b"ok"), "/readyz": ready}
