"""Asks the web server by its Service's name until REPLICAS of them have answered, and says who did."""

import json
import os
import sys
import time
import urllib.request

URL = os.environ.get("WEB_URL", "http://web:8080")
REPLICAS = int(os.environ.get("REPLICAS", "3"))

seen = {}
deadline = time.monotonic() + 60
while len(seen) < REPLICAS:
    if time.monotonic() > deadline:
        sys.exit(f"{len(seen)} of {REPLICAS} replicas answered within 60 s")
    try:
        with urllib.request.urlopen(URL, timeout=5) as answer:
            told = json.loads(answer.read())
    except OSError:
        time.sleep(0.5)
        continue
    if told["pod"] not in seen:
        seen[told["pod"]] = told
        print(f"{told['pod']} at {told['address']} answers, version {told['version']}", flush=True)
