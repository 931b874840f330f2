"""New Relic: several queries in one GraphQL document, each under a name of ours that errors repeat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tidegate.base.errors import Malformed
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.packs import Found, PackedConnection, Spoilt
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer
from tidegate.kit.systems.newrelic import NewRelicServer, Nrql
from tidegate.kit.tls import Tls

TIMEOUT_S = 15.0
"""NRQL has five seconds of its own, and many run at once."""

_KEY = "check `queryKey` and `region`"


def connect(server: NewRelicServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return NewRelicConnection(server, surroundings)


class NewRelicConnection(PackedConnection):
    """Answers `Nrql`s."""

    wake_gap_s = 30.0
    kinds = (Nrql,)
    at_once = Nrql.calls.together
    longest = 100_000

    def __init__(self, server: NewRelicServer, surroundings: Surroundings) -> None:
        tls = Tls() if server.origin.startswith("https:") else None
        login = HttpLogin((("Api-Key", server.key),))
        self._server = HttpServer(server.origin, login, tls, TIMEOUT_S, "New Relic")
        super().__init__(self._server, surroundings, concurrency=4)

    def length(self, question: Nrql) -> int:
        return len(question.query)

    async def packed(self, questions: Sequence[Nrql]) -> Found:
        request = self._request(questions)
        response = await self.client.send(request)
        if response.status == 400 and len(questions) > 1:
            raise Spoilt
        if response.status != 200:
            step = _KEY if response.status in (401, 403) else ""
            raise failures.refusal(response, request, step)
        try:
            document = read_json(response.body)
        except Unpicked as error:
            raise failures.unreadable(request, str(error), response.body) from None
        if not isinstance(document, dict):
            raise failures.unreadable(request, "the answer is no answer to GraphQL", response.body)
        refused = _refused(document.get("errors"), len(questions))
        if refused is None:
            if len(questions) > 1:
                raise Spoilt
            refused = {0}
        actor = (document.get("data") or {}).get("actor") if isinstance(document.get("data"), dict) else None
        return {
            one: _refusal(request, response.body)
            if number in refused
            else _row(actor, number, request, response.body)
            for number, one in enumerate(questions)
        }

    def _request(self, questions: Sequence[Nrql]) -> HttpRequest:
        declared, fields = [], []
        variables: dict[str, Any] = {}
        for number, one in enumerate(questions):
            declared.append(f"$a{number}: Int!, $n{number}: Nrql!")
            fields.append(f"q{number}: account(id: $a{number}) {{ nrql(query: $n{number}) {{ results }} }}")
            variables |= {f"a{number}": one.account, f"n{number}": one.query}
        query = f"query({', '.join(declared)}) {{ actor {{ {' '.join(fields)} }} }}"
        return HttpRequest(
            self._server,
            "/graphql",
            method="POST",
            headers=(("Content-Type", "application/json"),),
            body=msgspec.json.encode({"query": query, "variables": variables}),
            attempted="run the query",
        )


def _refused(errors: Any, count: int) -> set[int] | None:
    """The numbers of the questions that errors name; None where one of them names none."""
    if not errors:
        return set()
    if not isinstance(errors, list):
        return None
    found = set()
    for one in errors:
        path = one.get("path") if isinstance(one, dict) else None
        names = [part for part in path if isinstance(part, str)] if isinstance(path, list) else []
        number = next((n for n in range(count) if f"q{n}" in names), None)
        if number is None:
            return None
        found.add(number)
    return found


def _refusal(request: HttpRequest, body: bytes) -> Malformed:
    step = "check `nrql` and `account`, and that the key may read it"
    return failures.unreadable(request, "New Relic could not run it", body, step)


def _row(actor: Any, number: int, request: HttpRequest, body: bytes) -> Any:
    account = actor.get(f"q{number}") if isinstance(actor, dict) else None
    nrql = account.get("nrql") if isinstance(account, dict) else None
    results = nrql.get("results") if isinstance(nrql, dict) else None
    if not isinstance(results, list):
        return failures.unreadable(request, "the answer holds no results", body, _KEY)
    if not results:
        return None
    if not isinstance(results[0], dict):
        return failures.unreadable(request, "the first result is no row", body)
    return results[0]
