"""Temporal's dev server: backlogs, versions and counts; a frontend of the tests for what that never says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import serialization

from parts import faults
from parts.one_round import one_round
from parts.proxy import Proxy
from parts.server_process import Servers
from parts.temporal_frontend import Frontend
from parts.temporal_server import TemporalServer
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.temporal import connect
from tidegate.connections.temporal import task_queues_pb2 as wire
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems import temporal as ask
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("temporal")]

ProxyFor = Callable[[int], Awaitable[Proxy]]
KEY = "hunter2-api-key"


@pytest.fixture(scope="module")
def temporal(servers: Servers) -> TemporalServer:
    return servers.get(TemporalServer)


@asynccontextmanager
async def asking(
    address: str, *rest: Any, timeout_s: float = 10.0, connect_s: float = 0.0
) -> AsyncIterator[tuple[Any, ask.TemporalServer]]:
    """The adapter for a server, and the server; it closes twice afterwards."""
    server = ask.TemporalServer(address, *rest, connect_s=connect_s)
    adapter = connect(server, Surroundings(timeout_s=timeout_s))
    try:
        yield adapter, server
    finally:
        await adapter.close()
        await adapter.close()


def queue(server: ask.TemporalServer, name: str, type: ask.QueueType = "workflow") -> ask.QueueBacklog:
    return ask.QueueBacklog(server, "default", name, type)


def build(address: str, **metadata: str) -> Any:
    kind = scalers.find("temporal")
    assert kind is not None
    texts = {"endpoint": address, **metadata}
    return reading.build(kind, Trigger(type="temporal", metadata=texts), Sources(texts), Scope("shop"))


# --- what the real server says


async def test_tasks_that_wait_for_a_worker_are_the_backlog(temporal: TemporalServer) -> None:
    temporal.begin("plain", 3)
    async with asking(temporal.address) as (adapter, server):
        wanted = [queue(server, "plain"), queue(server, "plain", "activity"), queue(server, "plain", "nexus")]
        assert await adapter.answer([*wanted, queue(server, "never-used")]) == [3, 0, 0, 0]


async def test_each_namespace_has_queues_of_its_own(temporal: TemporalServer) -> None:
    temporal.begin("spaced", 1)
    temporal.begin("spaced", 2, namespace=temporal.token)
    async with asking(temporal.address) as (adapter, server):
        places = ("default", temporal.token, "gone")
        found = await adapter.answer([ask.QueueBacklog(server, one, "spaced", "workflow") for one in places])
    assert found[:2] == [1, 2]
    assert isinstance(found[2], Misconfigured)
    assert "Namespace gone is not found" in str(found[2])


async def test_builds_are_told_apart_in_the_older_way(temporal: TemporalServer) -> None:
    temporal.begin("built", 2)
    async with asking(temporal.address) as (adapter, server):
        place = (server, "default", "built", ("workflow", "activity"))
        wanted = [
            ask.BuildBacklog(*place, "", is_all_active=True),
            ask.BuildBacklog(*place, "", is_unversioned=True),
            ask.BuildBacklog(*place, "no-such-build"),
        ]
        assert await adapter.answer(wanted) == [2, 2, 0]


async def test_a_version_tells_of_its_status_and_its_queues(temporal: TemporalServer) -> None:
    temporal.poll("versioned", "orders", "b1")
    place = ("--deployment-name", "orders", "--build-id", "b1", "--yes")
    temporal.tell("worker", "deployment", "set-current-version", *place)
    temporal.begin("versioned", 2)
    async with asking(temporal.address) as (adapter, server):
        wanted = [ask.DeploymentVersion(server, "default", "orders", build) for build in ("b1", "b2")]
        found, missing = await adapter.answer(wanted)
    assert found == ask.VersionQueues("current", (("versioned", "workflow", 2),))
    assert isinstance(missing, Misconfigured)
    assert "Worker Deployment Version not found" in str(missing)


async def test_running_workflows_are_counted(temporal: TemporalServer) -> None:
    temporal.begin("running", 2)
    async with asking(temporal.address) as (adapter, server):
        base = "ExecutionStatus = 'Running' AND TaskQueue = 'running'"
        version = " AND TemporalWorkerDeploymentVersion"
        queries = [base, f"{base}{version} is null", f"{base}{version} = 'a:b'", f"{base} AND ="]
        found = await adapter.answer([ask.WorkflowCount(server, "default", one) for one in queries])
    assert found[:3] == [2, 2, 0]
    assert isinstance(found[3], Misconfigured)


async def test_a_trigger_is_active_while_workflows_run_and_its_value_is_the_backlog(
    temporal: TemporalServer,
) -> None:
    temporal.begin("busy", 1)
    triggers = [
        build(temporal.address, taskQueue="busy"),
        build(
            temporal.address,
            taskQueue="idle",
            includeRunningWorkflowCount="true",
            workflowTaskQueueForCount="busy",
        ),
        build(temporal.address, taskQueue="idle", includeRunningWorkflowCount="true"),
    ]
    round = await one_round(triggers, timeout_s=10)
    assert round.values == [1, 0, 0]
    assert [one.active for one in round.readings] == [None, True, False]


async def test_a_thousand_triggers_share_one_connection(
    temporal: TemporalServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(temporal.port)
    names = [f"many-{number % 20}" for number in range(1000)]
    triggers = [
        build(proxy.address, taskQueue=name, queueTypes="workflow", targetQueueSize=str(1 + number))
        for number, name in enumerate(names)
    ]
    assert (await one_round(triggers, timeout_s=10)).values == [0] * 1000
    assert proxy.connections == 1


# --- counts, by a frontend that keeps what it was asked


def stats(count: int) -> wire.DescribeTaskQueueResponse:
    return wire.DescribeTaskQueueResponse(stats=wire.TaskQueueStats(approximate_backlog_count=count))


async def test_calls_are_one_for_each_type_of_a_queue_and_one_for_a_version() -> None:
    frontend = Frontend(stats(4))
    async with frontend.running():
        triggers = [build(frontend.address, taskQueue=f"q{number % 20}") for number in range(1000)]
        assert (await one_round(triggers, timeout_s=10)).values == [12] * 1000
        assert len(frontend.seen) == 60
        assert len(frontend.peers) == 1
        queues = (
            wire.VersionTaskQueue(name=f"q{number}", type=1, stats=wire.TaskQueueStats())
            for number in range(20)
        )
        frontend.reply = wire.DescribeWorkerDeploymentVersionResponse(version_task_queues=queues)
        frontend.seen.clear()
        version = {"workerDeploymentName": "d", "workerDeploymentBuildId": "b"}
        triggers = [build(frontend.address, taskQueue=f"q{number % 20}", **version) for number in range(1000)]
        assert (await one_round(triggers, timeout_s=10)).values == [0] * 1000
        assert [method for method, _ in frontend.seen] == ["DescribeWorkerDeploymentVersion"]


async def test_counts_of_visibility_are_few_at_a_time_and_only_of_idle_queues() -> None:
    frontend = Frontend(wire.CountWorkflowExecutionsResponse(count=1))
    frontend.delay_s = 0.01
    async with frontend.running(), asking(frontend.address) as (adapter, server):
        wanted = [ask.WorkflowCount(server, "default", str(number)) for number in range(30)]
        assert await adapter.answer(wanted) == [1] * 30
    assert frontend.most <= 4


async def test_each_call_says_its_namespace_and_shows_the_key() -> None:
    frontend = Frontend(stats(1))
    async with frontend.running(), asking(frontend.address, KEY) as (adapter, server):
        assert await adapter.answer([ask.QueueBacklog(server, "shop.a2dd6", "q", "nexus")]) == [1]
    ((method, metadata),) = frontend.seen
    assert method == "DescribeTaskQueue"
    assert metadata["temporal-namespace"] == "shop.a2dd6"
    assert metadata["authorization"] == f"Bearer {KEY}"


# --- what is no answer


@pytest.mark.parametrize(
    "reply",
    [
        None,
        stats(-2),
        wire.DescribeTaskQueueResponse(versions_info={"": wire.TaskQueueVersionInfo()}),
        wire.DescribeTaskQueueResponse(
            versions_info={"": wire.TaskQueueVersionInfo(types_info={1: wire.TaskQueueTypeInfo()})}
        ),
    ],
)
async def test_a_reply_without_statistics_is_malformed_and_never_a_zero(reply: Any) -> None:
    frontend = Frontend(reply)
    async with frontend.running():
        for metadata in ({}, {"buildId": "b"}):
            (one,) = (await one_round([build(frontend.address, taskQueue="q", **metadata)])).readings
            assert one.failure is not None
            assert one.failure.kind == "Malformed"


async def test_a_version_without_statistics_is_malformed() -> None:
    queues = [wire.VersionTaskQueue(name="q", type=1)]
    frontend = Frontend(wire.DescribeWorkerDeploymentVersionResponse(version_task_queues=queues))
    async with frontend.running(), asking(frontend.address) as (adapter, server):
        (error,) = await adapter.answer([ask.DeploymentVersion(server, "default", "d", "b")])
    assert isinstance(error, Malformed)
    assert "holds no statistics; the server may be too old" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, Misconfigured),
        (grpc.StatusCode.NOT_FOUND, Misconfigured),
        (grpc.StatusCode.DATA_LOSS, Malformed),
    ],
)
async def test_a_bad_question_fails_alone(status: grpc.StatusCode, kind: type[Exception]) -> None:
    frontend = Frontend(status=status, reason="as the test says")
    async with frontend.running(), asking(frontend.address) as (adapter, server):
        (error,) = await adapter.answer([queue(server, "q")])
    assert type(error) is kind
    assert "as the test says" in str(error)


@pytest.mark.parametrize("status", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
async def test_a_key_that_is_refused_is_denied_for_all_and_never_shown(status: grpc.StatusCode) -> None:
    frontend = Frontend(status=status, reason=f"the key {KEY} is wrong")
    async with frontend.running(), asking(frontend.address, KEY) as (adapter, server):
        with pytest.raises(Denied, match=status.name) as caught:
            await adapter.answer([queue(server, "a"), queue(server, "b")])
    assert KEY not in str(caught.value)


async def test_a_busy_server_is_unreachable() -> None:
    frontend = Frontend(status=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="namespace rate limit exceeded")
    async with frontend.running(), asking(frontend.address) as (adapter, server):
        with pytest.raises(Unreachable, match="RESOURCE_EXHAUSTED: namespace rate limit"):
            await adapter.answer([queue(server, f"q{number}") for number in range(300)])
    assert len(frontend.seen) == 300, "one that is busy is still there"


async def test_ten_megabytes_are_not_read() -> None:
    queues = [wire.VersionTaskQueue(name="x" * faults.TEN_MEGABYTES, type=1, stats=wire.TaskQueueStats())]
    frontend = Frontend(wire.DescribeWorkerDeploymentVersionResponse(version_task_queues=queues))
    async with frontend.running(), asking(frontend.address) as (adapter, server):
        with pytest.raises(Unreachable, match="RESOURCE_EXHAUSTED") as caught:
            await adapter.answer([ask.DeploymentVersion(server, "default", "d", "b")])
    assert len(str(caught.value)) < 400


# --- faults


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_server_is_unreachable_as_a_whole(fault: Any) -> None:
    async with fault() as bad, asking(bad.address, KEY, timeout_s=0.5) as (adapter, server):
        with pytest.raises(Unreachable, match=f"Temporal {bad.address}") as caught:
            await adapter.answer([queue(server, "q")])
    assert KEY not in str(caught.value)


async def test_a_port_where_nobody_listens_or_no_grpc_is_spoken_says_what_to_check() -> None:
    async with faults.nobody() as bad, asking(bad.address, timeout_s=2) as (adapter, server):
        with pytest.raises(Unreachable, match=r"no connection: .*[Rr]efused.*; check that the server runs"):
            await adapter.answer([queue(server, "q")])
    async with (
        faults.saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as bad,
        asking(bad.address, timeout_s=2) as (adapter, server),
    ):
        with pytest.raises(Unreachable, match=r"and whether it wants TLS$"):
            await adapter.answer([queue(server, "q")])


async def test_what_is_not_asked_yet_of_a_silent_server_is_not_asked() -> None:
    frontend = Frontend(stats(1))
    frontend.delay_s = 60
    async with frontend.running(), asking(frontend.address, timeout_s=1) as (adapter, server):
        with pytest.raises(Unreachable, match="no answer within 1 s"):
            await adapter.answer([queue(server, f"q{number}") for number in range(1000)])
        assert len(frontend.seen) <= 100
        frontend.delay_s = 0
        assert await adapter.answer([queue(server, "q")]) == [1]


async def test_the_first_call_may_take_as_long_as_a_connection_may() -> None:
    frontend = Frontend(stats(1))
    frontend.delay_s = 1.0
    async with frontend.running(), asking(frontend.address, timeout_s=0.5, connect_s=30) as (adapter, server):
        assert await adapter.answer([queue(server, "q")]) == [1]
        with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
            await adapter.answer([queue(server, "q")])


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    async with asking(f"{faults.NOWHERE}:7233", timeout_s=2) as (adapter, server):
        with pytest.raises(Unreachable, match="nowhere"):
            await adapter.answer([queue(server, "q")])


async def test_another_protocol_and_a_cut_connection_are_unreachable(
    temporal: TemporalServer, proxy_for: ProxyFor
) -> None:
    async with faults.answering() as bad, asking(bad.address, timeout_s=1) as (adapter, server):
        with pytest.raises(Unreachable):
            await adapter.answer([queue(server, "q")])
    proxy = await proxy_for(temporal.port)
    async with asking(proxy.address) as (adapter, server):
        assert await adapter.answer([queue(server, "unused")]) == [0]
        proxy.cut()
        proxy.cut_after = 20
        with pytest.raises(Unreachable):
            await adapter.answer([queue(server, "unused")])
        proxy.cut_after = None
        assert await adapter.answer([queue(server, "unused")]) == [0]


async def test_a_restarted_server_answers_the_next_question() -> None:
    with TemporalServer() as own:
        own.begin("kept", 1)
        async with asking(own.address, timeout_s=5) as (adapter, server):
            assert await adapter.answer([queue(server, "kept")]) == [1]
            own.stop()
            with pytest.raises(Unreachable):
                await adapter.answer([queue(server, "kept")])
            own.start()
            (backlog,) = await adapter.answer([queue(server, "kept")])
            assert backlog >= 1, "it is approximate: after a restart it may count a task twice for a while"


# --- TLS


def credentials(*names: str, is_client_asked: bool = False) -> grpc.ServerCredentials:
    leaf = faults.authority().issue_cert(*names)
    pair = (leaf.private_key_pem.bytes(), b"".join(one.bytes() for one in leaf.cert_chain_pems))
    root = faults.authority().cert_pem.bytes() if is_client_asked else None
    return grpc.ssl_server_credentials([pair], root, is_client_asked)


def trusted() -> str:
    return faults.authority().cert_pem.bytes().decode()


async def test_the_certificate_is_checked_for_the_name_that_is_given() -> None:
    frontend = Frontend(stats(1))
    async with frontend.running(credentials("frontend.internal")):
        for tls, name, is_right in (
            (Tls(trusted()), "frontend.internal", True),
            (Tls(trusted()), "", False),
            (Tls(trusted()), "other.internal", False),
            (Tls(), "frontend.internal", False),
            (Tls(is_verified=False), "", True),
        ):
            async with asking(frontend.address, KEY, tls, name, timeout_s=2) as (adapter, server):
                if is_right:
                    assert await adapter.answer([queue(server, "q")]) == [1]
                else:
                    with pytest.raises(Unreachable):
                        await adapter.answer([queue(server, "q")])


async def test_a_client_certificate_is_shown_and_its_key_may_have_a_password() -> None:
    leaf = faults.authority().issue_cert("operator")
    cert, plain = leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes()
    locked = (
        serialization.load_pem_private_key(plain, None)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
        .decode()
    )
    frontend = Frontend(stats(1))
    async with frontend.running(credentials("127.0.0.1", is_client_asked=True)):
        for tls in (Tls(trusted(), cert, plain.decode()), Tls(trusted(), cert, locked, "hunter2")):
            async with asking(frontend.address, "", tls) as (adapter, server):
                assert await adapter.answer([queue(server, "q")]) == [1]
        async with asking(frontend.address, "", Tls(trusted()), timeout_s=2) as (adapter, server):
            with pytest.raises(Unreachable):
                await adapter.answer([queue(server, "q")])
        async with asking(frontend.address, "", Tls(trusted(), cert, locked, "hunter3")) as (adapter, server):
            with pytest.raises(Misconfigured) as caught:
                await adapter.answer([queue(server, "q")])
    assert "hunter" not in str(caught.value)


async def test_tls_to_a_plain_port_and_back_are_unreachable(temporal: TemporalServer) -> None:
    async with asking(temporal.address, KEY, Tls(trusted()), timeout_s=2) as (adapter, server):
        with pytest.raises(Unreachable):
            await adapter.answer([queue(server, "q")])
    frontend = Frontend(stats(1))
    async with (
        frontend.running(credentials("127.0.0.1")),
        asking(frontend.address, timeout_s=2) as (
            adapter,
            server,
        ),
    ):
        with pytest.raises(Unreachable):
            await adapter.answer([queue(server, "q")])
