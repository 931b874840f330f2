"""The settings by which a trigger names its RabbitMQ, over AMQP or the management API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from tidegate.base.addresses import bracketed
from tidegate.base.problems import Problem
from tidegate.core.claims.wishes import Wishes, loop_problem
from tidegate.kit.identity import IdentityToken
from tidegate.kit.scaler import Pushed
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, Duration, declared, setting
from tidegate.kit.systems.azure_clouds import scope_of
from tidegate.kit.systems.claims import Source
from tidegate.kit.systems.http import HttpLogin, HttpServer, OAuthClient, basic, path_of, read_url
from tidegate.kit.systems.rabbitmq import AmqpServer, ManagementServer, RoutedMessages
from tidegate.kit.systems.rabbitmq_claims import KEPT, RabbitmqQueueSource
from tidegate.kit.tls import Tls

_PORTS = {"amqp": 5672, "amqps": 5671}
_HTTP = ("http", "https")


@dataclass(frozen=True, slots=True)
class Address:
    """What the setting `host` says; `path` is as it was written, percent signs and all."""

    scheme: str
    host: str
    port: int | None
    path: str
    username: str = ""
    password: str = field(default="", repr=False)
    has_query: bool = False

    @property
    def is_http(self) -> bool:
        return self.scheme in _HTTP

    @property
    def vhost(self) -> str:
        """The virtual host: all of the path for AMQP, its last segment over HTTP; `/` where none is named."""
        path = self.path.rpartition("/")[2] if self.is_http else self.path.removeprefix("/")
        return unquote(path) or "/"

    def origin(self) -> str:
        """Scheme, host and port of an address over HTTP."""
        port = "" if self.port in (None, 80 if self.scheme == "http" else 443) else f":{self.port}"
        return f"{self.scheme}://{bracketed(self.host)}{port}"

    @property
    def prefix(self) -> str:
        """What stands before the virtual host over HTTP, without a slash at its end."""
        return path_of("".join(f"/{part}" for part in self.path.split("/")[:-1] if part))


def read_address(text: str, assumed: str) -> Address:
    """The parts of `host`; without a scheme it is `assumed`. ValueError reads on after "host"."""
    if any(sign.isspace() or not sign.isprintable() for sign in text):
        raise ValueError("holds blanks; write them as %20")
    try:
        parts = urlsplit(text if "://" in text else f"{assumed}://{text}")
        port = parts.port
    except ValueError:
        raise ValueError(_NO_ADDRESS) from None
    if not parts.hostname:
        raise ValueError("names no server")
    if parts.fragment or port == 0:
        raise ValueError(_NO_ADDRESS)
    return Address(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port,
        path=parts.path,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        has_query=bool(parts.query),
    )


_NO_ADDRESS = (
    "is not scheme://user:password@host:port/vhost; characters such as / ? # @ % in a password are written "
    "as %2F %3F %23 %40 %25, or the password is given as `password`"
)
_AE = (AUTHENTICATION, ENVIRONMENT)
_MAE = (METADATA, AUTHENTICATION, ENVIRONMENT)
_A = (AUTHENTICATION,)


@declared
class RabbitmqAccess(Pushed):
    """The settings of a broker; subclass it for each kind of measurement."""

    is_claimable: ClassVar[bool] = True
    has_channels: ClassVar[bool] = True
    longest_channel: ClassVar[int] = 511

    host: str = setting(
        "host",
        doc="`amqp://user:password@host:5672/vhost`, or the management API's "
        "`http://user:password@host:15672/vhost`; `amqps` and `https` speak TLS.",
        sources=_MAE,
        hidden=True,
    )
    protocol: Literal["auto", "http", "amqp"] = setting(
        "protocol",
        doc="`amqp`, or `http` for the management API; `auto` goes by the scheme of `host`.",
        default="auto",
        sources=(METADATA, AUTHENTICATION),
    )
    vhost_name: str = setting(
        "vhostName",
        doc="Virtual host, as it is called; instead of the one in `host`.",
        default="",
        sources=(METADATA, AUTHENTICATION),
    )
    username: str = setting(
        "username", doc="User; instead of the one in `host`.", default="", sources=_AE, hidden=True
    )
    password: str = setting(
        "password", doc="Password; with `username`.", default="", sources=_AE, secret=True
    )
    timeout: Duration | None = setting(
        "timeout", doc="Longest wait for an answer of the management API.", default=None
    )
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate and name.", default=False)
    tls: Literal["enable", "disable"] = setting(
        "tls", doc="Use `ca`, `cert` and `key` for TLS.", default="disable", sources=_A
    )
    ca: str = setting("ca", doc="CA certificates (PEM).", default="", sources=_A)
    cert: str = setting(
        "cert",
        doc="Client certificate (PEM); over AMQP and without a password it logs in.",
        default="",
        sources=_A,
    )
    key: str = setting("key", doc="Client key (PEM).", default="", sources=_A, secret=True)
    key_password: str = setting(
        "keyPassword", doc="Password of the client key.", default="", sources=_A, secret=True
    )

    workload_identity: str = setting(
        "workloadIdentityResource",
        doc="Azure application of the broker (`api://…`), for whom an identity's token is.",
        default="",
        sources=_A,
    )
    oauth_token_uri: str = setting(
        "oauthTokenURI", doc="Where OAuth2 tokens for the management API are fetched.", default="", sources=_A
    )
    client_id: str = setting("clientID", doc="OAuth2 client.", default="", sources=_A)
    client_secret: str = setting("clientSecret", doc="Its secret.", default="", sources=_A, secret=True)
    scopes: tuple[str, ...] = setting("scopes", "scope", doc="OAuth2 scopes.", default=(), sources=_A)
    endpoint_params: str = setting(
        "endpointParams",
        doc="Further parameters of the token request, as a query string.",
        default="",
        sources=_A,
        secret=True,
    )
    _server: AmqpServer | ManagementServer | None = field(init=False, repr=False, compare=False)

    def check(self) -> Iterator[Problem]:
        if bool(self.username) != bool(self.password):
            yield Problem("username", "username and password must be given together", "FieldValueRequired")
        if bool(self.cert) != bool(self.key):
            yield Problem("cert", "both key and certificate must be provided", "FieldValueRequired")
        yield from self._oauth_problems()
        if self.workload_identity and not self.is_http():
            yield Problem("workloadIdentityResource", "workload identity is for protocol http alone")
        elif self.workload_identity and self.identity is not None:
            yield from self._identity_problems()
        address = self._read_host()
        if isinstance(address, Problem):
            yield address

    def notices(self) -> Iterator[Problem]:
        address = self._read_host()
        if isinstance(address, Problem):
            return
        if "://" not in self.host:
            yield Problem("host", f"host has no scheme: {address.scheme}:// is assumed; write it in front")
        if address.scheme in ("amqp", "http") and self.tls == "enable":
            yield Problem(
                "tls", f"nothing is encrypted: the scheme of host is {address.scheme}, not {address.scheme}s"
            )
        if address.has_query:
            yield Problem("host", "what follows the ? in host is not used")
        if not address.is_http and self.timeout is not None:
            yield Problem("timeout", "timeout has an effect with protocol http alone")
        if address.is_http and self.scope.channel:
            yield Problem("host", "it is only polled: an exchange is listened to over AMQP alone")

    def __post_init__(self) -> None:
        address = self._read_host()
        server = None if isinstance(address, Problem) else self._made_server(address)
        object.__setattr__(self, "_server", server)

    def server(self) -> AmqpServer | ManagementServer:
        """Whom this trigger asks. Made once: a measurement of thousands would notice."""
        assert self._server is not None, "check() has found a problem with the host"
        return self._server

    def watch(self) -> RoutedMessages | None:
        """The binding that an annotation names; over AMQP alone."""
        server, binding = self._server, self.scope.channel
        return RoutedMessages(server, binding) if binding and isinstance(server, AmqpServer) else None

    def claimed_from(self, queue: str, wishes: Wishes) -> Source | None:
        """What messages are claimed from: over AMQP alone."""
        server = self.server()
        if not isinstance(server, AmqpServer):
            return None
        return RabbitmqQueueSource(server, queue, wishes.dead_letter)

    def claim_problem(self, wishes: Wishes) -> str:
        source = self.claim_source(wishes)
        if not isinstance(source, RabbitmqQueueSource):
            return "messages are claimed over AMQP alone; give a host that begins with amqp"
        if any(name.startswith(KEPT) for name in (source.queue, source.dead_letter)):
            return f"queues whose names begin with {KEPT} hold the claims of ScaledJobs; name another"
        return loop_problem(source.queue, source.dead_letter)

    def vhost(self) -> str:
        """The virtual host that is asked, for a scaler without problems."""
        address = self._read_host()
        return self.vhost_name or ("/" if isinstance(address, Problem) else address.vhost)

    def is_http(self) -> bool:
        """Whether the management API is asked; by the protocol alone where `host` cannot be read."""
        address = self._read_host()
        return self.protocol == "http" if isinstance(address, Problem) else address.is_http

    def _made_server(self, address: Address) -> AmqpServer | ManagementServer:
        if address.is_http:
            return self._management(address)
        has_password = bool(self.password or address.password)
        is_tls = address.scheme == "amqps"
        return AmqpServer(
            host=address.host,
            port=address.port or _PORTS.get(address.scheme, 0),
            vhost=self.vhost_name or address.vhost,
            username=self.username or address.username or "guest",
            password=self.password or address.password or "guest",
            tls=self._tls() if is_tls else None,
            is_external=is_tls and self.tls == "enable" and bool(self.cert) and not has_password,
        )

    def _management(self, address: Address) -> ManagementServer:
        username, password = address.username, address.password
        if self.username:
            username, password = self.username, self.password
        login = HttpLogin((basic(username, password),)) if username or password else HttpLogin()
        if self.oauth_token_uri:
            parameters = tuple(parse_qsl(self.endpoint_params, keep_blank_values=True))
            scopes = tuple(scope for scope in self.scopes if scope)
            client = OAuthClient(self.oauth_token_uri, self.client_id, self.client_secret, scopes, parameters)
            login = HttpLogin(oauth=client)
        if self.identity is not None and self.workload_identity:
            login = HttpLogin(token=IdentityToken(self.identity, scope_of(self.workload_identity)))
        tls = self._tls() if address.scheme == "https" or login.fetches_in_tls() else None
        if tls is not None and login.token is not None:
            tls = replace(tls, is_verified=True)
        http = HttpServer(address.origin(), login, tls, self.timeout or None, "RabbitMQ")
        return ManagementServer(http, address.prefix)

    def _tls(self) -> Tls:
        if self.tls == "disable":
            return Tls(is_verified=not self.unsafe_ssl)
        return Tls(self.ca, self.cert, self.key, self.key_password, not self.unsafe_ssl)

    def _read_host(self) -> Address | Problem:
        scheme = "http" if self.protocol == "http" else "amqp"
        if self.tls == "enable":
            scheme += "s"
        try:
            address = read_address(self.host, scheme)
        except ValueError as error:
            return Problem("host", f"host {error}")
        if address.is_http:
            try:
                read_url(address.origin())
            except ValueError as error:
                return Problem("host", f"host {error}")
        if self.protocol == "auto" and address.scheme not in (*_PORTS, *_HTTP):
            return Problem("host", f"unknown host URL scheme: {address.scheme}", "FieldValueNotSupported")
        wanted = _HTTP if self.protocol == "http" else _PORTS
        if self.protocol != "auto" and address.scheme not in wanted:
            text = f"the scheme of host is {address.scheme}, which does not go with protocol {self.protocol}"
            return Problem("host", text)
        return address

    def _identity_problems(self) -> Iterator[Problem]:
        """A token for one of Microsoft's own services would be good for more than this broker."""
        if not self.workload_identity.startswith("api://"):
            message = "must be the broker's own application, as api://…: its token goes to this host"
            yield Problem("workloadIdentityResource", message)
        address = self._read_host()
        if not isinstance(address, Problem) and address.scheme != "https":
            yield Problem("host", "an identity's token goes over https alone")

    def _oauth_problems(self) -> Iterator[Problem]:
        """OAuth2 is whole or not there, for the management API alone, and the only way to log in."""
        given = {
            "oauthTokenURI": self.oauth_token_uri,
            "clientID": self.client_id,
            "clientSecret": self.client_secret,
        }
        if not any(given.values()):
            return
        for name, text in given.items():
            if not text:
                message = "OAuth2 needs oauthTokenURI, clientID and clientSecret"
                yield Problem(name, message, "FieldValueRequired")
        if self.oauth_token_uri:
            try:
                read_url(self.oauth_token_uri)
            except ValueError as error:
                yield Problem("oauthTokenURI", f"oauthTokenURI {error}")
        if self.username or self.password:
            yield Problem("oauthTokenURI", "OAuth2 and username with password cannot be used together")
        if self.workload_identity:
            yield Problem("oauthTokenURI", "OAuth2 and workload identity cannot be used together")
        if not self.is_http():
            yield Problem("oauthTokenURI", "OAuth2 is for protocol http alone")
