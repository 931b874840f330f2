"""A worker of the shop: takes a piece, works on it, says so. Told to end, it ends after its piece."""

import json
import os
import signal
import time
import urllib.request

QUEUE = os.environ["QUEUE"]
ends = []
signal.signal(signal.SIGTERM, lambda *_: ends.append(True))


def post(path, **document):
    body = json.dumps({"queue": QUEUE, **document}).encode()
    request = urllib.request.Request(
        os.environ["SHOP_URL"] + path, body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


while not ends:
    piece = post("/take")
    if piece is None:
        time.sleep(0.5)
        continue
    time.sleep(float(os.environ.get("PACE_S", "0.5")))
    left = post("/done", id=piece)
    print(f"done: {QUEUE} {piece}, {left} left", flush=True)
