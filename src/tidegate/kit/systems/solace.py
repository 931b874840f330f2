"""Solace brokers: queues by SEMP v2 (JSON), clients of direct messaging by SEMP v1 (XML)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar
from urllib.parse import quote

from tidegate.base.errors import Malformed, Unreachable
from tidegate.base.problems import Problem
from tidegate.kit.alternates import first_answer
from tidegate.kit.picking.gjson import find, read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.picking.xmlevents import XmlEvents
from tidegate.kit.question import Ask
from tidegate.kit.systems.http import HttpLogin, HttpQuestion, HttpRequest, HttpServer, Url, basic, read_url
from tidegate.kit.tls import Tls

_STRANGE = "check `solaceSempBaseURL`: what answers there is no SEMP"
_BYTES_OF_A_MESSAGE = 2048
"""What a message that waits is worth where bytes are counted."""


@dataclass(frozen=True, slots=True)
class SempFields:
    """Whole numbers or texts at `paths` of an answer of SEMP v2, which says itself whether it is one."""

    format: ClassVar[str] = "semp"

    paths: tuple[str, ...]

    @staticmethod
    def read(body: bytes) -> Any:
        return read_json(body)

    def of(self, document: Any) -> tuple[Any, ...]:
        code = find(document, "meta.responseCode")
        if type(code) is not int or not 200 <= code < 300:
            raise Unpicked("the answer does not say that it is good", _STRANGE)
        found = tuple(find(document, path) for path in self.paths)
        if any(one is None for one in found):
            raise Unpicked("the answer lacks what was asked for", _STRANGE)
        return found


def brokers(text: Sequence[str], username: str, password: str, tls: Tls) -> list[tuple[HttpServer, str]]:
    """Each broker of a list, with the path of its address."""
    login = HttpLogin((basic(username, password),))
    return [_broker(read_url(one), login, tls) for one in text]


def _broker(url: Url, login: HttpLogin, tls: Tls) -> tuple[HttpServer, str]:
    is_encrypted = url.origin.startswith("https:")
    return HttpServer(url.origin, login, tls if is_encrypted else None, name="Solace"), url.path.rstrip("/")


def broker_problems(text: Sequence[str]) -> Iterator[Problem]:
    for number, one in enumerate(text):
        if not one:
            message = f"empty host url value found in the scaler configuration. Url[{number}]: ''"
            yield Problem("solaceSempBaseURL", message)
            continue
        try:
            read_url(one)
        except ValueError as error:
            yield Problem("solaceSempBaseURL", f"one of its values {error}")


async def active_broker(
    ask: Ask, places: Sequence[tuple[HttpServer, str]], vpn: str
) -> tuple[HttpServer, str]:
    """The first broker that can be reached and whose message VPN is up."""
    path = f"/SEMP/v2/monitor/msgVpns/{quote(vpn, safe='')}"
    left, down = list(places), 0
    while left:
        questions = [
            _semp(server, f"{prefix}{path}", "state", "find the message VPN", "data.state")
            for server, prefix in left
        ]
        try:
            answer, question = await first_answer(ask, questions)
        except Unreachable:
            if not down:
                raise
            break
        number = [*map(id, questions)].index(id(question))
        if _fields(answer, questions[number], str)[0] == "up":
            return left[number]
        down += 1
        left = left[number + 1 :]
    raise Unreachable(
        "find the message VPN",
        on=places[0][0].label(),
        answer=f"it is up on none of {len(places)} brokers" if len(places) > 1 else "it is not up",
        next_step="check `messageVpn`, and which broker of a pair is active",
    )


async def queue_counts(
    ask: Ask, server: HttpServer, prefix: str, vpn: str, queue: str
) -> tuple[int, int, int]:
    """Messages on a queue, bytes that they take, and messages that came in a second of the last minute."""
    path = f"{prefix}/SEMP/v2/monitor/msgVpns/{quote(vpn, safe='')}/queues/{quote(queue, safe='')}"
    fields = ("collections.msgs.count", "data.msgSpoolUsage", "data.averageRxMsgRate")
    question = _semp(server, path, "msgs,msgSpoolUsage,averageRxMsgRate", "read the queue", *fields)
    messages, spool, rate = _fields(await ask(question), question, int)
    return messages, spool, rate


def _semp(server: HttpServer, path: str, select: str, attempted: str, *fields: str) -> HttpQuestion:
    headers = (("Content-Type", "application/json"),)
    request = HttpRequest(server, path, (("select", select),), headers=headers, attempted=attempted)
    return HttpQuestion(request, SempFields(fields))


def _fields(answer: Any, question: HttpQuestion, kind: type) -> tuple[Any, ...]:
    assert isinstance(question.pick, SempFields)
    is_right = isinstance(answer, tuple) and len(answer) == len(question.pick.paths)
    if not is_right or any(type(one) is not kind or (type(one) is int and one < 0) for one in answer):
        raise Malformed(
            question.request.title(),
            on=question.server.label(),
            answer="it holds something else than was asked for",
            next_step=_STRANGE,
        )
    return answer  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class ClientSums:
    """What all clients of a message VPN come to, as `Sums`."""

    format: ClassVar[str] = "semp-clients"

    vpn: str

    @staticmethod
    def read(body: bytes) -> Any:
        clients = _Clients()
        clients.read(body)
        clients.check()
        return tuple(clients.found)

    def of(self, document: Any) -> Sums:
        own = [counts for vpn, counts in document if vpn == self.vpn]
        totals = [sum(one.get(name, 0) for one in own) for name in (*_RATES, *_QUEUED)]
        return Sums(*totals)


@dataclass(frozen=True, slots=True)
class Sums:
    """Messages and bytes that go out, in this second and in one of the last minute; what waits, its work."""

    messages: int
    average_messages: int
    bytes: int
    average_bytes: int
    waiting: int
    work: int

    def rates(self, factor: int) -> tuple[int, int, int, int]:
        """Bytes, average bytes, messages, average messages, with what waits counted `factor` times."""
        messages = self.waiting * factor
        volume = self.work * factor * _BYTES_OF_A_MESSAGE
        return (
            self.bytes + volume,
            self.average_bytes + volume,
            self.messages + messages,
            self.average_messages + messages,
        )


_RATES = (
    "current-egress-rate-per-second",
    "average-egress-rate-per-minute",
    "current-egress-byte-rate-per-second",
    "average-egress-byte-rate-per-minute",
)
_QUEUED = ("length-msgs", "length-work")


class _Clients(XmlEvents):
    """Reads clients as they go by."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, int]]] = []
        self._vpn = ""
        self._counts: dict[str, int] = {}
        self._queue: dict[str, str] = {}
        self._code = ""
        self._is_partial = False

    def opened(self) -> None:
        if self.path[-2:] == ["primary-virtual-router", "client"]:
            self._vpn, self._counts = "", {}
        elif self.path[-1] == "client-queue":
            self._queue = {}
        elif self.path[-1] == "execute-result":
            self._code = "there"
        elif self.path[-1] == "more-cookie":
            self._is_partial = True

    def closed(self, text: str) -> None:
        name, parent = self.path[-1], self.path[-2] if len(self.path) > 1 else ""
        if name == "message-vpn" and parent == "client":
            self._vpn = text.strip()
        elif name in _RATES and parent == "stats":
            self._counts[name] = self._counts.get(name, 0) + _whole(text)
        elif parent == "client-queue":
            self._queue[name] = text.strip()
        elif name == "client-queue" and self._queue.get("queue-priority") == "D-1":
            for wanted in _QUEUED:
                self._counts[wanted] = self._counts.get(wanted, 0) + _whole(self._queue.get(wanted, "0"))
        elif name == "client" and parent == "primary-virtual-router":
            self.found.append((self._vpn, self._counts))

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        super().start(tag, attributes)
        if self.path[-1] == "execute-result":
            self._code = attributes.get("code", "")

    def check(self) -> None:
        """Unpicked where the broker did not answer the question, or not whole."""
        if self.root != "rpc-reply":
            raise Unpicked("the answer is no reply of SEMP", _STRANGE)
        if self._code != "ok":
            raise Unpicked("the broker refused the command", "check that the user may show clients")
        if self._is_partial:
            raise Unpicked("the answer is not whole", "make `clientNamePattern` narrower")


def _whole(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Unpicked("a count of the answer is no whole number", _STRANGE)
    return int(text)


def client_sums(server: HttpServer, prefix: str, vpn: str, pattern: str) -> HttpQuestion:
    """The clients whose names hold `pattern`, all in one answer."""
    asked = f"<name>*{escape(pattern, quote=False)}*</name><stats></stats><queues></queues>"
    body = f"<rpc><show><client>{asked}</client></show></rpc>".encode()
    request = HttpRequest(
        server,
        f"{prefix}/SEMP",
        method="POST",
        headers=(("Content-Type", "application/xml"),),
        body=body,
        limit_bytes=16 << 20,
        attempted="show the clients",
    )
    return HttpQuestion(request, ClientSums(vpn))
