"""Azure Service Bus' management interface, as far as counts need it: a fake on loopback.

Written from Microsoft's "Service Bus entities" and "Get Queue", "List Queues" of the REST reference, not from
the adapter: Atom feeds of 100 entries at most, an empty feed for an entity that there is not, 404 for a
subscription's topic, signatures checked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote_plus

from aiohttp import web

from parts.http_server import HttpFake, answering

KEY_NAME, KEY = "RootManageSharedAccessKey", "hunter2hunter2"
CONNECT = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"
COUNTS = "http://schemas.microsoft.com/netservices/2011/06/servicebus"


@dataclass
class Bus:
    """`queues` and `topics` hold active messages by name; None withholds `CountDetails`, like throttling."""

    queues: dict[str, int | None] = field(default_factory=dict)
    topics: dict[str, dict[str, int | None]] = field(default_factory=dict)
    http: HttpFake | None = None
    status: int = 200

    @property
    def connection(self) -> str:
        assert self.http is not None
        return (
            f"Endpoint=sb://127.0.0.1:{self.http.port};SharedAccessKeyName={KEY_NAME};"
            f"SharedAccessKey={KEY};UseDevelopmentEmulator=true;"
        )

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.status != 200:
            return web.Response(status=self.status, headers={"Retry-After": "9"})
        if not is_signed(request.headers.get("Authorization", "")):
            return web.Response(status=401, text="<Error><Code>401</Code></Error>")
        parts = request.path.strip("/").split("/")
        if request.path == "/$Resources/Queues":
            return feed("Queue", self.queues, request)
        if len(parts) > 1 and parts[-2] == "Subscriptions" and "/".join(parts[:-2]) in self.topics:
            return one("Subscription", self.topics["/".join(parts[:-2])], parts[-1])
        if parts[-1] == "Subscriptions":
            topic = self.topics.get("/".join(parts[:-1]))
            return web.Response(status=404) if topic is None else feed("Subscription", topic, request)
        return one("Queue", self.queues, "/".join(parts))


@asynccontextmanager
async def servicebus(
    queues: dict[str, int | None] | None = None, topics: dict[str, dict[str, int | None]] | None = None
) -> AsyncIterator[Bus]:
    bus = Bus(queues or {}, topics or {})
    async with answering(bus.answer) as http:
        bus.http = http
        yield bus


def is_signed(header: str) -> bool:
    """Source: Microsoft, "Generate a Shared Access Signature token"."""
    scheme, _, text = header.partition(" ")
    fields = dict(parse_qsl(text))
    if scheme != "SharedAccessSignature" or fields.get("skn") != KEY_NAME:
        return False
    signed = f"{quote_plus(fields['sr'])}\n{fields['se']}".encode()
    wanted = base64.b64encode(hmac.new(KEY.encode(), signed, hashlib.sha256).digest()).decode()
    return fields.get("sig") == wanted and int(fields["se"]) > time.time()


def entry(kind: str, name: str, active: int | None) -> str:
    counts = (
        f'<CountDetails xmlns:d2p1="{COUNTS}"><d2p1:ActiveMessageCount>{active}</d2p1:ActiveMessageCount>'
        "<d2p1:DeadLetterMessageCount>900</d2p1:DeadLetterMessageCount></CountDetails>"
    )
    described = (
        f'<{kind}Description xmlns="{CONNECT}" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">'
        f"<LockDuration>PT1M</LockDuration><MessageCount>999</MessageCount>"
        f"{'' if active is None else counts}</{kind}Description>"
    )
    return (
        f'<entry xmlns="http://www.w3.org/2005/Atom"><id>https://ns/{name}</id>'
        f'<title type="text">{name}</title>'
        f'<content type="application/xml">{described}</content></entry>'
    )


def feed(kind: str, entities: dict[str, int | None], request: web.Request) -> web.Response:
    skip, top = int(request.query.get("$skip", 0)), min(int(request.query.get("$top", 100)), 100)
    shown = sorted(entities.items())[skip : skip + top]
    inside = "".join(entry(kind, name, active) for name, active in shown)
    return atom(
        f'<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">{kind}s</title>{inside}</feed>'
    )


def one(kind: str, entities: dict[str, int | None], name: str) -> web.Response:
    if name not in entities:
        empty = '<title type="text">Publicly Listed Services</title>'
        return atom(f'<feed xmlns="http://www.w3.org/2005/Atom">{empty}</feed>')
    return atom(entry(kind, name, entities[name]))


def atom(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/atom+xml", charset="utf-8")
