"""Prometheus as the `prom/prometheus` images start it.

Honoured: the arguments, and a configuration mounted at /etc/prometheus/prometheus.yml. Without one
it scrapes itself, as the image does: the machine's own configuration is not read. It listens on the
pod's address.

Source: https://prometheus.io/docs/prometheus/latest/installation/#using-docker
"""

from __future__ import annotations

import re

from tidegate.local.entrypoints.box import Box
from tidegate.local.entrypoints.mounts import is_mounted, mounts

USER = "prometheus"

CONFIGURATION = "/etc/prometheus/prometheus.yml"
PORT = "9090"
ITSELF = """\
scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["{address}"]
"""


def prepare(box: Box) -> list[str]:
    words = [_of_pod(word, box.listen) for word in box.args]
    names = {word.partition("=")[0] for word in words}
    if "--web.listen-address" not in names:
        words.append(f"--web.listen-address={box.listen}:{PORT}")
    if "--storage.tsdb.path" not in names and "--agent" not in names:
        words.append(f"--storage.tsdb.path={box.data}")
    if "--config.file" not in names:
        words.append(f"--config.file={_configuration(box)}")
    return [box.program, *words]


def _configuration(box: Box) -> str:
    if is_mounted(CONFIGURATION, mounts()):
        return CONFIGURATION
    return str(box.write("tidegate/prometheus.yml", ITSELF.format(address=f"{box.address}:{PORT}")))


def _of_pod(word: str, address: str) -> str:
    """An address to listen on without a host, or with all of them, is the pod's."""
    return re.sub(r"^(--web\.listen-address=)(0\.0\.0\.0|\[::\])?:", rf"\g<1>{address}:", word)
