"""IBM MQ: from the eighth queue on one listing of the manager's queues; each alone where that is refused."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

import msgspec

from tidegate.base.errors import Denied, Malformed
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response, TooLarge
from tidegate.connections.http.packs import Found, PackedConnection, Spoilt
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer, basic
from tidegate.kit.systems.ibmmq import MqServer, QueueDepth

LISTED_FROM = 8
"""From how many queues on a listing is worth it."""

_CODE = re.compile(r"\b(AMQ[0-9]{4}[A-Z]?|MQWB[0-9]{4}[A-Z]?)\b")
_STRANGE = "check `host`: what answers there is no MQSC endpoint"
_QUEUE = "check `queueName`, and that the user may display it"


def connect(server: MqServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return MqConnection(server, surroundings)


class MqConnection(PackedConnection):
    """Answers `QueueDepth`s."""

    kinds = (QueueDepth,)
    at_once = 1000

    def __init__(self, server: MqServer, surroundings: Surroundings) -> None:
        login = HttpLogin((basic(server.username, server.password),))
        self._server = HttpServer(server.origin, login, server.tls, name="IBM MQ")
        self._path = server.path
        self._may_list = True
        super().__init__(self._server, surroundings)

    def group(self, question: QueueDepth) -> Hashable:
        return None if "*" in question.queue else True

    async def packed(self, questions: Sequence[QueueDepth]) -> Found:
        if len(questions) == 1:
            return {questions[0]: await self._alone(questions[0])}
        if len(questions) < LISTED_FROM or not self._may_list:
            raise Spoilt
        request = self._request("*", "list the queues")
        try:
            response = await self.client.send(request)
            listed = _depths(_responses(response, request))
        except failures.Unauthorized:
            raise
        except (TooLarge, Malformed, Denied) as error:
            self._may_list = False
            raise Spoilt from error
        if not listed:
            self._may_list = False
            raise Spoilt
        found: Found = {one: listed[one.queue] for one in questions if one.queue in listed}
        # They are told why: the listing only shows what the user may see.
        return await self.with_the_rest(found, questions, self._alone)

    async def _alone(self, question: QueueDepth) -> int:
        request = self._request(question.queue, "read the depth of a queue")
        responses = _responses(await self.client.send(request), request)
        if not responses or not isinstance(responses[0], dict):
            answer = f"failed to get the current queue depth parameter for queue {question.queue}"
            raise failures.unreadable(request, answer, next_step=_QUEUE)
        messages = responses[0].get("message")
        if messages:
            code = _CODE.search(str(messages[0]) if isinstance(messages, list) else str(messages))
            answer = f"the queue manager refused it for queue {question.queue}"
            raise failures.unreadable(request, f"{answer} ({code[0]})" if code else answer, next_step=_QUEUE)
        depth = _depth(responses[0])
        if depth is None:
            answer = f"failed to get the current queue depth parameter for queue {question.queue}"
            raise failures.unreadable(request, answer, next_step=_QUEUE)
        return depth

    def _request(self, queue: str, attempted: str) -> HttpRequest:
        command = {
            "type": "runCommandJSON",
            "command": "display",
            "qualifier": "qlocal",
            "name": queue,
            "responseParameters": ["CURDEPTH"],
        }
        return HttpRequest(
            self._server,
            self._path,
            method="POST",
            headers=(("ibm-mq-rest-csrf-token", "value"), ("Content-Type", "application/json")),
            body=msgspec.json.encode(command),
            limit_bytes=8 << 20,
            attempted=attempted,
        )


def _responses(response: Response, request: HttpRequest) -> list[Any]:
    if response.status != 200:
        step = {401: "check `username` and `password`", 404: "check `host` and the queue manager in it"}
        raise failures.refusal(response, request, step.get(response.status, ""))
    try:
        document = read_json(response.body)
    except Unpicked as error:
        raise failures.unreadable(request, str(error), response.body, _STRANGE) from None
    responses = document.get("commandResponse") if isinstance(document, dict) else None
    if not isinstance(responses, list):
        raise failures.unreadable(request, "the answer is none to a command", response.body, _STRANGE)
    return responses


def _depth(response: Any) -> int | None:
    parameters = response.get("parameters") if isinstance(response, dict) else None
    depth = parameters.get("curdepth") if isinstance(parameters, dict) else None
    return depth if type(depth) is int and depth >= 0 else None


def _depths(responses: list[Any]) -> dict[str, int]:
    """Depths by queue; a queue without one is left out, and asked for alone."""
    found = {}
    for one in responses:
        depth = _depth(one)
        if depth is not None and isinstance(name := one["parameters"].get("queue"), str):
            found[name.strip()] = depth
    return found
