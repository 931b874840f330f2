"""ArangoDB: a query in AQL that gives one object with a number, and the token made of a server's secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Nothing, Unpicked
from tidegate.kit.systems.http import HttpQuestion, HttpRequest, HttpServer

_ONE = 'let it give one object: RETURN {"value": …}'


@dataclass(frozen=True, slots=True)
class ArangoValue:
    """`value` of the one object that a query gives."""

    format: ClassVar[str] = "aql"

    @staticmethod
    def read(body: bytes) -> Any:
        return read_json(body)

    def of(self, document: Any) -> Any:
        rows = document.get("result") if isinstance(document, dict) else None
        if not isinstance(rows, list):
            raise Unpicked("the answer holds no result of a query", "check `endpoints`")
        total = document.get("count", len(rows))
        if total != 1 or len(rows) != 1:
            raise Unpicked(f"the query gives {'no row' if not rows else 'more than one row'}", _ONE)
        if not isinstance(rows[0], dict) or "value" not in rows[0]:
            raise Unpicked("the query's row is no object with a value", _ONE)
        return rows[0]["value"]


def aql(server: HttpServer, prefix: str, database: str, query: str) -> HttpQuestion:
    """What `query` gives. A cursor that it leaves at the server ends by itself, after five seconds."""
    request = HttpRequest(
        server,
        f"{prefix}/_db/{quote(database, safe='')}/_api/cursor",
        method="POST",
        headers=(("Content-Type", "application/json"),),
        body=msgspec.json.encode({"query": query, "count": True, "batchSize": 2, "ttl": 5}),
        attempted="run the query",
    )
    return HttpQuestion(request, ArangoValue())


def collection(server: HttpServer, prefix: str, database: str, name: str) -> HttpQuestion:
    """True, where there is a collection of that name: an error says so where there is none."""
    path = f"{prefix}/_db/{quote(database, safe='')}/_api/collection/{quote(name, safe='')}"
    return HttpQuestion(HttpRequest(server, path, attempted="find the collection"), Nothing())


def arango_token(secret: str, server_id: str) -> str:
    """A token signed with the server's JWT secret; a text that is a token already is one."""
    if len(parts := secret.split(".")) == 3 and all(parts) and parts[0].startswith("ey"):
        return secret
    head = _base64(msgspec.json.encode({"alg": "HS256", "typ": "JWT"}))
    claims = _base64(msgspec.json.encode({"iss": "arangodb", "server_id": server_id}))
    signed = f"{head}.{claims}"
    return f"{signed}.{_base64(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def _base64(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
