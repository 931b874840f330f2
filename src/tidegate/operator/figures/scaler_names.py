"""How KEDA calls a trigger without a name in the label `scaler`: by the name of its own type for it.

Dashboards select by these names. Most are the trigger's type in camel case with `Scaler` after it.
Source: KEDA's sources, pkg/scalers of 2.20.
"""

from __future__ import annotations

OTHERS = {
    "activemq": "activeMQScaler",
    "arangodb": "arangoDBScaler",
    "artemis-queue": "artemisScaler",
    "aws-dynamodb": "awsDynamoDBScaler",
    "aws-dynamodb-streams": "awsDynamoDBStreamsScaler",
    "azure-eventhub": "azureEventHubScaler",
    "azure-servicebus": "azureServiceBusScaler",
    "beanstalkd": "BeanstalkdScaler",
    "couchdb": "couchDBScaler",
    "cpu": "cpuMemoryScaler",
    "gcp-cloudtasks": "gcpCloudTasksScaler",
    "gcp-pubsub": "pubsubScaler",
    "gcp-spanner": "spannerScaler",
    "gcp-stackdriver": "stackdriverScaler",
    "gcp-storage": "gcsScaler",
    "influxdb": "influxDBScaler",
    "memory": "cpuMemoryScaler",
    "metrics-api": "metricsAPIScaler",
    "mongodb": "mongoDBScaler",
    "mysql": "mySQLScaler",
    "nats-jetstream": "natsJetStreamScaler",
    "new-relic": "newrelicScaler",
    "postgresql": "postgreSQLScaler",
    "predictkube": "PredictKubeScaler",
    "rabbitmq": "rabbitMQScaler",
    "redis-cluster": "redisScaler",
    "redis-cluster-streams": "redisStreamsScaler",
    "redis-sentinel": "redisScaler",
    "redis-sentinel-streams": "redisStreamsScaler",
    "solace-direct-messaging": "SolaceDMScaler",
    "solace-event-queue": "SolaceScaler",
    "solarwinds": "solarWindsScaler",
    "splunk": "SplunkScaler",
}


def scaler_name(trigger_type: str) -> str:
    """`aws-sqs-queue` → `awsSqsQueueScaler`."""
    first, *rest = trigger_type.split("-")
    return OTHERS.get(trigger_type) or first + "".join(part.capitalize() for part in rest) + "Scaler"
