"""Put COUNT events into the hub."""

import os
import time
import urllib.request
from urllib.error import URLError

COUNT = int(os.environ.get("COUNT", "0"))
body = "".join(f"https://example.com/{number}\n" for number in range(COUNT)).encode()
deadline = time.monotonic() + 60
while True:
    try:
        urllib.request.urlopen(f"{os.environ['EVENTS_URL']}/events", body, timeout=10).close()
        break
    except (URLError, OSError):
        if time.monotonic() > deadline:
            raise
        time.sleep(0.5)
print(f"put {COUNT} events")
