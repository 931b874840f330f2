"""Each rule of a deviation: an object that it touches, one that it does not, and the line that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.decode import decode
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.kit.identity import Identity
from tidegate.kit.reading import Sources
from tidegate.review.deviations import objects, triggers
from tidegate.review.deviations.touched import LINES, touched
from tidegate.review.manifest import review

DOCUMENT = (Path(__file__).parents[3] / "docs/deviations.md").read_text()
REDIS = {"type": "redis", "metadata": {"address": "r:6379", "listName": "jobs"}}
MORE = {"type": "redis", "metadata": {"address": "r:6379", "listName": "more"}}
CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50", "containerName": "main"}}
FORMULA = {"scalingModifiers": {"formula": "a + 1", "target": "2"}}
NAMED = {**REDIS, "name": "a"}
QUEUE = {"queueURL": "orders", "awsRegion": "eu-west-1"}
OPERATORS = {"type": "aws-sqs-queue", "metadata": {**QUEUE, "identityOwner": "operator"}}
OF_WORKLOAD = {"type": "aws-sqs-queue", "name": "proved", "metadata": QUEUE}
PROVED = Identity("aws", role_arn="arn:aws:iam::1:role/lag", service_account="shop/worker")


def lines(object: ScaledObject | ScaledJob) -> dict[str, str]:
    """The lines that touch the object, with their field. A trigger named "proved" has an identity."""

    def sources(index: int) -> Sources:
        trigger = object.spec.triggers[index]
        return Sources(trigger.metadata, identity=PROVED if trigger.name == "proved" else None)

    reviewed = review(object, sources)
    return {one.line: one.path for one in touched(object, reviewed)}


def scaled_object(*given: Any, status: Any = None, annotations: Any = None, **spec: Any) -> ScaledObject:
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations or {}},
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": list(given or (REDIS,)), **spec},
        "status": status or {},
    }
    made = decode(body)
    assert isinstance(made, ScaledObject)
    return made


def scaled_job(*given: Any, **spec: Any) -> ScaledJob:
    template = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledJob",
        "metadata": {"name": "crunch", "namespace": "shop"},
        "spec": {"jobTargetRef": {"template": template}, "triggers": list(given or (REDIS,)), **spec},
    }
    made = decode(body)
    assert isinstance(made, ScaledJob)
    return made


def test_each_rule_names_one_line_of_the_page() -> None:
    assert [line for line in LINES if DOCUMENT.count(f"\n| {line}") != 1] == []


FALLBACK = {"failureThreshold": 3, "replicas": 2}
NOT_READY = {"conditions": [{"type": "Ready", "status": "False"}]}
BAD = {"type": "redis", "metadata": {"address": "r:6379"}}
OF_OBJECTS = {
    "An identity that rests on the operator's own credentials": (
        scaled_object(OPERATORS),
        scaled_object(OF_WORKLOAD),
    ),
    "`identityOwner: workload` and `aws-eks` ask with a token": (
        scaled_object(OF_WORKLOAD),
        scaled_object(OPERATORS),
    ),
    "A trigger that cannot be read is *unknown*;": (
        scaled_object(fallback={**FALLBACK, "replicas": 0}),
        scaled_object(fallback=FALLBACK),
    ),
    "Failures count once per polling interval.": (scaled_object(fallback=FALLBACK), scaled_object()),
    "The fallback of a formula with `metricType` Value": (
        scaled_object(
            NAMED,
            fallback=FALLBACK,
            advanced={"scalingModifiers": {**FORMULA["scalingModifiers"], "metricType": "Value"}},
        ),
        scaled_object(NAMED, fallback=FALLBACK, advanced=FORMULA),
    ),
    "cpu and memory triggers with `containerName` stay in the HPA": (
        scaled_object(NAMED, CPU, advanced=FORMULA),
        scaled_object(NAMED, CPU),
    ),
    "A formula error, an infinity or a missing source is unknown": (
        scaled_object(NAMED, advanced=FORMULA),
        scaled_object(NAMED),
    ),
    "A trigger with a mistake in its metadata does not disable the healthy ones": (
        scaled_object(REDIS, BAD, status=NOT_READY),
        scaled_object(BAD, status=NOT_READY),
    ),
    "At the end of an object its HPA goes before the count is restored.": (
        scaled_object(advanced={"restoreToOriginalReplicaCount": True}),
        scaled_object(advanced={"restoreToOriginalReplicaCount": False}),
    ),
    "An unreadable or negative `paused-replicas` pauses": (
        scaled_object(annotations={"autoscaling.keda.sh/paused-replicas": "-1"}),
        scaled_object(annotations={"autoscaling.keda.sh/paused-replicas": "1"}),
    ),
    "Rollout is gradual unless the manifest says `immediate`.": (
        scaled_job(),
        scaled_job(rollout={"strategy": "immediate"}),
    ),
    "`multipleScalersCalculation: min` takes the smallest value": (
        scaled_job(scalingStrategy={"multipleScalersCalculation": "min"}),
        scaled_job(scalingStrategy={"multipleScalersCalculation": "max"}),
    ),
    "Unfinished Jobs never exceed a set `maxReplicaCount`": (
        scaled_job(scalingStrategy={"strategy": "custom"}, maxReplicaCount=3),
        scaled_job(scalingStrategy={"strategy": "accurate"}, maxReplicaCount=3),
    ),
    "With several triggers no round is decided before all are measured": (
        scaled_job(REDIS, MORE),
        scaled_job(),
    ),
    "With the default strategy a Job that succeeds is followed at once": (
        scaled_job(maxReplicaCount=3),
        scaled_job(maxReplicaCount=3, scalingStrategy={"strategy": "eager"}),
    ),
    "A cpu or memory trigger in a ScaledJob is a mistake": (scaled_job(CPU), scaled_job()),
}


@pytest.mark.parametrize("line", [rule.line for rule in objects.RULES])
def test_a_rule_of_objects_touches_what_it_is_about_and_nothing_else(line: str) -> None:
    touching, other = OF_OBJECTS[line]
    assert line in lines(touching)
    assert line not in lines(other)


# By line: metadata that is touched, and metadata that is not (None: every trigger of the type is).
OF_TRIGGERS: dict[str, tuple[dict[str, str], dict[str, str] | None]] = {
    "`prometheus`: a NaN": ({}, {"ignoreNullValues": "true"}),
    "`influxdb` version 3": ({"influxVersion": "3"}, {"influxVersion": "2"}),
    "`redis-sentinel` without": ({}, {"sentinelMaster": "m"}),
    "`redis-streams`: a lag": ({"lagCount": "5"}, {"streamLength": "5"}),
    "A `rabbitmq` trigger's `host`": ({"host": "user@rabbit"}, {"host": "amqp://rabbit"}),
    "Over the management API": ({"host": "http://rabbit"}, {"host": "amqp://rabbit"}),
    "All AMQP triggers": ({"host": "amqp://rabbit"}, {"protocol": "http"}),
    "Queries to a database": ({"query": "update t set a = 1"}, {"query": " (SELECT 1)"}),
    "The server stops a query": ({"query": "select 1"}, {}),
    "A `postgresql` trigger logs in": ({"host": "pg"}, {"passwordFromEnv": "PASSWORD"}),
    "A `mongodb` `authMechanism`": ({"authMechanism": "GSSAPI"}, {"authMechanism": "SCRAM-SHA-1"}),
    "An `mssql` connection string": ({"certificate": "/ca"}, {}),
    "`kafka` without `topic`": ({}, {"topic": "t"}),
    "`apache-kafka` without `topic`": ({}, {"topic": "t"}),
    "`apache-kafka`: a named topic": ({"topic": "t"}, {}),
    "`excludePersistentLag`": ({"excludePersistentLag": "true"}, {"excludePersistentLag": "false"}),
    "`earliest` counts": ({"offsetResetPolicy": "earliest"}, {"offsetResetPolicy": "latest"}),
    "`metrics-api`: `format: xml`": ({"format": "xml"}, {"format": "json"}),
    "`metrics-api`: a sum": ({"aggregateFromKubeServiceEndpoints": "true"}, {}),
    "Every mode in `authModes`": ({"authModes": "oauth"}, {}),
    "`aws-cloudwatch`: a `metricCollectionTime`": (
        {"metricCollectionTime": "0"},
        {"metricCollectionTime": "300"},
    ),
    "`azure-blob`: a `blobPrefix`": ({"blobPrefix": "in/"}, {"blobPrefix": "in"}),
    "`azure-eventhub`: with `blobMetadata`": (
        {"checkpointStrategy": "blobMetadata"},
        {"checkpointStrategy": "goSdk"},
    ),
    "A beanstalkd `server`": ({"server": "jobs"}, {"server": "jobs:11300"}),
    "`github-runner`: when none": ({"repos": "a"}, {}),
    "`gcp-pubsub`: `credentialsFromEnvFile`": ({"credentialsFromEnvFile": "F"}, {}),
}


@pytest.mark.parametrize("rule", triggers.RULES, ids=lambda rule: f"{rule.types[0]}: {rule.line[:40]}")
def test_a_rule_of_triggers_touches_what_it_is_about_and_nothing_else(rule: Any) -> None:
    known = [pair for beginning, pair in OF_TRIGGERS.items() if rule.line.startswith(beginning)]
    touching, other = known[0] if known else ({}, None)
    assert len(known) == (0 if rule.when({}) and rule.when({"any": "thing"}) and not known else 1)
    for type in rule.types:
        assert scalers.find(type) is not None
        assert rule.line in lines(scaled_object({"type": type, "metadata": touching}))
        if other is not None:
            assert rule.line not in lines(scaled_object({"type": type, "metadata": other}))


def test_a_field_is_named_by_its_path() -> None:
    found = lines(scaled_object(REDIS, {"type": "prometheus", "metadata": {"query": "up"}}))
    path = next(path for line, path in found.items() if line.startswith("`prometheus`"))
    assert path == "spec.triggers[1].metadata.ignoreNullValues"


def test_an_object_of_plain_settings_is_touched_by_nothing() -> None:
    assert lines(scaled_object()) == {}
    assert lines(scaled_job(rollout={"strategy": "immediate"})) == {}
