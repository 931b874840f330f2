"""The settings by which the Kafka triggers name their cluster, their group and what lag means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from typing import Any, ClassVar, Literal

from tidegate.base.addresses import split_address
from tidegate.base.problems import Problem
from tidegate.kit.identity import AwsKeys, AwsLogin, Identity, Provider, aws_identity
from tidegate.kit.scaler import Measured, Pushed
from tidegate.kit.settings import (
    AUTHENTICATION,
    ENVIRONMENT,
    METADATA,
    activation,
    declared,
    setting,
    target,
)
from tidegate.kit.systems.aws_keys import (
    access_key_setting,
    owner_setting,
    role_setting,
    secret_key_setting,
    session_token_setting,
)
from tidegate.kit.systems.kafka import (
    GroupOffsets,
    KafkaRecords,
    KafkaServer,
    LagRules,
    Mechanism,
    Range,
    Sasl,
    lag,
    offsets,
)
from tidegate.kit.tls import Tls

_ME = (METADATA, ENVIRONMENT)
_A = (AUTHENTICATION,)

MECHANISMS: dict[str, Mechanism] = {
    "plaintext": "PLAIN",
    "scram_sha256": "SCRAM-SHA-256",
    "scram_sha512": "SCRAM-SHA-512",
    "oauthbearer": "OAUTHBEARER",
    "gssapi": "GSSAPI",
    "aws_msk_iam": "AWS_MSK_IAM",
}
SASL_DOC = "How to log in: `none`, `plaintext`, `scram_sha256`, `scram_sha512`, `oauthbearer`."

COST = (
    "one metadata request, one ListOffsets per broker and, from Kafka 3.0 on, one OffsetFetch per "
    "coordinator (before that one per group, sent together), over one connection per broker; "
    "one more to each broker that has a topic which is listened to"
)
TESTED_AGAINST = "Kafka 4.4 (real; one broker, and three)"

LONGEST_TOPIC = 249

PERSISTENT_SHARE = 0.9
"""A commit that stands still for this share of the polling interval has not moved since the last poll."""


@declared
class KafkaAccess(Pushed):
    """The settings of both Kafka triggers; each subclass adds its own.

    `mechanisms` are the values of `sasl` as KEDA writes them, without `none`.
    """

    has_channels: ClassVar[bool] = True
    longest_channel: ClassVar[int] = LONGEST_TOPIC
    mechanisms: ClassVar[tuple[str, ...]] = ()
    iam_mechanism: ClassVar[Mechanism] = "AWS_MSK_IAM"
    identities: ClassVar[tuple[Provider, ...]] = ("aws", "aws-eks")
    measured_with: ClassVar[tuple[Provider, ...]] = ("aws", "aws-eks")

    bootstrap_servers: tuple[str, ...] = setting(
        "bootstrapServers", doc="Brokers to ask first, each `host:port`.", sources=_ME
    )
    consumer_group: str = setting("consumerGroup", doc="Group whose lag is measured.", sources=_ME)
    lag_threshold: int = target("lagThreshold", doc="Lag that one replica should carry.", default=10)
    activation_lag_threshold: int = activation("activationLagThreshold", doc="Active above this lag.")
    offset_reset_policy: Literal["latest", "earliest"] = setting(
        "offsetResetPolicy",
        doc="What a partition without a commit counts: 1 with `latest`, all there is with `earliest`.",
        default="latest",
    )
    partition_limitation: tuple[str, ...] = setting(
        "partitionLimitation", doc="Only these partitions, as `1,2,10-20`; needs `topic`.", default=()
    )
    allow_idle_consumers: bool = setting(
        "allowIdleConsumers", doc="Allow more replicas than there are partitions.", default=False
    )
    scale_to_zero_on_invalid_offset: bool = setting(
        "scaleToZeroOnInvalidOffset", doc="A partition without a commit counts 0.", default=False
    )
    exclude_persistent_lag: bool = setting(
        "excludePersistentLag",
        doc="Make no replicas for a partition whose commit has not moved since the last poll.",
        default=False,
    )
    limit_to_partitions_with_lag: bool = setting(
        "limitToPartitionsWithLag", doc="At most one replica per partition with lag.", default=False
    )
    ensure_even_distribution: bool = setting(
        "ensureEvenDistributionOfPartitions",
        doc="Round up to a number of replicas that divides the number of partitions.",
        default=False,
    )
    tls: Literal["enable", "disable", ""] = setting(
        "tls", doc="Speak TLS.", default="disable", sources=(METADATA, AUTHENTICATION)
    )
    ca: str = setting("ca", doc="CA certificates (PEM).", default="", sources=_A)
    cert: str = setting("cert", doc="Client certificate (PEM).", default="", sources=_A)
    key: str = setting("key", doc="Client key (PEM).", default="", sources=_A, secret=True)
    key_password: str = setting(
        "keyPassword", doc="Password of the client key.", default="", sources=_A, secret=True
    )
    sasl: str = setting("sasl", doc=SASL_DOC, default="none", sources=(METADATA, AUTHENTICATION))
    username: str = setting("username", doc="User.", default="", sources=_A, secret=True)
    password: str = setting("password", doc="Password.", default="", sources=_A, secret=True)
    aws_region: str = setting("awsRegion", doc="Region, for MSK IAM.", default="")
    access_key_id: str = access_key_setting(", for MSK IAM")
    secret_access_key: str = secret_key_setting()
    session_token: str = session_token_setting()
    role_arn: str = role_setting(", for MSK IAM")
    identity_owner: str = owner_setting("`operator`: the autoscaler's own identity, for MSK IAM.")
    _server: KafkaServer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_server", self._made_server())

    # --- what a subclass says

    def topics(self) -> tuple[str, ...]:
        """The topics that are named; none means those of the group."""
        raise NotImplementedError

    def is_iam(self) -> bool:
        """Whether an AWS identity logs in."""
        return self.sasl_name() == "aws_msk_iam"

    def asks_as(self) -> Identity | None:
        """The AWS identity that logs in, where one does and no keys are given."""
        if not self.is_iam():
            return None
        return aws_identity(self.identity, self.identity_owner, self.role_arn)

    def written_sasl(self) -> str:
        return self.sasl

    def speaks_tls(self) -> bool:
        return self.tls == "enable"

    # --- what a measurement needs

    def server(self) -> KafkaServer:
        """Whom this trigger asks. Made once: a measurement of thousands would notice."""
        return self._server

    def metric_name_of(self, topics: str) -> str:
        return f"kafka-{topics}" if topics else f"kafka-{self.consumer_group}-topics"

    def ranges(self) -> tuple[Range, ...]:
        """The partitions it is limited to; empty for all."""
        return partition_ranges(self.partition_limitation) if self.topics() else ()

    def rules(self) -> LagRules:
        persistent_s = self.scope.interval_s * PERSISTENT_SHARE if self.exclude_persistent_lag else None
        return LagRules(
            threshold=self.lag_threshold,
            is_latest=self.offset_reset_policy == "latest",
            is_zero_without_commit=self.scale_to_zero_on_invalid_offset,
            persistent_s=persistent_s,
            allow_idle=self.allow_idle_consumers,
            limit_to_lag=self.limit_to_partitions_with_lag,
            ensure_even=self.ensure_even_distribution,
        )

    def watch(self) -> KafkaRecords | None:
        """The topic that an annotation names."""
        return KafkaRecords(self.server(), self.scope.channel) if self.scope.channel else None

    def question(self, *, of_members: bool = False) -> GroupOffsets:
        return GroupOffsets(
            self.server(),
            self.consumer_group,
            self.topics(),
            self.ranges(),
            of_members=of_members,
            with_starts=self.offset_reset_policy == "earliest" and not self.scale_to_zero_on_invalid_offset,
            is_repeated=self.exclude_persistent_lag,
        )

    def measured(self, answer: Any, question: GroupOffsets) -> Measured:
        """The capped lag; the lag that there is decides whether anything is to be done."""
        found = lag(offsets(answer, question), self.rules())
        return Measured((float(found.total),), found.raw > self.activation_lag_threshold)

    # --- what is wrong, and what is worth saying

    def check(self) -> Iterator[Problem]:
        yield from self.problems()

    def problems(self) -> Iterator[Problem]:
        yield from self._bad_addresses()
        if self.lag_threshold <= 0:
            yield Problem("lagThreshold", '"lagThreshold" must be positive number')
        if self.activation_lag_threshold < 0:
            yield Problem("activationLagThreshold", '"activationLagThreshold" must be positive number')
        if self.allow_idle_consumers and self.limit_to_partitions_with_lag:
            yield Problem(
                "allowIdleConsumers",
                "allowIdleConsumers and limitToPartitionsWithLag cannot be set simultaneously",
            )
        if self.limit_to_partitions_with_lag and not self.topics():
            yield Problem("topic", "topic must be specified when using limitToPartitionsWithLag", REQUIRED)
        if self.topics():
            yield from self._bad_limitation()
        yield from self._bad_login()
        if self.speaks_tls() and bool(self.cert) != bool(self.key):
            missing = "key" if self.cert else "cert"
            yield Problem(
                missing, f"{missing} must be provided with {'cert' if self.cert else 'key'}", REQUIRED
            )

    def _bad_addresses(self) -> Iterator[Problem]:
        for number, address in enumerate(self.bootstrap_servers, 1):
            try:
                split_address(address or "blank:1")
            except ValueError:
                shown = f"broker {number}" if "@" in address else f'"{address}"'
                yield Problem("bootstrapServers", f"{shown} is not host:port")
        if not any(self.bootstrap_servers):
            yield Problem("bootstrapServers", "no broker is left when blank ones are dropped", REQUIRED)

    def _bad_limitation(self) -> Iterator[Problem]:
        try:
            ranges = partition_ranges(self.partition_limitation)
        except ValueError as error:
            yield Problem("partitionLimitation", f"error parsing in partitionLimitation: {error}")
            return
        if self.partition_limitation and not any(first <= last for first, last in ranges):
            yield Problem("partitionLimitation", "it selects no partition: a range begins above its end")

    def _bad_login(self) -> Iterator[Problem]:
        name = self.sasl_name()
        if name != "none" and name not in self.mechanisms:
            choices = ", ".join(("none", *self.mechanisms))
            yield Problem("sasl", f"its value is not one of {choices}", "FieldValueNotSupported")
        elif self.is_iam():
            if not self.aws_region:
                yield Problem("awsRegion", "no awsRegion given", REQUIRED)
            if not self.speaks_tls():
                yield Problem("tls", "TLS is required for AWS MSK authentication")
            yield from self._bad_places()
            if self.asks_as() is None:
                keys = {"awsAccessKeyID": self.access_key_id, "awsSecretAccessKey": self.secret_access_key}
                for name in (name for name, value in keys.items() if not value):
                    yield Problem(name, f"{name} not found", REQUIRED)
        else:
            yield from self.bad_credentials(name)

    def _bad_places(self) -> Iterator[Problem]:
        """Whoever gets a token that the autoscaler's own identity has signed can use it at every cluster."""
        identity = self.asks_as()
        for address in self.bootstrap_servers:
            host = address.rpartition(":")[0]
            if identity is not None and identity.is_borrowed and host and not _OF_MSK.search(host):
                message = f'"{host}" is no broker of MSK: the autoscaler\'s own identity goes to those alone'
                yield Problem("bootstrapServers", message, "FieldValueNotSupported")

    def bad_credentials(self, name: str) -> Iterator[Problem]:
        """What the mechanism misses."""
        if name == "plaintext":
            yield from self.missing(username=self.username, password=self.password)

    def missing(self, **values: str) -> Iterator[Problem]:
        """A problem for each of these parameters that is empty."""
        for name, value in values.items():
            if not value:
                yield Problem(name, f"no {name} given", REQUIRED)

    def notices(self) -> Iterator[Problem]:
        topic = self.scope.channel
        if topic and self.topics() and topic not in self.topics():
            yield Problem("topic", f"the trigger listens to topic {topic}, which it does not measure")
        name = self.sasl_name()
        if name in MECHANISMS and self.written_sasl() != name:
            yield Problem("sasl", f"the proper spelling of this mechanism is {name}")
        if name == "gssapi":
            yield Problem("sasl", f"{_NO_KERBEROS}; nothing is measured")
        if name == "none" and (self.username or self.password):
            yield Problem("sasl", "username and password are not used: without sasl nobody logs in")
        if self.partition_limitation and not self.topics():
            yield Problem("partitionLimitation", "it does nothing without topic")

    def sasl_name(self) -> str:
        """The mechanism by KEDA's name, also where it is written as Kafka's own configuration does."""
        written = self.written_sasl()
        return written if written in MECHANISMS else _KAFKAS_OWN.get(written.upper(), written)

    def made_sasl(self, mechanism: Mechanism) -> Sasl:
        """`mechanism` is AWS_MSK_IAM wherever AWS's keys log in."""
        if mechanism == "AWS_MSK_IAM":
            return Sasl(self.iam_mechanism, aws=self.made_aws())
        return Sasl(mechanism, self.username, self.password)

    def made_aws(self) -> AwsLogin:
        identity, keys = self.asks_as(), None
        if identity is None:
            keys = AwsKeys(self.access_key_id, self.secret_access_key, self.session_token)
        return AwsLogin(self.aws_region, keys, identity)

    def _made_server(self) -> KafkaServer:
        mechanism: Mechanism | None = "AWS_MSK_IAM" if self.is_iam() else MECHANISMS.get(self.sasl_name())
        return KafkaServer(
            tuple(address for address in self.bootstrap_servers if address),
            None if mechanism is None else self.made_sasl(mechanism),
            self.made_tls() if self.speaks_tls() else None,
        )

    def made_tls(self) -> Tls:
        return Tls(self.ca, self.cert, self.key, self.key_password)


REQUIRED = "FieldValueRequired"
_KAFKAS_OWN: dict[str, str] = {
    mechanism: name for name, mechanism in MECHANISMS.items() if name != "aws_msk_iam"
}
_NO_KERBEROS = "Kerberos is not offered: it needs the system's libraries and a realm"
_OF_MSK = re.compile(r"\.kafka(-serverless)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$", re.ASCII)


def partition_ranges(items: tuple[str, ...]) -> tuple[Range, ...]:
    """The ranges of `1,2,10-20`. ValueError says which item is none."""
    ranges = []
    for item in items:
        found = re.fullmatch(r"(\d{1,10})(?:\s*-\s*(\d{1,10}))?", item.strip(), re.ASCII)
        if found is None:
            raise ValueError(f'"{item}" is neither a number nor a range')
        first, last = found.groups()
        ranges.append((int(first), int(last if last is not None else first)))
    return tuple(ranges)
