"""Graphite on loopback: carbon takes points, the web application renders them, on Debian's Python."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.error import HTTPError

from parts.server_process import ServerProcess
from parts.servers import program
from parts.waiting import wait_until

PYTHON = "/usr/bin/python3"

CARBON = """\
[cache]
STORAGE_DIR = {folder}
LOCAL_DATA_DIR = {folder}/whisper
CONF_DIR = {folder}
LOG_DIR = {folder}
PID_DIR = {folder}
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {ports[0]}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {ports[1]}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {ports[2]}
MAX_CREATES_PER_MINUTE = inf
ENABLE_LOGROTATION = False
ENABLE_TAGS = False
"""

WEB = """\
from graphite.settings import *

SECRET_KEY = "{token}"
ALLOWED_HOSTS = ["*"]
TIME_ZONE = "UTC"
CONF_DIR = LOG_DIR = STORAGE_DIR = "{folder}"
WHISPER_DIR = "{whisper}"
STANDARD_DIRS = [WHISPER_DIR]
INDEX_FILE = "{folder}/index"
CARBONLINK_HOSTS = ["127.0.0.1:{queries}"]
CARBONLINK_TIMEOUT = 2.0
DEFAULT_CACHE_DURATION = 0
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{folder}/web.db"}}}}
"""


class Carbon(ServerProcess):
    server = "graphite"
    port_count = 3

    def prepare(self) -> None:
        self.write("carbon.conf", CARBON.format(folder=self.folder, ports=self.ports))
        self.write("storage-schemas.conf", "[all]\npattern = .*\nretentions = 1s:1h\n")

    def command(self) -> Sequence[str]:
        carbon = str(program("graphite", "carbon-cache"))
        files = ["--pidfile", f"{self.folder}/pid", "--config", f"{self.folder}/carbon.conf"]
        return [PYTHON, carbon, "--nodaemon", *files, "start"]

    def environment(self) -> Mapping[str, str]:
        return {"GRAPHITE_CONF_DIR": str(self.folder), "GRAPHITE_ROOT": str(self.folder)}

    def is_ready(self) -> bool:
        self.push({self.token: 1})
        return (self.folder / "whisper" / f"{self.token}.wsp").exists()

    def push(self, points: dict[str, float], moment: float = 0) -> None:
        """Points of now, or of another moment."""
        at = int(moment or time.time())
        lines = "".join(f"{name} {value} {at}\n" for name, value in points.items())
        with socket.create_connection(("127.0.0.1", self.port), timeout=self.probe_s) as one:
            one.sendall(lines.encode())


class Web(ServerProcess):
    server = "graphite"

    def __init__(self, carbon: Carbon) -> None:
        super().__init__()
        self._carbon = carbon

    def prepare(self) -> None:
        whisper, queries = self._carbon.folder / "whisper", self._carbon.ports[2]
        self.write(
            "own_settings.py",
            WEB.format(folder=self.folder, whisper=whisper, token=self.token, queries=queries),
        )
        self.run([PYTHON, "-m", "django", "migrate", "--run-syncdb"])

    def command(self) -> Sequence[str]:
        return [PYTHON, "-m", "django", "runserver", "--noreload", self.address]

    def environment(self) -> Mapping[str, str]:
        return {"DJANGO_SETTINGS_MODULE": "own_settings", "PYTHONPATH": str(self.folder)}

    def is_ready(self) -> bool:
        return bool(self.get(f"/metrics/find?query={self._carbon.token}"))

    def render(self, target: str) -> Any:
        return json.loads(self.call("GET", f"/render?format=json&from=-10min&target={target}"))


class Graphite:
    """Both; `push` returns when the points are rendered."""

    def __init__(self) -> None:
        self.carbon = Carbon()
        self.web = Web(self.carbon)

    def start(self) -> None:
        self.carbon.start()
        self.web.start()

    def close(self) -> None:
        self.web.close()
        self.carbon.close()

    def __enter__(self) -> Graphite:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def push(self, points: dict[str, float], moment: float = 0) -> None:
        self.carbon.push(points, moment)
        for name, value in points.items():

            def is_there(name: str = name, value: float = value) -> bool:
                try:
                    series = self.web.render(name)
                except HTTPError:
                    # It has found the file that is being made, and cannot read it yet.
                    return False
                return bool(series) and any(point[0] == value for point in series[0]["datapoints"])

            wait_until(is_there, f"{name} is rendered", 15)
