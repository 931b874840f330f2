"""Azure Service Bus: counts of queues and subscriptions, from a fake of its management interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from parts import faults
from parts.http_server import answering, says
from parts.servicebus_server import KEY, Bus, servicebus
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.azure_servicebus import connect
from tidegate.kit.systems.azure import Namespace, read_namespace
from tidegate.kit.systems.azure_servicebus import ActiveMessages, AllActiveMessages, ServiceBusServer


def server_of(bus: Bus) -> ServiceBusServer:
    return ServiceBusServer(read_namespace(bus.connection))


def server(port: int, *, is_plain: bool = True, host: str = "127.0.0.1") -> ServiceBusServer:
    return ServiceBusServer(Namespace(host, port, "name", KEY, is_emulator=is_plain))


@asynccontextmanager
async def asking(asked: ServiceBusServer, timeout_s: float = 10.0) -> AsyncIterator[Any]:
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


def paths(bus: Bus) -> list[str]:
    assert bus.http is not None
    return bus.http.paths()


async def test_active_messages_count_and_no_others() -> None:
    async with servicebus({"orders": 7}, {"news": {"mail": 3, "sms": 0}}) as bus:
        asked = server_of(bus)
        async with asking(asked) as adapter:
            assert await adapter.answer([ActiveMessages(asked, "orders")]) == [7]
            assert await adapter.answer([ActiveMessages(asked, "mail", "news")]) == [3]
            everything = [AllActiveMessages(asked), AllActiveMessages(asked, "news")]
            assert await adapter.answer(everything) == [{"orders": 7}, {"mail": 3, "sms": 0}]


async def test_the_second_trigger_brings_a_listing_that_answers_all() -> None:
    queues: dict[str, int | None] = {f"q/{number}": number for number in range(40)}
    async with servicebus(queues) as bus:
        asked = server_of(bus)
        async with asking(asked) as adapter:
            assert await adapter.answer([ActiveMessages(asked, "q/5")]) == [5]
            assert await adapter.answer([ActiveMessages(asked, f"Q/{number}") for number in (5, 39)]) == [
                5,
                39,
            ]
            everything, single = await adapter.answer(
                [AllActiveMessages(asked), ActiveMessages(asked, "q/1")]
            )
            assert (everything, single) == (queues, 1)
        assert [path.partition("?")[0] for path in paths(bus)] == ["/q/5", *["/$Resources/Queues"] * 2]


async def test_a_thousand_triggers_on_a_namespace_of_250_queues_are_three_requests() -> None:
    queues: dict[str, int | None] = {f"q{number:03}": number for number in range(250)}
    async with servicebus(queues) as bus:
        asked = server_of(bus)
        questions = [ActiveMessages(asked, f"q{number % 250:03}") for number in range(1000)]
        async with asking(asked) as adapter:
            for turn in (1, 2):
                assert await adapter.answer(questions) == [number % 250 for number in range(1000)]
                assert len(paths(bus)) == 3 * turn
            assert adapter.wake_gap_s >= 10, "the whole namespace is throttled"


async def test_few_triggers_on_a_namespace_of_many_queues_are_one_request_each() -> None:
    async with servicebus({f"q{number:03}": number for number in range(450)}) as bus:
        asked = server_of(bus)
        questions = [ActiveMessages(asked, name) for name in ("q001", "q002")]
        async with asking(asked) as adapter:
            assert await adapter.answer(questions) == [1, 2]
            assert len(paths(bus)) == 5, "how many there are is not known yet"
            assert await adapter.answer(questions) == [1, 2]
            assert len(paths(bus)) == 7


async def test_a_full_last_page_is_followed_by_an_empty_one() -> None:
    async with servicebus({f"q{number:03}": number for number in range(100)}) as bus:
        asked = server_of(bus)
        async with asking(asked) as adapter:
            (everything,) = await adapter.answer([AllActiveMessages(asked)])
        assert len(everything) == 100
        assert len(paths(bus)) == 2


@pytest.mark.parametrize("count", [1, 2])
async def test_what_is_missing_fails_alone(count: int) -> None:
    async with servicebus({"orders": 7}, {"news": {"mail": 3}}) as bus:
        asked = server_of(bus)
        missing = [ActiveMessages(asked, "gone"), ActiveMessages(asked, "gone", "news")]
        async with asking(asked) as adapter:
            for question in missing:
                there = (
                    ActiveMessages(asked, "orders")
                    if count == 1
                    else AllActiveMessages(asked, question.topic)
                )
                error, other = await adapter.answer([question, there])
                assert isinstance(error, Misconfigured)
                assert "gone doesn't exist" in str(error)
                assert other in (7, {"orders": 7}, {"mail": 3})
            (error,) = await adapter.answer([AllActiveMessages(asked, "nothing")])
            assert isinstance(error, Misconfigured)
            assert "no such topic" in str(error)


async def test_counts_that_are_withheld_are_no_zero() -> None:
    async with servicebus({"orders": None, "bills": 2}) as bus:
        asked = server_of(bus)
        async with asking(asked) as adapter:
            (alone,) = await adapter.answer([ActiveMessages(asked, "orders")])
            listed, good = await adapter.answer(
                [ActiveMessages(asked, "orders"), ActiveMessages(asked, "bills")]
            )
            (everything,) = await adapter.answer([AllActiveMessages(asked)])
    assert good == 2
    assert everything == {"orders": None, "bills": 2}
    for error in (alone, listed):
        assert isinstance(error, Unreachable)
        assert "no CountDetails" in str(error)


async def test_a_ready_signature_is_sent_as_it_is() -> None:
    token = "SharedAccessSignature sr=x&sig=y&se=1&skn=z"
    async with answering(says("<feed/>")) as fake:
        text = (
            f"Endpoint=sb://127.0.0.1:{fake.port};SharedAccessSignature={token};UseDevelopmentEmulator=true"
        )
        asked = ServiceBusServer(read_namespace(text))
        async with asking(asked) as adapter:
            assert await adapter.answer([AllActiveMessages(asked)]) == [{}]
        assert fake.requests[0].headers["Authorization"] == token
    assert token not in repr(asked)


# --- faults


async def test_a_wrong_key_is_denied_for_all_and_not_shown() -> None:
    async with servicebus({"orders": 7}) as bus:
        assert bus.http is not None
        asked = ServiceBusServer(
            Namespace("127.0.0.1", bus.http.port, "Root", "sesame-sesame", is_emulator=True)
        )
        async with asking(asked) as adapter:
            with pytest.raises(Denied) as caught:
                await adapter.answer([ActiveMessages(asked, "orders")])
    assert "sesame" not in str(caught.value) + caught.value.excerpt + repr(asked)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_namespace_that_is_asked_too_often_rests_as_long_as_it_says(status: int) -> None:
    async with servicebus({"orders": 7}) as bus:
        asked = server_of(bus)
        bus.status = status
        async with asking(asked) as adapter:
            with pytest.raises(Unreachable) as caught:
                await adapter.answer([ActiveMessages(asked, "orders")])
            assert caught.value.retry_after_s == 9
            bus.status = 200
            assert await adapter.answer([ActiveMessages(asked, "orders")]) == [7]


@pytest.mark.parametrize("body", ["", "no xml", "{}", "<html/>", "<!DOCTYPE x><feed/>", "<feed>" * 99])
async def test_an_answer_of_another_kind_is_malformed(body: str) -> None:
    async with answering(says(body)) as fake:
        asked = server(fake.port)
        async with asking(asked) as adapter:
            for question in (ActiveMessages(asked, "q"), AllActiveMessages(asked)):
                (error,) = await adapter.answer([question])
                assert isinstance(error, Malformed)


async def test_ten_megabytes_are_not_read() -> None:
    async with faults.huge(b"<feed>", b"</feed>") as bad:
        asked = server(bad.port)
        async with asking(asked) as adapter:
            (error,) = await adapter.answer([AllActiveMessages(asked)])
    assert isinstance(error, Malformed)
    assert "larger than" in str(error)


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_address_is_unreachable_as_a_whole(fault: Any) -> None:
    async with fault() as bad:
        asked = server(bad.port)
        async with asking(asked, 0.5) as adapter:
            error = await failed(adapter, ActiveMessages(asked, "q"))
    assert isinstance(error, Unreachable | Malformed)
    assert "Azure Service Bus" in str(error)
    assert KEY not in str(error)


async def test_tls_to_a_plain_port_is_told() -> None:
    async with servicebus() as bus:
        assert bus.http is not None
        asked = server(bus.http.port, is_plain=False)
        async with asking(asked) as adapter:
            error = await failed(adapter, ActiveMessages(asked, "q"))
    assert isinstance(error, Unreachable)
    assert "TLS" in str(error)


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    asked = server(0, host=faults.NOWHERE)
    async with asking(asked, 2) as adapter:
        assert isinstance(await failed(adapter, ActiveMessages(asked, "q")), Unreachable)


async def test_an_answer_that_is_cut_is_unreachable() -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<feed>"
    async with faults.saying(cut, is_closing=True) as bad:
        asked = server(bad.port)
        async with asking(asked) as adapter:
            assert isinstance(await failed(adapter, AllActiveMessages(asked)), Unreachable)
