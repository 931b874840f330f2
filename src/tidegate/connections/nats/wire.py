"""One open connection to a NATS server: whoever asks waits for its own answer, and one reader hands them out.

A request names a subject of its own for the answer. What the server refuses (`-ERR`) names the subject that
was refused: then the requests to it fail, and the connection goes on.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.connections.queries import Cut

MOST_BYTES = 64 * 2**20 + 2**16
"""What the longest message may have; the server's own limit is 64 MiB."""

ACKNOWLEDGE = "$JS.ACK."
"""What the subjects begin with that deliveries are answered to."""

_ATTEMPTED = "speak to the server"
_REFUSED = re.compile(r"permissions violation for (publish|subscription) to \"([^\"]*)\"", re.IGNORECASE)
_LOGIN = ("authorization violation", "authentication", "account", "revoked")
_WORDS = ("maximum connections exceeded", "stale connection", "maximum payload violation", "slow consumer")


@dataclass(frozen=True, slots=True)
class Came:
    """A message: what it was sent to, where an answer is wanted, its headers, its body. `status` is that of
    an answer which is none: 404 no messages, 408 time is over, 409 refused, 503 nobody listens.
    """

    subject: str
    reply: str = ""
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Post:
    """What is sent to a subject."""

    subject: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Listening:
    """A subscription: who is told of its messages and its refusal; what was asked to be answered there."""

    subject: str
    told: Callable[[Came | TidegateError], None]
    asked: str = ""
    left: int = 0
    """How many more messages come; 0: any number."""


class Wire:
    """Made by `opening.opened`, once the server has taken the login; whatever goes wrong on it ends it."""

    def __init__(
        self,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        label: str,
        timeout_s: float,
        most_bytes: int,
    ) -> None:
        self.most_bytes = most_bytes
        """The longest message that may be sent, with its headers."""
        self.timeout_s = timeout_s
        self.label = label
        self._reader, self._writer = streams
        self._inbox = f"_INBOX.{secrets.token_hex(8)}"
        self._numbers = iter(range(2, 2**62))
        self._asked: dict[str, tuple[str, asyncio.Future[Came]]] = {}
        self._listening: dict[int, _Listening] = {1: _Listening(f"{self._inbox}.*", self._answered)}
        self._pongs: list[asyncio.Future[None]] = []
        self._ended: TidegateError | None = None
        self._task = asyncio.create_task(self._read())
        self._write(f"SUB {self._inbox}.* 1\r\n".encode())

    @property
    def is_open(self) -> bool:
        return self._ended is None

    async def ended(self) -> TidegateError:
        """What has ended it, once something has."""
        await asyncio.wait([self._task])
        assert self._ended is not None
        return self._ended

    # --- asking

    async def ask(self, posts: Sequence[Post], attempted: str) -> list[Came | TidegateError]:
        """Sends all at once; the answer of each, or why there is none. Raises what has ended the connection
        where nobody was answered.
        """
        loop = asyncio.get_running_loop()
        waiting: dict[str, asyncio.Future[Came]] = {}
        lines = []
        for post in posts:
            inbox = f"{self._inbox}.{next(self._numbers)}"
            waiting[inbox] = loop.create_future()
            self._asked[inbox] = post.subject, waiting[inbox]
            lines.append(_line(post, inbox))
        try:
            self._write(b"".join(lines))
            if waiting:
                await asyncio.wait(waiting.values(), timeout=self.timeout_s)
        finally:
            for inbox, answer in waiting.items():
                self._asked.pop(inbox, None)
                if not answer.cancel() and not answer.cancelled():
                    answer.exception()  # it is told, or nobody is there any more to be told
        found = [self._outcome(one, attempted) for one in waiting.values()]
        if self._ended is not None and all(isinstance(one, TidegateError) for one in found):
            raise self._ended.with_traceback(None)
        return found

    async def one(self, post: Post, attempted: str) -> Came:
        """As `ask`, for a single one: raises why there is no answer."""
        (found,) = await self.ask([post], attempted)
        if isinstance(found, TidegateError):
            raise found
        return found

    async def flush(self) -> None:
        """Returns when the server has read all that was sent."""
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        self._write(b"PING\r\n")
        try:
            async with asyncio.timeout(self.timeout_s):
                await pong
        except TimeoutError as error:
            answer = f"no answer within {self.timeout_s:g} s"
            raise Unreachable(_ATTEMPTED, on=self.label, answer=answer) from error

    def send(self, posts: Iterable[Post]) -> None:
        """Sends, and waits for nothing."""
        self._write(b"".join(_line(post, "") for post in posts))

    # --- listening

    def follow(self, post: Post, told: Callable[[Came | TidegateError], None]) -> int:
        """Asks what has several answers, and tells of each; of a refusal, too. The number is for `leave`."""
        number = next(self._numbers)
        subject = f"{self._inbox}f.{number}"
        self._listening[number] = _Listening(subject, told, post.subject)
        self._write(f"SUB {subject} {number}\r\n".encode() + _line(post, subject))
        return number

    def listen(self, subject: str, told: Callable[[Came | TidegateError], None], most: int = 0) -> int:
        """Tells of what is sent to `subject`, no more than `most` messages where it says so; of a refusal,
        too. The number is for `leave`.
        """
        number = next(self._numbers)
        self._listening[number] = _Listening(subject, told, left=most)
        limit = f"UNSUB {number} {most}\r\n" if most else ""
        self._write(f"SUB {subject} {number}\r\n{limit}".encode())
        return number

    def leave(self, number: int) -> None:
        if self._listening.pop(number, None) is not None:
            self._write(f"UNSUB {number}\r\n".encode())

    async def close(self) -> None:
        """Safe twice."""
        self._end(Cut(_ATTEMPTED, on=self.label, answer="the connection was closed"))
        self._task.cancel()
        await asyncio.wait([self._task])
        self._writer.transport.abort()
        await asyncio.sleep(0)  # the socket itself is closed in the loop's next turn

    # --- the reader

    def _write(self, lines: bytes) -> None:
        # Not drained: while we waited for room to write, nobody would read what the server says.
        if self._ended is not None:
            raise self._ended.with_traceback(None)
        self._writer.write(lines)

    async def _read(self) -> None:
        try:
            while True:
                await self._step()
        except (EOFError, ConnectionError, TimeoutError) as error:
            ended = Cut(_ATTEMPTED, on=self.label, answer="the connection was closed")
            ended.__cause__ = error
            self._end(ended)
        except (asyncio.LimitOverrunError, ValueError):
            self._end(strange(self.label))
        except OSError:
            self._end(Cut(_ATTEMPTED, on=self.label, answer="the connection failed"))
        except TidegateError as error:
            self._end(error)
        finally:
            self._writer.transport.abort()

    async def _step(self) -> None:
        word, _, rest = (await self._reader.readuntil(b"\r\n"))[:-2].partition(b" ")
        match word.upper():
            case b"MSG" | b"HMSG":
                number, came = await self._message(word.upper() == b"HMSG", rest.decode().split())
                listening = self._listening.get(number)
                if listening is not None:
                    if listening.left == 1:
                        del self._listening[number]
                    listening.left -= 1
                    listening.told(came)
                elif came.reply.startswith(ACKNOWLEDGE):
                    # It came after its fetch was given up: somebody else may have it at once.
                    self.send([Post(came.reply, b"-NAK")])
            case b"PING":
                self._write(b"PONG\r\n")
            case b"PONG":
                if self._pongs and not (pong := self._pongs.pop(0)).done():
                    pong.set_result(None)
            case b"-ERR":
                self._refused(rest.decode(errors="replace").strip("' "))
            case b"+OK" | b"INFO":
                pass
            case _:
                raise strange(self.label)

    async def _message(self, has_headers: bool, words: list[str]) -> tuple[int, Came]:
        sizes = 2 if has_headers else 1
        if len(words) not in (2 + sizes, 3 + sizes):
            raise strange(self.label)
        size, head_size = int(words[-1]), int(words[-2]) if has_headers else 0
        if not 0 <= head_size <= size <= MOST_BYTES:
            raise strange(self.label)
        raw = await self._reader.readexactly(size + 2)
        reply = words[2] if len(words) == 3 + sizes else ""
        status, headers = _headers(raw[:head_size]) if has_headers else (0, ())
        return int(words[1]), Came(words[0], reply, status, headers, raw[head_size:-2])

    def _answered(self, came: Came | TidegateError) -> None:
        if isinstance(came, TidegateError):
            self._end(came)
            return
        _, answer = self._asked.get(came.subject, ("", None))
        if answer is not None and not answer.done():
            answer.set_result(came)

    def _refused(self, text: str) -> None:
        """What the server says no to. Its words repeat ours: none of them is told."""
        found = _REFUSED.search(text)
        if found is None:
            said = text.lower()
            if any(word in said for word in _LOGIN):
                raise denied(self.label)
            answer = next((word for word in _WORDS if word in said), "it refused something")
            raise Unreachable(_ATTEMPTED, on=self.label, answer=answer)
        what, subject = found[1].lower(), found[2]
        if what == "publish":
            for asked, waiting in self._asked.values():
                if asked == subject and not waiting.done():
                    waiting.set_exception(forbidden(self.label, "publish", subject))
        for number, listening in list(self._listening.items()):
            if subject == (listening.asked if what == "publish" else listening.subject):
                del self._listening[number]
                listening.told(forbidden(self.label, what.replace("subscription", "subscribe"), subject))

    def _end(self, error: TidegateError) -> None:
        if self._ended is not None:
            return
        self._ended = error
        for _, answer in self._asked.values():
            if not answer.done():
                answer.set_exception(error)
        for pong in self._pongs:
            if not pong.done():
                pong.set_exception(error)
        listening, self._listening = self._listening, {}
        for number, one in listening.items():
            if number != 1:
                one.told(error)

    def _outcome(self, answer: asyncio.Future[Came], attempted: str) -> Came | TidegateError:
        if answer.cancelled():
            said = f"no answer within {self.timeout_s:g} s"
            return Unreachable(attempted, on=self.label, answer=said)
        error = answer.exception()
        if error is None:
            return answer.result()
        assert isinstance(error, TidegateError)
        return type(error)(attempted, on=error.on, answer=error.answer, next_step=error.next_step)


def _line(post: Post, reply: str) -> bytes:
    to = f"{post.subject} {reply}".rstrip()
    if not post.headers:
        return b"PUB %s %d\r\n%s\r\n" % (to.encode(), len(post.body), post.body)
    head = headed(post.headers)
    sizes = len(head), len(head) + len(post.body)
    return b"HPUB %s %d %d\r\n%s%s\r\n" % (to.encode(), *sizes, head, post.body)


def headed(headers: Iterable[tuple[str, str]]) -> bytes:
    """Headers as they stand before a body."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"NATS/1.0\r\n{lines}\r\n".encode()


def _headers(raw: bytes) -> tuple[int, tuple[tuple[str, str], ...]]:
    first, *lines = raw.decode(errors="replace").split("\r\n")
    words = first.split()
    if not words or words[0] != "NATS/1.0":
        raise ValueError("no headers")
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    pairs = (line.partition(":") for line in lines if ":" in line)
    return status, tuple((name, value.strip()) for name, _, value in pairs)


def read_headers(raw: bytes) -> tuple[tuple[str, str], ...]:
    """The headers of a message as they are kept in its stream."""
    return _headers(raw)[1]


def strange(label: str) -> Malformed:
    answer, step = "what came back is not the NATS protocol", "check that the port is the clients' (4222)"
    return Malformed(_ATTEMPTED, on=label, answer=answer, next_step=step)


def denied(label: str) -> Denied:
    step = "check natsUser and natsPassword, natsToken, natsCreds or natsNkey"
    return Denied("log in", on=label, answer="the server refuses the login", next_step=step)


def forbidden(label: str, what: str, subject: str) -> Denied:
    answer = f"the user may not {what} to {subject}"
    return Denied(_ATTEMPTED, on=label, answer=answer, next_step="let its permissions have that subject")
