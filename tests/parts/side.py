"""One of two clusters that run the same, asked with kubectl: what it shows but for what it chose itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from parts.compared import plain
from parts.up import Up

NAMESPACE = "compared"
# A probe may come early or not; volumes are made by our own controller on one of the two.
UNSURE = ("Unhealthy", "ProvisioningSucceeded")
# The letters of names that a cluster makes: no vowels, and no digit that could be one.
LETTERS = "[bcdfghjklmnpqrstvwxz2456789]"
# Names that controllers choose, addresses, and how long ago something was.
CHOSEN = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "uid"),
    (re.compile(rf'pod-template-hash(=|": "){LETTERS}+'), r"pod-template-hash\1template"),
    (re.compile(rf"-{LETTERS}{{8,10}}\b"), "-template"),
    (re.compile(rf"-{LETTERS}{{5}}\b"), "-chosen"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"), "time"),
    (re.compile(r"\b\d+\.\d+\.\d+\.\d+\b"), "address"),
    (re.compile(r"\b(\d+[dhms])+\b"), "time"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "time"),
    (re.compile(r'(resourceVersion: )"\d+"'), r"\1some"),
    (re.compile(r"((?:Resource Version|Database Index):\s+)\d+"), r"\1some"),
    (re.compile(r"\b3[0-2]\d{3}\b"), "node-port"),
    (re.compile(r"(process://[^/]+/[^/]+)/\d+"), r"\1/some"),
    (re.compile(r'"restartCount": [1-9]\d*'), '"restartCount": "some"'),
)


# Local mode's own, told wherever something is not honoured: docs/reference/local-fields.md has them all.
UNHONOURED = re.compile(r"^Warning: [\w.\[\]]+ (has no effect|is served as \w+): .*\n", re.MULTILINE)


def masked(text: str) -> str:
    for pattern, instead in CHOSEN:
        text = pattern.sub(instead, text)
    return text


def shown(found: Any) -> Any:
    """The status of an object without what each cluster chooses; conditions have no order of their own."""
    status = json.loads(masked(json.dumps(plain(found, NAMESPACE)["status"])))
    if "conditions" in status:
        status["conditions"].sort(key=lambda one: one["type"])
    return status


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two, asked with kubectl."""

    cluster: Up

    def kubectl(self, *words: str) -> str:
        return self.cluster.kubectl("-n", NAMESPACE, *words)

    def release(self, *words: str) -> None:
        """Takes the finalizers off an object, if it is there."""
        none = '{"metadata": {"finalizers": null}}'
        self.cluster.kubectl("-n", NAMESPACE, "patch", *words, "-p", none, check=False)

    def until(self, what: str, *words: str, holds: Callable[[Any], bool]) -> Any:
        """The object that `kubectl get` shows, once it is so."""
        found: list[Any] = []

        def look() -> bool:
            found[:] = [json.loads(self.kubectl("get", *words, "-o", "json"))]
            return holds(found[0])

        self.cluster.until(what, look, 30.0)
        return found[0]

    def status(self, *words: str) -> Any:
        """A status without what each cluster chooses."""
        return shown(json.loads(self.kubectl("get", *words, "-o", "json")))

    def lines(self, *words: str) -> list[list[str]]:
        """What kubectl prints, in words: how wide a column is depends on names."""
        return sorted(masked(line).split() for line in self.kubectl(*words).splitlines())

    def said(self, *words: str) -> str:
        """All that kubectl says, whether it succeeds or not."""
        text = masked(UNHONOURED.sub("", self.cluster.kubectl("-n", NAMESPACE, *words, check=False)))
        # How wide a column is depends on names.
        return re.sub("  +", " ", text)

    def numbers(self, *words: str) -> tuple[int, int]:
        """The generation of an object, and the one that its status is of."""
        found = json.loads(self.kubectl("get", *words, "-o", "json"))
        return found["metadata"]["generation"], found["status"]["observedGeneration"]

    def events(self, *names: str) -> list[tuple[str, ...]]:
        """What was told of objects whose names begin so, each once."""
        items = json.loads(self.kubectl("get", "events", "-o", "json"))["items"]
        found = set()
        for one in items:
            about = one["involvedObject"]
            source = (one.get("source") or {}).get("component", "")
            if about["name"].startswith(names) and one["reason"] not in UNSURE:
                told = (about["kind"], about["name"], one["type"], one["reason"], one["message"], source)
                found.add(tuple(masked(word) for word in told))
        return sorted(found)
