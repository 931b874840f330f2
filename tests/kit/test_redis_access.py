"""From settings to a Redis server value."""

from __future__ import annotations

from tidegate.kit.systems.redis import Login, RedisServer
from tidegate.kit.tls import Tls


def test_a_server_says_where_it_is_but_not_how_to_log_in() -> None:
    server = RedisServer(
        ("a:1", "b:2"),
        mode="sentinel",
        login=Login("user", "hunter2"),
        tls=Tls(ca="pem", key="hunter2", key_password="hunter2"),
        master="main",
        sentinel_login=Login("", "hunter2"),
    )
    assert server.label() == "Redis master main (sentinels a:1, b:2)"
    assert "hunter2" not in repr(server)
    assert RedisServer(("a:1",), database=3).label() == "Redis a:1/3"
    assert RedisServer(("a:1", "b:2"), mode="cluster").label() == "Redis cluster a:1, b:2"


def test_a_rotated_password_is_another_server() -> None:
    before, after = (RedisServer(("a:1",), login=Login("", password)) for password in ("one", "two"))
    assert before != after
    assert before == RedisServer(("a:1",), login=Login("", "one"))
