"""AWS: whom to ask, what to ask, and the settings by which every AWS trigger names its account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from tidegate.base.problems import Problem
from tidegate.kit.identity import AwsKeys, Identity, Provider, aws_identity
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, METADATA, declared, setting
from tidegate.kit.systems.aws_keys import (
    access_key_setting,
    owner_setting,
    role_setting,
    secret_key_setting,
    session_token_setting,
)
from tidegate.kit.systems.calls import Calls, Price
from tidegate.kit.systems.http import read_url

Service = Literal["sqs", "monitoring", "kinesis", "dynamodb", "streams.dynamodb", "secretsmanager"]
"""As the regional endpoints are called."""

_NAMES: dict[Service, str] = {
    "sqs": "SQS",
    "monitoring": "CloudWatch",
    "kinesis": "Kinesis",
    "dynamodb": "DynamoDB",
    "streams.dynamodb": "DynamoDB Streams",
    "secretsmanager": "Secrets Manager",
}
_OWN_REGION = "the autoscaler's region"
_SQS_PRICE = Price(0.40, 1_000_000, "call", "https://aws.amazon.com/sqs/pricing/", "2026-11-30")
_CLOUDWATCH_PRICE = Price(0.01, 1_000, "metric", "https://aws.amazon.com/cloudwatch/pricing/", "2026-11-30")

WHOLE = "SecretString"
"""The one key of a secret that is not read as an object."""


@dataclass(frozen=True, slots=True)
class AwsServer:
    """One service of one region, asked with one key or as one identity. `endpoint`: an origin instead of the
    region's. `region` "": the autoscaler's own."""

    system: ClassVar[str] = "aws"

    service: Service
    region: str
    keys: AwsKeys | None = None
    endpoint: str = ""
    identity: Identity | None = None

    def label(self) -> str:
        where = f" ({self.endpoint})" if self.endpoint else ""
        return f"{_NAMES[self.service]} in {self.region or _OWN_REGION}{where}"

    def origin(self) -> str:
        """Where requests go: `scheme://host[:port]`."""
        return self.endpoint or f"https://{self.service}.{self.region}.{domain(self.region)}"


def domain(region: str) -> str:
    """Where the endpoints of a region are."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


@dataclass(frozen=True, slots=True)
class SqsQueue:
    """A queue's attributes: an `SqsCounts`. `queue` is its URL, or its name."""

    calls: ClassVar[Calls] = Calls(price=_SQS_PRICE)

    server: AwsServer
    queue: str


@dataclass(frozen=True, slots=True)
class SqsCounts:
    """Messages, each approximate: ready to be received, received and not deleted, delayed."""

    visible: int
    in_flight: int
    delayed: int


@dataclass(frozen=True, slots=True)
class KinesisShards:
    """How many open shards the stream has: an int."""

    server: AwsServer
    stream: str


@dataclass(frozen=True, slots=True)
class DynamodbQuery:
    """How many items a Query counts: an int. `names`, `values`: JSON objects as text."""

    calls: ClassVar[Calls] = Calls(more="one for each further MB that it reads, up to ten in all")

    server: AwsServer
    table: str
    index: str
    key_condition: str
    filter: str
    names: str
    values: str


@dataclass(frozen=True, slots=True)
class DynamodbStreamShards:
    """How many shards the table's newest stream lists, closed ones too: an int."""

    calls: ClassVar[Calls] = Calls(each=2, more="one for each further hundred shards")

    server: AwsServer
    table: str


@dataclass(frozen=True, slots=True)
class Statistic:
    """One metric of CloudWatch. `unit` "" leaves it to CloudWatch."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class CloudwatchSeries:
    """The newest value of a metric or expression in a window that ends at `end_s`: a float, None for no data.

    The window is `length_s` long, both in whole seconds; `end_s` counts from 1970. `account` is the source
    account, "" for one's own.
    """

    calls: ClassVar[Calls] = Calls(together=500, alike=("length_s",), price=_CLOUDWATCH_PRICE)

    server: AwsServer
    what: Statistic | str
    period_s: int
    end_s: int
    length_s: int
    account: str = ""


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """A secret: `Fetched`, its text under `WHOLE`, or with `is_object` the members of the JSON object."""

    server: AwsServer
    name: str
    version_id: str = ""
    version_stage: str = ""
    is_object: bool = False

    def label(self) -> str:
        version = self.version_id or self.version_stage
        return f"awsSecretManager {self.name}{f' ({version})' if version else ''}"


@declared
class AwsAccess(Polled):
    """The settings of an account; a subclass says which `service` it asks."""

    identities: ClassVar[tuple[Provider, ...]] = ("aws", "aws-eks")
    measured_with: ClassVar[tuple[Provider, ...]] = ("aws", "aws-eks")
    service: ClassVar[Service]

    aws_region: str = setting(
        "awsRegion", doc="Region, such as `eu-west-1`.", sources=(METADATA, AUTHENTICATION)
    )
    aws_endpoint: str = setting(
        "awsEndpoint",
        doc="URL that stands in for the region's endpoint: emulators, VPC endpoints.",
        default="",
    )
    identity_owner: str = owner_setting(
        "`operator`: the autoscaler's own identity; `pod`: what the authentication gives."
    )
    access_key_id: str = access_key_setting()
    secret_access_key: str = secret_key_setting()
    session_token: str = session_token_setting()
    role_arn: str = role_setting()

    def check(self) -> Iterator[Problem]:
        if self.aws_endpoint:
            try:
                read_url(self.aws_endpoint)
            except ValueError as error:
                yield Problem("awsEndpoint", f'"{self.aws_endpoint}" {error}')
        if self.asks_as() is not None:
            return
        if not self.access_key_id:
            yield Problem("awsAccessKeyID", "awsAccessKeyID not found", "FieldValueRequired")
        if not self.secret_access_key:
            yield Problem("awsSecretAccessKey", "awsSecretAccessKey not found", "FieldValueRequired")

    def notices(self) -> Iterator[Problem]:
        if self.identity_owner not in ("", "pod", "operator"):
            yield Problem("identityOwner", f'"{self.identity_owner}" is taken for operator')

    def asks_as(self) -> Identity | None:
        """None: keys are used."""
        return aws_identity(self.identity, self.identity_owner, self.role_arn)

    def server(self) -> AwsServer:
        keys, identity = None, self.asks_as()
        if identity is None:
            keys = AwsKeys(self.access_key_id, self.secret_access_key, self.session_token)
        endpoint = read_url(self.aws_endpoint).origin if self.aws_endpoint else ""
        return AwsServer(self.service, self.aws_region, keys, endpoint, identity)
