"""How streams are asked about: all commands of a batch in one pipeline, each command once.

A lag that the server cannot tell (entries that nobody has read were deleted, or the group was made in the
middle of the stream) is counted: entries after the last delivered one, up to `COUNTED`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import AskError, MovedError, ResponseError

from tidegate.base.errors import Malformed, Misconfigured
from tidegate.connections.redis.lengths import Elsewhere, Outcome, bracketed
from tidegate.connections.redis.link import Command, Link, reply_error
from tidegate.kit.systems.redis import RedisStreamLag, RedisStreamLength, RedisStreamPending

StreamQuestion = RedisStreamLag | RedisStreamLength | RedisStreamPending

COUNTED = 10_000
"""Entries that are counted one by one; a longer lag reads as this."""

# Only the number travels, and no entry.
COUNTING = "return #redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])"

_Replies = dict[Command, Any]


async def by_commands(
    link: Link, questions: Sequence[StreamQuestion], *, is_asking: bool = False
) -> list[Outcome]:
    """The number each question asks for, or where it is to be asked instead; raises like `Link.exchange`."""
    wanted = dict.fromkeys(command for one in questions for command in commands(one))
    replies = await _exchanged(link, list(wanted), is_asking)
    uncounted = {one: counting for one in questions if (counting := _counting(one, replies)) is not None}
    counted = await _exchanged(link, list(dict.fromkeys(uncounted.values())), is_asking)
    return [
        _number(link, one, counted[uncounted[one]]) if one in uncounted else outcome(link, one, replies)
        for one in questions
    ]


def commands(question: StreamQuestion) -> tuple[Command, ...]:
    """What is sent for a question. The length is sent along with a lag: a new group starts with it."""
    key = question.key
    if isinstance(question, RedisStreamPending):
        return (("XPENDING", key, question.group),)
    if isinstance(question, RedisStreamLag):
        return ("XINFO", "GROUPS", key), ("XLEN", key)
    return (("XLEN", key),)


def outcome(link: Link, question: StreamQuestion, replies: _Replies) -> Outcome:
    """What the replies to `commands` say."""
    first, *_ = sent = commands(question)
    reply = replies[first]
    if isinstance(reply, MovedError | AskError):
        return Elsewhere(f"{bracketed(reply.host)}:{reply.port}", not isinstance(reply, MovedError))
    if isinstance(question, RedisStreamPending):
        return _number(link, question, reply[0] if isinstance(reply, list) and reply else reply)
    if isinstance(question, RedisStreamLength):
        return _number(link, question, reply)
    if isinstance(reply, ResponseError) and "no such key" in str(reply):
        return 0
    group = _group(question, reply)
    if group is None:
        return _number(link, question, reply if isinstance(reply, ResponseError) else replies[sent[1]])
    if b"lag" not in group:
        return Misconfigured(
            reading(question),
            on=link.label,
            answer="redis version 7+ required for lag",
            next_step="update the server, or leave out lagCount to count pending entries",
        )
    return _number(link, question, group[b"lag"])


def reading(question: StreamQuestion) -> str:
    """What is attempted, for people."""
    if isinstance(question, RedisStreamLength):
        return f"read the length of stream {question.key}"
    what = "pending entries" if isinstance(question, RedisStreamPending) else "lag"
    return f"read the {what} of group {question.group} of stream {question.key}"


async def _exchanged(link: Link, sent: Sequence[Command], is_asking: bool) -> _Replies:
    if not sent:
        return {}
    batch = [part for command in sent for part in ((("ASKING",), command) if is_asking else (command,))]
    replies = await link.exchange(batch)
    return dict(zip(sent, replies[1::2] if is_asking else replies, strict=True))


def _group(question: RedisStreamLag, reply: Any) -> dict[bytes, Any] | None:
    """The fields of the group in a reply to XINFO GROUPS; None where it is not listed, or nothing is."""
    for entry in reply if isinstance(reply, list) else ():
        fields = dict(zip(entry[::2], entry[1::2], strict=False)) if isinstance(entry, list) else entry
        if isinstance(fields, dict) and fields.get(b"name") == question.group.encode():
            return fields
    return None


def _counting(question: StreamQuestion, replies: _Replies) -> Command | None:
    """The command that counts a lag which the server does not know; None for every other question."""
    if not isinstance(question, RedisStreamLag):
        return None
    group = _group(question, replies[commands(question)[0]])
    if group is None or group.get(b"lag", 0) is not None:
        return None
    after = group.get(b"last-delivered-id") or b"0-0"
    return ("EVAL", COUNTING, 1, question.key, b"(" + after, COUNTED)


def _number(link: Link, question: StreamQuestion, reply: Any) -> Outcome:
    if type(reply) is int:
        return reply
    if isinstance(reply, MovedError | AskError):
        return Elsewhere(f"{bracketed(reply.host)}:{reply.port}", not isinstance(reply, MovedError))
    if not isinstance(reply, ResponseError):
        return Malformed(reading(question), on=link.label, answer=f"a reply of type {type(reply).__name__}")
    if "NOGROUP" in (reply.status_code or "", str(reply).partition(" ")[0]):
        return Misconfigured(
            reading(question),
            on=link.label,
            answer="NOGROUP: there is no such stream, or no such group of it",
            next_step="create it (XGROUP CREATE with MKSTREAM), or set lagCount to wake up a new group",
        )
    return reply_error(reply, reading(question), link.label)
