"""`tidegate up` reads parameter files below the folder that it was told."""

from __future__ import annotations

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
