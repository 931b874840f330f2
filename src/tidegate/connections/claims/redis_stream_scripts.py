"""What is done to a Redis stream that is claimed from: one script for each step, so that none is half done.

    orders                               the stream, as its producers know it
    … its group's pending list           who holds which entry: the consumer is the holder; those that were
                                         released, or given back, are the consumer `RESTING`'s
    {orders}:tidegate:workers:leases     sorted set: held ones by when their lease ends (ms, its clock)
    {orders}:tidegate:workers:waiting    sorted set: released ones by when they are due
    {orders}:tidegate:workers:ended      hash: entry → Jobs of it that have ended
    {orders}:tidegate:workers:dead       stream: dead letters, where no other was named

The pending list alone says whose an entry is. What is beside it, once it is gone, costs a lease its exact
length, a delay, and a count: an entry that has been idle for a lease and is in neither set may be claimed,
also one of a consumer of somebody else's. A trimmed entry is gone for good, and told.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from tidegate.connections.claims.redis_scripts import BATCH, BYTES
from tidegate.connections.redis.link import Command as Sent
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.systems.claims import Command, Delivery
from tidegate.kit.systems.redis_claims import RedisStreamSource

RESTING = "tidegate:released"
"""The consumer of entries that nobody holds and that must be delivered again."""

ID_FIELD = "tidegate.dev/id"
"""The field of a dead letter that names the entry it was."""

# They come in one variable of a Job's environment.
_LONGEST_ATTRIBUTES = 16 * 1024

_BEGIN = """
local stream, leases, waiting, ended, dead = unpack(KEYS)
local holder, group, resting = ARGV[1], ARGV[2], ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, key in ipairs({stream, dead}) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'stream' and kind ~= 'none' then return redis.error_reply('WRONGKIND ' .. key) end
end
local has_group = false
if redis.call('EXISTS', stream) == 1 then
  for _, one in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    if one[2] == group then has_group = true end
  end
end
local function forget(id)
  redis.call('ZREM', leases, id)
  redis.call('ZREM', waiting, id)
  redis.call('HDEL', ended, id)
end
local function drop(id)
  if has_group then redis.call('XACK', stream, group, id) end
  forget(id)
end
local function consumer(id)
  if not has_group then return nil end
  local found = redis.call('XPENDING', stream, group, id, id, 1)
  return found[1] and found[1][2]
end
local function held()
  local mine = {}
  if has_group then
    for _, one in ipairs(redis.call('XPENDING', stream, group, '-', '+', 1000000, holder)) do
      mine[#mine + 1] = one[1]
      mine[one[1]] = true
    end
  end
  return mine
end
-- An entry that was trimmed leaves the pending list with its next claim: its lease is all that is left of it.
local function whose(id)
  local who = consumer(id)
  if who == holder then return 1 end
  if who then return -1 end
  return redis.call('ZSCORE', leases, id) and 1 or 0
end
"""

TAKE = (
    _BEGIN
    + """
local lease, maximum = tonumber(ARGV[4]), tonumber(ARGV[5])
local most, size = tonumber(ARGV[6]), tonumber(ARGV[7])
local known, mine, given, gone, ours, bytes, more = {}, held(), {}, {}, 0, 0, 0
local function is_full()
  if #given >= 3 * most or bytes >= size then more = 1 end
  return more == 1
end
local function give(id, fields)
  if not fields then
    local found = redis.call('XRANGE', stream, id, id)
    fields = found[1] and found[1][2]
  end
  if not fields then
    drop(id)
    gone[#gone + 1] = id
    return
  end
  redis.call('ZREM', waiting, id)
  redis.call('ZADD', leases, now + lease, id)
  for _, one in ipairs(fields) do bytes = bytes + #one end
  given[#given + 1] = id
  given[#given + 1] = fields
  given[#given + 1] = redis.call('HGET', ended, id) or '0'
  ours = ours + 1
end
local function claim(id)
  give(id)
  if gone[#gone] ~= id then redis.call('XCLAIM', stream, group, holder, 0, id, 'JUSTID') end
end
for i = 8, #ARGV do
  known[ARGV[i]] = true
  if mine[ARGV[i]] or redis.call('ZSCORE', leases, ARGV[i]) then ours = ours + 1 end
end
for _, id in ipairs(mine) do
  if not known[id] and not is_full() then give(id) end
end
if maximum > 0 and not has_group and redis.call('EXISTS', stream) == 1 then
  redis.call('XGROUP', 'CREATE', stream, group, '0')
  has_group = true
end
for _, set in ipairs({waiting, leases}) do
  if ours < maximum then
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, maximum)) do
      if ours < maximum and not mine[id] and not known[id] and not is_full() then
        if consumer(id) or #redis.call('XRANGE', stream, id, id) == 0 then
          claim(id)
        else
          -- Somebody has acknowledged it.
          forget(id)
        end
      end
    end
  end
end
local page, from = {}, '-'
while has_group and ours < maximum and not is_full() do
  page = redis.call('XPENDING', stream, group, 'IDLE', lease, from, '+', 100)
  for _, one in ipairs(page) do
    local id = one[1]
    from = '(' .. id
    local is_kept = mine[id] or known[id]
    is_kept = is_kept or redis.call('ZSCORE', leases, id) or redis.call('ZSCORE', waiting, id)
    if not is_kept and ours < maximum and not is_full() then claim(id) end
  end
  if #page < 100 then break end
end
while has_group and ours < maximum and not is_full() do
  local found = redis.call('XREADGROUP', 'GROUP', group, holder, 'COUNT', 1, 'STREAMS', stream, '>')
  if not found then break end
  local entry = found[1][2][1]
  if not known[entry[1]] then give(entry[1], entry[2]) end
end
local first = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')
local retry = first[2] and math.max(0, first[2] - now) or -1
return {more, retry, given, gone}
"""
)

RENEW = (
    _BEGIN
    + """
local mine, lost, kept = held(), {}, {}
local function keep()
  if #kept > 0 then redis.call('XCLAIM', stream, group, holder, 0, unpack(kept)) end
  kept = {}
end
for i = 5, #ARGV do
  local id = ARGV[i]
  if mine[id] or whose(id) == 1 then
    redis.call('ZADD', leases, now + ARGV[4], id)
    if mine[id] then kept[#kept + 1] = id end
  else
    lost[#lost + 1] = id
  end
  if #kept == 500 or i == #ARGV then
    if #kept > 0 then kept[#kept + 1] = 'JUSTID' end
    keep()
  end
end
return lost
"""
)

ACKNOWLEDGE = (
    _BEGIN
    + """
local found = whose(ARGV[4])
if found == 1 then drop(ARGV[4]) end
return found
"""
)

RELEASE = (
    _BEGIN
    + """
local id, number = ARGV[4], tonumber(ARGV[5])
local found = whose(id)
local is_told = tonumber(redis.call('HGET', ended, id) or '0') >= number
if is_told and redis.call('ZSCORE', waiting, id) then return 1 end
if found ~= 1 or is_told then return found end
redis.call('HSET', ended, id, number)
redis.call('ZREM', leases, id)
redis.call('ZADD', waiting, now + ARGV[6], id)
if has_group then redis.call('XCLAIM', stream, group, resting, 0, id, 'JUSTID') end
return 1
"""
)

DEAD_LETTER = (
    _BEGIN
    + """
local id = ARGV[4]
local found = whose(id)
if found == 1 then
  local entry = redis.call('XRANGE', stream, id, id)[1]
  local letter = {}
  for _, one in ipairs(entry and entry[2] or {}) do letter[#letter + 1] = one end
  -- More than one command of a script can carry: it stays in the stream.
  if #letter > 7000 then letter = {} end
  letter[#letter + 1] = ARGV[5]
  letter[#letter + 1] = id
  redis.call('XADD', dead, '*', unpack(letter))
  drop(id)
end
return found
"""
)

GIVE_BACK = (
    _BEGIN
    + """
local function back(id)
  if has_group then redis.call('XCLAIM', stream, group, resting, 0, id, 'IDLE', ARGV[4], 'JUSTID') end
  forget(id)
end
for i = 5, #ARGV do
  if consumer(ARGV[i]) == holder then back(ARGV[i]) end
end
if has_group and #held() == 0 then redis.call('XGROUP', 'DELCONSUMER', stream, group, holder) end
for _, id in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
  local who = consumer(id)
  if who and who ~= holder then return 1 end
end
for _, id in ipairs(redis.call('ZRANGE', waiting, 0, -1)) do back(id) end
return 1
"""
)

# Longer than any lease: whoever looks for idle entries finds it at once.
_LONG_IDLE_MS = 24 * 3600 * 1000


def sent(source: RedisStreamSource, command: Command) -> Sent:
    """The command as Redis takes it."""
    ask, lease_ms = command.ask, int(command.lease_s * 1000)

    def script(text: str, *given: str | int) -> Sent:
        keys = source.keys()
        return ("EVAL", text, len(keys), *keys, command.holder, source.group, RESTING, *given)

    match ask:
        case Take(maximum=maximum):
            return script(TAKE, lease_ms, maximum, BATCH, BYTES, *command.known)
        case Renew(ids=ids):
            return script(RENEW, lease_ms, *ids)
        case Acknowledge(id=id):
            return script(ACKNOWLEDGE, id)
        case Release(id=id, finished=finished, delay_s=delay_s):
            return script(RELEASE, id, finished, int(delay_s * 1000))
        case DeadLetter(id=id):
            return script(DEAD_LETTER, id, ID_FIELD)
        case GiveBack(ids=ids):
            return script(GIVE_BACK, _LONG_IDLE_MS, *ids)


def delivery(source: RedisStreamSource, id: bytes, fields: Sequence[bytes], ended: bytes) -> Delivery:
    """An entry as a message: all its fields as a JSON object, or the value of the one field that was named
    with the others as attributes.
    """
    pairs = list(zip(fields[::2], fields[1::2], strict=True))
    if not source.field:
        return Delivery(id.decode(), json.dumps(_object(pairs), ensure_ascii=False).encode(), int(ended))
    name = source.field.encode()
    body = next((value for key, value in pairs if key == name), b"")
    others, room = dict[str, str](), _LONGEST_ATTRIBUTES
    for key, value in pairs:
        if key != name and len(key) + len(value) <= room:
            others[_text(key)] = _text(value)
            room -= len(key) + len(value)
    return Delivery(id.decode(), body, int(ended), tuple(others.items()))


def _object(pairs: Sequence[tuple[bytes, bytes]]) -> dict[str, Any]:
    """The fields; of a name that comes several times, its values as a list."""
    found: dict[str, list[Any]] = {}
    for key, value in pairs:
        found.setdefault(_text(key), []).append(_value(value))
    return {key: values if len(values) > 1 else values[0] for key, values in found.items()}


def _value(raw: bytes) -> Any:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")
