"""A web server on all addresses of its pod; each replica has port 8080 to itself.

GET  /          which replica answers: its name, address, node, labels and VERSION
GET  /ready     200, or 503 once it has been told to drain
GET  /drain     from its own pod only: ready no more, and an answer when it has nothing to do
POST /jobs/ID   a job for the workers; one that is already known is not queued again
GET  /jobs      how many jobs wait, are worked on and are done

Told to end, it answers what has begun, and ends.
"""

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from redis_lite import Redis

# So long after the last moment of readiness everybody has heard that this replica is to be left alone.
DRAIN_S = float(os.environ.get("DRAIN_S", "3"))
QUEUE_ONCE = """
if redis.call('SADD', 'jobs:known', ARGV[1]) == 1 then redis.call('RPUSH', 'jobs', ARGV[1]) end
return redis.call('LLEN', 'jobs')
"""
COUNTS = """
local counts = {redis.call('LLEN', 'jobs'), 0, redis.call('HLEN', 'jobs:done')}
for _, list in ipairs(redis.call('SMEMBERS', 'jobs:working')) do
  counts[2] = counts[2] + redis.call('LLEN', list)
end
return counts
"""
is_draining = threading.Event()


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A client that keeps a connection and says nothing does not hold up the end.
    timeout = 5

    def do_GET(self):
        if self.path == "/":
            return self.say(200, {**ITSELF, "labels": labels()})
        if self.path == "/ready":
            return self.say(503 if is_draining.is_set() else 200, {"draining": is_draining.is_set()})
        if self.path == "/drain" and self.client_address[0] == "127.0.0.1":
            is_draining.set()
            time.sleep(DRAIN_S)
            return self.say(200, {"draining": True})
        if self.path == "/jobs":
            return self.of_redis(counts)
        return self.say(404, {"error": "no such page"})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        folder, _, job = self.path.rpartition("/")
        if folder != "/jobs" or not job:
            return self.say(404, {"error": "POST /jobs/ID"})
        return self.of_redis(lambda redis: {"job": job, "waiting": redis("EVAL", QUEUE_ONCE, 0, job)})

    def of_redis(self, asked):
        """A Redis that is away is no end of this server: the client is told to come back."""
        try:
            return self.say(200, asked(Redis(patience_s=3)))
        except (OSError, RuntimeError) as error:
            return self.say(503, {"error": f"try again: {error}"})

    def say(self, status, document):
        body = json.dumps(document).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if is_draining.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


class Server(ThreadingHTTPServer):
    # The end waits for what is being answered.
    daemon_threads = False
    request_queue_size = 128


def counts(redis):
    waiting, working, done = redis("EVAL", COUNTS, 0)
    return {"waiting": waiting, "working": working, "done": done}


def labels():
    lines = Path("/etc/podinfo/labels").read_text().splitlines()
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


ITSELF = {
    "pod": os.environ["POD_NAME"],
    "address": os.environ["POD_IP"],
    "node": os.environ["NODE_NAME"],
    "version": os.environ.get("VERSION", "1"),
}
server = Server(("0.0.0.0", 8080), Page)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
is_draining.set()
server.server_close()
