"""Real sentinels: the master is found, followed through a failover, and logged in to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from parts.redis_servers import RedisProcess
from parts.waiting import wait_until
from parts.watched import watched
from tidegate.base.errors import Denied, Misconfigured, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.redis.single import SingleConnection
from tidegate.kit.systems.redis import Login, RedisChanges, RedisLength, RedisServer

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("redis-sentinel")]

PASSWORD, SENTINEL_PASSWORD = "hunter2-master", "hunter2-sentinel"
QUESTION = RedisLength(RedisServer(("any:1",)), "jobs")


class Trio:
    """A master, its replica, and a sentinel that watches them."""

    def __init__(self, start_redis: Callable[..., RedisProcess], folder: Path) -> None:
        logins = ("--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0")
        self.master = start_redis(*logins, password=PASSWORD)
        self.master.call("RPUSH", "jobs", 1, 2, 3)
        self.replica = start_redis(
            *logins, "--replicaof", "127.0.0.1", str(self.master.port), password=PASSWORD
        )
        wait_until(lambda: self.replica.call("ROLE")[3] == b"connected", "the replica follows its master", 30)
        file = folder / f"sentinel-{self.master.port}.conf"
        file.write_text(
            f"sentinel monitor main 127.0.0.1 {self.master.port} 1\n"
            f"sentinel auth-pass main {PASSWORD}\n"
            "sentinel down-after-milliseconds main 500\n"
        )
        self.sentinel = start_redis(
            str(file), "--sentinel", "--requirepass", SENTINEL_PASSWORD, password=SENTINEL_PASSWORD
        )
        wait_until(
            lambda: bool(self.sentinel.call("SENTINEL", "REPLICAS", "main")), "the sentinel sees it", 30
        )

    def master_port(self) -> int:
        return int(self.sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")[1])


@pytest.fixture(scope="module")
def trio(start_redis: Callable[..., RedisProcess], tmp_path_factory: pytest.TempPathFactory) -> Trio:
    return Trio(start_redis, tmp_path_factory.mktemp("sentinel"))


@pytest.fixture
async def connect(trio: Trio) -> AsyncIterator[Callable[..., SingleConnection]]:
    made: list[SingleConnection] = []

    def make(
        *addresses: str,
        master: str = "main",
        password: str = PASSWORD,
        sentinel_password: str = SENTINEL_PASSWORD,
        recheck_s: float = 10.0,
    ) -> SingleConnection:
        server = RedisServer(
            addresses or (trio.sentinel.address,),
            mode="sentinel",
            login=Login("", password),
            master=master,
            sentinel_login=Login("", sentinel_password),
        )
        made.append(SingleConnection(server, Surroundings(timeout_s=5.0), recheck_s=recheck_s))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


async def test_the_master_is_asked_in_one_round_trip(trio: Trio, connect: Any) -> None:
    adapter = connect()
    assert await adapter.answer([QUESTION]) == [3]
    before = adapter.round_trips, adapter.connections
    assert await adapter.answer([QUESTION] * 3) == [3, 3, 3]
    assert (adapter.round_trips, adapter.connections) == (before[0] + 1, before[1])


async def test_one_living_sentinel_is_enough(trio: Trio, connect: Any) -> None:
    assert await connect("127.0.0.1:1", trio.sentinel.address, "nowhere.invalid:2").answer([QUESTION]) == [3]


async def test_no_living_sentinel_is_unreachable(trio: Trio, connect: Any) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1:"):
        await connect("127.0.0.1:1").answer([QUESTION])


async def test_a_server_that_is_no_sentinel_is_told(trio: Trio, connect: Any) -> None:
    (answer,) = await connect(trio.master.address, sentinel_password=PASSWORD).answer([QUESTION])
    assert isinstance(answer, Misconfigured)
    assert "it is no sentinel; name sentinels in `addresses`" in str(answer)


async def test_a_name_that_no_sentinel_knows_is_told(trio: Trio, connect: Any) -> None:
    with pytest.raises(Unreachable, match=r"the master other .* check `sentinelMaster`"):
        await connect(master="other").answer([QUESTION])


@pytest.mark.parametrize(
    ("wrong", "setting"), [("password", "password"), ("sentinel_password", "sentinelPassword")]
)
async def test_both_logins_are_needed(trio: Trio, connect: Any, wrong: str, setting: str) -> None:
    with pytest.raises(Denied, match=f"and `{setting}`") as caught:
        await connect(**{wrong: "hunter2-wrong"}).answer([QUESTION])
    assert "hunter2" not in str(caught.value)


async def test_the_master_tells_of_changes(trio: Trio, connect: Any) -> None:
    changes = RedisChanges(QUESTION.server, "mail")
    async with watched(connect(), changes) as heard:
        await heard.until_open()
        trio.master.call("RPUSH", "mail", 1)
        await heard.told(changes)


@pytest.fixture
def own_trio(start_redis: Callable[..., RedisProcess], tmp_path: Path) -> Trio:
    """A trio that a test may break."""
    return Trio(start_redis, tmp_path)


async def test_the_new_master_is_asked_after_a_failover(own_trio: Trio, connect: Any) -> None:
    adapter = connect(own_trio.sentinel.address)
    assert await adapter.answer([QUESTION]) == [3]
    own_trio.master.stop()
    replica = own_trio.replica
    wait_until(lambda: own_trio.master_port() == replica.port, "the sentinel names the new master", 30)
    replica.call("RPUSH", "jobs", 4)
    assert await adapter.answer([QUESTION]) == [4]


async def test_a_node_that_was_made_a_replica_is_not_believed(own_trio: Trio, connect: Any) -> None:
    adapter = connect(own_trio.sentinel.address)
    assert await adapter.answer([QUESTION]) == [3]
    # The connection stays open and no sentinel speaks: the role alone tells.
    own_trio.sentinel.call("SENTINEL", "REMOVE", "main")
    own_trio.replica.call("REPLICAOF", "NO", "ONE")
    own_trio.master.call("REPLICAOF", "127.0.0.1", own_trio.replica.port)
    with pytest.raises(Unreachable):
        await adapter.answer([QUESTION])


async def test_a_master_that_was_replaced_without_knowing_is_left(own_trio: Trio, connect: Any) -> None:
    adapter = connect(own_trio.sentinel.address, recheck_s=0)
    assert await adapter.answer([QUESTION]) == [3]
    own_trio.sentinel.call("SENTINEL", "REMOVE", "main")
    own_trio.replica.call("REPLICAOF", "NO", "ONE")
    own_trio.replica.call("RPUSH", "jobs", 4)
    own_trio.sentinel.call("SENTINEL", "MONITOR", "main", "127.0.0.1", own_trio.replica.port, 1)
    assert await adapter.answer([QUESTION]) == [4]


async def test_a_master_is_kept_while_no_sentinel_answers(own_trio: Trio, connect: Any) -> None:
    adapter = connect(own_trio.sentinel.address, recheck_s=0)
    assert await adapter.answer([QUESTION]) == [3]
    own_trio.sentinel.stop()
    assert await adapter.answer([QUESTION]) == [3]
    assert adapter.connections == 2
