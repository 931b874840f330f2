"""External scalers over real gRPC on loopback: what is asked, counted and told, and what a push does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from parts import faults
from parts.external_server import ExternalScaler
from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.external import connect
from tidegate.core.values import MetricSpec
from tidegate.kit.systems.external import (
    Caller,
    ExternalActivity,
    ExternalPushes,
    ExternalServer,
    ExternalSpecs,
    ExternalValue,
)
from tidegate.kit.tls import Tls

pytestmark = pytest.mark.real

CALLER = Caller("shop", "web", (("queue", "orders"), ("token", "hunter2")))


@pytest.fixture
async def scaler() -> AsyncIterator[ExternalScaler]:
    async with ExternalScaler().running() as running:
        yield running


@asynccontextmanager
async def connected(
    address: str, tls: Tls | None = None, timeout_s: float = 5.0, **hosts: str
) -> AsyncIterator[Any]:
    """`ask(kind, …)` of the adapter for this server; one answer, or the error that came."""
    server = ExternalServer(address, tls)
    adapter: Any = connect(
        server, Surroundings(resolve=lambda name: hosts.get(name, name), timeout_s=timeout_s)
    )

    async def ask(kind: Any, *more: Any, caller: Caller = CALLER) -> Any:
        (answer,) = await adapter.answer([kind(server, caller, *more)])
        return answer

    ask.adapter, ask.server = adapter, server  # type: ignore[attr-defined]
    try:
        yield ask
    finally:
        await adapter.close()
        await adapter.close()


async def test_a_server_says_its_metrics_their_values_and_whether_it_is_active(
    scaler: ExternalScaler,
) -> None:
    scaler.specs = [("orders", 5, 0.0), ("refunds", 3, 2.0004)]
    scaler.values = {"orders": [(12, 0.0)], "refunds": [(0, 1.5), (2, 0.0), (1, -1.0)]}
    async with connected(scaler.address) as ask:
        specs = await ask(ExternalSpecs)
        assert specs == (MetricSpec("orders", 5.0), MetricSpec("refunds", 2.0))
        assert await ask(ExternalValue, "orders") == 12.0
        assert await ask(ExternalValue, "refunds") == 2.5
        assert await ask(ExternalActivity) is True
        scaler.is_active = False
        assert await ask(ExternalActivity) is False
    told = scaler.seen[0]
    assert (told.name, told.namespace) == ("web", "shop")
    assert dict(told.scalerMetadata) == {"queue": "orders", "token": "hunter2"}


@pytest.mark.parametrize(
    ("specs", "answer"),
    [
        ([], "got empty metric spec"),
        ([("orders", 0, 0.0)], 'metric "orders" has the target 0'),
        ([("orders", -3, 0.0)], 'metric "orders" has the target -3'),
        ([("", 3, 0.0)], 'metric "" has the target 3'),
        ([("orders", 0, float("inf"))], 'metric "orders" has the target inf'),
    ],
)
async def test_specs_that_nothing_can_be_scaled_by_are_malformed(
    scaler: ExternalScaler, specs: Any, answer: str
) -> None:
    scaler.specs = specs
    async with connected(scaler.address) as ask:
        error = await ask(ExternalSpecs)
    assert isinstance(error, Malformed)
    assert error.answer == answer


@pytest.mark.parametrize("values", [[], [(0, float("nan"))], [(0, float("inf")), (0, float("-inf"))]])
async def test_no_value_and_no_number_are_malformed_and_never_a_zero(
    scaler: ExternalScaler, values: Any
) -> None:
    scaler.values = {"orders": values}
    async with connected(scaler.address) as ask:
        assert isinstance(await ask(ExternalValue, "orders"), Malformed)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, Denied),
        (grpc.StatusCode.PERMISSION_DENIED, Denied),
        (grpc.StatusCode.INVALID_ARGUMENT, Misconfigured),
        (grpc.StatusCode.NOT_FOUND, Misconfigured),
        (grpc.StatusCode.UNIMPLEMENTED, Unsupported),
        (grpc.StatusCode.INTERNAL, Unreachable),
        (grpc.StatusCode.UNKNOWN, Unreachable),
    ],
)
async def test_a_status_is_the_failure_of_this_call_alone_and_says_its_reason(
    scaler: ExternalScaler, status: grpc.StatusCode, kind: type[Exception]
) -> None:
    scaler.errors["GetMetrics"] = status
    async with connected(scaler.address) as ask:
        server = ask.server
        asked = [ExternalValue(server, CALLER, "orders"), ExternalActivity(server, CALLER)]
        error, is_active = await ask.adapter.answer(asked)
    assert type(error) is kind
    assert is_active is True
    assert f"{status.name}: as the test says" in str(error)
    assert "hunter2" not in str(error)


async def test_many_triggers_share_one_connection(scaler: ExternalScaler) -> None:
    scaler.specs = [("a", 1, 0.0), ("b", 1, 0.0)]
    scaler.values = {"a": [(1, 0.0)], "b": [(2, 0.0)]}
    async with connected(scaler.address, timeout_s=30) as ask:
        callers = [Caller("shop", f"w{number}") for number in range(250)]
        for kind, more in (
            (ExternalSpecs, ()),
            (ExternalValue, ("a",)),
            (ExternalValue, ("b",)),
            (ExternalActivity, ()),
        ):
            await ask.adapter.answer([kind(ask.server, caller, *more) for caller in callers])
    assert dict(scaler.calls) == {"GetMetricSpec": 250, "GetMetrics": 500, "IsActive": 250}
    assert len(scaler.peers) == 1


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_server_is_unreachable_as_a_whole(fault: Any) -> None:
    async with fault() as bad, connected(bad.address, timeout_s=0.5) as ask:
        with pytest.raises(Unreachable, match=bad.address):
            await ask(ExternalActivity)


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    async with connected(f"{faults.NOWHERE}:9090", timeout_s=2) as ask:
        with pytest.raises(Unreachable, match="nowhere"):
            await ask(ExternalActivity)


async def test_one_that_never_answers_is_too_slow_and_the_others_are_answered(scaler: ExternalScaler) -> None:
    scaler.errors["IsActive"] = grpc.StatusCode.DEADLINE_EXCEEDED
    async with connected(scaler.address) as ask:
        server = ask.server
        error, specs = await ask.adapter.answer(
            [ExternalActivity(server, CALLER), ExternalSpecs(server, CALLER)]
        )
    assert isinstance(error, Unreachable)
    assert specs == (MetricSpec("orders", 5.0),)


async def test_a_restarted_server_answers_the_next_question() -> None:
    scaler = ExternalScaler()
    async with scaler.running():
        port = scaler.port
        async with connected(scaler.address, timeout_s=2) as ask:
            assert await ask(ExternalActivity) is True
            ask.keep = True
    async with connected(f"127.0.0.1:{port}", timeout_s=2) as ask:
        with pytest.raises(Unreachable):
            await ask(ExternalActivity)
        async with ExternalScaler().running(port):
            assert await ask(ExternalActivity) is True


async def test_a_reply_of_ten_megabytes_is_refused(scaler: ExternalScaler) -> None:
    scaler.specs = [("x" * 10_000_000, 1, 0.0)]
    async with connected(scaler.address, timeout_s=20) as ask:
        server = ask.server
        error, is_active = await ask.adapter.answer(
            [ExternalSpecs(server, CALLER), ExternalActivity(server, CALLER)]
        )
    assert isinstance(error, Unreachable)
    assert "RESOURCE_EXHAUSTED" in str(error)
    assert len(str(error)) < 300
    assert is_active is True


async def test_a_service_name_is_dialled_by_its_address(scaler: ExternalScaler) -> None:
    async with connected(f"my-scaler.shop:{scaler.port}", **{"my-scaler.shop": "127.0.0.1"}) as ask:
        assert await ask(ExternalActivity) is True


@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:1", "169.254.169.254:80", "unix:/run/x.sock"])
async def test_on_a_cluster_the_autoscalers_own_host_is_not_asked(address: str) -> None:
    around = Surroundings(policy=AddressPolicy.on_a_cluster(), timeout_s=2)
    server = ExternalServer(address)
    adapter = connect(server, around)
    with pytest.raises(Misconfigured, match=r"may not|may be asked"):
        await adapter.answer([ExternalActivity(server, CALLER)])
    await adapter.close()


async def test_an_allowed_address_is_dialled_by_what_was_checked(scaler: ExternalScaler) -> None:
    around = Surroundings(policy=AddressPolicy.on_a_cluster(["127.0.0.0/8", "::1"]), timeout_s=5)
    server = ExternalServer(f"localhost:{scaler.port}")
    adapter = connect(server, around)
    assert await adapter.answer([ExternalActivity(server, CALLER)]) == [True]
    await adapter.close()


# --- TLS


def credentials(*names: str, is_client_asked: bool = False) -> grpc.ServerCredentials:
    leaf = faults.authority().issue_cert(*names)
    pair = (leaf.private_key_pem.bytes(), b"".join(one.bytes() for one in leaf.cert_chain_pems))
    root = faults.authority().cert_pem.bytes()
    return grpc.ssl_server_credentials([pair], root if is_client_asked else None, is_client_asked)


def trusted() -> str:
    return faults.authority().cert_pem.bytes().decode()


async def test_tls_is_verified_against_the_given_authority_and_the_name() -> None:
    async with ExternalScaler().running(credentials=credentials("my-scaler.shop")) as scaler:
        hosts = {"my-scaler.shop": "127.0.0.1", "other.shop": "127.0.0.1"}
        async with connected(f"my-scaler.shop:{scaler.port}", Tls(trusted()), **hosts) as ask:
            assert await ask(ExternalActivity) is True
        for name, tls in (("other.shop", Tls(trusted())), ("my-scaler.shop", Tls())):
            async with connected(f"{name}:{scaler.port}", tls, timeout_s=2, **hosts) as ask:
                with pytest.raises(Unreachable):
                    await ask(ExternalActivity)


async def test_unverified_tls_takes_any_certificate_and_name() -> None:
    async with (
        ExternalScaler().running(credentials=credentials("somebody.else")) as scaler,
        connected(scaler.address, Tls(is_verified=False)) as ask,
    ):
        assert await ask(ExternalActivity) is True


async def test_a_client_certificate_is_shown() -> None:
    leaf = faults.authority().issue_cert("operator")
    cert, key = leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode()
    async with ExternalScaler().running(credentials=credentials("127.0.0.1", is_client_asked=True)) as scaler:
        async with connected(scaler.address, Tls(trusted(), cert, key)) as ask:
            assert await ask(ExternalActivity) is True
        async with connected(scaler.address, Tls(trusted()), timeout_s=2) as ask:
            with pytest.raises(Unreachable):
                await ask(ExternalActivity)


async def test_tls_to_a_plain_port_and_back_are_unreachable(scaler: ExternalScaler) -> None:
    async with connected(scaler.address, Tls(trusted()), timeout_s=2) as ask:
        with pytest.raises(Unreachable):
            await ask(ExternalActivity)
    async with (
        ExternalScaler().running(credentials=credentials("127.0.0.1")) as speaking_tls,
        connected(speaking_tls.address, timeout_s=2) as ask,
    ):
        with pytest.raises(Unreachable):
            await ask(ExternalActivity)


@pytest.mark.parametrize("tls", [Tls("no PEM"), Tls(cert="no PEM", key="hunter2")])
async def test_tls_texts_that_cannot_be_read_are_named_without_showing_them(
    scaler: ExternalScaler, tls: Tls
) -> None:
    async with connected(scaler.address, tls) as ask:
        with pytest.raises(Misconfigured) as caught:
            await ask(ExternalActivity)
    assert "hunter2" not in str(caught.value)


# --- pushes


@asynccontextmanager
async def watching(ask: Any, caller: Caller = CALLER) -> AsyncIterator[Any]:
    """A watch that is open; `pushed` is set at each push."""
    pushed = asyncio.Event()
    task = asyncio.create_task(ask.adapter.watch(ExternalPushes(ask.server, caller), pushed.set))
    try:
        yield pushed, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def arrived(pushed: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await pushed.wait()
    pushed.clear()


async def test_a_push_of_true_counts_for_the_next_question_and_once(scaler: ExternalScaler) -> None:
    scaler.is_active = False
    async with connected(scaler.address) as ask, watching(ask) as (pushed, _):
        await scaler.wait_for_streams(2)
        assert await ask(ExternalActivity) is False
        scaler.push()
        await arrived(pushed)
        assert await ask(ExternalActivity) is True
        assert await ask(ExternalActivity) is False


async def test_a_push_of_false_is_left_to_the_next_poll(scaler: ExternalScaler) -> None:
    async with connected(scaler.address) as ask, watching(ask) as (pushed, _):
        await scaler.wait_for_streams(2)
        scaler.push(is_active=False)
        scaler.push(is_active=True)
        await arrived(pushed)
        assert await ask(ExternalActivity) is True


async def test_streamed_specs_take_the_place_of_asking_until_their_stream_ends(
    scaler: ExternalScaler,
) -> None:
    async with connected(scaler.address) as ask:
        async with watching(ask) as (pushed, task):
            await scaler.wait_for_streams(2)
            scaler.push_specs(("orders", 9, 0.0))
            await arrived(pushed)
            assert await ask(ExternalSpecs) == (MetricSpec("orders", 9.0),)
            assert scaler.calls["GetMetricSpec"] == 0
            scaler.end_streams()
            await asyncio.wait([task], timeout=10)
            assert task.exception() is None
        assert await ask(ExternalSpecs) == (MetricSpec("orders", 9.0),)
        assert scaler.calls["GetMetricSpec"] == 1


async def test_a_server_of_the_older_protocol_pushes_all_the_same(scaler: ExternalScaler) -> None:
    scaler.errors["StreamMetricSpec"] = grpc.StatusCode.UNIMPLEMENTED
    async with connected(scaler.address) as ask, watching(ask) as (pushed, task):
        await scaler.wait_for_streams(1)
        scaler.push()
        await arrived(pushed)
        assert not task.done()


async def test_a_server_without_streams_is_unsupported_and_a_lost_one_unreachable() -> None:
    scaler = ExternalScaler()
    async with connected("127.0.0.1:1", timeout_s=1) as ask, watching(ask) as (_, task):
        await asyncio.wait([task], timeout=10)
        assert isinstance(task.exception(), Unreachable)
    scaler.errors = dict.fromkeys(("StreamIsActive", "StreamMetricSpec"), grpc.StatusCode.UNIMPLEMENTED)
    async with scaler.running(), connected(scaler.address) as ask, watching(ask) as (_, task):
        await asyncio.wait([task], timeout=10)
        assert isinstance(task.exception(), Unsupported)


async def test_a_connection_carries_no_more_streams_than_servers_allow(scaler: ExternalScaler) -> None:
    async with connected(scaler.address, timeout_s=30) as ask:
        callers = [Caller("shop", f"w{number}") for number in range(100)]
        tasks = [
            asyncio.create_task(ask.adapter.watch(ExternalPushes(ask.server, caller), lambda: None))
            for caller in callers
        ]
        await scaler.wait_for_streams(200)
        assert len(scaler.peers) == 3
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await scaler.wait_for_streams(0)
