"""An SQS that says what a test wants, and who claims from it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from parts.claimant import Claimant, Claimants
from parts.moto_server import REGION
from tidegate.kit.identity import AwsKeys
from tidegate.kit.systems.aws import AwsServer
from tidegate.kit.systems.claims import Done
from tidegate.kit.systems.sqs_claims import SqsSource

SECRET = "hunter2-hunter2"
POLICY = {
    "Attributes": {
        "RedrivePolicy": json.dumps(
            {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:123456789012:bad", "maxReceiveCount": "1000"}
        )
    }
}
OTHERS = Done(is_uncounted=True)


def server_at(origin: str) -> AwsServer:
    return AwsServer("sqs", REGION, AwsKeys("key", SECRET), origin)


class Script:
    """An SQS that says what a test wants of each operation: an answer, or what makes one of parameters."""

    def __init__(self, **says: Any) -> None:
        self.says: dict[str, Any] = {"GetQueueAttributes": POLICY} | says
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers["X-Amz-Target"].partition(".")[2]
        parameters = json.loads(await request.read())
        self.asked.append((operation, parameters))
        says = self.says.get(operation, all_good)
        answer = says(parameters) if callable(says) else says
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)

    def names(self) -> list[str]:
        return [operation for operation, _ in self.asked]

    def of(self, operation: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.asked if name == operation]


def all_good(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"Successful": [{"Id": one["Id"]} for one in parameters.get("Entries", ())]}


def fails(code: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Each entry of a batch fails."""
    return lambda asked: {"Failed": [{"Id": one["Id"], "Code": code} for one in asked["Entries"]]}


def refused(code: str, status: int = 400) -> Callable[[dict[str, Any]], web.Response]:
    return lambda _: web.json_response({"__type": f"com.amazonaws.sqs#{code}"}, status=status)


def message(number: int, **fields: Any) -> dict[str, Any]:
    return {"MessageId": f"m{number}", "ReceiptHandle": f"h{number}", "Body": f"b{number}", **fields}


def receipt(*, began_s: float = 0.0, ends_s: float = 60.0, handle: str = "h1") -> str:
    """Of a lease that began and ends so many seconds from now."""
    now_s = time.time()
    return f"{now_s + began_s:.3f} {now_s + ends_s:.3f} {handle}"


def at(
    claimants: Claimants, origin: str, queue: str = "jobs", dead_letter: str = "", **fields: Any
) -> Claimant:
    """Who claims from a queue there."""
    return claimants(SqsSource(server_at(origin), queue, dead_letter), **fields)
