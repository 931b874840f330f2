"""CouchDB: what a Mango query asks, and how many documents answer it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.kit.picking.gjson import Json
from tidegate.kit.systems.http import HttpLogin, HttpQuestion, HttpRequest, HttpServer, Url, basic
from tidegate.kit.tls import Tls

LIMIT = 25
"""What CouchDB finds at most where a query has no `limit`."""

_KEPT = ("selector", "limit", "skip", "use_index")


def couchdb_server(url: Url, username: str, password: str) -> HttpServer:
    """`username` counts before the user of the URL; without any it is `admin`."""
    name = username or url.username or "admin"
    login = HttpLogin((basic(name, password or url.password),))
    tls = Tls() if url.origin.startswith("https:") else None
    return HttpServer(url.origin, login, tls, name="CouchDB")


def found(server: HttpServer, prefix: str, database: str, query: dict[str, Any]) -> HttpQuestion:
    """How many documents `query` finds. Of each its id alone is sent: fields change no number."""
    asked = {"limit": LIMIT, **{key: query[key] for key in _KEPT if key in query}, "fields": ["_id"]}
    request = HttpRequest(
        server,
        f"{prefix.rstrip('/')}/{quote(database, safe='')}/_find",
        method="POST",
        headers=(("Content-Type", "application/json"), ("Accept", "application/json")),
        body=msgspec.json.encode(asked),
        attempted="run the query",
    )
    return HttpQuestion(request, Json("docs.#"))


def read_query(text: str) -> dict[str, Any]:
    """A Mango query. ValueError reads on after it."""
    try:
        query = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("is no JSON") from error
    if not isinstance(query, dict) or not isinstance(query.get("selector"), dict):
        raise ValueError('is no JSON object with a "selector"')
    limit = query.get("limit", LIMIT)
    if type(limit) is not int or limit < 1:
        raise ValueError("has a limit that is no number above 0")
    return query
