"""Huawei Cloud Eye: up to 500 metrics of one window, period and roll-up in a request, each request signed."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.outgoing import Outgoing
from tidegate.connections.http.packs import Found, PackedConnection, Spoilt
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.http import HttpRequest, HttpServer
from tidegate.kit.systems.huawei import CloudEyeMetric, CloudEyeServer, signed
from tidegate.kit.tls import Tls

_JSON = "application/json"
_STRANGE = "check `Region` and `Cloud`: what answers there is no Cloud Eye"
_KEYS = "check `AccessKey`, `SecretKey` and `ProjectID`"
_NOTHING = "make `metricCollectionTime` longer, and check metric and dimension"


def connect(server: CloudEyeServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return CloudEyeConnection(server, surroundings)


class CloudEyeConnection(PackedConnection):
    """Answers `CloudEyeMetric`s."""

    wake_gap_s = 60.0
    kinds = (CloudEyeMetric,)
    at_once = CloudEyeMetric.calls.together

    def __init__(self, server: CloudEyeServer, surroundings: Surroundings) -> None:
        self._keys = (server.access_key, server.secret_key)
        self._path = f"/V1.0/{quote(server.project, safe='')}/batch-query-metric-data"
        tls = Tls() if server.origin.startswith("https:") else None
        self._server = HttpServer(server.origin, tls=tls, name="Huawei Cloud Eye")
        super().__init__(self._server, surroundings, concurrency=4)
        self.client = HttpClient(self._server, surroundings, sign=self._signed, concurrency=4)

    def group(self, question: CloudEyeMetric) -> Hashable:
        return question.window_s, question.period, question.rollup

    async def packed(self, questions: Sequence[CloudEyeMetric]) -> Found:
        first = questions[0]
        until = int(time.time()) // 60 * 60
        body = {
            "metrics": [
                {
                    "namespace": one.namespace,
                    "metric_name": one.metric,
                    "dimensions": [{"name": one.dimension[0], "value": one.dimension[1]}],
                }
                for one in questions
            ],
            "from": (until - first.window_s) * 1000,
            "to": until * 1000,
            "period": first.period,
            "filter": first.rollup,
        }
        request = HttpRequest(
            self._server,
            self._path,
            method="POST",
            headers=(("Content-Type", _JSON),),
            body=msgspec.json.encode(body),
            limit_bytes=16 << 20,
            attempted="read the metric",
        )
        response = await self.client.send(request)
        if response.status == 400 and len(questions) > 1:
            raise Spoilt
        if response.status != 200:
            step = _KEYS if response.status in (401, 403) else ""
            error = failures.refusal(response, request, step)
            # What it repeats of the keys is not known: only a signature was sent.
            error.excerpt = ""
            raise error
        try:
            document = read_json(response.body)
        except Unpicked as error:
            raise failures.unreadable(request, str(error), response.body, _STRANGE) from None
        listed = document.get("metrics") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise failures.unreadable(request, "the answer holds no metrics", response.body, _STRANGE)
        named = {_name(one): one for one in listed}
        return {
            one: _newest(named.get((one.namespace, one.metric, one.dimension)), one.rollup, request)
            for one in questions
        }

    async def _signed(self, sent: Outgoing) -> Mapping[str, str]:
        headers = {"Content-Type": sent.headers["Content-Type"]}
        return signed(sent.method, sent.url, sent.body, self._keys, datetime.now(UTC), headers)


def _name(metric: Any) -> Any:
    """Of what a metric in an answer is; None where that cannot be told."""
    if not isinstance(metric, dict) or not isinstance(metric.get("dimensions"), list):
        return None
    dimensions = [
        (one.get("name"), one.get("value")) for one in metric["dimensions"] if isinstance(one, dict)
    ]
    if len(dimensions) != 1 or not all(isinstance(text, str) for text in dimensions[0]):
        return None
    return metric.get("namespace"), metric.get("metric_name"), dimensions[0]


def _newest(metric: Any, rollup: str, request: HttpRequest) -> Any:
    points = metric.get("datapoints") if isinstance(metric, dict) else None
    if metric is None:
        return failures.unreadable(request, "the answer holds no such metric", next_step=_NOTHING)
    if not isinstance(points, list) or not points:
        return failures.unreadable(request, "metric Data not received", next_step=_NOTHING)
    if not all(isinstance(one, dict) and type(one.get("timestamp")) in (int, float) for one in points):
        return failures.unreadable(request, "a point of the metric has no moment", next_step=_STRANGE)
    return max(points, key=lambda one: one["timestamp"]).get(rollup)
