"""Events: one per news, counted up when it repeats."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tidegate.kube.client import Client
from tidegate.kube.config import Config
from tidegate.kube.events import (
    AT_ONCE,
    DEFERRED_S,
    MESSAGE_CHARS,
    WAITING,
    EventQueue,
    Events,
    News,
    Reference,
    event_body,
)
from tidegate.runtime.clock import SystemClock

ABOUT = Reference("keda.sh/v1alpha1", "ScaledJob", "shop", "csv", "u1", "7")
NEWS = News("Warning", "KEDAScalerFailed", "redis does not answer")


class SetClock:
    """Shows what the test has set."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 5, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def shown(api):
    return [(body["reason"], body["message"], body["count"]) for body in api.objects.values()]


async def test_an_event_says_what_happened_to_whom(api, client):
    clock = SetClock()
    await Events(client, clock, "tidegate").emit(ABOUT, NEWS)
    (path, event), *others = api.objects.items()
    assert not others
    assert path.startswith("/api/v1/namespaces/shop/events/csv.")
    assert event["involvedObject"] == {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledJob",
        "namespace": "shop",
        "name": "csv",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-05T12:00:00Z"
    assert (event["type"], event["source"]) == ("Warning", {"component": "tidegate"})


async def test_a_repetition_raises_the_count_and_other_news_or_others_do_not(api, client):
    clock = SetClock()
    events = Events(client, clock, "tidegate")
    for _ in range(3):
        clock.moment += timedelta(seconds=60)
        await events.emit(ABOUT, NEWS)
    await events.emit(ABOUT, News("Warning", "KEDAScalerFailed", "another text"))
    await events.emit(Reference("v1", "Pod", "shop", "csv", "u2"), NEWS)
    assert [count for _, _, count in shown(api)] == [3, 1, 1]
    first = next(iter(api.objects.values()))
    assert first["firstTimestamp"] == "2026-01-05T12:01:00Z"
    assert first["lastTimestamp"] == "2026-01-05T12:03:00Z"


async def test_after_a_long_silence_it_is_a_new_event(api, client):
    clock = SetClock()
    events = Events(client, clock, "tidegate")
    await events.emit(ABOUT, NEWS)
    clock.moment += timedelta(minutes=11)
    await events.emit(ABOUT, NEWS)
    assert [count for _, _, count in shown(api)] == [1, 1]


async def test_an_event_that_has_expired_on_the_server_is_written_anew(api, client):
    clock = SetClock()
    events = Events(client, clock, "tidegate")
    await events.emit(ABOUT, NEWS)
    api.objects.clear()
    await events.emit(ABOUT, NEWS)
    assert [count for _, _, count in shown(api)] == [1]


async def test_a_server_that_does_not_answer_costs_the_event_and_nothing_else(caplog):
    client = Client(Config("http://127.0.0.1:1"))
    await Events(client, SetClock(), "tidegate").emit(ABOUT, NEWS)
    await client.close()
    assert [record.message for record in caplog.records] == ["event not written"]


def test_a_cluster_scoped_object_has_its_events_in_default_and_long_messages_are_cut():
    about = Reference.of({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "local"}})
    body = event_body(
        about, News("Normal", "Ready", "x" * 2_000), "tidegate", datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert body["metadata"]["namespace"] == "default"
    assert body["involvedObject"] == {"apiVersion": "v1", "kind": "Node", "name": "local"}
    assert len(body["message"]) == MESSAGE_CHARS


async def test_a_queue_writes_in_order_what_is_about_one_object_and_the_rest_when_it_ends(api, client):
    queue = EventQueue(Events(client, SystemClock(), "tests"))
    for name in ("a", "b", "c"):
        for reason in ("First", "Second", "Third"):
            queue.put(Reference("v1", "Pod", "default", name, f"uid-{name}"), News("Normal", reason, "…"))
    running = asyncio.create_task(queue.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    told = [body for method, _, _, body in api.requests if method == "POST"]
    assert len(told) == 9
    for name in ("a", "b", "c"):
        reasons = [one["reason"] for one in told if one["involvedObject"]["name"] == name]
        assert reasons == ["First", "Second", "Third"]


async def test_a_queue_that_is_full_drops_and_says_so_once(client, caplog):
    queue = EventQueue(Events(client, SystemClock(), "tests"))
    about = Reference("v1", "Pod", "default", "a", "uid-a")
    for number in range(WAITING):
        queue.put(about, News("Normal", "Told", str(number)))
    # What is said of others finds room beside it, which ends nothing.
    for number in range(50):
        queue.put(Reference("v1", "Pod", "default", f"b{number}", f"uid-{number}"), NEWS)
        queue.put(about, NEWS)
    assert [record.message for record in caplog.records] == [
        "events are dropped: they are written too slowly"
    ]


async def test_events_wait_while_there_is_something_to_do_but_not_for_ever(api, client):
    clock, moments = SetClock(), []
    began, is_free = clock.moment, asyncio.Event()
    queue = EventQueue(Events(client, clock, "tests"))

    def is_busy() -> bool:
        moments.append((clock.moment - began).total_seconds())
        return not is_free.is_set()

    queue.is_busy = is_busy
    queue.put(ABOUT, NEWS)
    running = asyncio.create_task(queue.run())
    while not api.objects:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert moments[-1] == pytest.approx(DEFERRED_S, abs=0.2)
    (event,) = api.objects.values()
    # It tells of when it happened.
    assert event["firstTimestamp"] == "2026-01-05T12:00:00Z"
    is_free.set()
    queue.put(ABOUT, News("Normal", "Other", "…"))
    while len(api.objects) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert (clock.moment - began).total_seconds() == pytest.approx(DEFERRED_S, abs=0.2)
    running.cancel()
    await asyncio.wait([running])


async def test_a_crowd_of_events_that_fills_its_room_does_not_wait(api, client):
    clock = SetClock()
    began = clock.moment
    queue = EventQueue(Events(client, clock, "tests"), is_busy=lambda: True)
    crowd = WAITING // AT_ONCE // 2 + 10
    for number in range(crowd):
        queue.put(ABOUT, News("Normal", "Told", str(number)))
    running = asyncio.create_task(queue.run())
    while not api.objects:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert clock.moment == began
    running.cancel()
    await asyncio.wait([running])
    # And those that are left at the end are written, busy or not.
    assert len(api.objects) == crowd
