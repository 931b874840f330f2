"""Watches of etcd keys: one stream for all, pushes for changes, and what ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from parts import faults
from parts.etcd_server import EtcdServer as Process
from parts.etcd_server import LatestEtcd
from parts.proxy import Proxy
from parts.server_process import Servers
from parts.waiting import until
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Denied, Malformed, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.etcd import connect
from tidegate.connections.pool import Connections
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.etcd import EtcdChanges, EtcdServer, EtcdValue
from tidegate.measure.rounds import Rounds
from tidegate.runtime.clock import SystemClock
from tidegate.scalers.etcd import EtcdKey

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("etcd")]

ProxyFor = Callable[[int], Awaitable[Proxy]]


class Watching:
    """Watches of one adapter; `pushed` are the keys that changed, in order."""

    def __init__(self, address: str, username: str = "", password: str = "") -> None:
        self.server = EtcdServer((f"http://{address}",), username, password)
        self.adapter: Any = connect(self.server, Surroundings(timeout_s=5.0))
        self.pushed: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, *keys: str, progress_s: float = 60.0) -> None:
        for key in keys:
            question = EtcdChanges(self.server, key, progress_s)
            push = lambda key=key: self.pushed.append(key)  # noqa: E731
            self.tasks[key] = asyncio.create_task(self.adapter.watch(question, push))

    async def drop(self, *keys: str) -> None:
        for key in keys:
            self.tasks[key].cancel()
            await asyncio.wait([self.tasks.pop(key)])

    async def until_pushed(self, *keys: str) -> None:
        await until(lambda: sorted(self.pushed) == sorted(keys), 10)

    async def until_open(self, put: Callable[[str, str], None], *keys: str) -> None:
        """Returns when a change of each key is heard of, and nothing more of those made for it."""
        async with asyncio.timeout(30):
            while set(keys) - set(self.pushed):
                for key in set(keys) - set(self.pushed):
                    put(key, "1")
                await asyncio.sleep(0.1)
            heard = 0
            while heard != len(self.pushed):
                heard = len(self.pushed)
                await asyncio.sleep(0.5)
        self.pushed.clear()

    async def ending(self, key: str) -> BaseException | None:
        """What has ended a watch."""
        async with asyncio.timeout(20):
            await asyncio.wait([self.tasks[key]])
        return self.tasks.pop(key).exception()

    async def close(self) -> None:
        await self.adapter.close()
        await self.adapter.close()
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


@pytest.fixture(scope="module")
def server(servers: Servers) -> Process:
    return servers.get(Process)


@pytest.fixture
async def watching() -> AsyncIterator[Callable[..., Watching]]:
    made: list[Watching] = []

    def make(address: str, *login: str) -> Watching:
        made.append(Watching(address, *login))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.mark.parametrize("kind", [Process, LatestEtcd])
async def test_each_change_of_a_key_is_pushed_and_of_no_other(
    servers: Servers, watching: Callable[..., Watching], kind: type[Process]
) -> None:
    server = servers.get(kind)
    one = watching(server.address)
    one.add("w/a", "w/b", "ä")
    await one.until_open(server.put, "w/a", "w/b", "ä")
    server.put("w/a", "2")
    server.put("w/ab", "2")
    server.put("ä", "3")
    await one.until_pushed("w/a", "ä")
    server.remove("w/a")
    await one.until_pushed("w/a", "w/a", "ä")


async def test_many_keys_share_few_streams_and_every_one_of_them_is_watched(
    server: Process, watching: Callable[..., Watching], proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    one = watching(proxy.address)
    keys = [f"many/{number}" for number in range(100)]
    one.add(*keys)
    await one.until_open(server.put, *keys)
    assert proxy.connections == len(proxy.requests)
    assert len(proxy.requests) <= 25
    for key in keys:
        server.put(key, "2")
    await one.until_pushed(*keys)
    assert await one.adapter.answer([EtcdValue(one.server, "many/0")]) == [b"2"]


async def test_beyond_the_last_stream_a_key_is_polled(
    server: Process, watching: Callable[..., Watching], proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    one = watching(proxy.address)
    keys = [f"{number:0300}" for number in range(70)]
    one.add(*keys)
    assert isinstance(await one.ending(keys[-1]), Unsupported)
    await until(lambda: len(proxy.requests) == 64, 10)
    assert not one.tasks[keys[0]].done()


async def test_keys_come_and_go(
    server: Process, watching: Callable[..., Watching], proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    one = watching(proxy.address)
    one.add("go/a", "go/c")
    await one.until_open(server.put, "go/a", "go/c")
    one.add("go/b")
    await one.until_open(server.put, "go/b")
    server.put("go/a", "3")
    await one.until_pushed("go/a")
    await one.drop("go/a", "go/b")
    server.put("go/c", "3")
    await one.until_pushed("go/a", "go/c")
    await one.drop("go/c")
    await until(lambda: proxy.open == 0, 10)
    assert proxy.requests == ["POST /v3/watch"] * 2


async def test_a_lost_connection_ends_all_watches_and_they_can_be_opened_again(
    server: Process, watching: Callable[..., Watching], proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    one = watching(proxy.address)
    one.add("lost/a", "lost/b")
    await one.until_open(server.put, "lost/a", "lost/b")
    proxy.cut()
    server.put("lost/a", "2")
    for key in ("lost/a", "lost/b"):
        assert isinstance(await one.ending(key), Unreachable)
    one.add("lost/a")
    await one.until_pushed("lost/a")  # what happened meanwhile


async def test_a_cluster_that_was_made_anew_is_watched_from_its_beginning(
    server: Process, watching: Callable[..., Watching], proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    one = watching(proxy.address)
    question = EtcdChanges(one.server, "anew/a", 2.5)  # the server tells every second how far it is
    one.add("anew/a", progress_s=2.5)
    await one.until_open(server.put, "anew/a")
    assert one.adapter.is_watching(question)
    for _ in range(20):
        server.put("anew/b", "1")
    server.put("anew/a", "2")
    await until(lambda: one.pushed, 10)
    with Process() as fresh:
        proxy.target_port = fresh.port
        proxy.cut()
        assert isinstance(await one.ending("anew/a"), Unreachable)
        assert not one.adapter.is_watching(question)
        one.pushed.clear()
        one.add("anew/a")
        assert "begun anew" in str(await one.ending("anew/a"))
        assert one.pushed == ["anew/a"], "what is there now is read at once"
        one.pushed.clear()
        one.add("anew/a")
        await one.until_open(fresh.put, "anew/a")
        assert one.adapter.is_watching(question)


async def test_a_stream_that_falls_silent_is_given_up(
    server: Process, watching: Callable[..., Watching], proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    one = watching(proxy.address)
    one.add("mute/a", progress_s=2.5)  # the server tells every second
    await one.until_open(server.put, "mute/a")
    await asyncio.sleep(6)
    assert not one.tasks["mute/a"].done()
    proxy.mode = "stall"
    error = await one.ending("mute/a")
    assert isinstance(error, Unreachable)
    assert "nothing was heard for 5 s" in str(error)


async def test_a_user_watches_what_he_may_read(watching: Callable[..., Watching]) -> None:
    with Process() as own:
        own.enable_logins()
        token = own.root()

        def put(key: str, value: str) -> None:
            own.put(key, value, token)

        one = watching(own.address, "reader", "hunter2")
        one.add("a", "b")
        error = await one.ending("b")
        assert isinstance(error, Denied)
        assert "hunter2" not in str(error)
        await one.until_open(put, "a")
        # A new password ends the login: the watch is ended, too, when it is opened with the old one.
        await one.drop("a")
        own.ask("/v3/auth/user/changepw", {"name": "reader", "password": "hunter2"}, token)
        one.add("a1")
        assert isinstance(await one.ending("a1"), Unreachable)
        one.add("a1")
        await one.until_open(put, "a1")
        nobody = watching(own.address, "reader", "hunter2-wrong")
        nobody.add("a")
        assert isinstance(await nobody.ending("a"), Denied)


@pytest.mark.parametrize("fault", [faults.nobody, faults.hanging_up, faults.tls_only])
async def test_a_server_that_cannot_be_asked_is_named(fault: Any, watching: Callable[..., Watching]) -> None:
    async with fault() as bad:
        one = watching(bad.address)
        one.add("a")
        error = await one.ending("a")
    assert isinstance(error, Unreachable)
    assert bad.address in str(error)


@pytest.mark.parametrize(
    "body", [b"hunter2\n", b'{"hunter2": 1}\n', b'{"result": {"hunter2": 1}}\n', b"[1]\n"]
)
async def test_a_strange_message_ends_it(body: bytes, watching: Callable[..., Watching]) -> None:
    async with faults.answering(body) as bad:
        one = watching(bad.address)
        one.add("a")
        error = await one.ending("a")
    assert isinstance(error, Malformed)
    assert "hunter2" not in str(error)


async def test_only_changes_can_be_watched(server: Process, watching: Callable[..., Watching]) -> None:
    one = watching(server.address)
    with pytest.raises(Unsupported):
        await one.adapter.watch(EtcdValue(one.server, "a"), lambda: None)


async def test_closing_ends_all_watches(server: Process, watching: Callable[..., Watching]) -> None:
    one = watching(server.address)
    one.add("a")
    await one.until_open(server.put, "a")
    await one.adapter.close()
    assert await one.ending("a") is None


async def test_a_change_makes_the_poll_come_now(server: Process) -> None:
    texts = {"endpoints": server.address, "watchKey": "now/a", "value": "1"}
    scaler = reading.build(EtcdKey, Trigger(type="etcd", metadata=texts), Sources(texts, {}, {}), Scope("s"))
    assert isinstance(scaler, EtcdKey)
    server.put("now/a", "1")
    connections = Connections(Surroundings())
    rounds = Rounds(SystemClock(), connections.adapter, lambda *_: None)
    task = asyncio.create_task(rounds.run())
    try:
        rounds.follow(("one", 0), scaler, interval_s=1e7)
        await until(lambda: rounds.latest(("one", 0)) is not None, 10)
        async with asyncio.timeout(20):
            while rounds.latest(("one", 0)).values != (5.0,):  # type: ignore[union-attr]
                server.put("now/a", "5")  # again, until the watch is open
                await asyncio.sleep(0.2)
    finally:
        task.cancel()
        await asyncio.wait([task])
