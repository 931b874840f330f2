"""NATS: what a server's monitoring pages say of JetStream and of its cluster.

A page is read whole: one request serves every trigger of the account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tidegate.base.addresses import bracketed, split_address
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked

VARZ = "/varz"
JSZ = "/jsz"


@dataclass(frozen=True, slots=True)
class Consumer:
    """How far a consumer is behind, as one server knows it: right only where that server is its leader."""

    pending: int
    unacknowledged: int
    leader: str = ""

    @property
    def lag(self) -> int:
        return self.pending + self.unacknowledged


@dataclass(frozen=True, slots=True)
class Account:
    """The streams of an account on one server, each with its consumers."""

    name: str
    id: str
    streams: Mapping[str, Mapping[str, Consumer]]


@dataclass(frozen=True, slots=True)
class JetStream:
    """JetStream as one server knows it. A server alone has a cluster of the size 0 or 1."""

    cluster_size: int = 0
    accounts: tuple[Account, ...] = ()

    def account(self, name: str, id: str) -> Account | None:
        """The account with this id or this name. Old servers tell of all, whichever was asked for."""
        return next((one for one in self.accounts if one.id == id or (name and one.name == name)), None)


@dataclass(frozen=True, slots=True)
class Server:
    """A server's name, and the nodes of its cluster: `host`, with the node's name where only that is told.

    Nodes that tell clients how to reach them are known by their hosts; others by their names alone.
    """

    name: str
    hosts: tuple[str, ...] = ()
    node_names: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class JetStreamPage:
    """Out of `/jsz`: all of it."""

    format: ClassVar[str] = "nats jsz"

    @staticmethod
    def read(body: bytes) -> JetStream:
        document = _object(read_json(body))
        if "streams" not in document:
            raise Unpicked("the answer is not that of a NATS monitoring port")
        size = _inner(document, "meta_cluster").get("cluster_size", 0)
        return JetStream(_count(size), tuple(_account(one) for one in _list(document, "account_details")))

    def of(self, document: JetStream) -> JetStream:
        return document


@dataclass(frozen=True, slots=True)
class ServerPage:
    """Out of `/varz`: who the server is, and where its cluster's nodes are."""

    format: ClassVar[str] = "nats varz"

    @staticmethod
    def read(body: bytes) -> Server:
        document = _object(read_json(body))
        urls = _texts(document, "connect_urls")
        routes = _texts(_inner(document, "cluster"), "urls")
        return Server(
            _text(document, "server_name"),
            tuple(dict.fromkeys(_host(url) for url in urls)),
            tuple(dict.fromkeys(route.partition(".")[0] for route in routes)) if not urls else (),
        )

    def of(self, document: Server) -> Server:
        return document


def _account(item: Any) -> Account:
    detail = _object(item)
    streams = (_object(one) for one in _list(detail, "stream_detail"))
    return Account(
        _text(detail, "name"),
        _text(detail, "id"),
        {_text(one, "name"): dict(map(_consumer, _list(one, "consumer_detail"))) for one in streams},
    )


def _consumer(item: Any) -> tuple[str, Consumer]:
    detail = _object(item)
    cluster = _inner(detail, "cluster")
    pending, unacknowledged = (_count(detail.get(key)) for key in ("num_pending", "num_ack_pending"))
    leader = _text(cluster, "leader") if "leader" in cluster else ""
    return _text(detail, "name"), Consumer(pending, unacknowledged, leader)


def _host(url: str) -> str:
    try:
        return bracketed(split_address(url)[0])
    except ValueError as error:
        raise Unpicked("a node in the answer has no address") from error


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unpicked("the answer is not that of a NATS monitoring port")
    return value


def _inner(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object that is left out where there is nothing to say."""
    value = document.get(key)
    return {} if value is None else _object(value)


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    """Empty lists are left out of the pages."""
    items = document.get(key)
    if items is None:
        return []
    if not isinstance(items, list):
        raise Unpicked(f"{key} in the answer is no list")
    return items


def _texts(document: Mapping[str, Any], key: str) -> list[str]:
    items = _list(document, key)
    if not all(isinstance(item, str) for item in items):
        raise Unpicked(f"{key} in the answer is no list of texts")
    return items


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise Unpicked(f"{key} in the answer is no text")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise Unpicked("a number in the answer is no count")
    return value
