"""SQL Server, by a responder that speaks TDS as its documentation says: a fake, as no server is to be had."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytds
import pytest

from parts import faults
from parts import tds_responder as tds
from parts.proxy import Proxy
from parts.tds_responder import Login, Responder, Session
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.mssql.session import MssqlConnection
from tidegate.connections.queries import Spoiling, TooSlow
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kit.systems.mssql import MssqlServer
from tidegate.kit.systems.sql import NO_ROW, SqlQuery

PASSWORD = "hunter2-hunter2"
COUNT = "SELECT COUNT(*) FROM jobs"
Connect = Callable[..., MssqlConnection]
ProxyFor = Callable[[int], Awaitable[Proxy]]


async def never(session: Session) -> None:
    """A batch that runs until it is stopped."""
    await session.listen_for_attention()


async def late(session: Session) -> None:
    """One that is answered just when it was to be stopped."""
    await session.listen_for_attention(tds.rows(tds.INT, tds.integer(5)))


async def deaf(session: Session) -> None:
    """One that cannot even be stopped."""
    await session.until_closed()


async def huge(session: Session) -> None:
    await session.send(tds.rows(tds.NVARCHAR_MAX, tds.chunked("9" * 5_000_000)))


async def many(session: Session) -> None:
    await session.send(tds.rows(tds.INT, *(tds.integer(n) for n in range(5000))))


async def fatal(session: Session) -> None:
    await session.send(tds.error(596, "Cannot continue the execution.", severity=21) + tds.done(2))
    session.abort()


ANSWERS: dict[str, Any] = {
    COUNT: tds.rows(tds.INT, tds.integer(3)),
    "four": tds.rows(tds.INT, tds.integer(4)),
    "never": never,
    "late": late,
    "deaf": deaf,
    "huge": huge,
    "many": many,
    "fatal": fatal,
}


@pytest.fixture
async def responder() -> AsyncIterator[Responder]:
    async with Responder(answers=dict(ANSWERS)).running() as responder:
        yield responder


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes adapters: `connect(port, user=…, queries_s=…)`; they end with the test."""
    made: list[MssqlConnection] = []
    around_names = ("timeout_s", "queries_s", "resolve", "policy")

    def make(port: int, **more: Any) -> MssqlConnection:
        around = {"timeout_s": 5.0} | {name: more.pop(name) for name in around_names if name in more}
        server = MssqlServer("127.0.0.1", port, "sa", PASSWORD, "shop")
        made.append(MssqlConnection(replace(server, **more), Surroundings(**around)))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def queries(*statements: str) -> list[SqlQuery]:
    return [SqlQuery(MssqlServer(), statement) for statement in statements]


async def answers(adapter: MssqlConnection, *statements: str) -> list[Any]:
    return list(await adapter.answer(queries(*statements)))


async def answer(adapter: MssqlConnection, statement: str = COUNT) -> Any:
    (one,) = await answers(adapter, statement)
    return one


# --- the responder itself, by a client that is not ours


def asked_by_another(port: int, statement: str, **how: Any) -> Any:
    with (
        pytds.connect(
            "127.0.0.1", "shop", "sa", how.get("password", PASSWORD), port=port, autocommit=True,
            login_timeout=how.get("login_timeout", 5), disable_connect_retry=True,
        ) as connection,
        connection.cursor() as cursor,
    ):  # fmt: skip
        cursor.execute(statement)
        return cursor.fetchall()


VALUES = [
    (tds.rows(tds.INT, tds.integer(-7)), -7),
    (tds.rows(tds.BIGINT, tds.integer(2**40, 8)), 2**40),
    (tds.rows(tds.INT, b"\x01\xff"), 255),
    (tds.rows(tds.INT, tds.NULL), None),
    (tds.rows(b"\x38", struct.pack("<i", -5)), -5),
    (tds.rows(tds.FLOAT, tds.sized(struct.pack("<d", 2.5))), 2.5),
    (tds.rows(tds.NUMERIC, tds.sized(b"\x01" + (12345).to_bytes(16, "little"))), Decimal("123.45")),
    (tds.rows(tds.NUMERIC, tds.sized(b"\x00" + (100).to_bytes(4, "little"))), Decimal("-1.00")),
    (tds.rows(tds.MONEY, tds.sized(struct.pack("<iI", -1, 2**32 - 25000))), Decimal("-2.5")),
    (tds.rows(tds.BIT, tds.sized(b"\x01")), True),
    (tds.rows(tds.NVARCHAR, tds.text("42")), "42"),
    (tds.rows(tds.NVARCHAR, b"\xff\xff"), None),
    (tds.rows(tds.NVARCHAR_MAX, tds.chunked("4" * 9000)), "4" * 9000),
    (tds.rows(tds.NVARCHAR_MAX, b"\xff" * 8), None),
    (tds.rows(tds.VARCHAR, b"\x02\x0042"), "42"),
    (tds.rows(tds.TEXT, b"\x10" + b"p" * 16 + b"t" * 8 + b"\x02\0\0\x0042"), "42"),
    (tds.rows(tds.VARIANT, b"\x06\0\0\0\x38\0" + struct.pack("<i", 9)), 9),
    (tds.rows(tds.VARIANT, bytes(4)), None),
    (tds.columns(tds.INT) + b"\xd2\x01" + tds.done(rows=1), None),
]


@pytest.mark.parametrize(("said", "value"), VALUES, ids=[str(one[1])[:20] for one in VALUES])
async def test_a_value_is_what_it_is_to_another_client_too(
    responder: Responder, connect: Connect, said: bytes, value: Any
) -> None:
    responder.answers["value"] = said
    got = await answer(connect(responder.port), "value")
    assert (got, type(got)) == (value, type(value))
    assert await asyncio.to_thread(asked_by_another, responder.port, "value") == [(value,)]


async def test_the_responder_lets_another_client_in_and_out(responder: Responder, connect: Connect) -> None:
    assert await asyncio.to_thread(asked_by_another, responder.port, COUNT) == [(3,)]
    with pytest.raises(pytds.Error, match="Login failed"):
        await asyncio.to_thread(asked_by_another, responder.port, COUNT, password="wrong")
    with pytest.raises(pytds.Error, match="Incorrect syntax near 'SELEC'"):
        await asyncio.to_thread(asked_by_another, responder.port, "SELEC")
    other, *_ = responder.logins
    assert await answer(connect(responder.port)) == 3
    own = responder.logins[-1]
    assert (own.user, own.password, own.database) == (other.user, other.password, other.database)
    assert own == Login("sa", PASSWORD, "shop", "tidegate", "127.0.0.1", 0)


# --- answers


async def test_the_first_rows_that_come_are_the_answer(responder: Responder, connect: Connect) -> None:
    first = (
        tds.done(1, kind=0xFF) + tds.columns(tds.INT) + b"\xd1" + tds.integer(8) + tds.done(1, 1, kind=0xFF)
    )
    rest = tds.rows(tds.BIGINT, tds.integer(9, 8))[:-13] + tds.done(1, 1, kind=0xFF)
    end = b"\x79\0\0\0\0" + tds.error(5701, "Changed database", severity=0, kind=0xAB) + tds.done(kind=0xFE)
    order = b"\xa9\x02\0\x01\0"
    responder.answers["sp_depth"] = order + first + rest + end
    responder.answers["none"] = tds.columns(tds.INT) + tds.done()
    responder.answers["two rows"] = tds.rows(tds.INT, tds.integer(5), tds.integer(6))
    got = await answers(connect(responder.port), "sp_depth", "none", "two rows", COUNT)
    assert got == [8, NO_ROW, 5, 3]


BAD: list[tuple[bytes, type[TidegateError], str]] = [
    (tds.done(), Malformed, "a statement that gives no rows"),
    (tds.columns(tds.INT, tds.INT) + tds.done(), Malformed, "it gives 2 columns"),
    (tds.rows(tds.DATETIME, tds.sized(bytes(8))), Malformed, "it gives a date or time"),
    (
        tds.error(208, "Invalid object name 'hunter2'.") + tds.done(2),
        Malformed,
        "a table in it does not exist",
    ),
    (tds.error(50000, "hunter2") + tds.done(2), Malformed, "it was refused (error 50000)"),
    (
        tds.rows(tds.INT, tds.integer(1)) + tds.error(8134, "hunter2") + tds.done(2),
        Malformed,
        "divides by zero",
    ),
    (tds.error(229, "hunter2", severity=14) + tds.done(2), Denied, "the permission was denied (error 229)"),
    (tds.error(1205, "hunter2", severity=13) + tds.done(2), Unreachable, "victim of a deadlock"),
]


@pytest.mark.parametrize(("said", "kind", "words"), BAD, ids=[one[2] for one in BAD])
async def test_a_bad_query_fails_alone(
    responder: Responder, connect: Connect, said: bytes, kind: type[TidegateError], words: str
) -> None:
    responder.answers["bad"] = said
    adapter = connect(responder.port)
    for _ in range(2):
        first, bad, last = await answers(adapter, COUNT, "bad", "four")
        assert (first, last) == (3, 4)
        assert type(bad) is kind, bad
        assert words in str(bad)
        assert "hunter2" not in str(bad)
    assert adapter.connections == 1


STRANGE = [b"\x42", b"\x81\x01\0", tds.columns(b"\x99"), tds.rows(tds.FLOAT, tds.sized(b"123")), b""]


@pytest.mark.parametrize("said", STRANGE)
async def test_an_answer_that_cannot_be_read_fails_alone(
    responder: Responder, connect: Connect, said: bytes
) -> None:
    responder.answers["strange"] = said
    first, bad, last = await answers(connect(responder.port), COUNT, "strange", "four")
    assert (first, last) == (3, 4)
    assert isinstance(bad, Malformed)


async def test_each_batch_but_the_first_begins_with_a_session_that_was_reset(
    responder: Responder, connect: Connect
) -> None:
    adapter = connect(responder.port)
    await answers(adapter, COUNT, "four", "SET LANGUAGE german")
    await answers(adapter, COUNT)
    assert responder.resets == 3


async def test_a_thousand_queries_are_asked_on_one_connection(
    responder: Responder, connect: Connect, proxy_for: ProxyFor
) -> None:
    for number in range(1000):
        responder.answers[f"q{number}"] = tds.rows(tds.INT, tds.integer(number))
    proxy = await proxy_for(responder.port)
    adapter = connect(proxy.port)
    wanted = queries(*(f"q{number}" for number in range(1000)))
    assert adapter.batch == len(wanted)
    for _ in range(2):
        assert await adapter.answer(wanted) == list(range(1000))
    assert (proxy.connections, adapter.connections, adapter.round_trips) == (1, 1, 2000)
    assert len(responder.batches) == 2000


async def test_a_question_of_another_system_is_refused_alone(responder: Responder, connect: Connect) -> None:
    other, count = await connect(responder.port).answer([PodCount("shop", "app=web"), *queries(COUNT)])
    assert isinstance(other, Unsupported)
    assert count == 3


# --- hostile queries


@pytest.mark.parametrize("statement", ["never", "late"])
async def test_a_slow_query_is_stopped_and_rests(
    responder: Responder, connect: Connect, statement: str
) -> None:
    adapter = connect(responder.port, queries_s=3.0)
    first, slow, last = await answers(adapter, COUNT, statement, "four")
    assert (first, last) == (3, 4)
    assert isinstance(slow, TooSlow)
    asked = adapter.round_trips
    assert await answers(adapter, statement) == [slow]
    assert (adapter.round_trips, adapter.connections) == (asked, 1)
    assert responder.attentions == 1


async def test_one_that_cannot_be_stopped_costs_the_connection(
    responder: Responder, connect: Connect
) -> None:
    adapter = connect(responder.port, queries_s=3.0)
    slow, count = await answers(adapter, "deaf", COUNT)
    assert isinstance(slow, TooSlow)
    assert (count, adapter.connections) == (3, 2)
    assert await answers(adapter, "deaf", COUNT) == [slow, 3]


@pytest.mark.parametrize(("statement", "words"), [("huge", "1 MiB"), ("many", "1,000 rows")])
async def test_what_is_too_much_is_not_read_and_the_others_are_answered(
    responder: Responder, connect: Connect, statement: str, words: str
) -> None:
    adapter = connect(responder.port, queries_s=60.0)
    first, much, last = await answers(adapter, COUNT, statement, "four")
    assert (first, last) == (3, 4)
    assert isinstance(much, Spoiling)
    assert f"more than {words}" in str(much)
    assert await answers(adapter, COUNT, statement) == [3, much]
    assert adapter.connections == 2


async def test_a_query_that_ends_its_own_session_harms_itself_alone(
    responder: Responder, connect: Connect
) -> None:
    bad, *others = await answers(connect(responder.port), "fatal", COUNT, "four")
    assert others == [3, 4]
    assert isinstance(bad, Unreachable)
    assert "ends its own session" in str(bad)


# --- logins and TLS


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"password": "hunter2-wrong"}, "the user or the password was not accepted"),
        ({"user": "nobody"}, "the user or the password was not accepted"),
        ({"user": "", "password": ""}, "the user or the password was not accepted"),
        ({"database": "nowhere"}, "the database does not exist, or may not be used"),
    ],
)
async def test_whom_the_server_does_not_know_is_denied(
    responder: Responder, connect: Connect, login: dict[str, str], words: str
) -> None:
    adapter = connect(responder.port, **login)
    for _ in range(2):
        with pytest.raises(Denied, match=words) as caught:
            await answer(adapter)
        assert responder.address in str(caught.value)
        assert "hunter2" not in str(caught.value)


async def test_a_password_of_any_signs_arrives(connect: Connect) -> None:
    password = "pä$$😀;wörd"
    async with Responder(users={"sa": password}, answers=dict(ANSWERS)).running() as responder:
        assert await answer(connect(responder.port, password=password, is_read_only=True)) == 3
        assert responder.logins[0].flags == 0x20


@pytest.mark.parametrize(
    ("encryption", "offered", "is_login", "is_whole"),
    [
        ("login", tds.NOT_SUPPORTED, False, False),
        ("login", tds.OFF, True, False),
        ("login", tds.ON, True, True),
        ("login", tds.REQUIRED, True, True),
        ("on", tds.OFF, True, True),
        ("on", tds.ON, True, True),
        ("off", tds.OFF, False, False),
        ("off", tds.NOT_SUPPORTED, False, False),
    ],
)
async def test_what_is_encrypted_is_agreed_upon(
    connect: Connect, proxy_for: ProxyFor, encryption: str, offered: int, is_login: bool, is_whole: bool
) -> None:
    seen = bytearray()
    context = faults.server_tls()
    async with Responder(tls=context, encryption=offered, answers=dict(ANSWERS)).running() as responder:

        async def spy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", responder.port)

            async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
                while piece := await source.read(65536):
                    seen.extend(piece)
                    target.write(piece)
                target.close()

            await asyncio.gather(pump(reader, back), pump(there, writer))

        async with await asyncio.start_server(spy, "127.0.0.1", 0) as listener:
            adapter = connect(listener.sockets[0].getsockname()[1], encryption=encryption)
            assert await answers(adapter, COUNT, "four") == [3, 4]
            await adapter.close()
        assert responder.is_login_encrypted == [is_login]
        assert ("shop".encode("utf-16-le") in seen) is not (is_login and is_whole)
        assert (COUNT.encode("utf-16-le") in seen) is not is_whole


async def test_tls_that_one_side_will_not_speak_is_told(responder: Responder, connect: Connect) -> None:
    with pytest.raises(Denied, match="does not speak TLS"):
        await answer(connect(responder.port, encryption="on"))
    async with Responder(tls=faults.server_tls(), encryption=tds.REQUIRED).running() as strict:
        with pytest.raises(Denied, match="it wants TLS"):
            await answer(connect(strict.port, encryption="off"))


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """The system trusts the authority of the tests, which knows mssql.shop."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(faults.authority().cert_pem.bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    return faults.server_tls("mssql.shop")


async def test_a_certificate_counts_for_its_name(trusted: ssl.SSLContext, connect: Connect) -> None:
    async with Responder(tls=trusted, encryption=tds.ON, answers=dict(ANSWERS)).running() as responder:
        how: dict[str, Any] = {"encryption": "on", "is_verified": True, "resolve": lambda host: "127.0.0.1"}
        assert await answer(connect(responder.port, host="mssql.shop", **how)) == 3
        named = connect(responder.port, host="other.shop", certificate_host="mssql.shop", **how)
        assert await answer(named) == 3
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            await answer(connect(responder.port, host="other.shop", **how))


async def test_a_certificate_of_nobody_is_not_trusted(connect: Connect) -> None:
    async with Responder(tls=faults.server_tls(), encryption=tds.ON).running() as responder:
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            await answer(connect(responder.port, encryption="on", is_verified=True))


async def test_a_gateway_may_send_us_on_once_and_only_where_we_may_go(
    responder: Responder, connect: Connect
) -> None:
    async with Responder(route=("node.shop", responder.port)).running() as gateway:
        names = {"node.shop": "127.0.0.1"}
        adapter = connect(gateway.port, resolve=lambda host: names.get(host, host))
        assert await answers(adapter, COUNT, "four") == [3, 4]
        assert (gateway.connections, responder.connections, adapter.connections) == (1, 1, 1)
    async with Responder().running() as circle:
        circle.route = ("127.0.0.1", circle.port)
        with pytest.raises(Unreachable, match="from one server to the next"):
            await answer(connect(circle.port))
        circle.route = ("169.254.169.254", 80)
        got = await answer(connect(circle.port, policy=AddressPolicy.on_a_cluster(["127.0.0.0/8"])))
        assert isinstance(got, Misconfigured)
        assert "link-local" in str(got)


# --- what a network does


@pytest.mark.parametrize("fault", faults.UNREACHABLE, ids=lambda fault: fault.__name__)
async def test_a_bad_server_is_named(connect: Connect, fault: Any) -> None:
    async with fault() as bad:
        adapter = connect(bad.port, timeout_s=0.3)
        for _ in range(2):
            with pytest.raises(Unreachable, match=bad.address) as caught:
                await answer(adapter)
            assert "hunter2" not in str(caught.value)


async def test_a_host_that_has_no_address_is_named(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=rf"{faults.NOWHERE}:1433.*name or service not known"):
        await answer(connect(1433, host=faults.NOWHERE))


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x04\x01\0\x08\0\0\0\0", b"\x04\x01\0\0" * 3]
)
async def test_another_protocol_is_malformed(connect: Connect, words: bytes) -> None:
    async with faults.saying(words) as bad:
        got = await answer(connect(bad.port))
        assert isinstance(got, Malformed)
        assert "not the protocol of SQL Server" in str(got)


async def test_on_a_cluster_the_autoscalers_own_machine_is_not_asked(
    responder: Responder, connect: Connect
) -> None:
    got = await answer(connect(responder.port, policy=AddressPolicy.on_a_cluster()))
    assert isinstance(got, Misconfigured)
    assert "--allow-address" in str(got)


async def test_a_server_that_falls_silent_is_given_up_and_asked_again_later(
    responder: Responder, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(responder.port)
    adapter = connect(proxy.port, queries_s=1.5)
    assert await answer(adapter) == 3
    proxy.mode = "stall"
    with pytest.raises(Unreachable):
        await answer(adapter)
    proxy.mode = "pass"
    assert await answer(adapter) == 3


async def test_a_connection_that_was_cut_in_between_is_not_noticed(
    responder: Responder, connect: Connect
) -> None:
    adapter = connect(responder.port)
    for _ in range(3):
        assert await answers(adapter, COUNT, "four") == [3, 4]
        responder.cut()
        await asyncio.sleep(0)
    assert adapter.connections == 3


async def test_garbage_is_a_failure_and_the_connection_is_not_used_again(
    responder: Responder, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(responder.port)
    adapter = connect(proxy.port)
    await answer(adapter)
    proxy.mode = "garble"
    for _ in range(2):
        assert isinstance(await answer(adapter), Malformed)
    proxy.mode = "pass"
    assert isinstance(await answer(adapter), Malformed)  # the query rests: it may have been its fault
    assert await answer(adapter, "four") == 4


async def test_an_answer_that_nobody_waits_for_is_never_taken_for_the_next(
    responder: Responder, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(responder.port)
    adapter = connect(proxy.port)
    await answer(adapter)
    proxy.heard.clear()
    asking = asyncio.ensure_future(answers(adapter, COUNT, "never"))
    await proxy.heard.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await answers(adapter, "four", COUNT) == [4, 3]


async def test_a_restart_is_healed_at_the_next_question(connect: Connect) -> None:
    responder = Responder(answers=dict(ANSWERS))
    async with responder.running():
        adapter = connect(responder.port)
        assert await answer(adapter) == 3
    for _ in range(2):
        with pytest.raises(Unreachable, match=f"{responder.address}/shop: connection refused"):
            await answer(adapter)
    async with responder.running(responder.port):
        assert await answer(adapter) == 3


async def test_closing_is_safe_before_opening_and_twice(responder: Responder, connect: Connect) -> None:
    adapter = connect(responder.port)
    await adapter.close()
    assert await answer(adapter) == 3
    await adapter.close()
    await adapter.close()
    assert await answer(adapter) == 3
