"""Sockets of HTTP connections, some of them silent for long: they notice when nobody is there any more."""

from __future__ import annotations

import socket

import pytest

from parts import faults
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http.dialling import Traffic, session

NAMES = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")


@pytest.mark.real
@pytest.mark.skipif(not hasattr(socket, NAMES[0]), reason="this system has another name for it")
async def test_a_peer_that_has_vanished_is_noticed_within_a_minute() -> None:
    async with faults.huge() as server:
        client = session(Surroundings(), True, 1, Traffic())
        try:
            answer = await client.get(f"http://{server.address}/")
            assert answer.connection is not None
            assert answer.connection.transport is not None
            wire = answer.connection.transport.get_extra_info("socket")
            idle, gap, count = (wire.getsockopt(socket.IPPROTO_TCP, getattr(socket, one)) for one in NAMES)
            assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert idle + gap * count <= 60
            answer.close()
        finally:
            await client.close()
