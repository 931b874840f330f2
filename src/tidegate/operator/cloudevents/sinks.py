"""Where a source sends its events: one HTTP endpoint, or a topic of Azure Event Grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.api.eventing.cloudeventsource import CloudEventSourceSpec
from tidegate.base.errors import Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.kit.identity import Identity, IdentityToken, not_offered
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer, read_url
from tidegate.telemetry.cloudevents.event import CloudEvent, batch, binary
from tidegate.telemetry.cloudevents.outbox import Unwelcome

if TYPE_CHECKING:
    from tidegate.connections.http.client import HttpClient

Wire = Callable[[CloudEvent], tuple[tuple[tuple[str, str], ...], bytes]]
_API_VERSION = "api-version=2018-01-01"

# Source: Microsoft, "Authenticate publishing clients using Microsoft Entra ID".
_AUDIENCE = "https://eventgrid.azure.net/.default"
_TOPICS = (".eventgrid.azure.net", ".eventgrid.azure.us", ".eventgrid.azure.cn")

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


def sink_of(
    spec: CloudEventSourceSpec, parameters: Mapping[str, str], identity: Identity | None = None
) -> Sink:
    """The sink of a source; of two that it names the HTTP endpoint, as in KEDA. Misconfigured where there is
    none that can be used, Unsupported where it takes no such identity."""
    grid = spec.destination.azure_event_grid_topic
    if identity is not None and (spec.destination.http is not None or identity.provider != "azure-workload"):
        raise not_offered(identity, "send events", "")
    if spec.destination.http is not None:
        return _http(spec.destination.http.uri)
    if grid is not None:
        return _event_grid(grid.endpoint, parameters, identity)
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


def _event_grid(endpoint: str, parameters: Mapping[str, str], identity: Identity | None) -> Sink:
    key = parameters.get("accessKey", "")
    try:
        url = read_url(endpoint)
    except ValueError as error:
        raise Misconfigured("read destination.azureEventGridTopic.endpoint", answer=f"it {error}") from error
    if identity is not None and not _is_topic(url.origin):
        answer = f"an identity's token goes to https hosts of {', '.join(_TOPICS)} alone"
        raise Misconfigured("send events to Azure Event Grid", on=url.origin, answer=answer)
    if identity is None and not key:
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
    if identity is not None:
        login = HttpLogin(token=IdentityToken(identity, _AUDIENCE))
    return Sink("azureEventGridTopic", HttpServer(url.origin, login=login, name="Event Grid topic"), target)


def _is_topic(origin: str) -> bool:
    host = origin.partition("://")[2]
    return origin.startswith("https:") and any(host.endswith(end) for end in _TOPICS)


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
