"""A whole metrics API server: whom it trusts follows what kube-system publishes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from parts.memory_client import MemoryClient
from parts.memory_objects import MemoryObjects
from parts.tls_parts import Maker, held, write
from parts.waiting import until
from tidegate.base.errors import Malformed
from tidegate.kube.resource import CONFIG_MAPS
from tidegate.metricsapi.program import Places, Program
from tidegate.metricsapi.trust import NAME, NAMESPACE, overridden, published
from tidegate.runtime.certificate_files import TlsRules
from tidegate.runtime.clock import SystemClock

SERVICE = "keda-metrics-apiserver.keda.svc"
ADMIN = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}


def entries(proxies: Maker, clients: Maker, *names: str) -> dict[str, str]:
    """As the API server publishes them."""
    return {
        "client-ca-file": clients.trust.decode(),
        "requestheader-client-ca-file": proxies.trust.decode(),
        "requestheader-allowed-names": json.dumps(names),
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }


async def publish(objects: MemoryObjects, published: Mapping[str, str]) -> None:
    if objects.get(CONFIG_MAPS, NAMESPACE, NAME) is not None:
        await objects.patch(CONFIG_MAPS, NAMESPACE, NAME, {"data": dict(published)})
        return
    metadata = {"name": NAME, "namespace": NAMESPACE}
    await objects.create(CONFIG_MAPS, {"metadata": metadata, "data": dict(published)})


@asynccontextmanager
async def serving(folder: Path, objects: MemoryObjects) -> AsyncIterator[Program]:
    clock = SystemClock()
    client = MemoryClient(objects, clock)
    places = Places("127.0.0.1:1", folder, "127.0.0.1", 0, authority=SERVICE)
    program = Program(client, places, clock, TlsRules())  # type: ignore[arg-type]
    running = asyncio.create_task(program.run())
    try:
        await until(lambda: program.site.port != 0, 10)
        yield program
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def status(program: Program, trust: Maker, pair: tuple[Maker, str]) -> int:
    """Of `/apis`, asked as a front proxy does; 0 where the handshake fails."""
    context = held(trust.trust, pair[0].pair(pair[1])).client_context()
    url = f"https://127.0.0.1:{program.site.port}/apis"
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, ssl=context, server_hostname=SERVICE, headers=ADMIN) as response,
        ):
            return response.status
    except aiohttp.ClientError:
        return 0


async def test_whom_kube_system_publishes_is_trusted_from_then_on(tmp_path: Path) -> None:
    ours, first, second = Maker(), Maker(), Maker()
    write(tmp_path, ours.trust, ours.pair(SERVICE))
    objects = MemoryObjects(SystemClock())
    async with serving(tmp_path, objects) as program:
        assert await status(program, ours, (first, "front-proxy-client")) == 0
        await publish(objects, entries(first, Maker(), "front-proxy-client"))
        await until(lambda: program.site.is_ready, 10)
        assert await status(program, ours, (first, "front-proxy-client")) == 200
        assert await status(program, ours, (first, "somebody")) == 401
        await publish(objects, entries(second, Maker(), "front-proxy-client", "aggregator"))
        await asyncio.sleep(0.5)
        assert await status(program, ours, (first, "front-proxy-client")) == 0
        assert await status(program, ours, (second, "aggregator")) == 200


async def test_what_cannot_be_read_leaves_whom_we_trust_as_it_was(tmp_path: Path) -> None:
    ours, proxies = Maker(), Maker()
    write(tmp_path, ours.trust, ours.pair(SERVICE))
    objects = MemoryObjects(SystemClock())
    await publish(objects, entries(proxies, Maker(), "front-proxy-client"))
    async with serving(tmp_path, objects) as program:
        await until(lambda: program.site.is_ready, 10)
        await publish(objects, {"requestheader-allowed-names": "not JSON"})
        await asyncio.sleep(0.5)
        assert await status(program, ours, (proxies, "front-proxy-client")) == 200


def test_a_published_entry_that_is_none_is_named() -> None:
    good = entries(Maker(), Maker(), "x")
    with pytest.raises(Malformed, match="requestheader-group-headers"):
        published({**good, "requestheader-group-headers": "X-Remote-Group"})
    with pytest.raises(Malformed, match="requestheader-client-ca-file"):
        published({**good, "requestheader-client-ca-file": "no PEM"})


def test_without_published_entries_nobody_is_trusted() -> None:
    trust = published({})
    assert trust.pem == b""
    assert not trust.proxies.vouch((b"anything",))
    assert trust.headers.user == ()


def test_a_file_of_authorities_replaces_the_published_clients_alone() -> None:
    proxies, clients, ours = Maker(), Maker(), Maker()
    trust = overridden(published(entries(proxies, clients, "x")), clients=ours.trust)
    assert trust.clients.pem == ours.trust
    assert trust.proxies.pem == proxies.trust
