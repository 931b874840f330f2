"""Splunk: the first row of a search that is exported, one JSON object a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from tidegate.base.literals import parse_float
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer, Url, basic, bearer, encoded
from tidegate.kit.tls import Tls

TIMEOUT_S = 20.0
"""A search runs while we wait."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_ANOTHER = "check `host`: what answers there is no Splunk that exports searches"


@dataclass(frozen=True, slots=True)
class FirstRow:
    """The number in `field` of the first row; previews of a search that still runs are passed over."""

    format: ClassVar[str] = "splunk"

    field: str

    @staticmethod
    def read(body: bytes) -> list[dict[str, Any]]:
        lines = [read_json(line) for line in body.splitlines() if line.strip()]
        if not all(isinstance(one, dict) for one in lines):
            raise Unpicked("the answer is no list of rows", _ANOTHER)
        return lines

    def of(self, document: list[dict[str, Any]]) -> float:
        for line in document:
            messages = line.get("messages")
            kinds = [one.get("type") for one in messages if isinstance(one, dict)] if messages else []
            if "FATAL" in kinds or "ERROR" in kinds:
                raise Unpicked("the search failed at the server", "run the saved search in Splunk")
        rows = [line["result"] for line in document if "result" in line and line.get("preview") is not True]
        if document and not rows and not any("preview" in line for line in document):
            raise Unpicked("the answer holds no rows", _ANOTHER)
        if not rows or not isinstance(rows[0], dict) or self.field not in rows[0]:
            raise Unpicked(
                f"field: {self.field} not found in search results",
                "check `valueField`; where no row means 0, let the search give one",
            )
        text = rows[0][self.field]
        if not isinstance(text, str):
            raise Unpicked("the field has no single value")
        try:
            return parse_float(text.strip())
        except ValueError as error:
            raise Unpicked(f"the value of the field {error}") from None


def saved_search(url: Url, owner: str, name: str, login: HttpLogin, tls: Tls) -> HttpRequest:
    """Runs a saved search as `owner` sees it, and waits for its rows."""
    is_encrypted = url.origin.startswith("https:")
    server = HttpServer(url.origin, login, tls if is_encrypted else None, TIMEOUT_S, "Splunk")
    shown = name if _PLAIN.fullmatch(name) else '"{}"'.format(name.replace("\\", "\\\\").replace('"', '\\"'))
    return HttpRequest(
        server,
        f"{url.path.rstrip('/')}/servicesNS/{quote(owner, safe='')}/search/search/jobs/export",
        (("output_mode", "json"), ("preview", "false")),
        method="POST",
        headers=(("Content-Type", "application/x-www-form-urlencoded"),),
        body=encoded([("search", f"savedsearch {shown}")]).encode(),
        attempted="run the saved search",
    )


def splunk_login(username: str, password: str, token: str) -> HttpLogin:
    return HttpLogin((bearer(token) if token else basic(username, password),))
