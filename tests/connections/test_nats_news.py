"""One real NATS server that tells of messages: whom, how often, over how many connections, and when not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import faults
from parts.nats_consumer import NatsConsumer
from parts.nats_logins import PASSWORD, Guarded
from parts.nats_server import NatsServer as Process
from parts.proxy import Proxy
from parts.server_process import Servers
from parts.waiting import until_so
from parts.watched import watched
from tidegate.base.errors import Denied, Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.nats.session import NatsConnection
from tidegate.kit.systems.nats_client import ConsumerNews, NatsLogin, NatsServer

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("nats")]

ProxyFor = Callable[[int], Awaitable[Proxy]]
ANY = NatsServer(("any:1",))


@pytest.fixture(scope="module")
def server(servers: Servers) -> Process:
    """Streams `mails` and `letters` with a consumer each; `wide` with two that have a filter each."""
    server = servers.get(Process)
    server.make("mails", "workers")
    server.make("letters", "workers")
    server.ask("$JS.API.STREAM.CREATE.wide", {"name": "wide", "subjects": ["wide.>"]})
    for word in ("a", "b"):
        config = {"durable_name": word, "ack_policy": "explicit", "filter_subject": f"wide.{word}.*"}
        form = {"stream_name": "wide", "config": config}
        server.ask(f"$JS.API.CONSUMER.DURABLE.CREATE.wide.{word}", form)
    return server


def adapter_of(address: str, login: NatsLogin | None = None, **around: Any) -> NatsConnection:
    value = NatsServer((address,), login or NatsLogin())
    return NatsConnection(value, Surroundings(**{"timeout_s": 10.0, **around}))


def local(server: Process, **around: Any) -> NatsConnection:
    return adapter_of(f"127.0.0.1:{server.port}", **around)


def news(stream: str, consumer: str = "workers") -> ConsumerNews:
    return ConsumerNews(ANY, stream, consumer)


async def send(server: Process, subject: str, body: bytes = b"hunter2") -> None:
    await asyncio.to_thread(server.ask, subject, body)


async def connected(server: Process) -> int:
    return int((await asyncio.to_thread(server.page, "/varz"))["connections"])


async def test_each_message_is_told_to_those_of_its_stream_and_filter(server: Process) -> None:
    adapter, mails, letters = local(server), news("mails"), news("letters")
    one, two = news("wide", "a"), news("wide", "b")
    async with watched(adapter, mails, letters, one, two) as heard:
        await heard.until_open()
        for subject, question in (
            ("mails", mails),
            ("wide.a.x", one),
            ("letters", letters),
            ("wide.b.x", two),
        ):
            await send(server, subject)
            await heard.told(question)
        await send(server, "wide.nobody")
        await send(server, "wide.a.x")
        await heard.so(lambda: heard.pushes[one])
        assert "hunter2" not in repr(vars(adapter))
    assert adapter.connections == 1


async def test_a_busy_stream_is_heard_of_once_a_second_and_its_last_message_is_not_lost(
    server: Process, proxy_for: ProxyFor
) -> None:
    """Whatever comes while nobody listens is told when somebody does again."""
    adapter, mails = local(server), news("mails")
    async with watched(adapter, mails) as heard:
        await heard.until_open()
        before = (await asyncio.to_thread(server.page, "/connz?subs=1"))["connections"]
        ours = next(one for one in before if one.get("name") == "tidegate")
        await asyncio.to_thread(server.publish, "mails", 300)
        await heard.so(lambda: heard.pushes[mails] >= 2)
        told = -1
        while told != heard.pushes[mails]:
            told = heard.pushes[mails]
            await asyncio.sleep(1.3)
        after = (await asyncio.to_thread(server.page, "/connz?subs=1"))["connections"]
        now = next(one for one in after if one["cid"] == ours["cid"])
        # A message is told of when it comes and when its second is over: half of what was told came to us.
        assert now["out_msgs"] - ours["out_msgs"] <= told / 2 + 1
        assert 2 <= told <= 100, "of 300 messages"


async def test_two_hundred_triggers_are_one_connection_and_it_goes_with_the_last(server: Process) -> None:
    before = await connected(server)
    server.make("many", *(f"c{number}" for number in range(200)))
    adapter = local(server)
    questions = [news("many", f"c{number}") for number in range(200)]
    async with watched(adapter, *questions) as heard:
        await heard.until_open()
        assert await connected(server) == before + 1
        await send(server, "many")
        await heard.so(lambda: len(heard.pushes) == 200)
        for question in questions:
            await heard.leave(question)
        await until_so(lambda: are_connected(server, before))
    assert adapter.connections == 1


async def are_connected(server: Process, count: int) -> bool:
    return await connected(server) == count


async def test_a_consumer_that_goes_and_one_that_is_filtered_anew_are_told(server: Process) -> None:
    server.make("short", "workers")
    adapter, short = local(server), news("short")
    async with watched(adapter, short) as heard:
        await heard.until_open()
        await asyncio.to_thread(server.ask, "$JS.API.CONSUMER.DELETE.short.workers")
        await heard.told(short)
        await asyncio.to_thread(server.make, "short", "workers")
        await heard.told(short)
        changed = {"name": "short", "subjects": ["short", "longer"]}
        await asyncio.to_thread(server.ask, "$JS.API.STREAM.UPDATE.short", changed)
        await heard.told(short)
        await heard.so(lambda: send_until(server, heard, short))


def send_until(server: Process, heard: Any, question: Any) -> bool:
    """A message on the new subject is heard as well."""
    server.ask("longer", b"x")
    return bool(heard.pushes[question])


async def test_what_cannot_be_told_of_says_why(server: Process) -> None:
    server.ask("$JS.API.STREAM.CREATE.copy", {"name": "copy", "mirror": {"name": "mails"}})
    form = {"stream_name": "copy", "config": {"durable_name": "workers", "ack_policy": "explicit"}}
    server.ask("$JS.API.CONSUMER.DURABLE.CREATE.copy.workers", form)
    adapter, copy, gone, nobody = local(server), news("copy"), news("gone"), news("mails", "nobody")
    async with watched(adapter, copy, gone, nobody, news("mails")) as heard:
        assert "the stream copies another one" in await heard.why(copy)
        assert isinstance(heard.ended[copy], Unsupported)
        assert "there is no such stream" in await heard.why(gone)
        assert "there is no such consumer" in await heard.why(nobody)
        await heard.so(lambda: adapter.is_watching(news("mails")))


async def test_what_a_user_may_not_hear_is_refused_alone_with_its_subject() -> None:
    allowed = '{publish: {allow: ["$JS.API.>"]}, subscribe: {allow: ["_INBOX.>", "bad"]}}'
    rules = f"{{user: admin, password: {PASSWORD}}}, "
    rules += f"{{user: shop, password: {PASSWORD}, permissions: {allowed}}}"
    with Guarded(rules=rules) as server:
        jobs = NatsConsumer(server, user="admin", password=PASSWORD)
        form = {"stream_name": "bad", "config": {"durable_name": "workers", "ack_policy": "explicit"}}
        jobs.ask("$JS.API.CONSUMER.DURABLE.CREATE.bad.workers", form)
        adapter = adapter_of(f"127.0.0.1:{server.port}", NatsLogin("shop", PASSWORD))
        mine, other = news("bad"), news("jobs")
        async with watched(adapter, mine, other) as heard:
            assert "the user may not subscribe to jobs.>" in await heard.why(other)
            assert isinstance(heard.ended[other], Denied)
            await heard.so(lambda: adapter.is_watching(mine))
            heard.pushes.clear()
            await asyncio.to_thread(jobs.ask, "bad", b"x")
            await heard.told(mine)
            assert not adapter.is_watching(other)


async def test_a_wrong_login_is_denied(server: Process) -> None:
    adapter = adapter_of(f"127.0.0.1:{server.port}", NatsLogin("shop", "hunter2"))
    async with watched(adapter, news("mails")) as heard:
        why = await heard.why(news("mails"))
        assert isinstance(heard.ended[news("mails")], Denied)
        assert "hunter2" not in why


async def test_a_server_that_was_restarted_tells_again() -> None:
    with Process() as own:
        own.make("mails", "workers")
        adapter, mails = local(own), news("mails")
        async with watched(adapter, mails) as heard:
            await heard.until_open()
            own.stop()
            assert "NATS" in await heard.why(mails)
            assert isinstance(heard.ended[mails], Unreachable)
            assert not adapter.is_watching(mails)
            own.start()
            await heard.reopened(mails)
            await send(own, "mails")
            await heard.told(mails)


async def test_a_connection_that_is_cut_ends_the_watch_and_another_one_is_opened(
    server: Process, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    adapter, mails = adapter_of(proxy.address), news("mails")
    async with watched(adapter, mails) as heard:
        await heard.until_open()
        proxy.cut()
        assert "the connection was closed" in await heard.why(mails)
        await heard.reopened(mails)
        await send(server, "mails")
        await heard.told(mails)
    assert adapter.connections == 2


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any) -> None:
    async with fault() as bad:
        adapter = adapter_of(bad.address, timeout_s=0.3)
        async with watched(adapter, news("mails")) as heard:
            assert bad.address in await heard.why(news("mails"))
            assert isinstance(heard.ended[news("mails")], Unreachable)


async def test_the_operators_own_machine_is_not_dialled_on_a_cluster() -> None:
    async with faults.silent() as listening:
        adapter = adapter_of(f"127.0.0.1:{listening.port}", policy=AddressPolicy.on_a_cluster())
        async with watched(adapter, news("mails")) as heard:
            await heard.why(news("mails"))
            assert isinstance(heard.ended[news("mails")], Misconfigured)
        assert listening.connections == 0


async def test_asked_it_says_which_subjects_tell(server: Process) -> None:
    adapter = local(server)
    try:
        found = await adapter.answer([news("mails"), news("wide", "a"), news("gone")])
    finally:
        await adapter.close()
    assert found[:2] == [("mails",), ("wide.a.*",)]
    assert isinstance(found[2], Misconfigured)
    assert adapter.connections == 1
