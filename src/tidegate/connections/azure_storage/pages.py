"""What storage services answer in XML, read as it goes: no tree of a page with 5,000 blobs is ever built."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.picking.xmlevents import XmlEvents


@dataclass(slots=True)
class Blob:
    """One of a page. `metadata` by folded names, empty unless it was asked for."""

    name: str = ""
    etag: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class QueueMessage:
    """One that was received. `properties` is what else the service says of it."""

    id: str = ""
    receipt: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Page:
    """One page of a container's blobs; `marker` leads to the next, "" after the last."""

    blobs: list[Blob]
    marker: str


def read_blobs(body: bytes) -> Page:
    """A page of a listing. Unpicked where the body is none."""
    reader = _Blobs()
    reader.read(body)
    if reader.root != "EnumerationResults" or not reader.has_list:
        raise Unpicked("the answer is no list of blobs")
    return Page(reader.blobs, reader.marker)


def count_messages(body: bytes) -> int:
    """How many messages a peek brought. Unpicked where the body is none."""
    reader = _Messages()
    reader.read(body)
    if reader.root != "QueueMessagesList":
        raise Unpicked("the answer is no list of messages")
    return reader.count


def read_messages(body: bytes, most: int) -> list[QueueMessage]:
    """The messages that a receive of at most so many brought. Unpicked where the body is none: each message
    becomes a Job, and nobody is given more of them than there are places.
    """
    reader = _Received()
    reader.read(body)
    if reader.root != "QueueMessagesList":
        raise Unpicked("the answer is no list of messages")
    if any(not one.id or not one.receipt for one in reader.messages):
        raise Unpicked("a message has no identity or no pop receipt")
    if len(reader.messages) > most:
        raise Unpicked("more messages came than were asked for")
    if len({one.id for one in reader.messages}) < len(reader.messages):
        raise Unpicked("a message came twice")
    return reader.messages


class _Received(XmlEvents):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[QueueMessage] = []

    def opened(self) -> None:
        if self.path == ["QueueMessagesList", "QueueMessage"]:
            self.messages.append(QueueMessage())

    def closed(self, text: str) -> None:
        if self.path[:2] == ["QueueMessagesList", "QueueMessage"] and len(self.path) == 3:
            match self.path[2]:
                case "MessageId":
                    self.messages[-1].id = text
                case "PopReceipt":
                    self.messages[-1].receipt = text
                case "MessageText":
                    self.messages[-1].text = text
                case "InsertionTime" | "ExpirationTime" | "DequeueCount" as name:
                    self.messages[-1].properties[name] = text


class _Blobs(XmlEvents):
    def __init__(self) -> None:
        super().__init__()
        self.blobs: list[Blob] = []
        self.marker = ""
        self.has_list = False

    def opened(self) -> None:
        if self.path == ["EnumerationResults", "Blobs"]:
            self.has_list = True
        elif self.path == ["EnumerationResults", "Blobs", "Blob"]:
            self.blobs.append(Blob())

    def closed(self, text: str) -> None:
        inside = self.path[3:] if self.path[1:3] == ["Blobs", "Blob"] else None
        if self.path[1:] == ["NextMarker"]:
            self.marker = text
        elif inside == ["Name"]:
            self.blobs[-1].name = text
        elif inside == ["Properties", "Etag"]:
            self.blobs[-1].etag = text
        elif inside and len(inside) == 2 and inside[0] == "Metadata":
            self.blobs[-1].metadata[inside[1].casefold()] = text


class _Messages(XmlEvents):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def opened(self) -> None:
        self.count += self.path == ["QueueMessagesList", "QueueMessage"]
