"""A worker: takes jobs one at a time from Redis, and tells what it has done on port 9100 (GET /metrics).

A job that is taken moves to a list of this pod. It is acknowledged by leaving that list, in one step with its
mark in `jobs:done`: so it counts once, whoever is killed when. The list of a pod that has said nothing for
ALIVE_S goes back to the queue; what was in it may be worked on twice, and is acknowledged once.
"""

import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from redis_lite import Redis

POD = os.environ["POD_NAME"]
MINE = f"jobs:working:{POD}"
PACE_S = float(os.environ.get("PACE_S", "0.2"))
ALIVE_S = 10
ACKNOWLEDGE = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
return redis.call('HINCRBY', 'jobs:done', ARGV[1], 1)
"""
SAY_ALIVE = """
redis.call('SADD', 'jobs:working', KEYS[1])
redis.call('SET', KEYS[1] .. ':alive', 1, 'EX', ARGV[1])
for _, list in ipairs(redis.call('SMEMBERS', 'jobs:working')) do
  if redis.call('EXISTS', list .. ':alive') == 0 then
    while redis.call('LMOVE', list, 'jobs', 'RIGHT', 'LEFT') do end
    redis.call('SREM', 'jobs:working', list)
  end
end
"""
ends = threading.Event()
done = 0


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        text = f'# TYPE jobs_done_total counter\njobs_done_total{{pod="{POD}"}} {done}\n'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Quiet."""


metrics = ThreadingHTTPServer(("0.0.0.0", 9100), Metrics)
threading.Thread(target=metrics.serve_forever, daemon=True).start()
signal.signal(signal.SIGTERM, lambda *_: ends.set())
redis = Redis(patience_s=300.0)
while not ends.is_set():
    redis("EVAL", SAY_ALIVE, 1, MINE, ALIVE_S)
    # What a process before this one had taken comes first.
    job = redis("LINDEX", MINE, 0) or redis("BLMOVE", "jobs", MINE, "LEFT", "RIGHT", 1)
    if job is None:
        continue
    time.sleep(PACE_S)
    if redis("EVAL", ACKNOWLEDGE, 1, MINE, job) == 1:
        done += 1
        print(f"done: {job}", flush=True)
