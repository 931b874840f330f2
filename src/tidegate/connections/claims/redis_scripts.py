"""What is done to a Redis list that is claimed from: one script for each step, so that none is half done.

    jobs                       the list, as its producers know it
    {jobs}:tidegate:bodies     hash: identity → body, from the claim until the message is done
    {jobs}:tidegate:holders    hash: identity → who holds it; released ones are in it no more
    {jobs}:tidegate:ended      hash: identity → Jobs of it that have ended
    {jobs}:tidegate:leases     sorted set: held ones by when their lease ends (ms by the server's clock)
    {jobs}:tidegate:waiting    sorted set: released ones by when they are due
    {jobs}:tidegate:dead       list: dead letters, where no other was named

A message is in the list, or in exactly one of leases and waiting with its body; never in neither.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.connections.redis.link import Command as Sent
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.systems.claims import Command, Delivery
from tidegate.kit.systems.redis_claims import RedisListSource

BATCH = 200
"""Messages in one answer."""

BYTES = 8 * 2**20
"""Once an answer has as much it is full; the largest body comes on top."""

_BEGIN = """
local list, leases, waiting, bodies, holders, ended, dead = unpack(KEYS)
local holder = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function is_list(key)
  local kind = redis.call('TYPE', key).ok
  return kind == 'list' or kind == 'none'
end
local function drop(id)
  redis.call('HDEL', bodies, id)
  redis.call('HDEL', holders, id)
  redis.call('HDEL', ended, id)
  redis.call('ZREM', leases, id)
  redis.call('ZREM', waiting, id)
end
local function whose(id)
  if redis.call('HGET', holders, id) == holder then return 1 end
  if redis.call('HEXISTS', bodies, id) == 1 then return -1 end
  return 0
end
"""

TAKE = (
    _BEGIN
    + """
if not is_list(list) then return redis.error_reply('WRONGKIND ' .. list) end
local lease, maximum = tonumber(ARGV[2]), tonumber(ARGV[3])
local most, size, nonce, pop = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]
local known, given, gone, ours, bytes, more = {}, {}, {}, 0, 0, 0
for i = 8, #ARGV do known[ARGV[i]] = true end
local function is_full()
  if #given >= 3 * most or bytes >= size then more = 1 end
  return more == 1
end
local function give(id)
  local body = redis.call('HGET', bodies, id)
  if not body then
    if redis.call('HEXISTS', holders, id) == 1 then gone[#gone + 1] = id end
    drop(id)
    return
  end
  redis.call('ZADD', leases, now + lease, id)
  redis.call('ZREM', waiting, id)
  redis.call('HSET', holders, id, holder)
  bytes = bytes + #body
  given[#given + 1] = id
  given[#given + 1] = body
  given[#given + 1] = redis.call('HGET', ended, id) or '0'
end
local all = redis.call('HGETALL', holders)
for i = 1, #all, 2 do
  if all[i + 1] == holder then
    ours = ours + 1
    if not known[all[i]] and not is_full() then give(all[i]) end
  end
end
for _, set in ipairs({waiting, leases}) do
  if ours < maximum then
    local due = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, maximum - ours)
    for _, id in ipairs(due) do
      if redis.call('HGET', holders, id) ~= holder and not is_full() then
        give(id)
        ours = ours + 1
      end
    end
  end
end
local count = 0
while ours < maximum and not is_full() do
  local body = redis.call('LINDEX', list, pop == 'LPOP' and 0 or -1)
  if not body then break end
  ours = ours + 1
  local id
  repeat
    -- Who asks again, since the answer was cut off, must not give an identity twice.
    count = count + 1
    id = nonce .. '-' .. count
  until redis.call('HEXISTS', bodies, id) == 0
  -- Taken off the list last: where the user may not do one of these, nothing has left it.
  redis.call('ZADD', leases, now + lease, id)
  redis.call('ZREM', waiting, id)
  redis.call('HSET', bodies, id, body)
  give(id)
  local taken = redis.pcall(pop, list)
  if type(taken) == 'table' then
    drop(id)
    return taken
  end
end
local first = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')
local retry = first[2] and math.max(0, first[2] - now) or -1
return {more, retry, given, gone}
"""
)

RENEW = (
    _BEGIN
    + """
local lost = {}
for i = 3, #ARGV do
  if redis.call('HGET', holders, ARGV[i]) == holder then
    redis.call('ZADD', leases, now + ARGV[2], ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
"""
)

ACKNOWLEDGE = (
    _BEGIN
    + """
local found = whose(ARGV[2])
if found == 1 then drop(ARGV[2]) end
return found
"""
)

RELEASE = (
    _BEGIN
    + """
local id, number = ARGV[2], tonumber(ARGV[3])
local found = whose(id)
local is_told = tonumber(redis.call('HGET', ended, id) or '0') >= number
if is_told and not redis.call('HGET', holders, id) then return 1 end
if found ~= 1 or is_told then return found end
redis.call('HSET', ended, id, number)
redis.call('HDEL', holders, id)
redis.call('ZREM', leases, id)
redis.call('ZADD', waiting, now + ARGV[4], id)
return 1
"""
)

DEAD_LETTER = (
    _BEGIN
    + """
if not is_list(dead) then return redis.error_reply('WRONGKIND ' .. dead) end
local found = whose(ARGV[2])
if found == 1 then
  redis.call('RPUSH', dead, redis.call('HGET', bodies, ARGV[2]))
  drop(ARGV[2])
end
return found
"""
)

GIVE_BACK = (
    _BEGIN
    + """
if not is_list(list) then return redis.error_reply('WRONGKIND ' .. list) end
local function back(id)
  local body = redis.call('HGET', bodies, id)
  if body then redis.call(ARGV[2], list, body) end
  drop(id)
end
for i = 3, #ARGV do
  if redis.call('HGET', holders, ARGV[i]) == holder then back(ARGV[i]) end
end
for _, one in ipairs(redis.call('HVALS', holders)) do
  if one ~= holder then return 1 end
end
for _, id in ipairs(redis.call('ZREVRANGE', waiting, 0, -1)) do back(id) end
return 1
"""
)


def sent(source: RedisListSource, command: Command) -> Sent:
    """The command as Redis takes it."""
    ask, holder = command.ask, command.holder
    lease_ms = int(command.lease_s * 1000)
    is_tail = source.end == "tail"
    match ask:
        case Take(maximum=maximum):
            pop = "RPOP" if is_tail else "LPOP"
            given: list[str | int] = [
                holder,
                lease_ms,
                maximum,
                BATCH,
                BYTES,
                command.nonce,
                pop,
                *command.known,
            ]
            return _eval(source, TAKE, given)
        case Renew(ids=ids):
            return _eval(source, RENEW, (holder, lease_ms, *ids))
        case Acknowledge(id=id):
            return _eval(source, ACKNOWLEDGE, (holder, id))
        case Release(id=id, finished=finished, delay_s=delay_s):
            return _eval(source, RELEASE, (holder, id, finished, int(delay_s * 1000)))
        case DeadLetter(id=id):
            return _eval(source, DEAD_LETTER, (holder, id))
        case GiveBack(ids=ids):
            return _eval(source, GIVE_BACK, (holder, "RPUSH" if is_tail else "LPUSH", *ids))


def delivery(id: bytes, body: bytes, ended: bytes) -> Delivery:
    return Delivery(id.decode(), body, int(ended))


def _eval(source: RedisListSource, script: str, arguments: Sequence[str | int]) -> Sent:
    keys = source.keys()
    return ("EVAL", script, len(keys), *keys, *arguments)
