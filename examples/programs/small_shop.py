"""A shop that says how much there is to do, in JSON and as Prometheus reads it.

GET  /api/stats   {"orders": {"open": 12}, "mails": {"open": 0}}
GET  /metrics     shop_open{queue="orders"} 12
POST /add {"queue": "orders", "count": 60}   more to do
POST /take {"queue": "orders"}               a worker takes one
POST /done {"queue": "orders", "id": 7}      and has done it

What a worker has taken is open until it is done, so a worker that dies takes nothing along unseen.
"""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A worker that took longer than this is gone; another may have its piece.
PATIENCE_S = 30
lock = threading.Lock()
# Of each queue: the pieces that are open, and until when somebody works on each.
queues = {"orders": {}, "mails": {}}
numbers = iter(range(1, 1 << 60))


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with lock:
            counts = {name: len(pieces) for name, pieces in queues.items()}
        if self.path == "/api/stats":
            stats = {name: {"open": count} for name, count in counts.items()}
            return self.say(200, json.dumps(stats), "application/json")
        if self.path == "/metrics":
            lines = [f'shop_open{{queue="{name}"}} {count}\n' for name, count in counts.items()]
            text = "# HELP shop_open Pieces that are not done.\n# TYPE shop_open gauge\n" + "".join(lines)
            return self.say(200, text, "text/plain; version=0.0.4")
        return self.say(404, "no such page\n", "text/plain")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with lock:
            answer = self.act(asked, queues[asked["queue"]], time.monotonic())
        return self.say(200, json.dumps(answer), "application/json")

    def act(self, asked, pieces, now):
        if self.path == "/add":
            pieces.update((next(numbers), 0.0) for _ in range(asked["count"]))
            return len(pieces)
        if self.path == "/take":
            found = next((number for number, until in pieces.items() if until < now), None)
            if found is not None:
                pieces[found] = now + PATIENCE_S
            return found
        pieces.pop(asked["id"], None)
        return len(pieces)

    def say(self, status, text, type):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


ThreadingHTTPServer((os.environ.get("POD_IP", "0.0.0.0"), 8080), Shop).serve_forever()
