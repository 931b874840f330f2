"""The plain site for probes and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest

from parts.loopback import free_port
from tidegate.cli.wiring.probe_site import Page, plain_site
from tidegate.runtime.settings import Listen

pytestmark = pytest.mark.real


def page(headers: Mapping[str, str]) -> Page:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one "
        yield headers.get("Accept", "").encode()

    return Page(parts(), headers={"Content-Type": "text/plain"})


def broken(headers: Mapping[str, str]) -> Page:
    async def parts() -> AsyncIterator[bytes]:
        raise RuntimeError("a defect")
        yield b""

    return Page(parts())


async def test_slices_and_errors_are_answered_as_such() -> None:
    port = free_port()
    pages = {"/metrics": page, "/broken": broken, "/healthz": lambda headers: Page(b"ok")}
    async with plain_site(Listen("127.0.0.1", port), pages), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        async with session.get(f"{url}/metrics", headers={"Accept": "two"}) as answer:
            assert (answer.status, await answer.text()) == (200, "one two")
        async with session.head(f"{url}/metrics") as answer:
            assert (answer.status, await answer.text()) == (200, "")
        async with session.get(f"{url}/broken") as answer:
            assert answer.status == 500
            assert "defect" not in await answer.text()
        async with session.get(f"{url}/healthz") as answer:
            assert await answer.text() == "ok"
