"""AWS: keys of a role, or the autoscaler's own.

A role is assumed with a token where one proves the identity: that of the workload's ServiceAccount, or the
autoscaler's (AWS_WEB_IDENTITY_TOKEN_FILE). Where the role does not trust that one, the autoscaler's own keys
assume it. `aws_own_keys.py` finds those, `aws_sts.py` asks STS.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html,
https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unreachable
from tidegate.connections.grants import Granted, Grants
from tidegate.connections.identities import Ground
from tidegate.connections.identities.aws_own_keys import own_keys
from tidegate.connections.identities.aws_sts import AUDIENCE, Assumption, Sts
from tidegate.kit.identity import AwsKeys, Identity

LIMIT_S = 15.0
"""For all steps to a grant together."""

_TOKEN_FILE, _ROLE = "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"
_LONGEST_TOKEN = 64 << 10


def connect(ground: Ground) -> Aws:
    """Touches no network."""
    return Aws(ground)


class Aws:
    """Identities of AWS."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._environment: Mapping[str, str] = ground.environment
        self._sts = Sts(ground)
        self._own: Grants[str, AwsKeys] = Grants(self._own_granted)
        self._distrusting: set[str] = set()
        self._threads: ThreadPoolExecutor | None = None

    async def grant(self, identity: Identity, audience: str) -> Granted[AwsKeys]:
        """Keys for the region `audience`; one of the five errors where none are given."""
        try:
            async with asyncio.timeout(LIMIT_S):
                if identity.role_arn:
                    return await self._of_role(identity, audience)
                return await self._own_granted(audience)
        except TimeoutError as error:
            answer = f"it takes longer than {LIMIT_S:g} s"
            raise Unreachable(f"get keys of the {identity.label()}", answer=answer) from error

    async def close(self) -> None:
        """Safe when never asked, and safe twice."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)
        await self._own.close()
        await self._sts.close()

    async def _of_role(self, identity: Identity, region: str) -> Granted[AwsKeys]:
        refused: TidegateError | None = None
        if identity.service_account:
            try:
                return await self._as_workload(identity, region)
            except (Denied, Misconfigured) as error:
                if not identity.may_borrow:
                    raise
                refused = error
        role = identity.role_arn
        has_token = bool(self._environment.get(_TOKEN_FILE))
        if has_token and role not in self._distrusting:
            try:
                token = await self._own_token()
                return await self._sts.keys(Assumption(region, role, token=token, who="the autoscaler's"))
            except Denied as error:
                # Its trust policy names the account of the autoscaler's own role, perhaps, and no tokens.
                self._distrusting.add(role)
                refused = refused or error
        try:
            own = await self._own.get(region)
            return await self._sts.keys(Assumption(region, role, keys=own, external_id=identity.external_id))
        except Denied as error:
            self._distrusting.discard(role)
            raise _both(error, refused) from error

    async def _as_workload(self, identity: Identity, region: str) -> Granted[AwsKeys]:
        if self._ground.account_token is None:
            raise Misconfigured(
                f"get a token of ServiceAccount {identity.service_account}",
                answer="no cluster is asked here",
                next_step="name a kubeconfig with --kubeconfig",
            )
        namespace, _, name = identity.service_account.partition("/")
        token = await self._ground.account_token(namespace, name, AUDIENCE)
        who = f"that of ServiceAccount {identity.service_account}"
        return await self._sts.keys(Assumption(region, identity.role_arn, token=token.value, who=who))

    async def _own_granted(self, region: str) -> Granted[AwsKeys]:
        """Keys in the environment, the role of a token, then all else that botocore knows."""
        environment = self._environment
        has_keys = environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY")
        if not has_keys and environment.get(_TOKEN_FILE) and environment.get(_ROLE):
            token, role = await self._own_token(), environment[_ROLE]
            session = environment.get("AWS_ROLE_SESSION_NAME", "")
            who = "the autoscaler's"
            return await self._sts.keys(Assumption(region, role, token=token, who=who, session=session))
        if self._threads is None:
            self._threads = ThreadPoolExecutor(2, thread_name_prefix="aws-keys")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, own_keys, environment)

    async def _own_token(self) -> str:
        path = self._environment[_TOKEN_FILE]
        try:
            return await asyncio.to_thread(_read, path)
        except (OSError, UnicodeDecodeError) as error:
            cause = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            answer = f"{_TOKEN_FILE} names a file that cannot be read: {cause}"
            raise Denied("log in with the autoscaler's own token", answer=answer) from None


def _read(path: str) -> str:
    with Path(path).open("rb") as file:
        return file.read(_LONGEST_TOKEN).decode("ascii").strip()


def _both(error: Denied, before: TidegateError | None) -> TidegateError:
    """The last refusal, with the one that came before it."""
    if before is None:
        return error
    answer = f"{error.answer}; and before it, to {before.attempted}: {before.answer}"
    return Denied(error.attempted, on=error.on, answer=answer, next_step=before.next_step or error.next_step)
