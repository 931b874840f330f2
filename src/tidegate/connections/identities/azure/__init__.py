"""Azure: tokens of workload identities, of applications with a secret or certificate, of a user's `az` login.

`cloud.py` chooses what proves an identity, `exchange.py` asks for the token, `certificates.py` signs,
`command_line.py` runs `az`.

The token endpoint is asked over our own HTTP client and not by Microsoft's library: it is one form to send,
and so the administrator's proxies, authorities, address policy and limits hold for it as for every other
connection, and no second cache or retry stands beside ours.
"""

from __future__ import annotations

from tidegate.connections.identities import Cloud, Ground


def connect(ground: Ground) -> Cloud:
    """Azure's identities; touches no network."""
    from tidegate.connections.identities.azure.cloud import AzureCloud

    return AzureCloud(ground)
