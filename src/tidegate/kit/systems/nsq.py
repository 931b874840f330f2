"""NSQ: what nsqlookupd and nsqd answer over HTTP.

Each answer is read whole, for all topics: one request serves every trigger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tidegate.base.addresses import bracketed, is_address
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked

NODES = "/nodes"
STATS = "/stats?format=json&include_clients=false&include_mem=false"


@dataclass(frozen=True, slots=True)
class Nodes:
    """The addresses (`host:port`) of the nsqds that have each topic."""

    by_topic: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class TopicDepth:
    """Messages of a topic that wait: for a channel to be made, and in each channel. A paused one counts 0."""

    depth: int
    channels: Mapping[str, int]

    def of(self, channel: str) -> int:
        """What waits for the channel. One that is not there yet would get all of the topic's."""
        return self.channels.get(channel, self.depth)


@dataclass(frozen=True, slots=True)
class Depths:
    """What waits in each topic of one nsqd."""

    by_topic: Mapping[str, TopicDepth]


@dataclass(frozen=True, slots=True)
class NodesByTopic:
    """Out of nsqlookupd's `/nodes`: all of it.

    An nsqd that was told to give a topic up (a tombstone) is left out, as `/lookup` does.
    """

    format: ClassVar[str] = "nsq nodes"

    @staticmethod
    def read(body: bytes) -> Nodes:
        found: dict[str, list[str]] = {}
        for node in _objects(read_json(body), "producers"):
            topics, tombstones = _list(node, "topics"), node.get("tombstones") or ()
            if not isinstance(tombstones, list | tuple):
                raise Unpicked("the answer's tombstones are no list")
            dead = dict(enumerate(tombstones))
            for number, topic in enumerate(topics):
                if dead.get(number) is not True:
                    found.setdefault(_text(topic, "topic"), []).append(_address(node))
        return Nodes({topic: tuple(nodes) for topic, nodes in found.items()})

    def of(self, document: Nodes) -> Nodes:
        return document


@dataclass(frozen=True, slots=True)
class DepthsByTopic:
    """Out of nsqd's `/stats`: all of it."""

    format: ClassVar[str] = "nsq stats"

    @staticmethod
    def read(body: bytes) -> Depths:
        topics = _objects(read_json(body), "topics")
        return Depths(
            {_name(one, "topic_name"): TopicDepth(_depth(one), dict(_channels(one))) for one in topics}
        )

    def of(self, document: Depths) -> Depths:
        return document


def _channels(topic: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    for channel in _objects(topic, "channels"):
        yield _name(channel, "channel_name"), 0 if channel.get("paused") is True else _depth(channel)


def _objects(document: Any, name: str) -> list[Mapping[str, Any]]:
    items = _list(document, name)
    if not all(isinstance(item, dict) for item in items):
        raise Unpicked(f"an entry of the answer's {name} is no object")
    return items


def _list(document: Any, name: str) -> list[Any]:
    """Go writes an empty list as null, too; one that is not there at all is another server's answer."""
    items = document.get(name, "") if isinstance(document, dict) else ""
    if items is None:
        return []
    if not isinstance(items, list):
        raise Unpicked(f"the answer has no list of {name}")
    return items


def _name(item: Mapping[str, Any], key: str) -> str:
    return _text(item.get(key), key)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise Unpicked(f"a {what} in the answer is no text")
    return value


def _depth(item: Mapping[str, Any]) -> int:
    depth = item.get("depth")
    if type(depth) is not int or depth < 0:
        raise Unpicked("a depth in the answer is no count")
    return depth


def _address(node: Mapping[str, Any]) -> str:
    address = f"{bracketed(_name(node, 'broadcast_address'))}:{node.get('http_port')}"
    if not is_address(address):
        raise Unpicked("a node in the answer has no address")
    return address
