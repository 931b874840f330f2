"""Helm sees a part of this program from its installation to its uninstallation, others see it always."""

from __future__ import annotations

import json
from typing import Any

from parts.served import Served
from tidegate.kube.resource import CONFIG_MAPS
from tidegate.local.objects import BUILT_IN

MAPS = "/api/v1/namespaces/default/configmaps"
HELM = {"User-Agent": "Helm/3.20.2"}
PART: dict[str, Any] = {
    "metadata": {"name": "sea", "namespace": "default", "labels": {BUILT_IN: "shown"}},
    "data": {"tide": "high"},
}


async def names(served: Served, agent: str) -> list[str]:
    _, body, _ = await served.call("GET", MAPS, headers={"User-Agent": agent})
    return [one["metadata"]["name"] for one in body["items"]]


async def test_helm_finds_a_part_while_it_is_installed(served: Served) -> None:
    await served.plane.keep([(CONFIG_MAPS, PART)])
    assert await names(served, "kubectl/v1.37.0") == ["sea"]
    assert await names(served, "Helm/3.20.2") == []
    assert (await served.call("GET", f"{MAPS}/sea", headers=HELM))[0] == 404
    theirs = {"metadata": {"name": "sea", "labels": {"heritage": "Helm"}}, "data": {"tide": "low"}}
    status, made, response = await served.call("POST", MAPS, theirs, headers=HELM)
    assert (status, made["data"], made["metadata"]["labels"]["heritage"]) == (201, {"tide": "high"}, "Helm")
    assert "stays as it is" in response.headers["Warning"]
    assert await names(served, "Helm/3.20.2") == ["sea"]
    assert (await served.call("GET", f"{MAPS}/sea", headers=HELM))[0] == 200
    assert (await served.call("DELETE", f"{MAPS}/sea", headers=HELM))[0] == 200
    assert (await served.call("GET", f"{MAPS}/sea", headers=HELM))[0] == 404
    assert await names(served, "kubectl/v1.37.0") == ["sea"]


async def test_helm_watches_a_part_go(served: Served) -> None:
    await served.plane.keep([(CONFIG_MAPS, PART)])
    _, listed, _ = await served.call("GET", MAPS, headers=HELM)
    await served.call("POST", MAPS, {"metadata": {"name": "sea"}}, headers=HELM)
    await served.call("DELETE", f"{MAPS}/sea", headers=HELM)
    await served.call("POST", MAPS, {"metadata": {"name": "last"}}, headers=HELM)
    version = listed["metadata"]["resourceVersion"]
    query = f"?watch=true&resourceVersion={version}&timeoutSeconds=1"
    headers = {"Authorization": f"Bearer {served.token}", **HELM}
    async with served.session.get(served.server.url + MAPS + query, headers=headers) as response:
        events = [json.loads(line) for line in (await response.text()).splitlines()]
    seen = [(event["type"], event["object"]["metadata"]["name"]) for event in events]
    assert seen == [("ADDED", "sea"), ("DELETED", "sea"), ("ADDED", "last")]
