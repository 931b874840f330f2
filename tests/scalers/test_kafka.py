"""The Kafka triggers: which cluster they name, what they ask, which mistakes they tell."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.kit import reading
from tidegate.kit.identity import AwsKeys, AwsLogin, Identity
from tidegate.kit.question import ASK, Question, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Measured, Scaler, Scope
from tidegate.kit.systems.kafka import GroupOffsets, KafkaServer, PartitionOffsets, Sasl, TokenEndpoint
from tidegate.kit.systems.kafka_settings import KafkaAccess
from tidegate.kit.tls import Tls
from tidegate.testing.sheets import Sample

BASE = {"bootstrapServers": "kafka:9092", "consumerGroup": "shippers", "topic": "orders"}
LOGIN = {"username": "alice", "password": "hunter2-p"}
BOTH = pytest.mark.parametrize("kind", ["kafka", "apache-kafka"])


def seven_behind(_question: Question) -> Any:
    return (PartitionOffsets("orders", 0, 3, 8), PartitionOffsets("orders", 1, 8, 10))


SAMPLES = {"kafka": Sample(seven_behind, (7,), is_active=True)}


def build(
    kind: str, metadata: dict[str, str], auth: dict[str, str] | None = None, *, interval_s: float = 30.0
) -> Scaler | tuple[Problem, ...]:
    found = scalers.find(kind)
    assert found is not None
    metadata = {key: text for key, text in {**BASE, **metadata}.items() if text}
    env = {"BROKERS": "env:1", "GROUP": "env-group", "TOPIC": "env-topic"}
    scope = Scope("shop", interval_s=interval_s)
    return reading.build(
        found, Trigger(type=kind, metadata=metadata), Sources(metadata, env, auth or {}), scope
    )


def built(kind: str, metadata: dict[str, str], auth: dict[str, str] | None = None, **how: Any) -> KafkaAccess:
    scaler = build(kind, metadata, auth, **how)
    assert isinstance(scaler, KafkaAccess), scaler
    return scaler


def asked(scaler: KafkaAccess) -> GroupOffsets:
    questions: list[Any] = []

    def answer(question: Question) -> Any:
        questions.append(question)
        return ()

    drive(scaler.measure(ASK, None), answer)  # type: ignore[arg-type]
    (question,) = questions
    assert isinstance(question, GroupOffsets)
    return question


def measured(scaler: KafkaAccess, *partitions: PartitionOffsets) -> Measured:
    found = drive(scaler.measure(ASK, None), lambda _: partitions)  # type: ignore[arg-type]
    assert isinstance(found, Measured)
    return found


@BOTH
def test_it_asks_for_its_group_and_topic(kind: str) -> None:
    cluster = KafkaServer(("a:1", "b:2"))
    metadata = {"bootstrapServers": "a:1, b:2,"}
    assert asked(built(kind, metadata)) == GroupOffsets(cluster, "shippers", ("orders",))
    limited = built(kind, {**metadata, "partitionLimitation": "1, 3-5"})
    assert asked(limited) == GroupOffsets(cluster, "shippers", ("orders",), ((1, 1), (3, 5)))


@BOTH
def test_the_environment_may_name_cluster_group_and_topic(kind: str) -> None:
    texts = {"bootstrapServersFromEnv": "BROKERS", "consumerGroupFromEnv": "GROUP", "topicFromEnv": "TOPIC"}
    scaler = built(kind, {**dict.fromkeys(BASE, ""), **texts})
    assert asked(scaler) == GroupOffsets(KafkaServer(("env:1",)), "env-group", ("env-topic",))


def test_without_a_topic_the_two_ask_differently() -> None:
    server = KafkaServer(("kafka:9092",))
    assert asked(built("kafka", {"topic": ""})) == GroupOffsets(server, "shippers")
    assert asked(built("apache-kafka", {"topic": ""})) == GroupOffsets(server, "shippers", of_members=True)
    assert asked(built("apache-kafka", {"topic": "a, b,a"})).topics == ("a", "b")


@BOTH
@pytest.mark.parametrize(
    ("metadata", "with_starts", "is_repeated"),
    [
        ({}, False, False),
        ({"offsetResetPolicy": "earliest"}, True, False),
        ({"offsetResetPolicy": "earliest", "scaleToZeroOnInvalidOffset": "true"}, False, False),
        ({"excludePersistentLag": "true"}, False, True),
    ],
)
def test_more_is_asked_only_where_it_matters(
    kind: str, metadata: dict[str, str], with_starts: bool, is_repeated: bool
) -> None:
    question = asked(built(kind, metadata))
    assert (question.with_starts, question.is_repeated) == (with_starts, is_repeated)


@BOTH
@pytest.mark.parametrize(
    ("topic", "metric"),
    [("orders", "kafka-orders"), ("a.b:c", "kafka-a-b-c"), ("", "kafka-shippers-topics")],
)
def test_the_metric_is_named_after_topic_or_group(kind: str, topic: str, metric: str) -> None:
    assert built(kind, {"topic": topic}).metric_name() == metric


def test_the_metric_of_several_topics_names_all() -> None:
    assert built("apache-kafka", {"topic": "a, b"}).metric_name() == "kafka-a,b"


@BOTH
def test_the_value_is_capped_and_activity_is_not(kind: str) -> None:
    scaler = built(kind, {"lagThreshold": "500", "activationLagThreshold": "5000"})
    assert (scaler.metric_target(), scaler.activation_target()) == (500, 5000)
    far, near = PartitionOffsets("orders", 0, 0, 5001), PartitionOffsets("orders", 0, 0, 5000)
    assert measured(scaler, far) == Measured((500.0,), True)
    assert measured(scaler, near) == Measured((500.0,), False)
    assert measured(scaler) == Measured((0.0,), False)


@BOTH
def test_a_commit_is_persistent_once_it_has_stood_for_a_polling_interval(kind: str) -> None:
    metadata = {"excludePersistentLag": "true"}
    stuck = PartitionOffsets("orders", 0, 3, 8, None, 9.5)
    assert measured(built(kind, metadata, interval_s=10.0), stuck) == Measured((0.0,), True)
    assert measured(built(kind, metadata, interval_s=30.0), stuck) == Measured((5.0,), True)


@BOTH
@pytest.mark.parametrize("strange", [None, 7, "text", [], (7,), {"orders": 7}])
def test_an_answer_of_another_shape_is_malformed(kind: str, strange: Any) -> None:
    with pytest.raises(Malformed):
        drive(built(kind, {}).measure(ASK, None), lambda _: strange)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sasl", "mechanism", "is_noticed"),
    [
        ("plaintext", "PLAIN", False),
        ("scram_sha256", "SCRAM-SHA-256", False),
        ("scram_sha512", "SCRAM-SHA-512", False),
        ("SCRAM-SHA-512", "SCRAM-SHA-512", True),
        ("scram-sha-256", "SCRAM-SHA-256", True),
        ("PLAIN", "PLAIN", True),
    ],
)
@BOTH
@pytest.mark.parametrize("place", ["metadata", "authentication"])
def test_a_mechanism_may_be_spelt_as_kafka_spells_it(
    kind: str, place: str, sasl: str, mechanism: str, is_noticed: bool
) -> None:
    named = {"sasl": sasl}
    metadata, auth = (named, LOGIN) if place == "metadata" else ({}, {**LOGIN, **named})
    scaler = built(kind, metadata, auth)
    assert scaler.server().sasl == Sasl(mechanism, "alice", "hunter2-p")  # type: ignore[arg-type]
    assert [notice.path for notice in scaler.notices()] == ["sasl"] * is_noticed


def test_oauth_names_its_token_endpoint() -> None:
    auth = {
        **LOGIN,
        "sasl": "oauthbearer",
        "oauthTokenEndpointUri": "https://idp/token",
        "scopes": "kafka,lag",
        "oauthExtensions": "logicalCluster=lkc, pool=p1",
    }
    tokens = TokenEndpoint("https://idp/token", ("kafka", "lag"), (("logicalCluster", "lkc"), ("pool", "p1")))
    assert built("kafka", {}, auth).server().sasl == Sasl("OAUTHBEARER", "alice", "hunter2-p", tokens)


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [
        ("kafka", {"sasl": "oauthbearer", "saslTokenProvider": "aws_msk_iam"}),
        ("apache-kafka", {"sasl": "aws_msk_iam"}),
    ],
)
def test_keys_of_aws_log_in(kind: str, metadata: dict[str, str]) -> None:
    keys = {"awsAccessKeyID": "hunter2-id", "awsSecretAccessKey": "hunter2-key"}
    scaler = built(kind, {**metadata, "tls": "enable", "awsRegion": "eu-west-1"}, keys)
    mechanism: Any = "OAUTHBEARER" if kind == "kafka" else "AWS_MSK_IAM"
    login = AwsLogin("eu-west-1", AwsKeys("hunter2-id", "hunter2-key"))
    assert scaler.server() == KafkaServer(("kafka:9092",), Sasl(mechanism, aws=login), Tls())
    assert list(scaler.notices()) == []
    assert "hunter2" not in repr(scaler.server())
    for missing in ("tls", "awsRegion"):
        problems = build(kind, {**metadata, "tls": "enable", "awsRegion": "eu-west-1", missing: ""}, keys)
        assert isinstance(problems, tuple)
        assert [problem.path for problem in problems] == [missing]


def test_an_aws_identity_needs_keys_or_a_role() -> None:
    metadata = {"sasl": "aws_msk_iam", "tls": "enable", "awsRegion": "eu-west-1"}
    problems = build("apache-kafka", metadata)
    assert isinstance(problems, tuple)
    assert [one.path for one in problems] == ["awsAccessKeyID", "awsSecretAccessKey"]
    brokers = {"bootstrapServers": "b-1.shop.x1y2z3.c4.kafka.eu-west-1.amazonaws.com:9098"}
    scaler = built("apache-kafka", metadata | brokers, {"awsRoleArn": "arn:aws:iam::1:role/lag"})
    identity = Identity("aws", role_arn="arn:aws:iam::1:role/lag")
    assert scaler.asks_as() == identity
    assert scaler.server().sasl == Sasl("AWS_MSK_IAM", aws=AwsLogin("eu-west-1", identity=identity))
    assert built("apache-kafka", {}, {"awsRoleArn": "arn:aws:iam::1:role/lag"}).asks_as() is None


@pytest.mark.parametrize(
    ("host", "is_msk"),
    [
        ("b-1.shop.x1y2z3.c4.kafka.eu-west-1.amazonaws.com", True),
        ("boot-abc.c1.kafka-serverless.eu-west-1.amazonaws.com", True),
        ("b-1.shop.x1y2z3.c4.kafka.cn-north-1.amazonaws.com.cn", True),
        ("kafka", False),
        ("ec2-1-2-3-4.eu-west-1.compute.amazonaws.com", False),
        ("b-1.kafka.eu-west-1.amazonaws.com.evil.example", False),
        ("10.0.0.7", False),
    ],
)
def test_the_autoscalers_own_identity_goes_to_brokers_of_msk_alone(host: str, is_msk: bool) -> None:
    metadata = {"sasl": "aws_msk_iam", "tls": "enable", "awsRegion": "eu-west-1"}
    metadata["bootstrapServers"] = f"{host}:9098"
    role = {"awsRoleArn": "arn:aws:iam::1:role/lag"}
    found = build("apache-kafka", metadata, role)
    assert isinstance(found, tuple) is not is_msk
    if isinstance(found, tuple):
        assert "is no broker of MSK" in found[0].message
    keys = {"awsAccessKeyID": "id", "awsSecretAccessKey": "key"}
    assert not isinstance(build("apache-kafka", metadata, keys), tuple), "keys are whose they are"


@BOTH
@pytest.mark.parametrize("place", ["metadata", "authentication"])
def test_tls_is_spoken_where_it_is_switched_on(kind: str, place: str) -> None:
    auth = {"ca": "C", "cert": "D", "key": "K", "keyPassword": "P"}
    switched = {"tls": "enable"}
    scaler = built(kind, switched, auth) if place == "metadata" else built(kind, {}, {**auth, **switched})
    assert scaler.server().tls == Tls("C", "D", "K", "P")
    assert built(kind, {}, auth).server().tls is None
    assert built(kind, {"tls": "disable"}, auth).server().tls is None


def test_only_one_of_the_two_may_verify_nothing() -> None:
    tls = built("kafka", {"tls": "enable", "unsafeSsl": "true"}).server().tls
    assert tls is not None
    assert not tls.is_verified


EVEN, LIMIT = "ensureEvenDistributionOfPartitions", "limitToPartitionsWithLag"
OAUTH = {**LOGIN, "sasl": "oauthbearer", "oauthTokenEndpointUri": "https://idp"}
KERBEROS = {"sasl": "gssapi", "username": "u", "realm": "R", "kerberosConfig": "c", "password": "hunter2"}


@BOTH
@pytest.mark.parametrize(
    ("metadata", "auth", "path", "message"),
    [
        ({"bootstrapServers": ""}, {}, "bootstrapServers", "missing required parameter"),
        ({"bootstrapServers": ","}, {}, "bootstrapServers", "no broker is left"),
        ({"bootstrapServers": "a:1,b"}, {}, "bootstrapServers", '"b" is not host:port'),
        ({"bootstrapServers": "u:hunter2@a:1"}, {}, "bootstrapServers", "broker 1 is not host:port"),
        ({"consumerGroup": ""}, {}, "consumerGroup", "missing required parameter"),
        ({"lagThreshold": "0"}, {}, "lagThreshold", '"lagThreshold" must be positive number'),
        ({"lagThreshold": "1.5"}, {}, "lagThreshold", "is not a whole number"),
        ({"activationLagThreshold": "-1"}, {}, "activationLagThreshold", "must be positive number"),
        ({"offsetResetPolicy": "newest"}, {}, "offsetResetPolicy", "is not one of latest, earliest"),
        ({"partitionLimitation": "1-2-3"}, {}, "partitionLimitation", '"1-2-3" is neither'),
        ({"partitionLimitation": "5-3"}, {}, "partitionLimitation", "selects no partition"),
        ({"allowIdleConsumers": "true", LIMIT: "true"}, {}, "allowIdleConsumers", "set simultaneously"),
        ({LIMIT: "true", "topic": ""}, {}, "topic", "topic must be specified"),
        ({"sasl": "kerberos"}, {}, "sasl", "is not one of none, plaintext"),
        ({"sasl": "plaintext"}, {}, "username password", "no username given"),
        ({"sasl": "plaintext"}, {"username": "u"}, "password", "no password given"),
        ({"tls": "on"}, {}, "tls", "is not one of enable, disable"),
        ({"tls": "enable"}, {"cert": "C"}, "key", "key must be provided with cert"),
        ({"tls": "enable"}, {"key": "hunter2"}, "cert", "cert must be provided with key"),
    ],
)
def test_a_mistake_is_told(
    kind: str, metadata: dict[str, str], auth: dict[str, str], path: str, message: str
) -> None:
    _mistaken(kind, metadata, auth, path, message)


@pytest.mark.parametrize(
    ("metadata", "auth", "path", "message"),
    [
        ({EVEN: "true", LIMIT: "true"}, {}, LIMIT, "cannot be set simultaneously"),
        ({EVEN: "true", "topic": ""}, {}, "topic", "topic must be specified"),
        ({"fullMetadata": "false", "topic": ""}, {}, "topic", "topic must be specified"),
        ({"version": "2.8"}, {}, "version", "invalid version"),
        ({"version": "1.2.3.4"}, {}, "version", "invalid version"),
        ({"version": "0.10.2"}, {}, "version", "invalid version"),
        ({"sasl": "scram_sha512"}, {"password": "hunter2"}, "username", "no username given"),
        ({}, {**OAUTH, "password": ""}, "password", "no password given"),
        ({}, {**OAUTH, "oauthTokenEndpointUri": ""}, "oauthTokenEndpointUri", "no oauthTokenEndpointUri"),
        ({}, {**OAUTH, "oauthTokenEndpointUri": "idp"}, "oauthTokenEndpointUri", "no http or https"),
        ({}, {**OAUTH, "oauthExtensions": "a"}, "oauthExtensions", "must be of format key=value"),
        ({}, {**OAUTH, "oauthExtensions": "a=b=c"}, "oauthExtensions", "must be of format key=value"),
        ({}, {**OAUTH, "saslTokenProvider": "gcp"}, "saslTokenProvider", "is not one of bearer"),
        ({}, {**KERBEROS, "keytab": "hunter2"}, "keytab", "exactly one of"),
        ({}, {**KERBEROS, "password": ""}, "keytab", "exactly one of"),
        ({}, {**KERBEROS, "realm": ""}, "realm", "no realm given"),
    ],
)
def test_a_mistake_of_kafka_is_told(
    metadata: dict[str, str], auth: dict[str, str], path: str, message: str
) -> None:
    _mistaken("kafka", metadata, auth, path, message)


@pytest.mark.parametrize(
    ("metadata", "auth", "path", "message"),
    [
        ({"sasl": "plaintext"}, {**LOGIN, "sasl": "plaintext"}, "sasl", "in both ScaledObject and"),
        ({"tls": "disable"}, {"tls": "enable"}, "tls", "in both ScaledObject and"),
        ({"sasl": "oauthbearer"}, LOGIN, "sasl", "is not one of"),
    ],
)
def test_a_mistake_of_apache_kafka_is_told(
    metadata: dict[str, str], auth: dict[str, str], path: str, message: str
) -> None:
    _mistaken("apache-kafka", metadata, auth, path, message)


def _mistaken(kind: str, metadata: dict[str, str], auth: dict[str, str], path: str, message: str) -> None:
    problems = build(kind, metadata, auth)
    assert isinstance(problems, tuple)
    assert [problem.path for problem in problems] == path.split()
    assert message in problems[0].message
    assert "hunter2" not in str(problems)


@pytest.mark.parametrize(
    ("kind", "metadata", "auth"),
    [
        ("kafka", {"version": "2.8.1"}, {}),
        ("kafka", {"version": "0.11.0.2"}, {}),
        ("kafka", {"sasl": "scram_sha512"}, {**LOGIN, "sasl": "plaintext"}),
        ("kafka", {"tls": "enable"}, {"tls": "disable"}),
        ("apache-kafka", {"sasl": "scram_sha256"}, {}),
        ("apache-kafka", {EVEN: "true", LIMIT: "true"}, {}),
        ("apache-kafka", {EVEN: "true", "topic": ""}, {}),
    ],
)
def test_what_is_odd_and_allowed(kind: str, metadata: dict[str, str], auth: dict[str, str]) -> None:
    built(kind, metadata, auth)


def test_what_does_nothing_is_noticed() -> None:
    for kind in ("kafka", "apache-kafka"):
        notices = built(kind, {"partitionLimitation": "1", "topic": ""}).notices()
        assert [notice.path for notice in notices] == ["partitionLimitation"]
        unused = built(kind, {}, LOGIN).notices()
        assert [(one.path, "not used" in one.message) for one in unused] == [("sasl", True)]
        assert list(built(kind, {"sasl": "plaintext"}, LOGIN).notices()) == []
    assert [one.path for one in built("kafka", {}, KERBEROS).notices()] == ["sasl"]
