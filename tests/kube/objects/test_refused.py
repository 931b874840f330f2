"""What is refused of objects: the embedded API names the fields that a real one names, in its words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from parts.conversation import Answer, Talk
from parts.posting import posted

MANIFESTS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("refused.yaml").read_text("utf-8"))

# A value that is a structure is shown as Go has it, or as it was sent.
STRUCTURE = re.compile(r"value: [{\[].*[}\]](?=$|: )")
# Where the real one leaves out which item of a list it means.
INDEXED = re.compile(r"(volumeMounts|ownerReferences)\[\d+\]")
# Words that we add, or have instead; docs/local-mode.md says so.
OURS = (
    (re.compile(r"; pods share this machine's network here .*"), ""),
    (re.compile(r"must be a valid IP address, \(e\.g\. .*\)"), "must be a valid IP address"),
    (re.compile(r'"batch\.kubernetes\.io/controller-uid":"[^"]*"'), ""),
    (re.compile(r'(redacted>": ).*'), r"\1is not JSON"),
)


def causes(answer: Answer) -> set[tuple[str, str, str]]:
    """Field, reason and words of each problem."""
    found = set()
    for cause in answer.body.get("details", {}).get("causes", ()):
        message = STRUCTURE.sub("value: …", cause["message"])
        for pattern, instead in OURS:
            message = pattern.sub(instead, message)
        found.add((INDEXED.sub(r"\1", cause.get("field", "")), cause["reason"], message))
    return found


@pytest.mark.parametrize("kind", sorted({body["kind"] for body in MANIFESTS.values()}))
async def test_what_is_refused_is_what_a_cluster_refuses(talks: tuple[Talk, Talk], kind: str) -> None:
    found = {}
    for name, body in MANIFESTS.items():
        if body["kind"] == kind:
            ours, right = [await posted(talk, body) for talk in talks]
            assert right.status >= 400, (name, right.body)
            if (ours.status, causes(ours)) != (right.status, causes(right)):
                found[name] = (ours.status, right.status, causes(ours) ^ causes(right))
            elif not causes(right) and ours.body["message"] != right.body["message"]:
                found[name] = (ours.status, right.status, ours.body["message"], right.body["message"])
    assert found == {}, "\n".join(map(str, found.items()))
