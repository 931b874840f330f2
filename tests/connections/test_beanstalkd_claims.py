"""Tubes of a real beanstalkd that are claimed from: reservations end with the connection, and begin again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from parts import faults
from parts.beanstalkd_server import BeanstalkdServer as Process
from parts.claim_life import POISON, Fate, Life
from parts.proxy import Proxy
from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.claims.writers import Writers
from tidegate.core.claims.values import Acknowledge, Ask, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.systems.beanstalkd import BeanstalkdServer
from tidegate.kit.systems.beanstalkd_claims import TubeSource
from tidegate.kit.systems.claims import Command, Deliveries, Done, Renewals

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("beanstalkd-claims")]


class Tube:
    """The tube `jobs`, as lives of claimed work need it."""

    keeps_leases = False
    is_behind_proxy = True
    # It gives some, but nothing has to be waited for: what a connection has reserved is ready when it ends.
    gives_receipts = False
    shortest_s = 1.0

    def __init__(self, server: Process) -> None:
        self.server = server
        self.port = server.port

    def empty(self) -> None:
        for kind in ("ready", "delayed", "buried"):
            while (found := self.server.say("use jobs", f"peek-{kind}").splitlines()[1]).startswith("FOUND"):
                self.server.say(f"delete {found.split()[1]}")

    def push(self, *bodies: bytes, ttr_s: int = 600) -> None:
        self.server.say("use jobs", *(f"put 0 0 {ttr_s} {len(one)}\r\n{one.decode()}" for one in bodies))

    def source(self, address: str) -> TubeSource:
        return TubeSource(BeanstalkdServer(address), "jobs")

    def count(self, state: str) -> int:
        lines = self.server.say("use jobs", "stats-tube jobs").splitlines()
        return next(int(one.split()[1]) for one in lines if one.startswith(f"current-jobs-{state}:"))

    def unclaimed(self) -> list[bytes]:
        return [b"?"] * self.count("ready")

    def kept(self) -> int:
        return self.count("reserved") + self.count("delayed")

    def dead(self) -> list[bytes]:
        found = self.server.say("use jobs", "peek-buried").splitlines()
        return [found[2].encode()] if found[1].startswith("FOUND") else []


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with Process() as server:
        yield server


@pytest.fixture
def tube(server: Process) -> Tube:
    tube = Tube(server)
    tube.empty()
    return tube


class Claimant:
    def __init__(self, address: str, holder: str, lease_s: float, policy: AddressPolicy | None) -> None:
        around = {"policy": policy} if policy is not None else {}
        self.writers = Writers(Surroundings(timeout_s=1.0, **around))  # type: ignore[arg-type]
        self.source = TubeSource(BeanstalkdServer(address), "jobs")
        self.holder, self.lease_s = holder, lease_s

    async def ask(self, *asks: Ask, known: tuple[str, ...] = (), receipts: Any = ()) -> list[Any]:
        commands = [
            Command(self.source, self.holder, self.lease_s, one, known, "n", receipts) for one in asks
        ]
        return list(await self.writers.carry_out(self.holder, commands))

    async def take(self, maximum: int, *known: str, receipts: Any = ()) -> Deliveries:
        (found,) = await self.ask(Take(maximum), known=known, receipts=receipts)
        assert isinstance(found, Deliveries), found
        return found


Claimants = Callable[..., Claimant]


@pytest.fixture
async def claimant(server: Process) -> AsyncIterator[Claimants]:
    made: list[Claimant] = []

    def make(
        holder: str = "one", address: str = "", lease_s: float = 60.0, policy: AddressPolicy | None = None
    ) -> Claimant:
        made.append(Claimant(address or f"127.0.0.1:{server.port}", holder, lease_s, policy))
        return made[-1]

    yield make
    for one in made:
        await one.writers.close()


WORDS = [b"a", b"b", POISON, b"c"]
STEPS = 20


async def lived(tube: Tube, fate: Fate) -> Life:
    tube.empty()
    tube.push(*WORDS)
    life = Life(tube, f"127.0.0.1:{tube.port}", fate)
    await life.until_all_have_ended()
    assert life.begun == {b"a": 1, b"b": 1, b"c": 1, POISON: 2}
    assert life.ended == {b"a": 1, b"b": 1, b"c": 1, POISON: 0}
    assert tube.dead() == [POISON]
    assert (tube.unclaimed(), tube.kept()) == ([], 0)
    return life


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
    assert (await again.take(0, receipts=shown)).held == ((second.id, second.receipt),)
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
        one = Claimant(f"127.0.0.1:{server.port}", "one", 60.0, None)
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
        one = Claimant(f"127.0.0.1:{server.port}", "one", 60.0, None)
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
