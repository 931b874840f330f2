"""What SQS answers to claims, and the receipts that are made of it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import Misconfigured, TidegateError
from tidegate.kit.systems.aws import AwsServer
from tidegate.kit.systems.claims import Delivery

if TYPE_CHECKING:
    from tidegate.connections.aws.calls import Call

LONGEST_S = 12 * 3600
"""A message can be kept from others no longer than this after it was received, whoever asks for more."""

# Of what is said of a message, all together.
_ATTRIBUTES_BYTES = 16 * 1024
# What the service itself says of a message. A sender's attribute of such a name is left out.
_OWN = frozenset(
    {
        "AWSTraceHeader",
        "ApproximateFirstReceiveTimestamp",
        "ApproximateReceiveCount",
        "DeadLetterQueueSourceArn",
        "MessageDeduplicationId",
        "MessageGroupId",
        "SenderId",
        "SentTimestamp",
        "SequenceNumber",
    }
)
_STALE = re.compile(r"ReceiptHandleIsInvalid|InvalidParameterValue|NotInflight|InvalidIdFormat")
_HANDLE = re.compile(r"[!-~]{1,2048}")
_QUEUE_NAME = re.compile(r"[0-9A-Za-z_-]{1,80}(\.fifo)?")
# Between our clock and the service's, of what only it counts.
_MARGIN_S = 30.0


class Stale(Misconfigured):
    """The service takes this receipt handle no more: the message is gone, visible again, or another's."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The moments of the receive and of the lease's end, in seconds since 1970, and the receipt handle."""

    received_s: float
    until_s: float
    handle: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.received_s:.3f} {self.until_s:.3f} {self.handle}"

    def lasts(self, now_s: float, lease_s: float) -> bool:
        """Whether the lease goes on: one that ends as soon is over when a call arrives."""
        return now_s < self.until_s - min(2.0, lease_s / 5)

    def longest(self, now_s: float, seconds: float) -> float:
        """The end of so many seconds from now, or of what the service allows."""
        return min(now_s + seconds, self.received_s + LONGEST_S - _MARGIN_S)


def read_receipt(text: str, now_s: float) -> Receipt | None:
    """None where it is none: it stands on a Job, and somebody has edited that."""
    received, _, rest = text.partition(" ")
    until, _, handle = rest.partition(" ")
    try:
        receipt = Receipt(float(received), float(until), handle)
    except ValueError:
        return None
    moments = (receipt.received_s, receipt.until_s)
    if not all(math.isfinite(one) for one in moments) or not _HANDLE.fullmatch(handle):
        return None
    latest = min(receipt.received_s, now_s + _MARGIN_S) + LONGEST_S
    return receipt if 0 <= receipt.received_s <= receipt.until_s <= latest else None


@dataclass(frozen=True, slots=True)
class Extras:
    """What a dead letter takes along beside its body: `attributes` as the sender gave them, a FIFO queue's
    group, the header of a trace. `size` is that of the attributes."""

    attributes: dict[str, Any] = field(repr=False)
    group: str = ""
    trace: str = ""
    size: int = 0

    def parameters(self, id: str, *, is_fifo: bool) -> dict[str, Any]:
        """For SendMessage. In a FIFO queue the identity keeps a repeated one from being there twice."""
        found: dict[str, Any] = {}
        if self.attributes:
            found["MessageAttributes"] = self.attributes
        if self.trace:
            header = {"DataType": "String", "StringValue": self.trace}
            found["MessageSystemAttributes"] = {"AWSTraceHeader": header}
        if self.group or is_fifo:
            found["MessageGroupId"] = self.group or id
        if is_fifo:
            found["MessageDeduplicationId"] = id
        return found


@dataclass(frozen=True, slots=True)
class Redrive:
    """A queue's redrive policy: the name of its dead-letter queue and how many receives a message has, "" and
    0 without one."""

    queue: str = ""
    receives: int = 0


def delivery_of(one: Any, receipt: Receipt, call: Call, server: AwsServer) -> tuple[Delivery, Extras]:
    """A message that was received; the receipt's handle is still to come. Malformed where it is none."""
    from tidegate.connections.aws.calls import strange

    names = ("MessageId", "ReceiptHandle", "Body")
    fields = [one.get(name) if isinstance(one, dict) else None for name in names]
    if not all(isinstance(field, str) for field in fields):
        raise strange(call.attempted, server, "a message has no identity, receipt handle or body")
    id, handle, body = (str(field) for field in fields)
    own, sent = _table(one.get("Attributes")), _table(one.get("MessageAttributes"))
    whole = str(Receipt(receipt.received_s, receipt.until_s, handle))
    extras = Extras(sent, _text(own, "MessageGroupId"), _text(own, "AWSTraceHeader"), len(json.dumps(sent)))
    return Delivery(id, body.encode(), attributes=_attributes(own, sent), receipt=whole), extras


def _attributes(own: dict[str, Any], sent: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """What the service says of a message, then its sender: texts, as long as they are few. Bytes stay in the
    base64 that they came in."""
    found = {name: text for name, text in own.items() if isinstance(text, str)}
    for name, value in sorted(sent.items()):
        fields = _table(value)
        text = fields.get("StringValue", fields.get("BinaryValue"))
        if isinstance(text, str) and name not in _OWN:
            found.setdefault(name, text)
    kept, size = [], 0
    for name, text in found.items():
        size += len(name.encode()) + len(text.encode())
        if size > _ATTRIBUTES_BYTES:
            break
        kept.append((name, text))
    return tuple(sorted(kept))


def entry_outcomes(
    answer: dict[str, Any], count: int, call: Call, server: AwsServer
) -> list[TidegateError | None]:
    """What came of each entry of a batch, None where it was carried out."""
    from tidegate.connections.aws.calls import refusal, strange

    found: dict[str, TidegateError | None] = {}
    for one in _list(answer.get("Successful")):
        found[str(_table(one).get("Id"))] = None
    for one in _list(answer.get("Failed")):
        fields = _table(one)
        code = str(fields.get("Code", ""))
        if _STALE.search(code):
            error: TidegateError = Stale(call.attempted, on=server.label(), answer=code)
        else:
            error = refusal(call.attempted, server, code if re.fullmatch(r"[A-Za-z.]{1,80}", code) else "")
        found[str(fields.get("Id"))] = error
    unsaid = strange(call.attempted, server, "the answer says nothing of a message that was asked about")
    return [found.get(str(number), unsaid) for number in range(count)]


def redrive_of(answer: dict[str, Any]) -> Redrive:
    """The redrive policy of a queue's attributes; none where it cannot be read."""
    text = _text(_table(answer.get("Attributes")), "RedrivePolicy")
    try:
        policy = _table(json.loads(text)) if text else {}
    except ValueError:
        return Redrive()
    name = str(policy.get("deadLetterTargetArn", "")).rpartition(":")[2]
    receives = str(policy.get("maxReceiveCount", ""))
    if not _QUEUE_NAME.fullmatch(name):
        return Redrive()
    return Redrive(name, int(receives) if re.fullmatch(r"[0-9]{1,6}", receives) else 0)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
