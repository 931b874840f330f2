"""`tidegate up --dashboard` in a real browser: an object appears, with its reasons, its pod and its log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.browser import Chromium, opened
from parts.loopback import free_port
from parts.server_process import Servers
from parts.up import Up, needs_kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.xdist_group("chromium")]

MANIFESTS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  replicas: 0
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: busybox
          command: [sh, -c, "echo '<b>at work</b>'; exec sleep 1000"]
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: worker}
spec:
  scaleTargetRef: {name: worker}
  triggers:
    - type: cron
      metadata: {timezone: UTC, start: 0 0 1 1 *, end: 59 23 31 12 *, desiredReplicas: "1"}
"""


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    needs_kubectl()
    server = Up(tmp_path / "state", "--dashboard", "--dashboard-port", str(free_port()))
    yield server
    server.end()


def link_of(up: Up) -> str:
    """The last link that it has printed."""
    return re.findall(r"^dashboard: (\S+)$", up.output.read_text(), re.MULTILINE)[-1]


async def test_a_new_user_sees_what_happens_and_why(up: Up, servers: Servers) -> None:
    up.start()
    async with opened(servers.get(Chromium)) as page:
        await page.go(link_of(up))
        await page.until("document.querySelector('.empty')?.textContent.includes('Nothing is scaled yet')")
        up.kubectl("apply", "-f", "-", stdin=MANIFESTS)
        await page.until("document.querySelector('#objects .pill.active')")
        await page.click("#objects a.name")
        await page.until("document.querySelector('.chain')?.textContent.includes('cron')")
        log = "[aria-label^='Log of container main']:not([disabled])"
        await page.click(log)
        await page.until("document.querySelector('pre.log')?.textContent === '<b>at work</b>\\n'")
        assert page.complaints == []
