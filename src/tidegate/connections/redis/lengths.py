"""How lengths of many keys are asked for in one round trip, and how the replies are read.

Two ways. *By script*: one EVAL over all keys; cheapest by far, but all keys must be allowed and live
on one node. *By pairs*: TYPE and a guessed length command for each key, in one pipeline. The guess
is the kind the key had last time; where TYPE disagrees, the key is asked for again with the right
command. So a length is only believed together with the kind it was measured for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import AskError, MovedError, ResponseError

from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.redis.link import Command, Link, reply_error

LENGTH_COMMANDS = {b"none": "LLEN", b"list": "LLEN", b"set": "SCARD", b"zset": "ZCARD", b"hash": "HLEN"}

# Command names are written out: some servers refuse computed ones. A kind without a length is
# returned as its name, so that one such key does not end the script for all.
SCRIPT = """
local lengths = {}
for i, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key)['ok']
  if kind == 'list' or kind == 'none' then lengths[i] = redis.call('LLEN', key)
  elseif kind == 'set' then lengths[i] = redis.call('SCARD', key)
  elseif kind == 'zset' then lengths[i] = redis.call('ZCARD', key)
  elseif kind == 'hash' then lengths[i] = redis.call('HLEN', key)
  else lengths[i] = kind end
end
return lengths
"""

KINDS_KEPT = 10_000
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another node has the key: for good, or (`is_once`) for this question while a slot moves."""

    address: str
    is_once: bool


Outcome = int | TidegateError | Elsewhere


class Kinds:
    """Which length command fits a key, remembered for those that are no lists. Bounded."""

    def __init__(self) -> None:
        self._commands: dict[str, str] = {}

    def command(self, key: str) -> str:
        return self._commands.get(key, "LLEN")

    def learn(self, key: str, command: str) -> None:
        if command == "LLEN":
            self._commands.pop(key, None)
            return
        if len(self._commands) >= KINDS_KEPT:
            self._commands.clear()
        self._commands[key] = command


async def by_script(link: Link, keys: Sequence[str]) -> list[Outcome] | None:
    """The length of each key, None when the server does not run the script for these keys.

    Raises what `Link.exchange` raises.
    """
    (reply,) = await link.exchange([("EVAL", SCRIPT, len(keys), *keys)])
    if isinstance(reply, ResponseError):
        error = reply_error(reply, "read the lengths of keys", link.label)
        if isinstance(error, Unreachable):
            raise error
        return None
    if not isinstance(reply, list) or len(reply) != len(keys):
        await link.close()
        raise _strange(link, "the lengths of keys", reply)
    return [_script_outcome(link, key, entry) for key, entry in zip(keys, reply, strict=True)]


async def by_pairs(
    link: Link, keys: Sequence[str], kinds: Kinds, *, is_asking: bool = False
) -> list[Outcome]:
    """The length of each key, or where it is to be asked for instead; raises like `Link.exchange`."""
    outcomes: dict[str, Outcome] = {}
    open_keys: Sequence[str] = keys
    for _ in range(ROUNDS):
        commands: list[Command] = []
        for key in open_keys:
            for command in ("TYPE", kinds.command(key)):
                commands += [("ASKING",)] * is_asking + [(command, key)]
        replies = await link.exchange(commands)
        if is_asking:
            replies = replies[1::2]
        pairs = zip(open_keys, replies[::2], replies[1::2], strict=True)
        read = {key: _pair_outcome(link, key, (kind, length), kinds) for key, kind, length in pairs}
        outcomes |= {key: outcome for key, outcome in read.items() if outcome is not None}
        open_keys = [key for key, outcome in read.items() if outcome is None]
        if not open_keys:
            break
    for key in open_keys:
        outcomes[key] = Malformed(reading(key), on=link.label, answer="its kind keeps changing")
    return [outcomes[key] for key in keys]


def _script_outcome(link: Link, key: str, entry: Any) -> Outcome:
    if isinstance(entry, int):
        return entry
    if isinstance(entry, bytes):
        return _unsuitable(link, key, entry)
    return _strange(link, f"the length of key {key}", entry)


def _pair_outcome(link: Link, key: str, replies: tuple[Any, Any], kinds: Kinds) -> Outcome | None:
    """What the replies to TYPE and to the guessed command say; None: ask again, `kinds` knows more."""
    kind, length = replies
    for reply in replies:
        if isinstance(reply, MovedError | AskError):
            return Elsewhere(f"{bracketed(reply.host)}:{reply.port}", not isinstance(reply, MovedError))
    if isinstance(kind, ResponseError):
        return reply_error(kind, reading(key), link.label)
    if not isinstance(kind, bytes):
        return _strange(link, f"the kind of key {key}", kind)
    if kind not in LENGTH_COMMANDS:
        return _unsuitable(link, key, kind)
    guessed, fitting = kinds.command(key), LENGTH_COMMANDS[kind]
    if kind != b"none" and guessed != fitting:
        kinds.learn(key, fitting)
        return None
    if isinstance(length, int):
        return length
    if isinstance(length, ResponseError):
        # The key was replaced by another kind between the two commands.
        is_replaced = str(length.status_code or length).startswith("WRONGTYPE")
        return None if is_replaced else reply_error(length, reading(key), link.label)
    return _strange(link, f"the length of key {key}", length)


def moved(link: Link, attempted: str) -> TidegateError:
    """What a single server's answer "another node has it" means: it belongs to a cluster."""
    return Misconfigured(
        attempted,
        on=link.label,
        answer="it is a node of a cluster and another node has this key",
        next_step="use the trigger type redis-cluster, or redis-cluster-streams",
    )


def _unsuitable(link: Link, key: str, kind: bytes) -> TidegateError:
    return Malformed(
        reading(key),
        on=link.label,
        answer=f"unsupported key type: {kind.decode(errors='replace')[:60]}",
        next_step="name a list, set, sorted set or hash",
    )


def _strange(link: Link, what: str, reply: Any) -> TidegateError:
    return Malformed(f"read {what}", on=link.label, answer=f"a reply of type {type(reply).__name__}")


def reading(key: str) -> str:
    """What is attempted, for people."""
    return f"read the length of key {key}"


def bracketed(host: str) -> str:
    """A host as an address has it."""
    return f"[{host}]" if ":" in host else host
