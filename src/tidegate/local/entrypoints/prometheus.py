"""Prometheus as the `prom/prometheus` images start it.

Honoured: the arguments, and a configuration mounted at /etc/prometheus/prometheus.yml. Without one
it scrapes itself, as the image does: the machine's own configuration is not read. It listens on the
pod's address.

Source: https://prometheus.io/docs/prometheus/latest/installation/#using-docker
"""

from __future__ import annotations

import re
from pathlib import Path

from tidegate.local.entrypoints.box import Box

USER = "prometheus"

CONFIGURATION = "/etc/prometheus/prometheus.yml"
PORT = "9090"
MOUNTS = Path("/proc/self/mountinfo")
ITSELF = """\
scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["{address}"]
"""


def prepare(box: Box) -> list[str]:
    words = [_of_pod(word, box.address) for word in box.args]
    names = {word.partition("=")[0] for word in words}
    if "--web.listen-address" not in names:
        words.append(f"--web.listen-address={box.address}:{PORT}")
    if "--storage.tsdb.path" not in names and "--agent" not in names:
        words.append(f"--storage.tsdb.path={box.data}")
    if "--config.file" not in names:
        words.append(f"--config.file={_configuration(box)}")
    return [box.program, *words]


def _configuration(box: Box) -> str:
    if is_mounted(CONFIGURATION, MOUNTS.read_text("utf-8", "replace")):
        return CONFIGURATION
    return str(box.write("tidegate/prometheus.yml", ITSELF.format(address=f"{box.address}:{PORT}")))


def is_mounted(file: str, mounts: str) -> bool:
    """Whether a volume is mounted at the file or its folder. A folder of the machine may be bound to its
    own place: that is none.
    """
    places = (file, file.rpartition("/")[0])
    fields = [line.split(" ") for line in mounts.splitlines()]
    return any(one[4] in places and not one[3].endswith(one[4]) for one in fields if len(one) > 4)


def _of_pod(word: str, address: str) -> str:
    """An address to listen on without a host, or with all of them, is the pod's."""
    return re.sub(r"^(--web\.listen-address=)(0\.0\.0\.0|\[::\])?:", rf"\g<1>{address}:", word)
