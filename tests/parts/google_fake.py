"""A fake of Google's token server and of Cloud Monitoring, on one port.

It checks the claim's signature, reads filters and the query language as far as triggers use them, and leaves
out of its JSON what is empty, as Google does.

Source: Google, "Using OAuth 2.0 for Server to Server Applications" (HTTP/REST); Cloud Monitoring API v3,
`projects.timeSeries.list`, `projects.timeSeries.query`, "Monitoring filters"; AIP-193 for errors.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

EMAIL = "tidegate@shop-prod.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/monitoring.read"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

_FILTER = re.compile(
    r'metric\.type = "(?P<metric>[^"]+)"(?: AND resource\.type = "(?P<resource>\w+)")?'
    r' AND resource\.labels\.project_id = "(?P<project>[^"]+)"'
    r' AND resource\.labels\.(?P<label>\w+) = (?:one_of\((?P<many>[^)]+)\)|"(?P<one>[^"]+)")'
)
_QUERY = re.compile(
    r"fetch (?P<resource>\w+) \| metric '(?P<metric>[^']+)'"
    r" \| filter \(resource\.project_id == '(?P<project>[^']+)' && \((?P<names>[^)]+)\)\)"
    r" \| within (?P<length>\d+)s \| align delta\(3m\) \| every 3m"
    r" \| group_by \[resource\.(?P<label>\w+)\], (?P<reducer>\w+\(value(?:, \d+)?\))"
)


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def key_text(key: rsa.RSAPrivateKey | None = None) -> str:
    return (
        (key or private_key())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


def key_file(origin: str, **fields: Any) -> str:
    """A service account's key file, whose tokens come from the fake at `origin`."""
    whole = {
        "type": "service_account",
        "project_id": "shop-prod",
        "private_key_id": "k1",
        "private_key": key_text(),
        "client_email": EMAIL,
        "token_uri": f"{origin}/token",
        **fields,
    }
    return json.dumps({name: value for name, value in whole.items() if value is not None})


@dataclass
class FakeGoogle:
    """`points` by project, metric type and resource's name: (age in seconds, typed value), the newest first.

    `filtered` are the pages of a whole filter. `reduced` are those of the query language, by the reducer too.
    `page` is how many series a page has, `errors` are told beside what was found, `life_s` how long a token
    lives.
    """

    points: dict[tuple[str, str, str], list[tuple[float, Any]]] = field(default_factory=dict)
    reduced: dict[tuple[str, str, str, str], list[tuple[float, Any]]] = field(default_factory=dict)
    allowed: tuple[str, ...] = ("shop-prod",)
    page: int = 1000
    life_s: float = 3599
    errors: list[Any] = field(default_factory=list)
    status: int = 200
    tokens: list[str] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    claims: list[Any] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    promql: dict[str, float] = field(default_factory=dict)
    filtered: dict[str, list[Any]] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return await self._token(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens or token in self.revoked:
            return error(401, "UNAUTHENTICATED", f"the token {token} is not valid")
        if self.status != 200:
            return error(self.status, "UNAVAILABLE", "as the test says")
        if request.path.endswith("/prometheus/api/v1/query"):
            value = [time.time(), str(self.promql[request.query["query"]])]
            told = {"resultType": "vector", "result": [{"metric": {}, "value": value}]}
            return web.json_response({"status": "success", "data": told})
        found = re.fullmatch(r"/v3/projects/([^/]+)/timeSeries(:query)?", request.path)
        if found is None:
            return error(404, "NOT_FOUND", "no such method")
        if found[1] not in self.allowed:
            return error(403, "PERMISSION_DENIED", f"{EMAIL} may not read {found[1]}")
        return await self._query(request) if found[2] else self._list(request)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        public = (
            private_key()
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        try:
            claim = jwt.decode(str(form["assertion"]), certs=public, audience=str(request.url))
        except ValueError:
            told = {"error": "invalid_grant", "error_description": f"Invalid JWT: {form['assertion']}"}
            return web.json_response(told, status=400)
        assert form["grant_type"] == GRANT
        assert claim["exp"] - claim["iat"] <= 3600
        self.claims.append(claim)
        self.tokens.append(f"ya29.hunter2-{len(self.tokens)}")
        body = {"access_token": self.tokens[-1], "expires_in": self.life_s, "token_type": "Bearer"}
        return web.json_response(body)

    def _list(self, request: web.Request) -> web.StreamResponse:
        text = request.query["filter"]
        assert len(text) <= 2048
        self.seen.append(text)
        if text in self.filtered:
            page = int(request.query.get("pageToken", 0))
            pages = self.filtered[text]
            more = {"nextPageToken": str(page + 1)} if page + 1 < len(pages) else {}
            return web.json_response({**pages[page], **more})
        found = _FILTER.fullmatch(text)
        if found is None:
            return error(400, "INVALID_ARGUMENT", "the filter cannot be read")
        since = datetime.fromisoformat(request.query["interval.startTime"]).timestamp()
        names = re.findall(r'"([^"]+)"', found["many"]) if found["many"] else [found["one"]]
        known = {key[1] for key in self.points}
        if found["metric"] not in known:
            return error(404, "NOT_FOUND", "Cannot find metric(s) that match type")
        series = []
        for name in names:
            every = self.points.get((found["project"], found["metric"], name), [])
            points = [(age, value) for age, value in every if time.time() - age > since]
            if points:
                labels = {"project_id": found["project"], found["label"]: name}
                series.append(
                    {
                        "metric": {"type": found["metric"]},
                        "resource": {"type": found["resource"], "labels": labels},
                        "points": [
                            {"interval": {"startTime": stamp(age), "endTime": stamp(age)}, "value": value}
                            for age, value in points
                        ],
                    }
                )
        return self._paged("timeSeries", series, request.query.get("pageToken"), "executionErrors")

    async def _query(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.seen.append(body["query"])
        found = _QUERY.fullmatch(body["query"])
        if found is None:
            return error(400, "INVALID_ARGUMENT", "the query cannot be read")
        names = re.findall(r"'([^']+)'", found["names"])
        place = found["project"], found["metric"]
        series = [
            {
                "labelValues": [{"stringValue": name}],
                "pointData": [
                    {"values": [value], "timeInterval": {"startTime": stamp(age), "endTime": stamp(age)}}
                    for age, value in self.reduced[(*place, name, found["reducer"])]
                ],
            }
            for name in names
            if (*place, name, found["reducer"]) in self.reduced
        ]
        return self._paged("timeSeriesData", series, body.get("pageToken"), "partialErrors")

    def _paged(self, name: str, series: list[Any], token: str | None, errors: str) -> web.StreamResponse:
        start = int(token or 0)
        part, rest = series[start : start + self.page], series[start + self.page :]
        body = {
            name: part,
            "nextPageToken": str(start + self.page) if rest else "",
            errors: self.errors,
        }
        return web.json_response({key: value for key, value in body.items() if value})


def stamp(age_s: float) -> str:
    """That long ago, as Google writes it."""
    return datetime.fromtimestamp(time.time() - age_s, UTC).isoformat().replace("+00:00", "Z")


def error(status: int, word: str, message: str) -> web.StreamResponse:
    body = {"error": {"code": status, "message": message, "status": word}}
    return web.json_response(body, status=status)
