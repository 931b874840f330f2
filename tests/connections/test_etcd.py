"""Real etcds: keys in transactions, logins, TLS, members that fail, and all a network does to us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from parts import faults
from parts.etcd_server import EtcdServer as Process
from parts.etcd_server import LatestEtcd
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.etcd import connect
from tidegate.connections.etcd.connection import EtcdConnection
from tidegate.kit.systems.etcd import EtcdServer, EtcdValue
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("etcd")]

Adapters = Callable[..., EtcdConnection]
ProxyFor = Callable[[int], Awaitable[Proxy]]
SECRET = "hunter2"


@pytest.fixture(scope="module")
def server(servers: Servers) -> Process:
    server = servers.get(Process)
    for key, value in {"a": "7", "b": "1.5", "empty": "", "text": SECRET, "ä/ö": "3"}.items():
        server.put(key, value)
    return server


@pytest.fixture(scope="module")
def guarded() -> Iterator[Process]:
    """With users: `reader` may read keys that begin with `a`."""
    with Process() as server:
        for key in ("a", "a1", "b"):
            server.put(key, "1")
        server.enable_logins()
        yield server


@pytest.fixture
async def adapter() -> AsyncIterator[Adapters]:
    """Makes adapters: `adapter(address, …, username=…, timeout_s=…)`; they end with the test."""
    made: list[Any] = []

    def make(
        *addresses: str, username: str = "", password: str = "", tls: Tls | None = None, **around: Any
    ) -> Any:
        scheme = "https" if tls else "http"
        members = tuple(f"{scheme}://{one}" for one in addresses)
        value = EtcdServer(members, username, password, tls)
        made.append(connect(value, Surroundings(**{"timeout_s": 5.0, **around})))
        return made[-1]

    yield make
    for one in made:
        await one.close()
        await one.close()


def keys(*names: str) -> list[EtcdValue]:
    return [EtcdValue(EtcdServer(("http://any:1",)), name) for name in names]


async def test_keys_hold_what_was_put_there(server: Process, adapter: Adapters) -> None:
    answers = await adapter(server.address).answer(keys("a", "b", "empty", "text", "ä/ö", "a"))
    assert answers == [b"7", b"1.5", b"", SECRET.encode(), b"3", b"7"]


async def test_a_key_that_is_not_there_fails_alone(server: Process, adapter: Adapters) -> None:
    first, missing, foreign, last = await adapter(server.address).answer(
        [*keys("a", "nowhere"), PodCount("shop", "app=web"), *keys("b")]
    )
    assert (first, last) == (b"7", b"1.5")
    assert isinstance(missing, Malformed)
    assert "watchKey nowhere doesn't exist" in str(missing)
    assert isinstance(foreign, Unsupported)


async def test_a_thousand_keys_are_eight_requests(
    server: Process, adapter: Adapters, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    one = adapter(proxy.address)
    names = [*(f"none-{number}" for number in range(998)), "a", "b"]
    for round in (1, 2):
        answers = await one.answer(keys(*names))
        assert answers[-2:] == [b"7", b"1.5"]
        assert all("doesn't exist" in str(answer) for answer in answers[:-2])
        assert len(proxy.requests) == one.calls.requests == 8 * round
        assert proxy.connections <= 4
    assert await one.answer(keys(*["a"] * 1000)) == [b"7"] * 1000
    assert len(proxy.requests) == 17


async def test_a_server_that_takes_fewer_keys_at_once_is_asked_for_fewer(adapter: Adapters) -> None:
    class Narrow(Process):
        flags = ("--max-txn-ops", "40")

    with Narrow() as own:
        own.put("a", "7")
        one = adapter(own.address)
        names = [f"none-{number}" for number in range(127)]
        assert (await one.answer(keys(*names, "a")))[-1] == b"7"
        before = one.calls.requests
        assert (await one.answer(keys(*names, "a")))[-1] == b"7"
        assert one.calls.requests - before == 4


async def test_a_value_too_large_for_an_answer_fails_alone(adapter: Adapters) -> None:
    class Large(Process):
        flags = ("--max-request-bytes", "20000000")

    with Large() as own:
        own.put("a", "7")
        own.put("large", "1" * 10_000_000)
        own.put("z", "8")
        one = adapter(own.address)
        for requests in (5, 7):  # found out once, then asked for apart
            first, large, last = await one.answer(keys("a", "large", "z"))
            assert (first, last) == (b"7", b"8")
            assert isinstance(large, Malformed)
            assert "larger than 8 MiB" in str(large)
            assert one.calls.requests == requests


async def test_one_login_serves_all_until_it_is_refused(guarded: Process, adapter: Adapters) -> None:
    one = adapter(guarded.address, username="reader", password=SECRET)
    assert await one.answer(keys("a")) == [b"1"]
    assert await one.answer(keys("a")) == [b"1"]
    assert one.calls.requests == 3
    # The tokens of a user go with the password.
    guarded.ask("/v3/auth/user/changepw", {"name": "reader", "password": SECRET}, guarded.root())
    for requests in (6, 7):
        assert await one.answer(keys("a")) == [b"1"]
        assert one.calls.requests == requests


async def test_a_key_the_user_may_not_read_is_denied_alone(guarded: Process, adapter: Adapters) -> None:
    one = adapter(guarded.address, username="reader", password=SECRET)
    for _ in range(2):
        first, denied, last = await one.answer(keys("a", "b", "a1"))
        assert (first, last) == (b"1", b"1")
        assert isinstance(denied, Denied)
        assert "read the key b" in str(denied)
        before = one.calls.requests
    await one.answer(keys("a", "b", "a1"))
    assert one.calls.requests - before == 2


@pytest.mark.parametrize(
    "login",
    [{}, {"username": "reader", "password": "hunter2-wrong"}, {"username": "nobody", "password": SECRET}],
)
async def test_whom_the_server_does_not_know_is_denied(
    guarded: Process, adapter: Adapters, login: dict[str, str]
) -> None:
    one = adapter(guarded.address, **login)
    for _ in range(2):
        with pytest.raises(Denied, match=guarded.address) as caught:
            await one.answer(keys("a"))
        assert SECRET not in str(caught.value)


async def test_a_login_at_a_server_without_users_is_none_and_one_that_gets_users_is_logged_in_at(
    adapter: Adapters,
) -> None:
    with Process() as own:
        own.put("a", "7")
        one = adapter(own.address, username="reader", password=SECRET)
        assert await one.answer(keys("a")) == [b"7"]
        own.enable_logins()
        assert await one.answer(keys("a")) == [b"7"]


async def test_members_stand_in_for_each_other(server: Process, adapter: Adapters) -> None:
    async with faults.nobody() as down, faults.silent() as mute:
        one = adapter(down.address, mute.address, server.address, timeout_s=0.5)
        assert await one.answer(keys("a")) == [b"7"]
        before = (mute.connections, one.calls.requests)
        assert await one.answer(keys("a")) == [b"7"]
        assert (mute.connections, one.calls.requests) == (before[0], before[1] + 1)


async def test_after_a_restart_the_next_question_is_answered(adapter: Adapters) -> None:
    with Process() as own:
        own.put("a", "7")
        one = adapter(own.address)
        for end in (own.stop, own.kill):
            assert await one.answer(keys("a")) == [b"7"]
            end()
            with pytest.raises(Unreachable, match=f"{own.address}: connection refused; check that"):
                await one.answer(keys("a"))
            own.start()
        assert await one.answer(keys("a")) == [b"7"]
        own.freeze()
        with pytest.raises(Unreachable, match="no answer within"):
            await adapter(own.address, timeout_s=0.5).answer(keys("a"))


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any, adapter: Adapters) -> None:
    async with fault() as bad:
        with pytest.raises(Unreachable, match=bad.address):
            await adapter(bad.address, timeout_s=0.3).answer(keys("a"))


async def test_names_are_resolved_and_addresses_may_be_forbidden(server: Process, adapter: Adapters) -> None:
    one = adapter(f"etcd.shop:{server.port}", resolve=lambda host: "127.0.0.1")
    assert await one.answer(keys("a")) == [b"7"]
    with pytest.raises(Unreachable, match=faults.NOWHERE):
        await adapter(f"{faults.NOWHERE}:2379").answer(keys("a"))
    (answer,) = await adapter(server.address, policy=AddressPolicy.on_a_cluster()).answer(keys("a"))
    assert isinstance(answer, Misconfigured)


async def test_tls_is_right_for_who_trusts_the_authority(server: Process, adapter: Adapters) -> None:
    ca = faults.authority().cert_pem.bytes().decode()
    async with faults.in_tls(server.port) as front:
        assert await adapter(front.address, tls=Tls(ca=ca)).answer(keys("a")) == [b"7"]
        with pytest.raises(Unreachable, match="its certificate is not trusted"):
            await adapter(front.address, tls=Tls()).answer(keys("a"))
    with pytest.raises(Unreachable, match=server.address):
        await adapter(server.address, tls=Tls(ca=ca)).answer(keys("a"))
    client = faults.authority().issue_cert("client@shop")
    pair = Tls(ca, client.cert_chain_pems[0].bytes().decode(), client.private_key_pem.bytes().decode())
    async with faults.in_tls(server.port, is_client_asked=True) as front:
        assert await adapter(front.address, tls=pair).answer(keys("a")) == [b"7"]
        with pytest.raises(Unreachable):
            await adapter(front.address, tls=Tls(ca=ca)).answer(keys("a"))
    (answer,) = await adapter(server.address, tls=Tls(ca="hunter2")).answer(keys("a"))
    assert isinstance(answer, Misconfigured)


async def test_what_is_cut_stalled_or_garbled_is_no_value(
    server: Process, adapter: Adapters, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    one = adapter(proxy.address, timeout_s=0.5)
    proxy.cut_after = 200
    with pytest.raises(Unreachable):
        await one.answer(keys("a"))
    proxy.cut_after, proxy.mode = None, "stall"
    with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
        await one.answer(keys("a"))
    proxy.mode = "garble"
    (answer,) = await one.answer(keys("a"))
    assert isinstance(answer, Malformed)
    proxy.mode = "pass"
    assert await one.answer(keys("a")) == [b"7"]
    proxy.cut()
    assert await one.answer(keys("a")) == [b"7"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"hunter2", "200 OK", "not JSON"),
        (b'["hunter2"]', "200 OK", "200"),
        (b"{}", "200 OK", "the answer is not etcd's"),
        (b'{"responses": [{"hunter2": 1}]}', "200 OK", "the answer is not etcd's"),
        (b'{"responses": [{"response_range": {"kvs": [{"value": "hunter2!"}]}}]}', "200 OK", "not etcd's"),
        (b'{"responses": [{"response_range": {"kvs": [1]}}]}', "200 OK", "not etcd's"),
        (b'{"responses": []}', "200 OK", "not etcd's"),
        (b"hunter2", "404 X", "JSON gateway"),
        (b'{"code": 3, "message": "hunter2"}', "400 X", "400 Bad Request"),
    ],
)
async def test_a_strange_answer_is_malformed_and_not_repeated(
    adapter: Adapters, body: bytes, status: str, words: str
) -> None:
    async with faults.answering(body, status) as bad:
        (answer,) = await adapter(bad.address).answer(keys("a"))
    assert isinstance(answer, Malformed), answer
    assert words in str(answer)
    assert "hunter2" not in str(answer)


@pytest.mark.parametrize("status", ["200 OK", "500 X", "400 X"])
async def test_a_server_that_repeats_a_login_gives_no_password_away(adapter: Adapters, status: str) -> None:
    body = b'{"name": "reader", "password": "hunter2"}'
    async with faults.answering(body, status) as bad:
        one = adapter(bad.address, username="reader", password=SECRET)
        try:
            (error,) = await one.answer(keys("a"))
        except TidegateError as raised:
            error = raised
        assert b"hunter2" in bad.heard
    assert SECRET not in str(error) + error.excerpt


async def test_a_server_whose_gateway_is_off_says_so(adapter: Adapters) -> None:
    class Closed(Process):
        flags = ("--enable-grpc-gateway=false",)

    with Closed() as own:
        (answer,) = await adapter(own.address).answer(keys("a"))
    assert isinstance(answer, Malformed)
    assert "JSON gateway" in str(answer)


async def test_the_latest_release_answers_alike(adapter: Adapters) -> None:
    with LatestEtcd() as own:
        for key in ("a", "a1", "b"):
            own.put(key, "1")
        one = adapter(own.address, username="reader", password=SECRET)
        assert await one.answer(keys("a", "b")) == [b"1", b"1"]
        (missing,) = await one.answer(keys("nowhere"))
        assert "doesn't exist" in str(missing)
        own.enable_logins()
        first, denied, last = await one.answer(keys("a", "b", "a1"))
        assert (first, last) == (b"1", b"1")
        assert isinstance(denied, Denied)
        for login in ({}, {"username": "reader", "password": "hunter2-wrong"}):
            with pytest.raises(Denied):
                await adapter(own.address, **login).answer(keys("a"))
        names = [f"none-{number}" for number in range(999)]
        other = adapter(own.address, username="root", password="pw")
        assert (await other.answer(keys(*names, "a")))[-1] == b"1"
        assert other.calls.requests == 9  # and the login
        own.stop()
        own.start()
        assert await one.answer(keys("a")) == [b"1"]
