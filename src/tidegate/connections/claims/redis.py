"""Claims from Redis: all commands of a server in one round trip, over connections of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.writers import Writer
from tidegate.core.claims.values import Renew, Take
from tidegate.kit.systems.claims import Command, Deliveries, Done, Renewals, Result
from tidegate.kit.systems.redis import RedisServer
from tidegate.kit.systems.redis_claims import RedisListSource, RedisStreamSource

if TYPE_CHECKING:
    from tidegate.connections.redis.link import Link


def connect(server: RedisServer, surroundings: Surroundings) -> Writer:
    """The writer for `server`; touches no network. Redis' client library is imported here.

    Its nodes are found, by address, sentinels or slots, as those of connections that only ask.
    """
    from tidegate.connections.redis.cluster import ClusterConnection, Kind
    from tidegate.connections.redis.lengths import Elsewhere, moved
    from tidegate.connections.redis.link import Cut
    from tidegate.connections.redis.single import SingleConnection

    class RedisWriter(SingleConnection):
        """A connection that writes."""

        async def carry_out(self, commands: Sequence[Command]) -> Sequence[Result | TidegateError]:
            async with self._lock:
                try:
                    return await self._carried_out(commands)
                except Cut:
                    # Every command may be repeated.
                    return await self._carried_out(commands)

        async def _carried_out(self, commands: Sequence[Command]) -> Sequence[Result | TidegateError]:
            link = await self._usable_link()
            pairs = zip(commands, await _carried_out(link, commands), strict=True)
            return [
                moved(link, _attempted(command)) if isinstance(one, Elsewhere) else one
                for command, one in pairs
            ]

    class RedisClusterWriter(ClusterConnection):
        """A connection for each node that has what is claimed from: all keys of a claim are in one slot."""

        async def carry_out(self, commands: Sequence[Command]) -> Sequence[Result | TidegateError]:
            async def read(link: Link, asked: Sequence[Command], is_asking: bool) -> list[Any]:
                return await _carried_out(link, asked, is_asking=is_asking)

            kind: Kind[Command] = Kind(_key, _attempted, read)
            async with self._lock:
                found: Sequence[Any] = await self._routed(kind, commands)
                return found

    kind = RedisClusterWriter if server.mode == "cluster" else RedisWriter
    return kind(server, surroundings)


async def _carried_out(link: Link, commands: Sequence[Command], *, is_asking: bool = False) -> list[Any]:
    """A result or an error for each; `Elsewhere` for those that another node of a cluster has to be asked."""
    batch, results = [], dict[int, Any]()
    for number, command in enumerate(commands):
        sent = _sent(command)
        if sent is not None:
            batch.append((number, command, sent))
        else:
            what = type(command.source).__name__
            results[number] = Unsupported("claim messages", on=link.label, answer=f"from a {what}")
    asking: list[Any] = [("ASKING",)] if is_asking else []
    replies = await link.exchange([part for _, _, one in batch for part in (*asking, one)]) if batch else []
    replies = replies[1::2] if is_asking else replies
    for (number, command, _), reply in zip(batch, replies, strict=True):
        results[number] = result(link.label, command, reply)
    return [results[number] for number in range(len(commands))]


def _sent(command: Command) -> Any:
    """The command as Redis takes it; None for a source that is none of Redis'."""
    from tidegate.connections.claims import redis_scripts, redis_stream_scripts

    if isinstance(command.source, RedisListSource):
        return redis_scripts.sent(command.source, command)
    if isinstance(command.source, RedisStreamSource):
        return redis_stream_scripts.sent(command.source, command)
    return None


def result(on: str, command: Command, reply: Any) -> Any:
    """What a script's reply means."""
    if isinstance(reply, Exception):
        return _refused(command, on, reply)
    try:
        if isinstance(command.ask, Take):
            more, retry, given, gone = reply
            return Deliveries(
                tuple(
                    _delivery(command, *one) for one in zip(given[::3], given[1::3], given[2::3], strict=True)
                ),
                bool(more),
                retry / 1000 if retry >= 0 else None,
                tuple(one.decode() for one in gone),
            )
        if isinstance(command.ask, Renew):
            return Renewals(tuple(one.decode() for one in reply))
        return Done(is_elsewhere=int(reply) < 0)
    except (TypeError, ValueError, AttributeError):
        return Malformed(_attempted(command), on=on, answer="a reply of another shape")


def _delivery(command: Command, id: bytes, body: Any, ended: bytes) -> Any:
    from tidegate.connections.claims import redis_scripts, redis_stream_scripts

    if isinstance(command.source, RedisStreamSource):
        return redis_stream_scripts.delivery(command.source, id, body, ended)
    return redis_scripts.delivery(id, body, ended)


_NAMES = {
    "Take": "claim messages",
    "Renew": "renew leases",
    "Acknowledge": "acknowledge a message",
    "Release": "release a message",
    "DeadLetter": "put a message aside",
    "GiveBack": "give messages back",
}


def _key(command: Command) -> str:
    assert isinstance(command.source, RedisListSource | RedisStreamSource)
    return command.source.key


def _attempted(command: Command) -> str:
    return f"{_NAMES[type(command.ask).__name__]} of {command.source.label().partition(' of ')[0]}"


def _refused(command: Command, on: str, error: Exception) -> Any:
    from redis.exceptions import AskError, MovedError, ResponseError

    from tidegate.connections.redis.lengths import Elsewhere, bracketed
    from tidegate.connections.redis.link import reply_error, words

    attempted, text = _attempted(command), str(error)
    if isinstance(error, MovedError | AskError):
        return Elsewhere(f"{bracketed(error.host)}:{error.port}", not isinstance(error, MovedError))
    kind = "stream" if isinstance(command.source, RedisStreamSource) else "list"
    if "WRONGKIND" in text:
        key = text.partition("WRONGKIND ")[2].partition(" script:")[0]
        return Misconfigured(
            attempted,
            on=on,
            answer=f"the key {key} holds something else than a {kind}",
            next_step=f"claim from a {kind}, or leave the annotation tidegate.dev/claim out",
        )
    if "NOPERM" in text or "ACL failure" in text or "can't run this command or subcommand" in text:
        return Denied(
            attempted,
            on=on,
            answer="the user may not",
            next_step=f"claiming writes: let the user run EVAL with the commands for {kind}s, hashes and "
            f"sorted sets on the {kind} and on the keys whose names begin with it in braces and :tidegate:",
        )
    assert isinstance(error, ResponseError)
    told = reply_error(error, attempted, on)
    return told if not isinstance(told, Malformed) else Malformed(attempted, on=on, answer=words(error))
