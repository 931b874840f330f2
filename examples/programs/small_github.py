"""A small stand-in for GitHub: as much of its REST API as scaling needs, written from GitHub's documentation.

POST /queue {"repository": "web", "labels": ["self-hosted"], "count": 3}   workflow jobs come in
POST /take {"labels": [...]}                                               a runner takes one
POST /done {"id": 7}                                                       and has done it
"""

import hashlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = os.environ["GITHUB_TOKEN"]
OWNER = "shop"
lock = threading.Lock()
jobs = {}


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urlsplit(self.path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.say(401, {"message": "Bad credentials"})
        with lock:
            return self.say(*self.document(parts.path.strip("/").split("/"), parse_qs(parts.query)))

    def document(self, path, query):
        if path[:1] == ["orgs"] or path[:1] == ["users"]:
            return 200, [{"name": name} for name in sorted({job["repository"] for job in jobs.values()})]
        repository, rest = path[2], path[3:]
        own = [job for job in jobs.values() if job["repository"] == repository]
        if rest == ["actions", "runs"]:
            # Here each workflow job is a run of its own.
            found = [job for job in own if job["status"] == query["status"][0]]
            runs = [
                {"id": job["id"], "status": job["status"], "repository": {"name": repository}}
                for job in found
            ]
            return 200, {"total_count": len(runs), "workflow_runs": runs[:100]}
        number = int(rest[2])
        found = [job for job in own if job["id"] == number]
        return 200, {"total_count": len(found), "jobs": found}

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with lock:
            if self.path == "/queue":
                for _ in range(asked["count"]):
                    number = len(jobs) + 1
                    jobs[number] = {
                        "id": number,
                        "repository": asked["repository"],
                        "labels": asked["labels"],
                        "status": "queued",
                    }
                return self.say(200, {"queued": asked["count"]})
            if self.path == "/take":
                own = {label.lower() for label in asked["labels"]}
                waiting = [job for job in jobs.values() if job["status"] == "queued"]
                for job in waiting:
                    if {label.lower() for label in job["labels"]} <= own:
                        job["status"] = "in_progress"
                        return self.say(200, job)
                return self.say(200, None)
            jobs[asked["id"]]["status"] = "completed"
            return self.say(200, {})

    def say(self, status, document):
        body = json.dumps(document).encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if status == 200 and self.headers.get("If-None-Match") == etag:
            status, body = 304, b""
        self.send_response(status)
        self.send_header("ETag", etag)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


ThreadingHTTPServer((os.environ.get("POD_IP", "0.0.0.0"), 8080), Api).serve_forever()
