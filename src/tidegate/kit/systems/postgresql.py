"""PostgreSQL: whom to ask, and the two forms of a connection string."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import unquote

from tidegate.kit.identity import IdentityToken
from tidegate.kit.systems.calls import ROUND, Calls

Options = tuple[tuple[str, str], ...]

# Of the Go driver, which other clients refuse: how it prepares statements. We never prepare any.
GO_ONLY = frozenset({"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity"})
# What would write into our own file system, log in by a browser, or ask for another protocol.
REFUSED = frozenset(
    {"sslkeylogfile", "replication", "oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope"}
)
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class PostgresqlServer:
    """A PostgreSQL database, by the options of a connection string in their order.

    Several hosts, with a port for each or one for all, are tried in turn. The `token` of an identity is the
    password, where there is one.
    """

    calls: ClassVar[Calls] = ROUND

    system: ClassVar[str] = "postgresql"

    options: Options = field(repr=False)
    token: IdentityToken | None = None

    def get(self, name: str) -> str:
        return dict(self.options).get(name, "")

    def label(self) -> str:
        hosts = (self.get("host") or self.get("hostaddr") or "localhost").split(",")
        ports = (self.get("port") or "5432").split(",")
        ports = ports * len(hosts) if len(ports) == 1 else ports
        where = ", ".join(f"{host}:{port}" for host, port in zip(hosts, ports, strict=False))
        database = self.get("dbname") or self.get("user")
        return f"PostgreSQL {where}" + (f"/{database}" if database else "")


@dataclass(frozen=True, slots=True)
class PostgresqlChannel:
    """To be watched: whether somebody does NOTIFY on the channel."""

    server: PostgresqlServer
    channel: str


def parse_connection(text: str) -> Options:
    """The options of a connection string, a URI or `key=value …`. ValueError never repeats a value."""
    text = text.strip()
    scheme = re.match(r"postgres(ql)?://", text)
    options = dict(_of_uri(text[scheme.end() :]) if scheme else _of_pairs(text))
    for name in options:
        if name in REFUSED:
            raise ValueError(f"the option {name} is not offered")
    if options.get("sslmode", "prefer") not in SSL_MODES:
        raise ValueError(f"its sslmode is not one of {', '.join(SSL_MODES)}")
    return tuple((name, value) for name, value in options.items() if name not in GO_ONLY)


def server_of(connection: str, parts: Mapping[str, str], token: IdentityToken | None) -> PostgresqlServer:
    """By a connection string, else by its parts; a token stands for the password, and wants TLS.

    A string that cannot be read gives no options: `parse_connection` says why, and nobody is asked.
    """
    if connection and token is None:
        try:
            return PostgresqlServer(parse_connection(connection))
        except ValueError:
            return PostgresqlServer(())
    given = dict(parts)
    if token is not None:
        given |= {"sslmode": "verify-full", "password": ""}
    return PostgresqlServer(tuple((name, value) for name, value in given.items() if value), token)


_NAME = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_BARE = re.compile(r"((?:[^\s\\]|\\.)*)", re.DOTALL)


def _of_pairs(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while text[place:].strip():
        name = _NAME.match(text, place)
        if name is None:
            raise ValueError("is neither a URI nor pairs of key=value")
        place = name.end()
        pattern = _QUOTED if text[place : place + 1] == "'" else _BARE
        value = pattern.match(text, place)
        if value is None:
            raise ValueError(f"the quote of its option {name[1]} does not end")
        place = value.end()
        if text[place : place + 1].strip():
            raise ValueError(f"something follows the quoted option {name[1]} without a blank")
        yield name[1], re.sub(r"\\(.)", r"\1", value[1], flags=re.DOTALL)


def _of_uri(rest: str) -> Iterator[tuple[str, str]]:
    rest, _, query = rest.partition("?")
    authority, _, database = rest.partition("/")
    login, at, places = authority.rpartition("@")
    if at:
        user, _, password = login.partition(":")
        yield from ((name, unquote(part)) for name, part in (("user", user), ("password", password)) if part)
    hosts, ports = [], []
    for place in places.split(","):
        address = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?", place)
        if address is None:
            raise ValueError("an address in it is not host:port")
        hosts.append(unquote(address[1].strip("[]")))
        ports.append(address[2] or "")
    yield from ((name, ",".join(parts)) for name, parts in (("host", hosts), ("port", ports)) if any(parts))
    if database:
        yield "dbname", unquote(database)
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError("a parameter in it is not key=value")
        # As libpq reads them: the spelling of JDBC stands for sslmode=require.
        yield ("sslmode", "require") if (name, value) == ("ssl", "true") else (unquote(name), unquote(value))
