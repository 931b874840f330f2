"""RabbitMQ over AMQP: one connection per virtual host, one exchange for a batch of queues.

`frames.py` is the protocol as bytes, `wire.py` what goes over one connection, `link.py` logging in and
counting, `amqp.py` the adapter. No client library is needed.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.rabbitmq import AmqpServer


def connect(server: AmqpServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.rabbitmq.amqp import AmqpConnection

    return AmqpConnection(server, surroundings)
