"""Questions of HPAs on a cluster: metrics API server, operator's TLS port, and the aggregator's requests.

All run in one process on loopback, over TLS as on a cluster. The operator's values are made up: what is
measured is the way of a value, not its source. Each HPA asks every 15 s, five at a time as in Kubernetes'
controller.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from bench.figures import Figure, between, goal, must, quantile
from tidegate.api.metric_stream import Metric
from tidegate.kube.resource import Resource
from tidegate.kube.reviews import Reviews
from tidegate.metricsapi.connecting import Operator
from tidegate.metricsapi.link import Link
from tidegate.metricsapi.site import Site
from tidegate.metricsapi.trust import Authorities, Trust
from tidegate.operator.scaledobject.external_metrics import Answered, OnChange
from tidegate.operator.serving.site import LeaderSite, Leading, Listen
from tidegate.runtime.certificate_files import Certificates, Material
from tidegate.runtime.certificates import Subject, new_authority, new_certificate
from tidegate.runtime.clock import SystemClock

HPAS = 1_000
ASKS_EVERY_S = 15.0
AT_ONCE = 5
POLLING_S = 30.0
FRESH_S = 15.0
PART = f"{HPAS:,} HPAs on a cluster"
PROXY, SERVICE = "front-proxy-client", "keda-metrics-apiserver.keda.svc"


class Values:
    """An operator whose every metric is 7: polled every 30 s, or measured again where that is asked."""

    def __init__(self) -> None:
        self.measured_s: dict[Metric, float] = {}
        self.measured = 0
        self._listeners: dict[OnChange, None] = {}

    async def renew(self, metric: Metric, spare_s: float) -> None:
        if time.monotonic() - self.measured_s.get(metric, 0.0) > FRESH_S - spare_s:
            self._measure([metric])

    async def after_first_look(self, metric: Metric) -> Answered:
        await self.renew(metric, 0.0)
        return self.kept(metric)

    def kept(self, metric: Metric, before: Answered | None = None) -> Answered:
        return Answered((7.0,), self.measured_s[metric], FRESH_S, POLLING_S)

    def heard(self, metric: Metric) -> None: ...

    def on_change(self, listener: OnChange) -> None:
        self._listeners[listener] = None

    def forget(self, listener: OnChange) -> None:
        self._listeners.pop(listener, None)

    async def poll(self) -> None:
        """A round of all, again and again."""
        while True:
            await asyncio.sleep(POLLING_S)
            self._measure(list(self.measured_s))

    def _measure(self, metrics: Iterable[Metric]) -> None:
        for metric in metrics:
            self.measured += 1
            self.measured_s[metric] = time.monotonic()
            for listener in self._listeners:
                listener(metric.owner)


class AnApi:
    """An API server that lets everybody do everything, and counts how often it was asked."""

    def __init__(self) -> None:
        self.reviews = 0

    async def create(self, resource: Resource, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        self.reviews += 1
        return {"status": {"allowed": True}}


def measure(folder: Path, window_s: float = 60.0) -> list[Figure]:
    """Two rounds of questions to warm up, then the window."""
    return asyncio.run(_measure(window_s))


async def _measure(window_s: float) -> list[Figure]:
    now, clock, values, api = datetime.now(UTC), SystemClock(), Values(), AnApi()
    authority = new_authority(Subject("KEDA", "KEDAORG"), now, "ec")

    def certificates(name: str) -> Certificates:
        made = Certificates()
        pair = new_certificate(authority, (name,), now, form="ec")
        made.take(Material.checked(authority.certificate, pair.certificate, pair.key))
        return made

    reviews = Reviews(api, clock)  # type: ignore[arg-type]
    ours = certificates(SERVICE)
    leader = LeaderSite(
        Listen(SERVICE, 0, "127.0.0.1"), ours.listening_context(asks_client=True), reviews, clock
    )
    await leader.start()
    leader.leading = Leading(values, _explain)
    operator = Operator(f"127.0.0.1:{leader.port}", ours.client_context, SERVICE)
    link = Link(operator.stream, clock, operator.address)
    trust = Trust(Authorities.of(authority.certificate), proxy_names=(PROXY,))
    site = Site(link, reviews, lambda: trust, clock, operator.get)
    await site.start("127.0.0.1", 0, ours.listening_context(asks_client=True))
    beside = [asyncio.create_task(work) for work in (link.run(), values.poll())]
    connector = aiohttp.TCPConnector(ssl=certificates(PROXY).client_context(), limit=AT_ONCE)
    headers = {"X-Remote-User": "system:serviceaccount:kube-system:horizontal-pod-autoscaler"}
    try:
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            await _asked(session, site.port, 2 * ASKS_EVERY_S)
            before = Counter(_counts(link, values, api))
            began_s = time.process_time()
            waits = await _asked(session, site.port, window_s)
            cpu_s = time.process_time() - began_s
            counts = Counter(_counts(link, values, api))
            counts.subtract(before)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await site.stop()
        await leader.stop()
    return _figures(waits, counts, cpu_s, window_s / 60)


async def _asked(session: aiohttp.ClientSession, port: int, for_s: float) -> list[float]:
    """The seconds that each question took, as the aggregator sees them."""
    loop, waits = asyncio.get_running_loop(), list[float]()
    room = asyncio.Semaphore(AT_ONCE)
    began_s, every_s = loop.time(), ASKS_EVERY_S / HPAS

    async def ask(number: int) -> None:
        selector = f"labelSelector=scaledobject.keda.sh%2Fname%3Dweb{number}"
        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/s0-redis?{selector}"
        async with room:
            sent_s = time.perf_counter()
            url = f"https://127.0.0.1:{port}{path}"
            async with session.get(url, server_hostname=SERVICE) as answer:
                body = await answer.json()
                assert body["items"][0]["value"] == "7", body
            waits.append(time.perf_counter() - sent_s)

    async with asyncio.TaskGroup() as tasks:
        for count in range(int(for_s / every_s)):
            await asyncio.sleep(began_s + count * every_s - loop.time())
            tasks.create_task(ask(count % HPAS))
    return waits


def _counts(link: Link, values: Values, api: AnApi) -> dict[str, int]:
    return {
        "messages": link.messages_in + link.messages_out,
        "questions": link.questions,
        "measured": values.measured,
        "reviews": api.reviews,
    }


def _figures(waits: list[float], counts: Counter[str], cpu_s: float, minutes: float) -> list[Figure]:
    way = "request to answer over TLS, as the aggregator sees it"
    asked = len(waits)
    return [
        Figure(PART, "p50", quantile(waits, 0.5) * 1000, "ms", way),
        Figure(PART, "p99", quantile(waits, 0.99) * 1000, "ms", way, goal("<", 20)),
        Figure(
            PART, "questions of HPAs per minute", asked / minutes, "", f"each asks every {ASKS_EVERY_S:g} s"
        ),
        Figure(
            PART,
            "of 1,000 questions, passed to the operator",
            counts["questions"] / asked * 1000,
            "",
            "the others are answered from memory",
            must("<=", 100),
        ),
        Figure(
            PART,
            "messages per minute",
            counts["messages"] / minutes,
            "",
            "of the stream, both ways, while no value changes",
            between(12, 400),
        ),
        Figure(
            PART,
            "measurements per question of an HPA",
            counts["measured"] / asked,
            "",
            f"polls every {POLLING_S:g} s included; an autoscaler that measures at each question has 1.5",
            between(0.4, 1.6),
        ),
        Figure(
            PART, "reviews per minute", counts["reviews"] / minutes, "", "SubjectAccessReviews", must("<=", 8)
        ),
        Figure(
            PART, "CPU per minute", cpu_s / minutes, "s", "metrics API server, operator's port and the asker"
        ),
    ]


async def _explain(resource: Resource, namespace: str, name: str) -> dict[str, Any]:
    return {}
