"""A topic of Azure Event Grid that an identity sends to: its token, and to whom it is never shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from parts.entra_fake import entra
from tidegate.api.eventing.cloudeventsource import (
    CloudEventSourceSpec,
    Destination,
    EventGridDestination,
    HttpDestination,
)
from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unsupported
from tidegate.kit.identity import Identity
from tidegate.operator.cloudevents.sinks import Delivery, sink_of
from tidegate.telemetry.cloudevents.event import CloudEvent

AUDIENCE = "https://eventgrid.azure.net/.default"
TOPIC = "https://shop.westeurope-1.eventgrid.azure.net/api/events"
WORKLOAD = Identity("azure-workload")
EVENT = CloudEvent(
    "1", "/shop", "keda.scaledobject.ready.v1", "web", datetime(2026, 3, 4, tzinfo=UTC), "Ready", "ready"
)


def grid(endpoint: str = TOPIC) -> CloudEventSourceSpec:
    return CloudEventSourceSpec(
        destination=Destination(azure_event_grid_topic=EventGridDestination(endpoint))
    )


async def takes(request: web.Request) -> web.StreamResponse:
    assert "aeg-sas-key" not in request.headers
    return web.Response()


async def outcome(audience: str, folder: Path) -> TidegateError | None:
    """What becomes of one event, sent to a topic that takes tokens for this audience."""
    token_file = folder / "token"
    token_file.write_text("federated-1")
    async with (
        entra() as fake,
        fake.logging_in(fake.environment(str(token_file))) as around,
        fake.service(audience, takes) as topic,
    ):
        sink = sink_of(grid(), {}, WORKLOAD)
        assert sink.target == "/api/events?api-version=2018-01-01"
        delivery = Delivery(replace(sink, server=replace(sink.server, origin=topic.origin)), around)
        try:
            await delivery(EVENT)
        except TidegateError as error:
            return error
        finally:
            await delivery.close()
        assert len(topic.requests) == len(fake.issued) == 1
        return None


async def test_an_identity_sends_with_its_token(tmp_path: Path) -> None:
    assert await outcome(AUDIENCE, tmp_path) is None


async def test_a_topic_that_takes_no_token_denies(tmp_path: Path) -> None:
    error = await outcome("https://another.example/.default", tmp_path)
    assert isinstance(error, Denied)
    assert "token-" not in f"{error}{error.excerpt}"


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/api/events",
        "https://evileventgrid.azure.net/api/events",
        TOPIC.replace("https", "http"),
    ],
)
def test_no_other_host_is_shown_the_token(endpoint: str) -> None:
    with pytest.raises(Misconfigured, match="an identity's token goes to https hosts"):
        sink_of(grid(endpoint), {}, WORKLOAD)
    assert sink_of(grid(endpoint), {"accessKey": "k"}).server.login.token is None


def test_other_identities_and_other_sinks_are_told() -> None:
    with pytest.raises(Unsupported):
        sink_of(grid(), {}, Identity("aws"))
    http = CloudEventSourceSpec(destination=Destination(http=HttpDestination("https://sink.example")))
    with pytest.raises(Unsupported):
        sink_of(http, {}, WORKLOAD)
