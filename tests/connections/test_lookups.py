"""Host names to addresses: equal names once, in threads that nobody shares."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from tidegate.connections.lookups import addresses_of


async def test_names_and_addresses_have_addresses() -> None:
    assert "127.0.0.1" in await addresses_of("localhost")
    assert await addresses_of("10.1.2.3") == ("10.1.2.3",)
    assert await addresses_of("::1") == ("::1",)


@pytest.mark.parametrize("host", ["nowhere.invalid", "x" * 300 + ".invalid", "a..b", ""])
async def test_what_has_none_is_an_error(host: str) -> None:
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            await addresses_of(host)


async def test_whoever_asks_for_the_same_name_shares_the_lookup() -> None:
    asking = [asyncio.ensure_future(addresses_of("localhost")) for _ in range(100)]
    await asyncio.sleep(0)
    assert sum(one.name == "lookup" for one in threading.enumerate()) <= 1
    answers = await asyncio.gather(*asking)
    assert len(set(answers)) == 1


async def test_one_who_gives_up_takes_the_answer_from_nobody() -> None:
    first, second = (asyncio.ensure_future(addresses_of("localhost")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert first.cancelled()
