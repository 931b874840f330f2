"""The dashboard of an operator on a real control plane."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest

from parts.installed import Installed
from parts.installed_objects import deployment, scaled_object
from parts.loopback import free_port
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]

TOKEN = "of-whoever-may-look-at-it"


class Visit:
    """A browser that has opened the link."""

    def __init__(self, port: int, token: str = TOKEN) -> None:
        self.site = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{self.site}/?token={token}", timeout=10) as answer:
            [(name, cookie)] = SimpleCookie(answer.headers["Set-Cookie"]).items()
        self.cookie = f"{name}={cookie.value}"

    def ask(self, path: str) -> tuple[int, Any]:
        """Status and JSON."""
        request = urllib.request.Request(f"{self.site}/api/{path}", headers={"Cookie": self.cookie})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


def test_the_leader_shows_its_objects_and_another_replica_says_who_leads(
    installed: Installed, redis: RedisProcess, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    ports = [free_port(), free_port()]
    operators = []
    for port in ports:
        operators.append(
            installed.operator(
                "--dashboard",
                f"--dashboard-token-file={token}",
                f"--dashboard-bind-address=127.0.0.1:{port}",
                "--leader-elect",
                "--leader-election-id=shown",
            )
        )
        operators[-1].start()
    redis.call("RPUSH", "shown", "one", "two")
    installed.apply(deployment("shown"), scaled_object("shown", redis.address))
    first, second = (Visit(port) for port in ports)
    place = f"scaledobjects/{installed.namespace}/shown"

    def is_read() -> bool:
        _, found = first.ask("overview")
        values = [metric["value"] for one in found.get("objects", ()) for metric in one["metrics"]]
        return values == [2]

    operators[0].until("its value is shown", is_read)
    status, found = first.ask(f"objects/{place}")
    assert (status, found["explanation"]["name"]) == (200, "shown")
    assert found["curves"]["metric:s0-redis-shown"][-1][1] == 2
    assert first.ask(f"pods/{place}")[0] == 200
    status, said = second.ask("overview")
    assert (status, "leads: forward the port of that pod" in said["message"]) == (503, True)
    # A token that has changed ends the visit.
    token.write_text("of-nobody-that-you-know")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        Visit(ports[0])
