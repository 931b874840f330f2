"""On a cluster no adapter asks the autoscaler's own machine, whatever a manifest names."""

from __future__ import annotations

import asyncio
import base64
import importlib
import pkgutil
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import bson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import tidegate.kit.systems
from parts import faults
from tidegate.base.errors import Misconfigured, TidegateError
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.pool import Connections
from tidegate.kit.identity import AwsKeys, ServiceAccount
from tidegate.kit.picking.gjson import Json
from tidegate.kit.question import Question
from tidegate.kit.systems import kafka, rabbitmq, redis, sql
from tidegate.kit.systems.aws import AwsServer, SqsQueue
from tidegate.kit.systems.azure import Namespace
from tidegate.kit.systems.azure_eventhub import EventHubServer, HubPositions
from tidegate.kit.systems.azure_explorer import ExplorerQuery, ExplorerServer
from tidegate.kit.systems.azure_insights import InsightsMetric, InsightsServer
from tidegate.kit.systems.azure_keyvault import KeyVaultServer, VaultSecret
from tidegate.kit.systems.azure_logs import LogQuery, LogsServer
from tidegate.kit.systems.azure_monitor import MetricPoint, MonitorServer
from tidegate.kit.systems.azure_servicebus import ActiveMessages, ServiceBusServer
from tidegate.kit.systems.azure_storage import QueueMessages, StorageServer
from tidegate.kit.systems.beanstalkd import BeanstalkdServer, TubeJobs
from tidegate.kit.systems.cassandra import CassandraServer, CqlQuery
from tidegate.kit.systems.clickhouse import ClickhouseServer
from tidegate.kit.systems.datadog import DatadogQuery, DatadogServer
from tidegate.kit.systems.dynatrace import DynatraceServer, MetricSelector
from tidegate.kit.systems.elastic_forecast import Forecast, ForecastServer
from tidegate.kit.systems.elasticsearch import Search, SearchServer
from tidegate.kit.systems.etcd import EtcdServer, EtcdValue
from tidegate.kit.systems.external import Caller, ExternalServer, ExternalSpecs
from tidegate.kit.systems.gcp import GcpServer
from tidegate.kit.systems.gcp_monitoring import NewestPoint
from tidegate.kit.systems.github import GithubJobs, GithubServer
from tidegate.kit.systems.graphite import GraphiteServer, LatestPoint
from tidegate.kit.systems.http import HttpLogin, HttpQuestion, HttpRequest, HttpServer, OAuthClient
from tidegate.kit.systems.huawei import CloudEyeMetric, CloudEyeServer
from tidegate.kit.systems.ibmmq import MqServer, QueueDepth
from tidegate.kit.systems.jolokia import BeanUrl, JolokiaServer
from tidegate.kit.systems.liiklus import GroupOffsets, LiiklusServer
from tidegate.kit.systems.mongodb import MongodbCount, MongodbServer
from tidegate.kit.systems.mssql import MssqlServer
from tidegate.kit.systems.mysql import MysqlServer
from tidegate.kit.systems.nats_client import ConsumerNews, NatsServer
from tidegate.kit.systems.newrelic import NewRelicServer, Nrql
from tidegate.kit.systems.openstack import Keystone, LastMeasure, OpenstackServer
from tidegate.kit.systems.postgresql import PostgresqlServer
from tidegate.kit.systems.predictkube import Prediction, PredictServer
from tidegate.kit.systems.signalflow import Program, SignalflowServer
from tidegate.kit.systems.solarwinds import Measurement, SolarwindsServer
from tidegate.kit.systems.sumologic import SumoLogs, SumoServer
from tidegate.kit.systems.temporal import QueueBacklog, TemporalServer
from tidegate.kit.systems.vault import TokenLogin, VaultRead, VaultServer
from tidegate.kit.tls import Tls

KEY = base64.b64encode(b"key").decode()


@cache
def _key() -> str:
    """A private key (PEM) as service accounts have one."""
    made = rsa.generate_private_key(65537, 2048)
    how = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.private_bytes(*how).decode()


# These are asked over the autoscaler's own connection to Kubernetes.
NOT_DIALLED = {"kubernetes", "service_accounts"}

QUESTIONS: dict[str, Callable[[str, int], Question]] = {
    "azure_explorer": lambda host, port: ExplorerQuery(ExplorerServer(f"http://{host}:{port}"), "db", "T"),
    "azure_insights": lambda host, port: InsightsMetric(
        InsightsServer(f"http://{host}:{port}"), "app", "requests/count", "sum", "PT5M"
    ),
    "azure_keyvault": lambda host, port: VaultSecret(KeyVaultServer(f"http://{host}:{port}"), "redis"),
    "azure_logs": lambda host, port: LogQuery(LogsServer(f"http://{host}:{port}"), "workspace", "T"),
    "azure_monitor": lambda host, port: MetricPoint(
        MonitorServer(f"http://{host}:{port}"), "/subscriptions/s", "Microsoft.Web/sites", "Requests", "Total"
    ),
    "aws": lambda host, port: SqsQueue(
        AwsServer("sqs", "eu-west-1", AwsKeys("id", "key"), f"http://{host}:{port}"), "jobs"
    ),
    "azure_eventhub": lambda host, port: HubPositions(
        EventHubServer(Namespace(host, port, "name", KEY, is_emulator=True)), "hub"
    ),
    "azure_servicebus": lambda host, port: ActiveMessages(
        ServiceBusServer(Namespace(host, port, "name", KEY, is_emulator=True)), "jobs"
    ),
    "azure_storage": lambda host, port: QueueMessages(
        StorageServer("queue", "shop", f"http://{host}:{port}", "", KEY), "jobs"
    ),
    "beanstalkd": lambda host, port: TubeJobs(BeanstalkdServer(f"{host}:{port}"), "jobs"),
    "cassandra": lambda host, port: CqlQuery(CassandraServer(host, port), "SELECT n FROM jobs", 1),
    "clickhouse": lambda host, port: sql.SqlQuery(ClickhouseServer(((host, port),)), "SELECT 1"),
    "datadog": lambda host, port: DatadogQuery(
        DatadogServer(f"http://{host}:{port}", "key", "key"), "sum:jobs{*}", 90, 0
    ),
    "dynatrace": lambda host, port: MetricSelector(
        DynatraceServer(f"http://{host}:{port}", "token"), "jobs", "now-2h"
    ),
    "elastic_forecast": lambda host, port: Forecast(
        ForecastServer(SearchServer((f"http://{host}:{port}",))), "jobs", 600, ".ml-anomalies-*"
    ),
    "elasticsearch": lambda host, port: Search(
        SearchServer((f"http://{host}:{port}",)), ("jobs",), "{}", Json("hits")
    ),
    "etcd": lambda host, port: EtcdValue(EtcdServer((f"http://{host}:{port}",)), "jobs"),
    "external": lambda host, port: ExternalSpecs(ExternalServer(f"{host}:{port}"), Caller("shop", "so")),
    "external, any certificate": lambda host, port: ExternalSpecs(
        ExternalServer(f"{host}:{port}", Tls(is_verified=False)), Caller("shop", "so")
    ),
    "external, a socket": lambda host, port: ExternalSpecs(
        ExternalServer(f"unix:/tmp/{port}"), Caller("shop", "so")
    ),
    "gcp, its tokens": lambda host, port: NewestPoint(
        GcpServer("monitoring", ServiceAccount("me@shop", _key(), token_uri=f"http://{host}:{port}")),
        "shop",
        "pubsub.googleapis.com/subscription/num_undelivered_messages",
        "pubsub_subscription",
        "subscription_id",
        "jobs",
        120.0,
    ),
    "github": lambda host, port: GithubJobs(GithubServer(f"http://{host}:{port}", "token"), "shop", "org"),
    "graphite": lambda host, port: LatestPoint(GraphiteServer(f"http://{host}:{port}"), "-1min", "a"),
    "http": lambda host, port: HttpQuestion(HttpRequest(HttpServer(f"http://{host}:{port}")), Json("a")),
    "http, its tokens": lambda host, port: HttpQuestion(
        HttpRequest(
            HttpServer(
                "http://192.0.2.1", HttpLogin(oauth=OAuthClient(f"http://{host}:{port}/token", "client"))
            )
        ),
        Json("a"),
    ),
    "huawei": lambda host, port: CloudEyeMetric(
        CloudEyeServer(f"http://{host}:{port}", "shop", "id", "key"),
        "SYS.ELB",
        "jobs",
        ("queue", "a"),
        300,
        "300",
        "average",
    ),
    "ibmmq": lambda host, port: QueueDepth(MqServer(f"http://{host}:{port}", "/", "user", "pass"), "JOBS"),
    "jolokia": lambda host, port: BeanUrl(
        JolokiaServer(HttpServer(f"http://{host}:{port}"), "/api/jolokia", ""), "/", "the queue"
    ),
    "liiklus": lambda host, port: GroupOffsets(LiiklusServer(f"{host}:{port}"), "jobs", "g", 0),
    "kafka": lambda host, port: kafka.GroupOffsets(kafka.KafkaServer((f"{host}:{port}",)), "g", ("t",)),
    "mongodb": lambda host, port: MongodbCount(MongodbServer(f"mongodb://{host}:{port}"), "a", "b", "{}"),
    "mongodb, a socket": lambda host, port: MongodbCount(
        MongodbServer(f"mongodb://%2Ftmp%2Fmongodb-{port}.sock"), "a", "b", "{}"
    ),
    "mssql": lambda host, port: sql.SqlQuery(MssqlServer(host, port, "sa", "pass", "shop"), "SELECT 1"),
    "mysql": lambda host, port: sql.SqlQuery(MysqlServer(host, port), "SELECT 1"),
    "mysql, a socket": lambda host, port: sql.SqlQuery(
        MysqlServer(socket=f"/tmp/mysql-{port}.sock"), "SELECT 1"
    ),
    "nats": lambda host, port: ConsumerNews(NatsServer((f"{host}:{port}",)), "jobs", "workers"),
    "newrelic": lambda host, port: Nrql(NewRelicServer(f"http://{host}:{port}", "key"), 1, "SELECT 1"),
    "openstack, its tokens": lambda host, port: LastMeasure(
        OpenstackServer("http://192.0.2.1", Keystone(f"http://{host}:{port}", "id", "pass")), "a", "mean", 60
    ),
    "postgresql": lambda host, port: sql.SqlQuery(
        PostgresqlServer((("host", host), ("port", str(port)))), "SELECT 1"
    ),
    "postgresql, an address": lambda host, port: sql.SqlQuery(
        PostgresqlServer((("host", "db.shop"), ("hostaddr", "127.0.0.1"), ("port", str(port)))), "SELECT 1"
    ),
    "postgresql, a socket": lambda host, port: sql.SqlQuery(
        PostgresqlServer((("host", "/tmp"), ("port", str(port)))), "SELECT 1"
    ),
    "predictkube": lambda host, port: Prediction(
        PredictServer(HttpServer(f"http://{host}:{port}"), "key"), "/api/v1/query_range", "a", 3600, 60, 60
    ),
    "rabbitmq": lambda host, port: rabbitmq.QueueDepth(rabbitmq.AmqpServer(host, port), "jobs"),
    "rabbitmq, its management": lambda host, port: rabbitmq.QueueState(
        rabbitmq.ManagementServer(HttpServer(f"http://{host}:{port}")), "/", "jobs"
    ),
    "redis": lambda host, port: redis.RedisLength(redis.RedisServer((f"{host}:{port}",)), "jobs"),
    "redis, a cluster": lambda host, port: redis.RedisLength(
        redis.RedisServer((f"{host}:{port}",), "cluster"), "jobs"
    ),
    "redis, sentinels": lambda host, port: redis.RedisLength(
        redis.RedisServer((f"{host}:{port}",), "sentinel", master="main"), "jobs"
    ),
    "signalflow": lambda host, port: Program(
        SignalflowServer(f"http://{host}:{port}", "token"), "data('jobs').publish()", 60
    ),
    "solarwinds": lambda host, port: Measurement(
        SolarwindsServer(f"http://{host}:{port}", "token"), "jobs", "AVG", 60, ""
    ),
    "sumologic": lambda host, port: SumoLogs(
        SumoServer(f"http://{host}:{port}", "id", "key"), "jobs", "_count", 300, "UTC", 1
    ),
    "temporal": lambda host, port: QueueBacklog(
        TemporalServer(f"{host}:{port}"), "default", "jobs", "workflow"
    ),
    "vault": lambda host, port: VaultRead(
        VaultServer(f"http://{host}:{port}", TokenLogin("token")), "secret/data/redis"
    ),
}


def every_system() -> set[str]:
    """The systems of all server values that there are."""
    rooms = tidegate.kit.systems
    modules = [
        importlib.import_module(f"{rooms.__name__}.{one.name}")
        for one in pkgutil.iter_modules(rooms.__path__)
    ]
    servers = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    # A base that several servers share has none.
    return {one.system for one in servers if isinstance(vars(one).get("system"), str) and one.system}


def test_each_system_is_in_the_table() -> None:
    assert {name.partition(",")[0] for name in QUESTIONS} == every_system() - NOT_DIALLED


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("name", QUESTIONS)
async def test_the_autoscalers_own_machine_is_not_even_dialled_on_a_cluster(name: str, host: str) -> None:
    async with faults.silent() as listening:
        got = await answer(QUESTIONS[name](host, listening.port))
    assert isinstance(got, Misconfigured), repr(got)
    assert listening.connections == 0


METADATA = "169.254.169.254"
NAMING = {
    "redis, a cluster": f"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$15\r\n{METADATA}\r\n:80\r\n",
    "redis, sentinels": f"*2\r\n$15\r\n{METADATA}\r\n$2\r\n80\r\n",
    "vault": f"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{METADATA}/\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", NAMING)
async def test_nor_is_it_when_a_server_that_may_be_asked_names_it(name: str) -> None:
    async with faults.saying(NAMING[name].encode()) as naming:
        got = await answer(QUESTIONS[name]("127.0.0.1", naming.port), allowed=["127.0.0.1"])
    assert isinstance(got, Misconfigured), repr(got)
    assert METADATA in str(got)
    assert naming.connections == 1


async def test_nor_is_a_member_that_a_replica_set_names() -> None:
    dialled: list[Any] = []
    member = await asyncio.start_server(lambda _, writer: dialled.append(writer), "127.0.0.2", 0)
    place = f"127.0.0.2:{member.sockets[0].getsockname()[1]}"
    hello = {"ok": 1.0, "secondary": True, "setName": "rs", "hosts": [place], "maxWireVersion": 21}

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size, request, _, _ = struct.unpack("<iiii", await reader.readexactly(16))
                await reader.readexactly(size - 16)
                reply = bytes(5) + bson.encode(hello)
                writer.write(struct.pack("<iiii", 16 + len(reply), 0, request, 2013) + reply)
        writer.close()

    seed = await asyncio.start_server(tell, "127.0.0.1", 0)
    port = seed.sockets[0].getsockname()[1]
    got = await answer(QUESTIONS["mongodb"]("127.0.0.1", port), allowed=["127.0.0.1"])
    seed.close()
    member.close()
    assert isinstance(got, Misconfigured), repr(got)
    assert "127.0.0.2" in str(got)
    assert dialled == []


async def answer(question: Question, allowed: Sequence[str] = ()) -> Any:
    policy = AddressPolicy.on_a_cluster(allowed)
    connections = Connections(Surroundings(policy=policy, timeout_s=1.0))
    try:
        (got,) = await connections.adapter(question.server).answer([question])
    except TidegateError as error:
        got = error
    await connections.close()
    return got
