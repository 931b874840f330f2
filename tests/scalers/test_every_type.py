"""All trigger types of KEDA are there, and each of their names that people write is understood."""

from __future__ import annotations

from tidegate import scalers
from tidegate.scalers.spellings import SPELLINGS

KEDA_TYPES = frozenset(
    {
        "activemq", "apache-kafka", "arangodb", "artemis-queue", "aws-cloudwatch", "aws-dynamodb",
        "aws-dynamodb-streams", "aws-kinesis-stream", "aws-sqs-queue", "azure-app-insights", "azure-blob",
        "azure-data-explorer", "azure-eventhub", "azure-log-analytics", "azure-monitor", "azure-pipelines",
        "azure-queue", "azure-servicebus", "beanstalkd", "cassandra", "clickhouse", "couchdb", "cpu", "cron",
        "datadog", "dynatrace", "elastic-forecast", "elasticsearch", "etcd", "external", "external-push",
        "forgejo-runner", "gcp-cloudtasks", "gcp-pubsub", "gcp-spanner", "gcp-stackdriver", "gcp-storage",
        "github-runner", "graphite", "huawei-cloudeye", "ibmmq", "influxdb", "kafka", "kubernetes-resource",
        "kubernetes-workload", "liiklus", "loki", "memory", "metrics-api", "mongodb", "mssql", "mysql",
        "nats-jetstream", "new-relic", "nsq", "opensearch", "openstack-metric", "openstack-swift",
        "postgresql", "predictkube", "prometheus", "pulsar", "rabbitmq", "redis", "redis-cluster",
        "redis-cluster-streams", "redis-sentinel", "redis-sentinel-streams", "redis-streams",
        "selenium-grid", "solace-direct-messaging", "solace-event-queue", "solarwinds", "solr", "splunk",
        "splunk-observability", "sumologic", "temporal",
    }
)  # fmt: skip
"""Every trigger type that KEDA reads."""


def test_every_type_of_keda_is_there_and_none_besides() -> None:
    assert len(KEDA_TYPES) == 78
    assert set(scalers.types()) == KEDA_TYPES


def test_every_spelling_means_a_type_that_there_is_and_is_none_itself() -> None:
    assert set(SPELLINGS.values()) <= KEDA_TYPES
    assert not set(SPELLINGS) & KEDA_TYPES
