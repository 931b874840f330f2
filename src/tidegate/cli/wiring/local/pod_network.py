"""Which network the pods of a local cluster get: their own, or the machine's, as asked and as it allows."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from tidegate.base.errors import Misconfigured
from tidegate.local.apiserver.defaulting.service_addresses import ON_LOOPBACK, ServiceNetwork
from tidegate.local.nodes.network.own_networks import OwnNetworks, Unavailable, end_networks, open_networks
from tidegate.local.nodes.network.pod_networks import LOOPBACK, PodNetwork, SharedNetwork
from tidegate.local.nodes.network.ranges import RESERVED

log = logging.getLogger(__name__)

Kind = Literal["auto", "own", "shared"]
API_PORT = 6443
PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
ASKED = "it was asked for with --pod-network shared"


async def open_network(kind: Kind, folder: Path) -> PodNetwork:
    """Networks of their own, or with `auto` the machine's where it allows none.

    Misconfigured where they must be their own and cannot.
    """
    if kind == "shared":
        await asyncio.to_thread(end_networks, folder)
        return SharedNetwork(ASKED)
    try:
        return await asyncio.to_thread(open_networks, folder)
    except Unavailable as error:
        if kind == "own":
            raise Misconfigured(
                "give pods networks of their own",
                on="this machine",
                answer=str(error),
                next_step='see "Networks" in docs/local-mode.md, or leave out --pod-network',
            ) from error
        await asyncio.to_thread(end_networks, folder)
        return SharedNetwork(str(error))


def service_network(network: PodNetwork) -> ServiceNetwork:
    ranges = network.ranges
    if ranges is None:
        return ON_LOOPBACK
    return ServiceNetwork(ranges.services, ranges.api, frozenset({ranges.dns}), RESERVED)


def api_endpoint(network: PodNetwork, url: str) -> tuple[str, int]:
    """Where the Service `kubernetes` leads: pods with networks of their own do not reach our loopback."""
    if network.ranges is None:
        return LOOPBACK, urlsplit(url).port or 443
    return str(network.ranges.gateway), API_PORT


async def serve_pods(network: PodNetwork, listen: Callable[[socket.socket], Awaitable[Any]]) -> None:
    """Lets the API listen in the pods' network too, again whenever that is another; until cancelled."""
    if not isinstance(network, OwnNetworks):
        await asyncio.Event().wait()
        return
    pause_s = PAUSE_S
    while True:
        changed = network.changed
        try:
            site = await listen(await network.listen(str(network.ranges.gateway), API_PORT))
        except OSError as error:
            log.error("pods do not reach the API", extra={"error": str(error)})
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
            continue
        pause_s = PAUSE_S
        await changed.wait()
        await site.stop()
