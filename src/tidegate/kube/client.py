"""A thin client of the Kubernetes API: verbs over HTTP, nothing kept.

Objects are plain dictionaries in their wire shape. Every call raises `ApiError` when the server
refuses, and `Unreachable` when none answers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.kube.config import Config
from tidegate.kube.resource import ApiError, Resource
from tidegate.kube.transport import Call, Transport, always, read_all
from tidegate.kube.watching import WatchEvent, events
from tidegate.runtime.clock import Clock, SystemClock

JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

PAGE = 500
WATCH_S = 300
FIELD_MANAGER = "tidegate"

_WATCH_GRACE_S = 30.0

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a list, and the version to watch from."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, each item as JSON bytes."""

    items: list[bytes]
    resource_version: str


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str | None = ""
    continue_: str | None = msgspec.field(name="continue", default="")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


_lists = msgspec.json.Decoder(_List)


class Client:
    """`on_warning` gets each `Warning:` of the server, as text; `may_write` is asked before each request that
    changes something, and raises where it may not be sent. Close it at the end.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock | None = None,
        on_warning: Callable[[str], None] | None = None,
        may_write: Callable[[], None] = always,
    ) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self._transport = Transport(config, self.clock, may_write)
        self._on_warning = on_warning

    async def close(self) -> None:
        """Safe when never used, and safe twice."""
        await self._transport.close()

    # --- reading

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Object:
        """The object; ApiError `NotFound` where there is none."""
        return await self._json("GET", resource.path(namespace, name, subresource))

    async def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Listing:
        """All objects (of a namespace; that match the selectors), fetched in pages of 500."""
        items: list[Object] = []
        version = ""
        async with aclosing(self.pages(resource, namespace, labels=labels, fields=fields)) as pages:
            async for page in pages:
                version = page.resource_version
                for raw in page.items:
                    item = msgspec.json.decode(raw)
                    item.setdefault("apiVersion", resource.api_version)
                    item.setdefault("kind", resource.kind)
                    items.append(item)
        return Listing(items, version)

    async def pages(
        self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> AsyncGenerator[Page]:
        """The same as bytes. ApiError `Expired` when the list took too long: begin again."""
        query = {"limit": str(PAGE), **_selectors(labels, fields)}
        while True:
            raw = await self.request("GET", resource.path(namespace), query=query)
            try:
                read = _lists.decode(raw)
            except msgspec.DecodeError as error:
                message = f"the reply to GET {resource.path(namespace)} is not a list: {error}"
                raise ApiError(500, "InternalError", message) from error
            yield Page([bytes(item) for item in read.items or ()], read.metadata.resource_version or "")
            if not read.metadata.continue_:
                return
            query["continue"] = read.metadata.continue_

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str = "",
        labels: str = "",
        fields: str = "",
        on_open: Callable[[], None] | None = None,
    ) -> AsyncGenerator[WatchEvent]:
        """Changes after `resource_version`, bookmarks among them, until the server ends the stream.

        ApiError `Expired` (410) means that the version is too old: list again. `on_open` is called
        when the server has accepted the watch.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
            **_selectors(labels, fields),
        }
        if resource_version:
            query["resourceVersion"] = resource_version
        silence_s = WATCH_S + _WATCH_GRACE_S
        pieces = self.stream(resource.path(namespace), query=query, silence_s=silence_s, on_open=on_open)
        async with aclosing(pieces), aclosing(events(pieces)) as stream:
            async for event in stream:
                yield event

    async def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        silence_s: float | None = None,
        on_open: Callable[[], None] | None = None,
        accept: str = JSON,
    ) -> AsyncGenerator[bytes]:
        """A reply in the pieces in which it comes (logs, watches), however long it takes."""
        call = Call("GET", path, query or {}, accept=accept, total_s=None, read_s=silence_s)
        async with self._transport.open(call) as response:
            if on_open is not None:
                on_open()
            async for piece in response.content.iter_any():
                yield piece

    # --- writing

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        """The object as stored; ApiError `AlreadyExists` (409) when the name is taken."""
        return await self._json("POST", resource.path(namespace), body)

    async def replace(
        self, resource: Resource, namespace: str, name: str, body: Object, subresource: str = ""
    ) -> Object:
        """ApiError `Conflict` (409) when the body's resourceVersion is not the newest."""
        return await self._json("PUT", resource.path(namespace, name, subresource), body)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Any,
        *,
        subresource: str = "",
        content_type: str = MERGE,
    ) -> Object:
        """A resourceVersion in a merge patch is a precondition (`Conflict`)."""
        return await self._json("PATCH", resource.path(namespace, name, subresource), patch, content_type)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        propagation: str = "Background",
        grace_s: int | None = None,
        uid: str = "",
    ) -> Object:
        """The Status, or the object while finalizers hold it. `uid` spares a namesake (`Conflict`)."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        if uid:
            options["preconditions"] = {"uid": uid}
        return await self._json("DELETE", resource.path(namespace, name), options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """The reply to any request; `body` is encoded as JSON."""
        encoded = msgspec.json.encode(body) if body is not None else None
        call = Call(method, path, query or {}, encoded, content_type, accept)
        async with self._transport.open(call) as response:
            if self._on_warning is not None:
                for header in response.headers.getall("Warning", ()):
                    self._on_warning(_warning(header))
            return await read_all(response)

    async def _json(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> Object:
        query = {"fieldManager": FIELD_MANAGER} if method in ("POST", "PUT", "PATCH") else {}
        raw = await self.request(method, path, query=query, body=body, content_type=content_type)
        try:
            decoded = msgspec.json.decode(raw)
        except msgspec.DecodeError as error:
            message = f"the reply to {method} {path} is not JSON: {error}"
            raise ApiError(500, "InternalError", message) from error
        if not isinstance(decoded, dict):
            raise ApiError(500, "InternalError", f"the reply to {method} {path} is not an object")
        return decoded


def _selectors(labels: str, fields: str) -> dict[str, str]:
    query = {}
    if labels:
        query["labelSelector"] = labels
    if fields:
        query["fieldSelector"] = fields
    return query


def _warning(header: str) -> str:
    """The text of `299 - "text"`. Source: RFC 7234, section 5.5."""
    _, quote, text = header.partition('"')
    return text.removesuffix('"').replace('\\"', '"').replace("\\\\", "\\") if quote else header
