"""Take messages one at a time, make a small copy of the image that each names, delete the message.

What is not deleted comes back to the queue after half a minute: a worker that is killed loses nothing.
"""

import os
import signal
import time

from storage_lite import Storage

QUEUE = os.environ.get("QUEUE", "uploads")
PACE_S = float(os.environ.get("PACE_S", "1"))
ends = []
signal.signal(signal.SIGTERM, lambda *_: ends.append(True))

storage = Storage()
storage.wait()
while not ends:
    message = storage.take_message(QUEUE)
    if message is None:
        time.sleep(0.5)
        continue
    name, identity, receipt = message
    image = storage.get_blob("uploads", name)
    time.sleep(PACE_S)
    if image is not None:
        storage.put_blob("thumbnails", name, image[:200])
    storage.delete_message(QUEUE, identity, receipt)
    print(f"done: {name}", flush=True)
