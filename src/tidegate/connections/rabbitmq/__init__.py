"""RabbitMQ: over AMQP one exchange for a batch of queues, over the management API one listing.

`frames.py` is AMQP as bytes, `wire.py` what goes over one connection, `link.py` logging in and counting,
`bindings.py` tells of messages that come, `amqp.py` is the adapter. `listing.py` has the requests to the
management API, `management.py` its adapter. No client library is needed.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.rabbitmq import AmqpServer, ManagementServer


def connect(server: AmqpServer | ManagementServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    if isinstance(server, ManagementServer):
        from tidegate.connections.rabbitmq.management import ManagementConnection

        return ManagementConnection(server, surroundings)
    from tidegate.connections.rabbitmq.amqp import AmqpConnection

    return AmqpConnection(server, surroundings)
