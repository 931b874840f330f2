"""A real beanstalkd: its tubes in one round trip, and everything a network does to us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from parts import faults
from parts.beanstalkd_server import BeanstalkdServer as Process
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Malformed, Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.beanstalkd import BeanstalkdConnection, connect
from tidegate.kit.systems.beanstalkd import BeanstalkdServer, JobCounts, TubeJobs
from tidegate.kit.systems.kubernetes import PodCount

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("beanstalkd")]

Adapters = Callable[..., BeanstalkdConnection]
ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def server(servers: Servers) -> Process:
    """With a tube of each kind of job."""
    process = servers.get(Process)
    process.put("full", 3)
    process.put("later", 2, delay_s=600)
    process.put("buried", 1)
    process.say("watch buried", "ignore default", "reserve", "bury 6 0")
    return process


@pytest.fixture
async def adapter() -> AsyncIterator[Adapters]:
    """Makes adapters: `adapter(address, timeout_s=…)`; they end with the test."""
    made: list[Any] = []

    def make(address: str, **around: Any) -> Any:
        made.append(connect(BeanstalkdServer(address), Surroundings(**{"timeout_s": 5.0, **around})))
        return made[-1]

    yield make
    for one in made:
        await one.close()
        await one.close()


def tubes(*names: str) -> list[TubeJobs]:
    return [TubeJobs(BeanstalkdServer("any:1"), name) for name in names]


async def test_each_state_of_a_job_is_counted_and_a_tube_that_is_not_there_is_empty(
    server: Process, adapter: Adapters
) -> None:
    assert await adapter(server.address).answer(tubes("full", "later", "buried", "nowhere", "default")) == [
        JobCounts(ready=3),
        JobCounts(delayed=2),
        JobCounts(),
        JobCounts(),
        JobCounts(),
    ]
    with server.reserving("full", 2):
        assert await adapter(server.address).answer(tubes("full")) == [JobCounts(ready=1, reserved=2)]


async def test_a_thousand_tubes_are_one_round_trip_on_one_connection(
    server: Process, adapter: Adapters, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    one = adapter(proxy.address)
    names = [("full", "nowhere")[number % 2] for number in range(one.batch)]
    for round_trips in range(1, 4):
        assert await one.answer(tubes(*names)) == [JobCounts(ready=3), JobCounts()] * (one.batch // 2)
        assert (proxy.turns, proxy.connections) == (round_trips, 1)


async def test_long_names_and_long_answers_do_not_lock_both_sides(server: Process, adapter: Adapters) -> None:
    names = [f"{number:0200}" for number in range(1000)]
    assert await adapter(server.address).answer(tubes(*names)) == [JobCounts()] * 1000


async def test_a_question_that_cannot_be_answered_fails_alone(server: Process, adapter: Adapters) -> None:
    illegal, foreign, good = await adapter(server.address).answer(
        [*tubes("-illegal"), PodCount("shop", "app=web"), *tubes("full")]
    )
    assert isinstance(illegal, Malformed)
    assert "tube -illegal" in str(illegal)
    assert "BAD_FORMAT" in str(illegal)
    assert isinstance(foreign, Unsupported)
    assert good == JobCounts(ready=3)


async def test_after_a_restart_the_next_question_is_answered(adapter: Adapters) -> None:
    with Process() as own:
        one = adapter(own.address)
        own.put("kept", 1)
        assert await one.answer(tubes("kept")) == [JobCounts(ready=1)]
        own.kill()
        own.start()
        assert await one.answer(tubes("kept")) == [JobCounts()]
        own.stop()
        for _ in range(2):
            with pytest.raises(Unreachable, match=f"{own.address}: connection refused; check that"):
                await one.answer(tubes("kept"))
        own.start()
        assert await one.answer(tubes("kept")) == [JobCounts()]


async def test_a_name_is_resolved_by_us_and_told_when_it_is_none(server: Process, adapter: Adapters) -> None:
    one = adapter(f"jobs.shop:{server.port}", resolve=lambda host: "127.0.0.1")
    assert await one.answer(tubes("full")) == [JobCounts(ready=3)]
    with pytest.raises(Unreachable, match=faults.NOWHERE):
        await adapter(f"{faults.NOWHERE}:11300").answer(tubes("full"))


async def test_an_address_that_triggers_may_not_ask_is_not_dialled(
    server: Process, adapter: Adapters
) -> None:
    policy = AddressPolicy.on_a_cluster()
    with pytest.raises(Misconfigured, match="loopback"):
        await adapter(server.address, policy=policy).answer(tubes("full"))
    allowed = AddressPolicy.on_a_cluster(["127.0.0.0/8"])
    assert await adapter(f"localhost:{server.port}", policy=allowed).answer(tubes("full"))


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any, adapter: Adapters) -> None:
    async with fault() as bad:
        with pytest.raises(Unreachable, match=bad.address):
            await adapter(bad.address, timeout_s=0.3).answer(tubes("full"))


async def test_a_server_that_falls_silent_or_cuts_is_asked_again(
    server: Process, adapter: Adapters, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    one = adapter(proxy.address, timeout_s=0.3)
    proxy.mode = "stall"
    with pytest.raises(Unreachable, match=r"no answer within 0\.3 s"):
        await one.answer(tubes("full"))
    proxy.mode, proxy.cut_after, before = "pass", 40, proxy.connections
    with pytest.raises(Unreachable, match="the connection was closed"):
        await one.answer(tubes("full"))
    assert proxy.connections == before + 2  # the question, and once more
    proxy.cut_after = None
    assert await one.answer(tubes("full")) == [JobCounts(ready=3)]
    proxy.cut()
    assert await one.answer(tubes("full")) == [JobCounts(ready=3)]
    assert proxy.connections == before + 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not the beanstalkd protocol"),
        (b"x" * 1_000_000, "not the beanstalkd protocol"),
        (b"OK 10000000\r\n" + b"x" * 10_000_000 + b"\r\n", "not the beanstalkd protocol"),
        (b"OK -5\r\n", "not the beanstalkd protocol"),
        (b"hunter2\r\n", "not the beanstalkd protocol"),
        (b"UNKNOWN_COMMAND\r\n", "UNKNOWN_COMMAND"),
        (b"OK 9\r\nname: full\r\n", "lack the numbers"),
        (b"OK 27\r\ncurrent-jobs-ready: many\nx: 1\r\n", "lack the numbers"),
        (b"OK 72\r\ncurrent-jobs-ready: -1\ncurrent-jobs-reserved: 0\ncurrent-jobs-delayed: 0\n\r\n",
         "lack the numbers"),
    ],
)  # fmt: skip
async def test_a_strange_answer_is_malformed(text: bytes, words: str, adapter: Adapters) -> None:
    async with faults.saying(text) as bad:
        (answer,) = await adapter(bad.address, timeout_s=2).answer(tubes("full"))
    assert isinstance(answer, Malformed), answer
    assert words in str(answer)
    assert "hunter2" not in str(answer)


async def test_a_server_without_memory_is_out_of_reach(adapter: Adapters) -> None:
    async with faults.saying(b"OUT_OF_MEMORY\r\n") as bad:
        (answer,) = await adapter(bad.address).answer(tubes("full"))
    assert isinstance(answer, Unreachable)


async def test_what_is_out_of_step_is_not_read_on(adapter: Adapters) -> None:
    async with faults.saying(b"hello\r\nNOT_FOUND\r\n") as bad:
        one = adapter(bad.address, timeout_s=2)
        for connections in (1, 2):
            (answer,) = await one.answer(tubes("full"))
            assert isinstance(answer, Malformed)
            assert bad.connections == connections
