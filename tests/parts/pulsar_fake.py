"""A fake of Pulsar's admin API: statistics of topics, logins, and brokers that redirect to one another.

Source: Apache Pulsar, "Admin REST API" (`/admin/v2/persistent/…/stats`, `…/partitioned-stats`), "Pulsar
statistics", "Authentication using tokens" and "… using HTTP basic".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


def topic(backlogs: dict[str, int]) -> dict[str, Any]:
    """The statistics of a topic by its subscriptions' backlogs, as the documentation shows them."""
    subscriptions = {
        name: {
            "msgRateOut": 0.0,
            "msgRateRedeliver": 0.0,
            "msgBacklog": backlog,
            "backlogSize": backlog * 60,
            "msgBacklogNoDelayed": backlog,
            "unackedMessages": 0,
            "type": "Shared",
            "consumers": [],
            "isDurable": True,
        }
        for name, backlog in backlogs.items()
    }
    return {
        "msgRateIn": 0.0,
        "msgInCounter": 12,
        "storageSize": 720,
        "backlogSize": 720,
        "publishers": [],
        "subscriptions": subscriptions,
        "replication": {},
        "deduplicationStatus": "Disabled",
    }


@dataclass
class FakePulsar:
    """`topics` and `partitioned` by `tenant/namespace/topic`, with the backlogs of their subscriptions.

    `logins`: the headers of which one must be sent, none for open doors. `owner`: the origin of the broker
    that owns all topics, where it is not this one.
    """

    topics: dict[str, dict[str, int]] = field(default_factory=dict)
    partitioned: dict[str, dict[str, int]] = field(default_factory=dict)
    logins: tuple[tuple[str, str], ...] = ()
    owner: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.logins and not any(self._says(request, *login) for login in self.logins):
            return web.json_response({"reason": "Authentication required"}, status=401)
        if self.owner:
            return web.Response(status=307, headers={"Location": f"{self.owner}{request.path_qs}"})
        prefix, _, rest = request.path.partition("/admin/v2/persistent/")
        name, _, page = rest.rpartition("/")
        known = {"stats": self.topics, "partitioned-stats": self.partitioned}.get(page)
        if prefix or known is None:
            return web.Response(status=404)
        if name not in known:
            return web.json_response({"reason": f"Topic persistent://{name} not found"}, status=404)
        statistics = topic(known[name])
        if page == "partitioned-stats":
            statistics |= {"metadata": {"partitions": 3, "deleted": False}, "partitions": {}}
        return web.json_response(statistics)

    @staticmethod
    def _says(request: web.Request, method: str, header: str) -> bool:
        told = request.headers.get("X-Pulsar-Auth-Method-Name", method)
        return told == method and request.headers.get("Authorization") == header
