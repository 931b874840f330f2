"""Names of trigger types that are none: spellings seen in the wild, and types that are not offered yet."""

from __future__ import annotations

from tidegate import scalers
from tidegate.base.spelling import nearest

SPELLINGS = {
    "activemq-artemis": "artemis-queue",
    "amqp": "rabbitmq",
    "apachekafka": "apache-kafka",
    "artemis": "artemis-queue",
    "aws-cloudwatch-metric": "aws-cloudwatch",
    "aws-dynamo": "aws-dynamodb",
    "aws-kinesis": "aws-kinesis-stream",
    "aws-sqs": "aws-sqs-queue",
    "awscloudwatch": "aws-cloudwatch",
    "awssqsqueue": "aws-sqs-queue",
    "azure-event-hub": "azure-eventhub",
    "azure-queue-storage": "azure-queue",
    "azure-service-bus": "azure-servicebus",
    "azure-storage-blob": "azure-blob",
    "azure-storage-queue": "azure-queue",
    "azureblobstorage": "azure-blob",
    "azureservicebus": "azure-servicebus",
    "azureservicebusqueue": "azure-servicebus",
    "click-house": "clickhouse",
    "cloudwatch": "aws-cloudwatch",
    "couch-db": "couchdb",
    "cronjob": "cron",
    "data-dog": "datadog",
    "elastic": "elasticsearch",
    "event-hub": "azure-eventhub",
    "eventhub": "azure-eventhub",
    "gcp-pub-sub": "gcp-pubsub",
    "github-actions": "github-runner",
    "github": "github-runner",
    "gnocchi": "openstack-metric",
    "http": "metrics-api",
    "ibm-mq": "ibmmq",
    "jetstream": "nats-jetstream",
    "kinesis": "aws-kinesis-stream",
    "mariadb": "mysql",
    "mongo": "mongodb",
    "ms-sql": "mssql",
    "nats": "nats-jetstream",
    "newrelic": "new-relic",
    "pgsql": "postgresql",
    "postgres": "postgresql",
    "pubsub": "gcp-pubsub",
    "rabbit": "rabbitmq",
    "rabbit-mq": "rabbitmq",
    "rabbitmq-queue": "rabbitmq",
    "redis-list": "redis",
    "redis-lists": "redis",
    "redis-stream": "redis-streams",
    "redislistslength": "redis",
    "selenium": "selenium-grid",
    "service-bus": "azure-servicebus",
    "servicebus": "azure-servicebus",
    "signalfx": "splunk-observability",
    "solace": "solace-event-queue",
    "solace-queue": "solace-event-queue",
    "solar-winds": "solarwinds",
    "sql-server": "mssql",
    "sqlserver": "mssql",
    "sqs": "aws-sqs-queue",
    "stackdriver": "gcp-stackdriver",
    "sumo-logic": "sumologic",
    "swift": "openstack-swift",
    "workload": "kubernetes-workload",
}
"""Folded, by what was meant."""

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


def meant(trigger_type: str) -> str:
    """What to say after a type that there is not: what was meant, or that it is to come. Begins with "; "."""
    written = trigger_type.strip().casefold().replace("_", "-").replace(" ", "-")
    known = (SPELLINGS.get(written), written, nearest(written, KEDA_TYPES, is_slip=True))
    found = next((one for one in known if one in KEDA_TYPES), None)
    if found is None:
        return "; `tidegate triggers` lists the types that there are"
    is_offered = scalers.find(found) is not None
    if found == trigger_type:
        return "" if is_offered else "; KEDA has this type, and this version of Tidegate does not yet"
    return f'; did you mean "{found}"?' + ("" if is_offered else " This version does not have it yet")
