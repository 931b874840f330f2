"""STS: a role is assumed, with a token or with keys, and answers with keys for an hour.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.base.times import parse_time
from tidegate.connections.addresses import ANYWHERE
from tidegate.connections.aws.clocks import clock_fault
from tidegate.connections.aws.places import AwsPlaces, is_region
from tidegate.connections.grants import Granted
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.failures import retry_after_s
from tidegate.connections.identities import Ground
from tidegate.kit.identity import AwsKeys
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.picking.xmlpath import read_xml
from tidegate.kit.systems.aws import domain
from tidegate.kit.systems.http import HttpRequest, HttpServer, encoded

AUDIENCE = "sts.amazonaws.com"
LIFE_S = 3600
SESSION = "KEDA"
"""The name of the session, in CloudTrail and in policies that name it: as KEDA calls it."""

_CODE = re.compile(r"[A-Za-z][A-Za-z.]{1,79}")
_LIMIT_BYTES = 256 << 10
_REST_S = 5.0

_WRONG = {"MalformedPolicyDocument", "PackedPolicyTooLarge", "RegionDisabledException", "ValidationError"}
_BUSY = re.compile(r"Throttl|TooMany|RequestLimit|SlowDown|IDPCommunicationError|Internal|Unavailable")


@dataclass(frozen=True, slots=True)
class Assumption:
    """A role to assume: with `token`, of which `who` tells people whose it is, or with `keys`."""

    region: str
    role: str
    token: str = field(default="", repr=False)
    who: str = ""
    keys: AwsKeys | None = None
    external_id: str = field(default="", repr=False)
    session: str = ""

    @property
    def operation(self) -> str:
        return "AssumeRoleWithWebIdentity" if self.token else "AssumeRole"

    def form(self) -> dict[str, str]:
        form = {
            "Action": self.operation,
            "Version": "2011-06-15",
            "RoleArn": self.role,
            "RoleSessionName": self.session or SESSION,
        }
        if self.token:
            form["WebIdentityToken"] = self.token
        elif self.external_id:
            form["ExternalId"] = self.external_id
        return form


class Sts:
    """STS of every region that is asked for: one session each."""

    def __init__(self, ground: Ground) -> None:
        self._places = AwsPlaces(ground.environment)
        # The administrator says where STS is, never a manifest.
        self._surroundings = replace(ground.surroundings, policy=ANYWHERE)
        self._clients: dict[str, HttpClient] = {}

    @property
    def requests(self) -> int:
        """Requests sent since it was made."""
        return sum(client.requests for client in self._clients.values())

    async def keys(self, asked: Assumption) -> Granted[AwsKeys]:
        """The role's keys. Denied where STS refuses, Misconfigured for what no role can be."""
        attempted = f"assume role {asked.role} ({asked.operation})"
        client = self._client(asked.region, attempted)
        body = encoded(asked.form().items()).encode()
        request = HttpRequest(
            client.server,
            method="POST",
            headers=_headers(client.server.origin, asked, body),
            body=body,
            limit_bytes=_LIMIT_BYTES,
            attempted=attempted,
        )
        response = await client.send(request)
        document = _document(response)
        if response.status != 200:
            raise _refusal(response, document, asked, request)
        return _granted(document, asked, request)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    def _client(self, region: str, attempted: str) -> HttpClient:
        if region not in self._clients:
            if not is_region(region):
                raise Misconfigured(attempted, answer="awsRegion is no region's name", next_step="correct it")
            origin = self._places.endpoint("STS") or f"https://sts.{region}.{domain(region)}"
            server = HttpServer(origin, name="STS", follows_redirects=False)
            self._clients[region] = HttpClient(server, self._surroundings)
        return self._clients[region]


def _headers(origin: str, asked: Assumption, body: bytes) -> tuple[tuple[str, str], ...]:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    if asked.keys is None:
        return tuple(headers.items())
    keys = asked.keys
    request = AWSRequest("POST", f"{origin}/", headers, body)
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token or None)
    SigV4Auth(credentials, "sts", asked.region).add_auth(request)
    return tuple((name, str(value)) for name, value in request.headers.items())


def _document(response: Response) -> Any:
    """The content of the answer's root, None for what is no XML."""
    try:
        (content,) = read_xml(response.body).values()
    except (Unpicked, ValueError):
        return None
    return content


def _granted(document: Any, asked: Assumption, request: HttpRequest) -> Granted[AwsKeys]:
    try:
        told = document[f"{asked.operation}Result"]["Credentials"]
        texts = [told[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")]
        id, secret, token, ends = (text.strip() for text in texts)
        rest_s = (parse_time(ends) - datetime.now(UTC)).total_seconds()
    except (LookupError, TypeError, ValueError, AttributeError):
        answer = "the answer holds no keys with their end"
        raise Malformed(request.title(), on=request.server.label(), answer=answer) from None
    # Clocks differ: keys that are new cannot have ended.
    life_s = min(rest_s, 12 * LIFE_S) if rest_s > 0 else LIFE_S / 2
    return Granted(AwsKeys(id, secret, token), life_s)


def _refusal(response: Response, document: Any, asked: Assumption, request: HttpRequest) -> TidegateError:
    """What STS' code means. Its sentence may repeat what it was sent: it is left out."""
    told = document.get("Error") if isinstance(document, dict) else None
    if told is None and isinstance(document, dict) and isinstance(document.get("Errors"), dict):
        told = document["Errors"].get("Error")  # as gateways and emulators have it
    code = told.get("Code") if isinstance(told, dict) else None
    code = code.strip() if isinstance(code, str) and _CODE.fullmatch(code.strip()) else ""
    attempted, on = request.title(), request.server.label()
    answer = code or f"status {response.status} without a code"
    clock = clock_fault(code, response.headers)
    if clock:
        return Denied(attempted, on=on, answer=f"{answer}: {clock}", next_step="set this machine's clock")
    if code in _WRONG:
        step = "let the account use this region" if code.startswith("Region") else "check the role's ARN"
        return Misconfigured(attempted, on=on, answer=answer, next_step=step)
    if _BUSY.search(code) or response.status == 429 or response.status >= 500:
        rest_s = retry_after_s(response.headers) or _REST_S
        return Unreachable(attempted, on=on, answer=answer, retry_after_s=rest_s)
    if not code and response.status not in (401, 403):
        return Malformed(attempted, on=on, answer=answer, next_step="check AWS_ENDPOINT_URL_STS")
    return Denied(attempted, on=on, answer=answer, next_step=_next_step(code, asked))


def _next_step(code: str, asked: Assumption) -> str:
    if code == "InvalidIdentityToken":
        return (
            f"let the account have an OIDC provider for the cluster's issuer, with audience {AUDIENCE}; "
            f"the token is {asked.who}"
        )
    if code == "ExpiredTokenException" and asked.token:
        return f"check the clocks of the cluster, and where the token comes from; it is {asked.who}"
    if code == "AccessDenied":
        whose = f"the token, {asked.who}" if asked.token else "the autoscaler's own identity"
        condition = ", with its external id" if asked.external_id else ""
        return f"let the trust policy of the role name {whose}{condition}"
    return "check the autoscaler's own keys" if asked.keys is not None else "check the token and the role"
