"""The writer of an operator that stands beside KEDA: the one place that decides that nothing is written.

Whatever is asked of it, it does nothing and says so; its own events are all that it sends. What an HPA would
be is kept, so that it can be compared with what is.
"""

from __future__ import annotations

from typing import Any

from tidegate.core.values import Action, EmitEvent
from tidegate.kube.client import Client
from tidegate.kube.events import Events, News
from tidegate.kube.resource import Resource
from tidegate.operator.cluster.writer import Creation, Object, Place, Writer


class ShadowWriter(Writer):
    """Writes nothing of anybody's. `events` are of another source than KEDA's."""

    is_shadow = True

    def __init__(self, client: Client, events: Events) -> None:
        super().__init__(client, events)
        self._wanted_hpas: dict[tuple[str, str], Object] = {}

    def permitted(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        return ()

    async def tell(self, place: Place, event: EmitEvent) -> None:
        """What this operator says for itself."""
        self.events.put(place.reference(), News(event.type, event.reason, event.message))

    def taken_hpa(self, namespace: str, name: str) -> Object | None:
        """The HPA that was to be written since the last call."""
        return self._wanted_hpas.pop((namespace, name), None)

    async def event(self, place: Place, event: EmitEvent) -> None:
        """KEDA tells its own."""

    async def status(self, place: Place, status: Object, version: str = "") -> Object:
        return {}

    async def metadata(self, place: Place, metadata: Object, version: str = "") -> Object:
        return {}

    async def replicas(
        self, target: Resource, namespace: str, name: str, replicas: int, previous: int | None = None
    ) -> None:
        """KEDA and its HPA set the count."""

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        return {}

    async def create_hpa(self, namespace: str, body: Object) -> Object:
        self._wanted_hpas[namespace, body["metadata"]["name"]] = body
        return {}

    async def replace_hpa(self, namespace: str, body: Object) -> Object:
        return await self.create_hpa(namespace, body)

    async def delete(
        self, resource: Resource, namespace: str, name: str, propagation: str, *, uid: str = ""
    ) -> bool:
        return False

    async def delete_jobs(
        self, namespace: str, names: tuple[str, ...], propagation: str
    ) -> dict[str, bool | str]:
        return {}

    async def create_jobs(self, namespace: str, bodies: list[dict[str, Any]]) -> Creation:
        return Creation((), (), ())
