"""Random worlds of claimed work: crashes, lost answers, stopped processes, deleted Jobs; the laws hold."""

from __future__ import annotations

from collections import Counter

import pytest

from parts.claim_receipts import ReceiptBroker
from parts.claim_world import Broker, Claims, ending
from tidegate.core.claims.values import Policy

POLICY = Policy(maximum=4, attempts=3, lease_s=60.0)
BODIES = [*(f"plain-{n}" for n in range(12)), *(f"shaky-{n}" for n in range(4)), "poison-0", "poison-1"]

# What a broker keeps of a claim: all of it; identity and receipt alone.
BROKERS = [pytest.param(Broker, id="keeps-all"), pytest.param(ReceiptBroker, id="gives-receipts")]


def lived(world: Claims, steps: int) -> None:
    bodies = BODIES.copy()
    world.chance.shuffle(bodies)
    for number in range(steps):
        if bodies and number % 3 == 0:
            world.broker.queue.append(bodies.pop())
        world.step()
    world.broker.queue += bodies
    world.settle()


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("broker", BROKERS)
def test_every_message_ends_once_whatever_crashes_or_is_cut(seed: int, broker: type[Broker]) -> None:
    world = Claims(seed, POLICY, broker=broker)
    world.cut, world.crash = 0.2, 0.1
    lived(world, 120)
    assert not world.broker.queue
    assert not world.broker.records
    assert Counter(world.broker.dead) == {"poison-0": 1, "poison-1": 1}
    good = [one for one in BODIES if not one.startswith("poison")]
    assert Counter(world.broker.done) == Counter(good)
    assert Counter(world.successes) == Counter(good)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("broker", BROKERS)
def test_deleted_jobs_lose_no_message_and_no_outcome(seed: int, broker: type[Broker]) -> None:
    world = Claims(seed, POLICY, broker=broker)
    world.cut, world.crash, world.meddling = 0.1, 0.05, 0.1
    lived(world, 120)
    assert not world.broker.queue
    assert not world.broker.records
    assert sorted(world.broker.done + world.broker.dead) == sorted(BODIES)
    assert Counter(world.successes) == Counter(world.broker.done)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("broker", BROKERS)
def test_nothing_is_lost_where_processes_stop_for_longer_than_a_lease(
    seed: int, broker: type[Broker]
) -> None:
    world = Claims(seed, POLICY, holders=3, longest_stop_s=200.0, broker=broker)
    world.cut, world.crash = 0.1, 0.05
    lived(world, 150)
    assert not world.broker.queue
    assert not world.broker.records
    ended = set(world.broker.done) | set(world.broker.dead)
    assert ended == set(BODIES)
    assert set(world.broker.done) >= {one for one in BODIES if one.startswith("plain")}


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("broker", BROKERS)
def test_an_object_that_ends_gives_back_what_has_not_started(seed: int, broker: type[Broker]) -> None:
    world = Claims(seed, POLICY, broker=broker)
    world.cut, world.crash = 0.2, 0.1
    world.broker.queue += BODIES
    for _ in range(world.chance.randrange(40)):
        world.step()
    claimant = world.claimants[0]
    claimant.policy = ending(claimant.policy)
    world.cut = world.crash = 0.0
    for _ in range(100 if world.broker.is_counting else 200):
        world.step()
    # What was released is in its queue where no other place is kept for it.
    back = [one.body for one in world.broker.records.values()]
    assert not back or not world.broker.is_counting
    assert not [one for one in world.jobs.values() if one.is_guarded]
    assert sorted(back + world.broker.queue + world.broker.done + world.broker.dead) == sorted(BODIES)
