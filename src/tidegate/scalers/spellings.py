"""Names of trigger types that are none: spellings seen in the wild."""

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


def meant(trigger_type: str) -> str:
    """What to say after a type that there is not: what was meant, or where the list is. Begins with "; "."""
    written = trigger_type.strip().casefold().replace("_", "-").replace(" ", "-")
    types = scalers.types()
    known = (SPELLINGS.get(written), written, nearest(written, types, is_slip=True))
    found = next((one for one in known if one in types), None)
    return f'; did you mean "{found}"?' if found else "; `tidegate triggers` lists the types that there are"
