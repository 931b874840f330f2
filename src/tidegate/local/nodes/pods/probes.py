"""Startup, readiness and liveness probes of one running container."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

REPLY_BYTES = 10_240
Verdict = tuple[bool, str]


@dataclass(frozen=True, slots=True)
class Target:
    """What probes ask. `run` executes a command in the container: (exit code, output) in `timeout_s`."""

    address: str
    ports: Mapping[str, int]
    run: Callable[[list[str], float], Awaitable[tuple[int, str]]]

    def port(self, wanted: Any) -> int:
        return int(self.ports.get(str(wanted), wanted))


class Probes:
    """The probes' verdicts, from when the container runs until `close`.

    `is_ready` gives the state to begin with (a container that was adopted stays as it was).
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        target: Target,
        is_ready: bool,
        on_change: Callable[[], None],
        tell: Callable[[str], Awaitable[None]],
    ) -> None:
        self.is_started = is_ready or not spec.get("startupProbe")
        self.is_ready = self.is_started and (is_ready or not spec.get("readinessProbe"))
        self.is_dead = False
        self._spec = spec
        self._target = target
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
            is_good, said = await ask(probe, self._target)
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

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []


def has_probes(spec: Mapping[str, Any]) -> bool:
    return any(spec.get(kind) for kind in ("startupProbe", "readinessProbe", "livenessProbe"))


async def ask(probe: Mapping[str, Any], target: Target) -> Verdict:
    """Whether the container answers well, and what it said otherwise. Never raises."""
    timeout_s = float(probe.get("timeoutSeconds") or 1)
    try:
        async with asyncio.timeout(timeout_s):
            if probe.get("httpGet"):
                return await _http(probe["httpGet"], target)
            if probe.get("tcpSocket"):
                return await _tcp(probe["tcpSocket"], target)
            if probe.get("exec"):
                code, output = await target.run(list(probe["exec"].get("command") or []), timeout_s)
                return code == 0, output.strip() or f"exit code {code}"
    except TimeoutError:
        return False, f"no answer within {timeout_s:g} s"
    except (OSError, ValueError) as error:
        return False, str(error)
    return False, "this kind of probe is not offered; use httpGet, tcpSocket or exec"


async def _tcp(wanted: Mapping[str, Any], target: Target) -> Verdict:
    _, writer = await asyncio.open_connection(
        wanted.get("host") or target.address, target.port(wanted["port"])
    )
    writer.close()
    return True, ""


async def _http(wanted: Mapping[str, Any], target: Target) -> Verdict:
    host, port = wanted.get("host") or target.address, target.port(wanted["port"])
    is_tls = str(wanted.get("scheme") or "HTTP").upper() == "HTTPS"
    reader, writer = await asyncio.open_connection(host, port, ssl=_unverified() if is_tls else None)
    headers = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/tidegate", "Connection": "close"}
    headers |= {header["name"]: header["value"] for header in wanted.get("httpHeaders") or []}
    path = urlsplit(wanted.get("path") or "/")
    request = f"GET {path.path or '/'}{'?' + path.query if path.query else ''} HTTP/1.1\r\n"
    request += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    try:
        writer.write(request.encode("latin-1", "replace"))
        await writer.drain()
        words = (await reader.readline()).split(None, 2)
    finally:
        writer.close()
    if len(words) < 2 or not words[1].isdigit():
        return False, "the answer is not HTTP"
    code = int(words[1])
    return 200 <= code < 400, f"HTTP probe failed with statuscode: {code}"


def _unverified() -> Any:
    import ssl

    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
