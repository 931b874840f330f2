"""A trigger whose address is that of something else: a failure that says what to check, never a number."""

from __future__ import annotations

from typing import Any

import pytest

from parts.http_server import answering, says
from parts.one_round import one_round
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Polled, Scope

LOGIN = {"username": "u", "password": "hunter2-hunter2"}
SEARCH = {
    **LOGIN,
    "index": "i",
    "query": "{}",
    "valueLocation": "hits.total.value",
    "targetValue": "1",
    "ignoreNullValues": "true",
}
STORAGE = (
    "AccountName=shop;AccountKey=aHVudGVyMg==;QueueEndpoint=http://{at}/shop;BlobEndpoint=http://{at}/shop"
)
BUS = "Endpoint=sb://{at};SharedAccessKeyName=n;SharedAccessKey=hunter2-hunter2;UseDevelopmentEmulator=true"

TRIGGERS: dict[str, dict[str, str]] = {
    "prometheus": {"serverAddress": "http://{at}", "query": "up", "threshold": "1"},
    "loki": {"serverAddress": "http://{at}", "query": "up", "threshold": "1"},
    "metrics-api": {"url": "http://{at}/n", "valueLocation": "n", "targetValue": "1"},
    "elasticsearch": {"addresses": "http://{at}", **SEARCH},
    "opensearch": {"addresses": "http://{at}", **SEARCH},
    "graphite": {"serverAddress": "http://{at}", "query": "a", "queryTime": "-1min"},
    "influxdb": {"serverURL": "http://{at}", "organizationName": "o", "query": "q", "thresholdValue": "1"},
    "activemq": {"managementEndpoint": "{at}", "brokerName": "b", "destinationName": "q", **LOGIN},
    "artemis-queue": {
        "managementEndpoint": "{at}",
        "brokerName": "b",
        "brokerAddress": "a",
        "queueName": "q",
        **LOGIN,
    },
    "pulsar": {"adminURL": "http://{at}", "topic": "persistent://a/b/c", "subscription": "s"},
    "azure-queue": {"queueName": "jobs"},
    "azure-blob": {"blobContainerName": "jobs"},
    "azure-servicebus": {"queueName": "q.*", "useRegex": "true"},
}
AUTHS = {
    "azure-queue": {"connection": STORAGE},
    "azure-blob": {"connection": STORAGE},
    "azure-servicebus": {"connection": BUS},
}


def build(name: str, at: str) -> Polled:
    kind = scalers.find(name)
    assert kind is not None
    metadata, auth = (
        {key: text.replace("{at}", at) for key, text in texts.items()}
        for texts in (TRIGGERS[name], AUTHS.get(name, {}))
    )
    made = reading.build(kind, Trigger(type=name, metadata=metadata), Sources(metadata, {}, auth), Scope("s"))
    assert isinstance(made, Polled), made
    return made


@pytest.mark.parametrize("body", ["<html>sign in, hunter2</html>", {"ok": True, "secret": "hunter2"}, [], ""])
@pytest.mark.parametrize("name", TRIGGERS)
async def test_what_answers_there_is_another_thing(name: str, body: Any) -> None:
    async with answering(says(body)) as other:
        (read,) = (await one_round([build(name, other.origin.removeprefix("http://"))])).readings
    assert read.failure is not None, read
    assert "; check" in read.failure.message
    assert "hunter2" not in read.failure.message
