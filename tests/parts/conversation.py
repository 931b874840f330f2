"""A Kubernetes API asked as any HTTP client would ask it, whoever serves it: a kubeconfig is all it takes."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tidegate.kube.config import load
from tidegate.kube.credentials import Credentials
from tidegate.runtime.clock import SystemClock

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
LINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is the decoded JSON, or the bytes of what is none."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The reason of a refusal; "" for what was not refused."""
        return str(self.body.get("reason", "")) if self.status >= 400 else ""

    @property
    def version(self) -> str:
        return str(self.body["metadata"]["resourceVersion"])


class Stream:
    """A watch being read."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self._response.content.readline(), LINE_S)
        assert line, "the stream ended"
        event: dict[str, Any] = json.loads(line)
        return event

    async def brief(self) -> tuple[str, str]:
        """Type and name of the next event."""
        event = await self.next()
        return event["type"], event["object"]["metadata"]["name"]

    async def is_over(self) -> bool:
        return await asyncio.wait_for(self._response.content.readline(), LINE_S) == b""


class Talk:
    """`namespace` is the conversation's own, and so are names that begin with `token`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.token = f"t{secrets.token_hex(5)}"
        self.namespace = self.token
        self.url = url
        self._session = session

    def path(self, plural: str, name: str = "", *, group: str = "", subresource: str = "") -> str:
        """The path of a namespaced resource: `path("deployments", "web", group="apps/v1")`."""
        root = f"/apis/{group}" if group else "/api/v1"
        parts = [root, "namespaces", self.namespace, plural, name, subresource]
        return "/".join(part for part in parts if part)

    async def ask(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", **how: Any
    ) -> Answer:
        """`how`: `accept`, `headers`, or query parameters. Bytes are sent as they are."""
        headers = {"Accept": how.pop("accept", "application/json"), **how.pop("headers", {})}
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if raw is not None and content_type:
            headers["Content-Type"] = content_type
        stream = None if raw is None else io.BytesIO(raw)
        async with self._session.request(
            method,
            self.url + path,
            data=stream,
            headers=headers,
            params=how,
            skip_auto_headers=["Content-Type"],
        ) as response:
            read = await response.read()
            decoded = json.loads(read) if response.content_type == "application/json" and read else read
            warnings = tuple(response.headers.getall("Warning", ()))
            return Answer(response.status, decoded, dict(response.headers), warnings)

    async def get(self, path: str, **how: Any) -> Answer:
        return await self.ask("GET", path, **how)

    async def post(self, path: str, body: Any, **how: Any) -> Answer:
        return await self.ask("POST", path, body, **how)

    async def put(self, path: str, body: Any, **how: Any) -> Answer:
        return await self.ask("PUT", path, body, **how)

    async def delete(self, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.ask("DELETE", path, body, **how)

    async def patch(self, path: str, patch: Any, content_type: str = MERGE, **how: Any) -> Answer:
        return await self.ask("PATCH", path, patch, content_type=content_type, **how)

    async def made(self, path: str, body: Any) -> Any:
        """The object that a POST has created."""
        answer = await self.post(path, body)
        assert answer.status == 201, answer.body
        return answer.body

    @asynccontextmanager
    async def watching(
        self, path: str, *, accept: str = "application/json", **query: str
    ) -> AsyncIterator[Stream]:
        parameters = {"watch": "true", **query}
        async with self._session.get(
            self.url + path, params=parameters, headers={"Accept": accept}
        ) as response:
            assert response.status == 200, await response.text()
            try:
                yield Stream(response)
            finally:
                # A polite end waits for the server's, past the end of the test.
                if response.connection is not None and response.connection.transport is not None:
                    response.connection.transport.abort()
                    await asyncio.sleep(0)  # the loop closes what was aborted


@asynccontextmanager
async def talking(kubeconfig: Path, folder: Path, *, is_tidied: bool = False) -> AsyncIterator[Talk]:
    """A conversation with a namespace of its own, which is deleted at the end if the cluster is to stay.

    Keys are put into `folder`.
    """
    config = load(kubeconfig)
    identity = await Credentials(config, SystemClock()).identity()
    context = ssl.create_default_context(cadata=config.authority.decode() or None)
    if config.is_insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if identity.certificate:
        pair = folder / "client.pem"
        pair.touch(0o600)
        pair.write_bytes(identity.certificate + b"\n" + identity.key)
        context.load_cert_chain(pair)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, headers=identity.headers) as session:
        talk = Talk(session, config.server)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": talk.namespace}}
        await talk.made("/api/v1/namespaces", body)
        yield talk
        if is_tidied:
            await talk.delete(f"/api/v1/namespaces/{talk.namespace}")
