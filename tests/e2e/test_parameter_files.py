"""`tidegate up` reads parameter files below the folder that it was told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from parts.up import Up

pytestmark = [pytest.mark.e2e, pytest.mark.real]
MANIFEST = """
apiVersion: keda.sh/v1alpha1
kind: ClusterTriggerAuthentication
metadata: {name: broker}
spec: {filePath: team/creds.json}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: crunch}
spec:
  pollingInterval: 1
  jobTargetRef:
    template:
      spec: {restartPolicy: Never, containers: [{name: c, image: any, command: ["true"]}]}
  triggers:
    - type: redis
      metadata: {address: "127.0.0.1:1", listName: jobs}
      authenticationRef: {name: broker, kind: ClusterTriggerAuthentication}
"""


def test_a_file_that_comes_later_is_read(up: Up) -> None:
    def ready() -> str:
        conditions = up.get("scaledjob", "crunch").get("status", {}).get("conditions") or ()
        return "".join(one.get("message", "") for one in conditions if one["type"] == "Ready")

    up.kubectl("apply", "-f", "-", stdin=MANIFEST)
    folder = up.folder.parent / "files"
    missing = f'cannot read filePath "team/creds.json" below {folder}: No such file or directory'
    up.until("the file is said to be missing", lambda: missing in ready())
    (folder / "team").mkdir(parents=True)
    (folder / "team" / "creds.json").write_text('{"password": "s3cret"}')
    up.until("the server is asked", lambda: missing not in ready() and "127.0.0.1:1" in ready())


@contextmanager
def counting(token: str) -> Iterator[int]:
    """The port of an application that tells its number to who has the token."""

    class Application(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.headers["Authorization"] == f"Bearer {token}"
            body = b'{"waiting": 3}' if is_known else b"{}"
            self.send_response(200 if is_known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Application) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


WORKER = """
apiVersion: keda.sh/v1alpha1
kind: ClusterTriggerAuthentication
metadata: {name: application}
spec: {filePath: token.json}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  replicas: 0
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec: {containers: [{name: c, image: any, command: [sleep, "300"]}]}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: worker}
spec:
  pollingInterval: 1
  scaleTargetRef: {name: worker}
  triggers:
    - type: metrics-api
      metadata: {url: "http://127.0.0.1:PORT/", valueLocation: waiting, targetValue: "1", authMode: bearer}
      authenticationRef: {name: application, kind: ClusterTriggerAuthentication}
"""


def test_a_bearer_token_of_a_file_lets_an_application_wake_its_workers(up: Up) -> None:
    files = up.folder.parent / "files"
    files.mkdir(parents=True, exist_ok=True)
    (files / "token.json").write_text('{"bearerToken": "t0ken-of-the-file"}')
    with counting("t0ken-of-the-file") as port:
        up.kubectl("apply", "-f", "-", stdin=WORKER.replace("PORT", str(port)))
        up.until("it is awake", lambda: up.get("deployment", "worker")["spec"]["replicas"] >= 1)
    assert "t0ken-of-the-file" not in up.kubectl("get", "scaledobjects,events", "-o", "yaml")
