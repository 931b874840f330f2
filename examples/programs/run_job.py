"""An ephemeral runner: takes one workflow job, works on it, and ends."""

import json
import os
import time
import urllib.request


def post(path, document):
    body = json.dumps(document).encode()
    request = urllib.request.Request(
        os.environ["GITHUB_URL"] + path, body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


job = post("/take", {"labels": os.environ["LABELS"].split(",")})
if job is None:
    print("no job waits for a runner like this one")
else:
    print(f"running job {job['id']} of {job['repository']}", flush=True)
    time.sleep(float(os.environ.get("WORK_S", "2")))
    post("/done", {"id": job["id"]})
    print(f"done: job {job['id']}")
