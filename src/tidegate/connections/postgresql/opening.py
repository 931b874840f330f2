"""From a server value to an open connection, or to the error that says why there is none."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from ssl import TLSVersion

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import Refused, dialable, misconfigured
from tidegate.connections.identity_logins import forget, token_of
from tidegate.connections.tls import with_roots
from tidegate.connections.tls_policy import TlsPolicy
from tidegate.kit.systems.postgresql import PostgresqlServer
from tidegate.runtime.pem_file import pem_file

# What the autoscaler's own account could log in with is not lent to whoever writes a connection string.
_NOT_LENT = {
    "password": "",
    "passfile": "/dev/null/none",
    "gssencmode": "disable",
    "require_auth": "!gss,!sspi",
}
_ROOTS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_NOT_YET = re.compile(r"starting up|shutting down|too many (clients|connections)|connection slots|recovery")
_UNKNOWN = re.compile(
    r"no password supplied|no pg_hba\.conf entry|authentication method|not allowed by local"
)
_STRANGE = re.compile(
    r"invalid response to SSL|expected authentication request|unsupported frontend protocol"
)
_BAD_OPTION = re.compile(r"connection is bad|bad value for|.*(connection option|connection info)")
_BAD_SETTING = re.compile(r"(invalid value for|unrecognized configuration) parameter")
_LONGEST = 200

Connection = psycopg.AsyncConnection[tuple[object, ...]]


async def open_connection(server: PostgresqlServer, surroundings: Surroundings) -> Connection:
    """A new connection without a transaction of its own. Raises one of the five.

    A token that is refused is replaced once.
    """
    if server.token is None:
        return await _opened(server, surroundings, {})
    for is_last in (False, True):
        token = await token_of(server.token, surroundings)
        try:
            return await _opened(server, surroundings, {"password": token})
        except Denied as error:
            if not forget(server.token, surroundings, token) or is_last:
                step = f"give the {server.token.identity.label()} a role in the server"
                raise Denied(error.attempted, on=error.on, answer=error.answer, next_step=step) from error
    raise AssertionError("the last try ends it")


async def _opened(server: PostgresqlServer, surroundings: Surroundings, given: dict[str, str]) -> Connection:
    parameters = _parameters(server) | await _dialled(server, surroundings) | given
    hosts = parameters.get("host", "").count(",") + 1
    limit_s = min(surroundings.timeout_s * hosts, surroundings.queries_s)
    if hosts > 1:
        # Each gets its share, so that one that is silent does not hide the next.
        parameters.setdefault("connect_timeout", str(max(2, round(surroundings.timeout_s))))
    try:
        async with asyncio.timeout(limit_s):
            with _roots(parameters, surroundings.tls) as roots:
                return await psycopg.AsyncConnection.connect(
                    make_conninfo("", **parameters, **roots), autocommit=True, prepare_threshold=None
                )
    except TimeoutError as error:
        raise _unreachable(server.label(), f"no answer within {limit_s:g} s") from error
    except psycopg.Error as error:
        raise opening_error(str(error), server.label()) from error
    except UnicodeError as error:
        answer = "an option of the connection string cannot be sent"
        raise Misconfigured("open a connection", on=server.label(), answer=answer) from error


def _parameters(server: PostgresqlServer) -> dict[str, str]:
    """The options as the client library takes them."""
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    given = {"dbname" if name == "database" else name: value for name, value in server.options}
    parameters = {name: value for name, value in given.items() if name in known}
    settings = {name: value for name, value in given.items() if name not in known}
    if settings:
        own = " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())
        parameters["options"] = f"{parameters.get('options', '')} {own}".strip()
    for name, value in _NOT_LENT.items():
        parameters.setdefault(name, value)
    parameters.setdefault("application_name", "tidegate")
    parameters.setdefault("client_encoding", "UTF8")
    return {name: value for name, value in parameters.items() if value or name == "password"}


def _escaped(value: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", value)


async def _dialled(server: PostgresqlServer, surroundings: Surroundings) -> dict[str, str]:
    """Where to dial, as options: addresses beside the hosts' names, which stay for TLS."""
    dialled: list[tuple[str, str, str]] = []
    for host, port, address in _places(server):
        found: tuple[str, ...] = (address or host,)
        is_local = host.startswith(("/", "@"))
        if is_local and not surroundings.policy.is_open:
            raise misconfigured(host, Refused(host, "a socket of the autoscaler's own machine"))
        if not is_local and (any(found) or not surroundings.policy.is_open):
            number = int(port) if port.isascii() and port.isdigit() else 0
            found = await dialable(surroundings, address or host or "localhost", number)
        dialled += ((host, port, one) for one in found)
    if any(_is_address(address) for _, _, address in dialled):
        # A name among addresses is left to the client: its place among them is empty.
        columns = zip(*((h, p, a if _is_address(a) else "") for h, p, a in dialled), strict=True)
        return dict(zip(("host", "port", "hostaddr"), map(",".join, columns), strict=True))
    if all(address == host for host, _, address in dialled):
        return {}
    return {"host": ",".join(address for _, _, address in dialled)}


def _places(server: PostgresqlServer) -> list[tuple[str, str, str]]:
    """Host, port and address of each server; Misconfigured where their numbers differ."""
    hosts, addresses = server.get("host").split(","), server.get("hostaddr").split(",")
    count = max(len(hosts), len(addresses))
    ports = (server.get("port") or "5432").split(",")
    columns = [part * count if len(part) == 1 and not part[0] else part for part in (hosts, addresses)]
    columns.insert(1, ports * count if len(ports) == 1 else ports)
    if any(len(column) != count for column in columns):
        raise _mistaken(server.label(), f"{len(ports)} ports for {count} hosts")
    return list(zip(*columns, strict=True))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@contextmanager
def _roots(parameters: Mapping[str, str], policy: TlsPolicy) -> Iterator[dict[str, str]]:
    """The options that say whom to trust, and the least version of TLS, where the string leaves them open."""
    found: dict[str, str] = {}
    if "ssl_min_protocol_version" not in parameters:
        found["ssl_min_protocol_version"] = "TLSv1.3" if policy.least > TLSVersion.TLSv1_2 else "TLSv1.2"
    if not parameters.get("sslmode", "").startswith("verify") or parameters.get("sslrootcert"):
        yield found
    elif policy.authorities:
        with pem_file(with_roots("", policy)) as path:
            yield {**found, "sslrootcert": path}
    else:
        yield {**found, "sslrootcert": _system_roots()}


def _system_roots() -> str:
    """The file of the system's trusted roots; libpq by itself looks for one in the user's home."""
    own = ssl.get_default_verify_paths().cafile
    return next((path for path in (own, *_ROOTS) if path and Path(path).exists()), "system")


def opening_error(text: str, label: str) -> TidegateError:
    """What the client library's words mean. What they quote is left out where it may be a secret."""
    first = text.strip().partition("\n")[0]
    if _BAD_OPTION.match(first):
        return _mistaken(label, _unquoted(first.removeprefix("connection is bad: ")))
    if "failed to resolve host" in first:
        return _unreachable(label, "its name has no address")
    said = re.sub(r"^.*? failed: (?=\S)", "", first.removeprefix("connection failed: "))[:_LONGEST]
    is_refusal = said.startswith("FATAL:")
    words = said.removeprefix("FATAL:").strip()
    if _STRANGE.search(said):
        return Malformed(
            "open a connection",
            on=label,
            answer="what came back is not the PostgreSQL protocol",
            next_step="check that the port is that of a PostgreSQL",
        )
    if is_refusal and _BAD_SETTING.match(words):
        return _mistaken(label, words.partition('": ')[0])
    if is_refusal and _NOT_YET.search(words):
        return Unreachable("open a connection", on=label, answer=words)
    if is_refusal or _UNKNOWN.search(words):
        return Denied("log in", on=label, answer=words, next_step="check user, password and database")
    return _unreachable(label, words[:1].lower() + words[1:] if words[1:2].islower() else words)


def _mistaken(label: str, answer: str) -> Misconfigured:
    step = "correct the connection string"
    return Misconfigured("open a connection", on=label, answer=answer[:_LONGEST], next_step=step)


def _unquoted(text: str) -> str:
    return re.sub(r"""(["']).*\1""", "…", text)


def _unreachable(label: str, answer: str) -> Unreachable:
    return Unreachable(
        "open a connection",
        on=label,
        answer=answer,
        next_step="check that the server runs, that host and port are right, and whether it wants TLS",
    )
