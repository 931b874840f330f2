"""The API's verbs over HTTP: what each method on a resource path reads, does and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from aiohttp import web

from tidegate.kube.resource import ApiError
from tidegate.kube.responses import (
    accepted,
    bad_request,
    encode,
    json_answer,
    no_such_path,
    not_allowed,
    success_body,
)
from tidegate.local.apiserver.authorization import escalation
from tidegate.local.apiserver.authorization.access import Access, User, forbidden
from tidegate.local.apiserver.control_plane import Plane
from tidegate.local.apiserver.http import protobuf, requests
from tidegate.local.apiserver.http.installers import hidden_from, narrowed
from tidegate.local.apiserver.http.list_options import (
    EXACT,
    check_list_options,
    check_version,
    version_asked,
)
from tidegate.local.apiserver.http.pod_streams import Streams
from tidegate.local.apiserver.http.reviews import Reviews
from tidegate.local.apiserver.http.watch_streams import WatchStreams, asked_of
from tidegate.local.apiserver.kinds import SCALES, Kind
from tidegate.local.apiserver.paths import Path, flag, number
from tidegate.local.apiserver.printing.tables import SHAPES, Renderer, decode, shape_of
from tidegate.local.apiserver.reads import Query
from tidegate.local.apiserver.refusals import not_found
from tidegate.local.apiserver.scale import scale_of
from tidegate.local.apiserver.writing.parts import is_free
from tidegate.local.apiserver.writing.pod_requests import BINDING, EVICTION, PodRequests
from tidegate.local.apiserver.writing.verbs import Target, Written
from tidegate.local.objects import Object
from tidegate.runtime.clock import Clock

COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
STREAMED = ("exec", "attach", "portforward")
Result = TypeVar("Result")


class Endpoints:
    """Answers requests on resource paths."""

    def __init__(
        self, plane: Plane, streams: Streams, watches: WatchStreams, reviews: Reviews, clock: Clock
    ) -> None:
        self._plane = plane
        self._streams = streams
        self._watches = watches
        self._reviews = reviews
        self._clock = clock
        self._asked = PodRequests(plane.store, plane.verbs, plane.kinds, clock)

    def verb(self, request: web.Request, path: Path) -> str:
        """The API's word for what a request does (`list`, `watch`, `create`, `connect` …)."""
        if path.plural == "pods" and path.subresource in STREAMED:
            return "connect"
        words = OBJECT_VERBS if path.name else COLLECTION_VERBS
        verb = words.get(request.method, request.method.lower())
        if request.method == "GET" and flag(request.query, "watch"):
            return "watch"
        return "create" if path.subresource and request.method == "POST" else verb

    def has(self, path: Path) -> bool:
        """Whether the kind is served; counted are only requests about what exists."""
        return self._plane.kinds.find(path.group, path.version, path.plural) is not None

    async def serve(self, request: web.Request, path: Path, verb: str, user: User) -> web.StreamResponse:
        """The answer to a user who may ask; every refusal is an `ApiError`."""
        kind = self._kind(path)
        if path.subresource:
            return await self._serve_subresource(request, kind, path, verb, user)
        if verb not in kind.verbs:
            raise self._refusal(request, kind)
        if kind.resource.is_namespaced and verb == "create" and not path.namespace:
            raise not_allowed(f"create {kind.resource.plural} in a namespace: .../namespaces/<name>/...")
        if kind.is_review:
            return await self._reviews.serve(request, kind, path, user)
        if verb in ("get", "list", "watch"):
            return await self._read(request, kind, path, verb)
        if verb == "deletecollection":
            return await self._delete_collection(request, kind, path)
        return await self._write(request, Target(kind, path.namespace, path.name), verb, user)

    def _kind(self, path: Path) -> Kind:
        kind = self._plane.kinds.find(path.group, path.version, path.plural)
        if kind is None or path.rest:
            raise no_such_path()
        is_namespaced = kind.resource.is_namespaced
        if (path.namespace and not is_namespaced) or (path.name and is_namespaced and not path.namespace):
            raise no_such_path()
        return kind

    def _refusal(self, request: web.Request, kind: Kind) -> ApiError:
        return not_allowed(
            f"the server does not allow this method on the requested resource: "
            f"{request.method} on {kind.resource.plural}"
        )

    async def _serve_subresource(
        self, request: web.Request, kind: Kind, path: Path, verb: str, user: User
    ) -> web.StreamResponse:
        sub = kind.subresource(path.subresource)
        if sub is None or not path.name:
            raise no_such_path()
        if kind.key == "pods" and sub.name in STREAMED:
            self._confirm_create(path, user)
            streams = self._streams
            serve = {"exec": streams.exec, "attach": streams.attach, "portforward": streams.port_forward}
            return await serve[sub.name](request, path)
        if verb not in sub.verbs:
            raise self._refusal(request, kind)
        if kind.key == "pods" and sub.name in ("binding", "eviction"):
            return await self._request_of_pod(request, path)
        if kind.key == "pods" and sub.name == "log":
            return await self._streams.log(request, path)
        if kind.key == "serviceaccounts" and sub.name == "token":
            return await self._reviews.token(request, kind, path)
        target = Target(kind, path.namespace, path.name, path.subresource)
        if verb != "get":
            return await self._write(request, target, verb, user)
        row, now = self._plane.reads.get(kind, path.namespace, path.name), self._clock.now()
        if sub.name == "scale":
            scale = scale_of(kind, decode(self._plane.reads.body(kind, row)))
            return json_answer(self._renderer(request, SCALES).written(encode(scale), now))
        return json_answer(self._renderer(request, kind).one(row, now))

    async def _request_of_pod(self, request: web.Request, path: Path) -> web.Response:
        """201: the Pod is bound to a node, or on its way out."""
        kind = BINDING if path.subresource == "binding" else EVICTION
        body, options, warnings = await requests.read_request(request, kind)
        meta = body.get("metadata") or {}
        if meta.get("name") != path.name:
            raise bad_request(f"name in URL does not match name in {kind.resource.kind} object")
        if meta.get("namespace") not in (None, "", path.namespace):
            raise bad_request(
                "the namespace of the provided object does not match the namespace of the request"
            )
        if kind is BINDING:
            write = self._asked.bind(path.namespace, path.name, body, options)
        else:
            deletion, own = requests.deletion_of(body.get("deleteOptions") or {}, {})
            options = replace(options, is_dry_run=options.is_dry_run or own.is_dry_run)
            write = self._asked.evict(path.namespace, path.name, deletion, options)
        await _whole(write)
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return json_answer(status, status=201, warnings=warnings)

    def _guard(self, target: Target, user: User, kind: Kind, new: Object, old: Object | None) -> None:
        """Nobody gives rights that they do not have, nor makes by an apply what they may not create."""
        if old is None and target.name:
            made = target.kind.resource
            self._confirm(Access("create", made.group, made.plural, "", target.namespace, target.name), user)
        escalation.check(self._plane.policy, user, kind, new, old)

    def _confirm_create(self, path: Path, user: User) -> None:
        """A websocket is opened by a GET; who may only look may not run commands by it."""
        place = (path.namespace, path.name)
        self._confirm(Access("create", path.group, path.plural, path.subresource, *place), user)

    def _confirm(self, access: Access, user: User) -> None:
        decision = self._plane.policy.decide(user, access)
        if not decision.is_allowed:
            raise forbidden(user, access, decision.reason)

    async def _read(self, request: web.Request, kind: Kind, path: Path, verb: str) -> web.StreamResponse:
        reads, query = self._plane.reads, request.query
        if verb == "watch":
            watched = self._renderer(request, kind)
            asked = asked_of(path, query, hidden=hidden_from(request))
            return await self._watches.serve(request, kind, asked, watched)
        renderer = self._renderer(request, kind, is_list=verb == "list")
        now = self._clock.now()
        check_version(query, reads.version)
        if verb == "get":
            row = reads.get(kind, path.namespace, path.name)
            if hidden_from(request) and is_free(row):
                raise not_found(kind, path.name)
            return json_answer(renderer.one(row, now))
        check_list_options(query, is_watch=False)
        page = reads.list(kind, _list_query(request, path))
        if query.get("resourceVersionMatch") == EXACT and version_asked(query) != page.version:
            message = f"the resource version {query['resourceVersion']} is not the newest one"
            raise ApiError(410, "Expired", message)
        return json_answer(renderer.page(page, now))

    async def _write(self, request: web.Request, target: Target, verb: str, user: User) -> web.Response:
        raw, content_type = await request.read(), request.headers.get("Content-Type", "")
        kind, verbs = target.kind, self._plane.verbs
        if verb == "delete":
            deletion, options = requests.read_deletion(raw, content_type, request.query)
            written = await _whole(verbs.delete(target, deletion, options))
            return self._deleted(request, target, written)
        user_agent = request.headers.get("User-Agent", "")
        options = requests.write_options(request.query, verb, user_agent, content_type)
        options = replace(options, guard=partial(self._guard, target, user))
        if verb == "patch":
            patch_type, patch = requests.read_patch(raw, content_type, kind)
            if patch_type == "apply":
                written = await _whole(verbs.apply(target, patch, options))
            else:
                written = await _whole(verbs.patch(target, patch_type, patch, options))
        else:
            message = "Scale" if target.subresource == "scale" else protobuf.message_of(kind)
            body = requests.read_object(raw, content_type, message)
            if target.subresource != "scale":
                requests.check_envelope(kind, target.name, body)
            write = verbs.create if verb == "create" else verbs.update
            written = await _whole(write(target, body, options))
        if target.subresource == "scale":
            return json_answer(written.body, warnings=written.warnings)
        renderer = self._renderer(request, kind)
        return json_answer(
            renderer.written(written.body, self._clock.now()),
            status=201 if written.is_created else 200,
            warnings=written.warnings,
        )

    def _deleted(self, request: web.Request, target: Target, written: Written) -> web.Response:
        """Pods, and what is still held by finalizers, are answered as they are; else a Success Status."""
        kind = target.kind
        if not written.is_removed or kind.key == "pods":
            left = self._renderer(request, kind).written(written.body, self._clock.now())
            return json_answer(left, warnings=written.warnings)
        details = {"name": target.name, "kind": kind.resource.plural}
        if kind.resource.group:
            details["group"] = kind.resource.group
        details["uid"] = (decode(written.body).get("metadata") or {}).get("uid", "")
        return json_answer(success_body(details), warnings=written.warnings)

    async def _delete_collection(self, request: web.Request, kind: Kind, path: Path) -> web.Response:
        """Each matching object is deleted on its own; one that is gone by then counts as deleted."""
        raw, content_type = await request.read(), request.headers.get("Content-Type", "")
        deletion, options = requests.read_deletion(raw, content_type, request.query)
        page = self._plane.reads.list(kind, _list_query(request, path))
        renderer = self._renderer(request, kind)
        answer = renderer.page(page, self._clock.now())
        for row in page.rows:
            try:
                target = Target(kind, row.namespace, row.name)
                await _whole(self._plane.verbs.delete(target, deletion, options))
            except ApiError as error:
                if error.code != 404:
                    raise
        return json_answer(answer)

    def _renderer(self, request: web.Request, kind: Kind, is_list: bool | None = None) -> Renderer:
        asked = accepted(request.headers.get("Accept", ""), SHAPES)
        shape = shape_of(asked, request.query.get("includeObject", ""), is_list=is_list)
        return Renderer(self._plane.reads, kind, shape)


def _list_query(request: web.Request, path: Path) -> Query:
    query = request.query
    # Whoever takes any version gets all of it at once.
    is_whole = query.get("resourceVersion") == "0" and not query.get("continue")
    return Query(
        namespace=path.namespace,
        labels=narrowed(query.get("labelSelector", ""), hidden_from(request)),
        fields=query.get("fieldSelector", ""),
        limit=0 if is_whole else max(0, number(query, "limit") or 0),
        continue_token=query.get("continue", ""),
    )


async def _whole(write: Awaitable[Result]) -> Result:
    """The write's outcome. A client that hangs up meanwhile does not undo half of it."""
    try:
        return await asyncio.shield(write)
    except RecursionError as error:
        # Decided before anything is stored: what could be decoded was too deep to be checked.
        raise bad_request(requests.TOO_DEEP) from error
