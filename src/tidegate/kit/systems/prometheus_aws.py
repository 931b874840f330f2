"""Amazon's managed service for Prometheus: the settings by which a trigger's queries are signed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tidegate.base.problems import Problem
from tidegate.kit.httpaccess import HttpAccess
from tidegate.kit.identity import AwsKeys, AwsLogin, AwsSignature, Identity, aws_identity
from tidegate.kit.settings import AUTHENTICATION, METADATA, declared, setting
from tidegate.kit.systems.aws_keys import (
    access_key_setting,
    owner_setting,
    role_setting,
    secret_key_setting,
    session_token_setting,
)
from tidegate.kit.systems.http import HttpLogin

SERVICE = "aps"
"""As the service is signed for."""

_A = (AUTHENTICATION,)


@declared
class AmazonAccess(HttpAccess):
    """Whose keys sign, where `awsRegion` is set. A login by `authModes` comes before them."""

    aws_region: str = setting(
        "awsRegion", doc="Region of a workspace at Amazon.", default="", sources=(METADATA, AUTHENTICATION)
    )
    access_key_id: str = access_key_setting(", with `awsRegion`")
    secret_access_key: str = secret_key_setting()
    session_token: str = session_token_setting()
    role_arn: str = role_setting(", with `awsRegion`")
    identity_owner: str = owner_setting("`operator`: the autoscaler's own identity, with `awsRegion`.")

    def asks_as(self) -> Identity | None:
        signature = self.signature()
        if signature is not None and signature.login.identity is not None:
            return signature.login.identity
        return self.identity

    def login(self, given: HttpLogin = HttpLogin()) -> HttpLogin:  # noqa: B008
        return replace(HttpAccess.login(self, given), signature=self.signature())

    def signature(self) -> AwsSignature | None:
        """None where nothing is signed: no region, another login, or nobody to sign."""
        if self.auth_modes or not self.aws_region:
            return None
        identity = aws_identity(self._own(), self.identity_owner, self.role_arn)
        if identity is not None:
            return AwsSignature(SERVICE, AwsLogin(self.aws_region, identity=identity))
        if not self.access_key_id or not self.secret_access_key:
            return None
        keys = AwsKeys(self.access_key_id, self.secret_access_key, self.session_token)
        return AwsSignature(SERVICE, AwsLogin(self.aws_region, keys))

    def aws_problems(self) -> Iterator[Problem]:
        """What an identity of AWS misses, or does not go with."""
        if self._own() is None:
            return
        if self.auth_modes:
            yield Problem("authModes", "pod identity cannot be enabled with other auth types")
        elif not self.aws_region:
            yield Problem("awsRegion", "no awsRegion given", "FieldValueRequired")

    def aws_notices(self) -> Iterator[Problem]:
        """A region by which nothing is signed. KEDA says nothing of it, and asks without."""
        if self.aws_region and not self.auth_modes and self.signature() is None:
            message = "without an identity, a role or keys nothing is signed, and it does nothing"
            yield Problem("awsRegion", message)

    def _own(self) -> Identity | None:
        is_aws = self.identity is not None and self.identity.provider in ("aws", "aws-eks")
        return self.identity if is_aws else None
