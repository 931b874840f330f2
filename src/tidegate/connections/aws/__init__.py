"""AWS: signed requests over one HTTP session for each service, region and key or identity.

`login.py` has the keys and signs, `clocks.py` knows a refusal that means the clock,
`calls.py` sends one call and says what an error code means, `sqs.py`, `cloudwatch.py`, `kinesis.py` and
`dynamodb.py` know the calls of a service, `connection.py` is the adapter.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate.base.errors import Misconfigured
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.aws.places import is_region
from tidegate.kit.systems.aws import AwsServer, Service

_VARIABLES: dict[Service, str] = {
    "sqs": "SQS",
    "monitoring": "CLOUDWATCH",
    "kinesis": "KINESIS",
    "dynamodb": "DYNAMODB",
    "streams.dynamodb": "DYNAMODB_STREAMS",
    "secretsmanager": "SECRETS_MANAGER",
}
"""As the variables that name endpoints call them: `AWS_ENDPOINT_URL_SQS`."""


def connect(server: AwsServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. botocore, which signs, is imported here.

    Misconfigured for a region that none can be.
    """
    from tidegate.connections.aws.connection import AwsConnection

    if surroundings.identities is not None:
        around = surroundings.identities.aws_places
        endpoint = server.endpoint or around.endpoint(_VARIABLES[server.service])
        server = replace(server, region=server.region or around.region, endpoint=endpoint)
    if not server.region:
        step = "name a region, or set AWS_REGION where the autoscaler runs"
        raise Misconfigured("find the service", on=server.label(), answer="it has none", next_step=step)
    if not is_region(server.region):
        answer = "no region is called so"
        raise Misconfigured("find the service", on=server.label(), answer=answer, next_step="correct it")
    return AwsConnection(server, surroundings)
