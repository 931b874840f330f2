"""Claims from pull consumers of NATS JetStream.

The lease is the consumer's `AckWait`, which `+WPI` begins again; the receipt is the subject that a delivery
is answered to. The server does not look whose it is: who has lost the message to somebody else may still end
or release it in the other's place. So what would take it from another (`-NAK`, `+TERM`) is said only while
this process knows that its lease goes on; otherwise the message is left alone, and comes again.
"""

from __future__ import annotations

from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.nats.writer import NatsWriter
from tidegate.connections.claims.writers import Writer
from tidegate.kit.systems.nats_client import NatsServer


def connect(server: NatsServer, surroundings: Surroundings) -> Writer:
    """The writer for `server`; touches no network."""
    return NatsWriter(server, surroundings)
