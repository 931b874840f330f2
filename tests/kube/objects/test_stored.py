"""Objects at their plainest and at their fullest: the embedded API stores of them what a real one does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from parts.compared import differences, plain
from parts.conversation import Talk
from parts.posting import posted

MANIFESTS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("manifests.yaml").read_text("utf-8"))

# Lines that docs/local-mode.md gives a reason for.
KNOWN = {
    ".spec.healthCheckNodePort": "no node has such a port",
    ".status.currentMetrics": "a null says as much as nothing",
}


@pytest.mark.parametrize("kind", sorted({body["kind"] for body in MANIFESTS.values()}))
async def test_what_is_stored_is_what_a_cluster_stores(talks: tuple[Talk, Talk], kind: str) -> None:
    found = {}
    for name, body in MANIFESTS.items():
        if body["kind"] == kind:
            answers = [await posted(talk, body) for talk in talks]
            assert [answer.status for answer in answers] == [201, 201], (name, answers)
            ours, right = (
                plain(answer.body, talk.namespace) for answer, talk in zip(answers, talks, strict=True)
            )
            lines = [line for line in differences(ours, right) if line.partition(":")[0] not in KNOWN]
            found |= {name: lines} if lines else {}
    assert found == {}
