"""One real Redis that tells of changes: whom, how often, over how many connections, and when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from parts.proxy import Proxy
from parts.redis_servers import RedisProcess
from parts.waiting import until, until_so
from parts.watched import watched
from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.pool import Connections
from tidegate.connections.redis.single import SingleConnection
from tidegate.kit.question import Server
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.redis import Login, RedisChanges, RedisLength, RedisServer
from tidegate.kit.tls import Tls
from tidegate.measure.rounds import Rounds
from tidegate.runtime.clock import SystemClock
from tidegate.scalers.redis import RedisList

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("redis-single")]

PASSWORD = "hunter2-hunter2"
NOBODY = Login()
ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def server(start_redis: Callable[..., RedisProcess]) -> RedisProcess:
    """Redis with users who may do less and less."""
    server = start_redis()
    all_of_it = ("on", f">{PASSWORD}", "~*", "+type", "+llen")
    server.call("ACL", "SETUSER", "told", *all_of_it, "+client", "+hello")
    server.call("ACL", "SETUSER", "untold", *all_of_it)
    server.call("ACL", "SETUSER", "narrow", "on", f">{PASSWORD}", "~l*", "+type", "+client")
    return server


def adapter_of(address: str, login: Login = NOBODY, **around: Any) -> SingleConnection:
    tls = around.pop("tls", None)
    value = RedisServer((address,), login=login, tls=tls)
    return SingleConnection(value, Surroundings(**{"timeout_s": 10.0, **around}))


def changes(key: str) -> RedisChanges:
    return RedisChanges(RedisServer(("any:1",)), key)


async def call(server: RedisProcess, *command: Any) -> Any:
    return await asyncio.to_thread(server.call, *command)


async def are_clients(server: RedisProcess, count: int) -> bool:
    return await clients(server) == count


async def clients(server: RedisProcess) -> int:
    """Connections to the server, but for the one that asks."""
    return len((await call(server, "CLIENT", "LIST")).splitlines()) - 1


@pytest.mark.parametrize("user", ["", "told"])
async def test_each_change_of_a_key_is_pushed_whatever_its_kind(server: RedisProcess, user: str) -> None:
    await call(server, "DEL", "list", "set", "stream")
    adapter = adapter_of(server.address, Login(user, PASSWORD) if user else Login())
    jobs, other, stream = changes("list"), changes("set"), changes("stream")
    async with watched(adapter, jobs, other, stream) as heard:
        await heard.until_open()
        for question, command in (
            (jobs, ("RPUSH", "list", 1)),
            (stream, ("XADD", "stream", "*", "a", 1)),
            (jobs, ("LPOP", "list")),
            (other, ("SADD", "set", 1)),
        ):
            await call(server, *command)
            await heard.told(question)
        await call(server, "RPUSH", "nobody's", 1)
        await call(server, "FLUSHALL")
        await heard.so(lambda: heard.pushes.keys() == {jobs, other, stream})
    assert adapter.connections == 1


async def test_a_busy_list_is_told_of_once_a_second_and_its_last_push_is_not_lost(
    server: RedisProcess,
) -> None:
    adapter, jobs = adapter_of(server.address), changes("list")
    async with watched(adapter, jobs) as heard:
        await heard.until_open()
        before = adapter.round_trips
        await asyncio.to_thread(push_often, server, 3000)
        told = 0
        while told != heard.pushes[jobs]:
            told = heard.pushes[jobs]
            await asyncio.sleep(1.2)
        assert adapter.round_trips - before == told, "one look for each push"
        assert 1 <= told <= 100, "of 3,000 pushes"
        await call(server, "RPUSH", "list", "last")
        await heard.so(lambda: heard.pushes[jobs] == told + 1)


def push_often(server: RedisProcess, times: int) -> None:
    with redis.Redis(port=server.port) as client:
        for number in range(times):
            client.rpush("list", number)


async def test_a_thousand_triggers_are_one_connection_more_and_it_goes_with_the_last(
    server: RedisProcess,
) -> None:
    before = await clients(server)
    adapter = adapter_of(server.address)
    questions = [changes(f"key-{n}") for n in range(1000)]
    async with watched(adapter, *questions) as heard:
        await heard.until_open()
        assert await clients(server) == before + 1
        assert adapter.connections == 1
        assert adapter.round_trips <= 3, "the switch, and one look at all keys"
        await call(server, "RPUSH", "key-7", 1)
        await heard.told(questions[7])
        for question in questions:
            await heard.leave(question)
        await until_so(lambda: are_clients(server, before))


async def test_a_thousand_triggers_are_woken_by_one_push_each_over_two_connections(
    server: RedisProcess,
) -> None:
    await call(server, "FLUSHALL")
    connections = Connections(Surroundings(timeout_s=10.0))
    made: list[Any] = []

    def connect(value: Server) -> Any:
        made.append(connections.adapter(value))
        return made[-1]

    rounds = Rounds(SystemClock(), connect, lambda *_: None)
    for n in range(1000):
        scaler = RedisList(type="redis", scope=Scope("shop"), addresses=(server.address,), list_name=f"q{n}")
        rounds.follow((f"u{n}", 0), scaler, interval_s=1e6)
    task = asyncio.create_task(rounds.run())
    try:
        await until(lambda: all(rounds.is_watched((f"u{n}", 0)) for n in range(1000)), 20)
        await call(server, "RPUSH", "q7", 1, 2, 3)
        await until(lambda: (one := rounds.polled(("u7", 0))) and one.values == (3.0,), 20)
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert len(made) == 1
    assert made[0].connections == 2
    assert made[0].round_trips < 12


async def test_nothing_of_the_servers_configuration_is_changed(server: RedisProcess) -> None:
    before = await call(server, "CONFIG", "GET", "*")
    async with watched(adapter_of(server.address), changes("list")) as heard:
        await heard.until_open()
        assert await call(server, "CONFIG", "GET", "*") == before


async def test_a_user_who_may_not_is_told_so_and_polled_all_the_same(server: RedisProcess) -> None:
    adapter, jobs = adapter_of(server.address, Login("untold", PASSWORD)), changes("list")
    async with watched(adapter, jobs) as heard:
        why = await heard.why(jobs)
        assert isinstance(heard.ended[jobs], Unsupported)
        assert "NOPERM" in why
        assert why.endswith("to be told of changes at once")
        assert "hunter2" not in why
        (length,) = await adapter.answer([RedisLength(jobs.server, "list")])
        assert isinstance(length, int)


async def test_a_key_that_the_user_may_not_read_is_refused_alone(server: RedisProcess) -> None:
    adapter, mine, other = adapter_of(server.address, Login("narrow", PASSWORD)), changes("l"), changes("x")
    async with watched(adapter, mine, other) as heard:
        assert "NOPERM" in await heard.why(other)
        assert isinstance(heard.ended[other], Denied)
        assert adapter.is_watching(mine)
        assert not adapter.is_watching(other)


async def test_a_server_that_was_restarted_tells_again_and_what_came_meanwhile_is_told(
    start_redis: Callable[..., RedisProcess],
) -> None:
    server = start_redis()
    adapter, jobs = adapter_of(server.address), changes("list")
    async with watched(adapter, jobs) as heard:
        await heard.until_open()
        server.stop()
        assert "Redis" in await heard.why(jobs)
        assert isinstance(heard.ended[jobs], Unreachable)
        assert not adapter.is_watching(jobs)
        server.start()
        await heard.reopened(jobs)
        await call(server, "RPUSH", "list", 1)
        await heard.told(jobs)


async def test_a_connection_that_was_cut_is_told(server: RedisProcess, proxy_for: ProxyFor) -> None:
    proxy = await proxy_for(server.port)
    adapter, jobs = adapter_of(proxy.address), changes("list")
    async with watched(adapter, jobs) as heard:
        await heard.until_open()
        proxy.cut()
        await heard.why(jobs)
        assert isinstance(heard.ended[jobs], Unreachable)
        assert not adapter.is_watching(jobs)


@asynccontextmanager
async def replying(*replies: bytes) -> AsyncIterator[str]:
    """The address of a server whose only words are `replies`, one for each time that it is spoken to."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            if not await reader.read(10_000):
                break
            writer.write(reply)
        while await reader.read(10_000):
            pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"


HELLO = b"%1\r\n$5\r\nproto\r\n:3\r\n"


@pytest.mark.parametrize(
    ("replies", "kind", "words"),
    [
        (
            (b"-ERR unknown command 'HELLO', with args beginning with: '3' \r\n",),
            Unsupported,
            "unknown command",
        ),
        ((b"-NOPROTO unsupported protocol version\r\n",), Unsupported, "NOPROTO"),
        ((HELLO, b"-ERR unknown subcommand 'TRACKING'\r\n"), Unsupported, "unknown subcommand"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), Malformed, "not the Redis protocol"),
        ((HELLO, b"+OK\r\n", b"-NOAUTH Authentication required.\r\n"), Denied, "wants a login"),
        ((), Unreachable, "no answer within 0.3 s"),
        ((HELLO,), Unreachable, "no answer within 0.3 s"),
        ((HELLO, b"+OK\r\n"), Unreachable, "no answer within 0.3 s"),
    ],
)
async def test_a_server_that_does_not_tell_of_changes_says_why(
    replies: tuple[bytes, ...], kind: type[Exception], words: str
) -> None:
    async with replying(*replies) as address:
        adapter, jobs = adapter_of(address, timeout_s=0.3), changes("list")
        async with watched(adapter, jobs) as heard:
            assert words in await heard.why(jobs)
            assert isinstance(heard.ended[jobs], kind)
            assert not adapter.is_watching(jobs)


async def test_a_login_that_is_refused_is_told_without_its_password(server: RedisProcess) -> None:
    jobs = changes("list")
    async with watched(adapter_of(server.address, Login("told", "hunter2-wrong")), jobs) as heard:
        assert "hunter2" not in await heard.why(jobs)
        assert isinstance(heard.ended[jobs], Denied)


async def test_an_address_that_may_not_be_asked_is_not_watched(server: RedisProcess) -> None:
    before = (await call(server, "INFO", "stats"))["total_connections_received"]
    jobs = changes("list")
    async with watched(adapter_of(server.address, policy=AddressPolicy.on_a_cluster()), jobs) as heard:
        assert "which triggers may not ask" in await heard.why(jobs)
        assert isinstance(heard.ended[jobs], Misconfigured)
    assert (await call(server, "INFO", "stats"))["total_connections_received"] == before + 1


@pytest.mark.parametrize(
    ("address", "words"), [("127.0.0.1:1", "connection refused"), ("nowhere.invalid:6379", "nowhere.invalid")]
)
async def test_a_server_that_is_not_there_is_named(address: str, words: str) -> None:
    jobs = changes("list")
    async with watched(adapter_of(address), jobs) as heard:
        assert words in await heard.why(jobs)


async def test_tls_to_a_plain_port_is_told(server: RedisProcess) -> None:
    jobs = changes("list")
    adapter = adapter_of(server.address, tls=Tls(is_verified=False), timeout_s=0.3)
    async with watched(adapter, jobs) as heard:
        assert "that this port speaks TLS" in await heard.why(jobs)
