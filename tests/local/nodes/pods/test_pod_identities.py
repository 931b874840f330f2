"""What a running pod has of its identity: variables, files, and a new token in time."""

from __future__ import annotations

import base64
import itertools
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from parts.machine import Machine, own_objects, until
from tidegate.kube.resource import PODS
from tidegate.local.api_access import ACCOUNT_FOLDER
from tidegate.local.nodes.processes.instance import View
from tidegate.runtime.clock import SystemClock

VOLUME = {
    "name": "kube-api-access-x",
    "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}]},
}
MOUNT = {"name": "kube-api-access-x", "mountPath": ACCOUNT_FOLDER, "readOnly": True}


class SkippedClock(SystemClock):
    """The machine's clock, ahead of it by what the test says."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


class Issuer:
    """Tokens with a number that rises."""

    def __init__(self, clock: SkippedClock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", 7443

    def token(self, pod: dict[str, Any], audience: str, life_s: int) -> str:
        now = int(self._clock.now().timestamp())
        claims = json.dumps({"iat": now, "exp": now + life_s}).encode()
        return f"{next(self._numbers)}.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.s"


async def test_a_pod_is_told_of_the_api_and_gets_a_new_token_in_time(tmp_path: Path) -> None:
    clock = SkippedClock()
    machine = Machine(tmp_path / "state", own_objects(), clock=clock)
    machine.node.let_in(Issuer(clock))
    machine.start()
    try:
        await machine.apply("a", "sleep", "60", container={"volumeMounts": [MOUNT]}, volumes=[VOLUME])
        await machine.phase("a", "Running")

        async def number() -> str:
            _, out, _ = await machine.exec("a", "cat", f"{ACCOUNT_FOLDER}/token")
            return out.partition(".")[0]

        code, out, _ = await machine.exec(
            "a", "sh", "-c", "echo $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT"
        )
        assert (code, out) == (0, "127.0.0.1 7443\n")
        assert await number() == "1"
        clock.ahead_s = 0.7 * 3600
        await touch(machine, "1")
        assert await number() == "1"
        clock.ahead_s = 0.8 * 3600 + 1
        await touch(machine, "2")
        for _ in range(100):
            if await number() == "2":
                break
        assert await number() == "2"
        token = machine.folder / "pods"
        assert len({one.resolve() for one in token.rglob("token")}) == 1
    finally:
        await machine.stop()


async def test_without_private_mounts_a_pod_runs_without_its_token(tmp_path: Path) -> None:
    clock = SkippedClock()
    machine = Machine(tmp_path / "state", own_objects(), View("none", "refused here"), clock)
    machine.node.let_in(Issuer(clock))
    machine.start()
    try:
        await machine.apply("a", "true", container={"volumeMounts": [MOUNT]}, volumes=[VOLUME])
        await machine.phase("a", "Succeeded")
        other = {"name": "v", "mountPath": "/elsewhere"}
        await machine.apply(
            "b", "true", container={"volumeMounts": [other]}, volumes=[{**VOLUME, "name": "v"}]
        )
        await machine.waiting("b", "ContainerCreating")
        await until(lambda: "/elsewhere" in machine.container("b")["state"]["waiting"].get("message", ""))
    finally:
        await machine.stop()


async def touch(machine: Machine, mark: str) -> None:
    """A change of the pod, which its task looks at."""
    await machine.objects.patch(PODS, "default", "a", {"metadata": {"labels": {"mark": mark}}})
