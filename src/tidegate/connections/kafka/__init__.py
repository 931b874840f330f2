"""Kafka: one connection per broker; a round is a request per broker, however many groups are asked for.

`wire.py` says which requests in which versions, `sasl.py`, `tokens.py` and `msk.py` how to log in,
`link.py` is one connection, `cluster.py` knows who is who, `groups.py` turns questions into requests and
answers, `fetches.py` tells of records that come.
"""

from __future__ import annotations

from tidegate.base.errors import Unsupported
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.kafka import KafkaServer

_NOT_OFFERED = {
    "GSSAPI": "Kerberos is not offered: it needs the system's own libraries and a realm to test against",
}


def connect(server: KafkaServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. The client library is imported here."""
    mechanism = server.sasl.mechanism if server.sasl is not None else ""
    if mechanism in _NOT_OFFERED:
        raise Unsupported("log in", on=server.label(), answer=_NOT_OFFERED[mechanism])
    from tidegate.connections.kafka.groups import GroupConnection

    return GroupConnection(server, surroundings)
