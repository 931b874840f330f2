"""Watches: every change once, in order, as the selector sees it; clear ends; limits for slow readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from parts.served import Served
from tidegate.kube.resource import CONFIG_MAPS
from tidegate.local.apiserver.http.watches import QUEUE_FRAMES, Watcher, seen_as
from tidegate.local.apiserver.kinds import BUILT_IN
from tidegate.local.apiserver.printing.tables import Renderer, Shape
from tidegate.local.apiserver.storage.stored_object import Entry, Row

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


class Stream:
    """A watch being read."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self.response.content.readline(), 2)
        assert line, "the stream ended"
        event: dict[str, Any] = msgspec.json.decode(line)
        return event

    async def brief(self) -> tuple[str, str]:
        event = await self.next()
        return event["type"], event["object"]["metadata"]["name"]

    async def is_over(self) -> bool:
        return await asyncio.wait_for(self.response.content.readline(), 2) == b""


@asynccontextmanager
async def watching(served: Served, query: str, **headers: str) -> AsyncIterator[Stream]:
    headers = {"Authorization": f"Bearer {served.token}", **headers}
    url = f"{served.server.url}{MAPS}?watch=True&{query}"
    async with served.session.get(url, headers=headers) as response:
        assert response.status == 200, await response.text()
        yield Stream(response)


async def put(served: Served, name: str, tier: str = "", **values: str) -> int:
    """Makes or replaces a ConfigMap; its resourceVersion."""
    metadata: dict[str, Any] = {"name": name, "labels": {"tier": tier} if tier else {}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": values}
    status, made, _ = await served.call("PUT", f"{MAPS}/{name}", body)
    if status == 404:
        status, made, _ = await served.call("POST", MAPS, body)
    assert status in (200, 201), made
    return int(made["metadata"]["resourceVersion"])


async def remove(served: Served, name: str) -> None:
    assert (await served.call("DELETE", f"{MAPS}/{name}"))[0] == 200


async def test_a_version_we_cannot_continue_from_is_410_in_the_stream(
    serve: Callable[[], AbstractAsyncContextManager[Served]],
) -> None:
    async with serve() as served:
        before = await put(served, "a") - 1
    async with serve() as served:
        for version in (before, 999_999_999):
            async with watching(served, f"resourceVersion={version}") as stream:
                event = await stream.next()
                assert event["type"] == "ERROR"
                assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
                assert await stream.is_over()


async def test_a_watch_ends_when_its_time_is_over_with_a_bookmark_to_resume_from(served: Served) -> None:
    async with watching(served, "timeoutSeconds=1&allowWatchBookmarks=true") as stream:
        newest = await put(served, "a")
        assert await stream.brief() == ("ADDED", "a")
        mark = await stream.next()
        assert mark["type"] == "BOOKMARK"
        assert int(mark["object"]["metadata"]["resourceVersion"]) == newest
        assert await stream.is_over()


async def test_many_watchers_each_see_everything_in_order(served: Served) -> None:
    async def read(stream: Stream) -> list[str]:
        return [(await stream.brief())[1] for _ in range(30)]

    async with asyncio.TaskGroup() as group, watching(served, "") as one, watching(served, "") as two:
        readers = [group.create_task(read(one)), group.create_task(read(two))]
        await asyncio.gather(*(put(served, f"m{index}") for index in range(30)))
        await asyncio.wait(readers)
    orders = [reader.result() for reader in readers]
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == sorted(f"m{index}" for index in range(30))


async def test_a_client_that_leaves_is_forgotten(served: Served) -> None:
    feeds = served.server._feeds
    async with watching(served, ""):
        assert len(feeds) == 1
    for _ in range(100):
        if len(feeds) == 0:
            break
        await asyncio.sleep(0.02)
    assert len(feeds) == 0


# -- as values -----------------------------------------------------------------------------------

KIND = next(kind for kind in BUILT_IN if kind.resource == CONFIG_MAPS)


def row(version: int, tier: str = "x") -> Row:
    body = {"metadata": {"name": "a", "resourceVersion": str(version), "labels": {"tier": tier}}}
    return Row("default", "a", version, "u", msgspec.json.encode(body), {"tier": tier})


@pytest.mark.parametrize(
    ("type", "before", "after", "expected"),
    [
        ("ADDED", None, "x", "ADDED"),
        ("ADDED", None, "y", None),
        ("MODIFIED", "x", "x", "MODIFIED"),
        ("MODIFIED", "y", "x", "ADDED"),
        ("MODIFIED", "x", "y", "DELETED"),
        ("MODIFIED", "y", "y", None),
        ("DELETED", "x", "x", "DELETED"),
        ("DELETED", "y", "y", None),
    ],
)
def test_what_a_selector_makes_of_a_write(type: Any, before: str, after: str, expected: str | None) -> None:
    entry = Entry(type, 2, row(2, after), row(1, before) if before else None)
    seen = seen_as(entry, lambda row: row.labels["tier"] == "x")
    assert (seen[0] if seen else None) == expected
    assert seen is None or seen[1].version == 2


async def test_a_reader_slower_than_the_writes_is_cut_off_and_what_is_queued_stays_bounded(
    served: Served,
) -> None:
    watcher = Watcher(Renderer(served.plane.reads, KIND, Shape()), lambda row: True, 0)
    now = served.server._clock.now()
    for version in range(1, QUEUE_FRAMES + 10):
        watcher.offer(Entry("MODIFIED", version, row(version), row(version - 1)), {}, now)
    assert watcher.is_over
    assert watcher.drain().count(b"\n") == QUEUE_FRAMES


async def test_no_bookmark_covers_what_a_slow_reader_was_not_told(served: Served) -> None:
    watcher = Watcher(Renderer(served.plane.reads, KIND, Shape()), lambda row: True, 0)
    now = served.server._clock.now()
    watcher.offer(Entry("ADDED", 1, row(1)), {}, now)
    assert watcher.up_to(1).endswith(watcher.bookmark(1))
    for version in range(2, QUEUE_FRAMES + 10):
        watcher.offer(Entry("MODIFIED", version, row(version), row(version - 1)), {}, now)
    assert b"BOOKMARK" not in watcher.up_to(QUEUE_FRAMES + 10)


async def test_equal_forms_share_their_bytes_and_a_write_is_never_told_twice(served: Served) -> None:
    watchers = [Watcher(Renderer(served.plane.reads, KIND, Shape()), lambda row: True, 0) for _ in range(3)]
    frames: dict[Any, bytes] = {}
    now = served.server._clock.now()
    for watcher in watchers:
        watcher.offer(Entry("ADDED", 5, row(5)), frames, now)
        watcher.offer(Entry("ADDED", 5, row(5)), {}, now)
    assert len(frames) == 1
    assert {watcher.drain() for watcher in watchers} == set(frames.values())
