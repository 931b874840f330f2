"""`tidegate shadow report`: a table for people, values for programs, and an exit code."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tidegate.base.errors import Malformed, Unreachable
from tidegate.cli.main import tidegate

DIFFERENCE = {
    "aspect": "replicas",
    "tidegate": "1",
    "keda": "0",
    "since": "2026-11-30T12:00:00Z",
    "until": None,
    "lasted_s": 300,
}


def row(name: str, *differences: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "ScaledObject",
        "namespace": "shop",
        "name": name,
        "since": "2026-11-30T11:00:00Z",
        "looks": 5,
        "passed": 2,
        "longestPassed_s": 4.5,
        "jobsStarted": 0,
        "differed_s": sum(one["lasted_s"] for one in differences),
        "isCut": False,
        "differences": list(differences),
    }


class Shadow:
    """Serves what it is told."""

    def __init__(self) -> None:
        self.objects: list[dict[str, Any]] = []
        self.raw: bytes | None = None
        shadow = self

        class Site(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = {"since": "2026-11-30T11:00:00Z", "at": "2026-11-30T12:05:00Z"}
                sent = shadow.raw or json.dumps({**body, "objects": shadow.objects}).encode()
                self.send_response(200 if self.path == "/shadow" else 404)
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Silent."""

        self.server = HTTPServer(("127.0.0.1", 0), Site)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def said(self, *words: str) -> Result:
        return CliRunner().invoke(tidegate, ["shadow", "report", "--url", self.url, *words])


@pytest.fixture
def shadow() -> Iterator[Shadow]:
    made = Shadow()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_each_difference_has_a_row_and_the_exit_code_says_that_there_is_one(shadow: Shadow) -> None:
    shadow.objects = [row("orders", DIFFERENCE), row("mails")]
    said = shadow.said()
    assert said.exit_code == 1
    table = [line.split("   ") for line in said.output.splitlines() if "shop" in line]
    assert [[cell.strip() for cell in one if cell.strip()] for one in table] == [
        ["scaledobject/shop/orders", "replicas", "1", "0", "2026-11-30T12:00:00Z", "5 min, still"]
    ]
    assert said.output.splitlines()[-1] == "1 of 2 objects differed from KEDA in the last 24 hours."


def test_where_nothing_differs_it_ends_with_0(shadow: Shadow) -> None:
    shadow.objects = [row("mails")]
    said = shadow.said("--all")
    assert said.exit_code == 0
    assert "scaledobject/shop/mails   the same" in said.output


def test_programs_get_it_as_json_or_yaml(shadow: Shadow) -> None:
    shadow.objects = [row("orders", DIFFERENCE)]
    assert json.loads(shadow.said("-o", "json").output)["objects"] == shadow.objects
    assert yaml.safe_load(shadow.said("-o", "yaml").output)["objects"] == shadow.objects


def test_who_serves_no_report_is_told_from_nobody(shadow: Shadow) -> None:
    shadow.raw = b"<html>"
    assert isinstance(shadow.said().exception, Malformed)
    gone = CliRunner().invoke(tidegate, ["shadow", "report", "--url", "http://127.0.0.1:1"])
    assert isinstance(gone.exception, Unreachable)


def test_an_object_is_named_by_its_type(shadow: Shadow) -> None:
    said = CliRunner().invoke(tidegate, ["shadow", "explain", "deployment/web", "--url", shadow.url])
    assert said.exit_code == 2
    assert '"deployment/web" is not scaledobject/NAME or scaledjob/NAME' in said.output
