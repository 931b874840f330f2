"""Keeps the Secret of the certificates, and tells those who must trust them. For the leader alone.

It is looked at at the start, at each change of the Secret or of what trusts it, every 12 hours, and when a
rotation's next step is due. The process goes on with new certificates: it takes them by itself, and other
processes take them from their mounted files.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.base.errors import Malformed, TidegateError
from tidegate.kube.caching.caches import Cache
from tidegate.kube.client import Client
from tidegate.kube.resource import SECRETS, ApiError
from tidegate.operator.certificates.material import SETTLE, Kept, Seen, next_step
from tidegate.operator.certificates.trust import Bundles
from tidegate.runtime.certificate_files import Material
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)

Object = dict[str, Any]

LOOK_S = 12 * 3600.0
RETRY_S = 5.0
CONFLICTS = 5
LABELS = {
    "app": "keda-operator",
    "app.kubernetes.io/name": "keda-operator",
    "app.kubernetes.io/component": "keda-operator",
    "app.kubernetes.io/part-of": "keda",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Which Secret it is, all names that its certificate is for, and how long a step of a rotation takes."""

    namespace: str
    name: str
    names: tuple[str, ...]
    settle: timedelta = SETTLE


class Rotation:
    """`run()` keeps all of it until cancelled. `take` gets what the Secret holds, each time it is good."""

    def __init__(
        self, client: Client, place: Place, bundles: Bundles, clock: Clock, take: Callable[[Material], Any]
    ) -> None:
        self._client = client
        self._place = place
        self._bundles = bundles
        self._clock = clock
        self._take = take
        self._seen: Seen | None = None
        self._changed = asyncio.Event()
        self._told = ""
        self._secret: Cache[Object] = Cache(
            client, SECRETS, namespaces=(place.namespace,), fields=f"metadata.name={place.name}"
        )
        for cache in (self._secret, *bundles.caches):
            cache.subscribe(lambda old, new: self._changed.set())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for cache in (self._secret, *self._bundles.caches):
                tasks.create_task(cache.run())
            while True:
                self._changed.clear()
                await self._wait(await self._kept())

    async def _kept(self) -> float:
        """Brings everything up to date; the seconds until somebody must look again."""
        try:
            look_again = await self.keep()
        except (ApiError, TidegateError) as error:
            if str(error) != self._told:
                self._told = str(error)
                log.warning("certificates not kept", extra={"failure": self._told})
            return RETRY_S
        self._told = ""
        if look_again is None:
            return LOOK_S
        return min(LOOK_S, max(1.0, (look_again - self._clock.now()).total_seconds()))

    async def _wait(self, seconds: float) -> None:
        """Until then, or until something has changed."""
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        hearing = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait([sleeping, hearing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (sleeping, hearing):
                one.cancel()
            await asyncio.gather(sleeping, hearing, return_exceptions=True)

    async def keep(self) -> datetime | None:
        """One look. ApiError where the API server refuses, or somebody else writes at the same time again
        and again."""
        for _ in range(CONFLICTS):
            found = await self._read()
            kept = Kept.of_secret(found.get("data") if found is not None else None)
            # In a thread: a key of 2048 bits takes a tenth of a second, and more on a busy machine.
            step = await asyncio.to_thread(
                next_step, kept, self._seen, self._place.names, self._clock.now(), self._place.settle
            )
            if step.reasons:
                try:
                    await self._write(found, step.kept)
                except ApiError as error:
                    if error.code == 409:
                        continue
                    raise
                where = f"{self._place.namespace}/{self._place.name}"
                log.info("certificates written", extra={"secret": where, "reason": "; ".join(step.reasons)})
            self._remember(step.kept)
            self._use(step.kept)
            await self._bundles.tell(step.kept.ca_crt)
            return step.look_again
        raise ApiError(409, "Conflict", f"the Secret {self._place.name} is written by somebody else, too")

    def _remember(self, kept: Kept) -> None:
        is_same = self._seen is not None and self._seen.kept.tls_crt == kept.tls_crt
        # At the start nobody knows since when it was served: its own age says it.
        never = datetime.min.replace(tzinfo=UTC)
        now = never if self._seen is None else self._clock.now()
        self._seen = Seen(kept, self._seen.since if self._seen is not None and is_same else now)

    async def _read(self) -> Object | None:
        try:
            return await self._client.get(SECRETS, self._place.namespace, self._place.name)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    async def _write(self, found: Object | None, kept: Kept) -> None:
        if found is None:
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": self._place.name, "labels": dict(LABELS)},
                "type": "Opaque",
                "data": kept.encoded(),
            }
            await self._client.create(SECRETS, self._place.namespace, body)
            return
        body = {**found, "data": {**(found.get("data") or {}), **kept.encoded()}}
        await self._client.replace(SECRETS, self._place.namespace, self._place.name, body)

    def _use(self, kept: Kept) -> None:
        try:
            self._take(Material.checked(kept.ca_crt, kept.tls_crt, kept.tls_key))
        except Malformed as error:
            log.warning("certificates not taken", extra={"failure": str(error)})
