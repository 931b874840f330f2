"""The adapter for one Prometheus and PredictKube's service: for each question a range query, then a call.

query → POST query_range (GET where that is not allowed) → all samples → GetPredictMetric
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Any

import grpc

from tidegate.base.literals import parse_float
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grpc_channel import open_channel, told
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response
from tidegate.connections.http.packs import Found, PackedConnection
from tidegate.connections.predictkube import ml_engine_pb2 as wire
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.http import HttpRequest, Pairs, encoded
from tidegate.kit.systems.predictkube import Prediction, PredictServer
from tidegate.kit.tls import Tls

METHOD = "/services.MlEngineService/GetPredictMetric"
TIMEOUT_S = 15.0
LIMIT_BYTES = 50 << 20

_STRANGE = "check `prometheusAddress`: what answers there knows no range queries"
_NOTHING = "check the query and `historyTimeWindow`"


class PredictConnection(PackedConnection):
    """Answers `Prediction`s."""

    batch = 100
    wake_gap_s = 60.0
    kinds = (Prediction,)

    def __init__(self, server: PredictServer, surroundings: Surroundings) -> None:
        super().__init__(server.prometheus, surroundings, concurrency=4)
        self._server = server
        self._surroundings = surroundings
        self._label = f"PredictKube {server.service}"
        self._opening = asyncio.Lock()
        self._channel: grpc.aio.Channel | None = None
        self.patience_s = -(-self.batch // 4) * 2 * TIMEOUT_S

    async def close(self) -> None:
        await super().close()
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def packed(self, questions: Sequence[Prediction]) -> Found:
        return {one: await self._predicted(one) for one in questions}

    async def _predicted(self, question: Prediction) -> tuple[int, float]:
        response, request = await self._history(question)
        samples = await asyncio.to_thread(_samples, response, request)
        last = samples[-1].value
        if not math.isfinite(last):
            raise failures.unreadable(request, "the last sample is NaN or an infinity", next_step=_NOTHING)
        finite = [one for one in samples if math.isfinite(one.value)]
        return await self._foreseen(question.horizon, finite), last

    async def _history(self, question: Prediction) -> tuple[Response, HttpRequest]:
        now = time.time()
        pairs = (
            ("query", question.query),
            ("start", f"{now - question.history_s:.3f}"),
            ("end", f"{now:.3f}"),
            ("step", f"{question.step_s:g}"),
        )
        posted = self._request(question, (), encoded(pairs).encode())
        response = await self.client.send(posted)
        if response.status not in (405, 501):
            return response, posted
        asked = self._request(question, pairs, b"")
        return await self.client.send(asked), asked

    def _request(self, question: Prediction, query: Pairs, body: bytes) -> HttpRequest:
        form = ("Content-Type", "application/x-www-form-urlencoded")
        return HttpRequest(
            self._server.prometheus,
            question.path,
            query,
            method="POST" if body else "GET",
            headers=(form,) if body else (),
            body=body,
            limit_bytes=LIMIT_BYTES,
            attempted="run the range query",
        )

    async def _foreseen(self, horizon: int, samples: list[Any]) -> int:
        channel = await self._opened()
        call = channel.unary_unary(
            METHOD,
            wire.GetPredictMetricRequest.SerializeToString,
            wire.GetPredictMetricReply.FromString,
        )
        request = wire.GetPredictMetricRequest(forecast_horizon=horizon, observations=samples)
        key = self._server.api_key
        try:
            reply = await call(request, timeout=TIMEOUT_S, metadata=[("x-auth-api-key", key)])
        except grpc.aio.AioRpcError as error:
            raise told(error, "foresee the value", self._label, TIMEOUT_S, secrets=(key,)) from None
        return int(reply.result_metric)

    async def _opened(self) -> grpc.aio.Channel:
        async with self._opening:
            if self._channel is None:
                tls = Tls() if self._server.is_encrypted else None
                self._channel = await open_channel(
                    self._server.service, tls, self._surroundings, on=self._label
                )
            return self._channel


def _samples(response: Response, request: HttpRequest) -> list[Any]:
    """All samples of all series, in their order; never none."""
    if response.status != 200:
        raise failures.refusal(response, request)
    try:
        document = read_json(response.body)
    except Unpicked as error:
        raise failures.unreadable(request, str(error), response.body, _STRANGE) from None
    found = document.get("data") if isinstance(document, dict) else None
    kind, series = (found.get("resultType"), found.get("result")) if isinstance(found, dict) else ("", None)
    if not isinstance(series, list) or kind != "matrix":
        raise failures.unreadable(request, "the answer holds no history", response.body, _STRANGE)
    try:
        samples = [
            _item(moment, text, one["metric"].get("__name__", ""))
            for one in series
            for moment, text in one["values"]
        ]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise failures.unreadable(request, "a series cannot be read", next_step=_STRANGE) from error
    if not samples:
        raise failures.unreadable(request, "the query has no history", next_step=_NOTHING)
    return samples


def _item(moment: Any, text: Any, name: Any) -> Any:
    if type(moment) not in (int, float) or not isinstance(text, str):
        raise ValueError("no sample")
    bare = text.lstrip("+")
    value = math.nan if bare.lower() in ("nan", "inf", "-inf") else parse_float(bare)
    seconds = math.floor(moment)
    item = wire.Item(value=value, metric_name=str(name))
    item.timestamp.seconds, item.timestamp.nanos = seconds, round((moment - seconds) * 1e9)
    return item
