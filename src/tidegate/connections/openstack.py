"""OpenStack: a token from Keystone, kept until it ends; then Gnocchi or Swift, a request for each question.

    eight containers of an account and more → one listing, where it may be read

refused with 401 → another token, once
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.base.errors import TidegateError
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response, TooLarge
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.packs import Found, PackedConnection, Spoilt
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.question import Question
from tidegate.kit.systems.http import HttpRequest, HttpServer, Url, read_url
from tidegate.kit.systems.openstack import ContainerObjects, Keystone, LastMeasure, OpenstackServer
from tidegate.kit.tls import Tls

LISTED_FROM = 8
"""From how many containers on a listing is worth it."""

_EARLY_S = 60.0
_UNSAID_S = 300.0
_LOGIN = "check `authURL` and the credentials"
_STRANGE = "check the URL: what answers there is another service"
_COUNT = "X-Container-Object-Count"


@dataclass(frozen=True, slots=True)
class _Token:
    """`place` is Swift's, from the catalogue, where one was looked for."""

    text: str
    until: float
    place: str = ""


def connect(server: OpenstackServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return OpenstackConnection(server, surroundings)


class OpenstackConnection(PackedConnection):
    """Answers `LastMeasure`s and `ContainerObjects`."""

    kinds = (LastMeasure, ContainerObjects)
    at_once = 1000

    def __init__(self, server: OpenstackServer, surroundings: Surroundings) -> None:
        self._at = server
        self._surroundings = surroundings
        self._keystone_url = read_url(server.keystone.url)
        self._keystone = _server(self._keystone_url, server.timeout_s, "Keystone")
        super().__init__(self._keystone, surroundings)
        self._services: dict[str, HttpClient] = {}
        self._lock = asyncio.Lock()
        self._token: _Token | None = None
        self._refused: TidegateError | None = None
        self._may_list = True

    @property
    def round_trips(self) -> int:
        """Requests sent since the adapter was made."""
        return self.client.requests + sum(one.requests for one in self._services.values())

    async def close(self) -> None:
        await super().close()
        for one in self._services.values():
            await one.close()

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order."""
        self._refused = None
        return await super().answer(questions)

    def group(self, question: LastMeasure | ContainerObjects) -> Hashable:
        return True if isinstance(question, ContainerObjects) else None

    async def packed(self, questions: Sequence[Any]) -> Found:
        if len(questions) == 1:
            return {questions[0]: await self._alone(questions[0])}
        if len(questions) < LISTED_FROM or not self._may_list:
            raise Spoilt
        try:
            response, _ = await self._answered(None)
            listed = _containers(response) if response.status == 200 else {}
        except TooLarge:
            listed = {}
        if not listed:
            self._may_list = False
            raise Spoilt
        found: Found = {one: listed[one.container] for one in questions if one.container in listed}
        return await self.with_the_rest(found, questions, self._alone)

    async def _alone(self, question: LastMeasure | ContainerObjects) -> Any:
        response, request = await self._answered(question)
        is_container = isinstance(question, ContainerObjects)
        return _objects(response, request) if is_container else _measure(response, request)

    async def _answered(
        self, question: LastMeasure | ContainerObjects | None
    ) -> tuple[Response, HttpRequest]:
        """What the service says, with another token where one was taken back before its time."""
        token = await self._valid()
        response, request = await self._exchanged(question, token)
        if response.status == 401:
            if self._token is token:
                self._token = None
            response, request = await self._exchanged(question, await self._valid())
        return response, request

    async def _exchanged(
        self, question: LastMeasure | ContainerObjects | None, token: _Token
    ) -> tuple[Response, HttpRequest]:
        """Asks once; for None lists the containers of the account."""
        url = read_url(self._at.origin or token.place)
        client = self._service(url)
        client.timeout_s = self.client.timeout_s
        base = url.path.rstrip("/")
        if question is None:
            path, method, attempted = f"{base}?format=json", "GET", "list the containers"
        elif isinstance(question, ContainerObjects):
            path, method, attempted = (
                f"{base}/{quote(question.container, safe='')}",
                "HEAD",
                "look at the container",
            )
        else:
            path, method, attempted = (
                f"{base}/{quote(question.metric, safe='')}/measures?{_window(question, url)}",
                "GET",
                "read the measures",
            )
        request = HttpRequest(
            client.server,
            path,
            method=method,
            headers=(("X-Auth-Token", token.text), ("Accept", "application/json")),
            limit_bytes=8 << 20,
            attempted=attempted,
        )
        return await client.send(request), request

    def _service(self, url: Url) -> HttpClient:
        if url.origin not in self._services:
            server = _server(url, self._at.timeout_s, "OpenStack")
            self._services[url.origin] = HttpClient(server, self._surroundings)
        return self._services[url.origin]

    # --- the token

    async def _valid(self) -> _Token:
        """A token for a while; a failure to get one answers all of the list."""
        async with self._lock:
            now = time.time()
            if self._token is not None and now < self._token.until:
                return self._token
            if self._refused is not None:
                raise self._refused.with_traceback(None)
            try:
                self._token = await self._fetched()
            except TidegateError as error:
                self._refused = error
                raise
            return self._token

    async def _fetched(self) -> _Token:
        request = HttpRequest(
            self._keystone,
            f"{self._keystone_url.path.rstrip('/')}/v3/auth/tokens",
            method="POST",
            headers=(("Content-Type", "application/json"),),
            body=msgspec.json.encode({"auth": _credentials(self._at.keystone)}),
            attempted="get a token",
        )
        response = await self.client.send(request)
        if not 200 <= response.status < 300:
            error = failures.refusal(response, request, _LOGIN if response.status in (401, 403) else "")
            # Passwords went in the body: what an answer repeats of it is not known.
            error.excerpt = ""
            raise error
        text = response.headers.get("X-Subject-Token", "")
        document = _json(response, request)
        said = document.get("token") if isinstance(document, dict) else None
        if not text or not isinstance(said, dict):
            raise failures.unreadable(request, "the answer holds no token", next_step="check `authURL`")
        place = "" if self._at.origin else _object_store(said.get("catalog"), self._at.region)
        if not self._at.origin and not place:
            step = "check `regionName`, or set `swiftURL`"
            raise failures.unreadable(request, "its catalogue has no object store", next_step=step)
        return _Token(text, _until(said.get("expires_at")), place)


def _server(url: Url, timeout_s: float, name: str) -> HttpServer:
    tls = Tls() if url.origin.startswith("https:") else None
    return HttpServer(url.origin, tls=tls, timeout_s=timeout_s, name=name)


def _credentials(keystone: Keystone) -> dict[str, Any]:
    if keystone.credential_id:
        own = {"id": keystone.credential_id, "secret": keystone.credential_secret}
        return {"identity": {"methods": ["application_credential"], "application_credential": own}}
    user = {"id": keystone.user_id, "password": keystone.password}
    found: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if keystone.project_id:
        found["scope"] = {"project": {"id": keystone.project_id}}
    return found


def _until(text: Any) -> float:
    """Until when a token is used: a minute less than it is good for."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return time.time() + _UNSAID_S
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    left = moment.timestamp() - time.time()
    return time.time() + max(left / 2, left - _EARLY_S)


def _object_store(catalog: Any, region: str) -> str:
    """The public address of Swift, the first one without a region."""
    for service in catalog if isinstance(catalog, list) else ():
        if not isinstance(service, dict) or service.get("type") != "object-store":
            continue
        for one in service.get("endpoints") or ():
            is_right = isinstance(one, dict) and one.get("interface") == "public"
            if is_right and (not region or region in (one.get("region"), one.get("region_id"))):
                try:
                    read_url(str(one.get("url")))
                except ValueError:
                    continue
                return str(one["url"])
    return ""


def _window(question: LastMeasure, url: Url) -> str:
    """The query of a request for measures, those of its URL before it."""
    minutes = question.granularity_s // 60 - 1
    pairs = [f"aggregation={quote(question.aggregation, safe='')}", f"granularity={question.granularity_s}"]
    if minutes > 0:
        since = datetime.now(UTC) - timedelta(minutes=minutes)
        pairs.append(f"start={since:%Y-%m-%dT%H:%M}:00")
    return "&".join([*([url.query] if url.query else []), *pairs])


def _json(response: Response, request: HttpRequest) -> Any:
    try:
        return read_json(response.body)
    except Unpicked as error:
        raise failures.unreadable(request, str(error), next_step=_STRANGE) from None


def _measure(response: Response, request: HttpRequest) -> float | TidegateError | None:
    if response.status != 200:
        steps = {404: "check `metricsURL` and `metricID`", 400: "check `aggregationMethod` and `granularity`"}
        return failures.refusal(response, request, steps.get(response.status, ""))
    measures = _json(response, request)
    if not isinstance(measures, list):
        return failures.unreadable(request, "the answer is no list of measures", response.body, _STRANGE)
    if not measures:
        return None
    last = measures[-1]
    if not isinstance(last, list) or len(last) != 3 or type(last[2]) not in (int, float):
        return failures.unreadable(request, "the last measure holds no number", response.body, _STRANGE)
    if not math.isfinite(last[2]):
        return failures.unreadable(request, "the last measure is no finite number")
    return float(last[2])


def _containers(response: Response) -> dict[str, int]:
    """Objects by container, as far as one page of a listing shows them; none where it is no listing."""
    try:
        listed = read_json(response.body)
    except Unpicked:
        return {}
    return {
        one["name"]: one["count"]
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict) and isinstance(one.get("name"), str) and type(one.get("count")) is int
    }


def _objects(response: Response, request: HttpRequest) -> int | TidegateError:
    if response.status not in (200, 204):
        step = "check `containerName`" if response.status == 404 else ""
        return failures.refusal(response, request, step)
    text = response.headers.get(_COUNT, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        return failures.unreadable(request, f"the answer has no {_COUNT}", next_step=_STRANGE)
    return int(text)
