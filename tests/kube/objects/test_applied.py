"""Server-side apply, told as stories on both: what is left, who owns it, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml

from parts.compared import differences, plain
from parts.conversation import JSON_PATCH, MERGE, Answer, Talk
from parts.posting import posted
from tidegate.local.apiserver.kinds import BUILT_IN

APPLY = "application/apply-patch+yaml"
STORIES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("applied.yaml").read_text("utf-8"))
POSTED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("manifests.yaml").read_text("utf-8"))
# What programs write every few seconds.
NOT_FOLLOWED = {"Event", "Lease"}
# What Kubernetes completes after it has written down the owners (docs/local-mode.md).
COMPLETED = (
    "f:ipFamilies",
    "f:ipFamilyPolicy",
    "f:preemptionPolicy",
    "f:priority",
    "f:serviceAccount",
    "f:serviceAccountName",
    "f:tolerations",
    "f:finalizers",
    "f:selector",
    "f:serviceName",
    "f:template.f:metadata",
    "f:metadata",
)
# The client's mistakes that are 500 there (docs/local-mode.md).
OURS_FOR_500 = 400
# Version and plural of each kind.
KINDS = {
    **{
        one.resource.kind: (one.resource.api_version, one.resource.plural)
        for one in BUILT_IN
        if not one.fields_key.startswith("horizontalpodautoscalers.v1")
    },
    "Thing": ("tests.example.org/v1", "things"),
}


class Step:
    """One line of a story."""

    def __init__(self, line: dict[str, Any]) -> None:
        ((said, self.body),) = line.items()
        self.verb, _, who = said.partition(" ")
        self.who, _, more = who.strip('"').partition("?")
        self.more = dict(parse_qsl(more))

    async def take(self, talk: Talk, kind: str) -> tuple[str, Answer]:
        body = json.loads(json.dumps(self.body))
        if isinstance(body, dict) and self.verb not in ("merge", "json"):
            kind = body.get("kind", kind)
            body.setdefault("metadata", {}).setdefault("name", "x")
            if "kind" in body and "apiVersion" not in body:
                body["apiVersion"] = KINDS[kind][0]
        return kind, await self._sent(talk, kind, body)

    async def _sent(self, talk: Talk, kind: str, body: Any) -> Answer:
        version, plural = KINDS[kind]
        group = "" if version == "v1" else version
        path = talk.path(plural, "x", group=group)
        how = {"fieldManager": self.who, **self.more} if self.who else self.more
        if self.verb == "post":
            return await talk.post(talk.path(plural, group=group), body, **how)
        if self.verb == "put":
            return await talk.put(path, body, **how)
        if self.verb == "scale":
            return await talk.patch(f"{path}/scale", {"spec": {"replicas": body}}, **how)
        if self.verb in ("merge", "json"):
            return await talk.patch(path, body, MERGE if self.verb == "merge" else JSON_PATCH, **how)
        extra = {"force": {"force": "true"}, "dry": {"dryRun": "All"}}.get(self.verb, {})
        path = f"{path}/status" if self.verb == "status" else path
        return await talk.patch(path, body, APPLY, **how, **extra)


def owners(body: Any) -> Any:
    """Who owns what; controllers run on one of the two alone."""
    managed = (body.get("metadata") or {}).get("managedFields") or []
    return {
        " ".join(one.get(name, "") for name in ("manager", "operation", "apiVersion", "subresource")): one[
            "fieldsV1"
        ]
        for one in managed
        if one["manager"] != "kube-controller-manager"
    }


def seen(answer: Answer, namespace: str) -> Any:
    """What a client goes by."""
    body = answer.body
    if answer.status >= 400:
        causes = (body.get("details") or {}).get("causes") or []
        is_conflict = any(one["reason"] == "FieldManagerConflict" for one in causes)
        status = OURS_FOR_500 if answer.status == 500 else answer.status
        if len({one["message"] for one in causes}) > 1:
            # A cluster names several managers in any order.
            causes.sort(key=json.dumps)
            body["message"] = ""
        told = {"message": body["message"], "causes": causes} if is_conflict else {}
        return {"status": status, "fields": sorted(one.get("field", "") for one in causes), **told}
    found = plain(body, namespace)
    if "status" in found and body["kind"] != "Thing":
        del found["status"]
    notes = found["metadata"].get("annotations", {})
    if notes.pop("deployment.kubernetes.io/revision", None) and not notes:
        del found["metadata"]["annotations"]
    return {"status": answer.status, "object": found, "owners": owners(body)}


def definition(talk: Talk) -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string"}
    item = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": text,
            "value": text,
            "more": {"type": "object", "additionalProperties": text},
        },
    }
    spec = {
        "size": {"type": "integer"},
        "mode": {"type": "string", "default": "plain"},
        "byName": {
            "type": "array",
            "items": item,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "set": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
        "whole": {"type": "object", "additionalProperties": text, "x-kubernetes-map-type": "atomic"},
        "list": {"type": "array", "items": {"type": "integer"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    }
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": spec},
            "status": {"type": "object", "properties": {"phase": text}},
        },
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.tests.example.org"},
        "spec": {
            "group": "tests.example.org",
            "names": {"plural": "things", "kind": "Thing"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


async def defined(talk: Talk) -> None:
    """The kind of the stories is served."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    answer = await talk.post(path, definition(talk))
    assert answer.status in (201, 409), answer.body
    for _ in range(200):
        if (await talk.get(talk.path("things", group="tests.example.org/v1"))).status == 200:
            return
    raise AssertionError("the kind is not served")


@pytest.mark.parametrize("story", STORIES)
async def test_a_story_ends_on_both_alike(talks: tuple[Talk, Talk], story: str) -> None:
    for talk in talks:
        await defined(talk)
    kinds = ["ConfigMap", "ConfigMap"]
    found: dict[str, Any] = {}
    for number, line in enumerate(STORIES[story], 1):
        step, results = Step(line), []
        for index, talk in enumerate(talks):
            kinds[index], answer = await step.take(talk, kinds[index])
            results.append(seen(answer, talk.namespace))
        lines = list(differences(*results))
        if lines:
            found[f"{number} {step.verb} {step.who}"] = lines
    assert found == {}, json.dumps(found, indent=1)


def is_completed(line: str) -> bool:
    path, _, told = line.partition(": ")
    inner = path + told
    is_given = path.endswith(COMPLETED) or "controller-uid" in inner or "job-name" in inner
    return line.endswith("is not there") and is_given


@pytest.mark.parametrize("kind", sorted({body["kind"] for body in POSTED.values()} - NOT_FOLLOWED))
async def test_who_posts_an_object_owns_what_a_cluster_says(talks: tuple[Talk, Talk], kind: str) -> None:
    found = {}
    for name, body in POSTED.items():
        if body["kind"] == kind:
            ours, right = [owners((await posted(talk, body)).body) for talk in talks]
            lines = [line for line in differences(ours, right) if not is_completed(line)]
            found |= {name: lines} if lines else {}
    assert found == {}, json.dumps(found, indent=1)
