"""A token of a service account by whoever may take its place.

Source: Google, IAM Service Account Credentials API, `projects.serviceAccounts.generateAccessToken`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from tidegate.base.errors import Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grants import Granted
from tidegate.connections.http.failures import unreadable
from tidegate.connections.identities.gcp.exchange import (
    Purpose,
    Sent,
    exchanged,
    is_token,
    life_of,
    request_of,
)
from tidegate.kit.systems.http import bearer, read_url

TYPE = "impersonated_service_account"
SCOPE = "https://www.googleapis.com/auth/iam"
"""What the source's token is for."""


class _Answer(msgspec.Struct, rename="camel"):
    access_token: str
    expire_time: datetime


_PURPOSE = Purpose(
    f"get an access token by credentials of type {TYPE}",
    "give who asks the role Service Account Token Creator on the account",
)


def source_of(file: Mapping[str, Any]) -> Mapping[str, Any]:
    """The credentials of who takes the account's place. Misconfigured where the file is no such file."""
    source, url, delegates = (
        file.get(name) for name in ("source_credentials", "service_account_impersonation_url", "delegates")
    )
    problem = ""
    if not isinstance(source, dict) or not isinstance(source.get("type"), str) or source["type"] == TYPE:
        problem = "have no source_credentials that can be used"
    try:
        read_url(url if isinstance(url, str) else "")
    except ValueError as error:
        problem = f"have a service_account_impersonation_url that {error}"
    if not isinstance(delegates or [], list):
        problem = "have delegates that are no list"
    if problem or not isinstance(source, dict):
        raise Misconfigured(_PURPOSE.attempted, answer=f"the credentials {problem}")
    return source


async def impersonated_grant(
    file: Mapping[str, Any], by: str, scope: str, surroundings: Surroundings
) -> Granted[str]:
    """`by` is the token of the source. One of the five errors where it may not, or nobody answers."""
    body = {"scope": [scope], "delegates": file.get("delegates") or [], "lifetime": "3600s"}
    sent = Sent(
        str(file["service_account_impersonation_url"]),
        "POST",
        (("Content-Type", "application/json"), bearer(by)),
        msgspec.json.encode(body),
        (by,),
    )
    response = await exchanged(sent, _PURPOSE, surroundings)
    try:
        answer = msgspec.json.decode(response.body, type=_Answer)
        ends_s = answer.expire_time.timestamp()
    except (msgspec.MsgspecError, ValueError, OverflowError):
        answer, ends_s = None, 0.0
    if answer is None or not is_token(answer.access_token):
        raise unreadable(request_of(sent, _PURPOSE), "the answer holds no token")
    return Granted(answer.access_token, life_of(ends_s - time.time()))
