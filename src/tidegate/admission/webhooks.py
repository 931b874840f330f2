"""Which webhooks there are, under KEDA's names and paths, and how they are registered. Values only."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.api.kinds import EVENTING_GROUP, GROUP, VERSION

CONFIGURATION = "keda-admission"
SERVICE = "keda-admission-webhooks"
TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Webhook:
    """One of them: it is asked about creations and updates of one kind."""

    group: str
    plural: str
    kind: str

    @property
    def name(self) -> str:
        return f"v{self.kind.lower()}.kb.io"

    @property
    def path(self) -> str:
        return f"/validate-{self.group.replace('.', '-')}-{VERSION}-{self.kind.lower()}"


WEBHOOKS: Sequence[Webhook] = (
    Webhook(GROUP, "scaledobjects", "ScaledObject"),
    Webhook(GROUP, "scaledjobs", "ScaledJob"),
    Webhook(GROUP, "triggerauthentications", "TriggerAuthentication"),
    Webhook(GROUP, "clustertriggerauthentications", "ClusterTriggerAuthentication"),
    Webhook(EVENTING_GROUP, "cloudeventsources", "CloudEventSource"),
    Webhook(EVENTING_GROUP, "clustercloudeventsources", "ClusterCloudEventSource"),
)


def configuration(
    *,
    name: str = CONFIGURATION,
    service: str = SERVICE,
    namespace: str = "keda",
    port: int = 443,
    authorities: bytes = b"",
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The ValidatingWebhookConfiguration. Without `authorities` somebody else has to fill in the caBundle."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name, **({"labels": dict(labels)} if labels else {})},
        "webhooks": [_registered(one, service, namespace, port, authorities) for one in WEBHOOKS],
    }


def _registered(
    webhook: Webhook, service: str, namespace: str, port: int, authorities: bytes
) -> dict[str, Any]:
    client: dict[str, Any] = {
        "service": {"name": service, "namespace": namespace, "path": webhook.path, "port": port}
    }
    if authorities:
        client["caBundle"] = base64.b64encode(authorities).decode()
    return {
        "name": webhook.name,
        "clientConfig": client,
        "rules": [
            {
                "apiGroups": [webhook.group],
                "apiVersions": [VERSION],
                "operations": ["CREATE", "UPDATE"],
                "resources": [webhook.plural],
            }
        ],
        # While webhooks are down objects are taken; the operator tells what is wrong with them.
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_S,
        "admissionReviewVersions": ["v1"],
    }
