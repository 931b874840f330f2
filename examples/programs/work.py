"""Take messages one at a time until told to stop; each needs PACE_S seconds of work.

A message moves to a working list of this pod until it is done, so none is lost when the pod goes.
"""

import os
import signal
import time

from redis_lite import Redis

QUEUE = os.environ.get("QUEUE", "jobs")
PACE_S = float(os.environ.get("PACE_S", "1"))
WORKING = f"{QUEUE}:working:{os.environ.get('HOSTNAME', 'worker')}"

is_stopping = False


def stop(*_):
    global is_stopping
    is_stopping = True


signal.signal(signal.SIGTERM, stop)
redis = Redis()
while not is_stopping:
    message = redis("BLMOVE", QUEUE, WORKING, "LEFT", "RIGHT", 1)
    if message is None:
        continue
    time.sleep(PACE_S)
    redis("LREM", WORKING, 1, message)
    redis("INCR", f"{QUEUE}:done")
    print(f"done: {message}", flush=True)
