"""Identities of clouds: what an `Identity` of a server comes to at this moment.

A server value names an identity and never holds its token: tokens change, and the connection stays. One
`Identities` serves all connections of a program, so a thousand triggers with one identity make one request
for its token. `aws.py`, `azure.py` and `gcp.py` know how each cloud gives one; their libraries are
imported with the first of their identities.

A grant that cannot be had is one of the five errors, which names identity, audience and the cloud's own code.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tidegate.base.errors import Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws.places import AwsPlaces
from tidegate.connections.grants import Granted, Grants
from tidegate.kit.identity import AnyIdentity, AwsKeys, Identity

AccountToken = Callable[[str, str, str], Awaitable[Granted[str]]]
"""A token of a ServiceAccount, by its namespace, its name and the audience: what TokenRequest gives."""

_MODULES = {
    "aws": "aws",
    "aws-eks": "aws",
    "azure-workload": "azure",
    "gcp": "gcp",
}

PROJECT = "the project"
BILLED = "the project that pays"
"""Audiences of Google that are none: they are asked as tokens are, and kept as long."""


@dataclass(frozen=True)
class Ground:
    """What identities rest on: `environment` is that of this program (or of the user at a laptop),
    `account_token` is None where no cluster gives tokens of ServiceAccounts."""

    surroundings: Surroundings
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    account_token: AccountToken | None = None


class Cloud(Protocol):
    """One cloud: `connections/identities/<cloud>.py` has `connect(ground)`, which returns it and touches
    no network."""

    async def grant(self, identity: Any, audience: str) -> Granted[Any]:
        """Azure, Google: the text of an access token for that scope. AWS: `AwsKeys`, for that region."""

    async def close(self) -> None:
        """Safe when never asked, and safe twice."""


class Identities:
    """The grants of all identities of a program, by identity and audience."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._clouds: dict[str, Cloud] = {}
        self._grants: Grants[tuple[AnyIdentity, str], Any] = Grants(self._granted)

    @property
    def aws_places(self) -> AwsPlaces:
        """Where AWS is, as this program's environment says."""
        return AwsPlaces(self._ground.environment)

    @property
    def fetches(self) -> int:
        """How many grants were asked for, of all clouds together."""
        return self._grants.fetches

    async def token(self, identity: AnyIdentity, audience: str) -> str:
        """An access token of an Azure or Google identity. One of the five errors where there is none."""
        token: str = await self._grants.get((identity, audience))
        return token

    async def project(self, identity: Identity) -> str:
        """The project that a Google identity is at home in. One of the five errors where none is known."""
        project: str = await self._grants.get((identity, PROJECT))
        return project

    async def billed(self, identity: AnyIdentity) -> str:
        """The project that pays for what a Google identity asks, "" where that needs no saying."""
        if not isinstance(identity, Identity) or identity.provider != "gcp":
            return ""
        project: str = await self._grants.get((identity, BILLED))
        return project

    async def aws_keys(self, identity: Identity, region: str) -> AwsKeys:
        """Keys of an AWS identity; `region` says whose STS is asked. One of the five where there are none."""
        keys: AwsKeys = await self._grants.get((identity, region))
        return keys

    def forget(self, identity: AnyIdentity, audience: str, granted: str | AwsKeys) -> bool:
        """A server refused it: the next asker gets another, unless the last one was refused just now."""
        return self._grants.forget((identity, audience), granted)

    async def close(self) -> None:
        """Safe when never asked, and safe twice."""
        await self._grants.close()
        for cloud in self._clouds.values():
            await cloud.close()

    async def _granted(self, key: tuple[AnyIdentity, str]) -> Granted[Any]:
        identity, audience = key
        return await self._cloud(identity).grant(identity, audience)

    def _cloud(self, identity: AnyIdentity) -> Cloud:
        name = _MODULES[identity.provider]
        if name not in self._clouds:
            try:
                module = importlib.import_module(f"{__name__}.{name}")
                self._clouds[name] = module.connect(self._ground)
            except ModuleNotFoundError as error:
                raise Unsupported(
                    f"log in with the {identity.label()}",
                    answer=f"the Python package {error.name} is not installed",
                    next_step=f"install tidegate[{name}]",
                ) from error
        return self._clouds[name]
