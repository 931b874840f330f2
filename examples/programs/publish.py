"""Make the queue and publish COUNT messages to it, through RabbitMQ's management API."""

import base64
import json
import os
import time
import urllib.request
from urllib.error import HTTPError, URLError
from urllib.parse import quote

API = f"http://{os.environ.get('MANAGEMENT_ADDRESS', 'rabbitmq:15672')}/api"
VHOST = quote(os.environ.get("VHOST", "/"), safe="")
QUEUE = os.environ.get("QUEUE", "jobs")
COUNT = int(os.environ.get("COUNT", "0"))
LOGIN = base64.b64encode(f"{os.environ['RABBITMQ_USER']}:{os.environ['RABBITMQ_PASS']}".encode()).decode()


def call(method, path, body):
    headers = {"Authorization": f"Basic {LOGIN}", "Content-Type": "application/json"}
    request = urllib.request.Request(API + path, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def wait_for_broker(patience_s=60):
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return call("PUT", f"/queues/{VHOST}/{quote(QUEUE, safe='')}", {"durable": True})
        except HTTPError:
            raise
        except (URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


wait_for_broker()
for number in range(1, COUNT + 1):
    message = {"routing_key": QUEUE, "payload": f"message-{number}", "payload_encoding": "string"}
    call("POST", f"/exchanges/{VHOST}/amq.default/publish", {**message, "properties": {"delivery_mode": 2}})
print(f"queue {QUEUE} is there; published {COUNT} messages")
