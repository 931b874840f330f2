"""The settings by which a trigger over HTTP says who it is: KEDA's `authModes`, whole, in one base class.

    @declared
    class Things(HttpAccess):
        types: ClassVar[tuple[str, ...]] = ("things",)
        product: ClassVar[str] = "Things"
        url: str = setting("serverAddress", doc="Base URL.")

        def address(self) -> tuple[str, str]:
            return "serverAddress", self.url

        async def measure(self, ask: Ask, now: datetime) -> float:
            request = HttpRequest(self.server(), f"{self.base()}/count")
            return number(await ask(HttpQuestion(request, Json("count"))), request)

The address and the modes are checked here; user info in the address counts as `basic` where no mode sends
an `Authorization`. Every mode that may be listed is applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import ClassVar, Literal
from urllib.parse import parse_qsl

from tidegate.base.problems import Problem
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, METADATA, declared, setting
from tidegate.kit.systems.http import (
    HttpLogin,
    HttpServer,
    OAuthClient,
    Url,
    basic,
    bearer,
    header_problem,
    read_url,
)
from tidegate.kit.tls import Tls

AuthMode = Literal["apiKey", "basic", "tls", "bearer", "custom", "oauth"]

_MA = (METADATA, AUTHENTICATION)
_A = (AUTHENTICATION,)
_EXCLUSIVE = ("bearer", "basic", "oauth")


@declared
class HttpAccess(Polled):
    """Whom a trigger asks over HTTP, and as whom. Subclass it for each system; see the module."""

    product: ClassVar[str] = ""

    auth_modes: tuple[AuthMode, ...] = setting(
        "authModes",
        "authMode",
        doc="How to log in; of `basic`, `bearer` and `oauth` at most one.",
        default=(),
        sources=_MA,
    )
    username: str = setting("username", doc="User, for `basic`.", default="", sources=_A)
    password: str = setting("password", doc="Password, for `basic`.", default="", sources=_A, secret=True)
    bearer_token: str = setting(
        "bearerToken", "token", doc="Token, for `bearer`.", default="", sources=_A, secret=True
    )
    cert: str = setting("cert", doc="Client certificate (PEM), for `tls`.", default="", sources=_A)
    key: str = setting("key", doc="Client key (PEM), for `tls`.", default="", sources=_A, secret=True)
    ca: str = setting("ca", doc="CA certificates (PEM), trusted beside the system's.", default="", sources=_A)
    custom_auth_header: str = setting(
        "customAuthHeader", doc="Name of a header, for `custom`.", default="", sources=_A
    )
    custom_auth_value: str = setting("customAuthValue", doc="Its value.", default="", sources=_A, secret=True)
    api_key: str = setting("apiKey", doc="Key, for `apiKey`.", default="", sources=_MA, secret=True)
    api_key_method: Literal["header", "query", ""] = setting(
        "method", doc="Where the key goes; a header by default.", default="", sources=_MA
    )
    key_param_name: str = setting(
        "keyParamName",
        doc="Name of that header (`X-API-KEY`) or parameter (`api_key`).",
        default="",
        sources=_MA,
    )
    oauth_token_uri: str = setting(
        "oauthTokenURI", doc="Where tokens are fetched, for `oauth`.", default="", sources=_A
    )
    client_id: str = setting("clientID", doc="Client, for `oauth`.", default="", sources=_A)
    client_secret: str = setting("clientSecret", doc="Its secret.", default="", sources=_A, secret=True)
    scopes: tuple[str, ...] = setting("scopes", "scope", doc="Scopes to ask for.", default=(), sources=_A)
    endpoint_params: str = setting(
        "endpointParams",
        doc="Further parameters of the token request, as a query string.",
        default="",
        sources=_A,
        secret=True,
    )
    _server: HttpServer = field(init=False, repr=False, compare=False)
    _url: Url = field(init=False, repr=False, compare=False)

    def address(self) -> tuple[str, str]:
        """The name of the setting that holds the URL, and the URL."""
        raise NotImplementedError

    def tls(self) -> Tls:
        """How to speak TLS, where the address wants it. A class with `unsafeSsl` says more."""
        return self.tls_of(is_verified=True)

    def tls_of(self, *, is_verified: bool) -> Tls:
        """The settings' certificates; the client's own is shown in mode `tls` alone."""
        has_pair = "tls" in self.auth_modes
        return Tls(self.ca, self.cert if has_pair else "", self.key if has_pair else "", "", is_verified)

    def timeout_s(self) -> float | None:
        """A bound of the trigger's own for each exchange, in seconds; None is the usual one."""
        return None

    def server(self) -> HttpServer:
        """Whom this trigger asks. Made once: a measurement of thousands would notice."""
        return self._server

    def url(self) -> Url:
        """The address, taken apart."""
        return self._url

    def base(self) -> str:
        """The path of the address, encoded, without slashes at its end: to be extended."""
        return self._url.path.rstrip("/")

    def login(self, given: HttpLogin = HttpLogin()) -> HttpLogin:  # noqa: B008
        """What the modes say; `given` comes from the address, for where they name nobody."""
        headers: dict[str, tuple[str, str]] = {}
        query: tuple[tuple[str, str], ...] = ()
        modes = self.auth_modes
        added = list(given.headers)
        if "custom" in modes and self.custom_auth_header:
            added.append((self.custom_auth_header, self.custom_auth_value))
        if "apiKey" in modes and self.api_key_method == "query":
            query = ((self.key_param_name or "api_key", self.api_key),)
        elif "apiKey" in modes:
            added.append((self.key_param_name or "X-API-KEY", self.api_key))
        if "basic" in modes:
            added.append(basic(self.username, self.password))
        if "bearer" in modes:
            added.append(bearer(self.bearer_token))
        for name, value in added:
            headers[name.lower()] = (name, value)
        return HttpLogin(tuple(headers.values()), query, self._oauth() if "oauth" in modes else None)

    def check(self) -> Iterator[Problem]:
        yield from self._mode_problems()
        name, text = self.address()
        given = HttpLogin()
        try:
            given = read_url(text).login()
        except ValueError as error:
            shown = "its value" if "@" in text else f'"{text}"'
            yield Problem(name, f"{shown} {error}")
        for header, value in self.login(given).headers:
            if problem := header_problem(header, value):
                yield Problem(self._origin_of(header), problem)

    def __post_init__(self) -> None:
        """A broken address is a problem of `check`; it leads nowhere until then."""
        try:
            url = read_url(self.address()[1])
        except ValueError:
            url = Url("")
        login = self.login(url.login())
        server = HttpServer(
            url.origin,
            login,
            self.tls() if url.origin.startswith("https:") or login.fetches_in_tls() else None,
            self.timeout_s(),
            self.product,
        )
        object.__setattr__(self, "_url", url)
        object.__setattr__(self, "_server", server)

    def _mode_problems(self) -> Iterator[Problem]:
        modes = self.auth_modes
        if sum(one in modes for one in _EXCLUSIVE) > 1:
            yield Problem("authModes", f"must contain only one of [{' '.join(_EXCLUSIVE)}]")
        if "bearer" in modes and not self.bearer_token:
            yield _needed("bearerToken", "bearer token=<empty> is required when bearer auth is enabled")
        if "basic" in modes and not self.username:
            yield _needed("username", "username=<empty> is required when basic auth is enabled")
        if "apiKey" in modes and not self.api_key:
            yield _needed("apiKey", "apiKey is required when apiKey auth is enabled")
        for mode, called, pairs in (
            ("tls", "tls auth", (("cert", self.cert), ("key", self.key))),
            ("oauth", "oauth", (("oauthTokenURI", self.oauth_token_uri), ("clientID", self.client_id))),
            (
                "custom",
                "custom auth",
                (("customAuthHeader", self.custom_auth_header), ("customAuthValue", self.custom_auth_value)),
            ),
        ):
            missing = [name for name, text in pairs if not text]
            if mode in modes and missing:
                states = " and ".join(f"{name}=<{'present' if text else 'empty'}>" for name, text in pairs)
                yield _needed(missing[0], f"{states} are required when {called} is enabled")
        if "oauth" in modes and self.oauth_token_uri:
            try:
                read_url(self.oauth_token_uri)
            except ValueError as error:
                yield Problem("oauthTokenURI", f"its value {error}")

    def _oauth(self) -> OAuthClient:
        return OAuthClient(
            self.oauth_token_uri,
            self.client_id,
            self.client_secret,
            tuple(one for one in self.scopes if one),
            tuple(parse_qsl(self.endpoint_params, keep_blank_values=True)),
        )

    def _origin_of(self, header: str) -> str:
        """The setting that a bad header comes from."""
        if "custom" in self.auth_modes and header == self.custom_auth_header:
            return "customAuthHeader"
        if "apiKey" in self.auth_modes and header == (self.key_param_name or "X-API-KEY"):
            return "keyParamName" if header_problem(header, "") else "apiKey"
        return "bearerToken" if "bearer" in self.auth_modes else "username"


def _needed(name: str, message: str) -> Problem:
    return Problem(name, message, "FieldValueRequired")
