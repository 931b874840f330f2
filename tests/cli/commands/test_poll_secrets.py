"""Whatever AWS refuses, and however much it repeats of what it was sent: `tidegate poll` shows no secret."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from parts.aws_fake import MARK, OWN_ID, OWN_SECRET, AwsFake
from parts.http_server import answering
from tidegate.cli.commands.poll import command

MANIFESTS = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {name: web}
  triggers:
  - type: aws-sqs-queue
    metadata: {queueURL: orders, awsRegion: eu-west-1, awsEndpoint: "ADDRESS"}
    authenticationRef: {name: aws}
  - type: prometheus
    metadata: {serverAddress: "ADDRESS/workspaces/ws-1", query: up, threshold: "1", awsRegion: eu-west-1}
    authenticationRef: {name: aws}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: aws, namespace: shop}
spec:
  podIdentity: {provider: aws, roleArn: "arn:aws:iam::123456789012:role/lag"}
"""
MINE = {
    "AWS_ACCESS_KEY_ID": OWN_ID,
    "AWS_SECRET_ACCESS_KEY": OWN_SECRET,
    "AWS_SESSION_TOKEN": f"{MARK}-own",
}


@contextmanager
def served(aws: AwsFake) -> Iterator[str]:
    """The address of the fake, which has a thread of its own: the command has a loop of its own, too."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    told: list[str] = []
    over = asyncio.Event()

    async def serve() -> None:
        async with answering(aws) as fake:
            told.append(fake.origin)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield told[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


def refusing(code: str) -> Callable[[AwsFake], None]:
    return lambda aws: aws.refuses.update(AssumeRole=code)


@pytest.mark.parametrize(
    "trouble",
    [
        lambda aws: None,
        *map(refusing, ("AccessDenied", "ExpiredToken", "SignatureDoesNotMatch", "Throttling", "<odd>")),
        lambda aws: aws.denied.update(f"ASIA{number}" for number in range(9)),
        lambda aws: aws.dead.update(f"ASIA{number}" for number in range(9)),
        lambda aws: aws.secrets.clear(),
        lambda aws: setattr(aws, "late_s", 600.0),
    ],
    ids=["none", "denied", "expired", "signature", "throttled", "odd", "rights", "dead", "unknown", "clock"],
)
def test_no_secret_is_shown(trouble: Callable[[AwsFake], None], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tidegate")
    aws = AwsFake()
    trouble(aws)
    with served(aws) as address:
        environment = MINE | {"AWS_ENDPOINT_URL_STS": address}
        manifests = MANIFESTS.replace("ADDRESS", address)
        result = CliRunner().invoke(command, ["-"], input=manifests, env=environment)
    assert aws.forms, "STS was asked"
    assert "trigger 0" in result.stderr
    assert MARK not in result.output + result.stderr + caplog.text
