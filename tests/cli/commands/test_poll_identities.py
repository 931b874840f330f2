"""`tidegate poll` asks AWS as whoever sits before it, and says so."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from parts.moto_server import REGION, Moto
from parts.server_process import Servers
from tidegate.cli.commands.poll import command

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("moto")]
ROLE = "arn:aws:iam::123456789012:role/lag"
MANIFESTS = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {name: web}
  triggers:
  - type: aws-sqs-queue
    metadata: {queueURL: orders, awsRegion: REGION, awsEndpoint: "ADDRESS"}
    authenticationRef: {name: aws}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: aws, namespace: shop}
spec:
  podIdentity: {provider: aws, roleArn: "ROLE"}
"""


@pytest.fixture(scope="module")
def moto(servers: Servers) -> Moto:
    return servers.get(Moto)


def test_a_queue_is_counted_in_a_role_that_ones_own_keys_assume(moto: Moto) -> None:
    moto.reset()
    moto.make("sqs", "create_queue", QueueName="orders")
    manifests = MANIFESTS.replace("REGION", REGION).replace("ADDRESS", moto.url).replace("ROLE", ROLE)
    environment = {
        "AWS_ACCESS_KEY_ID": "mine",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_ENDPOINT_URL_STS": moto.url,
    }
    result = CliRunner().invoke(command, ["-"], input=manifests, env=environment)
    assert result.exit_code == 0, result.output
    said = f"trigger 0: aws-sqs-queue: credentials from the aws identity {ROLE}, by your own login"
    assert said in result.stderr
    assert "hunter2" not in result.output
