"""SQL Server: whom to ask, and the three forms of a connection string that Go's driver takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal
from urllib.parse import unquote, unquote_plus

from tidegate.base.literals import parse_bool
from tidegate.kit.identity import IdentityToken

Encryption = Literal["off", "login", "on"]
"""Of nothing, of the login alone (where the server can), or of everything."""

_NAMES = {
    "host": ("server", "data source", "address", "addr", "network address"),
    "port": ("port",),
    "user": ("user id", "uid", "user", "username"),
    "password": ("password", "pwd"),
    "database": ("database", "initial catalog"),
    "encrypt": ("encrypt",),
    "trust": ("trustservercertificate", "trust server certificate"),
    "certificate host": ("hostnameincertificate",),
    "certificate": ("certificate", "servercertificate"),
    "intent": ("applicationintent", "application intent"),
    "identity": ("fedauth", "authenticator", "integrated security", "trusted_connection"),
}
_ALIASES = {alias: name for name, aliases in _NAMES.items() for alias in aliases}


@dataclass(frozen=True, slots=True)
class MssqlServer:
    """A SQL Server. `certificate_host` is whom its certificate must name, where that is not `host`."""

    system: ClassVar[str] = "mssql"

    host: str = ""
    port: int = 1433
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""
    encryption: Encryption = "login"
    is_verified: bool = False
    certificate_host: str = ""
    is_read_only: bool = False
    token: IdentityToken | None = None

    def label(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"SQL Server {host}:{self.port}" + (f"/{self.database}" if self.database else "")


def parse_connection(text: str) -> MssqlServer:
    """A URL (`sqlserver://…`), ADO's `key=value;…`, or the same after `odbc:`. ValueError shows no value."""
    text = text.strip()
    if text.lower().startswith("sqlserver://"):
        return _server(dict(_of_url(text[len("sqlserver://") :])))
    if text.lower().startswith("odbc:"):
        return _server(dict(_of_odbc(text[len("odbc:") :])))
    return _server(dict(_of_ado(text)))


def _of_url(rest: str) -> Iterator[tuple[str, str]]:
    rest, _, query = rest.partition("?")
    login, at, place = rest.rpartition("@")
    if at:
        user, _, password = login.partition(":")
        yield "user", unquote(user)
        yield "password", unquote(password)
    place, slash, instance = place.partition("/")
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]+))?", place)
    if found is None:
        raise ValueError("has an address that is not host:port")
    yield "host", unquote(found[1].strip("[]")) + (f"\\{instance}" if slash and instance else "")
    if found[2]:
        yield "port", found[2]
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError("has a parameter that is not name=value")
        if key := _ALIASES.get(unquote_plus(name).lower()):
            yield key, unquote_plus(value)


def _of_ado(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";"):
        if part.strip():
            name, equals, value = part.partition("=")
            if not equals:
                raise ValueError("has a part that is not key=value")
            if key := _ALIASES.get(name.strip().lower()):
                yield key, value.strip()


_PAIR = re.compile(r"\s*([^=;]+?)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;]*)\s*(?:;|\Z)")


def _of_odbc(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while text[place:].strip(" ;"):
        found = _PAIR.match(text, place)
        if found is None:
            raise ValueError("has a part that is not key=value")
        place, value = found.end(), found[2].strip()
        if value.startswith("{"):
            value = value[1:-1].replace("}}", "}")
        if key := _ALIASES.get(found[1].lower()):
            yield key, value


def _server(given: Mapping[str, str]) -> MssqlServer:
    if given.get("identity", "").lower() not in ("", "false", "no", "ntlm"):
        raise ValueError("logs in with an identity: leave `fedauth` out and name the identity in podIdentity")
    if given.get("certificate"):
        raise ValueError("names a file with `certificate`, which is not offered: the system's roots are used")
    host, port = _place(given.get("host", ""), given.get("port", ""))
    encryption, is_verified = _encryption(given)
    return MssqlServer(
        host=host,
        port=port,
        user=given.get("user", ""),
        password=given.get("password", ""),
        database=given.get("database", ""),
        encryption=encryption,
        is_verified=is_verified,
        certificate_host=given.get("certificate host", ""),
        is_read_only=given.get("intent", "").lower() == "readonly",
    )


def _place(host: str, port: str) -> tuple[str, int]:
    host = host.removeprefix("tcp:").strip()
    if not port and re.search(r",\s*[0-9]+$", host):
        host, _, port = host.rpartition(",")
    host, _, instance = host.partition("\\")
    if instance and not port:
        raise ValueError("names an instance: give its port instead")
    if not re.fullmatch(r"[0-9]{0,5}", port.strip()) or not 0 < int(port or 1433) < 65536:
        raise ValueError("has a port that is not a number from 1 to 65535")
    host = host.strip()
    return "localhost" if host in ("", ".", "(local)") else host, int(port or 1433)


def _encryption(given: Mapping[str, str]) -> tuple[Encryption, bool]:
    """Without `encrypt` the login alone is encrypted, by whatever certificate; with it, it must be right."""
    words = given.get("encrypt", "").lower()
    trust = given.get("trust", "")
    try:
        is_trusting = parse_bool(trust.lower()) if trust else not words
        if words == "strict":
            raise ValueError("is strict, which comes later")
        if words == "disable":
            return "off", False
        if words in ("mandatory", "yes"):
            return "on", not is_trusting
        if words in ("", "optional", "no"):
            return "login", not is_trusting
        return "on" if parse_bool(words) else "login", not is_trusting
    except ValueError as error:
        name = "encrypt" if words == "strict" or not trust else "encrypt or TrustServerCertificate"
        raise ValueError(f"has a value of {name} that {error}") from None
