"""Claims from Redis: all commands of a server in one round trip, over one connection of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.writers import Writer
from tidegate.core.claims.values import Renew, Take
from tidegate.kit.systems.claims import Command, Deliveries, Delivery, Done, Renewals, Result
from tidegate.kit.systems.redis import RedisServer
from tidegate.kit.systems.redis_claims import RedisListSource

if TYPE_CHECKING:
    from tidegate.connections.redis.link import Link


def connect(server: RedisServer, surroundings: Surroundings) -> Writer:
    """The writer for `server`; touches no network. Redis' client library is imported here."""
    from tidegate.connections.redis.link import Cut
    from tidegate.connections.redis.single import SingleConnection

    class RedisWriter(SingleConnection):
        """A connection that writes; found by address or sentinels as those that only ask."""

        async def carry_out(self, commands: Sequence[Command]) -> Sequence[Result | TidegateError]:
            async with self._lock:
                try:
                    return await _carried_out(await self._usable_link(), commands)
                except Cut:
                    # Every command may be repeated.
                    return await _carried_out(await self._usable_link(), commands)

    return RedisWriter(server, surroundings)


async def _carried_out(link: Link, commands: Sequence[Command]) -> list[Result | TidegateError]:
    from tidegate.connections.claims.redis_scripts import sent

    batch, results = [], dict[int, Result | TidegateError]()
    for number, command in enumerate(commands):
        if isinstance(command.source, RedisListSource):
            batch.append((number, command, sent(command.source, command)))
        else:
            what = type(command.source).__name__
            results[number] = Unsupported("claim messages", on=link.label, answer=f"from a {what}")
    replies = await link.exchange([one for _, _, one in batch]) if batch else []
    for (number, command, _), reply in zip(batch, replies, strict=True):
        results[number] = result(link.label, command, reply)
    return [results[number] for number in range(len(commands))]


def result(on: str, command: Command, reply: Any) -> Result | TidegateError:
    """What a script's reply means."""
    attempted = f"{_NAMES[type(command.ask).__name__]} of {command.source.label().partition(' of ')[0]}"
    if isinstance(reply, Exception):
        return _refused(attempted, on, reply)
    try:
        if isinstance(command.ask, Take):
            more, retry, given = reply
            items = [
                Delivery(id.decode(), body, int(ended))
                for id, body, ended in zip(given[::3], given[1::3], given[2::3], strict=True)
            ]
            return Deliveries(tuple(items), bool(more), retry / 1000 if retry >= 0 else None)
        if isinstance(command.ask, Renew):
            return Renewals(tuple(one.decode() for one in reply))
        return Done(is_elsewhere=int(reply) < 0)
    except (TypeError, ValueError, AttributeError):
        return Malformed(attempted, on=on, answer="a reply of another shape")


_NAMES = {
    "Take": "claim messages",
    "Renew": "renew leases",
    "Acknowledge": "acknowledge a message",
    "Release": "release a message",
    "DeadLetter": "put a message aside",
    "GiveBack": "give messages back",
}


def _refused(attempted: str, on: str, error: Exception) -> TidegateError:
    from redis.exceptions import ResponseError

    from tidegate.connections.redis.link import reply_error, words

    text = str(error)
    if "NOLIST" in text:
        key = text.partition("NOLIST ")[2].partition(" ")[0]
        return Misconfigured(
            attempted,
            on=on,
            answer=f"the key {key} holds something else than a list",
            next_step="claim from a list, or leave the annotation tidegate.dev/claim out",
        )
    if "NOPERM" in text or "ACL failure" in text or "can't run this command or subcommand" in text:
        return Denied(
            attempted,
            on=on,
            answer="the user may not",
            next_step="claiming writes: let the user run EVAL with the commands for lists, hashes and sorted "
            "sets on the list and on the keys whose names begin with it in braces and :tidegate:",
        )
    assert isinstance(error, ResponseError)
    told = reply_error(error, attempted, on)
    return told if not isinstance(told, Malformed) else Malformed(attempted, on=on, answer=words(error))
