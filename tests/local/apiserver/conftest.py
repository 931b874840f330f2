"""An opened control plane in a directory of its own, with a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from parts.served import without_authorities
from tidegate.kube.resource import ApiError, Resource
from tidegate.local.apiserver.control_plane import Plane, open_plane
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.writing.verbs import Options, Target

STRICT = Options(field_validation="Strict")


class MovedClock:
    """Stands still until `move`; sleepers wake when their time has come."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
        self._sleepers: list[tuple[datetime, asyncio.Event]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    async def sleep(self, seconds: float) -> None:
        bell = asyncio.Event()
        self._sleepers.append((self._now + timedelta(seconds=seconds), bell))
        await bell.wait()

    def move(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        for moment, bell in self._sleepers:
            if moment <= self._now:
                bell.set()


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def plane(tmp_path: Path, clock: MovedClock) -> AsyncIterator[Plane]:
    opened = await without_authorities(await open_plane(tmp_path / "state", clock))
    yield opened
    await opened.close()


def copied(body: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(body))


class Bodies:
    """Small valid objects to start from."""

    WIDGETS = Resource("example.org", "v1", "widgets", "Widget")

    @staticmethod
    def config_map(name: str = "settings", **data: str) -> dict[str, Any]:
        return {"metadata": {"name": name}, "data": data}

    @staticmethod
    def pod(name: str = "worker", **spec: Any) -> dict[str, Any]:
        containers = [{"name": "main", "image": "redis:7"}]
        return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}

    @staticmethod
    def template(**labels: str) -> dict[str, Any]:
        return {"metadata": {"labels": labels}, "spec": Bodies.pod()["spec"]}

    @staticmethod
    def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
        whole = {"selector": {"matchLabels": {"app": "web"}}, "template": Bodies.template(app="web"), **spec}
        return {"metadata": {"name": name}, "spec": whole}

    @staticmethod
    def job(name: str = "once", **spec: Any) -> dict[str, Any]:
        inner = Bodies.template()
        inner["spec"]["restartPolicy"] = "Never"
        return {"metadata": {"name": name}, "spec": {"template": inner, **spec}}

    @staticmethod
    def definition(**version: Any) -> dict[str, Any]:
        """Defines widgets: spec.size (required, at least 1), spec.colour (default red)."""
        spec = {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1},
                "colour": {"type": "string", "default": "red"},
            },
        }
        properties = {
            "spec": spec,
            "status": {
                "type": "object",
                "properties": {"ready": {"type": "integer"}, "names": {"type": "string"}},
            },
        }
        whole = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
            "subresources": {
                "status": {},
                "scale": {
                    "specReplicasPath": ".spec.size",
                    "statusReplicasPath": ".status.ready",
                    "labelSelectorPath": ".status.names",
                },
            },
            **version,
        }
        return {
            "metadata": {"name": "widgets.example.org"},
            "spec": {
                "group": "example.org",
                "scope": "Namespaced",
                "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
                "versions": [whole],
            },
        }


@pytest.fixture
def bodies() -> type[Bodies]:
    return Bodies


class Api(Bodies):
    """The plane as HTTP would call it, in few words."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane

    def kind(self, resource: Resource) -> Kind:
        kind = self.plane.kinds.of(resource)
        assert kind is not None, resource
        return kind

    def target(
        self, resource: Resource, name: str = "", subresource: str = "", namespace: str = "default"
    ) -> Target:
        return Target(self.kind(resource), namespace if resource.is_namespaced else "", name, subresource)

    @staticmethod
    def copied(body: Any) -> Any:
        return copied(body)

    async def create(self, resource: Resource, body: Any, options: Options = STRICT) -> Any:
        namespace = (body.get("metadata") or {}).get("namespace") or "default"
        written = await self.plane.verbs.create(
            self.target(resource, namespace=namespace), copied(body), options
        )
        return msgspec.json.decode(written.body)

    def get(self, resource: Resource, name: str, namespace: str = "default") -> Any:
        kind = self.kind(resource)
        place = namespace if resource.is_namespaced else ""
        return self.plane.reads.get(kind, place, name).parse()

    def exists(self, resource: Resource, name: str, namespace: str = "default") -> bool:
        try:
            self.get(resource, name, namespace)
        except ApiError:
            return False
        return True

    @staticmethod
    async def refusal(call: Any) -> ApiError:
        """The error that a call must end in."""
        with pytest.raises(ApiError) as caught:
            await call
        return caught.value

    @staticmethod
    async def until(is_so: Callable[[], bool]) -> None:
        """Returns when it is so; the test's own limit ends a wait that never does."""
        async with asyncio.timeout(1.5):
            while not is_so():  # noqa: ASYNC110 - anything may make it so
                await asyncio.sleep(0.001)


@pytest.fixture
def api(plane: Plane) -> Api:
    return Api(plane)
