"""Load: the shop gets something to do."""

import json
import os
import urllib.request

wanted = {"queue": os.environ["QUEUE"], "count": int(os.environ.get("COUNT", "60"))}
request = urllib.request.Request(
    os.environ["SHOP_URL"] + "/add", json.dumps(wanted).encode(), {"Content-Type": "application/json"}
)
with urllib.request.urlopen(request, timeout=10) as answer:
    print(f"{wanted['queue']}: {json.loads(answer.read())} open")
