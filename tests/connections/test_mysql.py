"""One real MariaDB: queries, logins, bad and hostile queries, TLS, everything a network does to us."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parts import faults
from parts.mariadb_server import MariadbServer as Process
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.mysql.session import MysqlConnection
from tidegate.connections.queries import Spoiling, TooSlow
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kit.systems.mysql import MysqlServer
from tidegate.kit.systems.sql import NO_ROW, SqlQuery

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("mariadb"),
    # For TLS the client library takes a copy of its socket, and may forget it where the handshake fails.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

PASSWORD = "hunter2-pässwörd"
COUNT = "SELECT COUNT(*) FROM jobs"
Connect = Callable[..., MysqlConnection]
ProxyFor = Callable[[int], Awaitable[Proxy]]


class SecureProcess(Process):
    """It speaks TLS, as mysql.shop."""

    def prepare(self) -> None:
        super().prepare()
        leaf = faults.authority().issue_cert("mysql.shop")
        self.write("cert.pem", leaf.cert_chain_pems[0].bytes().decode())
        self.write("key.pem", leaf.private_key_pem.bytes().decode())

    def options(self) -> list[str]:
        return [f"--ssl-cert={self.folder / 'cert.pem'}", f"--ssl-key={self.folder / 'key.pem'}"]


@pytest.fixture(scope="module")
def process(servers: Servers) -> Process:
    """MariaDB with a table of three rows, and a user who may read it and no other."""
    process = servers.get(Process)
    for statement in (
        "DROP TABLE IF EXISTS jobs, hidden",
        "CREATE TABLE jobs (id INT, name VARCHAR(100))",
        "INSERT INTO jobs VALUES (1, 'a'), (2, 'b'), (3, 'hunter2-row')",
        "CREATE TABLE hidden (id INT)",
        f"CREATE OR REPLACE USER reader@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
        "GRANT SELECT ON shop.jobs TO reader@'127.0.0.1'",
        "CREATE OR REPLACE PROCEDURE depth() SELECT COUNT(*) FROM jobs",
    ):
        process.query(statement)
    return process


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes adapters: `connect(port, user=…, queries_s=…)`; they end with the test."""
    made: list[MysqlConnection] = []
    around_names = ("timeout_s", "queries_s", "resolve", "policy")

    def make(port: int, **more: Any) -> MysqlConnection:
        around = {"timeout_s": 5.0} | {name: more.pop(name) for name in around_names if name in more}
        server = MysqlServer("127.0.0.1", port, "", Process.login, Process.password, "shop")
        made.append(MysqlConnection(replace(server, **more), Surroundings(**around)))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()
    gc.collect()


def queries(*statements: str) -> list[SqlQuery]:
    return [SqlQuery(MysqlServer(), statement) for statement in statements]


async def answers(adapter: MysqlConnection, *statements: str) -> list[Any]:
    return list(await adapter.answer(queries(*statements)))


async def answer(adapter: MysqlConnection, statement: str) -> Any:
    (one,) = await answers(adapter, statement)
    return one


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        (COUNT, "3"),
        ("SELECT -5", "-5"),
        ("SELECT 1.25", "1.25"),
        ("SELECT 15e-1", "1.5"),
        ("SELECT '42'", "42"),
        ("SELECT CAST('42' AS BINARY)", "42"),
        ("SELECT TRUE", "1"),
        ("SELECT NULL", None),
        ("SELECT 1 / 0", None),
        ("SELECT id FROM jobs WHERE id > 9", NO_ROW),
        ("SELECT id FROM jobs ORDER BY id DESC", "3"),
        ("SELECT 'ä%s'", "ä%s"),
        ("CALL depth()", "3"),
        ("SELECT COUNT(*) FROM jobs; ", "3"),
    ],
)
async def test_the_first_column_of_the_first_row_is_the_answer(
    process: Process, connect: Connect, statement: str, value: Any
) -> None:
    adapter = connect(process.port)
    assert await answers(adapter, statement, "SELECT 4") == [value, "4"]
    assert adapter.connections == 1


BAD = [
    ("SELECT * FROM jobs", Malformed, "it gives 2 columns"),
    ("SELEC 1", Malformed, "near 'SELEC 1' at line 1 (error 1064)"),
    ("SELECT 1; SELECT 2", Malformed, "(error 1064)"),
    ("SELECT COUNT(*) FROM nowhere", Malformed, "Table 'shop.nowhere' doesn't exist (error 1146)"),
    ("SELECT EXTRACTVALUE(1, CONCAT('~', (SELECT MAX(name) FROM jobs)))", Malformed, "it was refused (error"),
    ("", Malformed, "it was refused (error 1065)"),
    ("INSERT INTO jobs VALUES (9, 'x')", Misconfigured, "let it read and not write"),
    ("CREATE TABLE more (id INT)", Misconfigured, "(error 1792)"),
    ("SELECT id FROM jobs FOR UPDATE", Misconfigured, "read-only session"),
]


@pytest.mark.parametrize(("statement", "kind", "words"), BAD, ids=[one[0] for one in BAD])
async def test_a_bad_query_fails_alone(
    process: Process, connect: Connect, statement: str, kind: type[TidegateError], words: str
) -> None:
    adapter = connect(process.port)
    for _ in range(2):
        first, bad, last = await answers(adapter, COUNT, statement, "SELECT 4")
        assert (first, last) == ("3", "4")
        assert type(bad) is kind, bad
        assert words in str(bad)
        assert "hunter2" not in str(bad)
    assert (process.query(COUNT), adapter.connections) == ([(3,)], 1)


async def test_what_a_query_does_to_its_session_is_gone_for_the_next(
    process: Process, connect: Connect
) -> None:
    adapter = connect(process.port)
    marks = ["SET SESSION TRANSACTION READ WRITE", "SET max_statement_time = 0", "USE mysql"]
    for mark in marks:
        spoilt, write, count = await answers(adapter, mark, "INSERT INTO jobs VALUES (9, 'x')", COUNT)
        assert isinstance(spoilt, Spoiling)
        assert "a statement that gives no rows" in str(spoilt)
        assert isinstance(write, Misconfigured)
        assert count == "3"
    opened = adapter.connections
    assert opened == 1 + len(marks)
    assert await answers(adapter, *marks, "SELECT @@max_statement_time") != [None] * 4
    assert adapter.connections == opened


async def test_a_thousand_queries_are_asked_on_one_connection(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port)
    wanted = queries(*(f"SELECT {number} + COUNT(*) FROM jobs" for number in range(1000)))
    assert adapter.batch == len(wanted)
    await adapter.answer(wanted[:1])
    before = proxy.turns
    for _ in range(2):
        assert await adapter.answer(wanted) == [str(number + 3) for number in range(1000)]
    assert (proxy.turns - before, adapter.round_trips) == (2000, 2001)
    assert (proxy.connections, adapter.connections) == (1, 1)


@pytest.mark.parametrize(
    "made", ["TABLE `', held, '`", "SELECT `', held, '`", "SELEC ', held, '", "CALL `', held, '`()"]
)
async def test_what_a_table_holds_is_not_told_as_a_name_that_does_not_exist(
    process: Process, connect: Connect, made: str
) -> None:
    block = f"""BEGIN NOT ATOMIC
        DECLARE held TEXT DEFAULT (SELECT MAX(name) FROM jobs);
        EXECUTE IMMEDIATE CONCAT('{made}');
    END"""
    told = await answer(connect(process.port), block)
    assert isinstance(told, Malformed)
    assert "(error 1" in str(told)
    assert "hunter2" not in str(told)


async def test_the_strings_options_are_heeded(process: Process, connect: Connect) -> None:
    settings = (("sql_mode", "'ANSI_QUOTES'"), ("max_statement_time", "500"))
    adapter = connect(process.port, settings=settings, is_multiple=True, read_limit_s=2.5)
    assert await answer(adapter, "SELECT @@sql_mode") == "ANSI_QUOTES"
    assert await answer(adapter, "SELECT @@max_statement_time") == "2.500000"
    assert await answer(adapter, "SET @a = 20; SELECT @a + 1; SELECT 9") == "21"
    told = await answer(
        adapter, "SET @t = (SELECT MAX(name) FROM jobs); EXECUTE IMMEDIATE CONCAT('TABLE `', @t, '`')"
    )
    assert isinstance(told, Malformed)
    assert "hunter2" not in str(told)
    wrong = await answer(connect(process.port, settings=(("no_such", "1"),)), COUNT)
    assert isinstance(wrong, Misconfigured)
    assert "Unknown system variable 'no_such'" in str(wrong)


async def test_a_question_of_another_system_is_refused_alone(process: Process, connect: Connect) -> None:
    other, count = await connect(process.port).answer([PodCount("shop", "app=web"), *queries(COUNT)])
    assert isinstance(other, Unsupported)
    assert count == "3"


async def test_a_table_the_user_may_not_read_is_denied_alone(process: Process, connect: Connect) -> None:
    adapter = connect(process.port, user="reader", password=PASSWORD)
    allowed, forbidden = await answers(adapter, COUNT, "SELECT COUNT(*) FROM hidden")
    assert allowed == "3"
    assert isinstance(forbidden, Denied)
    assert "for table `shop`.`hidden`" in str(forbidden)


# --- hostile queries


async def test_a_slow_query_is_stopped_by_the_server_and_rests(process: Process, connect: Connect) -> None:
    adapter = connect(process.port, queries_s=3.0)
    first, slow, last = await answers(adapter, COUNT, "SELECT SLEEP(300)", "SELECT 4")
    assert (first, last) == ("3", "4")
    assert isinstance(slow, TooSlow)
    assert "stopped after 2 s" in str(slow)
    asked = adapter.round_trips
    assert await answers(adapter, "SELECT SLEEP(300)") == [slow]
    assert (adapter.round_trips, adapter.connections) == (asked, 1)


async def test_of_many_slow_queries_each_is_told_so(process: Process, connect: Connect) -> None:
    adapter = connect(process.port, queries_s=3.0)
    got = await answers(adapter, *(f"SELECT SLEEP({300 + number})" for number in range(3)), COUNT)
    assert isinstance(got[0], TooSlow)
    assert all(isinstance(one, Unreachable) for one in got)
    assert "not answered within 3 s" in str(got[3])
    assert await answer(adapter, COUNT) == "3"


TOO_MUCH = [
    ("SELECT seq FROM seq_1_to_1000000", "more than 1,000 rows"),
    ("SELECT seq FROM seq_1_to_1000000 LIMIT 500000", "more than 1,000 rows"),
    ("SELECT REPEAT('9', 10000000)", "more than 1 MiB"),
    ("SELECT REPEAT('9', 2000) FROM seq_1_to_900", "more than 1 MiB"),
]


@pytest.mark.parametrize(("statement", "words"), TOO_MUCH, ids=[one[0] for one in TOO_MUCH])
async def test_what_is_too_much_is_not_read_and_the_others_are_answered(
    process: Process, connect: Connect, statement: str, words: str
) -> None:
    adapter = connect(process.port, queries_s=60.0)
    first, much, last = await answers(adapter, COUNT, statement, "SELECT 4")
    assert (first, last) == ("3", "4")
    assert isinstance(much, Spoiling)
    assert words in str(much)
    assert await answers(adapter, COUNT, statement, "SELECT 4") == ["3", much, "4"]
    assert adapter.connections == 2


async def test_a_query_that_ends_its_own_session_harms_itself_alone(
    process: Process, connect: Connect
) -> None:
    adapter = connect(process.port)
    for _ in range(2):
        fatal, *others = await answers(adapter, "KILL CONNECTION_ID()", COUNT, "SELECT 4")
        assert others == ["3", "4"]
        assert isinstance(fatal, Unreachable)
        assert "ends its own session" in str(fatal)
    assert adapter.connections == 3


# --- logins and TLS


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"password": "hunter2-wrong"}, "Access denied for user 'tidegate'"),
        ({"password": ""}, "Access denied for user 'tidegate'"),
        ({"user": "nobody"}, "Access denied for user 'nobody'"),
        ({"user": ""}, "Access denied for user ''"),
        ({"database": "nowhere"}, "Unknown database 'nowhere'"),
    ],
)
async def test_whom_the_server_does_not_know_is_denied(
    process: Process, connect: Connect, login: dict[str, str], words: str
) -> None:
    adapter = connect(process.port, **login)
    for _ in range(2):
        with pytest.raises(Denied, match=words) as caught:
            await answer(adapter, COUNT)
        assert f"127.0.0.1:{process.port}" in str(caught.value)
        assert "hunter2" not in str(caught.value)


async def test_tls_that_a_server_does_not_speak_is_refused(process: Process, connect: Connect) -> None:
    for tls in ("verified", "unverified"):
        with pytest.raises(Denied, match="does not speak TLS"):
            await answer(connect(process.port, tls=tls), COUNT)
    assert await answer(connect(process.port, tls="preferred"), COUNT) == "3"


@pytest.fixture(scope="module")
def secure() -> Iterator[Process]:
    with SecureProcess() as own:
        yield own


BY_NAME: dict[str, Any] = {"host": "mysql.shop", "resolve": lambda host: "127.0.0.1"}
IS_SECURE = (
    "SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'SSL_CIPHER'"
)


async def test_tls_is_spoken_where_it_is_wanted(secure: Process, connect: Connect) -> None:
    for tls, wanted in (("unverified", "1"), ("preferred", "1"), ("", "0")):
        assert await answer(connect(secure.port, tls=tls, **BY_NAME), IS_SECURE) == wanted
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        await answer(connect(secure.port, tls="verified", **BY_NAME), IS_SECURE)


async def test_a_certificate_counts_for_its_name(
    secure: Process, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(faults.authority().cert_pem.bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    assert await answer(connect(secure.port, tls="verified", **BY_NAME), IS_SECURE) == "1"
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        await answer(connect(secure.port, tls="verified", **{**BY_NAME, "host": "other.shop"}), IS_SECURE)


def greeting(plugin: bytes) -> bytes:
    """How a server begins, without TLS, that wants to log us in by `plugin`."""
    body = b"\x0a8.0.0\0" + bytes(4) + b"12345678\0" + b"\xff\xf7\x08\x02\x00\x0f\x80\x15" + bytes(10)
    body += b"123456789012\0" + plugin + b"\0"
    return len(body).to_bytes(3, "little") + b"\0" + body


SWITCH = b"\xfemysql_clear_password\0"


async def test_no_server_gets_the_password_by_asking_for_it(connect: Connect) -> None:
    for first in (b"mysql_clear_password", b"mysql_native_password"):
        heard = b""

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = first
        ) -> None:
            nonlocal heard
            writer.write(greeting(first))
            heard += await reader.read(1000)
            writer.write(len(SWITCH).to_bytes(3, "little") + b"\x02" + SWITCH)
            heard += await reader.read(1000)
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            with pytest.raises(Denied, match="wants the password in clear text"):
                await answer(connect(port), COUNT)
            await asyncio.sleep(0.05)
        assert b"hunter2" not in heard
        assert bool(heard) is (first == b"mysql_native_password")


# --- what a network does


@pytest.mark.parametrize("fault", [*faults.UNREACHABLE, faults.silent], ids=lambda fault: fault.__name__)
async def test_a_bad_server_is_named(connect: Connect, fault: Any) -> None:
    async with fault() as bad:
        adapter = connect(bad.port, timeout_s=0.3)
        for _ in range(2):
            with pytest.raises(Unreachable, match=bad.address) as caught:
                await answer(adapter, COUNT)
            assert "hunter2" not in str(caught.value)


async def test_a_host_that_has_no_address_is_named(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=rf"{faults.NOWHERE}:3306.*name or service not known"):
        await answer(connect(3306, host=faults.NOWHERE), COUNT)


async def test_on_a_cluster_the_autoscalers_own_machine_is_not_asked(
    process: Process, connect: Connect
) -> None:
    closed = AddressPolicy.on_a_cluster()
    for where in ({"host": "localhost"}, {}, {"socket": str(process.folder / "s")}):
        got = await answer(connect(process.port, policy=closed, **where), COUNT)
        assert isinstance(got, Misconfigured)
        assert "--allow-address" in str(got)
    opened = AddressPolicy.on_a_cluster(["127.0.0.0/8"])
    assert await answer(connect(process.port, policy=opened), COUNT) == "3"


async def test_a_socket_is_dialled_where_everything_may_be(process: Process, connect: Connect) -> None:
    with pytest.raises(Denied, match="'tidegate'@'localhost'"):
        await answer(connect(1, socket=str(process.folder / "s")), COUNT)


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\0\0\0hello", b"\x01\0\0\0\0"])
async def test_another_protocol_is_malformed(connect: Connect, words: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await reader.read(1000)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        got = await answer(connect(listener.sockets[0].getsockname()[1]), COUNT)
        assert isinstance(got, Malformed)
        assert "not the MySQL protocol" in str(got)


async def test_a_server_that_falls_silent_is_given_up_and_asked_again_later(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port, queries_s=1.5)
    assert await answer(adapter, COUNT) == "3"
    proxy.mode = "stall"
    with pytest.raises(Unreachable, match=r"not answered within 1\.5 s"):
        await answer(adapter, COUNT)
    proxy.mode = "pass"
    assert await answer(adapter, COUNT) == "3"


async def test_a_connection_that_was_cut_in_between_is_not_noticed(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port)
    for _ in range(3):
        assert await answers(adapter, COUNT, "SELECT 4") == ["3", "4"]
        proxy.cut()
    assert adapter.connections == 3


async def test_an_answer_that_is_always_cut_fails_alone(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port)
    proxy.cut_after = 5000
    first, cut, last = await answers(adapter, COUNT, "SELECT REPEAT('9', 100000)", "SELECT 4")
    assert (first, last) == ("3", "4")
    assert isinstance(cut, Unreachable)
    proxy.cut_after = None
    assert await answer(adapter, COUNT) == "3"


async def test_garbage_is_a_failure_and_the_connection_is_not_used_again(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port, queries_s=1.5)
    await answer(adapter, COUNT)
    proxy.mode = "garble"
    for _ in range(2):
        assert isinstance(await answer(adapter, COUNT), Malformed)
    proxy.mode = "pass"
    assert await answer(adapter, COUNT) == "3"


async def test_an_answer_that_nobody_waits_for_is_never_taken_for_the_next(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port)
    await answer(adapter, COUNT)
    proxy.heard.clear()
    asking = asyncio.ensure_future(answers(adapter, COUNT, "SELECT 4"))
    await proxy.heard.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await answers(adapter, "SELECT 5", "SELECT 6") == ["5", "6"]


async def test_a_restart_is_healed_at_the_next_question(connect: Connect) -> None:
    with Process() as own:
        adapter = connect(own.port)
        assert await answer(adapter, "SELECT 1") == "1"
        own.stop()
        for _ in range(2):
            with pytest.raises(Unreachable, match=f"127.0.0.1:{own.port}/shop: connection refused"):
                await answer(adapter, "SELECT 1")
        own.start()
        assert await answer(adapter, "SELECT 1") == "1"
        own.kill()
        own.start()
        assert await answer(adapter, "SELECT 1") == "1"
        assert adapter.connections == 3


async def test_closing_is_safe_before_opening_and_twice(process: Process, connect: Connect) -> None:
    adapter = connect(process.port)
    await adapter.close()
    assert await answer(adapter, COUNT) == "3"
    await adapter.close()
    await adapter.close()
    assert await answer(adapter, COUNT) == "3"
