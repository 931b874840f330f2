"""`tidegate poll` says as whom Azure is asked, and what that lacks."""

from __future__ import annotations

import base64

import pytest
from click.testing import CliRunner

from tidegate.cli.commands.poll import command

MANIFESTS = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {name: web}
  triggers:
  - type: azure-queue
    metadata: {queueName: orders, accountName: shop}
    authenticationRef: {name: azure}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: shop}
data: {secret: SECRET}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: azure, namespace: shop}
spec: {GIVEN}
"""
APPLICATION = (
    "azureServicePrincipal: {clientId: '4711', tenantId: a/b, "
    "clientSecret: {valueFrom: {secretKeyRef: {name: keys, key: secret}}}}"
)


@pytest.mark.parametrize(
    ("given", "who", "lacks"),
    [
        (
            'podIdentity: {provider: azure-workload, identityId: "4711"}',
            "the azure-workload identity 4711, by your own login",
            "run `az login`",
        ),
        (APPLICATION, "the Azure application 4711, by its own secret or certificate", "the tenant is none"),
    ],
    ids=["workload", "application"],
)
def test_who_asks_is_said_and_what_it_lacks(given: str, who: str, lacks: str) -> None:
    secret = base64.b64encode(b"hunter2").decode()
    manifests = MANIFESTS.replace("SECRET", secret).replace("GIVEN", given)
    environment = {"PATH": "", "AZURE_TENANT_ID": None, "AZURE_CLIENT_ID": None}
    result = CliRunner().invoke(command, ["-"], input=manifests, env=environment)
    assert f"trigger 0: azure-queue: credentials from {who}" in result.stderr
    assert lacks in result.stderr
    assert "hunter2" not in result.output
    assert result.exit_code == 1
