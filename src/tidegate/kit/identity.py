"""A cloud identity that a TriggerAuthentication names instead of a secret (`podIdentity`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidegate.base.errors import Unsupported

Provider = Literal["aws", "aws-eks", "azure-workload", "gcp"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. Servers carry it, never a token: tokens rotate, and a connection stays.

    `client_id`, `tenant_id` and `authority_host` belong to azure-workload, `role_arn`, `external_id` and
    `owner` ("workload": the role of the workload's ServiceAccount) to aws. Empty: the autoscaler's own.
    `service_account` ("namespace/name") is the one whose token proves it; empty: the autoscaler's.
    """

    provider: Provider
    client_id: str = ""
    tenant_id: str = ""
    authority_host: str = ""
    role_arn: str = ""
    external_id: str = ""
    owner: str = ""
    service_account: str = ""

    def label(self) -> str:
        """For people: which identity, as far as the manifest says it."""
        which = self.role_arn or self.client_id
        return f"{self.provider} identity {which}".strip()


def not_offered(identity: Identity, attempted: str, on: str) -> Unsupported:
    """Identities are read and checked; measuring with one comes in a later version."""
    return Unsupported(
        attempted,
        on=on,
        answer=f"this version cannot log in with the {identity.label()} yet",
        next_step="use keys or a connection string until it can",
    )
