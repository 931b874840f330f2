"""Load: workflow jobs come in, as pushes to a repository bring them."""

import json
import os
import urllib.request

wanted = {
    "repository": os.environ.get("REPOSITORY", "web"),
    "labels": os.environ.get("LABELS", "self-hosted,linux").split(","),
    "count": int(os.environ.get("COUNT", "6")),
}
body = json.dumps(wanted).encode()
request = urllib.request.Request(
    os.environ["GITHUB_URL"] + "/queue", body, {"Content-Type": "application/json"}
)
with urllib.request.urlopen(request, timeout=10) as answer:
    print(f"queued {json.loads(answer.read())['queued']} workflow jobs")
