"""Azure Event Hubs: where partitions stand, from the examples' stand-in; checkpoints, from Azurite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from parts import faults
from parts.azurite_server import Azurite
from parts.eventhub_server import KEY, KEY_NAME, eventhub
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.azure_eventhub import connect
from tidegate.connections.azure_eventhub.values import (
    Described,
    Strange,
    Symbol,
    Ubyte,
    Uint,
    decoded,
    encoded,
)
from tidegate.connections.azure_storage import connect as connect_storage
from tidegate.kit.systems.azure import Namespace, read_namespace
from tidegate.kit.systems.azure_eventhub import EventHubServer, HubPositions, Position
from tidegate.kit.systems.azure_storage import BlobMetadata, BlobTexts

ProxyFor = Callable[[int], Awaitable[Proxy]]
EMPTY = Position(0, -1, is_empty=True)


def at(connection: str) -> EventHubServer:
    return EventHubServer(read_namespace(connection))


def plain(port: int) -> EventHubServer:
    return EventHubServer(Namespace("127.0.0.1", port, KEY_NAME, KEY, is_emulator=True))


@asynccontextmanager
async def asking(asked: EventHubServer, timeout_s: float = 5.0) -> AsyncIterator[Any]:
    """The adapter; it closes twice afterwards."""
    adapter: Any = connect(asked, Surroundings(timeout_s=timeout_s))
    try:
        yield adapter
    finally:
        await adapter.close()
        await adapter.close()


# --- positions


async def test_where_every_partition_stands_is_told() -> None:
    with eventhub() as own:
        own.put(0, 10)
        own.put(1, 1)
        own.put(2, 5, begin=100)
        asked = at(own.connection())
        async with asking(asked) as adapter:
            (positions,) = await adapter.answer([HubPositions(asked, "clicks")])
    assert positions == {
        "0": Position(0, 9, is_empty=False),
        "1": Position(0, 0, is_empty=False),
        "2": Position(100, 104, is_empty=False),
        "3": EMPTY,
    }


async def test_microsofts_own_client_is_told_the_same() -> None:
    """The stand-in is ours: this is what says that it speaks as Event Hubs does."""
    from azure.eventhub.aio import EventHubProducerClient

    with eventhub() as own:
        own.put(1, 7, begin=3)
        client = EventHubProducerClient.from_connection_string(
            own.connection(), eventhub_name="clicks", retry_total=0
        )
        async with client:
            assert await client.get_partition_ids() == ["0", "1", "2", "3"]
            told = await client.get_partition_properties("1")
    assert (told["beginning_sequence_number"], told["last_enqueued_sequence_number"]) == (3, 9)


async def test_a_round_is_one_flight_on_one_connection_that_stays() -> None:
    with eventhub(partitions=32) as own:
        asked = at(own.connection())
        async with asking(asked) as adapter:
            for turn in range(3):
                positions, *_ = await adapter.answer([HubPositions(asked, "clicks")] * 30)
                assert len(positions) == 32
                assert own.hub.requests == 1 + 33 * (turn + 1), "a token once; the hub and its partitions"
                assert adapter.traffic.flights == 3 + turn, "a token, the hub, its partitions; then one each"
            assert own.hub.connections == 1


async def test_a_thousand_groups_of_a_hub_ask_once() -> None:
    with eventhub() as own:
        asked = at(own.connection())
        async with asking(asked) as adapter:
            answers = await adapter.answer([HubPositions(asked, "clicks")] * 1000)
            assert len(answers) == 1000
            assert own.hub.requests == 6


async def test_more_requests_than_the_service_takes_at_a_time_wait_their_turn() -> None:
    with eventhub(partitions=1024) as own:
        own.put(1023, 5)
        asked = at(own.connection())
        async with asking(asked, 20) as adapter:
            (positions,) = await adapter.answer([HubPositions(asked, "clicks")])
    assert len(positions) == 1024
    assert positions["1023"] == Position(0, 4, is_empty=False)


async def test_no_more_is_sent_than_the_service_takes() -> None:
    with eventhub(partitions=64) as own:
        own.hub.credit = 30  # and no more after them
        asked = at(own.connection())
        async with asking(asked, 1) as adapter:
            with pytest.raises(Unreachable):
                await adapter.answer([HubPositions(asked, "clicks")])
        assert own.hub.requests == 1 + 30, "a token, and what was granted"


async def test_partitions_that_are_added_are_seen() -> None:
    with eventhub(partitions=1) as own:
        asked = at(own.connection())
        async with asking(asked) as adapter:
            await adapter.answer([HubPositions(asked, "clicks")])
            own.hub.events.append(["x"])
            own.hub.begins.append(0)
            assert await adapter.answer([HubPositions(asked, "clicks")]) == [
                {"0": EMPTY, "1": Position(0, 0, is_empty=False)}
            ]


async def test_a_missing_hub_fails_alone() -> None:
    with eventhub() as own:
        asked = at(own.connection())
        async with asking(asked) as adapter:
            bad, good = await adapter.answer([HubPositions(asked, "gone"), HubPositions(asked, "clicks")])
    assert isinstance(bad, Misconfigured)
    assert "no event hub gone" in str(bad)
    assert len(good) == 4


# --- faults


async def test_a_wrong_key_is_denied_and_not_shown() -> None:
    with eventhub() as own:
        asked = at(own.connection(key="sesame-sesame"))
        async with asking(asked) as adapter:
            with pytest.raises(Denied) as caught:
                await adapter.answer([HubPositions(asked, "clicks")])
    assert "sesame" not in str(caught.value) + repr(asked)


async def test_a_signature_of_ones_own_is_sent_as_it_is() -> None:
    token = "SharedAccessSignature sr=x&sig=hunter2&se=1&skn=y"
    with eventhub() as own:
        text = f"Endpoint=sb://127.0.0.1:{own.port};SharedAccessSignature={token};UseDevelopmentEmulator=true"
        asked, seen = at(text), []
        own.hub.is_signed = lambda told: bool(seen.append(told)) or True
        async with asking(asked) as adapter:
            await adapter.answer([HubPositions(asked, "clicks")])
    assert set(seen) == {token}
    assert "hunter2" not in repr(asked)


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_address_is_unreachable(fault: Any) -> None:
    async with fault() as bad:
        asked = plain(bad.port)
        async with asking(asked, 0.5) as adapter:
            with pytest.raises((Unreachable, Malformed), match="Event Hubs namespace") as caught:
                await adapter.answer([HubPositions(asked, "clicks")])
    assert KEY not in str(caught.value)


async def test_tls_to_a_plain_port_is_told() -> None:
    with eventhub() as own:
        asked = EventHubServer(Namespace("127.0.0.1", own.port, KEY_NAME, KEY))
        async with asking(asked) as adapter:
            with pytest.raises(Unreachable):
                await adapter.answer([HubPositions(asked, "clicks")])


async def test_a_certificate_that_nobody_trusts_is_told() -> None:
    with eventhub() as own:
        async with faults.in_tls(own.port) as front:
            asked = EventHubServer(Namespace("127.0.0.1", front.port, KEY_NAME, KEY))
            async with asking(asked) as adapter:
                with pytest.raises(Unreachable, match="not trusted"):
                    await adapter.answer([HubPositions(asked, "clicks")])


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    asked = EventHubServer(Namespace(faults.NOWHERE, 0, KEY_NAME, KEY, is_emulator=True))
    async with asking(asked, 2) as adapter:
        with pytest.raises(Unreachable):
            await adapter.answer([HubPositions(asked, "clicks")])


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"AMQP\x00\x00\x09\x01",
        b"AMQP\x03\x01\x00\x00" + b"\xff" * 8,
        b"AMQP\x03\x01\x00\x00\x00\x00\x00\x0c\x02\x01\x00\x00\x00\x53\x40\x45",
        b"AMQP\x03\x01\x00\x00\x00\x98\x96\x80\x02\x01\x00\x00",
    ],
    ids=["http", "amqp 0.9.1", "noise", "no mechanisms", "ten megabytes"],
)
async def test_what_is_no_amqp_1_0_is_told(text: bytes) -> None:
    async with faults.saying(text) as bad:
        asked = plain(bad.port)
        async with asking(asked, 1) as adapter:
            with pytest.raises((Malformed, Denied)):
                await adapter.answer([HubPositions(asked, "clicks")])


@pytest.mark.parametrize("after", [4, 20, 100, 300, 600, 900])
async def test_an_answer_that_is_cut_is_asked_for_once_more_and_then_told(
    proxy_for: ProxyFor, after: int
) -> None:
    with eventhub() as own:
        proxy = await proxy_for(own.port)
        proxy.cut_after = after
        asked = plain(proxy.port)
        async with asking(asked, 2) as adapter:
            with pytest.raises((Unreachable, Malformed)):
                await adapter.answer([HubPositions(asked, "clicks")])
            assert proxy.connections <= 2
            proxy.cut_after = None
            (positions,) = await adapter.answer([HubPositions(asked, "clicks")])
    assert len(positions) == 4


@pytest.mark.parametrize("mode", ["stall", "garble"])
async def test_a_service_that_stalls_or_garbles_is_told_and_heals(proxy_for: ProxyFor, mode: str) -> None:
    with eventhub() as own:
        proxy = await proxy_for(own.port)
        asked = plain(proxy.port)
        async with asking(asked, 0.5) as adapter:
            await adapter.answer([HubPositions(asked, "clicks")])
            proxy.mode = mode
            with pytest.raises((Unreachable, Malformed)):
                await adapter.answer([HubPositions(asked, "clicks")])
            proxy.mode = "pass"
            (positions,) = await adapter.answer([HubPositions(asked, "clicks")])
    assert len(positions) == 4


async def test_a_restarted_service_answers_the_next_question(proxy_for: ProxyFor) -> None:
    with eventhub() as own:
        proxy = await proxy_for(own.port)
        asked = plain(proxy.port)
        async with asking(asked) as adapter:
            await adapter.answer([HubPositions(asked, "clicks")])
            proxy.cut()
            (positions,) = await adapter.answer([HubPositions(asked, "clicks")])
            assert len(positions) == 4
            assert proxy.connections == 2


@pytest.mark.parametrize(
    "told",
    [
        (200, None),
        (200, {}),
        (200, {"partition_ids": []}),
        (200, {"partition_ids": [7]}),
        (200, {"partition_ids": ["0"], "begin_sequence_number": 0}),
        (200, {"partition_ids": ["0"], "begin_sequence_number": 0, "last_enqueued_sequence_number": "5"}),
        (200, {"partition_ids": ["0"], "begin_sequence_number": 0, "last_enqueued_sequence_number": -2}),
        (500, None),
        (503, None),
    ],
)
async def test_an_answer_without_numbers_is_no_zero(told: tuple[int, Any]) -> None:
    with eventhub() as own:
        whole = own.hub.answer
        own.hub.answer = lambda node, *rest: whole(node, *rest) if node == "$cbs" else told
        asked = at(own.connection())
        async with asking(asked) as adapter:
            (error,) = await adapter.answer([HubPositions(asked, "clicks")])
    assert isinstance(error, Malformed if told[0] == 200 else Unreachable)


# --- AMQP's types


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -1, 2**62, "", "text", "ü" * 200, b"\x00" * 300, [], [1, "a", None], {"a": [1]}],
)
def test_what_is_written_is_read_the_same(value: Any) -> None:
    assert decoded(encoded(value)) == (value, len(encoded(value)))


def test_special_types_are_read_as_what_they_hold() -> None:
    for value, held in (
        (Uint(7), 7),
        (Ubyte(7), 7),
        (Symbol("a"), "a"),
        (Described(0x24, []), Described(0x24, [])),
    ):
        assert decoded(encoded(value))[0] == held


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"\xa1",
        b"\xa1\x05ab",
        b"\xb1\xff\xff\xff\xffab",
        b"\xa1\x01\xff",
        b"\xd0\x00\x00\x00\x04\xff\xff\xff\xff",
        b"\xc1\x02\x01\x40",
        b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40",
        b"\x00" * 40,
        (b"\xc0\xff\x01") * 40,
        b"\xd1\x00\x00\x00\x06\x00\x00\x00\x02\x45\x40",
    ],
)
def test_what_cannot_be_read_is_strange(raw: bytes) -> None:
    with pytest.raises(Strange):
        decoded(raw)


# --- checkpoints


def emulated(test: Any) -> Any:
    """A test that needs Azurite."""
    return pytest.mark.real(pytest.mark.xdist_group("azurite")(test))


@pytest.fixture(scope="module")
def azurite(servers: Servers) -> Azurite:
    return servers.get(Azurite)


@emulated
async def test_metadata_of_blobs_comes_with_one_listing(azurite: Azurite, proxy_for: ProxyFor) -> None:
    client = azurite.client
    client.make_container("described")
    for partition in range(3):
        client.put_blob("described", f"ns/hub/g/checkpoint/{partition}", b"", SequenceNumber=f"{partition}")
    client.put_blob("described", "ns/other/g/checkpoint/0", b"", sequencenumber="9")
    proxy = await proxy_for(azurite.port_of("blob"))
    asked = azurite.storage("blob", proxy.address)
    adapter = connect_storage(asked, Surroundings())
    try:
        answers = await adapter.answer(
            [BlobMetadata(asked, "described", "ns/hub/"), BlobMetadata(asked, "nowhere", "ns/")]
        )
    finally:
        await adapter.close()
    found = {f"ns/hub/g/checkpoint/{partition}": {"sequencenumber": f"{partition}"} for partition in range(3)}
    assert answers == [found, {}]
    assert len(proxy.requests) == 2


@emulated
async def test_blobs_are_read_again_when_they_have_changed(azurite: Azurite, proxy_for: ProxyFor) -> None:
    client = azurite.client
    client.make_container("texts")
    for partition in range(3):
        client.put_blob("texts", f"g/{partition}", b"one")
    proxy = await proxy_for(azurite.port_of("blob"))
    asked = azurite.storage("blob", proxy.address)
    question = BlobTexts(asked, "texts", tuple(f"g/{partition}" for partition in range(5)))
    missing = BlobTexts(asked, "nowhere", ("g/0",))
    adapter = connect_storage(asked, Surroundings())
    try:
        first = await adapter.answer([question, missing])
        assert first == [{f"g/{partition}": b"one" for partition in range(3)}, {}]
        assert len(proxy.requests) == 2 + 3
        await adapter.answer([question])
        assert len(proxy.requests) == 2 + 3 + 1, "nothing has changed"
        client.put_blob("texts", "g/1", b"two")
        client.delete_blob("texts", "g/2")
        assert await adapter.answer([question]) == [{"g/0": b"one", "g/1": b"two"}]
        assert len(proxy.requests) == 2 + 3 + 1 + 2
    finally:
        await adapter.close()
