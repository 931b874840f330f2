"""Claims from queues of Azure Storage: what the laws of all sources do not say, at Azurite and at scripts."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ElementTree
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.azurite_server import KEY, Azurite
from parts.claimant import Claimant, Claimants
from parts.http_server import answering
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unreachable
from tidegate.connections.claims.azure_storage import _escaped
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew
from tidegate.kit.systems.azure_queue_claims import AzureQueueSource
from tidegate.kit.systems.azure_storage import StorageServer
from tidegate.kit.systems.claims import Done, NotYet, Renewals


def emulated(test: Any) -> Any:
    """A test that needs Azurite."""
    return pytest.mark.real(pytest.mark.xdist_group("azurite")(test))


@pytest.fixture(scope="module")
def azurite(servers: Servers) -> Azurite:
    return servers.get(Azurite)


@pytest.fixture
def claimant(azurite: Azurite, request: pytest.FixtureRequest, claimants: Claimants) -> Claimants:
    """Makes claimants of an empty queue, named after the test."""
    queue = f"q{abs(hash(request.node.name)) % 10**12}"
    azurite.client.make_queue(queue)

    def make(holder: str = "one", address: str = "", **fields: Any) -> Claimant:
        return claimants(AzureQueueSource(azurite.storage("queue", address), queue), holder, **fields)

    return make


def jobs_at(origin: str) -> AzureQueueSource:
    """A queue of whatever answers there."""
    return AzureQueueSource(StorageServer("queue", "shop", origin, "", "aHVudGVyMi1odW50ZXIy"), "jobs")


def push(azurite: Azurite, one: Claimant, *texts: str) -> None:
    """Each as it is: the examples' client would write base64, as many do."""
    for text in texts:
        body = f"<QueueMessage><MessageText>{_escaped(text.encode())}</MessageText></QueueMessage>"
        azurite.client.call("queue", "POST", f"/{one.source.queue}/messages", body=body.encode())


def seen(azurite: Azurite, queue: str) -> list[str]:
    """The texts of the messages that anybody could receive."""
    query = {"peekonly": "true", "numofmessages": "32"}
    answer = azurite.client.call("queue", "GET", f"/{queue}/messages", query)
    return [one.text or "" for one in ElementTree.fromstring(answer).iter("MessageText")]


def test_a_queue_is_the_same_with_another_key_or_another_place_for_dead_letters() -> None:
    one = AzureQueueSource(StorageServer("queue", "shop", "https://shop", key="YQ=="), "jobs")
    rotated = AzureQueueSource(StorageServer("queue", "shop", "https://shop", key="Yg=="), "jobs", "bad")
    assert (one, hash(one)) == (rotated, hash(rotated))
    assert one != AzureQueueSource(one.server, "others")
    assert one != AzureQueueSource(StorageServer("queue", "shop", "https://elsewhere"), "jobs")
    assert "YQ==" not in repr(one)


@emulated
async def test_a_message_comes_with_its_identity_its_text_and_what_the_service_says_of_it(
    azurite: Azurite, claimant: Claimants
) -> None:
    one = claimant()
    texts = ["<a>&", "ü$(PATH)", "eyJhIjogMX0=", "two\nlines"]
    push(azurite, one, *texts)
    found = await one.take(9)
    assert sorted(item.body.decode() for item in found.items) == sorted(texts)
    assert {item.finished for item in found.items} == {0}
    assert {name for name, _ in found.items[0].attributes} == {
        "DequeueCount",
        "ExpirationTime",
        "InsertionTime",
    }
    assert not found.has_more
    assert "receipt" not in repr(found.items[0])


async def test_a_hundred_messages_are_four_requests_and_each_renewal_is_one() -> None:
    left = [f"m{number}" for number in range(100)]

    async def serve(request: web.Request) -> web.Response:
        if request.method == "PUT":
            return web.Response(status=204, headers={"x-ms-popreceipt": "another"})
        count = int(request.query["numofmessages"])
        page, left[:] = left[:count], left[count:]
        given = (
            f"<QueueMessage><MessageId>{id}</MessageId><PopReceipt>r</PopReceipt></QueueMessage>"
            for id in page
        )
        return web.Response(text=f"<QueueMessagesList>{''.join(given)}</QueueMessagesList>")

    async with answering(serve) as fake:
        one = Claimant(jobs_at(fake.origin))
        try:
            assert len((await one.take(100)).items) == 100
            assert [item.query["numofmessages"] for item in fake.requests] == ["32", "32", "32", "4"]
            (renewed,) = await one.ask(Renew(tuple(one.receipts)))
            assert len(renewed.receipts) == 100
            assert len(fake.requests) == 104
            assert fake.most <= 16
            assert len(fake.connections) <= 16
            # What nobody waits for is not asked for: every place is taken.
            assert (await one.take(100, *one.receipts)).items == ()
            assert len(fake.requests) == 104
        finally:
            await one.writers.close()


@emulated
async def test_every_renewal_brings_another_receipt_and_the_old_one_is_of_no_use(
    azurite: Azurite, claimant: Claimants
) -> None:
    one, old = claimant(), claimant()
    push(azurite, one, "a")
    (item,) = (await one.take(1)).items
    old.receipts = dict(one.receipts)
    await asyncio.sleep(0.01)
    (renewed,) = await one.ask(Renew((item.id,)))
    assert renewed.receipts != ((item.id, item.receipt),)
    # A process before a crash: its message comes again, and nothing of it is lost.
    assert await old.ask(Renew((item.id,))) == [Renewals((item.id,))]
    assert await old.ask(Acknowledge(item.id, "job")) == [NotYet()]
    assert await old.ask(DeadLetter(item.id, 5, "job", "why")) == [NotYet()]
    assert await old.ask(Release(item.id, 1, 0.0, "job")) == [Done(is_uncounted=True)]
    assert (await old.take(0)).held == ()
    assert await one.ask(Acknowledge(item.id, "job")) == [Done()]
    assert await old.ask(Acknowledge(item.id, "job")) == [Done()]


@emulated
async def test_who_comes_anew_holds_what_its_jobs_show_and_gets_other_receipts(
    azurite: Azurite, claimant: Claimants
) -> None:
    one = claimant()
    push(azurite, one, "a", "b", "c")
    first, second = (await one.take(2)).items
    again = claimant()
    again.receipts = {
        first.id: first.receipt,
        second.id: "wrong",
        "00000000-0000-0000-0000-000000000000": "x",
    }
    found = await again.take(0)
    assert [id for id, _ in found.held] == [first.id]
    assert found.items == ()
    assert not found.has_more
    assert await again.ask(Acknowledge(first.id, "job")) == [Done()]
    assert await one.ask(Renew((first.id, second.id))) == [
        Renewals((first.id,), receipts=((second.id, one.receipts[second.id]),))
    ]


@emulated
async def test_who_settles_and_renews_at_a_time_does_both(azurite: Azurite, claimant: Claimants) -> None:
    one = claimant()
    push(azurite, one, "a", "b")
    first, second = (await one.take(2)).items
    settled, renewed = await one.ask(Acknowledge(first.id, "job"), Renew((first.id, second.id)))
    assert (settled, renewed.lost, [id for id, _ in renewed.receipts]) == (Done(), (), [second.id])


@emulated
async def test_a_dead_letter_goes_to_a_queue_that_is_made_for_it(
    azurite: Azurite, claimant: Claimants
) -> None:
    one = claimant()
    text = "<a>&\r\nü"
    push(azurite, one, text)
    (item,) = (await one.take(1)).items
    asked = DeadLetter(item.id, 5, "job", "why")
    # Nobody has its body any more: it is received again first.
    one.bodies.clear()
    assert await one.ask(asked) == [NotYet()]
    (again,) = (await one.take(1)).items
    assert await one.ask(asked, asked) == [Done(), Done()]
    assert seen(azurite, f"{one.source.queue}-poison") == [again.body.decode()]
    assert seen(azurite, one.source.queue) == []


@emulated
async def test_what_is_given_back_is_there_for_the_next(azurite: Azurite, claimant: Claimants) -> None:
    one = claimant()
    push(azurite, one, "a", "b")
    first, second = (await one.take(2)).items
    assert await one.ask(GiveBack((first.id,)), Release(second.id, 1, 300.0, "job")) == [
        Done(),
        Done(is_uncounted=True),
    ]
    assert seen(azurite, one.source.queue) == [first.body.decode()]


@emulated
async def test_a_renewal_whose_answer_was_cut_off_is_a_lease_that_was_lost(
    azurite: Azurite, claimant: Claimants, proxy_for: Callable[[int], Awaitable[Proxy]]
) -> None:
    proxy = await proxy_for(azurite.port_of("queue"))
    one = claimant(address=proxy.address)
    push(azurite, one, "a")
    (item,) = (await one.take(1)).items
    proxy.cut_after = 5
    with pytest.raises(Unreachable):
        await one.ask(Renew((item.id,)))
    proxy.cut_after = None
    (found,) = await one.ask(Renew((item.id,)))
    # It was carried out, and nobody has the receipt: the lease runs out, and the message comes again.
    assert found.lost == (item.id,)


@emulated
async def test_a_queue_that_is_not_there_is_no_empty_one(claimant: Claimants) -> None:
    one = claimant()
    one.source = AzureQueueSource(one.source.server, "nothing-here")
    with pytest.raises(Misconfigured, match="QueueNotFound"):
        await one.take(1)


@emulated
async def test_a_wrong_key_is_told_with_what_claiming_needs_and_no_secret(
    azurite: Azurite, claimant: Claimants
) -> None:
    one = claimant()
    server = one.source.server
    wrong = StorageServer("queue", server.account, server.origin, server.path, "aHVudGVyMi1odW50ZXIy")
    one.source = AzureQueueSource(wrong, one.source.queue)
    with pytest.raises(Denied) as error:
        await one.take(1)
    assert "Storage Queue Data Contributor" in str(error.value)
    assert "aHVudGVyMi" not in str(error.value)
    assert KEY not in str(error.value)


@emulated
async def test_a_shared_access_signature_that_may_only_read_claims_nothing(
    azurite: Azurite, claimant: Claimants
) -> None:
    one = claimant()
    push(azurite, one, "a")
    server = one.source.server
    signed = "sv=2021-12-02&ss=q&srt=sco&sp=r&se=2999-01-01T00:00:00Z&sig=c2VjcmV0LXNpZ25hdHVyZQ%3D%3D"
    one.source = AzureQueueSource(
        StorageServer("queue", server.account, server.origin, server.path, sas=signed), one.source.queue
    )
    with pytest.raises(Denied) as error:
        await one.take(1)
    assert "c2VjcmV0" not in str(error.value)
    assert seen(azurite, one.source.queue) == ["a"]


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_does_not_answer_is_no_empty_queue(fault: Any) -> None:
    async with fault() as bad:
        one = Claimant(jobs_at(f"http://{bad.address}"), timeout_s=0.5)
        try:
            with pytest.raises(Unreachable):
                await one.take(1)
        finally:
            await one.writers.close()


def listed(*ids: str) -> bytes:
    """What a service answers that hands out these."""
    one = "<QueueMessage><MessageId>{}</MessageId><PopReceipt>r</PopReceipt></QueueMessage>"
    return f"<QueueMessagesList>{''.join(one.format(id) for id in ids)}</QueueMessagesList>".encode()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            b"<QueueMessagesList><QueueMessage><MessageId>1</MessageId></QueueMessage></QueueMessagesList>",
            "no pop receipt",
        ),
        (listed("1", "2", "3"), "more messages came than were asked for"),
        (listed("1", "1"), "a message came twice"),
        (b"<EnumerationResults/>", "no list of messages"),
        (b"no XML", "not XML"),
        (b"", "empty"),
    ],
)
async def test_an_answer_of_another_shape_is_no_empty_queue(body: bytes, told: str) -> None:
    async def serve(request: web.Request) -> web.Response:
        return web.Response(body=body)

    async with answering(serve) as fake:
        one = Claimant(jobs_at(fake.origin))
        try:
            with pytest.raises(TidegateError, match=told):
                await one.take(2)
        finally:
            await one.writers.close()


@pytest.mark.parametrize("id", ["..", "../../victim", "m1/..", "", "%2e%2e", "a b"])
async def test_what_no_service_gave_as_an_identity_is_no_message_and_nothing_is_asked(id: str) -> None:
    # It stands on a Job, which others may write: as a part of an address it would name something else.
    async def serve(request: web.Request) -> web.Response:
        return web.Response(status=204, headers={"x-ms-popreceipt": "another"})

    async with answering(serve) as fake:
        one = Claimant(jobs_at(fake.origin))
        one.receipts = {id: "a"}
        try:
            assert (await one.take(0)).held == ()
            assert await one.ask(Renew((id,))) == [Renewals((id,))]
            assert await one.ask(Acknowledge(id, "job")) == [Done()]
            assert await one.ask(Release(id, 1, 5.0, "job")) == [Done(is_uncounted=True)]
            assert await one.ask(DeadLetter(id, 5, "job", "why")) == [Done()]
            assert await one.ask(GiveBack((id,))) == [Done()]
            assert fake.requests == []
        finally:
            await one.writers.close()


async def test_some_renewals_that_fail_are_late_and_the_others_are_told() -> None:
    asked: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path.endswith("/busy"):
            return web.Response(status=503, headers={"x-ms-error-code": "ServerBusy"})
        if request.path.endswith("/gone"):
            return web.Response(status=404, headers={"x-ms-error-code": "MessageNotFound"})
        return web.Response(status=204, headers={"x-ms-popreceipt": "another"})

    async with answering(serve) as fake:
        one = Claimant(jobs_at(fake.origin))
        one.receipts = {"fine": "a", "busy": "b", "gone": "c"}
        try:
            assert await one.ask(Renew(("fine", "busy", "gone"))) == [
                Renewals(("gone",), ("busy",), (("fine", "another"),))
            ]
            with pytest.raises(Unreachable):
                await one.ask(Renew(("busy",)))
        finally:
            await one.writers.close()
