"""AWS: signed requests over one HTTP session for each service, region and key or identity.

`login.py` has the keys and signs, `clocks.py` knows a refusal that means the clock,
`calls.py` sends one call and says what an error code means, `sqs.py`, `cloudwatch.py`, `kinesis.py` and
`dynamodb.py` know the calls of a service, `connection.py` is the adapter.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.aws import AwsServer


def connect(server: AwsServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. botocore, which signs, is imported here."""
    from tidegate.connections.aws.connection import AwsConnection

    return AwsConnection(server, surroundings)
