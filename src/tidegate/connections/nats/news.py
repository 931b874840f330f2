"""News of streams, told by the messages that are published to them.

JetStream tells nobody that a stream has got a message, but a message is heard by whoever has subscribed to
its subject. So each subject is subscribed to for one message and no more: however busy it is, a single one
comes, and is dropped unread.

    SUB orders.>, one message ──► somebody publishes ──► whoever watches is told
      a second later: SUB orders.>, one message ──► told once more, for what came in between

The server keeps nothing of it that would outlive the connection, and no right is needed but to subscribe and
to ask what the consumer is. What JetStream says of the consumer and the stream itself (made, changed, gone,
deliveries given up) is heard as well, where the user may hear it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from tidegate.base.errors import Denied, TidegateError
from tidegate.connections.feeds import Tell
from tidegate.connections.nats.subjects import subjects_of
from tidegate.connections.nats.wire import Came, Wire
from tidegate.kit.systems.nats_client import ConsumerNews

GAP_S = 1.0
"""Least time between two messages of one subject."""

BEAT_S = 30.0
"""After so long the server is asked whether it is still there."""

_ADVISORY = "$JS.EVENT.ADVISORY"
# What may have changed the subjects, and with the last word the lag.
_CHANGES = ("CREATED", "UPDATED", "DELETED", "MAX_DELIVERIES")


class News:
    """The line of a server; `known` says what each topic is."""

    def __init__(self, wire: Wire, known: Mapping[str, ConsumerNews]) -> None:
        self._wire = wire
        self._known = known
        self._topics: dict[str, set[str]] = {}
        self._advised: dict[str, tuple[int, ...]] = {}
        self._numbers: dict[str, int] = {}
        self._refused: dict[str, TidegateError] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._due: set[str] = set()
        self._changed: set[str] = set()
        self._stirred = asyncio.Event()
        self._tell: Tell = lambda _: None

    async def subscribe(self, topics: Sequence[str]) -> Mapping[str, TidegateError]:
        found = await subjects_of(self._wire, [self._known[topic] for topic in topics])
        refused: dict[str, TidegateError] = {}
        for topic, subjects in zip(topics, found, strict=True):
            if isinstance(subjects, TidegateError):
                refused[topic] = subjects
                continue
            self._advise(topic)
            self._add(topic, subjects)
        # What is refused is told before the server says that it has read all.
        await self._wire.flush()
        for subject, error in self._refused.items():
            refused |= dict.fromkeys(self._topics.get(subject, ()), error)
        self._refused.clear()
        await self.unsubscribe([topic for topic in topics if topic in refused])
        return refused

    async def unsubscribe(self, topics: Sequence[str]) -> None:
        for topic in topics:
            for number in self._advised.pop(topic, ()):
                self._wire.leave(number)
        self._remove(set(topics), set(self._topics))

    async def listen(self, tell: Tell) -> None:
        self._tell = tell
        tasks = [asyncio.ensure_future(one) for one in (self._end(), self._renew(), self._beat())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        await self._wire.close()

    # --- subjects

    def _add(self, topic: str, subjects: Sequence[str]) -> None:
        for subject in subjects:
            if subject not in self._topics:
                self._topics[subject] = set()
                self._listen(subject)
            self._topics[subject].add(topic)

    def _remove(self, topics: set[str], subjects: set[str]) -> None:
        """These topics are not told of these subjects any more; a subject that tells nobody is left."""
        for subject in subjects:
            self._topics[subject] -= topics
            if not self._topics[subject]:
                del self._topics[subject]
                self._due.discard(subject)
                self._wire.leave(self._numbers.pop(subject))
                if (timer := self._timers.pop(subject, None)) is not None:
                    timer.cancel()

    def _listen(self, subject: str) -> None:
        self._numbers[subject] = self._wire.listen(subject, partial(self._heard, subject), most=1)

    def _heard(self, subject: str, came: Came | TidegateError) -> None:
        if isinstance(came, TidegateError):
            if isinstance(came, Denied):
                self._refused[subject] = came
                self._stirred.set()
            return
        if subject in self._timers or subject not in self._topics:
            return
        self._timers[subject] = asyncio.get_running_loop().call_later(GAP_S, self._fall_due, subject)
        self._tell_all(subject)

    def _fall_due(self, subject: str) -> None:
        del self._timers[subject]
        self._due.add(subject)
        self._stirred.set()

    def _tell_all(self, subject: str) -> None:
        for topic in tuple(self._topics.get(subject, ())):
            self._tell(topic)

    async def _renew(self) -> None:
        """Subscribes again to what was heard of, and tells of it once the server has taken that: what came in
        between nobody has heard.
        """
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            due, self._due = self._due & set(self._topics), set()
            for subject in due:
                self._listen(subject)
            if due:
                await self._taken(due)
                for subject in due:
                    self._tell_all(subject)
            changed, self._changed = self._changed, set()
            for topic in changed:
                await self._read_again(topic)

    # --- what JetStream says of streams and consumers

    def _advise(self, topic: str) -> None:
        one = self._known[topic]
        subjects = (
            f"{_ADVISORY}.CONSUMER.*.{one.stream}.{one.consumer}",
            f"{_ADVISORY}.STREAM.*.{one.stream}",
        )
        told = partial(self._advised_of, topic)
        self._advised[topic] = tuple(self._wire.listen(subject, told) for subject in subjects)

    def _advised_of(self, topic: str, came: Came | TidegateError) -> None:
        """A refusal costs these news alone."""
        if isinstance(came, TidegateError) or came.subject.split(".")[4] not in _CHANGES:
            return
        self._changed.add(topic)
        self._stirred.set()

    async def _read_again(self, topic: str) -> None:
        """The subjects may be others now. What is gone is told: its poll finds out."""
        if topic not in self._advised:
            return
        (found,) = await subjects_of(self._wire, [self._known[topic]])
        if not isinstance(found, TidegateError):
            new = set(found) - set(self._topics)
            self._add(topic, found)
            self._remove({topic}, {subject for subject in self._topics if subject not in found})
            await self._taken(new)
        self._tell(topic)

    async def _taken(self, subjects: set[str]) -> None:
        """Returns when the server would tell of them. Raises where it refuses one by now."""
        await self._wire.flush()
        for subject in subjects & set(self._refused):
            raise self._refused[subject]

    # --- the connection

    async def _end(self) -> None:
        raise (await self._wire.ended()).with_traceback(None)

    async def _beat(self) -> None:
        """Finds out about a connection that is dead and does not say so."""
        while True:
            await asyncio.sleep(BEAT_S)
            await self._wire.flush()
