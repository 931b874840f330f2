"""Make the queue, and put the tasks of TASKS into it, one a line: text as it is, no base64."""

import os
from xml.sax.saxutils import escape

from storage_lite import Storage

QUEUE = os.environ.get("QUEUE", "tasks")


def main():
    storage = Storage()
    storage.wait()
    storage.make_queue(QUEUE)
    tasks = os.environ.get("TASKS", "").splitlines()
    for task in tasks:
        body = f"<QueueMessage><MessageText>{escape(task)}</MessageText></QueueMessage>"
        storage.call("queue", "POST", f"/{QUEUE}/messages", body=body.encode())
    print(f"put {len(tasks)} tasks into {QUEUE}")


if __name__ == "__main__":
    main()
