"""What an adapter may ask of identities: tokens, keys and where AWS is. `identities/` is who answers it."""

from __future__ import annotations

from typing import Protocol

from tidegate.connections.aws.places import AwsPlaces
from tidegate.kit.identity import AnyIdentity, AwsKeys, Identity


class Granting(Protocol):
    """The grants of all identities of a program, by identity and audience.

    What cannot be had is one of the five errors, which names identity, audience and the cloud's own code.
    """

    @property
    def aws_places(self) -> AwsPlaces:
        """Where AWS is, as the program's environment says."""

    async def token(self, identity: AnyIdentity, audience: str) -> str:
        """An access token of an Azure or Google identity."""

    async def project(self, identity: Identity) -> str:
        """The project that a Google identity is at home in."""

    async def billed(self, identity: AnyIdentity) -> str:
        """The project that pays for what a Google identity asks, "" where that needs no saying."""

    async def aws_keys(self, identity: Identity, region: str) -> AwsKeys:
        """Keys of an AWS identity; `region` says whose STS is asked."""

    def forget(self, identity: AnyIdentity, audience: str, granted: str | AwsKeys) -> bool:
        """A server refused it: whether whoever asks now gets another."""
