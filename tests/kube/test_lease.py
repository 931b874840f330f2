"""Leader election, on a clock that jumps: at most one holds the Lease, and somebody does before long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import virtualtime
from parts.memory_client import MemoryClient, Write
from parts.memory_objects import MemoryObjects
from tidegate.base.errors import Unreachable
from tidegate.kube.lease import Lease, LeaseTimes, Lost
from tidegate.kube.resource import LEASES, ApiError

PLACE = ("keda", "operator.keda.sh")


class Replicas:
    """Replicas of one program before one server; each has a client of its own, which may be cut off."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.objects = MemoryObjects(clock)
        self.clients: dict[str, MemoryClient] = {}

    def lease(self, identity: str) -> Lease:
        client = self.clients[identity] = MemoryClient(self.objects, self.clock, (LEASES,))
        return Lease(client, PLACE, identity, LeaseTimes(), self.clock.monotonic)  # type: ignore[arg-type]

    def cut(self, identity: str) -> None:
        """Nothing that it sends arrives any more."""

        async def refuse(write: Write) -> None:
            raise Unreachable("write", answer="no route to host")

        self.clients[identity].before = refuse

    def spec(self) -> dict[str, Any]:
        found = self.objects.get(LEASES, *PLACE)
        assert found is not None
        return dict(found["spec"])


def told(story: Callable[[Any, Replicas], Awaitable[None]]) -> Callable[[], None]:
    def test() -> None:
        async def whole(clock: Any) -> None:
            await story(clock, Replicas(clock))

        virtualtime.run(whole)

    test.__name__ = story.__name__
    return test


async def over(seconds: float, clock: Any, task: asyncio.Task[Any]) -> bool:
    """Whether the task has ended after so long."""
    await clock.sleep(seconds)
    return task.done()


@told
async def test_a_lease_that_nobody_has_is_made_with_what_others_need_to_know(clock, replicas):
    lease = replicas.lease("one")
    await lease.acquire()
    assert replicas.spec() == {
        "holderIdentity": "one",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-05T08:00:00.000000Z",
        "renewTime": "2026-01-05T08:00:00.000000Z",
        "leaseTransitions": 0,
    }
    lease.check()


@told
async def test_whoever_comes_second_waits_as_long_as_it_is_renewed(clock, replicas):
    one, two = replicas.lease("one"), replicas.lease("two")
    await one.acquire()
    keeping, waiting = asyncio.create_task(one.keep()), asyncio.create_task(two.acquire())
    assert not await over(3_600, clock, waiting)
    assert one.is_held
    assert not two.is_held
    assert two.holder == "one"
    with pytest.raises(Lost):
        two.check()
    for task in (keeping, waiting):
        task.cancel()
    await asyncio.gather(keeping, waiting, return_exceptions=True)


@told
async def test_a_lease_given_back_is_taken_at_once(clock, replicas):
    one, two = replicas.lease("one"), replicas.lease("two")
    await one.acquire()
    waiting = asyncio.create_task(two.acquire())
    await clock.sleep(0.5)
    await one.release()
    assert await over(0.1, clock, waiting)
    assert not one.is_held
    assert replicas.spec()["holderIdentity"] == "two"
    assert replicas.spec()["leaseTransitions"] == 1


@told
async def test_without_the_right_to_watch_a_lease_given_back_is_taken_at_the_next_look(clock, replicas):
    one, two = replicas.lease("one"), replicas.lease("two")
    replicas.clients["two"].forbid(LEASES)
    await one.acquire()
    waiting = asyncio.create_task(two.acquire())
    await clock.sleep(1)
    await one.release()
    assert await over(2.5, clock, waiting)


@told
async def test_a_holder_that_is_silent_is_followed_after_the_duration_and_not_before(clock, replicas):
    one, two = replicas.lease("one"), replicas.lease("two")
    await one.acquire()
    waiting = asyncio.create_task(two.acquire())
    assert not await over(14.9, clock, waiting)
    assert await over(0.2, clock, waiting)
    assert two.is_held


@told
async def test_a_holder_that_cannot_renew_gives_up_before_anybody_may_follow(clock, replicas):
    one, two = replicas.lease("one"), replicas.lease("two")
    await one.acquire()
    keeping, waiting = asyncio.create_task(one.keep()), asyncio.create_task(two.acquire())
    await clock.sleep(5)
    replicas.cut("one")
    await asyncio.wait([keeping])
    assert isinstance(keeping.exception(), Lost)
    assert "no route to host" in str(keeping.exception())
    assert not waiting.done()
    began_s = clock.monotonic()
    await waiting
    assert clock.monotonic() - began_s > 4


@told
async def test_a_process_that_stood_still_may_not_write_when_it_goes_on(clock, replicas):
    one = replicas.lease("one")
    await one.acquire()
    await clock.sleep(9.9)
    one.check()
    await clock.sleep(0.2)  # nobody has renewed: it stood still
    with pytest.raises(Lost, match="acts no more"):
        one.check()


@told
async def test_a_lease_that_another_has_taken_is_lost_at_the_next_renewal(clock, replicas):
    one = replicas.lease("one")
    await one.acquire()
    await replicas.objects.patch(LEASES, *PLACE, {"spec": {"holderIdentity": "thief"}})
    with pytest.raises(Lost, match="thief has it"):
        await one.keep()
    assert not one.is_held


@told
async def test_a_renewal_whose_answer_is_lost_loses_nothing(clock, replicas):
    one = replicas.lease("one")
    await one.acquire()
    keeping = asyncio.create_task(one.keep())
    lost = iter([True])
    replicas.clients["one"].lost = lambda write: next(lost, False)
    assert not await over(60, clock, keeping)
    one.check()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


@told
async def test_a_lease_that_was_deleted_is_made_again_by_its_holder(clock, replicas):
    one = replicas.lease("one")
    await one.acquire()
    keeping = asyncio.create_task(one.keep())
    await replicas.objects.delete(LEASES, *PLACE)
    assert not await over(5, clock, keeping)
    assert replicas.spec()["holderIdentity"] == "one"
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


@told
async def test_what_another_has_taken_is_not_given_back(clock, replicas):
    one = replicas.lease("one")
    await one.acquire()
    await replicas.objects.patch(LEASES, *PLACE, {"spec": {"holderIdentity": "thief"}})
    await one.release()
    assert replicas.spec()["holderIdentity"] == "thief"


@told
async def test_of_ten_that_begin_at_once_one_has_it(clock, replicas):
    leases = [replicas.lease(str(number)) for number in range(10)]
    tasks = [asyncio.create_task(lease.acquire()) for lease in leases]
    await clock.sleep(5)
    assert [lease.is_held for lease in leases].count(True) == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@told
async def test_a_server_that_refuses_is_asked_again(clock, replicas):
    one = replicas.lease("one")

    async def refuse(write: Write) -> None:
        raise ApiError(403, "Forbidden", "leases is forbidden")

    replicas.clients["one"].before = refuse
    waiting = asyncio.create_task(one.acquire())
    assert not await over(60, clock, waiting)
    replicas.clients["one"].before = lambda write: asyncio.sleep(0)
    assert await over(3, clock, waiting)
