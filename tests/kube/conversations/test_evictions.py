"""Pods get a node through their binding, and go through an eviction that asks their disruption budget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parts.conversation import JSON_PATCH, STRATEGIC, TABLE, Talk
from parts.real_cluster import REAL
from parts.served import serving
from tidegate.local.controllers.controller import Controller
from tidegate.local.controllers.workloads.disruption_budgets import DisruptionBudgets
from tidegate.runtime.clock import SystemClock

SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
POLICY = "policy/v1"
BLOCKED = "Cannot evict pod as it would violate the pod's disruption budget."
NODE = "node-of-the-test"
SETTLED_S = 10.0


@pytest.fixture(params=["embedded", REAL])
async def kubeconfig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Path]:
    """As of all conversations, with the controller that counts for the budgets."""
    if request.param != "embedded":
        yield request.getfixturevalue("real_kubeconfig")
        return
    async with serving(tmp_path / "data") as served:
        clock, kinds = SystemClock(), served.plane.kinds
        counts = DisruptionBudgets(served.plane.objects, clock, lambda: [one.resource for one in kinds.all()])
        running = asyncio.create_task(Controller(counts, served.plane.objects, clock).run())
        yield served.server.kubeconfig
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def pod(name: str, **labels: str) -> dict[str, Any]:
    spec = {"terminationGracePeriodSeconds": 30, "containers": [{"name": "c", "image": "i"}]}
    return {"metadata": {"name": name, "labels": {"app": "a", **labels}}, "spec": spec}


def binding(name: str, **target: str) -> dict[str, Any]:
    target = target or {"kind": "Node", "name": NODE}
    return {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}


def eviction(name: str, **options: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"apiVersion": POLICY, "kind": "Eviction", "metadata": {"name": name}}
    return body | ({"deleteOptions": options} if options else {})


async def runs(talk: Talk, name: str, *, is_ready: bool = True, **labels: str) -> None:
    """A Pod with a node that says so of it."""
    await talk.made(talk.path("pods"), pod(name, **labels))
    assert (await talk.post(talk.path("pods", name, subresource="binding"), binding(name))).status == 201
    ready = {"type": "Ready", "status": "True" if is_ready else "False"}
    status = {"status": {"phase": "Running", "conditions": [ready]}}
    answer = await talk.patch(talk.path("pods", name, subresource="status"), status, STRATEGIC)
    assert answer.status == 200, answer.body


async def budget(talk: Talk, name: str, **spec: Any) -> None:
    spec = {"selector": {"matchLabels": {"app": "a"}}, **spec}
    await talk.made(
        talk.path("poddisruptionbudgets", group=POLICY), {"metadata": {"name": name}, "spec": spec}
    )


async def counted(talk: Talk, name: str, **wanted: int) -> dict[str, Any]:
    """The status of a budget once it says so."""
    async with asyncio.timeout(SETTLED_S):
        while True:
            found = (await talk.get(talk.path("poddisruptionbudgets", name, group=POLICY))).body
            status: dict[str, Any] = found.get("status") or {}
            is_newest = status.get("observedGeneration") == found["metadata"]["generation"]
            if is_newest and wanted.items() <= status.items():
                return status
            await asyncio.sleep(0.05)


async def evict(talk: Talk, name: str, **options: Any) -> Any:
    return await talk.post(talk.path("pods", name, subresource="eviction"), eviction(name, **options))


def causes(answer: Any) -> list[tuple[str, str]]:
    return [(one["reason"], one["message"]) for one in answer.body["details"].get("causes", ())]


async def test_a_pod_is_bound_once(talk: Talk) -> None:
    await talk.made(talk.path("pods"), pod("p"))
    path = talk.path("pods", "p", subresource="binding")
    assert (await talk.post(path, binding("another"))).status == 400
    assert (await talk.post(path, binding("p"), dryRun="All")).body == SUCCESS
    answer = await talk.post(path, binding("p"))
    assert (answer.status, answer.body) == (201, SUCCESS)
    bound = (await talk.get(talk.path("pods", "p"))).body
    assert bound["spec"]["nodeName"] == NODE
    assert bound["metadata"]["generation"] == 1
    (scheduled,) = bound["status"]["conditions"]
    assert (scheduled["type"], scheduled["status"]) == ("PodScheduled", "True")
    answer = await talk.post(path, binding("p"))
    assert (answer.status, answer.reason) == (409, "Conflict")
    assert answer.body["details"] == {"name": "p", "kind": "pods/binding"}
    assert (await talk.post(talk.path("pods", "q", subresource="binding"), binding("q"))).status == 404


async def test_a_pod_without_a_budget_is_evicted(talk: Talk) -> None:
    await runs(talk, "p")
    assert (await talk.post(talk.path("pods", "p", subresource="eviction"), eviction("q"))).status == 400
    assert (await evict(talk, "q")).status == 404
    answer = await evict(talk, "p", dryRun=["All"])
    assert (answer.status, answer.body) == (201, SUCCESS)
    assert "deletionTimestamp" not in (await talk.get(talk.path("pods", "p"))).body["metadata"]
    assert (await evict(talk, "p", preconditions={"uid": "another"})).status == 409
    assert (await evict(talk, "p", gracePeriodSeconds=7)).body == SUCCESS
    gone = (await talk.get(talk.path("pods", "p"))).body
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 7
    target = [one for one in gone["status"]["conditions"] if one["type"] == "DisruptionTarget"]
    assert [(one["status"], one["reason"]) for one in target] == [("True", "EvictionByEvictionAPI")]
    await talk.made(talk.path("pods"), pod("waits"))
    assert (await evict(talk, "waits")).body == SUCCESS
    assert (await talk.get(talk.path("pods", "waits"))).status == 404


async def test_a_budget_lets_as_many_go_as_it_may(talk: Talk) -> None:
    for name in ("one", "two"):
        await runs(talk, name)
    await budget(talk, "b", minAvailable=2)
    status = await counted(talk, "b", currentHealthy=2)
    (condition,) = status.pop("conditions")
    assert status == {
        "currentHealthy": 2, "desiredHealthy": 2, "disruptionsAllowed": 0, "expectedPods": 2,
        "observedGeneration": 1,
    }  # fmt: skip
    del condition["lastTransitionTime"]
    assert condition == {
        "type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
        "observedGeneration": 1,
    }  # fmt: skip
    answer = await evict(talk, "one")
    assert (answer.status, answer.reason, answer.body["message"]) == (429, "TooManyRequests", BLOCKED)
    why = "The disruption budget b needs 2 healthy pods and has 2 currently"
    assert causes(answer) == [("DisruptionBudget", why)]
    assert (await evict(talk, "one", dryRun=["All"])).status == 429

    patch = [{"op": "replace", "path": "/spec/minAvailable", "value": 1}]
    await talk.patch(talk.path("poddisruptionbudgets", "b", group=POLICY), patch, JSON_PATCH)
    status = await counted(talk, "b", disruptionsAllowed=1)
    assert (status["conditions"][0]["status"], status["conditions"][0]["reason"]) == (
        "True",
        "SufficientPods",
    )
    assert (await evict(talk, "one", dryRun=["All"])).body == SUCCESS
    assert (await evict(talk, "one")).body == SUCCESS
    await counted(talk, "b", disruptionsAllowed=0, currentHealthy=1)
    assert (await evict(talk, "two")).status == 429
    # One that goes already needs nobody's leave.
    assert (await evict(talk, "one")).body == SUCCESS

    table = await talk.get(talk.path("poddisruptionbudgets", "b", group=POLICY), accept=TABLE)
    names = [column["name"] for column in table.body["columnDefinitions"]]
    assert names == ["Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age"]
    assert table.body["rows"][0]["cells"][:4] == ["b", "1", "N/A", 0]


@pytest.mark.parametrize(
    ("policy", "least", "status"),
    [(None, 1, 201), (None, 2, 429), ("IfHealthyBudget", 2, 429), ("AlwaysAllow", 2, 201)],
)
async def test_a_pod_that_is_not_ready(talk: Talk, policy: str | None, least: int, status: int) -> None:
    await runs(talk, "ready")
    await runs(talk, "broken", is_ready=False)
    more = {"unhealthyPodEvictionPolicy": policy} if policy else {}
    await budget(talk, "b", minAvailable=least, **more)
    await counted(talk, "b", currentHealthy=1, desiredHealthy=least)
    assert (await evict(talk, "broken")).status == status


async def test_a_pod_with_two_budgets_is_not_evicted(talk: Talk) -> None:
    await runs(talk, "p")
    await budget(talk, "b", minAvailable=0)
    await budget(talk, "c", maxUnavailable=1)
    answer = await evict(talk, "p")
    assert answer.status == 500
    assert "more than one PodDisruptionBudget" in answer.body["message"]


async def test_percentages_are_of_what_the_owners_ask_for(talk: Talk) -> None:
    meta = {"name": "owner", "labels": {"app": "a"}}
    # Nobody makes its Pods: its template asks for what no Pod has.
    template = {
        "metadata": {"labels": {"app": "a", "of": "owner"}},
        "spec": {"serviceAccountName": "none", "containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"replicas": 4, "selector": {"matchLabels": {"of": "owner"}}, "template": template}
    owner = await talk.made(talk.path("replicasets", group="apps/v1"), {"metadata": meta, "spec": spec})
    await runs(talk, "p", of="owner")
    reference = {
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "owner", "uid": owner["metadata"]["uid"],
        "controller": True,
    }  # fmt: skip
    await talk.patch(talk.path("pods", "p"), {"metadata": {"ownerReferences": [reference]}})
    await budget(talk, "least", minAvailable="30%")
    await budget(talk, "most", maxUnavailable="30%")
    await counted(talk, "least", expectedPods=4, desiredHealthy=2)
    await counted(talk, "most", expectedPods=4, desiredHealthy=2)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"minAvailable": 1, "maxUnavailable": 1}, "spec"),
        ({"minAvailable": -1}, "spec.minAvailable"),
        ({"minAvailable": "many"}, "spec.minAvailable"),
        ({"maxUnavailable": "101%"}, "spec.maxUnavailable"),
        ({"unhealthyPodEvictionPolicy": "Never"}, "spec.unhealthyPodEvictionPolicy"),
        ({"selector": {"matchLabels": {"a": "b c"}}}, "spec.selector.matchLabels"),
    ],
)
async def test_a_budget_that_cannot_be(talk: Talk, spec: dict[str, Any], field: str) -> None:
    path = talk.path("poddisruptionbudgets", group=POLICY)
    answer = await talk.post(path, {"metadata": {"name": "b"}, "spec": spec})
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert [one["field"] for one in answer.body["details"]["causes"]] == [field]


async def test_a_patch_replaces_the_selector_of_a_budget(talk: Talk) -> None:
    await budget(talk, "b", minAvailable=1)
    path = talk.path("poddisruptionbudgets", "b", group=POLICY)
    patch = {"spec": {"selector": {"matchLabels": {"other": "b"}}}}
    answer = await talk.patch(path, patch, STRATEGIC)
    assert answer.body["spec"]["selector"] == {"matchLabels": {"other": "b"}}
    body = answer.body
    del body["metadata"]["resourceVersion"]
    assert (await talk.put(path, body)).status == 422
