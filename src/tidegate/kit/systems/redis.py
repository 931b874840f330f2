"""Redis: whom to ask, what to ask, and the settings by which every Redis trigger names its server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tidegate.base.addresses import bracketed, is_address
from tidegate.base.problems import Problem
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, declared, setting
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.tls import Tls

Mode = Literal["single", "cluster", "sentinel"]


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password. Without a password nothing is sent, as with the Redis clients."""

    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis, a cluster's seeds, or the sentinels that know the master.

    `addresses` are `host:port` (IPv6 hosts in brackets); `master` and `sentinel_login` belong to
    the sentinel mode, where `login` is for the master alone.
    """

    calls: ClassVar[Calls] = ROUND

    system: ClassVar[str] = "redis"

    addresses: tuple[str, ...]
    mode: Mode = "single"
    database: int = 0
    login: Login = Login()
    tls: Tls | None = None
    master: str = ""
    sentinel_login: Login = Login()

    def label(self) -> str:
        where = ", ".join(self.addresses)
        if self.mode == "sentinel":
            return f"Redis master {self.master} (sentinels {where})"
        database = f"/{self.database}" if self.database else ""
        return f"Redis {'cluster ' if self.mode == 'cluster' else ''}{where}{database}"


@dataclass(frozen=True, slots=True)
class RedisLength:
    """How many items the list, set, sorted set or hash `key` has: an int, 0 for a missing key."""

    server: RedisServer
    key: str


@dataclass(frozen=True, slots=True)
class RedisStreamLength:
    """How many entries the stream has: an int, 0 for a missing one."""

    server: RedisServer
    key: str


@dataclass(frozen=True, slots=True)
class RedisStreamPending:
    """How many entries consumers of the group have read and not acknowledged: an int.

    Misconfigured where there is no such stream or group.
    """

    server: RedisServer
    key: str
    group: str


@dataclass(frozen=True, slots=True)
class RedisStreamLag:
    """How many entries the group has still to read: an int.

    A missing stream has none; to a group that does not exist yet all of them are unread. Misconfigured with
    servers older than Redis 7.
    """

    server: RedisServer
    key: str
    group: str


@dataclass(frozen=True, slots=True)
class RedisChanges:
    """To be watched: whether the key changes, whatever kind it is of."""

    server: RedisServer
    key: str


_MAE = (METADATA, AUTHENTICATION, ENVIRONMENT)
_MEA = (METADATA, ENVIRONMENT, AUTHENTICATION)


@declared
class RedisAccess(Polled):
    """The settings of a Redis server; subclass it for each kind of measurement."""

    calls: ClassVar[Calls] = ROUND
    mode: ClassVar[Mode] = "single"

    addresses: tuple[str, ...] = setting(
        "address", "addresses", doc="`host:port`, or several.", default=(), sources=_MAE
    )
    hosts: tuple[str, ...] = setting(
        "host", "hosts", doc="Host, or several; goes with `port`.", default=(), sources=_MEA
    )
    ports: tuple[str, ...] = setting(
        "port", "ports", doc="Port, or one for each host.", default=(), sources=_MEA
    )
    username: str = setting("username", doc="ACL user; used only with a password.", default="", sources=_MEA)
    password: str = setting("password", doc="Password.", default="", sources=_MEA, secret=True)
    database_index: int = setting("databaseIndex", doc="Database; a cluster has only 0.", default=0)
    sentinel_username: str = setting(
        "sentinelUsername", doc="ACL user at the sentinels.", default="", sources=_MAE
    )
    sentinel_password: str = setting(
        "sentinelPassword", doc="Password at the sentinels.", default="", sources=_MAE, secret=True
    )
    sentinel_master: str = setting(
        "sentinelMaster", doc="The master's name at the sentinels.", default="", sources=_MAE
    )
    enable_tls: bool | None = setting("enableTLS", doc="Speak TLS.", default=None)
    tls: Literal["enable", "disable", ""] = setting(
        "tls", doc="Speak TLS; instead of `enableTLS`.", default="", sources=(AUTHENTICATION,)
    )
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate and name.", default=False)
    ca: str = setting("ca", doc="CA certificates (PEM).", default="", sources=(AUTHENTICATION,))
    cert: str = setting(
        "cert", "Cert", doc="Client certificate (PEM).", default="", sources=(AUTHENTICATION,)
    )
    key: str = setting("key", doc="Client key (PEM).", default="", sources=(AUTHENTICATION,), secret=True)
    key_password: str = setting(
        "keyPassword", doc="Password of the client key.", default="", sources=(AUTHENTICATION,), secret=True
    )
    _server: RedisServer = field(init=False, repr=False, compare=False)

    def check(self) -> Iterator[Problem]:
        if self.mode == "sentinel" and not self.sentinel_master:
            yield Problem("sentinelMaster", "the sentinels need a master's name", "FieldValueRequired")
        if not self.addresses and not (self.hosts and self.ports):
            text = (
                "no addresses or hosts given. address should be a comma separated list of host:port "
                "or set the host/port values"
            )
            if self.hosts or self.ports:
                given, lacking = ("host", "port") if self.hosts else ("port", "host")
                text += f": {given} is given without {lacking}"
            yield Problem("address", text, "FieldValueRequired")
        elif self.hosts and self.ports and len(self.hosts) != len(self.ports):
            yield Problem(
                "host",
                "not enough hosts or ports given. number of hosts should be equal to the number of ports",
            )
        else:
            yield from self._bad_addresses()
        if self.enable_tls is not None and self.tls:
            yield Problem(
                "enableTLS", "unable to set `tls` in both ScaledObject and TriggerAuthentication together"
            )

    def notices(self) -> Iterator[Problem]:
        if self.mode == "single" and sum(bool(one) for one in self._all_addresses()) > 1:
            name = "address" if self.addresses else "host"
            text = "only the first of the servers is asked; redis-cluster and redis-sentinel take several"
            yield Problem(name, text)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_server", self._made_server())

    def server(self) -> RedisServer:
        """Whom this trigger asks. Made once: a measurement of thousands would notice."""
        return self._server

    def _made_server(self) -> RedisServer:
        addresses = tuple(_with_host(address) for address in self._all_addresses() if address)
        if self.mode == "single":
            addresses = addresses[:1]
        is_sentinel = self.mode == "sentinel"
        return RedisServer(
            addresses=addresses,
            mode=self.mode,
            database=0 if self.mode == "cluster" else max(0, self.database_index),
            login=_login(self.username, self.password),
            tls=self._tls() if self.enable_tls or self.tls == "enable" else None,
            master=self.sentinel_master if is_sentinel else "",
            sentinel_login=_login(self.sentinel_username, self.sentinel_password) if is_sentinel else Login(),
        )

    def _tls(self) -> Tls:
        return Tls(self.ca, self.cert, self.key, self.key_password, not self.unsafe_ssl)

    def _all_addresses(self) -> tuple[str, ...]:
        pairs = zip(self.hosts, self.ports, strict=False)
        return self.addresses + tuple(f"{bracketed(host)}:{port}" for host, port in pairs)

    def _bad_addresses(self) -> Iterator[Problem]:
        addresses = self._all_addresses()
        for number, address in enumerate(addresses, 1):
            if address and not is_address(_with_host(address)):
                shown = f"address {number}" if "@" in address else f'"{address}"'
                name = "address" if number <= len(self.addresses) else "host"
                yield Problem(name, f"{shown} is not host:port")
        if not any(addresses):
            yield Problem("address", "no address is left when blank ones are dropped", "FieldValueRequired")


def _with_host(address: str) -> str:
    """An address without a host is the local one, as for KEDA's client."""
    return f"localhost{address}" if address.startswith(":") else address


def _login(username: str, password: str) -> Login:
    return Login(username, password) if password else Login()
