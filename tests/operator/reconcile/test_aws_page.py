"""The manifests of the page about AWS do what it says."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from parts.aws_fake import OWN_ID, OWN_SECRET, AwsFake
from parts.http_server import answering
from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.auth.resolve import Options
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws import connect
from tidegate.connections.grants import Granted
from tidegate.connections.identities import Ground, Identities
from tidegate.kit.scaler import Polled
from tidegate.kube.resource import SECRETS
from tidegate.operator.reconcile.trigger_plan import plan

PAGE = Path(__file__).parents[3] / "docs/reference/authentication/aws.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
MANIFESTS = {
    (one["kind"], one["metadata"]["name"]): one
    for block in BLOCKS
    for one in yaml.safe_load_all(block)
    if "kind" in one
}
AUTHENTICATIONS = [
    key
    for key, one in MANIFESTS.items()
    if key[0].endswith("Authentication") and "awsSecretManager" not in one["spec"]
]
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": OWN_ID, "AWS_SECRET_ACCESS_KEY": OWN_SECRET}


class World:
    """The page's manifests, and the Secret that one of them names."""

    def get(self, resource: Any, namespace: str, name: str) -> Any:
        if resource == SECRETS:
            keys = {"id": OWN_ID, "secret": OWN_SECRET}
            data = {key: base64.b64encode(text.encode()).decode() for key, text in keys.items()}
            return {"kind": "Secret", "metadata": {"name": name}, "data": data}
        return MANIFESTS.get((resource.kind, name))


async def of_worker(namespace: str, name: str, audience: str) -> Granted[str]:
    assert (namespace, name, audience) == ("shop", "worker", "sts.amazonaws.com")
    return Granted("jwt", 3600.0)


@pytest.mark.parametrize("key", AUTHENTICATIONS, ids=lambda key: key[1])
async def test_each_authentication_of_the_page_counts_a_queue(key: tuple[str, str]) -> None:
    aws = AwsFake()
    async with answering(aws) as fake:
        metadata = {"queueURL": "orders", "awsRegion": "eu-west-1", "awsEndpoint": fake.origin}
        trigger = {"type": "aws-sqs-queue", "metadata": metadata}
        trigger["authenticationRef"] = {"kind": key[0], "name": key[1]}
        object = decode(
            {
                "apiVersion": "keda.sh/v1alpha1",
                "kind": "ScaledObject",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"scaleTargetRef": {"name": "web"}, "triggers": [trigger]},
            }
        )
        assert isinstance(object, ScaledObject)
        lent = ("shop",) if key[1] == "as-the-operator" else ()
        template = {"spec": {"serviceAccountName": "worker", "containers": [{"name": "main"}]}}
        made = plan(object, template, None, World(), Options(lends_identity=lent))
        assert made.check("") is None
        [(_, scaler)] = made.scalers()
        assert isinstance(scaler, Polled)
        identities = Identities(
            Ground(Surroundings(), {"AWS_ENDPOINT_URL_STS": fake.origin, **ENVIRONMENT}, of_worker)
        )
        adapter: Any = connect(scaler.server(), Surroundings(identities=identities))  # type: ignore[attr-defined]

        async def ask(question: Any) -> Any:
            return (await adapter.answer([question]))[0]

        try:
            measured: Any = await scaler.measure(ask, datetime.now(UTC))
            assert measured == 14
        finally:
            await adapter.close()
            await identities.close()
    assumed = {"as-the-workload": ["AssumeRoleWithWebIdentity"], "queues": ["AssumeRole"]}
    assert aws.operations() == assumed.get(key[1], [])
