"""Tokens for pods, as the node asks for them in process: `tidegate.local.api_access.ApiAccess`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from tidegate.kube.resource import SERVICE_ACCOUNTS, ApiError
from tidegate.local.apiserver.authentication.claims import API_AUDIENCES
from tidegate.local.apiserver.authentication.tokens import Tokens
from tidegate.local.objects import Object, Objects


@dataclass(frozen=True, slots=True)
class PodAccess:
    """`url` is where the API answers."""

    objects: Objects
    tokens: Tokens
    url: str

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 443

    def token(self, pod: Object, audience: str, life_s: int) -> str:
        namespace = pod["metadata"]["namespace"]
        name = pod["spec"].get("serviceAccountName") or "default"
        account = self.objects.get(SERVICE_ACCOUNTS, namespace, name)
        if account is None:
            raise ApiError(404, "NotFound", f'serviceaccounts "{name}" not found')
        audiences = [audience] if audience else list(API_AUDIENCES)
        return self.tokens.issue(account, audiences, life_s, pod).token
