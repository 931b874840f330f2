"""A small SQS, for emulators of AWS do not answer 1,000 calls in five seconds: counts of queues, in JSON 1.0.

It answers `GetQueueAttributes` and `GetQueueUrl` as AWS documents them, refuses calls that are unsigned or of
queues that are not there, and counts what it is asked. Run as `python -m bench.sqs QUEUES`: an account with
queues `q00000` and on; prints its address when it serves, and ends when its standard input does. `GET /asked`
tells the counts.

Source: AWS, "Amazon SQS API Reference", "Making Amazon SQS API requests using AWS JSON protocol".
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from aiohttp import web

from bench.load import VALUE
from bench.servers import end

ACCOUNT, REGION = "123456789012", "eu-west-1"
ATTRIBUTES = {
    "ApproximateNumberOfMessages": str(VALUE),
    "ApproximateNumberOfMessagesNotVisible": "0",
    "ApproximateNumberOfMessagesDelayed": "0",
}
JSON = "application/x-amz-json-1.0"


class Refused(Exception):
    """An error of the service: its shape's name, and its code in the older protocol."""

    def __init__(self, shape: str, code: str, status: int = 400) -> None:
        super().__init__(shape)
        self.code, self.status = code, status


class Account:
    """The queues of one account in one region, and those that were asked for."""

    def __init__(self, queues: int) -> None:
        self.queues = frozenset(f"q{number:05d}" for number in range(queues))
        self.asked: set[str] = set()
        self.refused = 0

    async def call(self, request: web.Request) -> web.Response:
        identity = {"x-amzn-RequestId": str(uuid.uuid4())}
        try:
            answer = self._answer(request.headers, await request.read())
        except Refused as error:
            self.refused += 1
            identity["x-amzn-query-error"] = f"{error.code};Sender"
            body = msgspec.json.encode({"__type": f"com.amazonaws.sqs#{error}", "message": str(error)})
            return web.Response(body=body, status=error.status, content_type=JSON, headers=identity)
        return web.Response(body=msgspec.json.encode(answer), content_type=JSON, headers=identity)

    async def counts(self, _request: web.Request) -> web.Response:
        return web.json_response({"queues": len(self.asked), "refused": self.refused})

    def _answer(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
        signature = headers.get("Authorization", "")
        if not signature.startswith("AWS4-HMAC-SHA256 ") or f"/{REGION}/sqs/aws4_request" not in signature:
            raise Refused("MissingAuthenticationToken", "MissingAuthenticationToken", 403)
        operation = headers.get("X-Amz-Target", "").removeprefix("AmazonSQS.")
        parameters = msgspec.json.decode(body, type=dict[str, Any])
        if operation == "GetQueueUrl":
            name = self._known(parameters["QueueName"])
            return {"QueueUrl": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"}
        if operation == "GetQueueAttributes":
            self.asked.add(self._known(parameters["QueueUrl"].rpartition("/")[2]))
            return {"Attributes": {name: ATTRIBUTES[name] for name in parameters["AttributeNames"]}}
        raise Refused("InvalidAction", "InvalidAction")

    def _known(self, name: str) -> str:
        if name not in self.queues:
            raise Refused("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
        return name


async def serve(queues: int) -> None:
    account = Account(queues)
    app = web.Application()
    app.add_routes([web.post("/", account.call), web.get("/asked", account.counts)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@contextmanager
def sqs_server(queues: int) -> Iterator[str]:
    """The responder in a process of its own; its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.sqs", str(queues)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        if not address:
            raise SystemExit("the SQS responder ended before it served")
        yield address
    finally:
        end(process)
        if process.stdin is not None:
            process.stdin.close()


def asked(address: str) -> Mapping[str, float]:
    """What the responder was asked since its start."""
    with urllib.request.urlopen(f"{address}/asked") as answer:
        return msgspec.json.decode(answer.read(), type=dict[str, float])


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
