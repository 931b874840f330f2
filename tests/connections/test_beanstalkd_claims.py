"""Tubes of a real beanstalkd that are claimed from: reservations end with the connection, and begin again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from parts import faults
from parts.beanstalkd_server import BeanstalkdServer as Process
from parts.claim_life import STEPS, Fate, lived
from parts.claimant import Claimant, Claimants
from parts.claimed_tubes import Tube
from parts.proxy import Proxy
from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.addresses import AddressPolicy
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.systems.beanstalkd import BeanstalkdServer
from tidegate.kit.systems.beanstalkd_claims import TubeSource
from tidegate.kit.systems.claims import Done, Renewals

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("beanstalkd-claims")]


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with Process() as server:
        yield server


@pytest.fixture
def tube(server: Process) -> Tube:
    tube = Tube(server)
    tube.empty()
    return tube


@pytest.fixture
def claimant(server: Process, claimants: Claimants) -> Claimants:
    def make(holder: str = "one", address: str = "", **fields: Any) -> Claimant:
        place = TubeSource(BeanstalkdServer(address or f"127.0.0.1:{server.port}"), "jobs")
        return claimants(place, holder, **{"timeout_s": 1.0, **fields})

    return make


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
async def test_who_dies_at_any_step_loses_and_doubles_nothing(tube: Tube, is_done: bool) -> None:
    for number in range(1, STEPS):
        await lived(tube, Fate(number, is_done))


async def test_so_many_steps_are_a_whole_life(tube: Tube) -> None:
    assert 6 <= (await lived(tube, Fate())).fate.steps < STEPS


async def test_jobs_are_reserved_in_order_and_no_more_than_were_asked_for(
    tube: Tube, claimant: Claimants
) -> None:
    tube.push(b"a", b"b", b"c")
    one = claimant()
    first = await one.take(2)
    assert [item.body for item in first.items] == [b"a", b"b"]
    assert (tube.count("reserved"), tube.count("ready")) == (2, 1)
    assert (await one.take(2, *(item.id for item in first.items))).items == ()


async def test_a_restart_reserves_just_what_its_jobs_work_on(tube: Tube, claimant: Claimants) -> None:
    tube.push(b"a", b"b", b"c")
    one = claimant()
    first, second = (await one.take(2)).items
    await one.writers.close()
    again = claimant()
    shown = ((second.id, second.receipt), ("999-00000000", "999"))
    again.receipts = dict(shown)
    assert (await again.take(0)).held == ((second.id, second.receipt),)
    assert (tube.count("reserved"), tube.count("ready")) == (1, 2)
    assert await again.ask(Acknowledge(second.id, "job"), Acknowledge(first.id, "job")) == [Done(), Done()]
    assert (tube.count("reserved"), tube.count("ready")) == (0, 1)


async def test_a_connection_that_was_lost_takes_its_reservations_up_again(
    tube: Tube, claimant: Claimants, proxy_for: Callable[[int], Awaitable[Proxy]]
) -> None:
    tube.push(b"a", b"b")
    proxy = await proxy_for(tube.port)
    one = claimant(address=proxy.address)
    ids = tuple(item.id for item in (await one.take(2)).items)
    proxy.cut_after = 1
    with pytest.raises(Unreachable):
        await one.ask(Renew(ids))
    proxy.cut_after = None
    await one.take(0)
    assert tube.count("reserved") == 2
    assert await one.ask(Renew(ids)) == [Renewals()]


async def test_what_others_have_reserved_is_lost_and_left_alone(tube: Tube, claimant: Claimants) -> None:
    tube.push(b"a")
    one, two = claimant(), claimant("two")
    (item,) = (await one.take(1)).items
    await one.writers.close()
    (other,) = (await two.take(1)).items
    assert other.id == item.id
    told = await one.ask(Renew((item.id,)), Acknowledge(item.id, ""), DeadLetter(item.id, 5, "", ""))
    assert told == [Renewals((item.id,)), Done(is_elsewhere=True), Done(is_elsewhere=True)]
    assert await two.ask(Renew((other.id,)), Acknowledge(other.id, "")) == [Renewals(), Done()]


async def test_released_jobs_rest_and_their_count_is_nobodys(tube: Tube, claimant: Claimants) -> None:
    tube.push(b"a")
    one = claimant()
    (item,) = (await one.take(1)).items
    asked = Release(item.id, 1, 300.0, "job")
    assert await one.ask(asked, asked) == [Done(is_uncounted=True)] * 2
    assert tube.count("delayed") == 1
    assert await one.ask(Acknowledge(item.id, "job"), Acknowledge(item.id, "job")) == [Done(), Done()]
    assert tube.count("delayed") == 0


async def test_dead_letters_are_buried_and_kicked_ones_are_other_messages(
    tube: Tube, claimant: Claimants
) -> None:
    tube.push(b"a")
    one = claimant()
    (item,) = (await one.take(1)).items
    asked = DeadLetter(item.id, 5, "job", "why")
    assert await one.ask(asked, asked) == [Done(), Done()]
    assert tube.dead() == [b"a"]
    tube.server.say("use jobs", "kick 1")
    (again,) = (await one.take(1)).items
    assert again.body == b"a"
    assert again.id != item.id, "the Jobs that failed before it was kicked are not its own"


async def test_what_is_given_back_is_ready_at_once(tube: Tube, claimant: Claimants) -> None:
    tube.push(b"a", b"b")
    one = claimant()
    first, _ = (await one.take(2)).items
    assert await one.ask(GiveBack((first.id,))) == [Done()]
    assert (tube.count("reserved"), tube.count("ready")) == (1, 1)


async def test_a_time_to_run_below_the_lease_is_told_and_nothing_is_claimed(
    tube: Tube, claimant: Claimants
) -> None:
    tube.push(b"a", ttr_s=30)
    (error,) = await claimant().ask(Take(1))
    assert isinstance(error, Misconfigured)
    assert "let tidegate.dev/claim-lease be at most 30" in str(error)
    assert tube.count("ready") == 1
    assert len((await claimant(lease_s=30).take(1)).items) == 1


async def test_a_number_that_a_new_server_gives_again_is_another_message() -> None:
    with Process() as server:
        tube = Tube(server)
        tube.push(b"a")
        one = Claimant(tube.source(f"127.0.0.1:{server.port}"), timeout_s=1.0)
        try:
            (item,) = (await one.take(1)).items
            server.kill()
            with pytest.raises(Unreachable):
                await one.ask(Renew((item.id,)))
            server.start()
            tube.push(b"a")
            assert await one.ask(Renew((item.id,)), Acknowledge(item.id, "")) == [
                Renewals((item.id,)),
                Done(),
            ]
            assert tube.count("ready") == 1, "it is not deleted in the name of the other"
            (other,) = (await one.take(1)).items
            assert other.receipt == item.receipt
            assert other.id != item.id
        finally:
            await one.writers.close()


class Logging(Process):
    """One that keeps its jobs in a log."""

    def command(self) -> list[str]:
        return [*super().command(), "-b", str(self.folder), "-f", "0"]


async def test_a_server_with_a_log_keeps_messages_and_identities() -> None:
    with Logging() as server:
        tube = Tube(server)
        tube.push(b"a", b"b")
        one = Claimant(tube.source(f"127.0.0.1:{server.port}"), timeout_s=1.0)
        try:
            (item,) = (await one.take(1)).items
            server.kill()
            with pytest.raises(Unreachable):
                await one.ask(Renew((item.id,)))
            server.start()
            assert await one.ask(Renew((item.id,))) == [Renewals()]
            assert (tube.count("reserved"), tube.count("ready")) == (1, 1)
            assert await one.ask(Acknowledge(item.id, "")) == [Done()]
            assert (tube.count("reserved"), tube.count("ready")) == (0, 1)
        finally:
            await one.writers.close()


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"OK -1\r\n", b"OK 99999999999\r\n"])
async def test_what_is_not_the_protocol_is_told(claimant: Claimants, said: bytes) -> None:
    async with faults.saying(said) as other:
        with pytest.raises(Malformed):
            await claimant(address=f"127.0.0.1:{other.port}").ask(Take(1))


async def test_a_server_that_never_answers_is_given_up(claimant: Claimants) -> None:
    async with faults.silent() as silent:
        with pytest.raises(Unreachable):
            await claimant(address=f"127.0.0.1:{silent.port}").ask(Take(1))


async def test_the_autoscalers_own_machine_is_not_dialled_on_a_cluster(claimant: Claimants) -> None:
    async with faults.silent() as listening:
        one = claimant(address=f"127.0.0.1:{listening.port}", policy=AddressPolicy.on_a_cluster())
        with pytest.raises(TidegateError) as refused:
            await one.ask(Take(1))
        assert isinstance(refused.value, Misconfigured)
        assert listening.connections == 0
