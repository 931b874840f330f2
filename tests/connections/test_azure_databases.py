"""Databases that the token of an Azure identity logs in to.

SQL Server is the responder of the tests, PostgreSQL a real one whose password is the token, Entra ID a fake.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from parts import tds_responder as tds
from parts.entra_fake import Entra, entra
from parts.postgresql_server import PostgresqlServer as Process
from parts.server_process import Servers
from parts.tds_responder import Responder
from tidegate.base.errors import Denied, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.mssql.session import MssqlConnection
from tidegate.connections.postgresql.session import PostgresqlConnection
from tidegate.kit.identity import Identity, IdentityToken
from tidegate.kit.systems.mssql import MssqlServer
from tidegate.kit.systems.postgresql import PostgresqlServer
from tidegate.kit.systems.sql import SqlQuery

SQL = "https://database.windows.net/.default"
OSS = "https://ossrdbms-aad.database.windows.net/.default"
WORKLOAD = Identity("azure-workload")


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("federated-1")
    return str(path)


async def said(adapter: Any, server: Any) -> Any:
    """What a query comes to, or the error that it met."""
    try:
        return (await adapter.answer([SqlQuery(server, "SELECT 3")]))[0]
    except TidegateError as error:
        return error


# --- SQL Server


@asynccontextmanager
async def sql_server(fake: Entra, audience: str = SQL, **how: Any) -> AsyncIterator[Responder]:
    """A SQL Server that takes tokens of `fake`."""
    made = Responder(
        tls=fake.tls(),
        encryption=tds.ON,
        answers={"SELECT 3": tds.rows(tds.INT, tds.integer(3))},
        takes=lambda token: fake.takes(token, audience),
        **how,
    )
    async with made.running():
        yield made


def mssql(responder: Responder) -> MssqlServer:
    token = IdentityToken(WORKLOAD, SQL)
    return MssqlServer(
        "127.0.0.1", responder.port, database="shop", encryption="on", is_verified=True, token=token
    )


@pytest.mark.parametrize("nonce", [b"", bytes(range(32))], ids=["without a nonce", "with a nonce"])
async def test_a_sql_server_takes_the_token_and_a_revoked_one_is_replaced(
    nonce: bytes, token_file: str
) -> None:
    async with (
        entra() as fake,
        fake.logging_in(fake.environment(token_file)) as around,
        sql_server(fake, nonce=nonce) as responder,
    ):
        server = mssql(responder)
        adapter = MssqlConnection(server, around)
        for _ in range(3):
            assert await said(adapter, server) == 3
        assert responder.connections == len(fake.issued) == 1
        assert all(responder.is_login_encrypted)
        fake.revoke()
        responder.cut()
        assert await said(adapter, server) == 3
        assert len(fake.issued) == 2
        await adapter.close()


async def test_a_sql_server_that_takes_no_token_denies(token_file: str) -> None:
    async with (
        entra() as fake,
        fake.logging_in(fake.environment(token_file)) as around,
        sql_server(fake, "https://another.example/.default") as responder,
    ):
        server = mssql(responder)
        adapter = MssqlConnection(server, around)
        error = await said(adapter, server)
        assert isinstance(error, Denied)
        assert "make the azure-workload identity a user of the database" in str(error)
        assert not any(token in f"{error}{error.excerpt}{adapter.__dict__}" for token in fake.issued)
        assert len(fake.issued) == 2
        await adapter.close()


async def test_a_sql_server_without_tls_is_shown_no_token(token_file: str) -> None:
    async with (
        entra() as fake,
        fake.logging_in(fake.environment(token_file)) as around,
        Responder(takes=lambda token: True).running() as responder,
    ):
        server = mssql(responder)
        adapter = MssqlConnection(server, around)
        error = await said(adapter, server)
        assert isinstance(error, Denied)
        assert "does not speak TLS" in error.answer
        assert responder.logins == []
        await adapter.close()


async def test_a_certificate_that_nobody_trusts_is_shown_no_token(token_file: str) -> None:
    async with (
        entra() as fake,
        entra() as other,
        fake.logging_in(fake.environment(token_file)) as around,
        sql_server(other) as responder,
    ):
        server = mssql(responder)
        adapter = MssqlConnection(server, around)
        assert isinstance(await said(adapter, server), Unreachable)
        assert responder.logins == []
        await adapter.close()


async def test_without_identities_at_hand_nobody_is_asked() -> None:
    async with entra() as fake, sql_server(fake) as responder:
        server = mssql(responder)
        adapter = MssqlConnection(server, Surroundings())
        assert "no identities are at hand" in str(await said(adapter, server))
        assert responder.connections == 0
        await adapter.close()


# --- PostgreSQL


@pytest.mark.real
@pytest.mark.xdist_group("postgresql")
async def test_a_postgresql_takes_the_token_as_password_and_a_revoked_one_is_replaced(
    servers: Servers, token_file: str
) -> None:
    process = servers.get(Process)
    process.query("DROP ROLE IF EXISTS of_entra")
    process.query("CREATE ROLE of_entra LOGIN PASSWORD 'nothing'")
    async with entra() as fake, fake.logging_in(fake.environment(token_file), timeout_s=5.0) as around:
        options = {"host": "127.0.0.1", "port": f"{process.port}", "user": "of_entra", "dbname": "postgres"}
        server = PostgresqlServer(tuple(options.items()), IdentityToken(WORKLOAD, OSS))
        adapter = PostgresqlConnection(server, around)
        error = await said(adapter, server)
        assert isinstance(error, Denied)
        assert "give the azure-workload identity a role in the server" in str(error)
        assert len(fake.issued) == 2
        assert not any(token in f"{error}{error.excerpt}{adapter.__dict__}" for token in fake.issued)
        await adapter.close()
    async with entra() as fake, fake.logging_in(fake.environment(token_file), timeout_s=5.0) as around:
        assert around.identities is not None
        first = await around.identities.token(WORKLOAD, OSS)
        process.query(f"ALTER ROLE of_entra PASSWORD '{first}'")
        adapter = PostgresqlConnection(server, around)
        assert await said(adapter, server) == 3
        process.query(f"ALTER ROLE of_entra PASSWORD '{first.replace('token-1', 'token-2')}'")
        await adapter.close()
        assert await said(adapter, server) == 3
        assert len(fake.issued) == 2
        await adapter.close()
    process.query("DROP ROLE of_entra")
