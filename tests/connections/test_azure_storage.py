"""Azure Storage: Azurite for what it emulates, scripted answers for what it does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from parts import faults
from parts.azurite_server import ACCOUNT, KEY, Azurite
from parts.http_server import answering, says
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.azure_storage import connect
from tidegate.connections.azure_storage.requests import refusal
from tidegate.kit.systems.azure_storage import (
    BlobCount,
    QueueMessages,
    Service,
    StorageServer,
    read_storage,
)

SECRET = base64.b64encode(b"hunter2-hunter2").decode()
ProxyFor = Callable[[int], Awaitable[Proxy]]


def emulated(test: Any) -> Any:
    """A test that needs Azurite."""
    return pytest.mark.real(pytest.mark.xdist_group("azurite")(test))


@pytest.fixture(scope="module")
def azurite(servers: Servers) -> Azurite:
    return servers.get(Azurite)


def server(address: str, service: Service = "queue", scheme: str = "http") -> StorageServer:
    return StorageServer(service, "shop", f"{scheme}://{address}", "", SECRET)


@asynccontextmanager
async def asking(asked: StorageServer, timeout_s: float = 10.0) -> AsyncIterator[Any]:
    """The adapter; it closes twice afterwards."""
    adapter: Any = connect(asked, Surroundings(timeout_s=timeout_s))
    try:
        yield adapter
    finally:
        await adapter.close()
        await adapter.close()


async def failed(adapter: Any, question: Any) -> Any:
    """What went wrong with a question, be it alone or with all others."""
    try:
        (answer,) = await adapter.answer([question])
    except TidegateError as error:
        return error
    return answer


# --- queues


def fill(azurite: Azurite, queue: str, messages: int) -> None:
    azurite.client.make_queue(queue)
    for number in range(messages):
        azurite.client.put_message(queue, f"<{number}>")


@emulated
async def test_all_messages_of_a_queue_count_or_those_that_can_be_received(azurite: Azurite) -> None:
    fill(azurite, "orders", 5)
    azurite.client.take_message("orders", 600)
    asked = azurite.storage("queue")
    async with asking(asked) as adapter:
        answers = await adapter.answer([QueueMessages(asked, "orders"), QueueMessages(asked, "orders", True)])
    assert answers == [5, 4]


@emulated
async def test_from_32_visible_messages_on_all_count(azurite: Azurite, proxy_for: ProxyFor) -> None:
    fill(azurite, "busy", 34)
    azurite.client.take_message("busy", 600)
    proxy = await proxy_for(azurite.port_of("queue"))
    asked = azurite.storage("queue", proxy.address)
    async with asking(asked) as adapter:
        assert await adapter.answer([QueueMessages(asked, "busy", True)]) == [34]
        assert len(proxy.requests) == 2
        both = [QueueMessages(asked, "busy", True), QueueMessages(asked, "busy")]
        assert await adapter.answer(both) == [34, 34]
        assert len(proxy.requests) == 4, "the number of all is asked for once"


@emulated
async def test_a_missing_queue_fails_alone(azurite: Azurite) -> None:
    fill(azurite, "there", 1)
    asked = azurite.storage("queue")
    async with asking(asked) as adapter:
        good, bad, unseen = await adapter.answer(
            [QueueMessages(asked, "there"), QueueMessages(asked, "gone"), QueueMessages(asked, "gone", True)]
        )
    assert good == 1
    for error in (bad, unseen):
        assert isinstance(error, Misconfigured)
        assert "gone" in str(error)
        assert "QueueNotFound" in str(error)


@emulated
async def test_a_thousand_triggers_on_twenty_queues_are_twenty_requests(
    azurite: Azurite, proxy_for: ProxyFor
) -> None:
    for number in range(20):
        azurite.client.make_queue(f"many{number}")
    proxy = await proxy_for(azurite.port_of("queue"))
    asked = azurite.storage("queue", proxy.address)
    questions = [QueueMessages(asked, f"many{number % 20}") for number in range(1000)]
    async with asking(asked) as adapter:
        for turn in (1, 2):
            assert await adapter.answer(list(dict.fromkeys(questions))) == [0] * 20
            assert len(proxy.requests) == 20 * turn
        assert proxy.connections <= 16
        assert adapter.wake_gap_s >= 5, "requests are billed"


# --- blobs


NAMES = ("a.png", "in/1.png", "in/2.jpg", "in/old/3.png", "in.txt", "inbox/a", "z/ä b&c+.png")


@pytest.fixture(scope="module")
def uploads(azurite: Azurite) -> str:
    azurite.client.make_container("uploads")
    for name in NAMES:
        azurite.client.put_blob("uploads", name, b"x")
    return "uploads"


@emulated
@pytest.mark.parametrize(
    ("prefix", "delimiter", "pattern", "count"),
    [
        ("", "", "", 7),
        ("", "/", "", 2),
        ("in/", "/", "", 2),
        ("in/", "", "", 3),
        ("in", "", "", 5),
        ("in", "/", "", 1),
        ("in", "o", "", 3),
        ("", "", r".*\.png", 4),
        ("in/", "", r".*\.png", 2),
        ("z/ä b&c+", "", "", 1),
        ("nothing", "", "", 0),
    ],
)
async def test_blobs_are_counted_by_prefix_level_and_pattern_alone_and_beside_others(
    azurite: Azurite, uploads: str, prefix: str, delimiter: str, pattern: str, count: int
) -> None:
    asked = azurite.storage("blob")
    question = BlobCount(asked, uploads, prefix, delimiter, pattern)
    async with asking(asked) as adapter:
        assert await adapter.answer([question]) == [count], "as the service counts"
        assert await adapter.answer([BlobCount(asked, uploads), question]) == [7, count], "as we count"


@emulated
async def test_a_missing_container_fails_alone(azurite: Azurite, uploads: str) -> None:
    asked = azurite.storage("blob")
    async with asking(asked) as adapter:
        bad, good = await adapter.answer([BlobCount(asked, "gone"), BlobCount(asked, uploads)])
    assert good == 7
    assert isinstance(bad, Misconfigured)
    assert "ContainerNotFound" in str(bad)


@emulated
async def test_what_another_trigger_lists_wholly_is_not_listed_again(
    azurite: Azurite, uploads: str, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(azurite.port_of("blob"))
    asked = azurite.storage("blob", proxy.address)
    parts = [BlobCount(asked, uploads, "in/", "/"), BlobCount(asked, uploads, "in", "", ".*x.*")]
    async with asking(asked) as adapter:
        assert await adapter.answer([*parts, BlobCount(asked, uploads)]) == [2, 2, 7]
        assert len(proxy.requests) == 1
        await adapter.answer(parts)
        assert len(proxy.requests) == 2
        await adapter.answer([BlobCount(asked, uploads, f"p{number}") for number in range(5)])
        assert len(proxy.requests) == 7
        levels = [BlobCount(asked, uploads, prefix, "/") for prefix in ("in/", "in/old/")]
        assert await adapter.answer(levels) == [2, 1], "a level holds nothing of what lies below it"


async def counted_in_batches(adapter: Any, questions: list[BlobCount]) -> list[Any]:
    """The answers to a round of triggers, asked as rounds do: equal ones once, a batch after the other."""
    different = list(dict.fromkeys(questions))
    answers: dict[BlobCount, Any] = {}
    for first in range(0, len(different), adapter.batch):
        batch = different[first : first + adapter.batch]
        answers |= zip(batch, await adapter.answer(batch), strict=True)
    return [answers[one] for one in questions]


@emulated
@pytest.mark.parametrize(
    ("kind", "requests"),
    [
        ("one level each", 1_000),
        ("one level each, and one trigger that counts them all", 1),
        ("a pattern each", 1),
        ("one question", 1),
        ("one of ten containers", 10),
    ],
)
async def test_a_thousand_triggers_on_one_account_are_as_many_requests_as_listings(
    azurite: Azurite, uploads: str, proxy_for: ProxyFor, kind: str, requests: int
) -> None:
    proxy = await proxy_for(azurite.port_of("blob"))
    asked, numbers = azurite.storage("blob", proxy.address), range(1_000)
    if kind == "a pattern each":
        questions = [BlobCount(asked, uploads, "", "", f"a{number}.*") for number in numbers]
    elif kind == "one question":
        questions = [BlobCount(asked, uploads, "gone/", "/") for _ in numbers]
    elif kind == "one of ten containers":
        for number in range(10):
            azurite.client.make_container(f"of-ten-{number}")
        questions = [BlobCount(asked, f"of-ten-{number % 10}", f"p{number}") for number in numbers]
        questions[:10] = [BlobCount(asked, f"of-ten-{number}") for number in range(10)]
    else:
        questions = [BlobCount(asked, uploads, f"p{number}/", "/") for number in numbers]
    expected = [0] * 1_000
    if kind.endswith("them all"):
        questions[0], expected[0] = BlobCount(asked, uploads), 7
    async with asking(asked) as adapter:
        for turn in (1, 2):
            assert await counted_in_batches(adapter, questions) == expected
            assert len(proxy.requests) == adapter.client.requests == requests * turn
        assert proxy.connections == adapter.client.connections == min(requests, 16)
        assert adapter.wake_gap_s >= 5, "requests are billed"


def page(*names: str, marker: str = "") -> str:
    blobs = "".join(f"<Blob>{name}<Properties /></Blob>" for name in names)
    blobs += "<BlobPrefix><Name>p/</Name></BlobPrefix>"
    inside = f"<Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker>"
    return f'<?xml version="1.0"?><EnumerationResults ContainerName="c">{inside}</EnumerationResults>'


def name(text: str) -> str:
    return f"<Name>{text}</Name>"


async def test_pages_are_followed_to_their_end_and_directories_do_not_count() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        number = int(request.query.get("marker", "p 0")[2:])
        return web.Response(body=page(name("x"), name("y"), marker=f"p {number + 1}" if number < 3 else ""))

    async with answering(answer) as fake:
        asked = server(f"127.0.0.1:{fake.port}", "blob")
        async with asking(asked) as adapter:
            assert await adapter.answer([BlobCount(asked, "c")]) == [8]
    assert len(fake.requests) == 4


async def test_names_that_xml_cannot_hold_come_encoded() -> None:
    async with answering(says(page('<Name Encoded="true">a%EF%BF%BFb</Name>'))) as fake:
        asked = server(f"127.0.0.1:{fake.port}", "blob")
        async with asking(asked) as adapter:
            assert await adapter.answer([BlobCount(asked, "c", "a\uffff")]) == [1]


async def test_pages_that_lead_in_a_circle_are_told() -> None:
    async with answering(says(page(name("x"), marker="again"))) as fake:
        asked = server(f"127.0.0.1:{fake.port}", "blob")
        async with asking(asked) as adapter:
            (error,) = await adapter.answer([BlobCount(asked, "c")])
    assert isinstance(error, Malformed)
    assert "lead back" in str(error)


async def test_a_listing_without_end_is_told_and_keeps_no_other_from_its_number() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("prefix"):
            return web.Response(body=page(name("in/1")))
        number = int(request.query.get("marker", "0"))
        return web.Response(body=page(name("x"), marker=str(number + 1)))

    async with answering(answer) as fake:
        asked = server(f"127.0.0.1:{fake.port}", "blob")
        questions = [BlobCount(asked, "c"), BlobCount(asked, "c", "in/", "/")]
        async with asking(asked) as adapter:
            adapter.listings.listing_s = 0.0
            endless, other = await adapter.answer(questions)
            assert isinstance(endless, Misconfigured)
            assert "1 pages there were more" in str(endless)
            assert isinstance(other, Misconfigured), "the first time it was part of it"
            endless, other = await adapter.answer(questions)
    assert isinstance(endless, Misconfigured)
    assert other == 1


async def test_a_page_that_fails_is_no_part_of_a_number() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("marker"):
            return web.Response(status=503, headers={"x-ms-error-code": "ServerBusy"})
        return web.Response(body=page(name("x"), marker="m" if "big" in request.path else ""))

    async with answering(answer) as fake:
        asked = server(f"127.0.0.1:{fake.port}", "blob")
        async with asking(asked) as adapter:
            big, small = await adapter.answer([BlobCount(asked, "big"), BlobCount(asked, "small")])
    assert isinstance(big, Unreachable)
    assert small == 1


# --- logins


def sas(permissions: str, service: str, expires: datetime) -> str:
    """An account SAS. Source: Microsoft, "Create an account SAS"."""
    until, version = expires.strftime("%Y-%m-%dT%H:%M:%SZ"), "2020-08-04"
    lines = [ACCOUNT, permissions, service, "sco", "", until, "", "http,https", version, ""]
    key = base64.b64decode(KEY)
    signature = base64.b64encode(hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).digest()).decode()
    fields = {"sv": version, "ss": service, "srt": "sco", "sp": permissions, "se": until, "spr": "http,https"}
    return "&".join(f"{key}={quote(value, safe='')}" for key, value in {**fields, "sig": signature}.items())


def by_sas(azurite: Azurite, text: str) -> StorageServer:
    return read_storage(
        f"QueueEndpoint=http://{azurite.host}:{azurite.port_of('queue')}/{ACCOUNT};SharedAccessSignature={text}",
        "queue",
    )


@emulated
async def test_a_shared_access_signature_is_a_login_too(azurite: Azurite) -> None:
    fill(azurite, "signed", 3)
    asked = by_sas(azurite, sas("rp", "q", datetime.now(UTC) + timedelta(hours=1)))
    async with asking(asked) as adapter:
        answers = await adapter.answer([QueueMessages(asked, "signed"), QueueMessages(asked, "signed", True)])
    assert answers == [3, 3]


@emulated
async def test_a_signature_that_is_over_is_denied_and_not_shown(azurite: Azurite) -> None:
    text = sas("r", "q", datetime.now(UTC) - timedelta(hours=1))
    asked = by_sas(azurite, text)
    async with asking(asked) as adapter:
        with pytest.raises(Denied) as caught:
            await adapter.answer([QueueMessages(asked, "signed")])
    shown = str(caught.value) + caught.value.excerpt + repr(asked)
    assert text.rpartition("sig=")[2] not in shown


@emulated
async def test_a_wrong_key_is_denied_for_all_and_not_shown(azurite: Azurite) -> None:
    right = azurite.storage("queue")
    asked = StorageServer("queue", right.account, right.origin, right.path, SECRET)
    async with asking(asked) as adapter:
        with pytest.raises(Denied, match="Auth") as caught:
            await adapter.answer([QueueMessages(asked, "aaa"), QueueMessages(asked, "bbb", True)])
    assert SECRET not in str(caught.value) + caught.value.excerpt + repr(asked)


# --- faults


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AuthenticationFailed", Denied),
        (403, "AuthorizationFailure", Denied),
        (403, "AuthorizationPermissionMismatch", Denied),
        (403, "AccountIsDisabled", Denied),
        (400, "InvalidAuthenticationInfo", Denied),
        (409, "KeyBasedAuthenticationNotPermitted", Denied),
        (403, "", Denied),
        (401, "", Denied),
        (404, "QueueNotFound", Misconfigured),
        (404, "ContainerNotFound", Misconfigured),
        (409, "ContainerBeingDeleted", Misconfigured),
        (404, "ResourceNotFound", Misconfigured),
        (400, "InvalidResourceName", Misconfigured),
        (400, "OutOfRangeQueryParameterValue", Misconfigured),
        (404, "", Malformed),
        (400, "", Malformed),
    ],
)
def test_error_codes_mean_what_to_do_next(status: int, code: str, kind: type[Exception]) -> None:
    error = refusal("count", server("x"), status, code)
    assert isinstance(error, kind)
    assert code in str(error)


@pytest.mark.parametrize("text", ["", "many", "-1", "5.5", "1" * 19])
async def test_a_count_that_is_none_is_malformed(text: str) -> None:
    async with answering(says("", x_ms_approximate_messages_count=text)) as fake:
        asked = server(f"127.0.0.1:{fake.port}")
        async with asking(asked) as adapter:
            (error,) = await adapter.answer([QueueMessages(asked, "q")])
    assert isinstance(error, Malformed)


@pytest.mark.parametrize(
    "body", ["", "no xml", "{}", "<html></html>", "<!DOCTYPE x [<!ENTITY a 'b'>]><EnumerationResults/>"]
)
async def test_an_answer_of_another_kind_is_malformed(body: str) -> None:
    async with answering(says(body)) as fake:
        address = f"127.0.0.1:{fake.port}"
        for question in (
            BlobCount(server(address, "blob"), "c"),
            QueueMessages(server(address), "q", True),
        ):
            async with asking(question.server) as adapter:
                (error,) = await adapter.answer([question])
            assert isinstance(error, Malformed)


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_address_is_unreachable_as_a_whole(fault: Any) -> None:
    async with fault() as bad:
        asked = server(bad.address)
        async with asking(asked, 0.5) as adapter:
            error = await failed(adapter, QueueMessages(asked, "q"))
    assert isinstance(error, Unreachable | Malformed)
    assert "Azure queue storage" in str(error)
    assert SECRET not in str(error)


@emulated
async def test_tls_to_a_plain_port_is_told(azurite: Azurite) -> None:
    asked = server(f"{azurite.host}:{azurite.port_of('queue')}", scheme="https")
    async with asking(asked) as adapter:
        error = await failed(adapter, QueueMessages(asked, "q"))
    assert isinstance(error, Unreachable)
    assert "TLS" in str(error)


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    asked = server(faults.NOWHERE)
    async with asking(asked, 2) as adapter:
        assert isinstance(await failed(adapter, QueueMessages(asked, "q")), Unreachable)


async def test_forty_megabytes_are_not_read() -> None:
    async with faults.huge(b"<EnumerationResults>", b"</EnumerationResults>", 40_000_000) as bad:
        asked = server(bad.address, "blob")
        async with asking(asked) as adapter:
            (error,) = await adapter.answer([BlobCount(asked, "c")])
    assert isinstance(error, Malformed)
    assert "larger than" in str(error)


async def test_an_answer_that_is_cut_is_unreachable() -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<EnumerationResults>"
    async with faults.saying(cut, is_closing=True) as bad:
        asked = server(bad.address, "blob")
        async with asking(asked) as adapter:
            assert isinstance(await failed(adapter, BlobCount(asked, "c")), Unreachable)


async def test_a_busy_service_is_asked_again_when_it_says() -> None:
    async with answering(says("", 503, Retry_After="7", x_ms_error_code="ServerBusy")) as fake:
        asked = server(f"127.0.0.1:{fake.port}")
        async with asking(asked) as adapter:
            with pytest.raises(Unreachable) as caught:
                await adapter.answer([QueueMessages(asked, "q")])
    assert caught.value.retry_after_s == 7


@emulated
async def test_a_restarted_service_answers_the_next_question() -> None:
    with Azurite() as own:
        own.client.make_queue("again")
        asked = own.storage("queue")
        async with asking(asked) as adapter:
            assert await adapter.answer([QueueMessages(asked, "again")]) == [0]
            own.stop()
            assert isinstance(await failed(adapter, QueueMessages(asked, "again")), Unreachable)
            own.start()
            assert await adapter.answer([QueueMessages(asked, "again")]) == [0]
