"""Where a source sends its events: one HTTP endpoint, or a topic of Azure Event Grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.api.eventing.cloudeventsource import CloudEventSourceSpec
from tidegate.base.errors import Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer, read_url
from tidegate.telemetry.cloudevents.event import CloudEvent, batch, binary
from tidegate.telemetry.cloudevents.outbox import Unwelcome

if TYPE_CHECKING:
    from tidegate.connections.http.client import HttpClient

Wire = Callable[[CloudEvent], tuple[tuple[tuple[str, str], ...], bytes]]
_API_VERSION = "api-version=2018-01-01"
# What says something of the event and not of the address.
_UNWELCOME = (400, 413, 422)


@dataclass(frozen=True, slots=True)
class Sink:
    """`kind` is what metrics call it. Equal sinks need no new connection."""

    kind: str
    server: HttpServer
    target: str

    def wire(self, event: CloudEvent) -> tuple[tuple[tuple[str, str], ...], bytes]:
        """Headers and body of an event as this sink takes them."""
        return binary(event) if self.kind == "http" else batch([event])


def sink_of(spec: CloudEventSourceSpec, parameters: Mapping[str, str]) -> Sink:
    """The sink of a source; of two that it names the HTTP endpoint, as in KEDA. Misconfigured where there is
    none that can be used."""
    if spec.destination.http is not None:
        return _http(spec.destination.http.uri)
    if spec.destination.azure_event_grid_topic is not None:
        return _event_grid(spec.destination.azure_event_grid_topic.endpoint, parameters)
    raise Misconfigured(
        "send events",
        answer="no destination is named",
        next_step="name destination.http or azureEventGridTopic",
    )


def _http(uri: str) -> Sink:
    try:
        url = read_url(uri)
    except ValueError as error:
        raise Misconfigured("read destination.http.uri", answer=f"it {error}") from error
    return Sink("http", HttpServer(url.origin, login=url.login(), name="CloudEvents sink"), url.target())


def _event_grid(endpoint: str, parameters: Mapping[str, str]) -> Sink:
    key = parameters.get("accessKey", "")
    try:
        url = read_url(endpoint)
    except ValueError as error:
        raise Misconfigured("read destination.azureEventGridTopic.endpoint", answer=f"it {error}") from error
    if not key:
        raise Misconfigured(
            "send events to Azure Event Grid",
            on=url.origin,
            answer="no azure event grid access key provided",
            next_step="give accessKey by the TriggerAuthentication that authenticationRef names",
        )
    target = url.target()
    if "api-version=" not in url.query:
        target += f"{'&' if url.query else '?'}{_API_VERSION}"
    login = HttpLogin((("aeg-sas-key", key),))
    return Sink("azureEventGridTopic", HttpServer(url.origin, login=login, name="Event Grid topic"), target)


class Delivery:
    """An open sink: posts one event at a time."""

    def __init__(self, sink: Sink, surroundings: Surroundings) -> None:
        self.sink = sink
        self._surroundings = surroundings
        self._client: HttpClient | None = None

    async def __call__(self, event: CloudEvent) -> None:
        """Returns when the sink has taken it (2xx); raises one of the five."""
        from tidegate.connections.http import failures
        from tidegate.connections.http.client import HttpClient

        if self._client is None:
            self._client = HttpClient(self.sink.server, self._surroundings, concurrency=1)
        headers, body = self.sink.wire(event)
        request = HttpRequest(
            self.sink.server,
            self.sink.target,
            method="POST",
            headers=headers,
            body=body,
            attempted="send a CloudEvent",
        )
        response = await self._client.send(request)
        if response.status in _UNWELCOME:
            raise Unwelcome(
                request.title(), on=self.sink.server.label(), answer=failures.phrase(response.status)
            )
        if not 200 <= response.status < 300:
            raise failures.refusal(response, request)

    async def close(self) -> None:
        """Safe when never used, and safe twice."""
        if self._client is not None:
            await self._client.close()
