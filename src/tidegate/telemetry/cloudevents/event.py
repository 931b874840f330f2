"""A CloudEvent as a value, and its two forms on the wire.

Source: CloudEvents 1.0.2, "HTTP Protocol Binding" (binary mode, 3.1.3.2 for the encoding of header values)
and "JSON Event Format".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from tidegate.base.times import format_time

JSON = "application/json"
BATCH = "application/cloudevents-batch+json; charset=utf-8"
_PLAIN = frozenset(chr(code) for code in range(0x21, 0x7F)) - {'"', "%"}


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """`reason` and `message` are its content. `id` stays the same however often it is sent."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    reason: str
    message: str

    def attributes(self) -> dict[str, str]:
        """The context attributes but for the content's type."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": format_time(self.time),
        }

    def content(self) -> dict[str, str]:
        return {"reason": self.reason, "message": self.message}


def binary(event: CloudEvent) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Headers and body in binary mode: attributes as headers, the content as the body."""
    attributes = event.attributes().items()
    headers = (("Content-Type", JSON), *((f"ce-{name}", header_value(value)) for name, value in attributes))
    return headers, msgspec.json.encode(event.content())


def batch(events: list[CloudEvent]) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Headers and body of several in one request, whole in JSON."""
    bodies: list[dict[str, Any]] = [
        {**one.attributes(), "datacontenttype": JSON, "data": one.content()} for one in events
    ]
    return (("Content-Type", BATCH),), msgspec.json.encode(bodies)


def header_value(text: str) -> str:
    """Printable ASCII as it is; blanks, quotes, percent signs and all else as percent-encoded UTF-8."""
    return "".join(sign if sign in _PLAIN else _encoded(sign) for sign in text)


def _encoded(sign: str) -> str:
    return "".join(f"%{byte:02X}" for byte in sign.encode("utf-8", "replace"))
