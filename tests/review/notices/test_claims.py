"""Claimed work in a manifest: what is refused, and what is told."""

from __future__ import annotations

from typing import Any

import pytest

from parts.decisions import scaled_job
from tidegate.api.decode import decode
from tidegate.api.scaledjob import ScaledJob
from tidegate.review.judge import Beyond, judge
from tidegate.review.notices.claims import claim_notices

NOTHING = Beyond(lambda one: (), lambda one: (), lambda one: ())
CLAIM = "tidegate.dev/claim"


def manifest(*triggers: Any, annotations: dict[str, str], command: list[str], **spec: Any) -> dict[str, Any]:
    redis = {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs"}}
    container = {"name": "c", "image": "i", "command": command}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledJob",
        "metadata": {"name": "crunch", "namespace": "shop", "annotations": annotations},
        "spec": {
            "jobTargetRef": {"template": {"spec": {"containers": [container], "restartPolicy": "Never"}}},
            "triggers": list(triggers or (redis,)),
            **spec,
        },
    }


@pytest.mark.parametrize(
    ("claim", "command", "is_refused"),
    [
        ("true", ["sh", "-c", "work $(KEDA_TASK_DATA)"], True),
        ("true", ["sh", "-c", 'work "$KEDA_TASK_DATA"'], False),
        # nothing puts a message there
        ("false", ["sh", "-c", "work $(KEDA_TASK_DATA)"], False),
    ],
)
def test_a_messages_text_in_a_command_is_refused_where_it_would_come(
    claim: str, command: list[str], is_refused: bool
) -> None:
    verdict = judge(manifest(annotations={CLAIM: claim}, command=command), None, NOTHING)
    assert bool(verdict.problems) == is_refused
    if is_refused:
        (problem,) = verdict.problems
        assert problem.path == "spec.jobTargetRef.template.spec.containers[0].command[2]"
        assert '"$KEDA_TASK_DATA" in double quotes' in problem.message


CRON = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 0 * * *", "end": "1 0 * * *", "desiredReplicas": "1"},
}


@pytest.mark.parametrize(
    ("triggers", "annotations", "spec", "told"),
    [
        ((), {CLAIM: "true"}, {}, []),
        ((), {}, {}, []),
        ((), {CLAIM: "yes"}, {}, ['"yes" is neither "true" nor "false"']),
        ((), {f"{CLAIM}-attempts": "3"}, {}, ['has no effect without tidegate.dev/claim: "true"']),
        ((), {CLAIM: "true", f"{CLAIM}-lease": "x"}, {}, ["no whole number from 3 to 43200"]),
        ((), {CLAIM: "true", f"{CLAIM}-table": "jobs_claims"}, {}, ["has no effect for redis"]),
        ((CRON,), {CLAIM: "true"}, {}, ["cron cannot be claimed from"]),
        ((CRON, CRON), {CLAIM: "true"}, {}, ["there are 2 triggers", "cron cannot be claimed from"]),
        ((), {CLAIM: "true"}, {"minReplicaCount": 1}, ["1 has no effect: a claimed Job needs a message"]),
    ],
)
def test_what_does_nothing_is_told(
    triggers: tuple[Any, ...], annotations: dict[str, str], spec: dict[str, Any], told: list[str]
) -> None:
    object = decode(manifest(*triggers, annotations=annotations, command=["work"], **spec))
    assert isinstance(object, ScaledJob)
    found = [str(one) for one in claim_notices(object)]
    assert len(found) == len(told)
    assert all(part in text for part, text in zip(told, found, strict=True))


def redis_trigger(type: str, **metadata: str) -> dict[str, Any]:
    return {"type": type, "metadata": {"address": "redis:6379", **metadata}}


def rabbitmq_trigger(queue: str) -> dict[str, Any]:
    return {"type": "rabbitmq", "metadata": {"host": "amqp://a:b@mq", "queueName": queue}}


def azure_trigger(queue: str) -> dict[str, Any]:
    connection = (
        "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=YQ==;EndpointSuffix=core.windows.net"
    )
    return {"type": "azure-queue", "metadata": {"connection": connection, "queueName": queue}}


@pytest.mark.parametrize(
    ("trigger", "dead_letter", "told"),
    [
        (
            redis_trigger("redis-streams", stream="orders"),
            "",
            "none is named; give consumerGroup and lagCount",
        ),
        (redis_trigger("redis-streams", stream="orders", consumerGroup="workers"), "", "give lagCount"),
        (redis_trigger("redis-streams", stream="s", consumerGroup="w", lagCount="5"), "bad", ""),
        (redis_trigger("redis-cluster-streams", stream="s", consumerGroup="w", lagCount="5"), "{s}:bad", ""),
        (
            redis_trigger("redis-cluster-streams", stream="s", consumerGroup="w", lagCount="5"),
            "bad",
            "name a key such as {s}:dead",
        ),
        (redis_trigger("redis-cluster", listName="jobs"), "", ""),
        (redis_trigger("redis-cluster", listName="shop:{a}:jobs"), "bad", "name a key such as {a}:dead"),
        (redis_trigger("redis-cluster", listName="shop:{a}:jobs"), "x{a}", ""),
        (
            redis_trigger("redis-cluster", listName="a{}b{c}"),
            "",
            "give it a name with a {tag}, or without braces",
        ),
        (redis_trigger("redis", listName="a{}b{c}"), "bad", ""),
        ({"type": "rabbitmq", "metadata": {"host": "amqp://a:b@mq", "queueName": "jobs"}}, "bad", ""),
        ({"type": "rabbitmq", "metadata": {"host": "http://a:b@mq", "queueName": "jobs"}}, "", "AMQP alone"),
        # dead letters that would be claimed again, for ever
        (redis_trigger("redis", listName="jobs"), "jobs", "would be claimed again"),
        (redis_trigger("redis-cluster", listName="jobs"), "jobs", "would be claimed again"),
        (rabbitmq_trigger("jobs"), "jobs", "would be claimed again"),
        (azure_trigger("jobs"), "jobs", "would be claimed again"),
        # claims of others
        (rabbitmq_trigger("tidegate.claims.9f2c"), "", "hold the claims of ScaledJobs"),
        (rabbitmq_trigger("jobs"), "tidegate.claims.9f2c", "hold the claims of ScaledJobs"),
        (rabbitmq_trigger("tidegate.dead.jobs"), "", ""),
        (azure_trigger("jobs"), "", ""),
        (azure_trigger("q" * 56), "", ""),
        (azure_trigger("q" * 57), "", "can be no queue's name"),
        (azure_trigger("jobs"), "../others", "can be no queue's name"),
    ],
)
def test_what_a_triggers_settings_lack_to_be_claimed_from_is_told(
    trigger: dict[str, Any], dead_letter: str, told: str
) -> None:
    annotations = {CLAIM: "true", **({f"{CLAIM}-dead-letter": dead_letter} if dead_letter else {})}
    verdict = judge(manifest(trigger, annotations=annotations, command=["work"]), None, NOTHING)
    assert not verdict.problems
    found = [text for text in verdict.warnings if "nothing is claimed" in text]
    assert [told in text for text in found] == ([True] if told else [])


@pytest.mark.parametrize(("triggers", "is_told"), [((), False), ((CRON,), True)])
def test_jobs_that_read_a_message_which_nobody_brings_are_told(triggers: Any, is_told: bool) -> None:
    command = ["sh", "-c", 'work "$KEDA_TASK_DATA"']
    object = decode(manifest(*triggers, annotations={}, command=command))
    assert isinstance(object, ScaledJob)
    assert any("stays empty" in one.message for one in claim_notices(object)) == is_told


def test_an_edit_of_the_annotation_alone_is_told_as_well() -> None:
    old = manifest(CRON, annotations={}, command=["work"])
    new = manifest(CRON, annotations={CLAIM: "true"}, command=["work"])
    assert any("cron cannot be claimed from" in text for text in judge(new, old, NOTHING).warnings)


def test_a_scaled_job_without_annotations_has_no_notices() -> None:
    assert not list(claim_notices(scaled_job({})))
