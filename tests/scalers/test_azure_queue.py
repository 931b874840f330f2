"""Azure Storage queues: what counts, connection strings, clouds and identities."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.identity import Identity
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.azure_storage import QueueMessages, StorageServer, read_storage
from tidegate.testing.sheets import Sample

KEY = base64.b64encode(b"hunter2").decode()
CONNECTION = (
    f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={KEY};EndpointSuffix=core.windows.net"
)
HOST = "https://shop.queue.core.windows.net"
SHOP = StorageServer("queue", "shop", HOST, "", KEY)

SAMPLES = {"azure-queue": Sample(auth={"connection": CONNECTION})}


def build(
    metadata: dict[str, str] | None = None,
    auth: dict[str, str] | None = None,
    identity: Identity | None = None,
    type: str = "azure-queue",
    **env: str,
) -> Any:
    found = scalers.find(type)
    assert found is not None
    texts = {"queueName": "orders", **(metadata or {})}
    auth = {"connection": CONNECTION} if auth is None else auth
    sources = Sources(texts, env, auth, identity=identity)
    return reading.build(found, Trigger(type=type, metadata=texts), sources, Scope("shop"))


@pytest.mark.parametrize(
    ("settings", "is_visible_only"),
    [
        ({}, False),
        ({"queueLengthStrategy": "all"}, False),
        ({"queueLengthStrategy": "visibleonly"}, True),
    ],
)
def test_the_strategy_says_what_counts(settings: dict[str, str], is_visible_only: bool) -> None:
    asked: list[Any] = []

    def answer(question: Any) -> int:
        asked.append(question)
        return 12

    assert drive(build(settings).measure(ASK, None), answer) == 12
    assert asked == [QueueMessages(SHOP, "orders", is_visible_only)]


@pytest.mark.parametrize("strategy", ["All", "VisibleOnly", "visible", "all,visibleonly"])
def test_a_strategy_that_there_is_not_is_refused(strategy: str) -> None:
    assert [problem.path for problem in build({"queueLengthStrategy": strategy})] == ["queueLengthStrategy"]


def test_names_targets_and_defaults_are_those_of_keda() -> None:
    scaler = build()
    assert scaler.metric_name() == "azure-queue-orders"
    assert (scaler.metric_target(), scaler.activation_target()) == (5, 0)
    scaler = build({"queueLength": "20", "activationQueueLength": "3"})
    assert (scaler.metric_target(), scaler.activation_target()) == (20, 3)


def test_the_name_of_azure_functions_is_read_as_this_type() -> None:
    assert build(type="azurestoragequeue").metric_name() == "azure-queue-orders"


# --- connection strings

LOCAL = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Zm9v"


@pytest.mark.parametrize(
    ("text", "origin", "path", "account", "login"),
    [
        (CONNECTION, HOST, "", "shop", "key"),
        (f"AccountName=shop;AccountKey={KEY}", HOST, "", "shop", "key"),
        (f" accountname = shop ; accountkey = {KEY} ;;", HOST, "", "shop", "key"),
        (
            f"AccountName=shop;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn",
            "https://shop.queue.core.chinacloudapi.cn",
            "",
            "shop",
            "key",
        ),
        (
            f"DefaultEndpointsProtocol=http;AccountName=shop;AccountKey={KEY};EndpointSuffix=private.cloud",
            "http://shop.queue.private.cloud",
            "",
            "shop",
            "key",
        ),
        (
            f"{LOCAL};QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;BlobEndpoint=http://x/y",
            "http://127.0.0.1:10001",
            "/devstoreaccount1",
            "devstoreaccount1",
            "key",
        ),
        (
            "QueueEndpoint=https://shop.queue.core.windows.net/;SharedAccessSignature=?sv=1&sig=a%2Bb%3D",
            HOST,
            "",
            "shop",
            "sas",
        ),
        ("AccountName=shop;SharedAccessSignature=sv=1&sig=x", HOST, "", "shop", "sas"),
        (
            "UseDevelopmentStorage=true",
            "http://127.0.0.1:10001",
            "/devstoreaccount1",
            "devstoreaccount1",
            "key",
        ),
        (
            "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://azurite",
            "http://azurite:10001",
            "/devstoreaccount1",
            "devstoreaccount1",
            "key",
        ),
    ],
)
def test_a_connection_string_says_where_and_with_what(
    text: str, origin: str, path: str, account: str, login: str
) -> None:
    server = build(auth={"connection": text}).server()
    assert (server.origin, server.path, server.account) == (origin, path, account)
    assert bool(server.key) == (login == "key")
    assert bool(server.sas) == (login == "sas")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hunter2", "is no connection string"),
        (f"AccountKey={KEY}", "names no account (AccountName), and no QueueEndpoint"),
        ("AccountName=shop", "neither an AccountKey nor a SharedAccessSignature"),
        ("AccountName=shop;AccountKey=hunter2", "not base64"),
        ("AccountName=shop;AccountKey=", "neither"),
        (f"AccountName=a b;AccountKey={KEY}", "has a queue endpoint that"),
        (f"AccountName=shop;AccountKey={KEY};DefaultEndpointsProtocol=ftp", "has a queue endpoint that"),
        (f"QueueEndpoint=shop;AccountKey={KEY}", "has a queue endpoint that"),
    ],
)
def test_one_that_cannot_be_used_is_told_without_its_text(text: str, words: str) -> None:
    (problem,) = build(auth={"connection": text})
    assert problem.path == "connection"
    assert words in problem.message
    assert "hunter2" not in problem.message
    assert KEY not in problem.message


@pytest.mark.parametrize(
    ("metadata", "auth", "env", "account"),
    [
        ({"connection": "AccountName=m;AccountKey=aaaa"}, {}, {}, "m"),
        ({"connectionFromEnv": "C"}, {}, {"C": "AccountName=e;AccountKey=aaaa"}, "e"),
        (
            {"connection": "AccountName=m;AccountKey=aaaa", "connectionFromEnv": "C"},
            {},
            {"C": "AccountName=e;AccountKey=aaaa"},
            "m",
        ),
        ({"connection": "AccountName=m;AccountKey=aaaa"}, {"connection": CONNECTION}, {}, "shop"),
    ],
)
def test_it_comes_from_the_authentication_the_metadata_or_the_environment(
    metadata: dict[str, str], auth: dict[str, str], env: dict[str, str], account: str
) -> None:
    assert build(metadata, auth, **env).server().account == account


def test_without_one_it_is_asked_for() -> None:
    (problem,) = build(auth={})
    assert (problem.path, problem.message) == ("connection", "no connection setting given")


def test_blob_and_queue_of_an_account_have_their_own_hosts() -> None:
    assert read_storage(CONNECTION, "blob").origin == "https://shop.blob.core.windows.net"
    assert read_storage("UseDevelopmentStorage=true", "blob").origin == "http://127.0.0.1:10000"


# --- clouds and identities


@pytest.mark.parametrize(
    ("cloud", "suffix", "paths"),
    [
        ("", "", []),
        ("AzurePublicCloud", "", []),
        ("azureusgovernmentcloud", "", []),
        ("AzureChinaCloud", "", []),
        ("AzureGermanCloud", "ignored", []),
        ("Private", "queue.core.private.cloud", []),
        ("Private", "", ["endpointSuffix"]),
        ("AzureMoonCloud", "", ["cloud"]),
    ],
)
def test_clouds_are_known_by_name_and_a_private_one_by_its_suffix(
    cloud: str, suffix: str, paths: list[str]
) -> None:
    built = build({"cloud": cloud, "endpointSuffix": suffix})
    assert [problem.path for problem in (built if paths else ())] == paths


def test_an_identity_needs_an_account_and_comes_before_a_connection_string() -> None:
    identity = Identity("azure-workload")
    (problem,) = build(identity=identity)
    assert (problem.path, problem.message) == ("accountName", "no accountName given")
    assert build({"accountName": "shop"}, {}, identity).asks_as() == identity
