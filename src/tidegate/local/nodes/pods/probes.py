"""Startup, readiness and liveness probes of one running container."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tidegate.local.nodes.pods import http_get
from tidegate.local.nodes.pods.container_access import Access

AGENT = "kube-probe/tidegate"
Verdict = tuple[bool, str]


class Probes:
    """The probes' verdicts, from when the container runs until `close`.

    `is_ready` gives the state to begin with (a container that was adopted stays as it was).
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        access: Access,
        is_ready: bool,
        on_change: Callable[[], None],
        tell: Callable[[str], Awaitable[None]],
    ) -> None:
        self.is_started = is_ready or not spec.get("startupProbe")
        self.is_ready = self.is_started and (is_ready or not spec.get("readinessProbe"))
        self.is_dead = False
        self._spec = spec
        self._access = access
        self._on_change = on_change
        self._tell = tell
        self._tasks = [asyncio.create_task(self._run())] if has_probes(spec) else []

    async def _run(self) -> None:
        if not self.is_started:
            await self._follow("startupProbe", "Startup", self._startup)
            if not self.is_started:
                return
        async with asyncio.TaskGroup() as group:
            if self._spec.get("readinessProbe"):
                group.create_task(self._follow("readinessProbe", "Readiness", self._readiness))
            if self._spec.get("livenessProbe"):
                group.create_task(self._follow("livenessProbe", "Liveness", self._liveness))

    async def _follow(self, kind: str, shown: str, decide: Callable[[bool], bool]) -> None:
        """Asks once per period; thresholds turn answers into a verdict; `judge` says whether to go on."""
        probe = self._spec[kind]
        needed = {
            True: int(probe.get("successThreshold") or 1),
            False: int(probe.get("failureThreshold") or 3),
        }
        await asyncio.sleep(float(probe.get("initialDelaySeconds") or 0))
        run, last = 0, False
        while True:
            is_good, said = await ask(probe, self._access)
            run = run + 1 if is_good == last else 1
            last = is_good
            if not is_good:
                await self._tell(f"{shown} probe failed: {said}")
            if run >= needed[is_good] and not decide(is_good):
                return
            await asyncio.sleep(float(probe.get("periodSeconds") or 10))

    def _startup(self, is_good: bool) -> bool:
        self.is_started = is_good
        self.is_dead = not is_good
        self.is_ready = is_good and not self._spec.get("readinessProbe")
        self._on_change()
        return False

    def _readiness(self, is_good: bool) -> bool:
        if self.is_ready != is_good:
            self.is_ready = is_good
            self._on_change()
        return True

    def _liveness(self, is_good: bool) -> bool:
        self.is_dead = not is_good
        if not is_good:
            self._on_change()
        return is_good

    def hush(self) -> None:
        """Nothing is asked any more; the verdicts stay."""
        self.close()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []


def has_probes(spec: Mapping[str, Any]) -> bool:
    return any(spec.get(kind) for kind in ("startupProbe", "readinessProbe", "livenessProbe"))


async def ask(probe: Mapping[str, Any], access: Access) -> Verdict:
    """Whether the container answers well, and what it said otherwise. Never raises."""
    timeout_s = float(probe.get("timeoutSeconds") or 1)
    try:
        async with asyncio.timeout(timeout_s):
            if probe.get("httpGet"):
                return await _http(probe["httpGet"], access)
            if probe.get("tcpSocket"):
                return await _tcp(probe["tcpSocket"], access)
            if probe.get("exec"):
                code, output = await access.run(list(probe["exec"].get("command") or []), timeout_s)
                return code == 0, output.strip() or f"exit code {code}"
    except TimeoutError:
        return False, f"no answer within {timeout_s:g} s"
    except (OSError, ValueError) as error:
        return False, str(error)
    return False, "this kind of probe is not offered; use httpGet, tcpSocket or exec"


async def _tcp(wanted: Mapping[str, Any], access: Access) -> Verdict:
    _, writer = await access.dial(wanted.get("host") or access.address, access.port(wanted["port"]), None)
    writer.close()
    return True, ""


async def _http(wanted: Mapping[str, Any], access: Access) -> Verdict:
    answer = await http_get.get(wanted, access, AGENT)
    return 200 <= answer.code < 400, f"HTTP probe failed with statuscode: {answer.code}"
