"""MySQL and MariaDB: whom to ask, and the connection string of Go's driver."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from urllib.parse import unquote, unquote_plus

from tidegate.base.duration import parse_duration
from tidegate.base.literals import parse_bool

TlsMode = Literal["", "verified", "unverified", "preferred"]

_TLS: dict[str, TlsMode] = {"": "", "skip-verify": "unverified", "preferred": "preferred"}
# Options of Go's driver that change nothing of what one number comes to, or nothing that we do.
_IDLE = frozenset(
    {
        "allowAllFiles",
        "allowFallbackToPlaintext",
        "allowNativePasswords",
        "allowOldPasswords",
        "checkConnLiveness",
        "clientFoundRows",
        "collation",
        "columnsWithAlias",
        "compress",
        "connectionAttributes",
        "interpolateParams",
        "loc",
        "maxAllowedPacket",
        "parseTime",
        "rejectReadOnly",
        "serverPubKey",
        "timeTruncate",
        "writeTimeout",
    }
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@]*")


@dataclass(frozen=True, slots=True)
class MysqlServer:
    """A database of a MySQL or MariaDB; with `socket`, host and port mean nothing.

    `settings` are session variables and the SQL of their values. `is_multiple` lets one query be several
    statements. `read_limit_s` is the longest a query may take where it is shorter than ours.
    """

    system: ClassVar[str] = "mysql"

    host: str = ""
    port: int = 3306
    socket: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""
    tls: TlsMode = ""
    charset: str = "utf8mb4"
    settings: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    is_multiple: bool = False
    is_cleartext: bool = False
    dial_limit_s: float | None = None
    read_limit_s: float | None = None

    def label(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        where = self.socket or f"{host}:{self.port}"
        return f"MySQL {where}" + (f"/{self.database}" if self.database else "")


def parse_connection(text: str) -> MysqlServer:
    """`[user[:password]@][tcp[(address)]]/database[?name=value&…]`. ValueError never repeats a value."""
    before, slash, after = text.rpartition("/")
    if not slash:
        raise ValueError("has no slash before the database's name")
    login, at, place = before.rpartition("@")
    user, _, password = login.partition(":") if at else ("", "", "")
    database, _, query = after.partition("?")
    found = re.fullmatch(r"([^()]*)(?:\((.*)\))?", place)
    if found is None:
        hint = "a slash in a parameter is written %2F" if ")" in place else "its bracket does not close"
        raise ValueError(f"has an address that cannot be read: {hint}")
    network, address = found[1] or "tcp", found[2] or ""
    where = _place(network, address)
    return MysqlServer(
        host=where[0],
        port=where[1],
        socket=where[2],
        user=user,
        password=password,
        database=unquote(database),
        **_options(_pairs(query)),
    )


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of `host[:port]`, by default 127.0.0.1 and 3306. ValueError for what is none."""
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]\s]*)(?::([0-9]{1,5}))?", address)
    port = int(found[2] or 3306) if found else 0
    if found is None or not 0 < port < 65536:
        raise ValueError("has an address that is not host:port")
    return found[1].strip("[]") or "127.0.0.1", port


def _place(network: str, address: str) -> tuple[str, int, str]:
    if network == "unix":
        return "", 3306, address or "/tmp/mysql.sock"
    if network != "tcp":
        raise ValueError("has a network other than tcp and unix")
    return (*parse_address(address), "")


def _pairs(query: str) -> dict[str, str]:
    pairs = {}
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise ValueError("has a parameter that is not name=value")
        pairs[name] = unquote_plus(value)
    return pairs


def _options(pairs: Mapping[str, str]) -> dict[str, Any]:
    """What the parameters mean to us; those that Go's driver does not know are session variables."""
    options: dict[str, Any] = {}
    settings = []
    for name, value in pairs.items():
        if name == "tls":
            options["tls"] = _tls(value)
        elif name == "charset":
            options["charset"] = value.partition(",")[0]
        elif name in ("multiStatements", "allowCleartextPasswords"):
            key = "is_multiple" if name == "multiStatements" else "is_cleartext"
            options[key] = _read(name, value, parse_bool)
        elif name in ("timeout", "readTimeout"):
            key = "dial_limit_s" if name == "timeout" else "read_limit_s"
            options[key] = _read(name, value, parse_duration) or None
        elif name not in _IDLE:
            settings.append((name, value))
    return {**options, "settings": tuple(settings)}


def _tls(value: str) -> TlsMode:
    if value.lower() in _TLS:
        return _TLS[value.lower()]
    try:
        return "verified" if parse_bool(value) else ""
    except ValueError:
        raise ValueError(
            "has a tls other than true, false, skip-verify and preferred: named ones cannot be registered"
        ) from None


def _read(name: str, value: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"has a {name} that {error}") from None
