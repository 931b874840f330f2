"""Two answers of two servers about the same thing: what differs, but for names, times and addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

OWN = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink")
# What each server chooses by itself.
CHOSEN = (
    (re.compile(r'"(clusterIP|nodePort)": ("[0-9][^"]+"|[0-9]+)'), r'"\1": "chosen"'),
    (re.compile(r'"clusterIPs": \["[0-9][^\]]+\]'), '"clusterIPs": "chosen"'),
    (re.compile(r"kube-api-access-[a-z0-9]{5}"), "kube-api-access-chosen"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "time"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "uid"),
)


def plain(body: Any, namespace: str) -> Any:
    """The body without what is each server's own."""
    text = json.dumps(body).replace(namespace, "the-namespace")
    for pattern, instead in CHOSEN:
        text = pattern.sub(instead, text)
    found = json.loads(text)
    for name in OWN:
        found.get("metadata", {}).pop(name, None)
    return found


def differences(ours: Any, right: Any, path: str = "") -> Iterator[str]:
    """One line for each value in which they differ; `right` is the real server's."""
    if isinstance(ours, dict) and isinstance(right, dict):
        for key in sorted(ours.keys() | right.keys()):
            if key not in ours:
                yield f"{path}.{key}: missing, is {json.dumps(right[key])}"
            elif key not in right:
                yield f"{path}.{key}: {json.dumps(ours[key])}, is not there"
            else:
                yield from differences(ours[key], right[key], f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(right, list) and len(ours) == len(right):
        for index, (one, other) in enumerate(zip(ours, right, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif ours != right:
        yield f"{path}: {json.dumps(ours)}, is {json.dumps(right)}"
