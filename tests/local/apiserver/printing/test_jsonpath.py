"""JSONPath as printer columns use it."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.apiserver.printing.jsonpath import find

BODY: dict[str, Any] = {
    "metadata": {"annotations": {"a.b/c": "dotted", "plain": "p"}},
    "spec": {"triggers": [{"type": "redis", "n": 1}, {"type": "cron", "n": 2}, {"type": "cpu"}], "on": False},
    "status": {
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "it's"},
            {"type": "Active", "status": "False"},
        ],
        "nothing": None,
    },
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".spec.triggers[0].type", ["redis"]),
        ("{.spec.triggers[0].type}", ["redis"]),
        ("$.spec.triggers[-1].type", ["cpu"]),
        (".spec.triggers[*].type", ["redis", "cron", "cpu"]),
        (".spec.triggers[0:2].type", ["redis", "cron"]),
        (".spec.triggers[9].type", []),
        (".spec['triggers'][1].n", [2]),
        (r".metadata.annotations.a\.b/c", ["dotted"]),
        (".metadata.annotations['a.b/c']", ["dotted"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type=='Active')].status", ["False"]),
        (".status.conditions[?(@['type'] == 'Active')].status", ["False"]),
        ('.status.conditions[?(@.type=="Paused")].status', []),
        (".spec.triggers[?(@.n>1)].type", ["cron"]),
        (".spec.triggers[?(@.n)].type", ["redis", "cron"]),
        (".spec.triggers[?(@.type!='cron')].type", ["redis", "cpu"]),
        (".spec.triggers[?(@.type>1)].type", []),
        ('.status.conditions[?(@.reason=="it\'s")].type', ["Ready"]),
        ("..status", [BODY["status"], "True", "False"]),
        (".spec.on", [False]),
        (".status.nothing", []),
        (".spec.missing.deeper", []),
        (".spec.triggers.type", []),
    ],
)
def test_a_path_finds_what_kubectl_would(path: str, expected: list[Any]) -> None:
    assert find(path, BODY) == expected


@pytest.mark.parametrize(
    "path", [".spec[", ".spec[abc]", ".a[?(@.x==y)]", ".a[?@.x]", ".a.", ".a[?(@.x===1)]"]
)
def test_a_path_that_cannot_be_read_is_named(path: str) -> None:
    with pytest.raises(ValueError, match="JSONPath"):
        find(path, {"a": [{"x": 1}]})
