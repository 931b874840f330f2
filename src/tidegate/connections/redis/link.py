"""One connection to one Redis node: open, exchange a batch in one round trip, close.

What redis-py raises is turned here into our five errors. A password never appears in one: where a
server repeats what it was sent, its words are left out.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from redis.asyncio.connection import Connection
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ConnectionError,
    InvalidResponse,
    RedisError,
    ResponseError,
)

from tidegate.base.addresses import split_address
from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Resolve
from tidegate.connections.addresses import AddressPolicy, dialable
from tidegate.connections.causes import cause_of
from tidegate.kit.systems.redis import Login

Command = tuple[str | bytes | int, ...]


class Cut(Unreachable):
    """The connection ended while we asked; another one may well work, so it is worth one more try."""


# A node that answers these cannot serve anybody for now.
_UNREADY = {"LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "TRYAGAIN"}


@dataclass(slots=True)
class Traffic:
    """What went over the wire since the adapter was made."""

    round_trips: int = 0
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Dialling:
    """How every node of one server is reached; `timeout_s` bounds the dial and each round trip."""

    traffic: Traffic
    resolve: Resolve
    timeout_s: float
    policy: AddressPolicy
    tls: ssl.SSLContext | None = None


class _Stream(Connection):
    """redis-py's connection, dialling `dialled` but asking for the user's name by TLS."""

    def __init__(self, tls: ssl.SSLContext | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dialled = ""
        self._tls = tls

    def _connection_arguments(self) -> Mapping[str, Any]:
        arguments: dict[str, Any] = {"host": self.dialled, "port": self.port}
        if self._tls is not None:
            arguments |= {"ssl": self._tls, "server_hostname": self.host}
        return arguments

    async def disconnect(
        self,
        nowait: bool = False,
        error: Exception | None = None,
        failure_count: int | None = None,
        health_check_failed: bool = False,
    ) -> None:
        """As redis-py does, but without waiting for TLS' mutual goodbye when there is no time."""
        if nowait and self._writer is not None:
            self._writer.transport.abort()
        await super().disconnect(nowait, error, failure_count, health_check_failed)


class Link:
    """An open connection to `address` (`host:port`, as the user or the cluster names it)."""

    # What the settings of the login are called.
    login_settings: ClassVar[tuple[str, str]] = ("username", "password")

    # The version of Redis' protocol that is spoken.
    protocol: ClassVar[int] = 2

    def __init__(self, address: str, dialling: Dialling, login: Login, database: int = 0) -> None:
        host, port = split_address(address)
        dialled = dialling.resolve(host)
        self.address = address
        self.label = f"Redis {address}" + (f" ({dialled})" if dialled != host else "")
        self._place = host, port
        self._has_password = bool(login.password)
        self._dialling = dialling
        self._stream = _Stream(
            dialling.tls,
            host=host,
            port=port,
            db=database,
            username=login.username or None,
            password=login.password or None,
            protocol=self.protocol,
            driver_info=None,
            socket_timeout=None,
            socket_connect_timeout=dialling.timeout_s,
        )

    @property
    def is_open(self) -> bool:
        return bool(self._stream.is_connected)

    async def open(self) -> None:
        """Dial and log in. Denied, Unreachable, Malformed, by the policy Misconfigured when that fails."""
        try:
            async with asyncio.timeout(self._dialling.timeout_s):
                await self._dial()
        except (RedisError, OSError, TimeoutError) as error:
            await self.close()
            raise self._error(error, "open a connection") from error
        except BaseException:
            await self.close()
            raise
        self._dialling.traffic.connections += 1

    async def _dial(self) -> None:
        """The first of the name's addresses that takes a connection."""
        refused: Exception = OSError("it has no address")
        for address in await dialable(self._dialling, *self._place):
            self._stream.dialled = address
            try:
                await self._stream.connect()  # type: ignore[no-untyped-call]  # redis-py's own gap
            except (AuthenticationError, AuthorizationError, BusyLoadingError):
                raise
            except (ConnectionError, OSError) as error:
                refused = error
            else:
                return
        raise refused

    async def is_clean(self) -> bool:
        """Whether it can be used: open, and nothing has come that nobody asked for."""
        try:
            return self.is_open and not await self._stream.can_read()
        except (RedisError, OSError):
            return False

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """The reply to each command, all sent at once; an error reply is an entry of its own.

        Raises Denied, Unreachable or Malformed when the node as a whole does not answer; the
        connection is closed then.
        """
        stream = self._stream
        self._dialling.traffic.round_trips += 1
        replies: list[Any] = []
        try:
            async with asyncio.timeout(self._dialling.timeout_s):
                await stream.send_packed_command(stream.pack_commands(commands), check_health=False)
                for _ in commands:
                    try:
                        replies.append(await stream.read_response())
                    except ResponseError as error:
                        if str(error).startswith("DENIED"):  # protected mode: nobody is served
                            raise
                        replies.append(error)
        except (RedisError, OSError, TimeoutError) as error:
            await self.close()
            raise self._error(error, "ask") from error
        except BaseException:
            await self.close()
            raise
        return replies

    async def close(self) -> None:
        await self._stream.disconnect(nowait=True)
        await asyncio.sleep(0)  # the socket itself is closed in the loop's next turn

    def _error(self, error: BaseException, attempted: str) -> TidegateError:
        if isinstance(error, AuthenticationError | AuthorizationError):
            return self._denied(str(error))
        if isinstance(error, ResponseError):
            return reply_error(error, attempted, self.label)
        if isinstance(error, BusyLoadingError):
            return Unreachable(attempted, on=self.label, answer="it is still loading its dataset")
        if isinstance(error, InvalidResponse):
            return Malformed(
                attempted,
                on=self.label,
                answer="what came back is not the Redis protocol",
                next_step="check that the port is a Redis port, and whether it wants TLS",
            )
        cause, is_cut = cause_of(error, self._dialling.timeout_s)
        step = "check that the server runs and that host and port are right"
        if self._dialling.tls is not None:
            # A plain port waits for the end of what it takes for a command.
            step += ", and that this port speaks TLS"
        return (Cut if is_cut and attempted == "ask" else Unreachable)(
            attempted, on=self.label, answer=cause, next_step=step
        )

    def _denied(self, said: str) -> Denied:
        """A login that was refused, or is lacking. What the server said only tells which it is."""
        user, password = self.login_settings
        answer = "the user name or the password was not accepted"
        step = f"check `{user}` and `{password}`"
        if "without any password configured" in said or "no password is set" in said:
            answer = "a password was given, and the server has none"
            step = f"leave out `{password}`, or name the user that it belongs to as `{user}`"
        elif not self._has_password:
            answer, step = "it wants a login, and no password was given", f"give `{password}`"
        return Denied("log in", on=self.label, answer=answer, next_step=step)


def reply_error(error: ResponseError, attempted: str, on: str) -> TidegateError:
    """What an error reply of a node means to whoever asked."""
    code, text = error.status_code or str(error).partition(" ")[0], words(error)
    if code in ("NOPERM", "NOAUTH", "WRONGPASS", "DENIED"):
        step = "let the user read this key (TYPE and the length commands; of streams XLEN, XPENDING, XINFO)"
        return Denied(attempted, on=on, answer=text, next_step=step if code == "NOPERM" else "")
    if code in _UNREADY:
        return Unreachable(attempted, on=on, answer=text)
    return Malformed(attempted, on=on, answer=text)


def words(error: ResponseError) -> str:
    """What an error reply says, shortened; without the arguments that Redis repeats in some."""
    text = str(error).partition(", with args beginning with")[0]
    code = error.status_code or ""
    return f"{code} {text}".strip()[:200]
