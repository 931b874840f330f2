"""The operator's TLS port as a part of the program: open when there are certificates, leading when told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from tidegate.cli.wiring.certificates.upkeep import rotation_of
from tidegate.cli.wiring.operator_settings import OperatorSettings
from tidegate.cli.wiring.tls_settings import service_rules
from tidegate.kube.client import Client
from tidegate.kube.reviews import Reviews
from tidegate.operator.certificates.rotation import Rotation
from tidegate.operator.operator import Operator
from tidegate.operator.serving.site import LeaderSite, Leading, Listen
from tidegate.runtime.certificate_files import Certificates, follow_folder
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)


class LeaderPort:
    """`run()` serves until cancelled; `lead()` says that this replica answers from now on.

    `client` reviews callers: it writes nothing, so it asks whether or not we lead. `standby` says who leads.
    """

    def __init__(
        self, settings: OperatorSettings, client: Client, clock: Clock, standby: Callable[[], str]
    ) -> None:
        self._settings = settings
        self._folder = Path(settings.certificates)
        self._clock = clock
        self._certificates = Certificates(service_rules(settings))
        # Beside KEDA nobody asks it, and reviewing who asks would be a write.
        self._is_wanted = settings.metrics_service_address.port is not None and not settings.is_shadow
        self._site = LeaderSite(
            Listen(
                f"{settings.metrics_server_service}.{settings.own_namespace}.svc",
                settings.metrics_service_address.port or 0,
                settings.metrics_service_address.host,
            ),
            self._certificates.listening_context(asks_client=True),
            Reviews(client, clock),
            clock,
            standby,
        )

    def lead(self, operator: Operator) -> None:
        self._site.leading = Leading(operator.external_metrics, operator.explain)

    def rotation(self, client: Client) -> Rotation | None:
        """What keeps the certificates while we lead; None where they are the user's own. The port takes what
        it makes at once, before a mounted Secret shows it.
        """
        settings = self._settings
        return rotation_of(settings, settings.own_namespace, client, self._clock, self._certificates.take)

    async def run(self) -> None:
        """Misconfigured when the port is taken."""
        if not self._is_wanted:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow_folder(self._folder, self._certificates, self._clock))
            await self._certificates.taken()
            await self._site.start()
            log.info("metrics API servers may listen", extra={"port": self._site.port})
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await self._site.stop()
