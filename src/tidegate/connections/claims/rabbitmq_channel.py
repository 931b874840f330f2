"""What one holder has claimed of RabbitMQ: a channel, and on it the queue that its claims were moved to.

A broker gives back what a connection has not acknowledged once that connection ends, and no later than after
its consumer timeout. So a claim is no delivery that waits for its acknowledgement: the message is moved to a
queue `tidegate.claims.<holder>`, which only its holder reads, each with an identity and a count of ended Jobs
as headers. The holder is its exclusive consumer; whoever comes after it is told all of it again. Every change
is a copy that the broker has confirmed, and then the end of the original: what dies in between leaves two.
"""

from __future__ import annotations

import secrets
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tidegate.base.errors import Misconfigured, TidegateError, Unreachable
from tidegate.connections.claims import rabbitmq_frames as messages
from tidegate.connections.claims.rabbitmq_frames import Content
from tidegate.connections.rabbitmq import frames
from tidegate.connections.rabbitmq.frames import Method
from tidegate.connections.rabbitmq.link import Dialling, Link
from tidegate.connections.rabbitmq.wire import Strange, Wire
from tidegate.kit.systems.rabbitmq import AmqpServer

ID, FINISHED, DUE, QUEUE, EXPIRATION, MARK = (
    f"tidegate-{name}" for name in ("id", "finished", "due", "queue", "expiration", "mark")
)
OURS = frozenset({ID, FINISHED, DUE, QUEUE, EXPIRATION, MARK})
# For headers that a message gets after it was claimed, and what frames it.
_ROOM = 256
_PERSISTENT, _CONSUMER = b"\x02", "tidegate"
# The broker takes the name of the sender from nobody else; a time to live ends with the claim.
_NOT_CARRIED = ("user-id", "expiration")
# Headers by which a sender names further queues: the broker would add our copies to them as well.
_ROUTING = frozenset({"CC", "BCC"})


class ChannelClosed(Exception):
    """The broker closed the channel, with a code and words."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(code)
        self.code = code
        self.words = words


@dataclass(frozen=True, slots=True)
class Message(Method):
    """A method that brings a message."""

    content: Content = field(default_factory=Content)


@dataclass(frozen=True, slots=True)
class Kept:
    """A claimed message; `due_ms` is when one that was released may be tried again, 0 while it is held."""

    tag: int
    content: Content
    finished: int = 0
    due_ms: int = 0

    @property
    def age(self) -> tuple[int, bool]:
        """Of two copies the one that was made last has more of it."""
        return self.finished, not self.due_ms


class MessageWire(Wire):
    """A wire on which messages come as well."""

    kinds = (*Wire.kinds, messages.HEADER, messages.BODY)
    # The broker cuts bodies into frames, and headers never.
    longest = 4 * 2**20

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[int, tuple[Method, list[bytes]]] = {}

    def _take(self, method: Method) -> None:
        if method.id == frames.CHANNEL_CLOSE:
            # At once: the broker tells it again and again, and takes a second answer amiss.
            self.send(frames.method(method.channel, frames.CHANNEL_CLOSE_OK))
            self._parts.pop(method.channel, None)
        if method.id in messages.WITH_CONTENT:
            self._parts[method.channel] = method, []
        else:
            super()._take(method)

    def _take_part(self, kind: int, channel: int, payload: bytes) -> None:
        if channel not in self._parts:
            raise Strange
        told, parts = self._parts[channel]
        if bool(parts) != (kind == messages.BODY):
            raise Strange
        parts.append(payload)
        header, *pieces = parts
        if sum(map(len, pieces)) >= messages.size_of(header):
            del self._parts[channel]
            content = messages.content(header, b"".join(pieces))
            super()._take(Message(told.channel, told.id, told.fields, content))


class ClaimLink(Link):
    """An open connection on which messages are claimed, with a channel for each queue of claims."""

    wire_kind = MessageWire

    def __init__(self, server: AmqpServer, dialling: Dialling) -> None:
        super().__init__(server, dialling)
        self.channels: dict[int, Channel] = {}

    @property
    def stands(self) -> bool:
        """Whether it can be used, as far as is known; what has come since is taken."""
        while self._wire.ended is None and (told := self._wire.at_hand()) is not None:
            if told.channel in self.channels:
                self.channels[told.channel].take(told)
        return self._wire.ended is None

    async def channel(self, queue: str) -> Channel:
        """The channel of this queue of claims, which knows what is in it."""
        for found in self.channels.values():
            if found.queue == queue and found.closed is None:
                return found
        free = (one for one in range(1, len(self.channels) + 2) if one not in self.channels)
        closed = (one for one, channel in self.channels.items() if channel.closed is not None)
        number = next(closed, None) or next(free)
        made = self.channels[number] = Channel(self, number, queue)
        try:
            await made.begin()
        except ChannelClosed:
            raise
        except BaseException:
            await self.close()
            raise
        return made

    def error(self, error: BaseException, attempted: str) -> TidegateError:
        """What ended the connection, for everybody who asked."""
        return self._error(error, attempted)

    async def next(self) -> Method:
        return await self._wire.next()


class Channel:
    """`kept` is all that the holder has claimed, by identity, once `begin` has returned."""

    def __init__(self, link: ClaimLink, number: int, queue: str) -> None:
        self.queue = queue
        self.kept: dict[str, Kept] = {}
        self.closed: ChannelClosed | None = None
        self._link = link
        self._number = number
        self._replies: deque[Method] = deque()
        self._marks: set[str] = set()
        self._sent = 0
        self._open: set[int] = set()
        self._refused: set[int] = set()
        self._returned: set[str] = set()
        # Messages that cannot be moved: ours, and never given back, which a quorum queue would count.
        self.unfit = 0

    # --- what comes

    def take(self, told: Method) -> None:
        """Something that came on this channel."""
        if told.id == frames.CHANNEL_CLOSE:
            self.closed = ChannelClosed(*frames.closing(told.fields))
        elif told.id in (messages.ACK, messages.NACK):
            tag = messages.delivery_tag(told)
            settled = {one for one in self._open if one <= tag} if messages.is_multiple(told) else {tag}
            self._open -= settled
            self._refused |= settled if told.id == messages.NACK else set()
        elif told.id == messages.RETURN and isinstance(told, Message):
            self._returned.add(told.content.text(ID))
        elif told.id == messages.DELIVER and isinstance(told, Message):
            self._take_delivery(told)
        else:
            self._replies.append(told)

    def _take_delivery(self, told: Message) -> None:
        tag, content = messages.delivery_tag(told), told.content
        id, mark = content.text(ID), content.text(MARK)
        if mark:
            self._marks.add(mark)
            self.end(tag)
        elif id:
            new = Kept(tag, content, _number(content.text(FINISHED)), _number(content.text(DUE)))
            old = self.kept.get(id)
            if old is not None and new.content.body != old.content.body:
                # No copy of ours, whoever wrote it: neither of the two is ended.
                return
            if old is None or new.age >= old.age:
                self.kept[id] = new
                if old is not None:
                    self.end(old.tag)
            else:
                self.end(tag)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Takes what comes, on any channel, until it is so. ChannelClosed once this one is closed."""
        while self.closed is None and not is_so():
            told = await self._link.next()
            if told.channel in self._link.channels:
                self._link.channels[told.channel].take(told)
        if self.closed is not None:
            raise self.closed

    async def reply(self) -> Method:
        await self.until(lambda: bool(self._replies))
        return self._replies.popleft()

    # --- what is done

    async def begin(self) -> None:
        """Becomes the one reader of the holder's queue, and knows then what is in it."""
        number = self._number
        self._link.send(
            frames.open_channel(number)
            + frames.method(number, messages.CONFIRM, b"\x00")
            + messages.declare(number, self.queue)
            + messages.consume_alone(number, self.queue, _CONSUMER)
        )
        for _ in range(4):
            await self.reply()
        # What was in the queue comes before what is added to it.
        mark = secrets.token_hex(8)
        await self.publish(self.queue, Content(headers={MARK: messages.long_text(mark)}))
        await self.until(lambda: mark in self._marks)

    async def publish(self, queue: str, content: Content) -> None:
        """Adds a message to a queue; returns once the broker has it for good."""
        (failure,) = await self.publish_all(queue, [content])
        if failure is not None:
            raise failure

    async def publish_all(self, queue: str, contents: list[Content]) -> list[TidegateError | None]:
        """Adds messages to a queue; for each, why it is not there."""
        first = self._sent + 1
        self._sent += len(contents)
        numbers = range(first, self._sent + 1)
        self._open |= set(numbers)
        self._link.send(
            b"".join(messages.publish(self._number, queue, one, self._link.frame_bytes) for one in contents)
        )
        await self.until(lambda: not self._open & set(numbers))
        return [self._failure(queue, *one) for one in zip(numbers, contents, strict=True)]

    def _failure(self, queue: str, number: int, content: Content) -> TidegateError | None:
        on = f"queue {queue}"
        if content.text(ID) in self._returned:
            self._returned.discard(content.text(ID))
            return Misconfigured("add a message", on=on, answer="there is no such queue")
        if number in self._refused:
            self._refused.discard(number)
            return Unreachable("add a message", on=on, answer="the broker did not take it")
        return None

    async def declare(self, queue: str) -> None:
        self._link.send(messages.declare(self._number, queue))
        await self.reply()

    async def got(self, queue: str, count: int) -> list[Message]:
        """So many messages of a queue, or fewer where there are no more; they are this channel's."""
        self._link.send(messages.get(self._number, queue) * count)
        found = [await self.reply() for _ in range(count)]
        return [one for one in found if isinstance(one, Message)]

    def fits(self, content: Content) -> bool:
        """Whether the message can be sent, also with a count and a date: its headers are one frame."""
        return messages.header_bytes(content) + _ROOM <= self._link.frame_bytes

    def end(self, tag: int) -> None:
        """The message with this tag is done."""
        self._link.send(messages.ack(self._number, tag))

    def requeue(self, tag: int) -> None:
        self._link.send(messages.requeue(self._number, tag))

    async def change(self, id: str, *, finished: int, due_ms: int) -> None:
        """Another count, another date: a copy, and then the end of the original."""
        headers = {FINISHED: messages.long_text(str(finished)), DUE: messages.long_text(str(due_ms))}
        kept = self.kept[id]
        await self.publish(self.queue, replace(kept.content, headers={**kept.content.headers, **headers}))
        await self.until(lambda: self.kept[id].tag != kept.tag)

    async def sync(self) -> None:
        """Returns once all that was sent before was carried out."""
        await self.declare(self.queue)

    async def leave(self) -> None:
        """Nothing is claimed any more: its queue goes, where it is empty."""
        if self.closed is None and not self.kept:
            self._link.send(
                messages.cancel(self._number, _CONSUMER) + messages.delete_empty(self._number, self.queue)
            )
            for _ in range(2):
                await self.reply()

    async def close(self) -> None:
        """The same; where its queue is not empty, whoever reads it next is told all of it."""
        if self.closed is None:
            await self.leave()
            self._link.send(
                frames.method(self._number, frames.CHANNEL_CLOSE, struct.pack(">HxHH", 200, 0, 0))
            )
            await self.reply()
            self.closed = ChannelClosed(200, "")


def _number(text: str) -> int:
    """0 for what is none: nobody but us should write there, and whoever does stops nobody."""
    return int(text) if text.isdecimal() and len(text) < 20 else 0


def claimed(content: Content, id: str, queue: str) -> Content:
    """The message as it is kept while it is claimed."""
    properties = {name: raw for name, raw in content.properties.items() if name not in _NOT_CARRIED}
    ours = {ID: messages.long_text(id), QUEUE: messages.long_text(queue)}
    if "expiration" in content.properties:
        text = content.properties["expiration"][1:].decode("ascii", "replace")
        ours[EXPIRATION] = messages.long_text(text)
    theirs = {name: raw for name, raw in content.headers.items() if name not in OURS | _ROUTING}
    return Content({**properties, "delivery-mode": _PERSISTENT}, theirs | ours, content.body)


def released(content: Content) -> Content:
    """The message as it was, for its own queue."""
    properties = dict(content.properties)
    if expiration := content.text(EXPIRATION):
        properties["expiration"] = frames.short(expiration)
    headers = {name: raw for name, raw in content.headers.items() if name not in OURS}
    return Content(properties, headers, content.body)
