"""Load: COUNT jobs, through the web server. Each is sent until it is taken, and queued once."""

import os
import time
import urllib.request

URL = os.environ.get("WEB_URL", "http://web:8080")
COUNT = int(os.environ.get("COUNT", "60"))
NAME = os.environ["JOB_NAME"]


def post(job):
    for _ in range(240):
        try:
            with urllib.request.urlopen(f"{URL}/jobs/{job}", b"", timeout=10):
                return
        except OSError as error:
            problem = error
            time.sleep(0.5)
    raise SystemExit(f"{job} was not taken: {problem}")


for number in range(1, COUNT + 1):
    post(f"{NAME}-{number}")
print(f"sent {COUNT} jobs")
