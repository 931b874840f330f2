"""Images of a pod's containers: fetched by policy, with a kubelet's words and its back-off.

Source: Kubernetes documentation, "Images", and the events of a kubelet.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.kube.resource import SECRETS
from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.pods import pod_status
from tidegate.local.nodes.pods.container import Container
from tidegate.local.nodes.pods.status_reports import Reports
from tidegate.local.nodes.runtimes.answers import Image
from tidegate.local.nodes.runtimes.engine import Engine

FIRST_S, MOST_S, SHOWN_S = 10.0, 300.0, 2.0
_LOGIN, _LOGIN_KEY = "kubernetes.io/dockerconfigjson", ".dockerconfigjson"
Pod = dict[str, Any]


@dataclass(slots=True)
class _Pull:
    """Of one container. `number` is the instance that the image was last fetched for."""

    task: asyncio.Task[None] | None = None
    began: float = 0.0
    failures: int = 0
    retry_at: float = 0.0
    number: int = -1


class Pulls:
    """Of the containers of one pod. `wake` is called when one has come to an end."""

    def __init__(self, context: NodeContext, reports: Reports, wake: Callable[[], None]) -> None:
        self._context = context
        self._reports = reports
        self._clock = context.clock
        self._wake = wake
        self._pulls: dict[str, _Pull] = {}

    async def image(self, engine: Engine, pod: Pod, container: Container) -> Image | float | None:
        """The image, or the seconds until the next look; None: until this is woken.

        Raises `EngineError` where the engine does not say what it has.
        """
        pull = self._pulls.setdefault(container.name, _Pull())
        name = str(container.spec.get("image", ""))
        if pull.task is not None:
            if not pull.task.done():
                return None
            return await self._note(engine, pod, container, pull)
        policy = container.spec.get("imagePullPolicy") or "IfNotPresent"
        found = await engine.image(name)
        is_fetched = pull.number == container.next_number
        if found is not None and (policy != "Always" or is_fetched):
            if not is_fetched:
                told = f'Container image "{name}" already present on machine'
                await self._reports.event(pod, "Normal", "Pulled", told)
                pull.number = container.next_number
            return found
        if policy == "Never":
            told = f'Container image "{name}" is not present with pull policy of Never'
            container.waiting = pod_status.waiting("ErrImageNeverPull", told)
            await self._reports.once(pod, "ErrImageNeverPull", told)
            return FIRST_S
        if (left_s := pull.retry_at - self._clock.monotonic()) > 0:
            await self._back_off(pod, container, name)
            return left_s
        await self._reports.event(pod, "Normal", "Pulling", f'Pulling image "{name}"')
        login = await self._login(pod, container)
        pull.began, pull.task = self._clock.monotonic(), asyncio.create_task(_pull(engine, name, login))
        pull.task.add_done_callback(lambda _: self._wake())
        return None

    async def _note(
        self, engine: Engine, pod: Pod, container: Container, pull: _Pull
    ) -> Image | float | None:
        """What has become of a pull that is over."""
        assert pull.task is not None
        task, pull.task = pull.task, None
        name, now = str(container.spec.get("image", "")), self._clock.monotonic()
        error: BaseException | None = None if task.cancelled() else task.exception()
        found = await engine.image(name) if error is None else None
        if found is None:
            pull.failures += 1
            pull.retry_at = now + min(MOST_S, FIRST_S * 2.0 ** (pull.failures - 1))
            told = f'failed to pull image "{name}": {error or "it is not there after it was fetched"}'
            container.waiting = pod_status.waiting("ErrImagePull", told)
            await self._reports.event(pod, "Warning", "Failed", f"F{told[1:]}")
            await self._reports.event(pod, "Warning", "Failed", "Error: ErrImagePull")
            return SHOWN_S
        pull.failures, pull.retry_at, pull.number = 0, 0.0, container.next_number
        told = f'Successfully pulled image "{name}" in {now - pull.began:.3f}s'
        await self._reports.event(pod, "Normal", "Pulled", told)
        return found

    async def _back_off(self, pod: Pod, container: Container, name: str) -> None:
        told = f'Back-off pulling image "{name}"'
        if container.waiting != (state := pod_status.waiting("ImagePullBackOff", told)):
            container.waiting = state
            await self._reports.event(pod, "Normal", "BackOff", told)
            await self._reports.event(pod, "Warning", "Failed", "Error: ImagePullBackOff")

    async def _login(self, pod: Pod, container: Container) -> Path | None:
        """A folder with what the pod's `imagePullSecrets` say of registries; None without any."""
        found: dict[str, Any] = {}
        for one in pod["spec"].get("imagePullSecrets") or []:
            try:
                namespace, name = pod["metadata"]["namespace"], str(one.get("name", ""))
                found |= logins(self._context.objects.get(SECRETS, namespace, name))
            except ValueError as error:
                told = f'Unable to retrieve image pull secret "{one.get("name", "")}": {error}'
                await self._reports.once(pod, "FailedToRetrieveImagePullSecret", told)
        if not found:
            return None
        folder = self._context.pod_folder(pod["metadata"]["uid"]) / f".login-{container.name}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / "config.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({"auths": found}))
        return folder

    def close(self) -> None:
        """Ends what is being fetched; safe twice."""
        for pull in self._pulls.values():
            if pull.task is not None:
                pull.task.cancel()


def logins(secret: Mapping[str, Any] | None) -> dict[str, Any]:
    """The `auths` of a Secret by registry. ValueError where it is none of those; names no value."""
    if secret is None:
        raise ValueError("it is not there")
    if secret.get("type") != _LOGIN:
        raise ValueError(f"its type is not {_LOGIN}")
    try:
        text = base64.b64decode((secret.get("data") or {}).get(_LOGIN_KEY) or "", validate=True)
        auths = json.loads(text)["auths"]
    except (binascii.Error, KeyError, TypeError, ValueError):
        raise ValueError(f"its {_LOGIN_KEY} is no JSON object with auths") from None
    if not isinstance(auths, dict):
        raise ValueError(f"its {_LOGIN_KEY} is no JSON object with auths")
    return auths


async def _pull(engine: Engine, name: str, login: Path | None) -> None:
    try:
        await engine.pull(name, login)
    finally:
        if login is not None:
            shutil.rmtree(login, ignore_errors=True)
