"""Upload COUNT images to the container `uploads`, with a message in the queue for each."""

import os

from storage_lite import Storage

QUEUE = os.environ.get("QUEUE", "uploads")
COUNT = int(os.environ.get("COUNT", "0"))

storage = Storage()
storage.wait()
storage.make_queue(QUEUE)
storage.make_container("uploads")
storage.make_container("thumbnails")
for _ in range(COUNT):
    name = f"{os.urandom(6).hex()}.png"
    storage.put_blob("uploads", name, os.urandom(20000))
    storage.put_message(QUEUE, name)
print(f"queue {QUEUE} is there; uploaded {COUNT} images")
