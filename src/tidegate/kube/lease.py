"""Leader election by a Lease (coordination.k8s.io): of several replicas at most one acts.

    wait ──► nobody has it, or it was not renewed for its duration ──► ours ──► renew, again and again
                                                                       │
       given back at the end: the next one takes it at once  ◄─────────┤
       not renewed within the deadline, or another's: `Lost` ◄─────────┘

The deadline is shorter than the duration: whoever cannot renew has stopped before anybody else may begin.
A process that stood still meanwhile learns it at its next write (`check`), whatever its loop takes the time
to be. Others wait by their own clock, from the moment at which they have seen it change.

Source: client-go's leaderelection, which KEDA uses.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from tidegate.base.errors import TidegateError, Unreachable
from tidegate.kube.client import Client
from tidegate.kube.resource import LEASES, ApiError
from tidegate.runtime.clock import uninterrupted

log = logging.getLogger(__name__)

RELEASE_S = 2.0
# So many waiting replicas do not all ask at the same moment.
_JITTER = 1.2
_REFUSED = (ApiError, TidegateError)


class Lost(Unreachable):
    """The lease is not ours any more: nothing may be written, and the process is to end."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long a renewal counts, when a holder that cannot renew gives up, and the pause between attempts."""

    duration_s: float = 15.0
    deadline_s: float = 10.0
    retry_s: float = 2.0


class Lease:
    """One replica's side of a Lease. `holder` has it as was last seen, `is_heard` once it was; `complaint` is
    why it cannot be had, "" where nothing is wrong. `elapsed` are seconds that never stand still.

    `client` must be one that is not held back by `check`.
    """

    def __init__(
        self,
        client: Client,
        place: tuple[str, str],
        identity: str,
        times: LeaseTimes | None = None,
        elapsed: Callable[[], float] = uninterrupted,
    ) -> None:
        self.namespace, self.name = place
        self.identity = identity
        self.times = times or LeaseTimes()
        self.holder = ""
        self.is_heard = False
        self.complaint = ""
        self._client = client
        self._elapsed = elapsed
        self._renewed_s: float | None = None
        self._record: Any = None
        self._seen_s = 0.0
        self._expires_s = 0.0
        self._object: dict[str, Any] | None = None
        self._news = asyncio.Event()

    @property
    def is_held(self) -> bool:
        """Whether it is certainly ours at this moment."""
        renewed_s = self._renewed_s
        return renewed_s is not None and self._elapsed() - renewed_s < self.times.deadline_s

    def check(self) -> None:
        """Lost where it is not: for whoever is about to write."""
        if not self.is_held:
            raise self._lost("it was not renewed in time")

    async def acquire(self) -> None:
        """Returns when it is ours. A server that refuses or does not answer is asked again."""
        watch = asyncio.create_task(self._watch())
        try:
            while not await self._attempt():
                pause_s = self.times.retry_s * (1 + random.random() * (_JITTER - 1))
                if self.holder:
                    pause_s = min(pause_s, max(0.0, self._expires_s - self._elapsed()) + 0.01)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._news.wait()
                self._news.clear()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def keep(self) -> NoReturn:
        """Renews it as long as it is ours; then Lost."""
        failure = "it was not renewed in time"
        while True:
            await self._client.clock.sleep(self.times.retry_s)
            if not self.is_held:
                raise self._lost(failure)
            try:
                async with asyncio.timeout(self.times.deadline_s / 2):
                    if not await self._take() and self.holder != self.identity:
                        raise self._lost(f"{self.holder or 'nobody'} has it")
            except TimeoutError:
                failure = "no answer in time"
            except Lost:
                raise
            except _REFUSED as error:
                failure = str(error)

    async def release(self) -> None:
        """Gives it back, so that the next one need not wait; best effort."""
        if not self.is_held or self._object is None:
            return
        self._renewed_s = None
        moment = _moment(self._client.clock.now())
        spec = {**self._object["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": moment}
        with suppress(*_REFUSED, TimeoutError):
            async with asyncio.timeout(RELEASE_S):
                body = {**self._object, "spec": spec}
                await self._client.replace(LEASES, self.namespace, self.name, body)
                self.holder = ""

    async def _attempt(self) -> bool:
        try:
            async with asyncio.timeout(self.times.deadline_s):
                is_ours = await self._take()
                self.complaint = ""
                return is_ours
        except (*_REFUSED, TimeoutError) as error:
            text = str(error) or "no answer in time"
            if text != self.complaint:
                log.warning("lease cannot be had", extra={"lease": self._where, "failure": text})
            self.complaint = text
            return False

    async def _take(self) -> bool:
        """Whether it is ours now: renewed, taken or made."""
        began_s = self._elapsed()
        known, self._object = self._object, None
        if known is not None:
            try:
                return self._taken(began_s, await self._write(known))
            except ApiError as error:
                if error.code not in (404, 409):
                    raise
        found = await self._look()
        if not self._is_free():
            return False
        try:
            return self._taken(began_s, await self._write(found))
        except ApiError as error:
            # Somebody was faster.
            if error.code != 409:
                raise
            return False

    def _taken(self, began_s: float, stored: dict[str, Any]) -> bool:
        """It counts from the moment before the request: others may have seen it as early as that."""
        self._object, self._renewed_s, self.holder = stored, began_s, self.identity
        self.is_heard, self.complaint = True, ""
        return True

    async def _look(self) -> dict[str, Any] | None:
        """The Lease as it is, None where there is none; remembers when it was last seen to change."""
        try:
            found = await self._client.get(LEASES, self.namespace, self.name)
        except ApiError as error:
            if error.code != 404:
                raise
            self.is_heard, self.holder = True, ""
            return None
        spec = found.get("spec") or {}
        record = {key: spec.get(key) for key in ("holderIdentity", "renewTime", "acquireTime")}
        if record != self._record:
            self._record, self._seen_s = record, self._elapsed()
        holder = str(spec.get("holderIdentity") or "")
        if holder != self.holder and holder and holder != self.identity:
            log.info("lease is another's", extra={"lease": self._where, "holder": holder})
        self.is_heard, self.holder = True, holder
        self._expires_s = self._seen_s + float(spec.get("leaseDurationSeconds") or self.times.duration_s)
        return found

    def _is_free(self) -> bool:
        return self.holder in ("", self.identity) or self._elapsed() >= self._expires_s

    async def _write(self, found: dict[str, Any] | None) -> dict[str, Any]:
        """Ours, as it is stored. Conflict where it is no longer as it was found."""
        moment = _moment(self._client.clock.now())
        spec = dict((found or {}).get("spec") or {})
        if spec.get("holderIdentity") != self.identity:
            transitions = int(spec.get("leaseTransitions") or 0) + (1 if found is not None else 0)
            spec |= {"acquireTime": moment, "leaseTransitions": transitions}
        duration_s = max(1, round(self.times.duration_s))
        spec |= {"holderIdentity": self.identity, "leaseDurationSeconds": duration_s, "renewTime": moment}
        if found is None:
            body = {"metadata": {"name": self.name, "namespace": self.namespace}, "spec": spec}
            return await self._client.create(LEASES, self.namespace, body)
        return await self._client.replace(LEASES, self.namespace, self.name, {**found, "spec": spec})

    async def _watch(self) -> None:
        """Wakes `acquire` when the Lease changes; without the right to watch, time does."""
        fields = f"metadata.name={self.name}"
        while True:
            with suppress(*_REFUSED):
                async with aclosing(self._client.watch(LEASES, self.namespace, fields=fields)) as events:
                    async for event in events:
                        if event.type != "BOOKMARK":
                            self._news.set()
            await self._client.clock.sleep(self.times.retry_s)

    @property
    def _where(self) -> str:
        return f"{self.namespace}/{self.name}"

    def _lost(self, answer: str) -> Lost:
        self._renewed_s = None
        step = "this process acts no more and ends, so that nobody acts twice"
        return Lost("keep the lease", on=self._where, answer=answer, next_step=step)


def _moment(now: datetime) -> str:
    """As a MicroTime is written."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
