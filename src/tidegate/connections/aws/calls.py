"""Calls of AWS' JSON protocols: signed, sent side by side, their error codes told as our errors.

Source: AWS, "JSON 1.0/1.1 protocol".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws.clocks import clock_fault
from tidegate.connections.aws.error_codes import EXPIRED, error_code
from tidegate.connections.aws.login import Login, Signer
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.connection import Sending
from tidegate.connections.http.failures import excerpt
from tidegate.kit.identity import AwsKeys, AwsLogin
from tidegate.kit.systems.aws import AwsServer, Service
from tidegate.kit.systems.http import LIMIT_BYTES, HttpRequest, HttpServer

_DENIED = re.compile(
    r"AccessDenied|UnrecognizedClient|InvalidClientTokenId|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken"
    r"|MissingAuthenticationToken|InvalidSecurity|NotAuthorized|OptInRequired|IncompleteSignature|InvalidSignature|DecryptionFailure"
)
_THROTTLED = re.compile(r"Throttl|TooManyRequests|LimitExceeded|ThroughputExceeded|OverLimit|SlowDown")
_MISSING = re.compile(r"DoesNotExist|NonExistentQueue|ResourceNotFound|NotFound")
_WRONG = re.compile(
    r"Validation|InvalidParameter|InvalidArgument|InvalidAddress|InvalidRequest|MissingParameter"
    r"|MissingRequired"
)

_PREFIXES: dict[Service, tuple[str, str, str]] = {
    "sqs": ("AmazonSQS", "1.0", "sqs"),
    "monitoring": ("GraniteServiceVersion20100801", "1.0", "monitoring"),
    "kinesis": ("Kinesis_20131202", "1.1", "kinesis"),
    "dynamodb": ("DynamoDB_20120810", "1.0", "dynamodb"),
    "streams.dynamodb": ("DynamoDBStreams_20120810", "1.0", "dynamodb"),
    "secretsmanager": ("secretsmanager", "1.1", "secretsmanager"),
}
"""The target's prefix, the protocol's version, and the name that is signed."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its operation, and its parameters as JSON text (equal calls are sent once)."""

    operation: str
    body: bytes
    attempted: str
    limit_bytes: int = LIMIT_BYTES

    @classmethod
    def of(
        cls, operation: str, parameters: Mapping[str, Any], attempted: str, limit_bytes: int = LIMIT_BYTES
    ) -> Call:
        body = msgspec.json.encode(parameters, order="deterministic")
        return cls(operation, body, attempted, limit_bytes)


class Expired(Denied):
    """The keys are too old, or not known any more: an identity gets others."""


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
        login = AwsLogin(server.region, server.keys, server.identity)
        self._login = Login(login, surroundings, server.label())
        self._signer = Signer(server.keys, name, server.region)
        self.client = HttpClient(self._http, surroundings, sign=self._signer)
        self._gap_s = 1 / calls_per_s if calls_per_s else 0.0

    async def send(self, calls: Sequence[Call]) -> dict[Call, Any]:
        """The decoded answer to each call, or its error. Raises where the service cannot be asked at all."""
        wanted = list(dict.fromkeys(calls))
        keys = self._signer.keys = await self._login.keys()
        found = await self._paced(wanted)
        ended = [call for call, answer in found.items() if isinstance(answer, Expired)]
        if ended and self._login.forget(keys):
            self._signer.keys = await self._login.keys()
            found |= await self._paced(ended)
        return found

    def forget(self) -> None:
        """Everything was refused: where an identity asks, the next calls are made with other keys of it."""
        self._login.forget(self._signer.keys)

    async def close(self) -> None:
        await self.client.close()

    async def _paced(self, calls: Sequence[Call]) -> dict[Call, Any]:
        if not self._gap_s:
            return await self._sent(calls)
        found: dict[Call, Any] = {}
        for number, call in enumerate(calls):
            if number:
                await asyncio.sleep(self._gap_s)
            found |= await self._sent([call])
        return found

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
            limit_bytes=call.limit_bytes,
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
        if not code and response.status == 403:
            # Not every gateway in between, or emulator, has the codes of the service.
            code = "AccessDenied"
        error = refusal(call.attempted, self._server, code, response.headers)
        error.excerpt = excerpt(response.body, _secrets(self._signer.keys))
        return error


def refusal(
    attempted: str, server: AwsServer, code: str, headers: Mapping[str, str] | None = None
) -> TidegateError:
    """What an error code means. Codes are the service's own words, never ours or a secret."""
    on, answer = server.label(), code or "an error without a code"
    clock = clock_fault(code, headers or {})
    if clock:
        return Denied(attempted, on=on, answer=f"{answer}: {clock}", next_step="set this machine's clock")
    if _DENIED.search(code):
        step = "check the key, its rights and the region"
        if server.identity is not None:
            step = f"check the rights of the {server.identity.label()}, and the region"
        kind = Expired if EXPIRED.search(code) else Denied
        return kind(attempted, on=on, answer=answer, next_step=step)
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
