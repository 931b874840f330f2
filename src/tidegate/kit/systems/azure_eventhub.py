"""Azure Event Hubs: which namespace to ask, where its partitions stand, and how far readers have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from tidegate.base.errors import Malformed
from tidegate.kit.identity import IdentityToken
from tidegate.kit.systems.azure import Namespace

LARGEST = 2**63 - 1
"""Sequence numbers go on from 0 after this one."""

Layout = Literal["azureFunction", "blobMetadata", "goSdk", "dapr", "default"]


@dataclass(frozen=True, slots=True)
class EventHubServer:
    """A namespace, spoken to by AMQP, with its key or as an identity (`token`)."""

    system: ClassVar[str] = "azure_eventhub"

    namespace: Namespace
    token: IdentityToken | None = None

    @property
    def host(self) -> str:
        return self.namespace.host

    @property
    def port(self) -> int:
        return self.namespace.port or (5672 if self.namespace.is_emulator else 5671)

    def label(self) -> str:
        return f"Event Hubs namespace {self.host}"


@dataclass(frozen=True, slots=True)
class HubPositions:
    """Where each partition of a hub stands: a dict of `Position`s by the partition's id."""

    server: EventHubServer
    hub: str


@dataclass(frozen=True, slots=True)
class Position:
    """Sequence numbers: of the oldest event that is kept, and of the newest (-1: there never was one).

    `is_empty`: whether none is kept any more; None where the service does not say.
    """

    begin: int
    last: int
    is_empty: bool | None = None


def unprocessed(position: Position, checkpoint: int | None, stale: int) -> int:
    """Events of a partition that come after the checkpoint, the sequence number of the last processed one.

    A result so large that the checkpoint must be ahead of what we know (by `stale` at most) is 0.
    Source: KEDA. It takes a partition without a checkpoint that begins and ends with one event for empty, as
    all may have expired; here only one that does not say what it is.
    """
    begin, last = position.begin, position.last
    if last == -1:
        return 0
    if checkpoint is None:
        is_one = last == 0 if position.is_empty is None else not position.is_empty
        return last - begin + 1 if begin != last or is_one else 0
    left = last - checkpoint if last >= checkpoint else LARGEST - checkpoint + last
    return 0 if left > LARGEST - stale else left


def checkpoint_name(layout: Layout, host: str, hub: str, group: str) -> str:
    """What the blob of a partition's checkpoint is called, but for the partition's id at its end.

    Source: KEDA, "Checkpointing behaviour" of the Event Hubs scaler.
    """
    if layout == "azureFunction":
        return f"{host}/{hub}/{group}/"
    if layout == "blobMetadata":
        return f"{host}/{hub}/{group.lower()}/checkpoint/"
    if layout == "dapr":
        return f"dapr-{hub}-{group}-"
    return "" if layout == "goSdk" else f"{group}/"


def sequence_of(layout: Layout, document: object) -> int | None:
    """The sequence number in a checkpoint's JSON: 0 where it names none, None where it is none."""
    fields = document
    if layout in ("goSdk", "dapr"):
        fields = document.get("checkpoint", {}) if isinstance(document, Mapping) else None
    if not isinstance(fields, Mapping):
        return None
    names = ["sequenceNumber" if layout in ("goSdk", "dapr") else "SequenceNumber"]
    names += ["sequence_number"] if layout == "default" else []
    for name in names:
        value = fields.get(name)
        if value is not None and type(value) is not int:
            return None
        if value:
            return value
    return 0


def number_of(metadata: Mapping[str, str], name: str, on: str) -> int:
    """The sequence number in a blob's metadata."""
    text = metadata.get("sequencenumber", "")
    try:
        return int(text) if text.isascii() else int("")
    except ValueError:
        answer = f"blob {name} has no metadata sequencenumber that is a number"
        raise Malformed("read a checkpoint", on=on, answer=answer) from None
