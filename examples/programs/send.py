"""Push COUNT messages onto the queue, all in one step: a repeated run after a crash pushes none."""

import os

from redis_lite import Redis

QUEUE = os.environ.get("QUEUE", "jobs")
COUNT = int(os.environ.get("COUNT", "100"))
JOB = os.environ["JOB_NAME"]

SEND_ONCE = """
if not redis.call('SET', KEYS[2], 1, 'NX', 'EX', 86400) then return 0 end
for i = 1, tonumber(ARGV[1]) do redis.call('RPUSH', KEYS[1], 'message-' .. i) end
return tonumber(ARGV[1])
"""

sent = Redis()("EVAL", SEND_ONCE, 2, QUEUE, f"{QUEUE}:sent-by:{JOB}", COUNT)
print(f"sent {sent} messages to {QUEUE}")
