"""What proves an identity of Azure: a ServiceAccount's token, a secret, a certificate, or the user's login.

Order for a workload identity, as KEDA's: the token of the ServiceAccount that it names, else the file that
the workload identity webhook mounts (AZURE_FEDERATED_TOKEN_FILE), else, where there is none, `az`.

Source: Microsoft, "Microsoft Entra Workload ID on AKS".
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from pathlib import Path
from typing import Any

from tidegate.base.errors import Misconfigured, Unsupported
from tidegate.connections.grants import Granted
from tidegate.connections.identities import Ground
from tidegate.connections.identities.azure.certificates import assertion
from tidegate.connections.identities.azure.command_line import az_token
from tidegate.connections.identities.azure.exchange import Asked, Exchange, Proof
from tidegate.kit.identity import Identity, ServicePrincipal
from tidegate.kit.systems.azure_clouds import CHINA, CHINA_PARTNER, GOVERNMENT, LOGINS, PUBLIC
from tidegate.kit.systems.http import read_url

TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"
CLIENT_ID = "AZURE_CLIENT_ID"
TENANT_ID = "AZURE_TENANT_ID"
AUTHORITY_HOST = "AZURE_AUTHORITY_HOST"

# Whom a ServiceAccount's token must be for. Source: Microsoft, "Workload identity federation".
_EXCHANGE = "api://AzureADTokenExchange"
_EXCHANGES = {
    GOVERNMENT.login: f"{_EXCHANGE}USGov",
    CHINA.login: f"{_EXCHANGE}China",
    CHINA_PARTNER: f"{_EXCHANGE}China",
}

_TOKEN_BYTES = 64 << 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_SETUP = (
    'label the autoscaler\'s pod `azure.workload.identity/use: "true"` and annotate its ServiceAccount with '
    "`azure.workload.identity/client-id`; on a laptop, install the Azure CLI and run `az login`"
)


class AzureCloud:
    """Gives access tokens; their audiences are scopes (`https://storage.azure.com/.default`)."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._environment = ground.environment
        self._exchange = Exchange(ground.surroundings)

    async def grant(self, identity: Identity | ServicePrincipal, audience: str) -> Granted[Any]:
        """A token. Misconfigured, Denied, Unreachable, Malformed or Unsupported where there is none."""
        attempted = f"get a token of the {identity.label()} for {audience}"
        if isinstance(identity, ServicePrincipal):
            return await self._of_application(identity, audience, attempted)
        if identity.application is not None:
            return await self._of_application(identity.application, audience, attempted)
        is_without_token = not identity.service_account and not self._environment.get(TOKEN_FILE)
        if is_without_token and (program := self._az()):
            return await az_token(program, self._environment, identity.tenant_id, audience, attempted)
        return await self._of_workload(identity, audience, attempted)

    async def close(self) -> None:
        """Nothing is held open between two tokens."""

    async def _of_application(self, who: ServicePrincipal, audience: str, attempted: str) -> Granted[str]:
        authority = self._authority(who.authority_host, attempted)
        asked = Asked(
            authority, _name(who.tenant_id, "tenant", attempted), who.client_id, audience, attempted
        )

        async def proof(skew_s: float) -> Proof:
            if who.secret:
                return (("client_secret", who.secret),)
            signed = await asyncio.to_thread(assertion, who, asked.url, time.time() + skew_s, attempted)
            return _asserted(signed)

        return await self._exchange.token(asked, proof)

    async def _of_workload(self, who: Identity, audience: str, attempted: str) -> Granted[str]:
        own = self._authority("", attempted)
        authority = self._authority(who.authority_host, attempted)
        if authority not in LOGINS and authority != own:
            # Whoever writes a TriggerAuthentication must not have our proof sent to a host of theirs.
            raise Misconfigured(
                attempted,
                answer=f"identityAuthorityHost names {authority}, which is no authority of Azure's",
                next_step=f"leave it out; for a private cloud set {AUTHORITY_HOST} of the autoscaler",
            )
        tenant = who.tenant_id or self._environment.get(TENANT_ID, "")
        client = who.client_id or self._environment.get(CLIENT_ID, "")
        missing = [name for name, text in ((TENANT_ID, tenant), (CLIENT_ID, client)) if not text]
        if missing or not (who.service_account or self._environment.get(TOKEN_FILE)):
            names = missing or [TOKEN_FILE]
            answer = f"the autoscaler's environment has no {' and no '.join(names)}"
            raise Misconfigured(attempted, answer=answer, next_step=_SETUP)
        asked = Asked(authority, _name(tenant, "tenant", attempted), client, audience, attempted)

        async def proof(skew_s: float) -> Proof:
            return _asserted(await self._account_token(who, authority, attempted))

        return await self._exchange.token(asked, proof)

    async def _account_token(self, who: Identity, authority: str, attempted: str) -> str:
        """Read anew each time: whoever mounted it replaces it every hour."""
        if who.service_account:
            if self._ground.account_token is None:
                answer = "tokens of ServiceAccounts are given by a cluster, and none is at hand"
                raise Unsupported(attempted, answer=answer, next_step="ask within the cluster")
            namespace, _, name = who.service_account.partition("/")
            wanted = _EXCHANGES.get(authority, _EXCHANGE)
            return (await self._ground.account_token(namespace, name, wanted)).value
        path = self._environment[TOKEN_FILE]
        try:
            text = await asyncio.to_thread(_read, Path(path))
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or "it is no text"
            answer = f"the file that {TOKEN_FILE} names cannot be read ({words.lower()})"
            raise Misconfigured(attempted, answer=answer, next_step=_SETUP) from error
        if not text or not text.isascii() or not text.isprintable():
            answer = f"the file that {TOKEN_FILE} names holds no token"
            raise Misconfigured(attempted, answer=answer, next_step=_SETUP)
        return text

    def _authority(self, host: str, attempted: str) -> str:
        """The origin of who issues tokens: the one named, else this program's, else the public cloud's."""
        text = host or self._environment.get(AUTHORITY_HOST, "") or PUBLIC.login
        try:
            url = read_url(text if "://" in text else f"https://{text}")
        except ValueError as error:
            raise Misconfigured(attempted, answer=f"the authority host {error}") from error
        if not url.origin.startswith("https:"):
            raise Misconfigured(attempted, answer="the authority host is not asked by https")
        return url.origin

    def _az(self) -> str:
        return shutil.which("az", path=self._environment.get("PATH", "")) or ""


def _asserted(token: str) -> Proof:
    return (
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", token),
    )


def _name(text: str, what: str, attempted: str) -> str:
    """A part of a path."""
    if _NAME.fullmatch(text) is None:
        raise Misconfigured(attempted, answer=f"the {what} is none", next_step=f"give the {what}'s id")
    return text


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_TOKEN_BYTES).decode().strip()
