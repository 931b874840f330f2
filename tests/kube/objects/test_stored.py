"""Objects at their plainest and at their fullest: the embedded API stores of them what a real one does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from parts.compared import differences, plain
from parts.conversation import Talk
from tidegate.local.apiserver.kinds import BUILT_IN

MANIFESTS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("manifests.yaml").read_text("utf-8"))

# Lines that docs/local-mode.md gives a reason for.
KNOWN = {
    ".spec.healthCheckNodePort": "no node has such a port",
    ".status.currentMetrics": "a null says as much as nothing",
}


async def stored(talk: Talk, body: dict[str, Any]) -> tuple[int, Any]:
    """Status and body of a POST; what was made is gone again."""
    body = json.loads(json.dumps(body).replace("the-namespace", talk.namespace))
    group, _, version = body["apiVersion"].rpartition("/")
    [kind] = [
        one
        for one in BUILT_IN
        if (one.resource.group, one.resource.version, one.resource.kind) == (group, version, body["kind"])
    ]
    where = {"group": body["apiVersion"] if group else ""}
    answer = await talk.post(talk.path(kind.resource.plural, **where), body, fieldValidation="Strict")
    if answer.status == 201:
        path = talk.path(kind.resource.plural, body["metadata"]["name"], **where)
        await talk.delete(path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
        if answer.body["metadata"].get("finalizers"):
            await talk.patch(path, {"metadata": {"finalizers": None}})
    return answer.status, plain(answer.body, talk.namespace)


@pytest.mark.parametrize("kind", sorted({body["kind"] for body in MANIFESTS.values()}))
async def test_what_is_stored_is_what_a_cluster_stores(talks: tuple[Talk, Talk], kind: str) -> None:
    found = {}
    for name, body in MANIFESTS.items():
        if body["kind"] == kind:
            (our_status, ours), (status, right) = [await stored(talk, body) for talk in talks]
            assert (our_status, status) == (201, 201), (name, ours, right)
            lines = [line for line in differences(ours, right) if line.partition(":")[0] not in KNOWN]
            found |= {name: lines} if lines else {}
    assert found == {}
