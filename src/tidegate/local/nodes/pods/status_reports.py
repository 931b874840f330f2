"""What a Pod's task says about it: its status, written when it says something new, and its events."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from tidegate.kube.resource import PODS, ApiError
from tidegate.local.nodes.context import SOURCE, NodeContext

FINISHED = ("Succeeded", "Failed")


class Reports:
    def __init__(self, context: NodeContext, namespace: str, name: str, uid: str) -> None:
        self._context = context
        self._key = (namespace, name)
        self._uid = uid
        self._told: set[tuple[str, str]] = set()

    def pod(self) -> dict[str, Any] | None:
        """The Pod as it is now; None when it is gone, or when the name belongs to another one."""
        pod = self._context.objects.get(PODS, *self._key)
        return pod if pod is not None and pod["metadata"]["uid"] == self._uid else None

    async def write(self, pod: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        """Patches the status if it differs; False after a conflict (look at the Pod again)."""
        before = pod.get("status") or {}
        if all(before.get(key) == value for key, value in status.items()):
            return True
        # The version also keeps us from writing to another Pod that took the name meanwhile.
        body = {"metadata": {"resourceVersion": pod["metadata"]["resourceVersion"]}, "status": dict(status)}
        try:
            await self._context.objects.patch(PODS, *self._key, body, "status")
        except ApiError as error:
            if error.code not in (404, 409):
                raise
            return False
        return True

    async def event(
        self, pod: Mapping[str, Any] | None, kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Tells about the Pod, if it is still there. What cannot be told (a namespace on its way out
        takes no events) never holds up the work."""
        if pod is not None:
            with suppress(ApiError):
                await self._context.objects.event(dict(pod), kind, reason, message, SOURCE)

    async def once(self, pod: Mapping[str, Any], reason: str, message: str) -> None:
        """A Warning that is repeated only after something else was told about the same reason."""
        if (reason, message) not in self._told:
            self._told = {told for told in self._told if told[0] != reason} | {(reason, message)}
            await self.event(pod, "Warning", reason, message)
