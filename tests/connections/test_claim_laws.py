"""The laws of claimed work, at the real server of every source that messages are claimed from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from parts.claim_life import STEPS, Fate, lived
from parts.claim_sources import SOURCES, ClaimSource
from parts.claimant import Claimant, Claimants
from parts.proxy import Proxy
from parts.waiting import until_so
from tidegate.base.errors import Misconfigured, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.claims.writers import Writers
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Take
from tidegate.kit.systems.claims import Command, Deliveries, Done, NotYet

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("claim-laws")]


@pytest.fixture(scope="module", params=SOURCES)
def started(request: pytest.FixtureRequest) -> Iterator[ClaimSource]:
    with SOURCES[request.param]() as source:
        yield source


@pytest.fixture
def source(started: ClaimSource) -> ClaimSource:
    started.empty()
    return started


@pytest.fixture
def claimant(source: ClaimSource, claimants: Claimants) -> Claimants:
    def make(
        holder: str = "one", address: str = "", lease_s: float = 60.0, after: Claimant | None = None
    ) -> Claimant:
        """With the receipts that one before has put on its Jobs."""
        place = source.source(address or f"127.0.0.1:{source.port}")
        receipts = after.receipts.items() if after else ()
        source.lasts(lease_s)
        return claimants(place, holder, lease_s=lease_s, receipts=receipts)

    return make


async def some(one: Claimant) -> Deliveries:
    """What comes once something does."""
    found = await one.take(5)

    async def has_come() -> bool:
        nonlocal found
        found = found if found.items else await one.take(5)
        return bool(found.items)

    await until_so(has_come)
    return found


def bodies(found: Deliveries) -> list[bytes]:
    return [one.body for one in found.items]


async def test_messages_come_in_order_and_no_more_than_were_asked_for(
    source: ClaimSource, claimant: Claimants
) -> None:
    source.push(b"a", "ü$(PATH)".encode(), b"c")
    one = claimant()
    first = await one.take(2)
    assert bodies(first) == [b"a", "ü$(PATH)".encode()]
    assert [item.finished for item in first.items] == [0, 0]
    ids = [item.id for item in first.items]
    assert (await one.take(2, *ids)).items == ()
    assert source.unclaimed() == [b"c"]
    assert bodies(await one.take(9, *ids)) == [b"c"]
    await one.writers.close()
    assert (source.unclaimed(), source.kept()) == ([], 3)


async def test_more_than_fit_an_answer_come_one_answer_after_the_other(
    source: ClaimSource, claimant: Claimants
) -> None:
    # None of ours has room for so many in one; whoever is told that there are no more waits for a poll.
    source.push(*(b"%d" % number for number in range(210)))
    one = claimant()
    ids, has_more = set[str](), True
    while has_more:
        found = await one.take(300, *ids)
        ids |= {item.id for item in found.items}
        has_more = found.has_more
    assert len(ids) == 210
    assert source.unclaimed() == []


async def test_who_comes_anew_is_told_what_it_holds_and_nobody_else_is(
    source: ClaimSource, claimant: Claimants
) -> None:
    source.push(b"a", b"b", b"c")
    one = claimant()
    taken = await one.take(2)
    await one.writers.close()
    again = await claimant(after=one).take(0)
    if source.gives_receipts:
        assert {id for id, _ in again.held} == {item.id for item in taken.items}
    else:
        assert {(item.id, item.body) for item in again.items} == {
            (item.id, item.body) for item in taken.items
        }
    assert (await claimant("two").take(0)).items == ()
    assert source.unclaimed() == [b"c"]


async def test_what_was_acknowledged_is_gone_and_again_changes_nothing(
    source: ClaimSource, claimant: Claimants
) -> None:
    source.push(b"a", b"b")
    one = claimant()
    (item,) = (await one.take(1)).items
    assert await one.ask(Acknowledge(item.id, "job"), Acknowledge(item.id, "job")) == [Done(), Done()]
    late = Done(is_uncounted=source.gives_receipts)
    assert await one.ask(Acknowledge(item.id, "job"), Release(item.id, 1, 0.0, "job")) == [Done(), late]
    await one.writers.close()
    assert (source.unclaimed(), source.kept(), source.dead()) == ([b"b"], 0, [])


async def test_what_was_released_comes_back_when_it_is_due_with_its_count(
    source: ClaimSource, claimant: Claimants
) -> None:
    source.push(b"a", b"b")
    one = claimant()
    a, b = (await one.take(2)).items
    done = Done(is_uncounted=source.gives_receipts)
    released = Release(a.id, 1, 60.0, "job")
    assert await one.ask(released, released, Release(b.id, 1, source.shortest_s, "job")) == [done] * 3
    found = await some(one)
    (again,) = found.items
    # Where the source counts nothing, the Job that has failed does.
    assert (again.id, again.body, again.finished) == (b.id, b"b", not source.gives_receipts)
    if not source.gives_receipts:
        assert found.retry_s is not None
        assert 0 < found.retry_s <= 60
        # A release that comes late, of an attempt that was counted, takes nothing from the next one.
        assert await one.ask(Release(b.id, 1, 0.0, "job")) == [Done()]
    assert (await one.take(2, b.id)).items == ()
    assert await one.renew(b.id)
    await one.writers.close()
    assert source.kept() == 2


async def test_a_lease_that_ends_gives_the_message_to_another_and_the_first_is_told(
    source: ClaimSource, claimant: Claimants
) -> None:
    if not source.keeps_leases or not source.tells_losses:
        return
    source.push(b"a", b"b")
    one, two = claimant(), claimant("two")
    first, second = (await one.take(2)).items
    assert (await two.take(5)).items == ()
    short = claimant(lease_s=source.shortest_s, after=one)
    assert await short.renew(first.id)
    assert await short.renew(second.id)
    await asyncio.sleep(source.shortest_s + 0.05)
    # Nobody has taken it yet: where that can be told, the first still has it, and may go on.
    late = claimant(after=short)
    assert await late.renew(first.id) == source.holds_on
    (*before, other) = (await some(two)).items
    assert bool(before) != source.holds_on
    assert (other.id, other.body) == (second.id, b"b")
    assert not await late.renew(other.id)
    told = await late.ask(Acknowledge(other.id, ""), Release(other.id, 1, 0, ""))
    if source.gives_receipts:
        assert told == [NotYet(), Done(is_uncounted=True)]
    else:
        assert told == [Done(is_elsewhere=True), Done(is_elsewhere=True)]
    assert await two.renew(other.id)


async def test_a_dead_letter_is_put_aside_once(source: ClaimSource, claimant: Claimants) -> None:
    source.push(b"a", b"b")
    one = claimant()
    first, second = (await one.take(2)).items
    asked = DeadLetter(first.id, 2, "job", "2 Jobs have failed")
    assert await one.ask(asked, asked) == [Done(), Done()]
    assert await one.renew(second.id)
    await one.writers.close()
    assert (source.dead(), source.kept()) == ([b"a"], 1)


async def test_what_is_given_back_comes_again_and_others_claims_stay(
    source: ClaimSource, claimant: Claimants
) -> None:
    source.push(b"a", b"b", b"c", b"d")
    one, two = claimant(), claimant("two")
    first, second = (await one.take(2)).items
    (other,) = (await two.take(1)).items
    await one.ask(Release(first.id, 1, 60.0, "job"), GiveBack((second.id,)))
    assert await two.renew(other.id)
    assert await two.ask(Acknowledge(other.id, "job")) == [Done()]
    await one.ask(GiveBack(()))
    # What was released rests in its queue where there is no other place for it.
    resting = [] if source.gives_receipts else [b"a"]
    assert sorted(bodies(await claimant("three").take(9))) == [*resting, b"b", b"d"]


async def test_an_answer_that_was_cut_off_loses_no_message(
    source: ClaimSource, claimant: Claimants, proxy_for: Callable[[int], Awaitable[Proxy]]
) -> None:
    if not source.is_behind_proxy:
        return
    source.push(b"a", b"b", b"c")
    proxy = await proxy_for(source.port)
    one = claimant(address=proxy.address, lease_s=source.shortest_s if source.gives_receipts else 60.0)
    await one.take(0)
    proxy.cut_after = 5
    with pytest.raises(Unreachable):
        await one.ask(Take(2))
    proxy.cut_after = None
    if source.gives_receipts:
        # Nobody has the receipts: they come again once their leases are over.
        await asyncio.sleep(source.shortest_s + 0.05)
        assert sorted(bodies(await one.take(9))) == [b"a", b"b", b"c"]
        return
    assert sorted(bodies(await one.take(2))) == [b"a", b"b"]
    assert source.unclaimed() == [b"c"]


async def test_a_claim_that_is_repeated_takes_what_has_come_meanwhile_and_loses_nothing(
    source: ClaimSource, claimant: Claimants
) -> None:
    source.push(b"a", b"b")
    one = claimant()
    command = one.command(Take(5))
    (first,) = await one.writers.carry_out("user", [command])
    source.push(b"c", b"d")
    (again,) = await one.writers.carry_out("user", [command])
    assert isinstance(first, Deliveries)
    assert isinstance(again, Deliveries)
    if source.gives_receipts:
        assert sorted(bodies(again)) == [b"c", b"d"]
    else:
        assert sorted(bodies(again)) == [b"a", b"b", b"c", b"d"]
        assert {(item.id, item.body) for item in first.items} < {(item.id, item.body) for item in again.items}
    assert len({item.id for item in (*first.items, *again.items)}) == 4
    await one.writers.close()
    assert source.kept() == 4


async def test_on_a_cluster_nothing_is_claimed_from_the_operators_own_machine(source: ClaimSource) -> None:
    source.push(b"a")
    writers = Writers(Surroundings(policy=AddressPolicy(), timeout_s=3.0))
    command = Command(source.source(f"127.0.0.1:{source.port}"), "one", 60.0, Take(1), (), "n")
    try:
        with pytest.raises(Misconfigured):
            await writers.carry_out("user", [command])
    finally:
        await writers.close()
    assert source.unclaimed() == [b"a"]


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
async def test_who_dies_at_any_step_loses_and_doubles_nothing(source: ClaimSource, is_done: bool) -> None:
    # Where each death is the wait for a lease, a mode has some of the steps; in virtual time both have all.
    for number in range(1 + is_done, STEPS, source.pace):
        fate = Fate(number, is_done)
        await lived(source, fate)


async def test_so_many_steps_are_a_whole_life(source: ClaimSource) -> None:
    life = await lived(source, Fate())
    assert 6 <= life.fate.steps < STEPS
