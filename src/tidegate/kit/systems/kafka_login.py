"""How the `kafka` trigger logs in beyond a password: OAuth tokens, and Kerberos, which is checked alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from tidegate.base.problems import Problem
from tidegate.kit.settings import AUTHENTICATION, METADATA, declared, setting
from tidegate.kit.systems.kafka import Mechanism, Sasl, TokenEndpoint
from tidegate.kit.systems.kafka_settings import KafkaAccess
from tidegate.kit.tls import Tls

_A = (AUTHENTICATION,)


@declared
class KafkaLogins(KafkaAccess):
    """The settings of `oauthbearer` and `gssapi`, and TLS that verifies nothing."""

    mechanisms: ClassVar[tuple[str, ...]] = (
        "plaintext",
        "scram_sha256",
        "scram_sha512",
        "oauthbearer",
        "gssapi",
    )
    iam_mechanism: ClassVar[Mechanism] = "OAUTHBEARER"

    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate and name.", default=False)
    sasl_token_provider: Literal["bearer", "aws_msk_iam"] = setting(
        "saslTokenProvider",
        doc="Who gives `oauthbearer` its token.",
        default="bearer",
        sources=(METADATA, AUTHENTICATION),
    )
    token_uri: str = setting(
        "oauthTokenEndpointUri", doc="Token endpoint; `username` and `password` are its client.",
        default="", sources=_A,
    )  # fmt: skip
    scopes: tuple[str, ...] = setting("scopes", doc="OAuth scopes.", default=(), sources=_A)
    extensions: tuple[str, ...] = setting(
        "oauthExtensions", doc="SASL extensions, as `k=v,k=v`.", default=(), sources=_A
    )
    realm: str = setting("realm", doc="Kerberos realm.", default="", sources=_A)
    kerberos_config: str = setting("kerberosConfig", doc="Text of krb5.conf.", default="", sources=_A)
    keytab: str = setting(
        "keytab", doc="Kerberos keytab, instead of `password`.", default="", sources=_A, secret=True
    )
    kerberos_service: str = setting(
        "kerberosServiceName", doc="Kerberos service of the brokers.", default="kafka", sources=_A
    )
    is_fast_disabled: bool = setting(
        "kerberosDisableFAST", doc="Kerberos without FAST.", default=False, sources=_A
    )

    def is_iam(self) -> bool:
        return self.sasl_name() == "oauthbearer" and self.sasl_token_provider == "aws_msk_iam"

    def bad_credentials(self, name: str) -> Iterator[Problem]:
        if name in ("plaintext", "scram_sha256", "scram_sha512"):
            yield from self.missing(username=self.username, password=self.password)
        elif name == "oauthbearer":
            needed = {"username": self.username, "password": self.password}
            yield from self.missing(**needed, oauthTokenEndpointUri=self.token_uri)
            if self.token_uri and not self.token_uri.startswith(("http://", "https://")):
                yield Problem("oauthTokenEndpointUri", "it is no http or https address")
            if any(extension.count("=") != 1 for extension in self.extensions):
                yield Problem("oauthExtensions", "invalid OAuthBearer extension, must be of format key=value")
        elif name == "gssapi":
            given = {"username": self.username, "realm": self.realm, "kerberosConfig": self.kerberos_config}
            yield from self.missing(**given)
            if bool(self.keytab) == bool(self.password):
                yield Problem("keytab", "exactly one of 'password' or 'keytab' must be provided")

    def made_sasl(self, mechanism: Mechanism) -> Sasl:
        if mechanism != "OAUTHBEARER":
            return KafkaAccess.made_sasl(self, mechanism)
        pairs = tuple((name, value) for name, _, value in (one.partition("=") for one in self.extensions))
        tokens = TokenEndpoint(self.token_uri, tuple(one for one in self.scopes if one), pairs)
        return Sasl(mechanism, self.username, self.password, tokens)

    def made_tls(self) -> Tls:
        return Tls(self.ca, self.cert, self.key, self.key_password, not self.unsafe_ssl)
