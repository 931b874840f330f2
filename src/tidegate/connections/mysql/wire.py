"""One connection of aiomysql's, made stricter where it would trust whatever server it meets."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from aiomysql.connection import Connection
from pymysql.constants import CLIENT

from tidegate.connections.queries import MOST_BYTES, MOST_ROWS
from tidegate.kit.systems.mysql import MysqlServer


class Excess(Exception):
    """More is on its way than one could want; says what. The connection must be given up."""


class Refusal(Exception):
    """The server wants what we do not do: says what. `next_step` says what may be done about it."""

    def __init__(self, text: str, next_step: str) -> None:
        self.next_step = next_step
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Result:
    """`columns` is None where a statement gives no rows at all; a value is a text, bytes or None."""

    columns: int | None
    row: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class Dialling:
    """`address` is what is dialled for the server's host; `context` None speaks no TLS."""

    address: str
    context: ssl.SSLContext | None


class Wire(Connection):  # type: ignore[misc]  # the library has no types
    """A connection that gives each value as the text that came."""

    def __init__(self, server: MysqlServer, dialling: Dialling) -> None:
        super().__init__(
            host=dialling.address,
            port=server.port,
            unix_socket=server.socket or None,
            user=server.user,
            # Go's driver sends UTF-8, this one would send Latin-1.
            password=server.password.encode().decode("latin-1"),
            db=server.database or None,
            charset=server.charset,
            conv={},
            autocommit=True,
            program_name="tidegate",
            ssl=dialling.context,
        )
        self._user = server.user  # without one it would be the name of our own account
        self._server = server
        self._left = MOST_BYTES
        if not server.is_multiple:
            self.client_flag &= ~CLIENT.MULTI_STATEMENTS

    async def open(self) -> None:
        """Dials and logs in. Raises what the library raises, OSError, Refusal, Excess."""
        await self._connect()

    async def first_row(self, statement: str) -> Result:
        """Runs a statement: the first row that comes. What follows is read, within bounds, and left."""
        self._left = MOST_BYTES
        await self.query(statement, unbuffered=True)
        columns, first, rows = None, None, 0
        while True:
            result = self._result
            if result.field_count and columns is None:
                columns = int(result.field_count)
            while result.unbuffered_active:
                row = await result._read_rowdata_packet_unbuffered()
                if row is None:
                    break
                rows += 1
                if rows > MOST_ROWS:
                    raise Excess(f"more than {MOST_ROWS:,} rows")
                first = row if rows == 1 else first
            if not result.has_next:
                return Result(columns, first)
            await self._read_query_result(unbuffered=True)

    async def _read_bytes(self, num_bytes: int) -> Any:
        self._left -= num_bytes
        if self._left < 0:
            self.close()
            raise Excess(f"more than {MOST_BYTES >> 20} MiB")
        return await super()._read_bytes(num_bytes)

    async def _request_authentication(self) -> None:
        wanted = self._server.tls in ("verified", "unverified")
        if wanted and not self.server_capabilities & CLIENT.SSL:
            raise Refusal("it does not speak TLS", "take `tls=true` away, or switch TLS on at the server")
        self._refuse_weak(self._server_auth_plugin.encode())
        self._host = self._server.host  # for the certificate; the connection is there already
        await super()._request_authentication()

    async def _process_auth(self, plugin_name: bytes, auth_packet: Any) -> Any:
        self._refuse_weak(plugin_name)
        return await super()._process_auth(plugin_name, auth_packet)

    def _refuse_weak(self, plugin: bytes) -> None:
        """Any server could ask for the password itself; it is not given away without being told to."""
        if plugin == b"mysql_old_password":
            raise Refusal("it wants a password in the old form", "give the user a login of this century")
        if plugin == b"mysql_clear_password" and not self._server.is_cleartext:
            raise Refusal(
                "it wants the password in clear text",
                "with TLS, `allowCleartextPasswords=true` in connectionString lets it",
            )
