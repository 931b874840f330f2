"""Process the events of a hub, a partition at a time, and write down how far one has come.

A partition is worked on by one worker at a time: whoever holds the lease of its blob. The checkpoints are
those of Microsoft's SDKs (`blobMetadata`): an empty blob for each partition, with the number of the last
event that was processed.
"""

import json
import os
import random
import signal
import time
import urllib.request

from storage_lite import Storage

EVENTS = os.environ["EVENTS_URL"]
CONTAINER = os.environ.get("CONTAINER", "checkpoints")
STEM = f"{os.environ['HUB_HOST']}/{os.environ['HUB']}/{os.environ.get('GROUP', '$default')}".lower()
PACE_S = float(os.environ.get("PACE_S", "0.2"))
BATCH = int(os.environ.get("BATCH", "10"))
ends = []
signal.signal(signal.SIGTERM, lambda *_: ends.append(True))


def ask(path):
    with urllib.request.urlopen(EVENTS + path, timeout=10) as answer:
        return json.loads(answer.read())


def work(partition):
    """The next events of a partition, unless another worker has it. How many there were."""
    lock, checkpoint = f"{STEM}/lock/{partition}", f"{STEM}/checkpoint/{partition}"
    lease = storage.lease(CONTAINER, lock)
    if lease is None:
        return 0
    try:
        after = int(storage.metadata(CONTAINER, checkpoint).get("sequencenumber", "-1"))
        events = ask(f"/events?partition={partition}&after={after}")[:BATCH]
        for event in events:
            time.sleep(PACE_S)
            print(f"crawled: {event['text']}", flush=True)
        if events:
            storage.put_blob(CONTAINER, checkpoint, sequencenumber=str(events[-1]["sequence"]))
        return len(events)
    finally:
        storage.release(CONTAINER, lock, lease)


storage = Storage()
storage.wait()
storage.make_container(CONTAINER)
while not ends:
    count = ask("/events")["partitions"]
    partitions = random.sample(range(count), count)
    if not sum(work(partition) for partition in partitions if not ends):
        time.sleep(0.5)
