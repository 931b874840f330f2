"""What the Node says of the pods' network."""

from __future__ import annotations

from tidegate.local.nodes.network.pod_networks import PodNetwork


def condition(network: PodNetwork) -> dict[str, str]:
    """The node's condition: whether pods share the machine's ports and loopback."""
    if network.ranges is None:
        return {
            "type": "SharedPodNetwork",
            "status": "True",
            "reason": "MachineNetwork",
            "message": told(network),
        }
    return {
        "type": "SharedPodNetwork",
        "status": "False",
        "reason": "OwnNetworks",
        "message": f"each pod has a network of its own, in {network.ranges.block}",
    }


def told(network: PodNetwork) -> str:
    """What to tell whoever starts the server; "" where each pod has a network of its own."""
    if network.ranges is not None:
        return ""
    why = f": {network.why}" if network.why else ""
    return f"pods share this machine's network, and with it its ports{why}"
