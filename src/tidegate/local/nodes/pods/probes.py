"""Startup, readiness and liveness probes of one running container."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.local.nodes.pods.container_access import Access
from tidegate.local.nodes.pods.probe_actions import Verdict, ask

Tell = Callable[[str, str], Awaitable[None]]
TRIES = 3
"""How often a container that could not be asked is asked before a kubelet tells."""


@dataclass(frozen=True, slots=True)
class Begin:
    """What is known when probing begins; a container that was adopted stays as it was told to be."""

    is_started: bool = False
    is_ready: bool = False
    age_s: float = 0.0


class Probes:
    """The probes' verdicts, from when the container runs until `close`.

    `tell` is given the reason and message of an event. `dead` is the kind of probe that wants the
    container restarted, "" while none does.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        access: Access,
        begin: Begin,
        on_change: Callable[[], None],
        tell: Tell,
    ) -> None:
        self.is_started = begin.is_started or not spec.get("startupProbe")
        self.is_ready = self.is_started and (begin.is_ready or not spec.get("readinessProbe"))
        self.dead = ""
        self._spec = spec
        self._access = access
        self._age_s = begin.age_s
        self._began_at = asyncio.get_running_loop().time()
        self._on_change = on_change
        self._tell = tell
        self._is_hushed = False
        self._tasks: dict[str, asyncio.Task[None]] = {}
        if self.is_started:
            self._begin_others()
        else:
            self._begin("startup", self._startup)

    def _begin(self, kind: str, decide: Callable[[bool], bool]) -> None:
        if self._spec.get(f"{kind}Probe"):
            self._tasks[kind] = asyncio.create_task(self._follow(kind, decide))

    def _begin_others(self) -> None:
        self._begin("readiness", self._readiness)
        if not self._is_hushed:
            self._begin("liveness", self._liveness)

    async def _follow(self, kind: str, decide: Callable[[bool], bool]) -> None:
        """Asks once per period; thresholds turn answers into a verdict; `decide` says whether to go on."""
        probe = self._spec[f"{kind}Probe"]
        needed = {
            True: int(probe.get("successThreshold") or 1),
            False: int(probe.get("failureThreshold") or 3),
        }
        period_s = float(probe.get("periodSeconds") or 10)
        loop = asyncio.get_running_loop()
        age_s = self._age_s + loop.time() - self._began_at
        due = loop.time() + max(0.0, float(probe.get("initialDelaySeconds") or 0) - age_s)
        run, last = 0, False
        while True:
            await asyncio.sleep(due - loop.time())
            verdict = await self._ask(probe)
            await self._tell_of(kind, verdict)
            if verdict.kind != "errored":
                run = run + 1 if verdict.is_good == last else 1
                last = verdict.is_good
                if run >= needed[last] and not decide(last):
                    return
            # On the beat, as a ticker: an answer that takes longer than a period lets beats go by.
            due += period_s * max(1, -(-(loop.time() - due) // period_s))

    async def _ask(self, probe: Mapping[str, Any]) -> Verdict:
        for _ in range(TRIES):
            verdict = await ask(probe, self._access)
            if verdict.kind != "errored":
                break
        return verdict

    async def _tell_of(self, kind: str, verdict: Verdict) -> None:
        shown = f"{kind.capitalize()} probe"
        if verdict.kind == "bad":
            await self._tell("Unhealthy", f"{shown} failed: {verdict.said}")
        elif verdict.kind == "errored":
            await self._tell("Unhealthy", f"{shown} errored: {verdict.said}")
        elif verdict.kind == "warned":
            await self._tell("ProbeWarning", f"{shown} warning: {verdict.said}")

    def _startup(self, is_good: bool) -> bool:
        if is_good:
            self.is_started = True
            self.is_ready = not self._spec.get("readinessProbe")
            self._begin_others()
        elif not self._is_hushed:
            self.dead = "startup"
        self._on_change()
        return False

    def _readiness(self, is_good: bool) -> bool:
        if self.is_ready != is_good:
            self.is_ready = is_good
            self._on_change()
        return True

    def _liveness(self, is_good: bool) -> bool:
        if not is_good:
            self.dead = "liveness"
            self._on_change()
        return is_good

    def hush(self) -> None:
        """The container is going to end: only its readiness is still of interest."""
        self._is_hushed = True
        for kind in ("startup", "liveness"):
            if task := self._tasks.pop(kind, None):
                task.cancel()

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks = {}
