"""Azure Event Hubs: unprocessed events by checkpoint, where checkpoints are, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed
from tidegate.kit import reading
from tidegate.kit.identity import Identity
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Measured, Scope
from tidegate.kit.systems.azure import Namespace
from tidegate.kit.systems.azure_eventhub import (
    LARGEST,
    EventHubServer,
    HubPositions,
    Position,
    sequence_of,
    unprocessed,
)
from tidegate.kit.systems.azure_storage import BlobMetadata, BlobTexts, read_storage
from tidegate.testing.sheets import Sample

HOST = "shop.servicebus.windows.net"
CONNECTION = f"Endpoint=sb://{HOST}/;SharedAccessKeyName=Root;SharedAccessKey=hunter2"
STORAGE = f"AccountName=shop;AccountKey={base64.b64encode(b'hunter2').decode()}"
KEYS = {"connection": CONNECTION, "storageConnection": STORAGE}
SERVER = EventHubServer(Namespace(HOST, 0, "Root", "hunter2"))
HUB = {"eventHubName": "clicks", "blobContainer": "points"}


def told(question: Any) -> Any:
    """Ten events in one partition, three of them processed."""
    if isinstance(question, HubPositions):
        return {"0": Position(0, 9)}
    return {f"{HOST}/clicks/crawler/checkpoint/0": {"sequencenumber": "2"}}


SAMPLES = {"azure-eventhub": Sample(told, is_active=True, auth=KEYS)}


def build(
    metadata: dict[str, str] | None = None,
    auth: dict[str, str] | None = None,
    identity: Identity | None = None,
    type: str = "azure-eventhub",
    **env: str,
) -> Any:
    found = scalers.find(type)
    assert found is not None
    texts = HUB if metadata is None else metadata
    sources = Sources(texts, env, KEYS if auth is None else auth, identity=identity)
    return reading.build(found, Trigger(type=type, metadata=texts), sources, Scope("shop"))


def measured(scaler: Any, positions: dict[str, Position], blobs: dict[str, Any]) -> tuple[Any, list[Any]]:
    """The outcome, and what was asked of storage. `blobs` are bodies or metadata by name."""
    asked: list[Any] = []

    def answer(question: Any) -> Any:
        if isinstance(question, HubPositions):
            assert question == HubPositions(SERVER, "clicks")
            return positions
        asked.append(question)
        if isinstance(question, BlobMetadata):
            return {name: one for name, one in blobs.items() if name.startswith(question.prefix)}
        return {name: one for name, one in blobs.items() if name in question.names}

    return drive(scaler.measure(ASK, None), answer), asked


# --- arithmetic


@pytest.mark.parametrize(
    ("begin", "last", "checkpoint", "count"),
    [
        (0, 10, 5, 5),
        (0, 10, 10, 0),
        (0, 10, 0, 10),
        (0, 5, 9223372036854775797, 15),
        (0, 10, 15, 0),
        (0, 4 * 10**18, 4 * 10**18 + 200000, 9223372036854575807),
        (0, 9223372036854775797, 5, 0),
        (0, -1, None, 0),
        (0, -1, 7, 0),
        (0, 0, None, 1),
        (0, 9, None, 10),
        (100, 104, None, 5),
        (7, 7, None, 0),
    ],
)
def test_events_after_the_checkpoint_count(begin: int, last: int, checkpoint: int | None, count: int) -> None:
    assert unprocessed(Position(begin, last), checkpoint, 10000) == count


@pytest.mark.parametrize(
    ("position", "count"),
    [
        (Position(7, 7, is_empty=False), 1),
        (Position(7, 7, is_empty=True), 0),
        (Position(0, 0, is_empty=False), 1),
        (Position(0, 0, is_empty=True), 0),
        (Position(100, 104, is_empty=False), 5),
    ],
)
def test_a_single_event_counts_where_the_partition_says_that_it_is_not_empty(
    position: Position, count: int
) -> None:
    assert unprocessed(position, None, 10000) == count


def test_the_limit_of_stale_positions_is_a_setting() -> None:
    assert unprocessed(Position(0, 10), 15, 3) == LARGEST - 5
    assert build({**HUB, "stalePartitionInfoThreshold": "3"}).stale_partition_info_threshold == 3


@pytest.mark.parametrize(
    ("counts", "settings", "shown", "is_active"),
    [
        ([10, 20], {}, 30, True),
        ([0, 0], {}, 0, False),
        ([100, 28], {}, 128, True),
        ([100, 91], {}, 191, True),
        ([100, 92], {}, 128, True),
        ([5000, 5000], {}, 128, True),
        ([30, 40], {"unprocessedEventThreshold": "10"}, 20, True),
        ([30, 40], {"activationUnprocessedEventThreshold": "70"}, 70, False),
        ([30, 41], {"activationUnprocessedEventThreshold": "70"}, 71, True),
        ([500, 500], {"activationUnprocessedEventThreshold": "200"}, 128, True),
    ],
)
def test_the_sum_is_capped_by_partitions_and_activation_looks_at_the_whole(
    counts: list[int], settings: dict[str, str], shown: float, is_active: bool
) -> None:
    positions = {f"{place}": Position(0, count - 1) for place, count in enumerate(counts)}
    outcome, _ = measured(build({**HUB, **settings}), positions, {})
    assert outcome == Measured((shown,), active=is_active)


def test_a_hub_that_never_had_an_event_is_empty_and_its_checkpoints_are_not_read() -> None:
    outcome, asked = measured(build(), {"0": Position(0, -1), "1": Position(0, -1)}, {})
    assert outcome == Measured((0.0,), active=False)
    assert asked == []


# --- checkpoints

FUNCTIONS = "azure-webjobs-eventhub"


@pytest.mark.parametrize(
    ("metadata", "container", "name", "body"),
    [
        ({}, FUNCTIONS, f"{HOST}/clicks/$Default/0", {"SequenceNumber": 6}),
        (
            {"checkpointStrategy": "azureFunction"},
            FUNCTIONS,
            f"{HOST}/clicks/$Default/0",
            {"SequenceNumber": 6},
        ),
        (
            {"checkpointStrategy": "azureFunction", "blobContainer": "points"},
            FUNCTIONS,
            f"{HOST}/clicks/$Default/0",
            {"SequenceNumber": 6},
        ),
        ({"checkpointStrategy": "Unknown"}, FUNCTIONS, f"{HOST}/clicks/$Default/0", {"SequenceNumber": 6}),
        (
            {"checkpointStrategy": "goSdk", "blobContainer": "points"},
            "points",
            "0",
            {"checkpoint": {"sequenceNumber": 6}},
        ),
        (
            {"checkpointStrategy": "dapr", "blobContainer": "points", "consumerGroup": "Shop"},
            "points",
            "dapr-clicks-Shop-0",
            {"checkpoint": {"sequenceNumber": 6}},
        ),
        ({"blobContainer": "points"}, "points", "$Default/0", {"SequenceNumber": 6}),
        ({"blobContainer": "points"}, "points", "$Default/0", {"sequence_number": 6}),
        ({"blobContainer": "points"}, "points", "$Default/0", {"SequenceNumber": 0, "sequence_number": 6}),
        (
            {"checkpointStrategy": "pythonic", "blobContainer": "points"},
            "points",
            "$Default/0",
            {"SequenceNumber": 6},
        ),
    ],
)
def test_each_strategy_has_its_container_its_names_and_its_field(
    metadata: dict[str, str], container: str, name: str, body: Any
) -> None:
    scaler = build({"eventHubName": "clicks", **metadata})
    outcome, asked = measured(scaler, {"0": Position(0, 9)}, {name: json.dumps(body).encode()})
    assert asked == [BlobTexts(read_storage(STORAGE, "blob"), container, (name,))]
    assert outcome.values == (3.0,)


def test_metadata_of_blobs_is_looked_for_as_written_and_in_lower_case() -> None:
    storage = read_storage(STORAGE, "blob")
    scaler = build(
        {
            "eventHubName": "clicks",
            "checkpointStrategy": "blobMetadata",
            "blobContainer": "p",
            "consumerGroup": "Shop",
        }
    )
    names = {f"{HOST}/clicks/shop/checkpoint/0": {"sequencenumber": "6"}}
    outcome, asked = measured(scaler, {"0": Position(0, 9), "1": Position(0, 9)}, names)
    assert asked == [BlobMetadata(storage, "p", f"{HOST}/clicks/")]
    assert outcome.values == (3.0 + 10.0,)


def test_a_hub_in_capitals_finds_the_checkpoints_that_sdks_write_in_lower_case() -> None:
    scaler = build({"eventHubName": "Clicks", "checkpointStrategy": "blobMetadata", "blobContainer": "p"})
    asked: list[Any] = []

    def answer(question: Any) -> Any:
        asked.append(question)
        if isinstance(question, HubPositions):
            return {"0": Position(0, 9), "1": Position(0, 9)}
        if question.prefix == f"{HOST}/Clicks/":
            return {f"{HOST}/Clicks/$default/checkpoint/0": {"sequencenumber": "8"}}
        return {f"{HOST}/clicks/$default/checkpoint/{one}": {"sequencenumber": "6"} for one in (0, 1)}

    assert drive(scaler.measure(ASK, None), answer).values == (1.0 + 3.0,), "as written counts more"
    assert len(asked) == 3


def test_two_groups_of_a_hub_share_positions_and_the_listing() -> None:
    asked: set[Any] = set()
    for group in ("a", "b"):
        scaler = build({**HUB, "checkpointStrategy": "blobMetadata", "consumerGroup": group})

        def answer(question: Any) -> Any:
            asked.add(question)
            return {"0": Position(0, 9)} if isinstance(question, HubPositions) else {}

        drive(scaler.measure(ASK, None), answer)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("layout", "document", "number"),
    [
        ("azureFunction", {"SequenceNumber": 7, "Offset": "1"}, 7),
        ("azureFunction", {"Offset": "1"}, 0),
        ("azureFunction", {"SequenceNumber": None}, 0),
        ("azureFunction", {"sequence_number": 7}, 0),
        ("azureFunction", {"SequenceNumber": "7"}, None),
        ("azureFunction", {"SequenceNumber": True}, None),
        ("azureFunction", [], None),
        ("azureFunction", 7, None),
        ("default", {"sequence_number": 7}, 7),
        ("goSdk", {"checkpoint": {"sequenceNumber": 7}}, 7),
        ("goSdk", {"checkpoint": {}}, 0),
        ("goSdk", {}, 0),
        ("goSdk", {"checkpoint": 7}, None),
        ("dapr", {"checkpoint": {"sequenceNumber": 1.5}}, None),
        ("dapr", None, None),
    ],
)
def test_a_checkpoint_without_the_field_is_at_the_beginning_and_another_document_is_none(
    layout: Any, document: Any, number: int | None
) -> None:
    assert sequence_of(layout, document) == number


@pytest.mark.parametrize("body", [b"", b"no json", b"[" * 100_000, b'{"SequenceNumber": "x"}', b"\xff"])
def test_a_checkpoint_that_cannot_be_read_is_a_failure(body: bytes) -> None:
    with pytest.raises(Malformed, match=r"blob \$Default/0 is no checkpoint"):
        measured(build(), {"0": Position(0, 9)}, {"$Default/0": body})


@pytest.mark.parametrize(
    "metadata", [{}, {"sequencenumber": ""}, {"sequencenumber": "x"}, {"sequencenumber": "٣"}]
)
def test_metadata_without_a_number_is_a_failure(metadata: dict[str, str]) -> None:
    scaler = build({**HUB, "checkpointStrategy": "blobMetadata"})
    with pytest.raises(Malformed, match="no metadata sequencenumber"):
        measured(scaler, {"0": Position(0, 9)}, {f"{HOST}/clicks/$default/checkpoint/0": metadata})


# --- settings


def test_names_targets_and_defaults_are_those_of_keda() -> None:
    scaler = build()
    assert scaler.metric_name() == "azure-eventhub-$Default"
    assert (scaler.metric_target(), scaler.activation_target()) == (64, 0)


def test_the_name_of_a_published_tutorial_is_read_as_this_type() -> None:
    assert build(type="azureeventhub").metric_name() == "azure-eventhub-$Default"


def test_the_hub_of_the_connection_string_counts_more() -> None:
    auth = {**KEYS, "connection": f"{CONNECTION};EntityPath=orders"}
    assert build({}, auth).hub() == "orders"
    assert build(HUB, auth).hub() == "orders"
    assert build(HUB).hub() == "clicks"
    assert build(HUB, auth).server() == SERVER, "hubs of one namespace and key share a connection"
    assert build({"eventHubNameFromEnv": "H"}, H="env").hub() == "env"


@pytest.mark.parametrize(
    ("metadata", "auth", "paths"),
    [
        (HUB, {}, ["storageConnection", "connection"]),
        (HUB, {"connection": CONNECTION}, ["storageConnection"]),
        ({}, KEYS, ["eventHubName"]),
        (HUB, {**KEYS, "connection": "hunter2"}, ["connection"]),
        (HUB, {**KEYS, "storageConnection": "hunter2"}, ["storageConnection"]),
        ({**HUB, "unprocessedEventThreshold": "0"}, KEYS, ["unprocessedEventThreshold"]),
        ({**HUB, "unprocessedEventThreshold": "-1"}, KEYS, ["unprocessedEventThreshold"]),
        ({**HUB, "cloud": "Moon"}, KEYS, ["cloud"]),
        ({**HUB, "cloud": "Private"}, KEYS, ["endpointSuffix"]),
        ({"eventHubName": "clicks", "checkpointStrategy": "blobMetadata"}, KEYS, ["blobContainer"]),
        ({"eventHubName": "clicks", "checkpointStrategy": "goSdk"}, KEYS, ["blobContainer"]),
    ],
)
def test_what_is_missing_or_wrong_is_told_by_its_setting(
    metadata: dict[str, str], auth: dict[str, str], paths: list[str]
) -> None:
    problems = build(metadata, auth)
    assert [problem.path for problem in problems] == paths
    assert "hunter2" not in str(problems)


def test_an_identity_needs_hub_namespace_and_storage() -> None:
    identity = Identity("azure-workload")
    paths = ["storageAccountName", "eventHubNamespace", "eventHubName"]
    assert [problem.path for problem in build({}, {}, identity)] == paths
    whole = {**HUB, "eventHubNamespace": "shop", "storageAccountName": "shop"}
    assert build(whole, {}, identity).asks_as() == identity
    private = {**whole, "cloud": "Private", "endpointSuffix": "x"}
    assert [problem.path for problem in build(private, {}, identity)] == ["storageEndpointSuffix"]


def test_a_strategy_that_there_is_not_is_told() -> None:
    assert [one.path for one in build({**HUB, "checkpointStrategy": "BlobMetadata"}).notices()] == [
        "checkpointStrategy"
    ]
    assert list(build({**HUB, "checkpointStrategy": "blobMetadata"}).notices()) == []
