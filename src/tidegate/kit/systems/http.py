"""HTTP: whom to ask and what to ask, for every system that speaks it.

    server = HttpServer("http://prometheus:9090", login=HttpLogin((bearer(token),)))
    request = HttpRequest(server, "/api/v1/query", query=(("query", "up"),))
    answer = await ask(HttpQuestion(request, Json("data.result")))

A scaler with KEDA's `authModes` subclasses `kit.httpaccess.HttpAccess` and need not do the first.
Equal requests are sent once a round, whatever is picked out of their answers, and a body is read once.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import quote, quote_plus, unquote, urlsplit

from tidegate.kit.identity import AwsSignature, IdentityToken
from tidegate.kit.picking.pick import Pick
from tidegate.kit.tls import Tls

LIMIT_BYTES = 4 << 20
"""Longest body that is read, unless the request says otherwise."""

Pairs = tuple[tuple[str, str], ...]

_PORTS = {"http": 80, "https": 443}
# They say where a request ends and how it is carried: not for whoever writes a manifest.
_OF_THE_CONNECTION = frozenset(
    {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"}
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """OAuth2 client credentials: a token is fetched at `token_url`, kept, and sent as a bearer."""

    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    parameters: Pairs = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class HttpLogin:
    """What proves who we are, beside a TLS certificate: headers (`basic`, `bearer`, a key), query
    parameters, a token to be fetched: of an OAuth2 client, or of a cloud's identity; or a signature. None of
    it is ever sent to another origin."""

    headers: Pairs = field(default=(), repr=False)
    query: Pairs = field(default=(), repr=False)
    oauth: OAuthClient | None = None
    token: IdentityToken | None = None
    signature: AwsSignature | None = None

    def fetches_in_tls(self) -> bool:
        """Whether its token comes by https: `tls` is for that, too, whatever the server itself speaks."""
        return self.oauth is not None and self.oauth.token_url.lower().startswith("https:")


@dataclass(frozen=True, slots=True)
class HttpServer:
    """`origin` is `scheme://host[:port]`, as `read_url` gives it: paths belong to requests.

    `tls` counts for https alone, the token server's included. `timeout_s` bounds each exchange, None is the
    usual bound: a server with a time of its own has its own connections, so that slow queries hold up nobody
    else's. `name` is the product's, for people.
    """

    system: ClassVar[str] = "http"

    origin: str
    login: HttpLogin = HttpLogin()
    tls: Tls | None = None
    timeout_s: float | None = None
    name: str = ""
    follows_redirects: bool = True

    def label(self) -> str:
        return f"{self.name} {self.origin}".strip()


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is sent. `path` is encoded already (`path_of`) and may end in a query string, which `query`
    extends. Headers beside those of the login; they stay with the origin too.

    `accepts` are the statuses with an answer to read (none given: 200 to 299), `none_at` those that say
    "there is none": the answer is None. `attempted` is what it is for, for people ("run the query").
    """

    server: HttpServer
    path: str = "/"
    query: Pairs = ()
    method: str = "GET"
    headers: Pairs = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    accepts: tuple[int, ...] = ()
    none_at: tuple[int, ...] = ()
    limit_bytes: int = LIMIT_BYTES
    attempted: str = field(default="", compare=False)

    def target(self) -> str:
        """Path and query, as they go onto the wire but for the login's part of the query."""
        if not self.query:
            return self.path or "/"
        return f"{self.path or '/'}{'&' if '?' in self.path else '?'}{encoded(self.query)}"

    def title(self) -> str:
        """What was attempted, in an error: never the query, which may hold a secret."""
        return self.attempted or f"{self.method} {self.path.partition('?')[0] or '/'}"


@dataclass(frozen=True, slots=True)
class HttpQuestion:
    """A request, and what is wanted of its answer: the answer is what `pick` finds, None for nothing."""

    request: HttpRequest
    pick: Pick

    @property
    def server(self) -> HttpServer:
        return self.request.server


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute URL, taken apart. `path` and `query` are encoded, as written; `login` is its user info."""

    origin: str
    path: str = ""
    query: str = ""
    username: str = ""
    password: str = field(default="", repr=False)

    def target(self) -> str:
        return f"{self.path or '/'}{'?' if self.query else ''}{self.query}"

    def login(self) -> HttpLogin:
        """Basic, where there is user info."""
        has_any = self.username or self.password
        return HttpLogin((basic(self.username, self.password),)) if has_any else HttpLogin()


def read_url(text: str) -> Url:
    """ValueError reads on after the text, which it does not repeat."""
    if any(ord(sign) <= 32 or ord(sign) == 127 for sign in text):
        raise ValueError("holds a blank or a control character")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("is no URL: its host or its port cannot be read") from error
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.netloc:
        raise ValueError("is not an absolute URL (http:// or https:// and a host)")
    if not host or any(sign in host for sign in '\\^|<>"{}`%'):
        raise ValueError("names no host")
    if port == 0:
        raise ValueError("has the port 0")
    shown = f"[{host}]" if ":" in host else host
    where = "" if port in (None, _PORTS[scheme]) else f":{port}"
    origin = f"{scheme}://{shown}{where}"
    query = quote(parts.query, safe="/?:@!$&'()*+,;=~-._%[]")
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Url(origin, path_of(parts.path), query, username, password)


def path_of(path: str) -> str:
    """A path that may go onto the wire: what is encoded stays, what must be encoded is."""
    return quote(path, safe="/:@!$&'()*+,;=~-._%")


def encoded(pairs: Iterable[tuple[str, str]]) -> str:
    """As a form: blanks are `+`."""
    return "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs)


def basic(username: str, password: str) -> tuple[str, str]:
    """The header of HTTP basic authentication."""
    text = base64.b64encode(f"{username}:{password}".encode()).decode()
    return "Authorization", f"Basic {text}"


def bearer(token: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {token}"


def header_problem(name: str, value: str) -> str:
    """Why this cannot be a header, without its value; "" where it can."""
    if _TOKEN.fullmatch(name) is None:
        return "its name is not one that a header may have"
    if name.lower() in _OF_THE_CONNECTION:
        return "it belongs to the connection and cannot be set"
    if any((ord(sign) < 32 and sign != "\t") or ord(sign) == 127 for sign in value):
        return "its value holds a line end or another control character"
    return ""
