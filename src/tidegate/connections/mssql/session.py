"""The adapter for one SQL Server database."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import dialable
from tidegate.connections.causes import cause_of
from tidegate.connections.identity_logins import forget, token_of
from tidegate.connections.mssql import messages
from tidegate.connections.mssql.channel import Channel, Excess
from tidegate.connections.mssql.tokens import Answer, Refusal, Tokens
from tidegate.connections.mssql.values import Other
from tidegate.connections.queries import (
    MOST_BYTES,
    Cut,
    Found,
    QueryConnection,
    Spoiling,
    columns,
    too_much,
    too_slow,
)
from tidegate.connections.tls import client_context
from tidegate.kit.identity import IdentityToken
from tidegate.kit.systems.mssql import MssqlServer
from tidegate.kit.systems.sql import NO_ROW, SqlQuery
from tidegate.kit.tls import Tls

# How long the server may take to stop a batch that it was told to stop, as a share of the time for all.
_STOPPING = 1 / 9
_MOST_WORDS = 200
_UNREADABLE = (ValueError, LookupError, struct.error, OverflowError)

# Severity from which on the server ends the session.
_FATAL = 20
_BUSY = frozenset(
    {1205, 1222, 8645, 10928, 10929, 17142, 17197, 18401, 40197, 40501, 40613, 49918, 49919, 49920}
)
_DENIED = frozenset({229, 230, 297, 300, 916})
_SAID = {
    102: "its syntax is wrong",
    105: "a quote in it does not end",
    156: "its syntax is wrong",
    207: "a column in it does not exist",
    208: "a table in it does not exist",
    229: "the permission was denied",
    230: "the permission was denied",
    245: "a value cannot be converted",
    911: "its database does not exist",
    916: "the database may not be used",
    1205: "it was the victim of a deadlock",
    1222: "it waited too long for a lock",
    2812: "its procedure does not exist",
    4060: "the database does not exist, or may not be used",
    8114: "a value cannot be converted",
    8134: "it divides by zero",
    18456: "the user or the password was not accepted",
    18470: "the login is disabled",
    18486: "the login is locked",
    18487: "the password has expired",
    18488: "the password must be changed",
    40613: "the database is not available at present",
    40615: "the server's firewall does not let us in",
}


class MssqlConnection(QueryConnection):
    """One connection, opened by the first question. Each batch begins with the session as it was at first."""

    def __init__(self, server: MssqlServer, surroundings: Surroundings) -> None:
        super().__init__(server, surroundings)
        self._at = server
        self._channel: Channel | None = None
        self._token = ""
        self._is_fresh = True

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
            await asyncio.sleep(0)  # the socket itself is closed in the loop's next turn

    # --- opening

    async def _open(self) -> None:
        if self._channel is not None:
            return
        if self._at.token is None:
            await self._opened()
        else:
            await self._opened_with(self._at.token)
        self.connections += 1

    async def _opened_with(self, login: IdentityToken) -> None:
        """With a token, which takes its own time, not the server's. One that is refused is replaced once."""
        for is_last in (False, True):
            self._token = await token_of(login, self._surroundings)
            try:
                await self._opened()
            except Denied as error:
                if not forget(login, self._surroundings, self._token) or is_last:
                    step = f"make the {login.identity.label()} a user of the database"
                    raise Denied(error.attempted, on=error.on, answer=error.answer, next_step=step) from error
            else:
                return
            finally:
                self._token = ""

    async def _opened(self) -> None:
        limit_s = self._surroundings.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                host, port = self._at.host, self._at.port
                for _ in range(2):
                    route = await self._enter(host, port)
                    if route is None:
                        break
                    host, port = route
                else:
                    raise self._unreachable("it sends us from one server to the next")
        except TimeoutError as error:
            raise self._unreachable(f"no answer within {limit_s:g} s") from error
        except OSError as error:
            raise self._unreachable(cause_of(error, limit_s)[0]) from error
        except (*_UNREADABLE, Excess) as error:
            raise self._strange("open a connection") from error

    async def _enter(self, host: str, port: int) -> tuple[str, int] | None:
        """Dials and logs in; or where else the server wants us to do so, as Azure's gateways do."""
        channel = await self._dialled(host, port)
        try:
            answer = await self._logged_in(channel)
            if answer.error is not None or not answer.is_logged_in:
                raise self._login_error(answer.error)
            if answer.route is not None:
                channel.close()
                return answer.route
        except BaseException:
            channel.close()
            raise
        self._channel, self._is_fresh = channel, True
        return None

    async def _dialled(self, host: str, port: int) -> Channel:
        addresses = await dialable(self._surroundings, host, port)
        for number, address in enumerate(addresses, 1):
            try:
                return Channel(*await asyncio.open_connection(address, port))
            except OSError:
                if number == len(addresses):
                    raise
        raise AssertionError("there is always an address")

    async def _logged_in(self, channel: Channel) -> Answer:
        at = self._at
        channel.allow(MOST_BYTES)
        wanted = {
            "off": messages.ENCRYPT_NOT_SUPPORTED,
            "login": messages.ENCRYPT_OFF,
            "on": messages.ENCRYPT_ON,
        }[at.encryption]
        is_federated = at.token is not None
        hello = messages.prelogin(wanted, is_federated=is_federated)
        await channel.send(messages.packets(messages.PRELOGIN, hello))
        reply = await channel.message()
        offered = messages.encryption_of(reply)
        is_whole = offered in (messages.ENCRYPT_ON, messages.ENCRYPT_REQUIRED)
        if at.encryption == "on" and not is_whole:
            raise Denied(
                "log in", on=self._label, answer="it does not speak TLS", next_step="take `encrypt` away"
            )
        if at.encryption == "off" and is_whole:
            raise Denied("log in", on=self._label, answer="it wants TLS", next_step="take `encrypt` away")
        if is_whole or (offered == messages.ENCRYPT_OFF and at.encryption == "login"):
            await channel.secure(await self._context(), at.certificate_host or at.host)
        echoes, nonce = messages.federation_of(reply) if is_federated else (False, b"")
        who = messages.Login(
            at.user, at.password, at.database, at.host, at.is_read_only, self._token, echoes, nonce
        )
        await channel.send(messages.packets(messages.LOGIN, messages.login(who)))
        if not is_whole:
            channel.reveal()
        return await Tokens(channel).answer()

    async def _context(self) -> ssl.SSLContext:
        tls, policy = Tls(is_verified=self._at.is_verified), self._surroundings.tls
        context = await asyncio.to_thread(client_context, tls, policy)
        # What follows a handshake of TLS 1.3 has no place in packets of PRELOGIN.
        context.minimum_version = min(policy.least, ssl.TLSVersion.TLSv1_2)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    # --- asking

    async def _ask(self, questions: Sequence[SqlQuery], found: Found) -> None:
        for query in questions:
            self.round_trips += 1
            outcome = await self._outcome(query.statement)
            if isinstance(outcome, Cut):
                raise outcome
            found[query] = outcome
            if isinstance(outcome, Spoiling) or self._channel is None:
                await self.close()
                return

    async def _outcome(self, statement: str) -> Any:
        channel = self._channel
        assert channel is not None
        try:
            answer = await self._run(channel, statement)
        except Excess as excess:
            text = str(excess) if "rows" in str(excess) else f"more than {MOST_BYTES >> 20} MiB"
            return too_much(self._label, text)
        except OSError as error:
            words, _ = cause_of(error, self._surroundings.queries_s)
            return Cut("run the queries", on=self._label, answer=words, next_step="check that it runs")
        except _UNREADABLE:
            return Spoiling("run the query", on=self._label, answer="what came back cannot be read")
        if answer is None:
            answer_words = "it does not answer, not even to being told to stop"
            return Cut("run the queries", on=self._label, answer=answer_words, next_step="check that it runs")
        if answer.is_interrupted:
            return too_slow(self._label, self.statement_s)
        return self._read(answer)

    async def _run(self, channel: Channel, statement: str) -> Answer | None:
        """The answer to a batch; after its time that to being told to stop, None where there is none."""
        channel.allow(MOST_BYTES)
        status, self._is_fresh = 0 if self._is_fresh else messages.RESET, False
        sent = messages.packets(messages.BATCH, messages.batch(statement), status=status)
        await channel.send(sent)
        reading = asyncio.ensure_future(Tokens(channel).answer())
        try:
            await asyncio.wait([reading], timeout=self.statement_s)
            if reading.done():
                return reading.result()
            await channel.send(messages.packets(messages.ATTENTION, b""))
            # What was on its way comes first, perhaps to its end; that it was stopped comes last.
            while True:
                await asyncio.wait([reading], timeout=self._surroundings.queries_s * _STOPPING)
                if not reading.done():
                    return None
                if reading.result().is_interrupted:
                    return reading.result()
                reading = asyncio.ensure_future(Tokens(channel).answer())
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    def _read(self, answer: Answer) -> Any:
        if answer.error is not None:
            return self._query_error(answer.error)
        if answer.columns != 1:
            return columns(self._label, answer.columns)
        if not answer.has_row:
            return NO_ROW
        if isinstance(answer.value, Other):
            return Malformed(
                "run the query",
                on=self._label,
                answer=f"it gives a {answer.value.name}",
                next_step="let it give one number",
            )
        return answer.value

    # --- what errors mean

    def _login_error(self, error: Refusal | None) -> TidegateError:
        if error is None:
            return self._strange("log in")
        answer = _words(error, "the login was refused")
        if error.number in _BUSY:
            return Unreachable("log in", on=self._label, answer=answer)
        step = "check user, password and database"
        found = Denied("log in", on=self._label, answer=answer, next_step=step)
        found.excerpt = error.text[:_MOST_WORDS]
        return found

    def _query_error(self, error: Refusal) -> TidegateError:
        """What an error of the server means. Its words stay out: a batch can make them of anything."""
        answer = _words(error, "it was refused")
        found: TidegateError
        if error.severity >= _FATAL:
            return Cut("run the queries", on=self._label, answer=answer, next_step="check that it runs")
        if error.number in _DENIED:
            step = "give the user the right to read what the query reads"
            found = Denied("run the query", on=self._label, answer=answer, next_step=step)
        elif error.number in _BUSY:
            found = Unreachable("run the query", on=self._label, answer=answer)
        else:
            found = Malformed("run the query", on=self._label, answer=answer, next_step="correct the query")
        found.excerpt = error.text[:_MOST_WORDS]
        return found

    def _strange(self, attempted: str) -> Malformed:
        return Malformed(
            attempted,
            on=self._label,
            answer="what came back is not the protocol of SQL Server",
            next_step="check that the port is that of a SQL Server",
        )

    def _unreachable(self, answer: str) -> Unreachable:
        return Unreachable(
            "open a connection",
            on=self._label,
            answer=answer,
            next_step="check that the server runs, and that host and port are right",
        )


def _words(error: Refusal, otherwise: str) -> str:
    return f"{_SAID.get(error.number, otherwise)} (error {error.number})"
