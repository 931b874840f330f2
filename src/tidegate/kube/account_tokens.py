"""Tokens of ServiceAccounts for audiences outside the cluster.

Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.base.times import parse_time
from tidegate.kube.client import Client
from tidegate.kube.resource import SERVICE_ACCOUNTS, ApiError

LIFE_S = 3600


@dataclass(frozen=True, slots=True)
class AccountToken:
    """`life_s`: for how many seconds from now it is good, as the server says."""

    text: str = field(repr=False)
    life_s: float


class _Status(msgspec.Struct, rename="camel"):
    token: str
    expiration_timestamp: str


class _Answer(msgspec.Struct):
    status: _Status


async def account_token(
    client: Client, namespace: str, name: str, audience: str = "", life_s: int = LIFE_S
) -> AccountToken:
    """A token of that ServiceAccount for `audience` ("": the API server's own).

    Denied names the missing verb, Misconfigured an account that is not there, Unreachable a server that
    does not answer.
    """
    attempted = f"get a token of ServiceAccount {namespace}/{name}"
    spec = {"expirationSeconds": life_s} | ({"audiences": [audience]} if audience else {})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = SERVICE_ACCOUNTS.path(namespace, name, "token")
    try:
        answer = await client.request("POST", path, body=request)
    except ApiError as error:
        raise _refusal(error, attempted, namespace) from error
    try:
        status = msgspec.json.decode(answer, type=_Answer).status
        rest_s = (parse_time(status.expiration_timestamp) - client.clock.now()).total_seconds()
    except (msgspec.MsgspecError, ValueError):
        raise Malformed(attempted, answer="the answer holds no token with its end") from None
    # Clocks of machines differ; a server may also give less than was asked for.
    return AccountToken(status.token, min(rest_s, life_s) if rest_s > 0 else life_s / 2)


def _refusal(error: ApiError, attempted: str, namespace: str) -> TidegateError:
    if error.code == 404:
        return Misconfigured(attempted, answer="there is no such ServiceAccount", next_step="create it")
    if error.code == 403:
        step = f"allow `create` on `serviceaccounts/token` for this account in namespace {namespace}"
        return Denied(attempted, answer=error.message, next_step=step)
    if error.code == 401:
        return Denied(attempted, answer=error.message)
    if error.code in (400, 422):
        return Misconfigured(attempted, answer=error.message)
    return Unreachable(attempted, answer=error.message)
