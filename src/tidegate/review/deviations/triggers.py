"""Deviations that touch a trigger by its type and its metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from tidegate.api.scaledjob import ScaledJob
from tidegate.review.deviations.rule import Metadata, Subject, Touch, TriggerRule

KAFKA = ("kafka", "apache-kafka")
SEARCH = ("elasticsearch", "opensearch")
_READS = ("select", "with", "table", "values", "show", "explain")


def touches(subject: Subject) -> Iterator[Touch]:
    """Each trigger against each rule of its type."""
    is_job = isinstance(subject.object, ScaledJob)
    for index, trigger in enumerate(subject.object.spec.triggers):
        for rule in RULES:
            if trigger.type not in rule.types or rule.in_jobs not in (None, is_job):
                continue
            if rule.when(trigger.metadata):
                field = f".metadata.{rule.field}" if rule.field else ""
                yield Touch(f"spec.triggers[{index}]{field}", rule.text, rule.line)


def _is_not(field: str, *values: str) -> Callable[[Metadata], bool]:
    return lambda metadata: metadata.get(field, "").strip().lower() not in values


def _has(field: str) -> Callable[[Metadata], bool]:
    return lambda metadata: bool(metadata.get(field, "").strip())


def _lacks(field: str) -> Callable[[Metadata], bool]:
    return lambda metadata: not metadata.get(field, "").strip()


def _is(field: str, *values: str) -> Callable[[Metadata], bool]:
    return lambda metadata: metadata.get(field, "").strip().lower() in values


def _writes(metadata: Metadata) -> bool:
    words = metadata.get("query", "").strip().lstrip("(").split(None, 1)
    return bool(words) and words[0].lower() not in _READS


def _no_scheme(metadata: Metadata) -> bool:
    host = metadata.get("host", "").strip()
    return bool(host) and "://" not in host


def _no_json(metadata: Metadata) -> bool:
    text = metadata.get("query", "").strip()
    if not text:
        return False
    try:
        return not isinstance(json.loads(text), dict)
    except ValueError:
        return True


def _http_rabbit(metadata: Metadata) -> bool:
    return metadata.get("protocol") == "http" or metadata.get("host", "").strip().startswith("http")


RULES = (
    TriggerRule(
        ("prometheus",),
        "`prometheus`: a NaN or an infinity is a failure unless",
        "a result of NaN or infinity is a failure; KEDA takes it for 0, and can scale in on it",
        "ignoreNullValues",
        when=_is_not("ignoreNullValues", "true"),
    ),
    TriggerRule(
        ("loki",),
        "`loki`: scalars are values; NaN, infinities, null and log lines are failures.",
        "NaN, infinities and null are failures; KEDA takes null for 0",
        "query",
    ),
    TriggerRule(
        ("graphite",),
        "`graphite`: a target without any series or point is a failure",
        "a target without a series is a failure; KEDA takes it for 0, and scales to zero",
        "query",
    ),
    TriggerRule(
        ("influxdb",),
        "`influxdb` version 3 is asked over HTTP",
        "version 3 is asked over HTTP, at the same address; KEDA speaks Arrow Flight",
        "influxVersion",
        when=_is("influxVersion", "3"),
    ),
    TriggerRule(
        SEARCH,
        "`elasticsearch`, `opensearch`: a refused search, a missing index",
        "a missing index and shards that failed are failures; KEDA takes them for 0, or counts the rest",
    ),
    TriggerRule(
        ("redis-sentinel",),
        "`redis-sentinel` without `sentinelMaster` is told as a mistake.",
        "is told as a mistake; KEDA fails at each poll",
        "sentinelMaster",
        when=_lacks("sentinelMaster"),
    ),
    TriggerRule(
        ("redis-streams", "redis-cluster-streams", "redis-sentinel-streams"),
        "`redis-streams`: a lag that Redis cannot tell",
        "a lag that Redis cannot tell is counted; KEDA takes it for 0 while work waits",
        "lagCount",
        when=_has("lagCount"),
    ),
    TriggerRule(
        ("rabbitmq",),
        "A `rabbitmq` trigger's `host` without a scheme",
        "a host without scheme works; KEDA refuses it",
        "host",
        when=_no_scheme,
    ),
    TriggerRule(
        ("rabbitmq",),
        "Over the management API a queue of which the broker does not say",
        "a queue without statistics is a failure; KEDA reads 0, and scales to zero",
        "protocol",
        when=_http_rabbit,
    ),
    TriggerRule(
        ("rabbitmq",),
        "All AMQP triggers with the same broker, virtual host and login share one connection",
        "one connection named `tidegate` serves all; KEDA's is named after the object",
        when=lambda metadata: not _http_rabbit(metadata),
    ),
    TriggerRule(
        ("postgresql", "mysql"),
        "Queries to a database run read-only where the server can hold that",
        "a query that writes, locks or draws from a sequence fails: it runs read-only",
        "query",
        when=_writes,
    ),
    TriggerRule(
        ("postgresql", "mysql", "mssql"),
        "The server stops a query of a trigger after 6 seconds;",
        "a query that takes more than 6 s is stopped and fails; KEDA waits without end",
        "query",
        when=_has("query"),
    ),
    TriggerRule(
        ("postgresql",),
        "A `postgresql` trigger logs in with nothing that the autoscaler's own account has",
        "logs in with nothing of the operator's own; KEDA's driver reads its environment",
        when=lambda metadata: (
            not any(
                key in metadata for key in ("password", "passwordFromEnv", "connection", "connectionFromEnv")
            )
        ),
    ),
    TriggerRule(
        ("mysql",),
        "A `mysql` server gets no password in clear text",
        "the server gets no password in clear text; KEDA's driver sends it when asked to",
    ),
    TriggerRule(
        ("mongodb",),
        "A `mongodb` `authMechanism` that logs in with the autoscaler's own identity",
        "is refused; KEDA logs in with its own identity",
        "authMechanism",
        when=_is("authMechanism", "mongodb-oidc", "gssapi"),
    ),
    TriggerRule(
        ("mssql",),
        "An `mssql` connection string with a named instance needs its port;",
        "a certificate by its path is refused",
        "certificate",
        when=_has("certificate"),
    ),
    TriggerRule(
        KAFKA,
        "`kafka`, `apache-kafka`: a partition that cannot be told",
        "a partition without a leader fails the trigger; KEDA counts it as 0 or less",
    ),
    TriggerRule(
        ("kafka",),
        "`kafka` without `topic`: a group that never committed has the lag 0.",
        "a group that never committed counts 0; KEDA counts every partition of the cluster",
        "topic",
        when=_lacks("topic"),
    ),
    TriggerRule(
        ("apache-kafka",),
        "`apache-kafka` without `topic` counts the topics",
        "only the group's topics count; KEDA counts those of the whole cluster",
        "topic",
        when=_lacks("topic"),
    ),
    TriggerRule(
        ("apache-kafka",),
        "`apache-kafka`: a named topic that does not exist is a failure.",
        "a topic that does not exist is a failure; KEDA counts 0",
        "topic",
        when=_has("topic"),
    ),
    TriggerRule(
        KAFKA,
        "`excludePersistentLag` compares with what was seen a polling interval before.",
        "compares polls; in KEDA each request of the HPA counts as one",
        "excludePersistentLag",
        when=_is("excludePersistentLag", "true"),
    ),
    TriggerRule(
        ("apache-kafka",),
        "`earliest` counts from the oldest message still there",
        "deleted messages do not count; KEDA counts them",
        "offsetResetPolicy",
        when=_is("offsetResetPolicy", "earliest"),
    ),
    TriggerRule(
        ("metrics-api",),
        "`metrics-api`: `format: xml` works",
        "is read with the path that KEDA's page describes; KEDA fails",
        "format",
        when=_is("format", "xml"),
    ),
    TriggerRule(
        ("metrics-api",),
        "`metrics-api`: a sum over endpoints is a failure when one of them fails.",
        "an endpoint that fails is a failure; KEDA leaves it out, and counts less",
        "aggregateFromKubeServiceEndpoints",
        when=_is("aggregateFromKubeServiceEndpoints", "true"),
    ),
    TriggerRule(
        ("prometheus", "metrics-api", "loki"),
        "Every mode in `authModes` is applied",
        "every mode is applied; KEDA leaves some out",
        "authModes",
        when=_has("authModes"),
    ),
    TriggerRule(
        ("aws-cloudwatch",),
        "`aws-cloudwatch`: a `metricCollectionTime` of 0 is refused.",
        "is refused; KEDA asks for an empty window",
        "metricCollectionTime",
        when=_is("metricCollectionTime", "0"),
    ),
    TriggerRule(
        ("aws-cloudwatch",),
        "`aws-cloudwatch`: a result that CloudWatch marks",
        "a result marked as failed or forbidden is a failure; KEDA takes minMetricValue",
        "minMetricValue",
    ),
    TriggerRule(
        ("azure-blob",),
        "`azure-blob`: a `blobPrefix` that ends with the delimiter gets no second one",
        "gets no second delimiter; KEDA looks for one, and counts 0",
        "blobPrefix",
        when=lambda metadata: (
            bool(metadata.get("blobPrefix"))
            and metadata["blobPrefix"].endswith(metadata.get("blobDelimiter", "/"))
        ),
    ),
    TriggerRule(
        ("azure-eventhub",),
        "`azure-eventhub`: with `blobMetadata`, names in lower case are looked for too",
        "checkpoints in lower case are found; KEDA misses them where the hub has capitals",
        "checkpointStrategy",
        when=_is("checkpointStrategy", "blobmetadata"),
    ),
    TriggerRule(
        ("external", "external-push"),
        "`external`, `external-push`: a metric without any value",
        "a metric without a value is a failure; KEDA hands on nothing, or 0",
    ),
    TriggerRule(
        ("external-push",),
        "`external-push`: a push makes the trigger be measured at once",
        "a push has it measured, in ScaledJobs too; KEDA raises the target without asking",
    ),
    TriggerRule(
        ("activemq", "artemis-queue"),
        "`null` from Jolokia, or no value, is a failure",
        "no value is a failure; KEDA reads 0",
    ),
    TriggerRule(
        ("etcd",),
        "etcd is asked over its JSON gateway.",
        "is asked over its JSON gateway, which must be on",
        "endpoints",
    ),
    TriggerRule(
        ("beanstalkd",),
        "A beanstalkd `server` without a port is asked on 11300.",
        "is asked on port 11300; KEDA fails",
        "server",
        when=lambda metadata: bool(metadata.get("server")) and ":" not in metadata["server"],
    ),
    TriggerRule(
        ("github-runner",),
        "`github-runner`: while GitHub's rate limit is used up the trigger is unknown",
        "is unknown while the rate limit is used up; KEDA repeats the last count",
    ),
    TriggerRule(
        ("github-runner",),
        "`github-runner`: when none of the named `repos` is found, the trigger fails;",
        "fails when none of them is found; KEDA counts 0",
        "repos",
        when=_has("repos"),
    ),
    TriggerRule(
        ("pulsar",),
        "`pulsar`: a backlog below 0 is a failure.",
        "a backlog below 0 is a failure; KEDA takes it for 0",
    ),
    TriggerRule(
        ("selenium-grid",),
        "`selenium-grid`: an answer without data is a failure;",
        "an answer without data is a failure; KEDA takes it for an empty grid",
    ),
    TriggerRule(
        ("temporal",),
        "`temporal`: a task queue that no worker of the named version ever polled",
        "a queue that no worker ever polled is a failure; KEDA counts 0",
        "taskQueue",
    ),
    TriggerRule(
        ("gcp-pubsub",),
        "`gcp-pubsub`: `credentialsFromEnvFile` is refused",
        "is refused: the operator's files are not read for a trigger",
        "credentialsFromEnvFile",
        when=_has("credentialsFromEnvFile"),
    ),
    TriggerRule(
        ("gcp-pubsub", "gcp-cloudtasks", "gcp-stackdriver"),
        "`gcp-pubsub`, `gcp-cloudtasks`, `gcp-stackdriver`: a series without a point counts as no series.",
        "a series without a point counts as none (valueIfNull); KEDA takes it for 0",
        "valueIfNull",
    ),
    TriggerRule(
        ("nats-jetstream",),
        "In a NATS cluster a node that does not answer is passed over",
        "a dead node is passed over; KEDA fails",
    ),
)
