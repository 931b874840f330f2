"""Take messages one at a time; each needs PACE_S seconds of work, and is acknowledged when that is done.

A Job takes LIMIT messages; without one, a worker goes on until it is told to stop. What is not
acknowledged goes back to the queue when the pod goes.
"""

import os
import signal
import time

from amqp_lite import Broker

QUEUE = os.environ.get("QUEUE", "jobs")
LIMIT = int(os.environ.get("LIMIT", "0"))
PACE_S = float(os.environ.get("PACE_S", "1"))

is_stopping = False


def stop(*_):
    global is_stopping
    is_stopping = True


signal.signal(signal.SIGTERM, stop)
broker = Broker()
done = 0
while not is_stopping and (done < LIMIT or not LIMIT):
    message = broker.get(QUEUE)
    if message is None and LIMIT:
        print("the queue is empty", flush=True)
        break
    if message is None:
        time.sleep(0.2)
        continue
    tag, text = message
    time.sleep(PACE_S)
    broker.ack(tag)
    done += 1
    print(f"done: {text}", flush=True)
broker.close()
