"""The settings of a NATS server, and what its monitoring port is asked.

The monitoring port tells how far a consumer is behind; messages go through the clients' port, which is named
where they are claimed or where the server shall say that some have come.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.base.addresses import is_address
from tidegate.base.problems import Problem
from tidegate.kit.picking.pick import Pick
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, declared, setting
from tidegate.kit.systems.http import HttpQuestion, HttpRequest, HttpServer
from tidegate.kit.systems.nats import JSZ, JetStreamPage
from tidegate.kit.systems.nats_client import NatsLogin, NatsServer, is_seed, read_credentials, read_url
from tidegate.kit.tls import Tls

_AM = (AUTHENTICATION, METADATA)
_MA = (METADATA, AUTHENTICATION)
_AE = (AUTHENTICATION, ENVIRONMENT)
_LIMIT_BYTES = 32 << 20


@declared
class NatsAccess(Polled):
    """The settings of a NATS server: its monitoring port, and its clients', of which KEDA knows nothing."""

    endpoint: str = setting(
        "natsServerMonitoringEndpoint", doc="`host:port` of the monitoring port.", sources=_AM
    )
    account: str = setting("account", doc="Account; `$G` is the default one.", default="", sources=_AM)
    account_id: str = setting("accountID", doc="Its id, if it is not its name.", default="", sources=_AM)
    use_https: bool = setting("useHttps", doc="Speak TLS to the monitoring port.", default=False)
    client_url: str = setting(
        "clientUrl",
        doc="The clients' port, `nats://host:4222` or `tls://…`, several with commas: for claims and pushes.",
        default="",
        sources=_MA,
    )
    nats_user: str = setting("natsUser", doc="User there.", default="", sources=_AE)
    nats_password: str = setting("natsPassword", doc="Password.", default="", sources=_AE, secret=True)
    nats_token: str = setting(
        "natsToken", doc="Token, instead of a user.", default="", sources=_AE, secret=True
    )
    nats_creds: str = setting(
        "natsCreds", doc="Text of a credentials file (JWT and seed).", default="", sources=_AE, secret=True
    )
    nats_nkey: str = setting(
        "natsNkey", doc="Seed of a user's NKey (`SU…`).", default="", sources=_AE, secret=True
    )
    ca: str = setting("ca", doc="CA certificates (PEM) of that port.", default="", sources=(AUTHENTICATION,))
    cert: str = setting("cert", doc="Client certificate (PEM).", default="", sources=(AUTHENTICATION,))
    key: str = setting("key", doc="Client key (PEM).", default="", sources=(AUTHENTICATION,), secret=True)
    key_password: str = setting(
        "keyPassword", doc="Password of the client key.", default="", sources=(AUTHENTICATION,), secret=True
    )
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate and name there.", default=False)

    def check(self) -> Iterator[Problem]:
        if not is_address(self.endpoint):
            yield Problem("natsServerMonitoringEndpoint", "is not host:port, without a scheme")
        if not self.account and not self.account_id:
            yield Problem("account", "no account name or id given", "FieldValueRequired")
        if self.client_url:
            yield from self._client_problems()

    def _client_problems(self) -> Iterator[Problem]:
        try:
            read_url(self.client_url)
        except ValueError as error:
            yield Problem("clientUrl", f"it {error}")
        if self.nats_creds:
            try:
                read_credentials(self.nats_creds)
            except ValueError as error:
                yield Problem("natsCreds", f"it {error}")
        if self.nats_nkey and not is_seed(self.nats_nkey.strip()):
            yield Problem("natsNkey", "it is no seed of a user's NKey (SU…)")
        ways = {
            "natsUser": self.nats_user,
            "natsToken": self.nats_token,
            "natsCreds": self.nats_creds,
            "natsNkey": self.nats_nkey,
        }
        given = [name for name, value in ways.items() if value]
        if len(given) > 1:
            yield Problem(given[1], f"is given beside {given[0]}: one login has to be chosen")
        if self.nats_password and not self.nats_user:
            yield Problem("natsPassword", "is given without natsUser")
        if bool(self.cert) != bool(self.key):
            name, other = ("cert", "key") if self.cert else ("key", "cert")
            yield Problem(name, f"is given without {other}")

    def client_server(self) -> NatsServer | None:
        """The clients' port; None where `clientUrl` says nothing, or nothing that can be read."""
        try:
            addresses, is_tls = read_url(self.client_url)
            jwt, seed = read_credentials(self.nats_creds) if self.nats_creds else ("", self.nats_nkey.strip())
        except ValueError:
            return None
        login = NatsLogin(self.nats_user, self.nats_password, self.nats_token, jwt, seed)
        tls = Tls(self.ca, self.cert, self.key, self.key_password, not self.unsafe_ssl)
        return NatsServer(addresses, login, is_tls, tls)

    def streams(self, address: str) -> HttpQuestion:
        """What a node's monitoring port says of the account's streams and consumers."""
        query = (("acc", self.account_id or self.account), ("consumers", "true"))
        return self.page(address, JSZ, JetStreamPage(), query)

    def page(
        self, address: str, path: str, pick: Pick, query: tuple[tuple[str, str], ...] = ()
    ) -> HttpQuestion:
        """A page of a node's monitoring port."""
        server = HttpServer(f"{'https' if self.use_https else 'http'}://{address}", name="NATS")
        attempted = "read the lags" if path == JSZ else "read the nodes"
        request = HttpRequest(server, path, query, limit_bytes=_LIMIT_BYTES, attempted=attempted)
        return HttpQuestion(request, pick)
