"""The bad servers themselves: a fault that does not happen proves nothing."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest

from parts import faults
from parts.proxy import Proxy
from parts.waiting import until

GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"


async def said(port: int, sent: bytes = GET, within_s: float = 0.3) -> bytes:
    """What a server says, until it ends or falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    got = b""
    try:
        async with asyncio.timeout(within_s):
            while piece := await reader.read(65536):
                got += piece
            got += b"<end>"
    except TimeoutError:
        got += b"<silence>"
    except ConnectionResetError:
        got += b"<reset>"
    writer.transport.abort()
    return got


async def test_nobody_refuses() -> None:
    async with faults.nobody() as bad:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", bad.port)


async def test_the_others_are_silent_hang_up_or_say_what_they_were_told() -> None:
    async with faults.silent() as bad:
        assert await said(bad.port) == b"<silence>"
        assert (bad.connections, bad.heard) == (1, GET)
    async with faults.hanging_up() as bad:
        assert await said(bad.port) in (b"<reset>", b"<end>")
    async with faults.saying(b"-ERR no\r\n") as bad:
        assert await said(bad.port) == b"-ERR no\r\n<silence>"
    async with faults.saying(b"half", is_closing=True) as bad:
        assert await said(bad.port) == b"half<end>"
    async with faults.tls_only() as bad:
        assert GET not in await said(bad.port)


async def test_http_answers_are_what_they_should_be() -> None:
    async with aiohttp.ClientSession() as client:
        async with (
            faults.answering(b"no", "418 Teapot", "text/plain") as bad,
            client.get(f"http://{bad.address}/x") as answer,
        ):
            assert (answer.status, await answer.read(), answer.content_type) == (418, b"no", "text/plain")
        async with faults.huge() as bad, client.get(f"http://{bad.address}/x") as answer:
            assert answer.content_length is None
            assert len((await answer.json())[0]) == faults.TEN_MEGABYTES


async def test_a_plain_server_behind_tls_is_right_for_who_trusts_its_authority() -> None:
    trusting = ssl.create_default_context(cadata=faults.authority().cert_pem.bytes().decode())
    async with faults.answering(b"[1]") as plain, aiohttp.ClientSession() as client:
        async with (
            faults.in_tls(plain.port) as front,
            client.get(f"https://{front.address}/a", ssl=trusting) as answer,
        ):
            assert await answer.read() == b"[1]"
            assert front.requests == ["GET /a"]
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await client.get(f"https://{front.address}/a")
        async with faults.in_tls(plain.port, "other.shop") as front:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await client.get(f"https://{front.address}/a", ssl=trusting)


async def test_the_proxy_cuts_in_the_middle_and_counts() -> None:
    async with faults.answering(b"[" + b"1" * 100 + b"]") as plain, Proxy(plain.port).running() as proxy:
        assert (await said(proxy.port)).endswith(b"]<silence>")
        proxy.cut_after = 100
        assert len(await said(proxy.port)) == 100 + len(b"<end>")
        proxy.cut_after = None
        # A request's line in two pieces, and two requests in one.
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(GET[:7])
        await until(lambda: plain.heard.endswith(GET[:7]))
        writer.write(GET[7:] + b"HEAD")
        await until(lambda: plain.heard.endswith(b"HEAD"))
        writer.write(b" /second HTTP/1.1\r\n\r\n")
        await until(lambda: len(proxy.requests) == 4)
        assert proxy.requests == ["GET /a?b=c"] * 3 + ["HEAD /second"]
        assert (proxy.connections, proxy.open) == (3, 1)
        writer.transport.abort()
