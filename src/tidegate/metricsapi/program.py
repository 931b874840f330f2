"""All parts of a metrics API server, with what they follow: certificates, authorities, the stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.base.errors import Malformed, TidegateError
from tidegate.kube.caching.caches import Cache
from tidegate.kube.client import Client
from tidegate.kube.resource import CONFIG_MAPS
from tidegate.kube.reviews import Reviews
from tidegate.metricsapi.connecting import Operator
from tidegate.metricsapi.link import Link
from tidegate.metricsapi.site import Site
from tidegate.metricsapi.trust import NAME, NAMESPACE, Trust, overridden, published
from tidegate.runtime.certificate_files import (
    LOOK_S,
    Certificates,
    Material,
    TlsRules,
    follow_folder,
    read_file,
)
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Places:
    """Where we listen, where the operator is, and which files we read.

    `certificates` is the folder of the pair that we show the operator, with the authority that it must have.
    `certificate` and `key` are what we show those who ask us; by default those of that folder. `clients` are
    the authorities of clients' certificates, by default what kube-system publishes.
    """

    operator: str
    certificates: Path
    host: str = ""
    port: int = 6443
    authority: str = ""
    certificate: Path | None = None
    key: Path | None = None
    clients: Path | None = None


class Program:
    """`run()` works until cancelled."""

    def __init__(self, client: Client, places: Places, clock: Clock, rules: TlsRules) -> None:
        self._places = places
        self._clock = clock
        self._shown = Certificates(rules)
        self._ours = Certificates(rules)
        self._trust = Trust()
        self._told = ""
        self._published: Cache[Mapping[str, Any]] = Cache(
            client, CONFIG_MAPS, namespaces=[NAMESPACE], fields=f"metadata.name={NAME}"
        )
        self._published.subscribe(lambda old, new: self._take())
        operator = Operator(places.operator, self._ours.client_context, places.authority)
        self.link = Link(operator.stream, clock, places.operator)
        self.site = Site(self.link, Reviews(client, clock), lambda: self._trust, clock, operator.get)

    async def run(self) -> None:
        """Serves as soon as there are certificates; is ready when it knows whom to trust."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow_folder(self._places.certificates, self._ours, self._clock))
            tasks.create_task(self._published.run())
            tasks.create_task(self._follow_files())
            tasks.create_task(self.link.run())
            await self._shown.taken()
            context = self._shown.listening_context(asks_client=True)
            await self.site.start(self._places.host, self._places.port, context)
            log.info("listening", extra={"port": self.site.port})
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await self.site.stop()

    async def _follow_files(self) -> None:
        while True:
            self._take()
            await self._clock.sleep(LOOK_S)

    def _take(self) -> None:
        """What files and ConfigMap say now. What cannot be used is told once, and changes nothing."""
        try:
            trust = self._read_trust()
            if self._shown.take(self._read_material(trust)) or trust != self._trust:
                self._trust = trust
                log.info("certificates and authorities taken")
            self.site.is_ready = self._published.is_synced
            self._told = ""
        except TidegateError as error:
            if str(error) != self._told:
                self._told = str(error)
                log.warning("certificates or authorities not taken", extra={"reason": self._told})

    def _read_trust(self) -> Trust:
        found = self._published.get(NAMESPACE, NAME)
        trust = published((found or {}).get("data") or {})
        clients = self._places.clients
        return overridden(trust, clients=read_file(clients)) if clients is not None else trust

    def _read_material(self, trust: Trust) -> Material:
        folder = self._places.certificates
        certificate = read_file(self._places.certificate or folder / "tls.crt")
        key = read_file(self._places.key or folder / "tls.key")
        try:
            return Material.checked(trust.pem, certificate, key)
        except Malformed as error:
            raise Malformed(error.attempted, on=str(folder), answer=error.answer) from error
