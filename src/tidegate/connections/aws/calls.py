"""Calls of AWS' JSON protocols: signed with a key, sent side by side, their error codes told as our errors.

Source: AWS, "JSON 1.0/1.1 protocol" and "Signature Version 4"; the signature itself is botocore's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient, Outgoing
from tidegate.connections.http.connection import Sending
from tidegate.connections.http.failures import excerpt
from tidegate.kit.systems.aws import AwsKeys, AwsServer, Service
from tidegate.kit.systems.http import HttpRequest, HttpServer

_CODE = re.compile(r"[A-Za-z][A-Za-z.]{1,79}")

_DENIED = re.compile(
    r"AccessDenied|UnrecognizedClient|InvalidClientTokenId|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken"
    r"|MissingAuthenticationToken|InvalidSecurity|NotAuthorized|OptInRequired|IncompleteSignature|InvalidSignature"
)
_THROTTLED = re.compile(r"Throttl|TooManyRequests|LimitExceeded|ThroughputExceeded|OverLimit|SlowDown")
_MISSING = re.compile(r"DoesNotExist|NonExistentQueue|ResourceNotFound|NotFound")
_WRONG = re.compile(
    r"Validation|InvalidParameter|InvalidArgument|InvalidAddress|MissingParameter|MissingRequired"
)

_PREFIXES: dict[Service, tuple[str, str, str]] = {
    "sqs": ("AmazonSQS", "1.0", "sqs"),
    "monitoring": ("GraniteServiceVersion20100801", "1.0", "monitoring"),
    "kinesis": ("Kinesis_20131202", "1.1", "kinesis"),
    "dynamodb": ("DynamoDB_20120810", "1.0", "dynamodb"),
    "streams.dynamodb": ("DynamoDBStreams_20120810", "1.0", "dynamodb"),
}
"""The target's prefix, the protocol's version, and the name that is signed."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its operation, and its parameters as JSON text (equal calls are sent once)."""

    operation: str
    body: bytes
    attempted: str

    @classmethod
    def of(cls, operation: str, parameters: Mapping[str, Any], attempted: str) -> Call:
        return cls(operation, msgspec.json.encode(parameters, order="deterministic"), attempted)


class Refused(Misconfigured):
    """The service cannot make sense of a call. In a call for many, one of them may be to blame."""


class Calls:
    """Sends calls to one service."""

    def __init__(self, server: AwsServer, surroundings: Surroundings, *, calls_per_s: float = 0.0) -> None:
        self._server = server
        self._prefix, self._version, name = _PREFIXES[server.service]
        self._http = HttpServer(
            server.origin(), name=server.label().partition(" (")[0], follows_redirects=False
        )
        self.client = HttpClient(self._http, surroundings, sign=_Signer(server.keys, name, server.region))
        self._gap_s = 1 / calls_per_s if calls_per_s else 0.0

    async def send(self, calls: Sequence[Call]) -> dict[Call, Any]:
        """The decoded answer to each call, or its error. Raises where the service cannot be asked at all."""
        wanted = dict.fromkeys(calls)
        if not self._gap_s:
            return await self._sent(list(wanted))
        found: dict[Call, Any] = {}
        for number, call in enumerate(wanted):
            if number:
                await asyncio.sleep(self._gap_s)
            found |= await self._sent([call])
        return found

    async def close(self) -> None:
        await self.client.close()

    async def _sent(self, calls: Sequence[Call]) -> dict[Call, Any]:
        requests = {self._request(call): call for call in calls}
        outcomes = await Sending(self.client, dict.fromkeys(requests)).run()
        return {
            requests[request]: one if isinstance(one, TidegateError) else self._read(requests[request], one)
            for request, one in outcomes.items()
        }

    def _request(self, call: Call) -> HttpRequest:
        return HttpRequest(
            self._http,
            method="POST",
            headers=(
                ("Content-Type", f"application/x-amz-json-{self._version}"),
                ("X-Amz-Target", f"{self._prefix}.{call.operation}"),
            ),
            body=call.body,
            accepts=(200, 400, 403, 404),
            attempted=call.attempted,
        )

    def _read(self, call: Call, response: Response) -> Any:
        """The answer as JSON, or the error that it is."""
        try:
            body = msgspec.json.decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = None
        if response.status == 200 and isinstance(body, dict):
            return body
        if response.status == 200:
            return strange(call.attempted, self._server, "what came back is no JSON object")
        code = error_code(response, body)
        error = refusal(call.attempted, self._server, code)
        error.excerpt = excerpt(response.body, _secrets(self._server.keys))
        return error


class _Signer:
    """Signature Version 4 over a whole request."""

    def __init__(self, keys: AwsKeys | None, service: str, region: str) -> None:
        keys = keys or AwsKeys("")
        token = keys.session_token or None
        self._auth = SigV4Auth(
            Credentials(keys.access_key_id, keys.secret_access_key, token), service, region
        )

    async def __call__(self, outgoing: Outgoing) -> Mapping[str, str]:
        request = AWSRequest(outgoing.method, outgoing.url, dict(outgoing.headers), outgoing.body)
        self._auth.add_auth(request)
        given = {name.lower() for name in outgoing.headers}
        return {name: str(value) for name, value in request.headers.items() if name.lower() not in given}


def error_code(response: Response, body: Any) -> str:
    """The service's code for it, "" where there is none: `QueueDoesNotExist`."""
    told = body.get("__type") if isinstance(body, dict) else ""
    text = told if isinstance(told, str) and told else response.headers.get("X-Amzn-ErrorType", "")
    code = text.rpartition("#")[2].partition(":")[0]
    return code if _CODE.fullmatch(code) else ""


def refusal(attempted: str, server: AwsServer, code: str) -> TidegateError:
    """What an error code means. Codes are the service's own words, never ours or a secret."""
    on, answer = server.label(), code or "an error without a code"
    if _DENIED.search(code):
        step = "check the key, its rights and the region"
        return Denied(attempted, on=on, answer=answer, next_step=step)
    if _THROTTLED.search(code):
        return Unreachable(
            attempted, on=on, answer=answer, next_step="ask less often: raise `pollingInterval`"
        )
    if _MISSING.search(code):
        return Misconfigured(attempted, on=on, answer=answer, next_step="check its name, and `awsRegion`")
    if _WRONG.search(code):
        return Refused(attempted, on=on, answer=answer, next_step="check the trigger's parameters")
    return Unreachable(attempted, on=on, answer=answer)


def strange(attempted: str, server: AwsServer, answer: str) -> Malformed:
    return Malformed(attempted, on=server.label(), answer=answer)


def _secrets(keys: AwsKeys | None) -> tuple[str, ...]:
    return (keys.secret_access_key, keys.session_token) if keys is not None else ()
