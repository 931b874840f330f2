"""SolarWinds Observability: one request for each measurement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.packs import Found, PackedConnection
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer, bearer, read_url
from tidegate.kit.systems.solarwinds import Measurement, SolarwindsServer
from tidegate.kit.tls import Tls

_STRANGE = "check `host`: what answers there is not the API of SolarWinds"
_NOTHING = "check `metricName` and `filter`, or make `intervalS` longer"


def connect(server: SolarwindsServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return SolarwindsConnection(server, surroundings)


class SolarwindsConnection(PackedConnection):
    """Answers `Measurement`s."""

    wake_gap_s = 30.0
    kinds = (Measurement,)

    def __init__(self, server: SolarwindsServer, surroundings: Surroundings) -> None:
        url = read_url(server.origin)
        login = HttpLogin((bearer(server.token),)) if server.token else HttpLogin()
        tls = Tls() if url.origin.startswith("https:") else None
        self._server = HttpServer(url.origin, login, tls, name="SolarWinds")
        self._prefix = url.path.rstrip("/")
        super().__init__(self._server, surroundings)

    async def packed(self, questions: Sequence[Measurement]) -> Found:
        return {one: await self._measured(one) for one in questions}

    async def _measured(self, question: Measurement) -> Any:
        until = datetime.now(UTC)
        since = until - timedelta(seconds=question.interval_s)
        query = [
            ("aggregateBy", question.aggregation),
            ("startTime", f"{since:%Y-%m-%dT%H:%M:%SZ}"),
            ("endTime", f"{until:%Y-%m-%dT%H:%M:%SZ}"),
            ("seriesType", "SCALAR"),
        ]
        if question.filter:
            query.append(("filter", question.filter))
        request = HttpRequest(
            self._server,
            f"{self._prefix}/v1/metrics/{quote(question.metric, safe='')}/measurements",
            tuple(query),
            attempted="read the measurement",
        )
        response = await self.client.send(request)
        if response.status != 200:
            step = "check `apiToken`" if response.status in (401, 403) else ""
            raise failures.refusal(response, request, step)
        try:
            document = read_json(response.body)
        except Unpicked as error:
            raise failures.unreadable(request, str(error), response.body, _STRANGE) from None
        groupings = document.get("groupings") if isinstance(document, dict) else None
        if not isinstance(groupings, list):
            raise failures.unreadable(request, "no groupings found in response", response.body, _STRANGE)
        for group in groupings:
            measurements = group.get("measurements") if isinstance(group, dict) else None
            if not isinstance(measurements, list):
                raise failures.unreadable(request, "a grouping has no measurements", response.body, _STRANGE)
            for one in measurements:
                if isinstance(one, dict) and one.get("value") is not None:
                    return one["value"]
        raise failures.unreadable(request, "no measurements found in response", next_step=_NOTHING)
