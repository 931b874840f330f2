"""Cloud Storage against an emulator: what is counted, what is refused, a restart, and what a round costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from parts.gcs_server import GcsServer
from parts.google_services import HeldTokens
from parts.google_trigger import build
from parts.one_round import one_round
from parts.server_process import Servers
from tidegate.base.errors import Misconfigured, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.gcp import connect

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("fake-gcs")]


@pytest.fixture(scope="module")
def gcs(servers: Servers) -> GcsServer:
    return servers.get(GcsServer)


def trigger(gcs: GcsServer, bucket: str, **metadata: str) -> Any:
    built = build("gcp-storage", {"bucketName": bucket, "storageEndpoint": gcs.origin, **metadata})
    assert not isinstance(built, tuple), built
    return built


async def values(*triggers: Any) -> list[Any]:
    return (await one_round(triggers, identities=HeldTokens())).values


async def test_objects_with_bytes_are_counted(gcs: GcsServer) -> None:
    bucket = gcs.make("shop-uploads")
    gcs.put(bucket, a=1, in__=0, in__a=5, in__b=5, in__old__a=5, other=3)
    found = await values(
        trigger(gcs, bucket),
        trigger(gcs, bucket, blobPrefix="in/"),
        trigger(gcs, bucket, blobPrefix="in/", blobDelimiter="/"),
        trigger(gcs, bucket, blobDelimiter="/"),
        trigger(gcs, bucket, blobPrefix="nothing"),
        trigger(gcs, bucket, maxBucketItemsToScan="2"),
    )
    assert found == [5, 3, 2, 2, 0, 2]


async def test_what_changes_is_seen_at_the_next_question(gcs: GcsServer) -> None:
    bucket = gcs.make("changing")
    asked = trigger(gcs, bucket)
    for number in range(3):
        assert await values(asked) == [number]
        gcs.put(bucket, **{f"o{number}": 1})


async def test_a_bucket_that_is_not_there_is_a_failure_and_others_go_on(gcs: GcsServer) -> None:
    missing, there = await values(trigger(gcs, "no-such-bucket"), trigger(gcs, gcs.token))
    assert "404 Not Found" in missing
    assert "check the name of the bucket" in missing
    assert there == 1


async def test_two_thousand_objects_are_two_pages(gcs: GcsServer) -> None:
    bucket = gcs.make("many")
    gcs.put(bucket, **{f"o{number:04}": 1 for number in range(1500)})
    round = await one_round(
        [trigger(gcs, bucket, maxBucketItemsToScan=limit) for limit in ("2000", "10")] * 500,
        identities=HeldTokens(),
    )
    assert round.values == [1500, 10] * 500
    assert sum(round.requests.values()) == 2


async def test_after_a_restart_the_next_question_is_answered() -> None:
    with GcsServer() as own:
        question: Any = None

        async def ask(asked: Any) -> Any:
            nonlocal question
            question = asked
            return 0

        await trigger(own, own.token).measure(ask, None)
        around: Any = {"timeout_s": 10.0, "identities": HeldTokens()}
        adapter: Any = connect(question.server, Surroundings(**around))
        assert await adapter.answer([question]) == [1]
        own.kill()
        with pytest.raises(Unreachable):
            await adapter.answer([question])
        own.start()
        assert await adapter.answer([question]) == [1]
        (missing,) = await adapter.answer([replace(question, bucket="nowhere")])
        assert isinstance(missing, Misconfigured)
        await adapter.close()
