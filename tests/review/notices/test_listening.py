"""The annotation that names channels, as a manifest has it: who listens, and what is told."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.kit.reading import Sources
from tidegate.kit.systems.kafka import KafkaRecords
from tidegate.review.manifest import review

LISTEN = "tidegate.dev/listen"
CRON = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 0 * * *", "end": "1 0 * * *", "desiredReplicas": "1"},
}


def postgresql(name: str = "") -> dict[str, Any]:
    settings = {"host": "db", "port": "5432", "userName": "u", "dbName": "shop", "sslmode": "disable"}
    one = {"type": "postgresql", "metadata": {**settings, "query": "SELECT 1", "targetQueryValue": "1"}}
    return {**one, "name": name} if name else one


KAFKA = {
    "type": "kafka",
    "metadata": {"bootstrapServers": "kafka:9092", "consumerGroup": "shippers", "topic": "orders"},
}


def reviewed(listen: str, *triggers: dict[str, Any]) -> Any:
    manifest = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {LISTEN: listen}},
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": list(triggers)},
    }
    object = decode(manifest)
    assert isinstance(object, ScaledObject)
    return review(object, lambda index: Sources(object.spec.triggers[index].metadata))


def channels(found: Any) -> list[str]:
    watches = [plan.scaler.watch() if hasattr(plan.scaler, "watch") else None for plan in found.triggers]
    return [one.topic if isinstance(one, KafkaRecords) else getattr(one, "channel", "") for one in watches]


@pytest.mark.parametrize(
    ("listen", "triggers", "expected"),
    [
        ("orders", (CRON, postgresql()), ["", "orders"]),
        ("b=mails, a=orders", (postgresql("a"), postgresql("b")), ["orders", "mails"]),
        ("b=mails", (postgresql("a"), postgresql("b")), ["", "mails"]),
        ("orders", (CRON, KAFKA), ["", "orders"]),
        ("a=mails", (KAFKA, postgresql("a")), ["", "mails"]),
    ],
)
def test_a_trigger_listens_to_its_channel(
    listen: str, triggers: tuple[dict[str, Any], ...], expected: list[str]
) -> None:
    found = reviewed(listen, *triggers)
    assert not found.problems
    assert channels(found) == expected
    assert not [one for one in found.notices if LISTEN in one.path]


@pytest.mark.parametrize(
    ("listen", "triggers", "words"),
    [
        ("orders", (postgresql("a"), postgresql("b")), "2 triggers could listen"),
        ("orders", (CRON,), "no trigger's server has channels"),
        ("c=orders", (postgresql("a"),), 'no trigger has the name "c"'),
    ],
)
def test_what_is_for_nobody_is_told_and_the_triggers_are_polled(
    listen: str, triggers: tuple[dict[str, Any], ...], words: str
) -> None:
    found = reviewed(listen, *triggers)
    assert not found.problems
    assert set(channels(found)) == {""}
    (notice,) = (one for one in found.notices if one.path == f"metadata.annotations.{LISTEN}")
    assert words in notice.message


def test_a_topic_that_the_trigger_does_not_measure_is_told() -> None:
    found = reviewed("returns", KAFKA)
    (notice,) = (one for one in found.notices if "listens" in one.message)
    assert "topic returns, which it does not measure" in notice.message
    assert channels(found) == ["returns"]


@pytest.mark.parametrize(
    ("host", "binding"),
    [("amqp://u:p@mq/shop", "orders/order.*"), ("http://u:p@mq/shop", None)],
)
def test_a_rabbitmq_trigger_listens_over_amqp_alone(host: str, binding: str | None) -> None:
    metadata = {"host": host, "queueName": "jobs", "mode": "QueueLength", "value": "1"}
    found = reviewed("orders/order.*", {"type": "rabbitmq", "metadata": metadata})
    assert not found.problems
    watch = found.triggers[0].scaler.watch()
    assert (watch.binding if watch is not None else None) == binding
    assert any("over AMQP alone" in one.message for one in found.notices) == (binding is None)
