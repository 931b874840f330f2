"""A tiny Kubernetes API on loopback: real HTTP, one store, and everything a test wants to go wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Object = dict[str, Any]


def status(code: int, reason: str, message: str, **details: Any) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }


class TinyApi:
    """`objects` by path; `refuse` may answer a request in place of the store; `requests` is the record."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.version = 0
        self.oldest = 0
        self.log: list[tuple[int, str, str, Object]] = []
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.headers: list[dict[str, str]] = []
        self.refuse: Callable[[web.Request], Awaitable[web.StreamResponse | None]] | None = None
        self.extra_lines: list[bytes] = []
        self.watches = 0
        self.changed = asyncio.Event()
        self.url = ""

    def put(self, path: str, **fields: Any) -> Object:
        """Adds or changes an object at `/api/v1/namespaces/<ns>/<plural>/<name>`."""
        before = self.objects.get(path)
        parts = path.split("/")
        self.version += 1
        meta = {
            "name": parts[-1],
            "namespace": parts[-3],
            "uid": f"uid-{parts[-1]}-{self.version}",
            **(before["metadata"] if before else {}),
            **fields.pop("metadata", {}),
            "resourceVersion": str(self.version),
        }
        self.objects[path] = {**(before or {}), "metadata": meta, **fields}
        self._say("MODIFIED" if before else "ADDED", path)
        return self.objects[path]

    def drop(self, path: str) -> None:
        self.version += 1
        self.objects[path]["metadata"] = {
            **self.objects[path]["metadata"],
            "resourceVersion": str(self.version),
        }
        self._say("DELETED", path)
        del self.objects[path]

    def forget_history(self) -> None:
        self.log = []
        self.oldest = self.version

    def end_watches(self) -> None:
        self.watches += 1
        self.changed.set()

    def _say(self, kind: str, path: str) -> None:
        self.log.append((self.version, kind, path, self.objects[path]))
        self.changed.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else None
        self.requests.append((request.method, request.path, dict(request.query), body))
        self.headers.append(dict(request.headers))
        refused = await self.refuse(request) if self.refuse is not None else None
        if refused is not None:
            return refused
        if request.query.get("watch"):
            return await self._watch(request)
        return self._answer(request, body)

    def _answer(self, request: web.Request, body: Any) -> web.Response:
        path = request.path
        if request.method == "POST":
            at = f"{path}/{body['metadata']['name']}"
            if at in self.objects:
                return _json(status(409, "AlreadyExists", "it is there already"), 409)
            return _json(self.put(at, **body), 201)
        if path in self.objects:
            if request.method == "DELETE":
                self.drop(path)
                return _json({"kind": "Status", "status": "Success"})
            if request.method in ("PATCH", "PUT"):
                return self._write(path, body)
            return _json(self.objects[path])
        if path.endswith("pods"):
            return self._list(request)
        return _json(status(404, "NotFound", f'pods "{path.split("/")[-1]}" not found', kind="pods"), 404)

    def _write(self, path: str, body: Object) -> web.Response:
        version = body.get("metadata", {}).get("resourceVersion")
        if version and version != self.objects[path]["metadata"]["resourceVersion"]:
            return _json(status(409, "Conflict", "the object has been modified"), 409)
        return _json(self.put(path, **body))

    def _list(self, request: web.Request) -> web.Response:
        items = [
            body for path, body in sorted(self.objects.items()) if path.startswith(_prefix(request.path))
        ]
        start, limit = int(request.query.get("continue", "0")), int(request.query.get("limit", "0"))
        page = items[start : start + limit] if limit else items
        meta = {"resourceVersion": str(self.version)}
        if start + len(page) < len(items):
            meta["continue"] = str(start + len(page))
        return _json({"kind": "List", "apiVersion": "v1", "metadata": meta, "items": page})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        seen, generation = int(request.query.get("resourceVersion", "0")), self.watches
        response = web.StreamResponse()
        await response.prepare(request)
        if seen < self.oldest:
            line = {"type": "ERROR", "object": status(410, "Expired", "too old resource version")}
            await response.write(json.dumps(line).encode() + b"\n")
            return response
        while self.watches == generation:
            for version, kind, path, body in list(self.log):
                if version > seen and path.startswith(_prefix(request.path)):
                    line = json.dumps({"type": kind, "object": body}).encode() + b"\n"
                    await response.write(line[:7])
                    await response.write(line[7:])
                    seen = version
            while self.extra_lines:
                await response.write(self.extra_lines.pop(0) + b"\n")
            self.changed.clear()
            await self.changed.wait()
        return response


def _prefix(path: str) -> str:
    return path.removesuffix("/pods") if path == "/api/v1/pods" else path + "/"


def _json(body: Object, code: int = 200) -> web.Response:
    return web.json_response(body, status=code)


@asynccontextmanager
async def serving(api: TinyApi, port: int = 0, tls: Any = None) -> AsyncIterator[int]:
    """Serves on loopback; yields the port, so that a server can come back where it was."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls, reuse_address=True)
    await site.start()
    bound = runner.addresses[0][1]
    api.url = f"{'https' if tls else 'http'}://127.0.0.1:{bound}"
    try:
        yield bound
    finally:
        api.end_watches()
        await runner.cleanup()
