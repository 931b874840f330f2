"""What the reply subject of a delivery says, and the identity that follows from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from tidegate.connections.nats.wire import Came

_PREFIX = ["$JS", "ACK"]
# Servers that know domains put domain and account before the stream.
_SHORT, _LONG = 9, 11
_LONGEST_ATTRIBUTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Receipt:
    """A delivery: of which message of which consumer, and where to answer."""

    subject: str
    stream: str
    consumer: str
    deliveries: int
    sequence: int
    stored_ns: int

    def identity(self, created: str) -> str:
        """That of its message for a consumer that was made at `created`.

        A stream that is made anew begins at 1 again, so the time that the message was stored belongs to it;
        for a consumer that is made anew messages are new ones.
        """
        what = "\n".join((self.stream, self.consumer, created, str(self.stored_ns)))
        return f"{self.sequence}-{hashlib.sha256(what.encode()).hexdigest()[:10]}"


def read_receipt(subject: str) -> Receipt | None:
    """None where it is no such subject. It comes off Jobs, which others may write."""
    words = subject.split(".")
    if words[:2] != _PREFIX or not (len(words) == _SHORT or len(words) >= _LONG) or not subject.isprintable():
        return None
    first = 2 if len(words) == _SHORT else 4
    stream, consumer, *numbers = words[first : first + 7]
    if " " in subject or not all(one.isascii() and one.isdigit() and len(one) < 21 for one in numbers):
        return None
    deliveries, sequence, _, stored_ns, _ = map(int, numbers)
    return Receipt(subject, stream, consumer, deliveries, sequence, stored_ns)


def sequence_of(id: str) -> int:
    """The message's sequence, in its identity; 0 where it is none."""
    text = id.partition("-")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 21 else 0


def attributes(came: Came, receipt: Receipt) -> tuple[tuple[str, str], ...]:
    """Headers, the first of each name, as far as they are not too long; then what the server says."""
    found: dict[str, str] = {}
    size = 0
    for name, value in came.headers:
        size += len(name) + len(value)
        if size <= _LONGEST_ATTRIBUTES:
            found.setdefault(name, value)
    seconds, rest = divmod(receipt.stored_ns, 10**9)
    stored = datetime.fromtimestamp(min(seconds, 10**11), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    found |= {"subject": came.subject, "sequence": str(receipt.sequence), "stored": f"{stored}.{rest:09}Z"}
    return tuple(found.items())
