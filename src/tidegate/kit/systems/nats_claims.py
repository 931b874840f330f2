"""Consumers of NATS JetStream as sources of claimed work."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tidegate.core.claims.wishes import DEAD_LETTER
from tidegate.kit.systems.nats_client import NatsServer

# A part of the subjects that JetStream is asked by.
_NAME = re.compile(r"[^\s.*>/\\]+")
_SUBJECT = re.compile(r"[^\s.*>$][^\s.*>]*(\.[^\s.*>]+)*")


@dataclass(frozen=True, slots=True)
class NatsConsumerSource:
    """A pull consumer of a stream. Dead letters are published to the subject `dead_letter`; without one they
    stay in their stream, where that keeps them. `account` is what the trigger says of the stream's account:
    names or ids of which a login's has to be one. With another login it is the same consumer, and claims of
    it go on.
    """

    server: NatsServer = field(compare=False)
    stream: str
    consumer: str
    dead_letter: str = field(default="", compare=False)
    accounts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "addresses", self.server.addresses)

    def label(self) -> str:
        return f"consumer {self.consumer} of stream {self.stream} of {self.server.label()}"

    def aside(self) -> str:
        if self.dead_letter:
            return f"subject {self.dead_letter}"
        return f"stream {self.stream}, as messages that the consumer {self.consumer} is not given again"


def place_problem(client_url: str, stream: str, consumer: str, dead_letter: str) -> str:
    """Why nothing can be claimed with these settings, and what to do; "" where it can."""
    if not client_url:
        return "messages are claimed through the clients' port: let clientUrl name it (nats://host:4222)"
    for name in (stream, consumer):
        if not _NAME.fullmatch(name):
            return f'"{name}" can be the name of no stream or consumer'
    if not dead_letter or _SUBJECT.fullmatch(dead_letter):
        return ""
    advice = "words with dots between, without * and >, not beginning with $"
    return f'"{dead_letter}" is no subject to publish dead letters to: let {DEAD_LETTER} name {advice}'
