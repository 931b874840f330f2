"""Networks of their own, as far as no router is needed."""

from __future__ import annotations

from pathlib import Path

from tidegate.local.nodes.network.own_networks import OwnNetworks


async def test_services_that_change_after_the_end_are_told_to_nobody(tmp_path: Path) -> None:
    networks = OwnNetworks(tmp_path, "node")
    await networks.close(ends_pods=True)
    await networks.publish([], [])
