"""ClickHouse: a server that speaks its native protocol, strings of the Go driver, and answers over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from tidegate.base.duration import parse_duration
from tidegate.base.literals import parse_bool
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer
from tidegate.kit.systems.sql import NO_ROW
from tidegate.kit.tls import Tls

PORT = 9000

_NATIVE = ("clickhouse", "tcp", "native")
_WEB = ("http", "https")
# Of the Go driver's pool and its wire: they mean nothing here.
_IGNORED = frozenset(
    {
        "alt_hosts", "block_buffer_size", "block_size", "client_info_product", "compress", "compress_level",
        "conn_max_lifetime", "connection_open_strategy", "debug", "http_path", "http_proxy",
        "max_compression_buffer", "max_idle_conns", "max_open_conns", "pool_size", "read_timeout",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClickhouseServer:
    """`places` are hosts and ports of which any can answer. `settings` go with each query.

    `web` is the scheme of a server that is asked over HTTP; "" for the native protocol.
    """

    system: ClassVar[str] = "clickhouse"

    places: tuple[tuple[str, int], ...] = ()
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = "default"
    tls: Tls | None = None
    settings: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    dial_limit_s: float | None = None
    web: str = ""

    def label(self) -> str:
        shown = ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.places
        )
        return f"ClickHouse {shown}/{self.database}"


def read_dsn(text: str, tls: Tls | None) -> ClickhouseServer:
    """`clickhouse://user:password@host:9000,host2:9000/database?name=value`. ValueError repeats no value.

    `tls` is what the parameters say beside the string; `secure` and `skip_verify` in it count too.
    """
    scheme, separator, _ = text.partition("://")
    if not separator or scheme not in (*_NATIVE, *_WEB):
        raise ValueError("does not begin with clickhouse://")
    # Several hosts are nothing that a URL can have: they are cut out before it is read.
    rest = text[len(scheme) + 3 :]
    cut = min((rest.find(sign) for sign in "/?#" if sign in rest), default=len(rest))
    login, at, hosts = rest[:cut].rpartition("@")
    try:
        parts = urlsplit(f"x://x{rest[cut:]}")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError as error:
        raise ValueError("is no URL") from error
    user, _, password = login.partition(":") if at else ("", "", "")
    server = ClickhouseServer(
        places=tuple(_place(one.strip(), scheme) for one in hosts.split(",")),
        user=options.pop("username", unquote(user)) or "default",
        password=options.pop("password", unquote(password)),
        database=options.pop("database", unquote(parts.path.strip("/"))) or "default",
        web=scheme if scheme in _WEB else "",
    )
    is_secure, is_blind = (_flag(options.pop(name, "")) for name in ("secure", "skip_verify"))
    if tls is not None or is_secure or scheme == "https":
        server = replace(server, tls=replace(tls or Tls(), is_verified=_is_verified(tls, is_blind)))
        server = replace(server, web="https" if server.web else "")
    if limit := options.pop("dial_timeout", ""):
        server = replace(server, dial_limit_s=_seconds(limit))
    return replace(server, settings=tuple((k, v) for k, v in options.items() if k not in _IGNORED))


def _is_verified(tls: Tls | None, is_blind: bool) -> bool:
    return not is_blind and (tls is None or tls.is_verified)


def _place(text: str, scheme: str = "") -> tuple[str, int]:
    try:
        parts = urlsplit(f"x://{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("has a host or a port that cannot be read") from error
    if not host or port == 0 or "@" in text or any(ord(sign) <= 32 for sign in text):
        raise ValueError("names no host")
    return host, port or {"http": 8123, "https": 8443}.get(scheme, PORT)


def _flag(text: str) -> bool:
    try:
        return parse_bool(text) if text else False
    except ValueError as error:
        raise ValueError("has secure or skip_verify that is not true or false") from error


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError("has a dial_timeout that is no duration") from error


def web_request(server: ClickhouseServer, statement: str) -> HttpRequest:
    """The query over HTTP; ClickHouse changes nothing for a GET, whoever asks."""
    host, port = server.places[0]
    shown = f"[{host}]" if ":" in host else host
    login = HttpLogin((("X-ClickHouse-User", server.user), ("X-ClickHouse-Key", server.password)))
    at = HttpServer(f"{server.web}://{shown}:{port}", login, server.tls, 9.0, "ClickHouse")
    asked = (("database", server.database), ("default_format", "JSONCompact"), ("query", statement))
    return HttpRequest(at, "/", (*server.settings, *asked), attempted="run the query", limit_bytes=1 << 20)


@dataclass(frozen=True, slots=True)
class FirstCell:
    """The only column of the first row in JSONCompact; `NO_ROW` where there is no row."""

    format: ClassVar[str] = "jsoncompact"

    @staticmethod
    def read(body: bytes) -> Any:
        return read_json(body)

    def of(self, document: Any) -> Any:
        rows = document.get("data") if isinstance(document, dict) else None
        columns = document.get("meta") if isinstance(document, dict) else None
        if not isinstance(rows, list) or not isinstance(columns, list):
            raise Unpicked(
                "the answer holds no rows", "check the address: what answers there is no ClickHouse"
            )
        if len(columns) != 1:
            raise Unpicked(f"it gives {len(columns)} columns", "let it give one number")
        if not rows:
            return NO_ROW
        if not isinstance(rows[0], list) or len(rows[0]) != 1:
            raise Unpicked("the answer holds a row that is none")
        return rows[0][0]
