"""Whom Azure's triggers ask as an identity, and for whom its token is: never for more than the host needs."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.identity import Identity, ServicePrincipal
from tidegate.kit.question import ASK
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope

WORKLOAD = Identity("azure-workload", client_id="client")
APPLICATION = Identity("azure-workload", application=ServicePrincipal("client", "tenant", "s3cret"))

STORAGE = "https://storage.azure.com/.default"
BUS = "https://servicebus.azure.net/.default"
HUBS = "https://eventhubs.azure.net/.default"
DEVOPS = "499b84ac-1321-427f-aa17-267ca6975798/.default"
PG = {
    "host": "shop.postgres.database.azure.com",
    "port": "5432",
    "userName": "autoscaler",
    "dbName": "shop",
    "sslmode": "require",
    "query": "SELECT 1",
    "targetQueryValue": "1",
}
SQL = {"host": "shop.database.windows.net", "query": "SELECT 1", "targetValue": "1"}
RABBIT = {
    "host": "https://rabbit.example/vhost",
    "protocol": "http",
    "queueName": "orders",
    "mode": "QueueLength",
    "value": "1",
}
PRIVATE = {"cloud": "Private"}

QUEUE = {"queueName": "orders", "accountName": "shop"}
BLOB = {"blobContainerName": "orders", "accountName": "shop"}
BUS_QUEUE = {"queueName": "orders", "namespace": "shop"}
HUB = {"eventHubNamespace": "shop", "eventHubName": "clicks", "storageAccountName": "shop"}
POOL = {"poolID": "7", "organizationURL": "https://dev.azure.com/shop"}
WORKSPACE = {
    "serverAddress": "https://shop-a1b2.westeurope.prometheus.monitor.azure.com",
    "query": "up",
    "threshold": "1",
}


def build(kind: str, metadata: dict[str, str], identity: Identity | None = WORKLOAD) -> Any:
    found = scalers.find(kind)
    assert found is not None
    sources = Sources(metadata, identity=identity)
    return reading.build(found, Trigger(type=kind, metadata=metadata), sources, Scope("shop"))


def asked(scaler: Any) -> Any:
    """The server of the first question."""
    (question, *_) = scaler.measure(ASK, None).send(None)
    return question.server


def login_of(server: Any) -> Any:
    server = getattr(server, "http", server)
    return server.login.token if hasattr(server, "login") else server.token


def place_of(server: Any) -> str:
    if hasattr(server, "namespace"):
        return str(server.namespace.host)
    if not hasattr(server, "origin"):
        return str(server.host if hasattr(server, "host") else server.get("host"))
    return str(server.origin)


@pytest.mark.parametrize(
    ("kind", "metadata", "place", "audience"),
    [
        ("azure-queue", QUEUE, "https://shop.queue.core.windows.net", STORAGE),
        (
            "azure-queue",
            {**QUEUE, "cloud": "AzureChinaCloud"},
            "https://shop.queue.core.chinacloudapi.cn",
            STORAGE,
        ),
        (
            "azure-queue",
            {**QUEUE, **PRIVATE, "endpointSuffix": "queue.core.private.example"},
            "https://shop.queue.core.private.example",
            "https://shop.queue.core.private.example/.default",
        ),
        ("azure-blob", BLOB, "https://shop.blob.core.windows.net", STORAGE),
        ("azure-servicebus", BUS_QUEUE, "shop.servicebus.windows.net", BUS),
        (
            "azure-servicebus",
            {**BUS_QUEUE, "cloud": "AzureUSGovernmentCloud"},
            "shop.servicebus.usgovcloudapi.net",
            BUS,
        ),
        (
            "azure-servicebus",
            {**BUS_QUEUE, **PRIVATE, "endpointSuffix": "bus.private.example"},
            "shop.bus.private.example",
            "https://shop.bus.private.example/.default",
        ),
        ("azure-eventhub", HUB, "shop.servicebus.windows.net", HUBS),
        (
            "postgresql",
            PG,
            "shop.postgres.database.azure.com",
            "https://ossrdbms-aad.database.windows.net/.default",
        ),
        ("mssql", SQL, "shop.database.windows.net", "https://database.windows.net/.default"),
        (
            "mssql",
            {**SQL, "host": "shop.database.chinacloudapi.cn"},
            "shop.database.chinacloudapi.cn",
            "https://database.chinacloudapi.cn/.default",
        ),
        ("azure-pipelines", POOL, "https://dev.azure.com", DEVOPS),
        (
            "azure-pipelines",
            {**POOL, "organizationURL": "https://shop.visualstudio.com"},
            "https://shop.visualstudio.com",
            DEVOPS,
        ),
        (
            "prometheus",
            WORKSPACE,
            "https://shop-a1b2.westeurope.prometheus.monitor.azure.com",
            "https://prometheus.monitor.azure.com/.default",
        ),
        (
            "prometheus",
            {
                **WORKSPACE,
                **PRIVATE,
                "serverAddress": "https://shop.metrics.example/x",
                "azureManagedPrometheusResourceURL": "https://metrics.example/",
            },
            "https://shop.metrics.example",
            "https://metrics.example/.default",
        ),
    ],
)
@pytest.mark.parametrize("identity", [WORKLOAD, APPLICATION], ids=["workload", "application"])
def test_each_host_gets_a_token_for_itself(
    kind: str, metadata: dict[str, str], place: str, audience: str, identity: Identity
) -> None:
    scaler = build(kind, metadata, identity)
    assert scaler.can_log_in(identity)
    assert scaler.asks_as() == identity
    server = asked(scaler)
    assert place_of(server) == place
    assert login_of(server).audience == audience
    assert login_of(server).identity == identity
    assert "s3cret" not in repr(scaler) + repr(server) + server.label()


def test_checkpoints_are_read_as_the_same_identity() -> None:
    storage = build("azure-eventhub", HUB).storage()
    assert (storage.origin, storage.token.audience) == ("https://shop.blob.core.windows.net", STORAGE)
    suffixes = {"endpointSuffix": "bus.example", "storageEndpointSuffix": "core.example"}
    storage = build("azure-eventhub", {**HUB, **PRIVATE, **suffixes}).storage()
    assert storage.origin == "https://shop.blob.core.example"
    assert storage.token.audience == "https://shop.blob.core.example/.default"


@pytest.mark.parametrize(
    ("kind", "metadata", "path"),
    [
        ("azure-queue", {**QUEUE, "accountName": "evil.example/a"}, "accountName"),
        ("azure-queue", {**QUEUE, "accountName": "evil.example"}, "accountName"),
        ("azure-queue", {**QUEUE, "accountName": ""}, "accountName"),
        ("azure-queue", {**QUEUE, **PRIVATE, "endpointSuffix": "a/b"}, "endpointSuffix"),
        ("azure-queue", {**QUEUE, **PRIVATE}, "endpointSuffix"),
        ("azure-queue", {**QUEUE, "cloud": "AzureStackCloud"}, "cloud"),
        ("azure-blob", {**BLOB, "accountName": "a@b"}, "accountName"),
        ("azure-servicebus", {**BUS_QUEUE, "namespace": "shop.servicebus.windows.net"}, "namespace"),
        ("azure-servicebus", {**BUS_QUEUE, **PRIVATE, "endpointSuffix": "a b"}, "endpointSuffix"),
        ("azure-eventhub", {**HUB, "eventHubNamespace": "a/b"}, "eventHubNamespace"),
        ("azure-eventhub", {**HUB, "storageAccountName": "a/b"}, "storageAccountName"),
        ("azure-pipelines", {**POOL, "organizationURL": "https://devops.example/shop"}, "organizationURL"),
        ("azure-pipelines", {**POOL, "organizationURL": "http://dev.azure.com/shop"}, "organizationURL"),
        (
            "azure-pipelines",
            {**POOL, "organizationURL": "https://dev.azure.com.evil.example/a"},
            "organizationURL",
        ),
        ("postgresql", {**PG, "host": "db.example"}, "host"),
        ("postgresql", {**PG, "host": f"evil.example,{PG['host']}"}, "host"),
        ("postgresql", {**PG, "host": f"evil.example/{PG['host']}"}, "host"),
        ("mssql", {**SQL, "host": "db.example"}, "host"),
        ("mssql", {**SQL, "host": "evildatabase.windows.net"}, "host"),
        ("prometheus", {**WORKSPACE, "serverAddress": "https://prometheus.example"}, "serverAddress"),
        (
            "prometheus",
            {**WORKSPACE, "serverAddress": "https://eviL-prometheus.monitor.azure.com"},
            "serverAddress",
        ),
        (
            "prometheus",
            {**WORKSPACE, "serverAddress": WORKSPACE["serverAddress"].replace("https", "http")},
            "serverAddress",
        ),
        ("prometheus", {**WORKSPACE, "cloud": "AzureChinaCloud"}, "serverAddress"),
        ("prometheus", {**WORKSPACE, "authModes": "basic", "cloud": "Moon"}, "authModes"),
    ],
)
def test_a_manifest_cannot_choose_who_is_shown_the_token(
    kind: str, metadata: dict[str, str], path: str
) -> None:
    assert path in [problem.path for problem in build(kind, metadata)]


def test_a_personal_token_comes_before_the_identity() -> None:
    found = scalers.find("azure-pipelines")
    assert found is not None
    texts = {**POOL, "organizationURL": "https://devops.example/shop"}
    sources = Sources(texts, {}, {"personalAccessToken": "mine"}, identity=WORKLOAD)
    scaler: Any = reading.build(
        found, Trigger(type="azure-pipelines", metadata=texts), sources, Scope("shop")
    )
    assert scaler.asks_as() is None
    assert asked(scaler).login.token is None


def test_an_identitys_token_is_shown_to_a_verified_host_alone() -> None:
    server = asked(build("prometheus", {**WORKSPACE, "unsafeSsl": "true"}))
    assert server.tls.is_verified


def test_a_database_is_verified_whatever_the_manifest_says() -> None:
    server = asked(build("postgresql", PG))
    assert (server.get("sslmode"), server.get("password")) == ("verify-full", "")
    server = asked(build("mssql", {**SQL, "username": "sa"}))
    assert (server.encryption, server.is_verified, server.user, server.password) == ("on", True, "", "")


def rabbit(resource: str, identity: Identity | None = WORKLOAD, **metadata: str) -> Any:
    found = scalers.find("rabbitmq")
    assert found is not None
    texts = {**RABBIT, **metadata}
    sources = Sources(texts, {}, {"workloadIdentityResource": resource}, identity=identity)
    return reading.build(found, Trigger(type="rabbitmq", metadata=texts), sources, Scope("shop"))


def test_a_broker_gets_a_token_for_its_own_application() -> None:
    scaler = rabbit("api://rabbit", unsafeSsl="true")
    assert scaler.asks_as() == WORKLOAD
    server = asked(scaler).http
    assert server.login.token.audience == "api://rabbit/.default"
    assert server.tls.is_verified
    assert rabbit("api://rabbit", identity=None).asks_as() is None
    for resource, metadata, path in (
        ("https://storage.azure.com", {}, "workloadIdentityResource"),
        ("499b84ac-1321-427f-aa17-267ca6975798", {}, "workloadIdentityResource"),
        ("api://rabbit", {"host": "http://rabbit.example/vhost"}, "host"),
    ):
        assert [one.path for one in rabbit(resource, **metadata)] == [path]
